using System.Collections.Concurrent;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Platform.Usage;

namespace Platen.Submissions;

/// <summary>The form that is live at an id, and whose it is.</summary>
/// <param name="Owner">The workspace, or the platform.</param>
/// <param name="Release">The release that is live.</param>
/// <param name="WidgetType">Its widget type.</param>
/// <param name="AllowedOrigins">The origins, and patterns of origins, whose pages may show it.</param>
/// <param name="Form">What is asked for.</param>
/// <param name="Kept">Counts what is kept.</param>
/// <param name="IsPrivate">Whether its page is shown only to who has an embed token.</param>
internal sealed record PublishedForm(
    OwnerId Owner,
    Digest Release,
    string WidgetType,
    IReadOnlyList<string> AllowedOrigins,
    Form Form,
    UsageCell Kept,
    bool IsPrivate
)
{
    private const string FrameAncestors = "frame-ancestors 'self' ";

    /// <summary>Whether a page of that origin may send the form. The server's own is asked elsewhere.</summary>
    public bool Allows(string origin) =>
        AllowedOrigins.Any(allowed =>
            allowed.IndexOf("://*.", StringComparison.Ordinal) is > 0 and var at
                ? origin.StartsWith(allowed[..(at + 3)], StringComparison.OrdinalIgnoreCase)
                    && origin.EndsWith(allowed[(at + 4)..], StringComparison.OrdinalIgnoreCase)
                    && origin.Length > allowed.Length - 1
                    && !origin.AsSpan(at + 3, origin.Length - allowed.Length + 1).ContainsAny("/:@")
                : origin.Equals(allowed, StringComparison.OrdinalIgnoreCase)
        );

    /// <summary>The origins in the policy that the release's pages are served with, which is the one list that was published.</summary>
    public static IReadOnlyList<string> OriginsOf(ReleaseManifest manifest)
    {
        var policy = manifest
            .Files.Select(file => file.Annotation("dev.platen.csp"))
            .FirstOrDefault(one => one is not null);
        var ancestors = policy
            ?.Split(';', StringSplitOptions.TrimEntries)
            .FirstOrDefault(directive => directive.StartsWith(FrameAncestors, StringComparison.Ordinal));
        return ancestors is null
            ? []
            : ancestors[FrameAncestors.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }
}

/// <summary>
/// Finds the live form of an instance as delivery finds its pages: by the live channel, which says whose it is. A release never changes, so
/// what it asks for is read once. Thread-safe.
/// </summary>
internal sealed class PublishedForms(PostgresPools pools, IBlobStore blobs, UsageCounters usage)
{
    private readonly ConcurrentDictionary<(OwnerId Owner, Digest Release), PublishedForm> known = new();

    /// <summary>The subject of an instance's releases and of its channel.</summary>
    public static string SubjectOf(PublicId id) => (id is PublicId.User ? "widgets/" : "curated/") + id;

    /// <summary>The form, or null when the instance is not published or has none.</summary>
    public async Task<PublishedForm?> FindAsync(PublicId id, CancellationToken ct)
    {
        if (await LiveAsync(id, ct) is not { Release: { } release } live)
            return null;
        if (known.TryGetValue((live.Owner, release), out var form))
            return form;
        if (await ReadAsync(id, live.Owner, release, live.Manifest!, ct) is not { } read)
            return null;
        // Rather read again what is used than keep what is not.
        if (known.Count >= SubmissionsLimits.Forms)
            known.Clear();
        return known[(live.Owner, release)] = read;
    }

    /// <summary>Whose an instance is; null when it was never published. Curated instances are the platform's.</summary>
    public async Task<OwnerId?> OwnerOfAsync(PublicId id, CancellationToken ct) =>
        id is PublicId.User ? await OwnerOfUserAsync(id, ct) : OwnerId.Platform;

    // One row whether it is there or not, and the owner alone: how long it takes tells nobody which.
    private async Task<OwnerId?> OwnerOfUserAsync(PublicId id, CancellationToken ct)
    {
        var rows = await pools.ReadEdgeAsync(
            new Query<(long Count, Guid Owner)>(
                """
                select count(*), coalesce((array_agg(c.owner))[1], '00000000-0000-0000-0000-000000000000')
                from (select owner from platform.edge_channel where subject = $1 and name = 'live' and owner <> $2 limit 2) c
                """,
                row => (row.GetInt64(0), row.GetGuid(1)),
                Sql.Text(SubjectOf(id)),
                Sql.Owner(OwnerId.Platform)
            ),
            ct
        );
        return rows is [(1, var owner)] ? new OwnerId(owner) : null;
    }

    private async Task<Live?> LiveAsync(PublicId id, CancellationToken ct)
    {
        const string columns = "select owner, release_digest, manifest from platform.edge_channel ";
        // An id belongs to one workspace for good; of two that claim it, neither gets anything.
        var rows = await pools.ReadEdgeAsync(
            new Query<Live>(
                columns
                    + (
                        id is PublicId.User
                            ? "where subject = $1 and name = 'live' and owner <> $2 limit 2"
                            : "where subject = $1 and name = 'live' and owner = $2 limit 2"
                    ),
                Read,
                Sql.Text(SubjectOf(id)),
                Sql.Owner(OwnerId.Platform)
            ),
            ct
        );
        return rows is [var live] ? live : null;

        static Live Read(Npgsql.NpgsqlDataReader row) =>
            new(
                new OwnerId(row.GetGuid(0)),
                row.IsDBNull(1) || row.IsDBNull(2) ? null : Digest.Parse(row.GetString(1)),
                row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2)
            );
    }

    private async Task<PublishedForm?> ReadAsync(
        PublicId id,
        OwnerId owner,
        Digest release,
        byte[] bytes,
        CancellationToken ct
    )
    {
        var manifest = ReleaseManifest.Parse(bytes);
        var type = manifest.Annotations.GetValueOrDefault("dev.platen.widget-type");
        if (type is null || manifest.Annotations.GetValueOrDefault("dev.platen.status") == "unpublished")
            return null;
        var file = manifest.Files.FirstOrDefault(file => file.Path == "config.json");
        if (file is null)
            return null;
        var outcome = await blobs.ReadAllAsync(owner, file.Digest, SubmissionsLimits.ConfigBytes, ct);
        if (outcome is not ReadOutcome.Read read)
            throw new InvalidDataException($"The config {file.Digest} of release {release} cannot be read.");
        using var config = JsonDocument.Parse(read.Bytes);
        return Form.Of(type, config.RootElement) is { } form
            ? new PublishedForm(
                owner,
                release,
                type,
                PublishedForm.OriginsOf(manifest),
                form,
                usage.For(owner, id.ToString(), UsageKind.Submission),
                manifest.Annotations.GetValueOrDefault("dev.platen.access", "public") != "public"
            )
            : null;
    }

    private sealed record Live(OwnerId Owner, Digest? Release, byte[]? Manifest);
}

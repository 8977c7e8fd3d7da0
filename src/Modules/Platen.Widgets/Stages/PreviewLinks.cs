using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>
/// Links that show a release to whoever has the link, before it is live or after: of what stands in the tables now, or of a release
/// that is named. The link is a secret of 190 bits and holds for a while; what it shows is not found by anything else.
/// </summary>
internal sealed class PreviewLinks(PostgresPools pools, IBlobStore blobs, WidgetRegistry registry, TimeProvider time)
{
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int TokenLength = 32;
    private static readonly SearchValues<char> TokenLetters = SearchValues.Create(Letters);

    /// <param name="Release">Which release; null for what stands in the tables now.</param>
    /// <param name="Minutes">How long the link holds; null for an hour.</param>
    public sealed record Body(string? Release = null, int? Minutes = null);

    public sealed record Link(string Url, Digest Release, DateTimeOffset ExpiresAt);

    /// <summary>A page of a release, with its whole policy.</summary>
    public sealed record Page(ReadOnlyMemory<byte> Html, string Policy, string? Locale);

    public async Task<Link> MakeAsync(Caller caller, PublicId id, Body body, CancellationToken ct)
    {
        var life = body.Minutes is { } minutes ? TimeSpan.FromMinutes(minutes) : WidgetsLimits.PreviewLife;
        if (life <= TimeSpan.Zero || life > WidgetsLimits.LongestPreviewLife)
        {
            throw KernelProblems
                .Invalid.Because(
                    "The link cannot hold that long.",
                    [new Fault("/minutes", $"1 to {WidgetsLimits.LongestPreviewLife.TotalMinutes:0}.")]
                )
                .AsException();
        }
        var operation = InstanceRequests.Writer(caller, id, "preview");
        var made = body.Release is null ? await MakeReleaseAsync(operation, id, ct) : null;
        await using var session = await pools.OpenAsync(operation, ct);
        var instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        if (made is not null)
            await ReleaseStore.RecordAsync(session, made, ct);
        else if (
            !Digest.TryParse(body.Release, out var named)
            || await ReleaseStore.FindAsync(session, instance.Subject, named, ct)
                is not { Manifest.ArtifactType: InstanceRelease.ArtifactType }
        )
        {
            throw WidgetsProblems
                .NoSuchRelease.Because(
                    $"'{id}' has no release '{body.Release}'.",
                    [new Fault("/release", "Not a release of this instance.")]
                )
                .AsException();
        }
        var release = made?.Digest ?? Digest.Parse(body.Release!);
        var token = RandomNumberGenerator.GetString(Letters, TokenLength);
        var expiresAt = time.GetUtcNow() + life;
        await AddAsync(session, instance.Subject, release, token, life, ct);
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.PreviewLinked,
            WidgetEvents.Stream(id.ToString()).Value,
            before: null,
            release,
            new { expiresAt },
            ct
        );
        await session.CommitAsync(ct);
        return new Link("/preview/" + token, release, expiresAt);
    }

    /// <summary>What the link shows; null when it does not hold (any more).</summary>
    /// <param name="token">From the address.</param>
    /// <param name="locale">A locale that the release has; null for its first.</param>
    /// <param name="theme"><c>auto</c>, <c>light</c> or <c>dark</c>.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Page?> ShowAsync(string token, string? locale, string theme, CancellationToken ct)
    {
        if (token.Length != TokenLength || token.AsSpan().ContainsAnyExcept(TokenLetters))
            return null;
        var found = await FindAsync(Hash(token), ct);
        if (found is not var (owner, manifest))
            return null;
        var pages = manifest
            .Files.Where(f =>
                f.Annotation("dev.platen.kind") == "page"
                && f.Annotation("dev.platen.encoding") is null
                && f.Annotation("dev.platen.theme") == theme
            )
            .ToList();
        var page =
            pages.FirstOrDefault(f => f.Annotation("dev.platen.locale") == locale)
            ?? pages.FirstOrDefault(f =>
                f.Annotation("dev.platen.locale") == manifest.Annotations.GetValueOrDefault("dev.platen.base-locale")
            );
        if (page is null)
            return null;
        return await blobs.ReadAllAsync(owner, page.Digest, (int)page.SizeBytes, ct) is ReadOutcome.Read read
            ? new Page(
                read.Bytes,
                page.Annotation("dev.platen.csp") ?? "default-src 'none'",
                page.Annotation("dev.platen.locale")
            )
            : throw new InvalidDataException($"The blob {page.Digest} of a recorded release is missing or damaged.");
    }

    private async Task<ReleaseDraft> MakeReleaseAsync(OperationContext operation, PublicId id, CancellationToken ct)
    {
        Instance instance;
        List<Overlay> overlays;
        Branding branding;
        await using (var session = await pools.OpenAsync(operation, ct))
        {
            instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
            overlays = await Overlay.ListAsync(session, id, ct);
            branding = Branding.Of(await Entitlements.ListAsync(session, ct));
        }
        var made = InstanceRelease.Make(registry.Find(instance.WidgetType), instance, overlays, branding.Shown);
        await ReleaseStore.StoreBytesAsync(blobs, operation.Owner, made.Draft, ct);
        return made.Draft;
    }

    private static async Task AddAsync(
        Session session,
        string subject,
        Digest release,
        string token,
        TimeSpan life,
        CancellationToken ct
    )
    {
        await session.ExecuteAsync(
            "delete from widgets.preview_link where owner = platform.current_owner() and expires_at < clock_timestamp()",
            ct
        );
        var added = await session.ExecuteAsync(
            """
            insert into widgets.preview_link (owner, id, token_hash, subject, release_digest, created_by_name, expires_at)
            select platform.current_owner(), $1, $2, $3, $4, $5, clock_timestamp() + $6
            where (select count(*) from widgets.preview_link where owner = platform.current_owner()) < $7
            """,
            ct,
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Bytes(Hash(token)),
            Sql.Text(subject),
            Sql.Digest(release),
            Sql.Text(session.Context.Actor.Name),
            new NpgsqlParameter<TimeSpan> { TypedValue = life },
            Sql.Int(WidgetsLimits.PreviewLinks)
        );
        if (added == 0)
        {
            throw KernelProblems
                .Conflict.Because($"{WidgetsLimits.PreviewLinks} links to previews hold; wait for one to end.")
                .AsException();
        }
    }

    private async Task<(OwnerId Owner, ReleaseManifest Manifest)?> FindAsync(byte[] hash, CancellationToken ct)
    {
        (OwnerId Owner, string Subject, Digest Release) found;
        await using (var session = await pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "preview"), ct))
        {
            found = await session.FirstAsync(
                "select owner, subject, release_digest from widgets.find_preview($1)",
                row => (new OwnerId(row.GetGuid(0)), row.GetString(1), Digest.Parse(row.GetString(2))),
                ct,
                Sql.Bytes(hash)
            );
        }
        if (found.Subject is null)
            return null;
        await using var own = await pools.OpenAsync(OperationContext.ForSystem(found.Owner, "preview"), ct);
        var release = await ReleaseStore.FindAsync(own, found.Subject, found.Release, ct);
        return release is null ? null : (found.Owner, release.Manifest);
    }

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.ASCII.GetBytes(token));
}

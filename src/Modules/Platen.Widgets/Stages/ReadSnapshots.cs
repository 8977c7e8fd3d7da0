using System.Text;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>What a publisher compares, and what it carries: the snapshots of the platform's instances, and the packages of types.</summary>
internal sealed class ReadSnapshots(PostgresPools pools, Stage stage, WidgetRegistry registry)
{
    /// <param name="Stage">This database's own id.</param>
    /// <param name="Profile">What it is bound to.</param>
    /// <param name="Protocol">Which versions of the stage protocol the server speaks.</param>
    public sealed record Page(
        Guid Stage,
        string Profile,
        StageProtocol Protocol,
        IReadOnlyList<Line> Items,
        string? NextCursor
    );

    /// <param name="Snapshot">Of what stands in the tables now.</param>
    /// <param name="Version">Grows with every change here; compared within one database only.</param>
    /// <param name="IsAsPublished">Whether it is, and shows, what was published to this server last.</param>
    /// <param name="Origin">From where it was published to this server; null when it was made here.</param>
    /// <param name="Files">The files of the snapshot: a publisher need not send these again.</param>
    /// <param name="Content">The snapshot itself, when that was asked for.</param>
    public sealed record Line(
        string PublicId,
        string WidgetType,
        string Status,
        Digest Snapshot,
        long Version,
        Digest? Live,
        bool IsAsPublished,
        Origin? Origin,
        IReadOnlyList<Digest> Files,
        Artifact? Content
    );

    public sealed record Origin(Guid Stage, long Version, Digest Snapshot, DateTimeOffset At, string By);

    /// <summary>An OCI artifact whose files are texts, ready to be pushed.</summary>
    public sealed record Artifact(
        string Repository,
        Digest Digest,
        string Manifest,
        long Version,
        IReadOnlyList<TextFile> Files
    );

    public sealed record TextFile(string Path, Digest Digest, string Text);

    public sealed record TypeLine(string Type, string Version, Digest Package);

    public async Task<Page> PageAsync(
        Caller caller,
        string? cursor,
        int? limit,
        IReadOnlyList<string>? ids,
        bool content,
        CancellationToken ct
    )
    {
        var size = Math.Clamp(limit ?? Limits.PageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(Operation(caller, "compare stages"), ct);
        var own = await session.FirstAsync("select id from widgets.stage", row => row.GetGuid(0), ct);
        string? next = null;
        if (ids is null)
        {
            var page = await session.ListAsync(
                """
                select public_id from widgets.curated_widget_instances where public_id > $1 order by public_id limit $2
                """,
                row => row.GetString(0),
                ct,
                Sql.Text(cursor ?? ""),
                Sql.Int(size + 1)
            );
            ids = page.Count > size ? page[..size] : page;
            next = page.Count > size ? page[size - 1] : null;
        }
        else if (ids.Count > Limits.PageItems)
        {
            throw KernelProblems
                .Malformed.Because($"At most {Limits.PageItems} ids are asked for at once.")
                .AsException();
        }
        var states = await CuratedState.ReadAsync(session, ids, locked: false, ct);
        return new Page(
            own,
            stage.Name,
            StageProtocol.Spoken,
            [.. ids.Select(id => states[id]).Where(s => s.Instance is not null).Select(s => LineOf(s, content))],
            next
        );
    }

    /// <summary>The snapshot of an instance as it stands.</summary>
    public async Task<Artifact> OneAsync(Caller caller, PublicId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Operation(caller, "read snapshot"), ct);
        var state = (await CuratedState.ReadAsync(session, [id.ToString()], locked: false, ct))[id.ToString()];
        return state.Instance is { } instance
            ? ArtifactOf(Snapshot.Make(instance, state.Overlays), state.Version)
            : throw InstanceRequests.NotFound(id);
    }

    public IReadOnlyList<TypeLine> Types() =>
        [.. registry.Packages.Select(p => new TypeLine(p.Type.Value, p.Version, TypeArtifact.Make(p).Digest))];

    public Artifact Package(string type) => ArtifactOf(TypeArtifact.Make(registry.Find(type)), version: 0);

    private static Artifact ArtifactOf(ReleaseDraft draft, long version) =>
        new(
            draft.Subject,
            draft.Digest,
            Encoding.UTF8.GetString(draft.ManifestBytes.Span),
            version,
            [
                .. draft
                    .Files.Select(f => new TextFile(f.Path, f.Digest, Encoding.UTF8.GetString(f.Bytes.Span)))
                    .Append(new TextFile("", ReleaseManifest.EmptyConfigDigest, "{}")),
            ]
        );

    private static Line LineOf(CuratedState state, bool content) =>
        new(
            state.PublicId,
            state.Instance!.WidgetType,
            state.Instance.Status,
            state.Snapshot!.Value,
            state.Version,
            state.Live,
            state.IsAsPublished,
            state.Origin is { } origin
                ? new Origin(origin.Stage, origin.Version, origin.Snapshot, origin.At, origin.By)
                : null,
            [.. state.Draft!.Files.Select(f => f.Digest)],
            content ? ArtifactOf(state.Draft, state.Version) : null
        );

    // Drafts and their versions are the publisher's business.
    private static OperationContext Operation(Caller caller, string reason)
    {
        var operation = caller.Operation(reason);
        return operation.MayPublishCurated
            ? operation
            : throw WidgetsProblems.NeedsPublisher.Because($"The key '{caller.Actor.Name}' is not one.").AsException();
    }
}

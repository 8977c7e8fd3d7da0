using System.Collections.Immutable;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>A page of what a publisher compares between two stages.</summary>
/// <param name="Stage">The id of the server's database.</param>
/// <param name="Profile"><c>standalone</c>, <c>authoring</c> or <c>cloud</c>.</param>
/// <param name="Items">In the order of their ids.</param>
/// <param name="NextCursor">Where the next page starts; null on the last.</param>
/// <param name="Protocol">Which versions of the stage protocol the server speaks; null for a server from before it said so.</param>
public sealed record SnapshotPage(
    Guid Stage,
    string Profile,
    ImmutableArray<SnapshotSummary> Items,
    string? NextCursor,
    StageProtocol? Protocol = null
);

/// <summary>The content of a curated instance in a digest.</summary>
/// <param name="PublicId">Which instance.</param>
/// <param name="WidgetType">Its type.</param>
/// <param name="Status">Its status.</param>
/// <param name="Snapshot">The digest of its content; equal content has the same on every server.</param>
/// <param name="Version">Grows with every change on this server; compared within one server only.</param>
/// <param name="Live">What is live; null when nothing is.</param>
/// <param name="IsAsPublished">Whether the server has, and shows, what was published to it last.</param>
/// <param name="Origin">From where it was published to the server; null when it was made there.</param>
/// <param name="Files">The files of the snapshot, which the server has.</param>
/// <param name="Content">The snapshot itself, when that was asked for.</param>
public sealed record SnapshotSummary(
    string PublicId,
    string WidgetType,
    string Status,
    Digest Snapshot,
    long Version,
    Digest? Live,
    bool IsAsPublished,
    SnapshotOrigin? Origin,
    ImmutableArray<Digest> Files,
    TextArtifact? Content
);

/// <summary>From where content was published to a server.</summary>
/// <param name="Stage">The database it came from.</param>
/// <param name="Version">Which version of it there.</param>
/// <param name="Snapshot">What was taken in.</param>
/// <param name="At">When.</param>
/// <param name="By">By whom.</param>
public sealed record SnapshotOrigin(Guid Stage, long Version, Digest Snapshot, DateTimeOffset At, string By);

/// <summary>An OCI artifact whose files are texts, ready to be pushed to another server.</summary>
/// <param name="Repository">Where it belongs.</param>
/// <param name="Digest">Of the manifest.</param>
/// <param name="Manifest">Its exact text.</param>
/// <param name="Version">The version of its source.</param>
/// <param name="Files">Every blob that it needs.</param>
public sealed record TextArtifact(
    string Repository,
    Digest Digest,
    string Manifest,
    long Version,
    ImmutableArray<TextArtifactFile> Files
);

/// <summary>A blob of an artifact.</summary>
/// <param name="Path">Its path; empty for the config.</param>
/// <param name="Digest">Its digest.</param>
/// <param name="Text">Its content.</param>
public sealed record TextArtifactFile(string Path, Digest Digest, string Text);

/// <summary>The package of a widget type.</summary>
/// <param name="Type">Which type.</param>
/// <param name="Version">The package's version.</param>
/// <param name="Package">The digest of the artifact that carries it.</param>
public sealed record WidgetTypePackage(string Type, string Version, Digest Package);

/// <summary>What one instance is to become.</summary>
/// <param name="PublicId">Which.</param>
/// <param name="Snapshot">The content to take in, pushed before; null for a move among releases.</param>
/// <param name="Release">The release to show; null with a snapshot.</param>
/// <param name="TakeOff">Show nothing.</param>
/// <param name="Seen">For a snapshot the one that the server had, for a move the release that was live; null for nothing.</param>
/// <param name="Version">For a snapshot: the version of its source.</param>
public sealed record CutoverItem(
    string PublicId,
    Digest? Snapshot,
    Digest? Release,
    bool TakeOff,
    Digest? Seen,
    long Version
);

/// <summary>Several instances that change at one moment, or none of them.</summary>
/// <param name="Items">Each instance once.</param>
/// <param name="Reason">Kept with every move; at most <see cref="Limits.ReasonLength"/> characters.</param>
/// <param name="Stage">The database that the snapshots come from; null without any.</param>
/// <param name="At">When; null for at once.</param>
/// <param name="Overwrite">Whether something newer may be replaced; the reason is needed then.</param>
/// <param name="Force">Whether what the publish gates have something against is shown; takes the scope <c>gates:force</c> and the
/// reason.</param>
public sealed record CutoverOrder(
    ImmutableArray<CutoverItem> Items,
    string? Reason,
    Guid? Stage,
    DateTimeOffset? At,
    bool Overwrite,
    bool Force = false
);

/// <summary>A cut-over as the server keeps it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="State"><c>scheduled</c>, <c>done</c>, <c>refused</c> or <c>cancelled</c>.</param>
/// <param name="Reason">Why.</param>
/// <param name="At">When it is due; null when it was carried out at once.</param>
/// <param name="Items">What became of each instance; empty until it is done.</param>
/// <param name="Problem">Why the server refused it when it was due; null when it did not.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="CreatedBy">By whom.</param>
public sealed record CutoverReport(
    Guid Id,
    string State,
    string? Reason,
    DateTimeOffset? At,
    ImmutableArray<CutoverOutcome> Items,
    JsonElement? Problem,
    DateTimeOffset CreatedAt,
    string? CreatedBy
);

/// <summary>What became of one instance.</summary>
/// <param name="PublicId">Which.</param>
/// <param name="Outcome"><c>published</c>, <c>alreadyLive</c>, <c>wentBack</c> or <c>takenOff</c>.</param>
/// <param name="From">What was live before; null when nothing was.</param>
/// <param name="To">What is live now; null when nothing is.</param>
/// <param name="ChannelRevision">How many moves its channel has made.</param>
public sealed record CutoverOutcome(string PublicId, string Outcome, Digest? From, Digest? To, long ChannelRevision);

/// <summary>A link that shows a release to whoever has it.</summary>
/// <param name="Url">Relative to the server.</param>
/// <param name="Release">What it shows.</param>
/// <param name="ExpiresAt">Until when.</param>
public sealed record PreviewLink(string Url, Digest Release, DateTimeOffset ExpiresAt);

/// <summary>A link that shows all that a scheduled cut-over will show, to whoever has it.</summary>
/// <param name="Url">Relative to the server.</param>
/// <param name="Items">What is behind it.</param>
/// <param name="ExpiresAt">Until when.</param>
public sealed record CutoverPreviewLink(string Url, ImmutableArray<PreviewedInstance> Items, DateTimeOffset ExpiresAt);

/// <summary>An instance behind a link to a cut-over.</summary>
/// <param name="PublicId">Which.</param>
/// <param name="Release">What is shown of it.</param>
public sealed record PreviewedInstance(string PublicId, Digest Release);

/// <summary>What a preview link to a cut-over is to be.</summary>
/// <param name="Minutes">How long it holds; null for an hour, at most a day.</param>
public sealed record CutoverPreviewOrder(int? Minutes);

/// <summary>What a preview link is to show.</summary>
/// <param name="Release">A release of the instance; null for what it is now.</param>
/// <param name="Minutes">How long the link holds; null for an hour.</param>
public sealed record PreviewOrder(Digest? Release, int? Minutes);

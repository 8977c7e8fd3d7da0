using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>A widget instance as the server has it.</summary>
/// <param name="PublicId">Its name; read it with <see cref="Kernel.PublicId.TryParse"/>.</param>
/// <param name="Kind"><c>baseline</c>, <c>curated</c> or <c>user</c>.</param>
/// <param name="WidgetType">The type that its config obeys, such as <c>content.faq</c>.</param>
/// <param name="Status"><c>published</c>, <c>unpublished</c> or <c>deprecated</c>.</param>
/// <param name="BaseLocale">The BCP 47 tag that the config is written in.</param>
/// <param name="Config">The config, an object.</param>
/// <param name="ConfigDigest">The digest of the config's canonical form (RFC 8785).</param>
/// <param name="AllowedOrigins">Sites that may show it in a frame; empty or absent for every site.</param>
/// <param name="Revision">1 or more; grows by one with each change.</param>
/// <param name="CreatedAt">When it was created.</param>
/// <param name="UpdatedAt">When its content changed last.</param>
/// <param name="UpdatedBy">Who changed it last.</param>
/// <param name="Locales">The locales that have an overlay.</param>
/// <param name="Publication">What is live, or null.</param>
public sealed record Instance(
    string PublicId,
    string? Kind,
    string WidgetType,
    string Status,
    string BaseLocale,
    JsonElement Config,
    Digest? ConfigDigest,
    ImmutableArray<string> AllowedOrigins,
    long Revision,
    DateTimeOffset? CreatedAt,
    DateTimeOffset? UpdatedAt,
    string? UpdatedBy,
    ImmutableArray<string> Locales,
    LivePublication? Publication
);

/// <summary>An instance in a list.</summary>
/// <param name="PublicId">Its name; read it with <see cref="Kernel.PublicId.TryParse"/>.</param>
/// <param name="Kind"><c>baseline</c>, <c>curated</c> or <c>user</c>.</param>
/// <param name="WidgetType">The type that its config obeys.</param>
/// <param name="Status"><c>published</c>, <c>unpublished</c> or <c>deprecated</c>.</param>
/// <param name="Revision">1 or more; grows by one with each change.</param>
/// <param name="PublishedRevision">The revision that is live; null when none is, and after a return to an older release.</param>
/// <param name="UpdatedAt">When its content changed last.</param>
/// <param name="UpdatedBy">Who changed it last.</param>
public sealed record InstanceSummary(
    string PublicId,
    string? Kind,
    string WidgetType,
    string Status,
    long Revision,
    long? PublishedRevision,
    DateTimeOffset? UpdatedAt,
    string? UpdatedBy
);

/// <summary>What is live.</summary>
/// <param name="Release">The release's digest.</param>
/// <param name="ChannelRevision">How many moves the channel has made.</param>
/// <param name="SourceRevision">The instance's revision that it was made of; null after a return to an older release.</param>
/// <param name="PublishedAt">When the channel moved there.</param>
/// <param name="PublishedBy">Who moved it.</param>
/// <param name="Url">Where it is served, relative to the server.</param>
public sealed record LivePublication(
    Digest Release,
    long ChannelRevision,
    long? SourceRevision,
    DateTimeOffset? PublishedAt,
    string? PublishedBy,
    string? Url
);

/// <summary>The content of an instance, as a writer sends it.</summary>
/// <param name="WidgetType">A registered type.</param>
/// <param name="Status">Null leaves it as it is (a new one: <c>published</c>).</param>
/// <param name="BaseLocale">Null leaves it as it is (a new one: <c>en</c>).</param>
/// <param name="Config">An object that obeys the type's JSON Schema.</param>
/// <param name="AllowedOrigins">Sites that may show it in a frame; empty for every site, null leaves them as they are.</param>
public sealed record InstanceContent(
    string WidgetType,
    string? Status,
    string? BaseLocale,
    JsonElement Config,
    IReadOnlyList<string>? AllowedOrigins = null
);

/// <summary>One page of a list.</summary>
/// <param name="Items">In the server's order.</param>
/// <param name="NextCursor">Where the next page starts; null on the last.</param>
public sealed record Page<T>(ImmutableArray<T> Items, string? NextCursor);

/// <summary>One change that an overlay makes to the base config.</summary>
/// <param name="Op"><c>set</c> or <c>remove</c>.</param>
/// <param name="Path">Where: a JSON Pointer (RFC 6901) into the config.</param>
/// <param name="Value">The value to set; null for <c>remove</c>.</param>
/// <param name="Base">The text of the base config that it was made from; null lets the server take the text it has.</param>
public sealed record OverlayOp(string Op, string Path, JsonElement? Value, JsonElement? Base);

/// <summary>The changes of one locale.</summary>
/// <param name="Ops">In the order they are applied.</param>
public sealed record Overlay(ImmutableArray<OverlayOp> Ops);

/// <summary>What to make live.</summary>
/// <param name="Reason">Why; at most <see cref="Limits.ReasonLength"/> characters.</param>
/// <param name="Release">A former release to return to; null publishes the instance as it stands.</param>
/// <param name="Force">Whether to publish what the server's gates have something against: takes the scope <c>gates:force</c> and a
/// reason, and the audit log keeps what was passed over.</param>
public sealed record PublicationOrder(string? Reason, Digest? Release, bool Force = false);

/// <summary>What a publish gate has against a page, and where.</summary>
/// <param name="Gate"><c>size</c>, <c>html</c>, <c>accessibility</c>, <c>csp</c> or <c>links</c>.</param>
/// <param name="Rule">The rule that is broken; for accessibility the id that axe-core gives it.</param>
/// <param name="Locale">Of the page.</param>
/// <param name="Theme">Of the page; null when it is so in every theme.</param>
/// <param name="Selector">The element, as a CSS selector; null when it is about the whole page.</param>
/// <param name="Line">In the page's source, from 1; null when the place is not one.</param>
/// <param name="Column">In the line, from 1.</param>
/// <param name="Pointer">Where in the instance it comes from, as a JSON Pointer; null when it comes from the widget type.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
public sealed record GateFinding(
    string Gate,
    string Rule,
    string Locale,
    string? Theme,
    string? Selector,
    int? Line,
    int? Column,
    string? Pointer,
    string Message
);

/// <summary>What became of a publish.</summary>
/// <param name="Outcome"><see cref="Published"/> or <see cref="AlreadyLive"/>.</param>
/// <param name="PublicId">What was published.</param>
/// <param name="Release">What is live now.</param>
/// <param name="ChannelRevision">How many moves the channel has made.</param>
/// <param name="SourceRevision">The instance's revision that it was made of; null after a return to an older release.</param>
/// <param name="Url">Where it is served, relative to the server.</param>
/// <param name="Artifacts">The files of the release.</param>
/// <param name="StaleTranslations">By locale, the places whose translation was left out because its text has changed since.</param>
/// <param name="PassedOver">What the gates have against it, when it was forced.</param>
public sealed record PublicationOutcome(
    string Outcome,
    string PublicId,
    Digest Release,
    long ChannelRevision,
    long? SourceRevision,
    string Url,
    ImmutableArray<Artifact> Artifacts,
    ImmutableSortedDictionary<string, ImmutableArray<string>>? StaleTranslations,
    ImmutableArray<GateFinding> PassedOver = default
)
{
    /// <summary>The channel moved.</summary>
    public const string Published = "published";

    /// <summary>The same release was live before; nothing was written.</summary>
    public const string AlreadyLive = "alreadyLive";
}

/// <summary>One file of a release.</summary>
/// <param name="Path">Its name within the release.</param>
/// <param name="Digest">Its digest.</param>
/// <param name="SizeBytes">Its size in bytes.</param>
public sealed record Artifact(string Path, Digest Digest, long SizeBytes);

/// <summary>What is live, and how it came to be.</summary>
/// <param name="Release">What is live; null when nothing is.</param>
/// <param name="ChannelRevision">How many moves the channel has made.</param>
/// <param name="Moves">The channel's moves, latest first; one page.</param>
/// <param name="NextBefore">Older moves continue before this one; null when these are all.</param>
public sealed record PublicationHistory(
    Digest? Release,
    long ChannelRevision,
    ImmutableArray<Move> Moves,
    long? NextBefore
);

/// <summary>One move of a channel.</summary>
/// <param name="Revision">The channel's revision that the move made.</param>
/// <param name="From">What was live before; null when nothing was.</param>
/// <param name="To">What was live after; null when it was unpublished.</param>
/// <param name="Actor">Who moved it.</param>
/// <param name="Reason">Why.</param>
/// <param name="At">When.</param>
public sealed record Move(long Revision, Digest? From, Digest? To, string? Actor, string? Reason, DateTimeOffset? At);

/// <summary>What a publish would change.</summary>
/// <param name="WouldPublish">False when the same release is live already.</param>
/// <param name="Release">The release that would go live.</param>
/// <param name="Current">The release that is live; null when none is.</param>
/// <param name="Changes">The files that differ.</param>
/// <param name="StaleTranslations">By locale, the places whose translation would be left out because its text has changed
/// since.</param>
/// <param name="Findings">What the gates have against it: a publish would be refused unless it is forced.</param>
public sealed record PublicationPreview(
    bool WouldPublish,
    Digest? Release,
    Digest? Current,
    ImmutableArray<ArtifactChange> Changes,
    ImmutableSortedDictionary<string, ImmutableArray<string>>? StaleTranslations,
    ImmutableArray<GateFinding> Findings = default
);

/// <summary>A file that a publish would add, replace or drop.</summary>
/// <param name="Path">Its name within the release.</param>
/// <param name="From">Its digest in the live release; null when it is new.</param>
/// <param name="To">Its digest in the release to come; null when it goes.</param>
/// <param name="SizeBytes">Its size in bytes, of the new one if there is one.</param>
public sealed record ArtifactChange(string Path, Digest? From, Digest? To, long? SizeBytes);

/// <summary>The widget types that the server knows.</summary>
public sealed record WidgetManifest(ImmutableArray<WidgetTypeEntry> WidgetTypes);

/// <summary>A widget type.</summary>
/// <param name="Type">Its name, such as <c>content.faq</c>.</param>
/// <param name="Title">What people see.</param>
/// <param name="Description">What it is for.</param>
/// <param name="Version">Its package's version.</param>
/// <param name="Digest">The digest of its package.</param>
/// <param name="Schema">Where its JSON Schema is, relative to the server.</param>
public sealed record WidgetTypeEntry(
    string Type,
    string? Title,
    string? Description,
    string? Version,
    string? Digest,
    string? Schema
);

/// <summary>A durable unit of background work.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Key">Of the live jobs of a kind at most one has the key; null when it does not matter.</param>
/// <param name="State">Such as <c>queued</c>, <c>running</c>, <c>done</c>, <c>dead</c>.</param>
/// <param name="Attempt">How often it was started.</param>
/// <param name="Error">How its last attempt failed; null when it did not.</param>
/// <param name="CreatedAt">When it was enqueued.</param>
/// <param name="RunAt">When it is due.</param>
public sealed record Job(
    Guid Id,
    string Kind,
    string? Key,
    string State,
    int Attempt,
    string? Error,
    DateTimeOffset? CreatedAt,
    DateTimeOffset? RunAt
)
{
    /// <summary>Everything else that the server says about the job, such as its progress.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>What a garbage collection may remove.</summary>
/// <param name="DryRun">Whether to remove nothing and only report.</param>
/// <param name="GraceSeconds">How long unreferenced bytes are spared, from 7,200 s; null for the server's 24 hours.</param>
/// <param name="RetentionSeconds">How long releases outlive their publication; null for the server's 30 days.</param>
/// <param name="Keep">How many of a channel's last moves keep their releases; null for the server's 10.</param>
public sealed record CollectionRequest(bool DryRun, double? GraceSeconds, double? RetentionSeconds, int? Keep);

/// <summary>A garbage collection.</summary>
/// <param name="Id">Its id.</param>
/// <param name="State"><c>requested</c> or <c>finished</c>.</param>
/// <param name="DryRun">Whether it removes nothing.</param>
/// <param name="RequestedAt">When it was asked for.</param>
/// <param name="FinishedAt">When its report was there; null until then.</param>
/// <param name="Report">What it removed, or would have; null until it has finished.</param>
public sealed record Collection(
    Guid Id,
    string State,
    bool DryRun,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    CollectionReport? Report
);

/// <summary>How a garbage collection went; counts of things, and bytes.</summary>
/// <param name="Releases">Releases whose files were let go.</param>
/// <param name="Blobs">Blobs nothing refers to any more.</param>
/// <param name="Orphans">Stored bytes that nothing knew.</param>
/// <param name="RemovedBytes">Bytes of the blobs and orphans.</param>
/// <param name="Spared">Blobs whose bytes stayed because they were put again meanwhile.</param>
/// <param name="KeptReleases">Releases that keep their files.</param>
/// <param name="KeptBlobs">Blobs that are kept.</param>
/// <param name="KeptBytes">Their bytes.</param>
/// <param name="Missing">Kept blobs that were not found in the store afterwards: 0 when all is well.</param>
/// <param name="Items">The first thousand things that were removed.</param>
public sealed record CollectionReport(
    long Releases,
    long Blobs,
    long Orphans,
    long RemovedBytes,
    long Spared,
    long KeptReleases,
    long KeptBlobs,
    long KeptBytes,
    long Missing,
    ImmutableArray<CollectedItem> Items
);

/// <summary>Something a garbage collection removed.</summary>
/// <param name="Owner">Whose it was.</param>
/// <param name="What"><c>release</c>, <c>blob</c> or <c>orphan</c>.</param>
/// <param name="Digest">Its digest.</param>
/// <param name="Subject">A release's subject.</param>
/// <param name="SizeBytes">Its bytes; 0 for a release.</param>
/// <param name="Why">One sentence.</param>
public sealed record CollectedItem(Guid Owner, string What, Digest Digest, string? Subject, long SizeBytes, string Why);

/// <summary>Whether the server can do its work.</summary>
/// <param name="Status">The verdict over all checks.</param>
/// <param name="Checks">One a part.</param>
/// <param name="Version">The server's version; null when it does not say.</param>
public sealed record Readiness(string? Status, ImmutableArray<ReadinessCheck> Checks, string? Version)
{
    /// <summary>The server takes work: it answered 200.</summary>
    [JsonIgnore]
    public bool IsReady { get; init; }

    /// <summary>The server takes work without a part that does not work.</summary>
    [JsonIgnore]
    public bool IsDegraded => IsReady && Status == "degraded";

    /// <summary>The server's clock when it answered, to the second; null when it does not say.</summary>
    [JsonIgnore]
    public DateTimeOffset? ServerTime { get; init; }
}

/// <summary>One part that the server depends on.</summary>
/// <param name="Name">Which.</param>
/// <param name="Ok">Whether it works.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Advice">What to do when it does not work.</param>
/// <param name="DurationMs">How long the check took, in milliseconds.</param>
public sealed record ReadinessCheck(string Name, bool Ok, string? Detail, string? Advice, double? DurationMs);

/// <summary>An event of a stream.</summary>
/// <param name="Revision">Its place in the stream, 1 or more, without gaps.</param>
/// <param name="Type">What happened, such as <c>channel.moved</c>.</param>
/// <param name="Data">What the server says about it.</param>
public sealed record StreamEvent(long Revision, string Type, JsonElement Data);

/// <summary>An error body of the server; members beyond RFC 9457's own are kept.</summary>
internal sealed record ProblemDocument(
    string? Type,
    string? Title,
    string? Detail,
    string? Advice,
    string? TraceId,
    ProblemDocument.FaultEntry[]? Faults
)
{
    public const string TypePrefix = "/problems/";

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Extensions { get; set; }

    [JsonIgnore]
    public string Slug =>
        Type?.IndexOf(TypePrefix, StringComparison.Ordinal) is { } at and >= 0
            ? Type[(at + TypePrefix.Length)..]
            : PlatenProblemException.NoProblemDocument;

    internal sealed record FaultEntry(string? Pointer, string? Message);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false
)]
[JsonSerializable(typeof(Instance))]
[JsonSerializable(typeof(InstanceContent))]
[JsonSerializable(typeof(Page<InstanceSummary>))]
[JsonSerializable(typeof(Overlay))]
[JsonSerializable(typeof(PublicationOrder))]
[JsonSerializable(typeof(PublicationOutcome))]
[JsonSerializable(typeof(PublicationHistory))]
[JsonSerializable(typeof(PublicationPreview))]
[JsonSerializable(typeof(WidgetManifest))]
[JsonSerializable(typeof(SnapshotPage))]
[JsonSerializable(typeof(TextArtifact))]
[JsonSerializable(typeof(ImmutableArray<WidgetTypePackage>))]
[JsonSerializable(typeof(CutoverOrder))]
[JsonSerializable(typeof(CutoverReport))]
[JsonSerializable(typeof(ImmutableArray<CutoverReport>))]
[JsonSerializable(typeof(PreviewLink))]
[JsonSerializable(typeof(CutoverPreviewLink))]
[JsonSerializable(typeof(CutoverPreviewOrder))]
[JsonSerializable(typeof(PreviewOrder))]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(Page<Job>))]
[JsonSerializable(typeof(Readiness))]
[JsonSerializable(typeof(ProblemDocument))]
[JsonSerializable(typeof(Collection))]
[JsonSerializable(typeof(CollectionRequest))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class ClientJson : JsonSerializerContext;

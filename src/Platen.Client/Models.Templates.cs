using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Platen.Kernel;
using Platen.Kernel.Templates;

namespace Platen.Client;

/// <summary>A template in a list.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it is for.</param>
/// <param name="Enabled">Whether it resolves.</param>
/// <param name="Versions">How many versions it has.</param>
/// <param name="DefaultVersion">What a resolve without a version takes; null when no operator has said.</param>
/// <param name="StableVersion">The highest stable version that is no pre-release.</param>
/// <param name="LatestVersion">The highest stable version, pre-releases included.</param>
/// <param name="UpdatedAt">When anything of it changed last.</param>
/// <param name="UpdatedBy">Who changed it.</param>
public sealed record TemplateSummary(
    string Name,
    string Description,
    bool Enabled,
    long Versions,
    string? DefaultVersion,
    string? StableVersion,
    string? LatestVersion,
    DateTimeOffset UpdatedAt,
    string? UpdatedBy
);

/// <summary>A channel's pointer.</summary>
/// <param name="Name">Such as <c>default</c>.</param>
/// <param name="Version">Where it points.</param>
/// <param name="Candidate">What is tried beside it, or null.</param>
/// <param name="Percentage">On what share of the keys.</param>
public sealed record TemplateChannelPointer(string Name, string? Version, string? Candidate, int Percentage);

/// <summary>A version in a list.</summary>
/// <param name="Version">SemVer.</param>
/// <param name="Status"><c>draft</c>, <c>stable</c> or <c>deprecated</c>.</param>
/// <param name="Release">The digest of its OCI manifest.</param>
/// <param name="Changelog">What changed.</param>
/// <param name="CreatedAt">When it was pushed first.</param>
/// <param name="CreatedBy">Who pushed it first.</param>
public sealed record TemplateVersionSummary(
    string Version,
    string Status,
    Digest Release,
    string? Changelog,
    DateTimeOffset CreatedAt,
    string? CreatedBy
);

/// <summary>A template with its channels and its newest versions.</summary>
public sealed record TemplateDetail(
    string Name,
    string Description,
    bool Enabled,
    string Owner,
    long Revision,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    DateTimeOffset UpdatedAt,
    string? UpdatedBy,
    ImmutableArray<TemplateChannelPointer> Channels,
    ImmutableArray<TemplateVersionSummary> Versions
);

/// <summary>What a writer says about a template itself; null members stay as they are.</summary>
public sealed record TemplateContent(string? Description = null, bool? Enabled = null, string? Reason = null);

/// <summary>Why a version is not to be used any more.</summary>
/// <param name="At">Since when.</param>
/// <param name="Reason">Why.</param>
/// <param name="Successor">The version to use instead.</param>
/// <param name="SunsetAt">When it may stop being served.</param>
public sealed record TemplateDeprecation(
    DateTimeOffset At,
    string? Reason = null,
    string? Successor = null,
    DateTimeOffset? SunsetAt = null
);

/// <summary>A version with its files.</summary>
public sealed record TemplateVersionDetail(
    string Template,
    string Version,
    string Status,
    Digest Release,
    string Subject,
    string? Changelog,
    TemplateDeprecation? Deprecation,
    long Revision,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    DateTimeOffset UpdatedAt,
    ImmutableArray<TemplateArtifact> Artifacts
);

/// <summary>What a commit is made of.</summary>
/// <param name="Manifest">The bundle's manifest, each artifact with its digest and size.</param>
/// <param name="Status"><c>draft</c> or <c>stable</c>.</param>
public sealed record TemplateCommit(JsonElement Manifest, string Status);

/// <summary>What became of a commit.</summary>
/// <param name="Outcome"><c>committed</c>, or <c>unchanged</c> when the same content was there.</param>
/// <param name="Version">The version as it is now.</param>
public sealed record TemplateCommitOutcome(string Outcome, TemplateVersionDetail Version);

/// <summary>What becomes of a version: a new status, a reason, a successor, a changelog; null members stay.</summary>
public sealed record TemplateVersionChange(
    string? Status = null,
    string? Reason = null,
    string? Successor = null,
    DateTimeOffset? SunsetAt = null,
    string? Changelog = null
);

/// <summary>Which versions are past their time.</summary>
/// <param name="DraftsOlderThanDays">Drafts that nobody changed for so long; null for none.</param>
/// <param name="UnusedOlderThanDays">Versions that are so old and that nothing names; null for none.</param>
/// <param name="DryRun">Only tells.</param>
/// <param name="AfterSunset">Whether deprecated versions go after their sunset.</param>
public sealed record TemplateExpiryOrder(
    int? DraftsOlderThanDays = null,
    int? UnusedOlderThanDays = null,
    bool DryRun = false,
    bool AfterSunset = true
);

/// <summary>Which versions of its templates an owner loses by themselves, every day. Nothing, unless it was said.</summary>
/// <param name="DraftsOlderThanDays">Drafts that nobody changed for so many days, 1 to 3,650; null: none.</param>
/// <param name="UnusedOlderThanDays">Stable and deprecated versions that are so many days old and that nothing names, 1 to 3,650; null: none.</param>
/// <param name="AfterSunset">Whether deprecated versions go after their sunset.</param>
public sealed record TemplateRetention(int? DraftsOlderThanDays, int? UnusedOlderThanDays, bool AfterSunset);

/// <summary>A version that was removed, or that is past its time and stays.</summary>
/// <param name="Version">Which.</param>
/// <param name="Status">What it was.</param>
/// <param name="Release">Its release.</param>
/// <param name="Because">Why it goes, or what names it.</param>
public sealed record TemplateExpiryLine(string Version, string Status, Digest Release, string Because);

/// <summary>What was removed, or would be.</summary>
/// <param name="DryRun">Whether it was only told.</param>
/// <param name="Removed">What went, or would go.</param>
/// <param name="Kept">What is past its time and stays.</param>
/// <param name="HasMore">Whether more is past its time than one request removes: the same request again goes on.</param>
public sealed record TemplateExpiry(
    bool DryRun,
    ImmutableArray<TemplateExpiryLine> Removed,
    ImmutableArray<TemplateExpiryLine> Kept,
    bool HasMore
);

/// <summary>What differs between two versions.</summary>
public sealed record TemplateDifference(
    string Template,
    string From,
    string To,
    ImmutableArray<TemplateFileChange> Changes
);

/// <summary>When a trial ends without being asked: see docs/reference/templates.md.</summary>
/// <param name="Metric">Such as <c>failure</c>.</param>
/// <param name="LowerIsBetter">Whether a higher mean is worse.</param>
/// <param name="Tolerance">How much worse is still good.</param>
/// <param name="MinimumOutcomes">Outcomes that each side has before anything is decided.</param>
public sealed record TemplateGuard(
    string Metric,
    bool LowerIsBetter = true,
    double Tolerance = 0,
    int MinimumOutcomes = 50
);

/// <summary>A version to try on a share of the keys.</summary>
public sealed record TemplateCandidateOrder(string Version, int Percentage, TemplateGuard? Guard = null);

/// <summary>What a channel is to be.</summary>
/// <param name="Version">The live version; null for none.</param>
/// <param name="Candidate">What to try beside it; null for nothing.</param>
/// <param name="Reason">Why.</param>
public sealed record TemplateChannelOrder(
    string? Version,
    TemplateCandidateOrder? Candidate = null,
    string? Reason = null
);

/// <summary>A candidate that is being tried.</summary>
public sealed record TemplateCandidate(
    string? Version,
    Digest Release,
    int Percentage,
    TemplateGuard? Guard,
    Guid? Trial,
    DateTimeOffset? StartedAt
);

/// <summary>A move of a channel.</summary>
public sealed record TemplateChannelMove(
    long Revision,
    Digest? From,
    Digest? To,
    Digest? Candidate,
    int Percentage,
    string? By,
    string? Reason,
    DateTimeOffset At
);

/// <summary>A channel of a template.</summary>
public sealed record TemplateChannel(
    string Template,
    string Name,
    string? Version,
    Digest? Release,
    TemplateCandidate? Candidate,
    long Revision,
    DateTimeOffset? MovedAt,
    bool Protected,
    bool MovedByServer,
    ImmutableArray<TemplateChannelMove> Moves
);

/// <summary>What became of an order to move a channel.</summary>
/// <param name="Channel">The channel as it is; null when a second person has to agree first.</param>
/// <param name="Request">The request that waits for that person, or null.</param>
public sealed record TemplateMoveOutcome(TemplateChannel? Channel, TemplateMoveRequest? Request);

/// <summary>A move that waits for a second person, or what became of it.</summary>
public sealed record TemplateMoveRequest(
    Guid Id,
    string Template,
    string Channel,
    string Asks,
    TemplateChannelOrder? Move,
    string Reason,
    string State,
    string? RequestedBy,
    DateTimeOffset RequestedAt,
    string? DecidedBy,
    DateTimeOffset? DecidedAt,
    string? DecisionReason
);

/// <summary>The running trial of a channel, for whoever chooses the side of each key itself (<see cref="TrialSide"/>).</summary>
/// <param name="Id">Which trial.</param>
/// <param name="Channel">Of which channel.</param>
/// <param name="Percentage">On what share of the keys.</param>
/// <param name="Salt">What the keys are hashed with.</param>
/// <param name="Side"><c>live</c> or <c>candidate</c> when the server was given a key.</param>
/// <param name="Version">The candidate's version.</param>
/// <param name="Release">The candidate's release.</param>
/// <param name="Status">The candidate's status.</param>
/// <param name="Deprecation">Of the candidate.</param>
/// <param name="Artifacts">The candidate's files; empty when one file was asked for.</param>
public sealed record TemplateTrial(
    Guid? Id,
    string Channel,
    int Percentage,
    string Salt,
    string? Side,
    string Version,
    Digest Release,
    string? Status,
    TemplateDeprecation? Deprecation,
    ImmutableArray<TemplateArtifact>? Artifacts
);

/// <summary>Which version a caller gets, and why.</summary>
/// <param name="Template">The template.</param>
/// <param name="Owner"><c>platform</c> or <c>workspace</c>.</param>
/// <param name="Version">The version.</param>
/// <param name="Status">Its status.</param>
/// <param name="Release">The digest of its release.</param>
/// <param name="Rule"><c>exact</c>, <c>pin</c>, <c>range</c>, <c>alias</c>, <c>default</c> or <c>candidate</c>.</param>
/// <param name="Explanation">The same in a sentence.</param>
/// <param name="Channel">The channel it came from, or null.</param>
/// <param name="ChannelRevision">That channel's revision.</param>
/// <param name="Deprecation">Why it is not to be used any more, or null.</param>
/// <param name="Artifact">The file that was asked for, or null.</param>
/// <param name="Artifacts">All files, when none was asked for.</param>
/// <param name="Trial">The running trial of the channel, or null.</param>
public sealed record TemplateResolution(
    string Template,
    string? Owner,
    string Version,
    string? Status,
    Digest Release,
    string Rule,
    string Explanation,
    string? Channel,
    long? ChannelRevision,
    TemplateDeprecation? Deprecation,
    TemplateArtifact? Artifact,
    ImmutableArray<TemplateArtifact>? Artifacts,
    TemplateTrial? Trial
);

/// <summary>How a caller fared with the version it got.</summary>
/// <param name="Id">The recorder's name for it; a repeated one counts once.</param>
/// <param name="Metric">Such as <c>failure</c>.</param>
/// <param name="Value">Such as 0, 1, or seconds.</param>
/// <param name="Version">The version that was served; or <paramref name="Key"/>.</param>
/// <param name="Key">The key it was resolved with.</param>
public sealed record TemplateOutcome(
    string Id,
    string Metric,
    double Value,
    string? Version = null,
    string? Key = null
);

/// <summary>Outcomes to record.</summary>
public sealed record TemplateOutcomes(ImmutableArray<TemplateOutcome> Outcomes);

/// <summary>What was recorded.</summary>
public sealed record TemplateOutcomesRecorded(Guid Trial, int Recorded, int Repeated, int Ignored);

internal sealed record DigestList(ImmutableArray<Digest> Digests);

/// <summary>An operator's decision which version a place gets.</summary>
/// <param name="Environment">The place, or <c>*</c> for everywhere.</param>
/// <param name="Version">Which version.</param>
/// <param name="Reason">Why; whoever resolves sees it.</param>
/// <param name="SetBy">Who decided it last.</param>
/// <param name="SetAt">When.</param>
/// <param name="Revision">Grows with each change of it.</param>
public sealed record TemplatePin(
    string Environment,
    string Version,
    string Reason,
    string SetBy,
    DateTimeOffset SetAt,
    long Revision
);

/// <summary>A candidate beside the live version of a channel, from its beginning to its end.</summary>
/// <param name="Id">Its id.</param>
/// <param name="LiveVersion">The live version.</param>
/// <param name="CandidateVersion">The one that is tried.</param>
/// <param name="Guard">When it is taken away; null for never.</param>
/// <param name="State"><c>running</c>, <c>promoted</c>, <c>rolled-back</c> or <c>ended</c>.</param>
/// <param name="Decision">Why its guard ended it; null when it did not.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="EndedAt">When it ended; null while it runs.</param>
/// <param name="Metrics">What was recorded, for each metric and side.</param>
public sealed record TemplateTrialReport(
    Guid Id,
    string LiveVersion,
    string CandidateVersion,
    TemplateGuard? Guard,
    string State,
    string? Decision,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt,
    ImmutableArray<TemplateMetric> Metrics
);

/// <summary>The outcomes of one metric on one side.</summary>
/// <param name="Metric">Such as <c>failure</c>.</param>
/// <param name="Side"><c>live</c> or <c>candidate</c>.</param>
/// <param name="Outcomes">How many.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="StandardDeviation">How far they are spread.</param>
public sealed record TemplateMetric(string Metric, string Side, long Outcomes, double Mean, double StandardDeviation);

internal sealed record TemplatePinOrder(string Version, string? Reason);

internal sealed record TemplatePinList(ImmutableArray<TemplatePin> Items);

internal sealed record TemplateTrialList(ImmutableArray<TemplateTrialReport> Items);

internal sealed record MissingDigests(ImmutableArray<Digest> Missing);

internal sealed record TemplateChannelList(ImmutableArray<TemplateChannel> Items);

internal sealed record TemplateMoveRequestList(ImmutableArray<TemplateMoveRequest> Items);

internal sealed record MoveDecision(bool Approve, string? Reason);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false
)]
[JsonSerializable(typeof(Page<TemplateSummary>))]
[JsonSerializable(typeof(TemplateDetail))]
[JsonSerializable(typeof(TemplateContent))]
[JsonSerializable(typeof(TemplateVersionDetail))]
[JsonSerializable(typeof(Page<TemplateVersionSummary>))]
[JsonSerializable(typeof(TemplateCommit))]
[JsonSerializable(typeof(TemplateCommitOutcome))]
[JsonSerializable(typeof(TemplateVersionChange))]
[JsonSerializable(typeof(TemplateDifference))]
[JsonSerializable(typeof(TemplateExpiryOrder))]
[JsonSerializable(typeof(TemplateExpiry))]
[JsonSerializable(typeof(TemplateRetention))]
[JsonSerializable(typeof(TemplateChannelOrder))]
[JsonSerializable(typeof(TemplateChannel))]
[JsonSerializable(typeof(TemplateChannelList))]
[JsonSerializable(typeof(TemplateMoveRequest))]
[JsonSerializable(typeof(TemplateMoveRequestList))]
[JsonSerializable(typeof(TemplatePin))]
[JsonSerializable(typeof(TemplatePinOrder))]
[JsonSerializable(typeof(TemplatePinList))]
[JsonSerializable(typeof(TemplateTrialList))]
[JsonSerializable(typeof(TemplateResolution))]
[JsonSerializable(typeof(TemplateOutcomes))]
[JsonSerializable(typeof(TemplateOutcomesRecorded))]
[JsonSerializable(typeof(DigestList))]
[JsonSerializable(typeof(MissingDigests))]
[JsonSerializable(typeof(MoveDecision))]
internal sealed partial class TemplatesJson : JsonSerializerContext;

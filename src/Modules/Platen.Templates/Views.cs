using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Channels;

namespace Platen.Templates;

internal sealed record TemplateListView(IReadOnlyList<TemplateSummary> Items, string? NextCursor);

internal sealed record TemplateView(
    string Name,
    string Description,
    bool Enabled,
    string Owner,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    IReadOnlyList<ChannelPointerView> Channels,
    IReadOnlyList<VersionSummaryView> Versions
)
{
    /// <summary>Versions in one answer; all of them are at /versions.</summary>
    private const int Shown = 100;

    public static TemplateView Of(TemplateState state) => Of(state.Template, state);

    public static TemplateView Of(Template t, TemplateState? state) =>
        new(
            t.Name.Value,
            t.Description,
            t.Enabled,
            t.Owner.IsPlatform ? "platform" : "workspace",
            t.Revision,
            t.CreatedAt,
            t.CreatedBy,
            t.UpdatedAt,
            t.UpdatedBy,
            state is null
                ? []
                :
                [
                    .. state
                        .Channels.Values.OrderBy(c => c.Key.Name, StringComparer.Ordinal)
                        .Select(c => new ChannelPointerView(
                            c.Key.Name,
                            state.Find(c.Release!.Value)?.Version.ToString(),
                            c.Candidate is { } tried ? state.Find(tried)?.Version.ToString() : null,
                            c.CandidatePercent
                        )),
                ],
            state is null ? [] : [.. state.Versions.Reverse().Take(Shown).Select(VersionSummaryView.Of)]
        );
}

internal sealed record ChannelPointerView(string Name, string? Version, string? Candidate, int Percentage);

internal sealed record VersionSummaryView(
    string Version,
    string Status,
    Digest Release,
    string? Changelog,
    DateTimeOffset CreatedAt,
    string CreatedBy
)
{
    public static VersionSummaryView Of(TemplateVersion v) =>
        new(v.Version.ToString(), v.Status, v.Release, v.Changelog, v.CreatedAt, v.CreatedBy);
}

internal sealed record VersionListView(IReadOnlyList<VersionSummaryView> Items, string? NextCursor);

internal sealed record DeprecationView(DateTimeOffset At, string? Reason, string? Successor, DateTimeOffset? SunsetAt)
{
    public static DeprecationView? Of(TemplateVersion v) =>
        v.DeprecatedAt is { } at ? new DeprecationView(at, v.DeprecationReason, v.Successor, v.SunsetAt) : null;
}

internal sealed record ArtifactView(
    string Kind,
    string Path,
    string? Role,
    string? Locale,
    string ContentType,
    Digest Digest,
    long SizeBytes,
    IReadOnlyList<PromptVariable> Variables,
    string? IncludedFrom,
    string Url
)
{
    /// <param name="place">The template's address.</param>
    /// <param name="a">The file.</param>
    public static ArtifactView Of(string place, TemplateArtifact a) =>
        new(
            a.Kind,
            a.Path,
            a.Role,
            a.Locale,
            a.ContentType,
            a.Digest,
            a.SizeBytes,
            a.Variables,
            a.IncludedFrom,
            $"{place}/blobs/{a.Digest}"
        );

    public static IReadOnlyList<ArtifactView> Of(string place, IEnumerable<TemplateArtifact> artifacts) =>
        [.. artifacts.Select(a => Of(place, a))];
}

internal sealed record VersionView(
    string Template,
    string Version,
    string Status,
    Digest Release,
    string Subject,
    string? Changelog,
    DeprecationView? Deprecation,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    IReadOnlyList<ArtifactView> Artifacts
)
{
    public static VersionView Of(string place, TemplateVersion v, IEnumerable<TemplateArtifact> artifacts) =>
        new(
            v.Template.Value,
            v.Version.ToString(),
            v.Status,
            v.Release,
            v.Template.Subject,
            v.Changelog,
            DeprecationView.Of(v),
            v.Revision,
            v.CreatedAt,
            v.CreatedBy,
            v.UpdatedAt,
            ArtifactView.Of(place, artifacts)
        );
}

/// <param name="Outcome"><c>committed</c>, or <c>unchanged</c> when the same content was there.</param>
internal sealed record CommittedView(string Outcome, VersionView Version);

internal sealed record DifferenceView(
    string Template,
    string From,
    string To,
    IReadOnlyList<TemplateFileChange> Changes
);

internal sealed record CandidateView(
    string? Version,
    Digest Release,
    int Percentage,
    GuardRule? Guard,
    Guid? Trial,
    DateTimeOffset? StartedAt
);

internal sealed record ChannelMoveView(
    long Revision,
    Digest? From,
    Digest? To,
    Digest? Candidate,
    int Percentage,
    string By,
    string Reason,
    DateTimeOffset At
)
{
    public static ChannelMoveView Of(ChannelMoveRecord m) =>
        new(m.Revision, m.From, m.To, m.Candidate, m.CandidatePercent, m.Actor.Name, m.Reason, m.At);
}

internal sealed record ChannelView(
    string Template,
    string Name,
    string? Version,
    Digest? Release,
    CandidateView? Candidate,
    long Revision,
    DateTimeOffset? MovedAt,
    bool Protected,
    bool MovedByServer,
    IReadOnlyList<ChannelMoveView> Moves
)
{
    public static ChannelView Of(TemplateName name, ChannelDetail d, IEnumerable<ChannelMoveRecord> moves) =>
        new(
            name.Value,
            d.Name,
            d.Version?.Version.ToString(),
            d.Channel?.Release,
            d.Channel?.Candidate is { } candidate
                ? new CandidateView(
                    d.Candidate?.Version.ToString(),
                    candidate,
                    d.Channel.CandidatePercent,
                    d.Trial?.Guard,
                    d.Trial?.Id,
                    d.Trial?.StartedAt
                )
                : null,
            d.Channel?.Revision ?? 0,
            d.Channel?.MovedAt,
            d.IsProtected,
            ChannelNames.IsMovedByServer(d.Name),
            [.. moves.Select(ChannelMoveView.Of)]
        );
}

internal sealed record ChannelListView(IReadOnlyList<ChannelView> Items);

internal sealed record MoveRequestView(
    Guid Id,
    string Template,
    string Channel,
    string Asks,
    ChannelOrder? Move,
    string Reason,
    string State,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    string? DecidedBy,
    DateTimeOffset? DecidedAt,
    string? DecisionReason
)
{
    public static MoveRequestView Of(TemplateName name, MoveRequest r) =>
        new(
            r.Id,
            name.Value,
            r.Channel,
            r.Move is null ? "end-protection" : "move",
            r.Move,
            r.Reason,
            r.State,
            r.RequestedBy,
            r.RequestedAt,
            r.DecidedBy,
            r.DecidedAt,
            r.DecisionReason
        );
}

internal sealed record MoveRequestListView(IReadOnlyList<MoveRequestView> Items);

internal sealed record PinView(
    string Template,
    string Environment,
    string Version,
    string Reason,
    long Revision,
    string SetBy,
    DateTimeOffset SetAt
)
{
    public static PinView Of(TemplateName name, Pin p) =>
        new(name.Value, p.Environment, p.Version.ToString(), p.Reason, p.Revision, p.SetBy, p.SetAt);
}

internal sealed record PinListView(IReadOnlyList<PinView> Items);

internal sealed record MetricView(string Metric, string Side, long Outcomes, double Mean, double StandardDeviation);

internal sealed record TrialView(
    Guid Id,
    string Channel,
    string LiveVersion,
    string CandidateVersion,
    GuardRule? Guard,
    string State,
    string? Decision,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<MetricView> Metrics
)
{
    public static TrialView Of(Trial t, IEnumerable<OutcomeSum> sums) =>
        new(
            t.Id,
            t.Channel,
            t.LiveVersion,
            t.CandidateVersion,
            t.Guard,
            t.State,
            t.Decision,
            t.StartedAt,
            t.EndedAt,
            [.. sums.Select(s => new MetricView(s.Metric, s.Side, s.Outcomes, s.Mean, Math.Sqrt(s.Variance)))]
        );
}

internal sealed record TrialListView(IReadOnlyList<TrialView> Items);

/// <summary>The running trial of the channel that was resolved, for clients that choose the side of each key themselves.</summary>
internal sealed record ResolvedTrialView(
    Guid? Id,
    string Channel,
    int Percentage,
    string Salt,
    string? Side,
    string Version,
    Digest Release,
    string Status,
    DeprecationView? Deprecation,
    IReadOnlyList<ArtifactView>? Artifacts
);

/// <summary>What a resolve answers.</summary>
/// <param name="Rule">Why this version: exact, pin, range, alias, default or candidate.</param>
/// <param name="Explanation">The same in a sentence.</param>
/// <param name="Artifact">The file that kind, role, path and locale choose; null when none of kind, role and path was given.</param>
/// <param name="Artifacts">All files; null when one was asked for.</param>
internal sealed record ResolutionView(
    string Template,
    string Owner,
    string Version,
    string Status,
    Digest Release,
    string Rule,
    string Explanation,
    string? Channel,
    long? ChannelRevision,
    DeprecationView? Deprecation,
    ArtifactView? Artifact,
    IReadOnlyList<ArtifactView>? Artifacts,
    ResolvedTrialView? Trial
);

using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>What a channel is to be.</summary>
/// <param name="Version">The live version; null when nothing is to be live.</param>
/// <param name="Candidate">A version to try beside it; null ends a trial.</param>
/// <param name="Reason">Why; kept with the move.</param>
internal sealed record ChannelOrder(string? Version, CandidateOrder? Candidate = null, string? Reason = null);

/// <summary>A version to try on a share of the keys.</summary>
/// <param name="Version">Which.</param>
/// <param name="Percentage">The share of keys that get it, 0 to 100.</param>
/// <param name="Guard">When to go back without being asked; null for never.</param>
internal sealed record CandidateOrder(string Version, int Percentage, GuardRule? Guard = null);

/// <summary>
/// A metric that ends a trial: the candidate's mean is worse than the live one's by more than the tolerance, and too much so for
/// chance (<see cref="GuardDecision"/>).
/// </summary>
/// <param name="Metric">Such as <c>failure</c>, recorded as 0 or 1, or <c>seconds</c>.</param>
/// <param name="LowerIsBetter">Whether a higher mean is worse.</param>
/// <param name="Tolerance">How much worse is still good, in the metric's unit.</param>
/// <param name="MinimumOutcomes">Outcomes that each side has before anything is decided, 10 or more.</param>
internal sealed record GuardRule(
    string Metric,
    bool LowerIsBetter = true,
    double Tolerance = 0,
    int MinimumOutcomes = 50
);

/// <summary>A channel with the versions it points at.</summary>
internal sealed record ChannelDetail(
    string Name,
    Channel? Channel,
    TemplateVersion? Version,
    TemplateVersion? Candidate,
    Trial? Trial,
    bool IsProtected
)
{
    public string? Tag => Channel is null ? null : Precondition.TagOf(Channel.Revision);

    /// <summary>What the audit log has of it; null when it points at nothing.</summary>
    public Digest? ContentDigest => DigestOf(Channel?.Release, Channel?.Candidate, Channel?.CandidatePercent ?? 0);

    public static Digest? DigestOf(Digest? live, Digest? candidate, int percent) =>
        live is null && candidate is null
            ? null
            : AuditLog.DigestOf(
                new
                {
                    live = live?.ToString(),
                    candidate = candidate?.ToString(),
                    percent,
                }
            );
}

/// <summary>
/// Moves a channel by compare-and-swap, and begins and ends trials with it. A protected channel is not moved but asked for: see
/// <see cref="DecideMove"/>.
/// </summary>
internal sealed class MoveChannel(PostgresPools pools)
{
    public abstract record Outcome
    {
        /// <summary>The channel is as ordered.</summary>
        public sealed record Done(bool Created, ChannelDetail Channel) : Outcome;

        /// <summary>A second person has to agree.</summary>
        public sealed record Asked(MoveRequest Request) : Outcome;
    }

    public async Task<Outcome> RunAsync(
        Caller caller,
        TemplateName name,
        string channel,
        ChannelOrder order,
        Precondition precondition,
        CancellationToken ct
    )
    {
        TemplateRequests.CheckReason(order.Reason);
        if (ChannelNames.IsMovedByServer(channel))
        {
            throw TemplatesProblems
                .ReservedChannel.Because($"'{channel}' follows the versions of '{name}' by itself.")
                .AsException();
        }
        await using var session = await pools.OpenAsync(caller.Operation(order.Reason ?? "move channel"), ct);
        _ = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        var now = await FindAsync(session, name, channel, ct);
        precondition.Check(now.Tag);
        await CheckAsync(session, name, channel, order, now, ct);
        if (now.IsProtected && !OnlyStopsATrial(order, now))
        {
            var request = await DecideMove.AskAsync(session, name, channel, now.Channel?.Revision ?? 0, order, ct);
            await session.CommitAsync(ct);
            return new Outcome.Asked(request);
        }
        await ApplyAsync(session, name, channel, order, now, ct);
        var moved = await FindAsync(session, name, channel, ct);
        await session.CommitAsync(ct);
        return new Outcome.Done(now.Channel is null, moved);
    }

    /// <summary>The channel as the session sees it.</summary>
    public static async Task<ChannelDetail> FindAsync(
        Session session,
        TemplateName name,
        string channel,
        CancellationToken ct
    )
    {
        var found = await ChannelStore.FindAsync(session, TemplateRequests.Channel(name, channel), ct);
        var version = found?.Release is { } live ? await TemplateVersion.OfReleaseAsync(session, name, live, ct) : null;
        var candidate = found?.Candidate is { } tried
            ? await TemplateVersion.OfReleaseAsync(session, name, tried, ct)
            : null;
        var isProtected = await session.FirstAsync(
            "select true from templates.protected_channel where template = $1 and channel = $2",
            row => row.GetBoolean(0),
            ct,
            Sql.Text(name.Value),
            Sql.Text(channel)
        );
        var trial = candidate is null ? null : await Trial.RunningAsync(session, name, channel, ct);
        return new ChannelDetail(channel, found, version, candidate, trial, isProtected);
    }

    /// <summary>Makes the channel what was ordered and checked, in the caller's transaction.</summary>
    public static async Task ApplyAsync(
        Session session,
        TemplateName name,
        string channel,
        ChannelOrder order,
        ChannelDetail now,
        CancellationToken ct
    )
    {
        var live = await ReleaseOfAsync(session, name, order.Version, ct);
        var candidate = await ReleaseOfAsync(session, name, order.Candidate?.Version, ct);
        var key = TemplateRequests.Channel(name, channel);
        var revision = now.Channel?.Revision ?? 0;
        // Another guard alone makes a move as well, of the candidate away and back: whoever saw the former one is to be told.
        if (now.Channel?.Release != live || candidate is null || ChangesGuardAlone(order, candidate, now))
            revision = Moved(await ChannelStore.MoveAsync(session, key, revision, live, ct), name, channel);
        if (candidate is { } tried)
        {
            var percent = order.Candidate!.Percentage;
            revision = Moved(
                await ChannelStore.SetCandidateAsync(session, key, revision, tried, percent, ct),
                name,
                channel
            );
        }
        await Trial.FollowAsync(session, name, channel, order, ct);
        if (revision == now.Channel?.Revision)
            return;
        await TellOfMove.RunAsync(
            session,
            name,
            channel,
            order.Version,
            now.Version?.Version.ToString(),
            order.Candidate?.Version,
            order.Candidate?.Percentage ?? 0,
            revision,
            ct
        );
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.ChannelMoved,
            new
            {
                channel,
                version = order.Version,
                candidate = order.Candidate?.Version,
                percentage = order.Candidate?.Percentage ?? 0,
                guard = order.Candidate?.Guard,
                revision,
                reason = session.Context.Reason,
            },
            ct,
            now.ContentDigest,
            ChannelDetail.DigestOf(live, candidate, order.Candidate?.Percentage ?? 0)
        );
    }

    /// <summary>Refuses an order that cannot be carried out.</summary>
    public static async Task CheckAsync(
        Session session,
        TemplateName name,
        string channel,
        ChannelOrder order,
        ChannelDetail now,
        CancellationToken ct
    )
    {
        var faults = new List<Fault>();
        if (order.Version is not null)
            await CheckVersionAsync(session, name, order.Version, "/version", faults, ct);
        else if (now.Channel?.Release is null)
            faults.Add(new Fault("/version", "The version that is to be live."));
        else if (channel == ChannelNames.Default && now.IsProtected)
        {
            faults.Add(
                new Fault(
                    "/version",
                    "A version: without one callers get what is pushed, and nobody is asked for that."
                )
            );
        }
        if (order.Candidate is { } candidate)
        {
            await CheckVersionAsync(session, name, candidate.Version, "/candidate/version", faults, ct);
            if (candidate.Version == order.Version)
                faults.Add(new Fault("/candidate/version", "Another version than the live one."));
            if (order.Version is null)
                faults.Add(new Fault("/version", "A trial takes a live version beside the candidate."));
            if (candidate.Percentage is < 0 or > 100)
                faults.Add(new Fault("/candidate/percentage", "0 to 100."));
            if (candidate.Guard is { } guard)
                Check(guard, faults);
        }
        if (now.Channel is null && order.Version is not null)
            await CheckCountAsync(session, name, faults, ct);
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because($"The channel '{channel}' cannot be moved so.", faults).AsException();
    }

    private static bool ChangesGuardAlone(ChannelOrder order, Digest? candidate, ChannelDetail now) =>
        order.Candidate is { } tried
        && now is { Channel: { } channel, Trial: { } trial }
        && (channel.Candidate, channel.CandidatePercent) == (candidate, tried.Percentage)
        && trial.Guard != tried.Guard;

    /// <summary>Going back to what is live is always allowed at once: stopping is not to wait for anybody.</summary>
    private static bool OnlyStopsATrial(ChannelOrder order, ChannelDetail now) =>
        order.Candidate is null && now.Candidate is not null && order.Version == now.Version?.Version.ToString();

    private static void Check(GuardRule guard, List<Fault> faults)
    {
        if (!TemplateManifest.IsKind(guard.Metric))
            faults.Add(new Fault("/candidate/guard/metric", "A name such as failure or seconds."));
        if (guard.Tolerance is not (>= 0 and <= 1e12))
            faults.Add(new Fault("/candidate/guard/tolerance", "0 or more."));
        if (guard.MinimumOutcomes is < 10 or > 1_000_000)
            faults.Add(new Fault("/candidate/guard/minimumOutcomes", "10 to 1,000,000."));
    }

    private static async Task CheckVersionAsync(
        Session session,
        TemplateName name,
        string text,
        string pointer,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        var version = TemplateManifest.TryParseVersion(text, out var parsed)
            ? await TemplateVersion.FindAsync(session, name, parsed, ct)
            : null;
        if (version is null)
            faults.Add(new Fault(pointer, $"'{name}' has no version '{text}'."));
        else if (version.Status == VersionStatus.Draft)
            faults.Add(new Fault(pointer, $"Version {text} is a draft, which may still change: make it stable first."));
    }

    private static async Task CheckCountAsync(
        Session session,
        TemplateName name,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        var channels = await session.ListAsync(
            "select name from platform.channel where subject = $1 and revision > 0",
            row => row.GetString(0),
            ct,
            Sql.Text(name.Subject)
        );
        if (channels.Count(ChannelNames.IsValid) >= TemplatesLimits.Channels)
            faults.Add(new Fault("", $"A template has at most {TemplatesLimits.Channels} channels."));
    }

    private static async Task<Digest?> ReleaseOfAsync(
        Session session,
        TemplateName name,
        string? version,
        CancellationToken ct
    ) => version is null ? null : (await TemplateVersion.FindAsync(session, name, SemVer.Parse(version), ct))!.Release;

    private static long Moved(ChannelMove move, TemplateName name, string channel) =>
        move switch
        {
            ChannelMove.Moved(var revision) => revision,
            ChannelMove.Unchanged(var revision) => revision,
            ChannelMove.Conflict(var revision, _) => throw KernelProblems
                .StaleVersion.Because($"The channel '{channel}' of '{name}' was moved by somebody else just now.")
                .With("currentVersion", Precondition.TagOf(revision))
                .AsException(),
            var other => throw new InvalidOperationException($"The release is recorded, and yet: {other}."),
        };
}

using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Channels;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>What the figures of a trial say about its guard.</summary>
/// <param name="RollBack">Whether the candidate has to go.</param>
/// <param name="Explanation">With the figures it rests on.</param>
internal sealed record GuardDecision(bool RollBack, string Explanation)
{
    /// <summary>
    /// How many standard errors the difference must exceed the tolerance by. Three, one-sided, is a chance of 1 in 740 for a single
    /// look; the guard looks often, so a smaller number would end good trials by chance.
    /// </summary>
    public const double StandardErrors = 3;

    /// <summary>Decides on the means of both sides (Welch's statistic, without assuming equal variances).</summary>
    public static GuardDecision Of(GuardRule guard, IReadOnlyList<OutcomeSum> sums)
    {
        var live = Side(OutcomeSum.Live);
        var candidate = Side(OutcomeSum.Candidate);
        var figures = string.Create(
            CultureInfo.InvariantCulture,
            $"{guard.Metric}: candidate {candidate.Mean:0.####} over {candidate.Outcomes} outcomes, live {live.Mean:0.####} over {live.Outcomes}"
        );
        if (candidate.Outcomes < guard.MinimumOutcomes || live.Outcomes < guard.MinimumOutcomes)
            return new GuardDecision(false, $"{figures}; {guard.MinimumOutcomes} on each side are needed to decide");
        var worse = guard.LowerIsBetter ? candidate.Mean - live.Mean : live.Mean - candidate.Mean;
        var beyond = worse - guard.Tolerance;
        var error = Math.Sqrt((candidate.Variance / candidate.Outcomes) + (live.Variance / live.Outcomes));
        if (beyond <= 0)
            return new GuardDecision(false, $"{figures}; not worse by more than {Number(guard.Tolerance)}");
        if (beyond <= StandardErrors * error)
            return new GuardDecision(false, $"{figures}; worse by {Number(worse)}, which may still be chance");
        return new GuardDecision(
            true,
            $"{figures}; worse by {Number(worse)}, more than the tolerance of {Number(guard.Tolerance)} and {Number(StandardErrors)} standard errors of {Number(error)}"
        );

        OutcomeSum Side(string side) =>
            sums.FirstOrDefault(s => s.Metric == guard.Metric && s.Side == side)
            ?? new OutcomeSum(guard.Metric, side, 0, 0, 0);
    }

    private static string Number(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);
}

/// <summary>
/// Takes the candidate of a trial away when its guard says so. One move of the channel, with the decision as its reason; a trial
/// that ended otherwise meanwhile is left alone, so a repeated run changes nothing.
/// </summary>
internal sealed partial class GuardTrials(PostgresPools pools, ILogger<GuardTrials> logger) : IJobHandler
{
    public const string JobKind = "templates.guard";

    public sealed record Payload(string Template, string Channel, Guid Trial);

    public string Kind => JobKind;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        var payload =
            JsonSerializer.Deserialize<Payload>(job.Job.Payload.Span) ?? throw new JobRefusedException("No payload.");
        var name = TemplateName.Parse(payload.Template);
        if (await DecideAsync(job.Job.Owner, name, payload, ct) is { RollBack: true } decision)
            await RollBackAsync(job, name, payload, decision, ct);
    }

    private async Task<GuardDecision?> DecideAsync(
        OwnerId owner,
        TemplateName name,
        Payload payload,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(owner, "guard trial"), ct);
        var trial = await Trial.RunningAsync(session, name, payload.Channel, ct);
        return trial?.Id == payload.Trial && trial.Guard is { } guard
            ? GuardDecision.Of(guard, await OutcomeSum.ListAsync(session, name, trial.Id, guard.Metric, ct))
            : null;
    }

    private async Task RollBackAsync(
        JobContext job,
        TemplateName name,
        Payload payload,
        GuardDecision decision,
        CancellationToken ct
    )
    {
        var reason = "rolled back by its guard: " + decision.Explanation;
        if (reason.Length > Limits.ReasonLength)
            reason = reason[..Limits.ReasonLength];
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(job.Job.Owner, reason), ct);
        _ = await Template.LockAsync(session, name, ct);
        var trial = await Trial.RunningAsync(session, name, payload.Channel, ct);
        if (trial?.Id != payload.Trial)
            return;
        var now = await MoveChannel.FindAsync(session, name, payload.Channel, ct);
        await Trial.EndAsync(session, name, trial, Trial.RolledBack, reason, ct);
        var move = await ChannelStore.SetCandidateAsync(
            session,
            now.Channel!.Key,
            now.Channel.Revision,
            candidate: null,
            percent: 0,
            ct
        );
        if (move is not ChannelMove.Moved(var revision))
            throw new InvalidOperationException($"The template is locked, and yet its channel: {move}.");
        var live = now.Version?.Version.ToString();
        await TellOfMove.RunAsync(session, name, payload.Channel, live, live, null, 0, revision, ct);
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.TrialEnded,
            new
            {
                channel = payload.Channel,
                trial = trial.Id,
                state = Trial.RolledBack,
                decision = reason,
                revision,
            },
            ct,
            now.ContentDigest,
            ChannelDetail.DigestOf(now.Channel.Release, candidate: null, percent: 0)
        );
        await job.CompleteAsync(session, ct);
        await session.CommitAsync(ct);
        LogRolledBack(logger, name.Value, payload.Channel, trial.CandidateVersion, decision.Explanation);
    }

    [LoggerMessage(
        3201,
        LogLevel.Warning,
        "{Template} {Channel}: the candidate {Version} was rolled back by its guard: {Decision}"
    )]
    private static partial void LogRolledBack(
        ILogger logger,
        string template,
        string channel,
        string version,
        string decision
    );
}

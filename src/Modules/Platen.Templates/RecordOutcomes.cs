using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>What one side of a trial has come to in one metric.</summary>
internal sealed record OutcomeSum(string Metric, string Side, long Outcomes, double Total, double TotalOfSquares)
{
    public const string Live = "live";
    public const string Candidate = "candidate";

    public double Mean => Outcomes == 0 ? 0 : Total / Outcomes;

    /// <summary>The sample variance; 0 for fewer than two outcomes.</summary>
    public double Variance =>
        Outcomes < 2 ? 0 : Math.Max(0, (TotalOfSquares - (Total * Total / Outcomes)) / (Outcomes - 1));

    /// <summary>Both sides of each metric, or of one.</summary>
    public static Task<List<OutcomeSum>> ListAsync(
        Session session,
        TemplateName name,
        Guid trial,
        string? metric,
        CancellationToken ct
    ) =>
        session.ListAsync(
            """
            select metric, side, outcomes, total, total_of_squares from templates.outcome_sum
            where template = $1 and trial = $2 and ($3::text is null or metric = $3) order by metric, side
            """,
            row => new OutcomeSum(
                row.GetString(0),
                row.GetString(1),
                row.GetInt64(2),
                row.GetDouble(3),
                row.GetDouble(4)
            ),
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(trial),
            Sql.Text(metric)
        );
}

/// <summary>
/// Records how callers fared with the version they got. Each outcome has an id of its recorder's, so that sending it again counts
/// once. A trial with a guard is looked at soon after, by a job.
/// </summary>
internal sealed class RecordOutcomes(PostgresPools pools, TimeProvider clock)
{
    /// <summary>How long outcomes are gathered until the guard looks at them.</summary>
    public static readonly TimeSpan GuardInterval = TimeSpan.FromSeconds(1);

    public sealed record Body(IReadOnlyList<Outcome> Outcomes);

    /// <param name="Id">The recorder's name for it; a repeated one counts once.</param>
    /// <param name="Metric">Such as <c>failure</c>.</param>
    /// <param name="Value">Such as 0, 1, or seconds.</param>
    /// <param name="Version">The version that was served; or <paramref name="Key"/>.</param>
    /// <param name="Key">The key that was resolved with, which says the side.</param>
    public sealed record Outcome(string Id, string Metric, double Value, string? Version = null, string? Key = null);

    /// <param name="Trial">Which trial they count for.</param>
    /// <param name="Recorded">How many were new.</param>
    /// <param name="Repeated">How many were recorded before.</param>
    /// <param name="Ignored">How many are of a version that is on neither side.</param>
    public sealed record View(Guid Trial, int Recorded, int Repeated, int Ignored);

    public async Task<View> RunAsync(Caller caller, TemplateName name, string channel, Body body, CancellationToken ct)
    {
        Check(body);
        await using var session = await pools.OpenAsync(caller.Operation("record outcomes"), ct);
        var now = await MoveChannel.FindAsync(session, name, channel, ct);
        if (now is not { Trial: { } trial, Candidate: { } candidate, Channel: { } state })
        {
            throw KernelProblems
                .Conflict.Because(
                    $"No trial is running on '{channel}' of '{name}': there is nothing that outcomes could decide."
                )
                .AsException();
        }
        var salt = TrialSide.SaltOf(name, channel, candidate.Release);
        var sided = body
            .Outcomes.Select(o => (Outcome: o, Side: SideOf(o, trial, salt, state.CandidatePercent)))
            .Where(o => o.Side is not null)
            .DistinctBy(o => o.Outcome.Id)
            .ToList();
        var ignored = body.Outcomes.DistinctBy(o => o.Id).Count() - sided.Count;
        await CheckMetricsAsync(session, name, trial, body, ct);
        var recorded = sided.Count == 0 ? 0 : await WriteAsync(session, name, trial, sided, ct);
        if (recorded > 0 && trial.Guard is not null)
            await EnqueueGuardAsync(session, name, trial, ct);
        await session.CommitAsync(ct);
        return new View(trial.Id, recorded, body.Outcomes.Count - ignored - recorded, ignored);
    }

    /// <summary>Refuses metrics beyond <see cref="TemplatesLimits.Metrics"/>; the guard's own has a place of its own.</summary>
    private static async Task CheckMetricsAsync(
        Session session,
        TemplateName name,
        Trial trial,
        Body body,
        CancellationToken ct
    )
    {
        if (body.Outcomes.All(o => o.Metric == trial.Guard?.Metric))
            return;
        var known = await MetricsAsync(session, name, trial, ct);
        if (body.Outcomes.All(o => known.Contains(o.Metric)))
            return;
        // Who brings a new one waits for others who do, and counts theirs.
        await session.FirstAsync(
            "select true from templates.trial where template = $1 and id = $2 for no key update",
            row => row.GetBoolean(0),
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(trial.Id)
        );
        known = await MetricsAsync(session, name, trial, ct);
        var faults = new List<Fault>();
        foreach (var (index, outcome) in body.Outcomes.Index())
        {
            if (!known.Add(outcome.Metric) || known.Count <= TemplatesLimits.Metrics + (trial.Guard is null ? 0 : 1))
                continue;
            known.Remove(outcome.Metric);
            faults.Add(
                new Fault($"/outcomes/{index}/metric", $"The trial has {TemplatesLimits.Metrics} metrics already.")
            );
        }
        if (faults.Count > 0)
            throw KernelProblems
                .Invalid.Because("The outcomes cannot be recorded.", faults.Take(Limits.Faults))
                .AsException();
    }

    /// <summary>The metrics that the trial has, and the guard's in any case.</summary>
    private static async Task<HashSet<string>> MetricsAsync(
        Session session,
        TemplateName name,
        Trial trial,
        CancellationToken ct
    )
    {
        var metrics = await session.ListAsync(
            "select distinct metric from templates.outcome_sum where template = $1 and trial = $2",
            row => row.GetString(0),
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(trial.Id)
        );
        var known = metrics.ToHashSet(StringComparer.Ordinal);
        if (trial.Guard is { } guard)
            known.Add(guard.Metric);
        return known;
    }

    /// <summary>
    /// One look for all outcomes of a second, after its end: a job that runs already may have read too early, so each second has a key
    /// of its own.
    /// </summary>
    private async Task EnqueueGuardAsync(Session session, TemplateName name, Trial trial, CancellationToken ct)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var interval = (long)GuardInterval.TotalMilliseconds;
        var second = now / interval;
        await JobQueue.EnqueueAsync(
            session,
            GuardTrials.JobKind,
            string.Create(CultureInfo.InvariantCulture, $"{trial.Id}/{second}"),
            JsonSerializer.SerializeToUtf8Bytes(new GuardTrials.Payload(name.Value, trial.Channel, trial.Id)),
            new JobOptions { Delay = TimeSpan.FromMilliseconds(((second + 1) * interval) - now) },
            ct
        );
    }

    private static async Task<int> WriteAsync(
        Session session,
        TemplateName name,
        Trial trial,
        List<(Outcome Outcome, string? Side)> sided,
        CancellationToken ct
    ) =>
        await session.FirstAsync(
            """
            with made as (
                insert into templates.outcome (owner, template, trial, id, side, metric, value)
                select $1, $2, $3, o.id, o.side, o.metric, o.value
                from unnest($4::text[], $5::text[], $6::text[], $7::float8[]) as o (id, side, metric, value)
                on conflict do nothing
                returning metric, side, value
            ), summed as (
                insert into templates.outcome_sum as s (owner, template, trial, metric, side, outcomes, total, total_of_squares)
                select $1, $2, $3, metric, side, count(*), sum(value), sum(value * value) from made group by metric, side
                order by metric, side
                on conflict (owner, template, trial, metric, side) do update
                set outcomes = s.outcomes + excluded.outcomes, total = s.total + excluded.total,
                    total_of_squares = s.total_of_squares + excluded.total_of_squares
            )
            select count(*)::int from made
            """,
            row => row.GetInt32(0),
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Uuid(trial.Id),
            Texts(sided.Select(o => o.Outcome.Id)),
            Texts(sided.Select(o => o.Side!)),
            Texts(sided.Select(o => o.Outcome.Metric)),
            new NpgsqlParameter<double[]> { TypedValue = [.. sided.Select(o => o.Outcome.Value)] }
        );

    private static string? SideOf(Outcome outcome, Trial trial, string salt, int percent) =>
        outcome switch
        {
            { Version: { } version } when version == trial.CandidateVersion => OutcomeSum.Candidate,
            { Version: { } version } => version == trial.LiveVersion ? OutcomeSum.Live : null,
            { Key: { } key } => TrialSide.IsCandidate(salt, key, percent) ? OutcomeSum.Candidate : OutcomeSum.Live,
            _ => null,
        };

    private static void Check(Body body)
    {
        var faults = new List<Fault>();
        if (body.Outcomes.Count is 0 or > TemplatesLimits.Outcomes)
            faults.Add(new Fault("/outcomes", $"1 to {TemplatesLimits.Outcomes} outcomes."));
        foreach (var (index, outcome) in body.Outcomes.Index().Take(TemplatesLimits.Outcomes))
        {
            var at = $"/outcomes/{index}";
            if (outcome.Id.Length is 0 or > 200 || outcome.Id.Contains('\0', StringComparison.Ordinal))
                faults.Add(new Fault(at + "/id", "1 to 200 characters."));
            if (!TemplateManifest.IsKind(outcome.Metric))
                faults.Add(new Fault(at + "/metric", "A name such as failure or seconds."));
            if (outcome.Value is not (>= -1e12 and <= 1e12))
                faults.Add(new Fault(at + "/value", "A number from -1e12 to 1e12."));
            if ((outcome.Version is null) == (outcome.Key is null) || outcome.Key?.Length > TrialSide.KeyLength)
                faults.Add(new Fault(at, "Either the version that was served, or the key it was resolved with."));
        }
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The outcomes cannot be recorded.", faults).AsException();
    }

    private static NpgsqlParameter Texts(IEnumerable<string> values) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}

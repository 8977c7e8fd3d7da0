using System.Globalization;
using System.Text.Json;
using Npgsql;
using Platen.Kernel.Templates;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// Removes single outcomes of a trial some days after they were recorded: they are only there so that a repeated one counts once, and
/// nobody repeats one for that long. Their sums stay. Runs every day from a trial's beginning until it has ended and has none left.
/// </summary>
internal sealed class ForgetOutcomes(TimeProvider clock) : IJobHandler
{
    public const string JobKind = "templates.forget-outcomes";

    /// <summary>How long an outcome that is sent again is known to be the same.</summary>
    public static readonly TimeSpan OutcomesFor = TimeSpan.FromDays(7);

    private static readonly TimeSpan Interval = TimeSpan.FromDays(1);
    private const int RowsATransaction = 5_000;

    public sealed record Payload(string Template, Guid Trial);

    public string Kind => JobKind;

    /// <summary>Begins it for a trial that begins with the session.</summary>
    public static Task BeginAsync(Session session, TemplateName name, Guid trial, CancellationToken ct) =>
        EnqueueAsync(session, new Payload(name.Value, trial), run: 1, ct);

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        var payload =
            JsonSerializer.Deserialize<Payload>(job.Job.Payload.Span) ?? throw new JobRefusedException("No payload.");
        // The next run is certain before this one can fail for good.
        await using (var next = await job.OpenAsync(ct))
        {
            if (!await IsOverAsync(next, payload, ct))
                await EnqueueAsync(next, payload, Day(clock.GetUtcNow() + Interval), ct);
            await next.CommitAsync(ct);
        }
        while (true)
        {
            await using var session = await job.OpenAsync(ct);
            var removed = await session.ExecuteAsync(
                """
                delete from templates.outcome where ctid = any (array(
                    select ctid from templates.outcome
                    where template = $1 and trial = $2 and at < clock_timestamp() - $3 limit $4))
                """,
                ct,
                Sql.Text(payload.Template),
                Sql.Uuid(payload.Trial),
                new NpgsqlParameter<TimeSpan> { TypedValue = OutcomesFor },
                Sql.Int(RowsATransaction)
            );
            await session.CommitAsync(ct);
            if (removed < RowsATransaction)
                return;
        }
    }

    private static async Task<bool> IsOverAsync(Session session, Payload payload, CancellationToken ct) =>
        !await session.FirstAsync(
            """
            select exists (select from templates.trial t where t.template = $1 and t.id = $2 and t.state = 'running')
                or exists (select from templates.outcome o where o.template = $1 and o.trial = $2)
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Text(payload.Template),
            Sql.Uuid(payload.Trial)
        );

    /// <param name="run">Part of the key: a run that is under way is another one than the next.</param>
    private static Task EnqueueAsync(Session session, Payload payload, long run, CancellationToken ct) =>
        JobQueue.EnqueueAsync(
            session,
            JobKind,
            string.Create(CultureInfo.InvariantCulture, $"{payload.Trial}/{run}"),
            JsonSerializer.SerializeToUtf8Bytes(payload),
            new JobOptions { Delay = Interval },
            ct
        );

    private static long Day(DateTimeOffset at) => at.ToUnixTimeSeconds() / (long)Interval.TotalSeconds;
}

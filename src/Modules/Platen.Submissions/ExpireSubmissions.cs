using System.Globalization;
using System.Text.Json;
using Platen.Access.Audit;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>
/// Removes what is older than its owner keeps it, a batch a transaction. Each run first makes sure of the next day's; a run of a rule that
/// was changed since does nothing, because the change began runs of its own.
/// </summary>
internal sealed class ExpireSubmissions : IJobHandler
{
    public const string JobKind = "submissions.expire";

    private static readonly TimeSpan Every = TimeSpan.FromDays(1);

    public string Kind => JobKind;

    public int Concurrency => 2;

    /// <summary>Enqueues a run of a rule.</summary>
    /// <param name="session">Of the owner.</param>
    /// <param name="revision">Of the rule.</param>
    /// <param name="run">How many came before; the first is due at once.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<EnqueueOutcome> EnqueueAsync(Session session, long revision, long run, CancellationToken ct) =>
        JobQueue.EnqueueAsync(
            session,
            JobKind,
            string.Create(CultureInfo.InvariantCulture, $"{revision}/{run}"),
            JsonSerializer.SerializeToUtf8Bytes(new { revision, run }),
            new JobOptions { Delay = run == 0 ? TimeSpan.Zero : Every, MaxAttempts = JobLimits.Attempts },
            ct
        );

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var revision = payload.RootElement.GetProperty("revision").GetInt64();
        var run = payload.RootElement.GetProperty("run").GetInt64();
        await using (var next = await job.OpenAsync(ct))
        {
            if (!await IsInForceAsync(next, revision, ct))
                return;
            await EnqueueAsync(next, revision, run + 1, ct);
            await next.CommitAsync(ct);
        }
        long removed = 0;
        while (await RemoveAsync(job, revision, ct) is > 0 and var some)
        {
            removed += some;
            await job.ReportAsync(0, string.Create(CultureInfo.InvariantCulture, $"{removed} removed"), ct);
        }
    }

    private static async Task<bool> IsInForceAsync(Session session, long revision, CancellationToken ct) =>
        await Retention.FindAsync(session, locked: false, ct) is { Ends: true } rule && rule.Revision == revision;

    private static async Task<long> RemoveAsync(JobContext job, long revision, CancellationToken ct)
    {
        await using var session = await job.OpenAsync(ct);
        // Whoever prolongs it waits for this batch, and keeps all that is left.
        if (await Retention.FindAsync(session, locked: true, ct) is not { } rule || rule.Revision != revision)
            return 0;
        var removed = await session.ListAsync(
            """
            with old as (
                select s.id from submissions.submission s join submissions.retention r on r.owner = s.owner
                 where s.owner = platform.current_owner()
                   and s.received_at < clock_timestamp() - make_interval(days => case
                        when r.instances ? s.public_id then (r.instances ->> s.public_id)::integer else r.days end)
                 limit $1
            ), removed as (
                delete from submissions.submission s using old where s.owner = platform.current_owner() and s.id = old.id
                returning s.public_id
            )
            select public_id, count(*) from removed group by public_id order by public_id
            """,
            row => (PublicId: row.GetString(0), Count: row.GetInt64(1)),
            ct,
            Sql.Int(SubmissionsLimits.ExpireBatch)
        );
        foreach (var (publicId, count) in removed)
        {
            await EventLog.AppendAsync(
                session,
                SubmissionEvents.Stream(publicId),
                SubmissionEvents.Expired,
                JsonSerializer.SerializeToUtf8Bytes(new { publicId, count }),
                ct
            );
            await AuditLog.RecordAsync(
                session,
                SubmissionEvents.Expired,
                "submissions/" + publicId,
                null,
                null,
                new { count, days = rule.For(publicId) },
                ct
            );
        }
        await session.CommitAsync(ct);
        return removed.Sum(one => one.Count);
    }
}

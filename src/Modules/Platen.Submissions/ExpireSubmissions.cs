using System.Globalization;
using System.Text.Json;
using Platen.Access.Audit;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>Removes what is older than its owner keeps it, every day, a batch a transaction.</summary>
internal sealed class ExpireSubmissions(TimeProvider clock) : DailyRuns(clock)
{
    public const string JobKind = "submissions.expire";

    public override string Kind => JobKind;

    protected override async Task<bool> IsInForceAsync(Session session, long revision, CancellationToken ct) =>
        await Retention.FindAsync(session, locked: false, ct) is { Ends: true } rule && rule.Revision == revision;

    protected override async Task RunAsync(JobContext job, long revision, CancellationToken ct)
    {
        long removed = 0;
        while (await RemoveAsync(job, revision, ct) is > 0 and var some)
        {
            removed += some;
            await job.ReportAsync(0, string.Create(CultureInfo.InvariantCulture, $"{removed} removed"), ct);
        }
    }

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

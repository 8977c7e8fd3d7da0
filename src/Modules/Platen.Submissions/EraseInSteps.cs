using System.Globalization;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>
/// Goes on with erasing what a person sent, a step a transaction. Where it is stands in the row, written with what the step removed, so an
/// attempt that is killed is taken up where it was.
/// </summary>
internal sealed class EraseInSteps : IJobHandler
{
    public const string JobKind = "submissions.erase-person";

    public string Kind => JobKind;

    public int Concurrency => 2;

    /// <summary>Enqueues the steps that are left. The job names the erasure, never the person: jobs are kept.</summary>
    public static Task<EnqueueOutcome> EnqueueAsync(Session session, Guid erasure, CancellationToken ct) =>
        JobQueue.EnqueueAsync(
            session,
            JobKind,
            erasure.ToString("D"),
            JsonSerializer.SerializeToUtf8Bytes(new { erasure }),
            new JobOptions { MaxAttempts = JobLimits.Attempts },
            ct
        );

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var id = payload.RootElement.GetProperty("erasure").GetGuid();
        while (await StepAsync(job, id, ct) is { } far)
        {
            await job.ReportAsync(
                0,
                string.Create(CultureInfo.InvariantCulture, $"{far.LookedAt} looked at, {far.Erased} erased"),
                ct
            );
        }
    }

    // How far it is; null when there is nothing left to do.
    private static async Task<ErasureStep?> StepAsync(JobContext job, Guid id, CancellationToken ct)
    {
        await using var session = await job.OpenAsync(ct);
        var erasure = await session.FirstAsync(
            """
            select person, looked_to, looked_at, erased, asked_by, asked_by_name from submissions.erasure
            where owner = platform.current_owner() and id = $1 and finished_at is null for update
            """,
            row => new
            {
                Person = row.GetString(0),
                So = new ErasureStep(row.GetGuid(1), row.GetInt64(2), row.GetInt64(3)),
                AskedBy = new Actor(new ActorId(row.GetGuid(4)), row.GetString(5)),
            },
            ct,
            Sql.Uuid(id)
        );
        if (erasure is null)
            return null;
        session.ActFor(erasure.AskedBy);
        var step = await ErasureStep.TakeAsync(session, erasure.Person, erasure.So.LookedTo, ct);
        await session.ExecuteAsync(
            """
            update submissions.erasure set looked_to = $2, looked_at = looked_at + $3, erased = erased + $4,
                person = case when $5 then null else person end, finished_at = case when $5 then clock_timestamp() end
            where owner = platform.current_owner() and id = $1
            """,
            ct,
            Sql.Uuid(id),
            Sql.Uuid(step.LookedTo),
            Sql.Long(step.LookedAt),
            Sql.Long(step.Erased),
            Sql.Bool(step.IsLast)
        );
        await session.CommitAsync(ct);
        return step.IsLast
            ? null
            : new ErasureStep(step.LookedTo, erasure.So.LookedAt + step.LookedAt, erasure.So.Erased + step.Erased);
    }
}

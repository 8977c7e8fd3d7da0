using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Collections;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Platform.Jobs;

/// <summary>
/// The hourly housekeeping: abandoned uploads, events and finished jobs past their retention. It is a job like any other, so one
/// node does it, a crash repeats it, and a failure is seen; each run begins by enqueuing the next, and every start makes sure
/// there is one. The hour is its key: however many nodes enqueue, one waits.
/// </summary>
internal sealed class Maintain(IBlobStore blobs, PostgresPools pools, TimeProvider clock, ILogger<Maintain> logger)
    : IJobHandler,
        IHostedService
{
    private static readonly TimeSpan EventsFor = TimeSpan.FromDays(30);
    private static readonly TimeSpan SucceededFor = TimeSpan.FromDays(7);
    private static readonly TimeSpan DeadFor = TimeSpan.FromDays(90);
    private static readonly TimeSpan CollectEvery = TimeSpan.FromHours(24);
    private const int RowsATransaction = 5_000;

    public string Kind => "platform.maintain";

    public int Concurrency => 1;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        // The next run is certain before this one can fail for good.
        await using (var next = await job.OpenAsync(ct))
        {
            await EnqueueAsync(next, clock.GetUtcNow().AddHours(1), ct);
            await next.CommitAsync(ct);
        }
        await CollectDailyAsync(ct);
        var swept = await blobs.SweepAsync(ct);
        await ForgetUploadsAsync(ct);
        var events = await RemoveAllAsync(s => EventLog.RemoveOldAsync(s, EventsFor, RowsATransaction, ct), ct);
        var jobs = await RemoveAllAsync(
            s => JobQueue.RemoveOldAsync(s, SucceededFor, DeadFor, RowsATransaction, ct),
            ct
        );
        await RemoveAllAsync(s => Webhooks.WebhookQueue.RemoveOldAsync(s, RowsATransaction, ct), ct);
        await RemoveAllAsync(s => Usage.UsageLog.RemoveOldAsync(s, RowsATransaction, ct), ct);
        await RemoveAllAsync(s => Embedding.EndedToken.RemoveOldAsync(s, RowsATransaction, ct), ct);
        Log.Maintained(logger, swept.Uploads, events, jobs);
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "schedule maintenance"),
            cancellationToken
        );
        await EnqueueAsync(session, clock.GetUtcNow(), cancellationToken);
        await session.CommitAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private Task<EnqueueOutcome> EnqueueAsync(Session session, DateTimeOffset due, CancellationToken ct)
    {
        var wait = due - clock.GetUtcNow();
        return JobQueue.EnqueueAsync(
            session,
            Kind,
            due.ToString("yyyy-MM-dd'T'HH", CultureInfo.InvariantCulture),
            "{}"u8.ToArray(),
            new JobOptions { Delay = wait > TimeSpan.Zero ? wait : TimeSpan.Zero },
            ct
        );
    }

    private async Task CollectDailyAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "schedule collection"),
            ct
        );
        var latest = await Collection.ListAsync(session, before: null, limit: Limits.PageItems, ct);
        if (latest.Any(c => !c.DryRun && c.RequestedAt > clock.GetUtcNow() - CollectEvery))
            return;
        try
        {
            await Collect.RequestAsync(session, dryRun: false, CollectionRules.Default, ct);
            await session.CommitAsync(ct);
        }
        catch (ProblemException running) when (running.Problem.Type == KernelProblems.Conflict)
        {
            // An operator's is under way; the next hour looks again.
        }
    }

    // After the sweep: an upload whose row is gone cannot be continued, so its bytes must have gone first.
    private async Task ForgetUploadsAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("maintain", ct);
        await session.ExecuteAsync(
            "select platform.remove_old_uploads($1)",
            ct,
            new Npgsql.NpgsqlParameter<TimeSpan> { TypedValue = BlobLimits.UploadAge }
        );
        await session.CommitAsync(ct);
    }

    private async Task<int> RemoveAllAsync(Func<Session, Task<int>> remove, CancellationToken ct)
    {
        var total = 0;
        while (true)
        {
            await using var session = await pools.OpenWorkerAsync("maintain", ct);
            var removed = await remove(session);
            await session.CommitAsync(ct);
            total += removed;
            if (removed < RowsATransaction)
                return total;
        }
    }
}

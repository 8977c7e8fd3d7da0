using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Platform.Jobs;

/// <summary>How a process works on jobs.</summary>
public sealed record JobRunnerOptions
{
    /// <summary>How long a job stays a worker's without a sign of life.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often to look without being notified: delayed, failed and abandoned jobs become due silently.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The wait after the first failure; it doubles with each.</summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest wait between attempts.</summary>
    public TimeSpan MostBackoff { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>
/// Takes due jobs under a lease, as many of a kind as its handler allows, renews the leases, and records the outcome. What
/// an attempt writes is fenced by its number, so a worker that lost a job cannot end it.
/// </summary>
public sealed class JobRunner(
    PostgresPools pools,
    NotificationListener listener,
    IEnumerable<IJobHandler> handlers,
    JobRunnerOptions options,
    ILogger<JobRunner> logger,
    TimeProvider time
) : BackgroundService
{
    private static readonly TimeSpan MostQueueBackoff = TimeSpan.FromSeconds(10);
    private readonly Dictionary<string, IJobHandler> byKind = handlers.ToDictionary(handler => handler.Kind);
    private readonly ConcurrentDictionary<(JobId Id, int Attempt), (JobContext Job, Task Run)> running = new();
    private readonly SemaphoreSlim work = new(0, 1);
    private long lookedAt;
    private readonly string worker = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.CreateVersion7():N}";

    /// <summary>
    /// Whether the queue was looked at as late as it is meant to be: within twice <see cref="JobRunnerOptions.Poll"/> and the longest
    /// wait after a failure. True without a handler, as then there is nothing to look for.
    /// </summary>
    public bool IsLooking =>
        byKind.Count == 0
        || (
            Interlocked.Read(ref lookedAt) is not 0 and var at
            && time.GetElapsedTime(at) < (2 * options.Poll) + MostQueueBackoff
        );

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (byKind.Count == 0)
            return;
        using var ear = listener.Add(
            JobQueue.Channel,
            kind =>
            {
                if (byKind.ContainsKey(kind))
                    Wakeup();
            },
            Wakeup
        );
        using var renewing = new CancellationTokenSource();
        var renewal = RenewAsync(renewing.Token);
        var backoff = new Backoff(MostQueueBackoff);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await TakeAsync(stoppingToken);
                Interlocked.Exchange(ref lookedAt, time.GetTimestamp());
                backoff.Reset();
                await work.WaitAsync(options.Poll, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
            {
                var delay = backoff.Next();
                Log.QueueFailed(logger, delay, exception);
                await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        // Every handler is told to stop and gives its job back; the host's shutdown limit ends those that do not.
        foreach (var (job, _) in running.Values)
            await CancelAsync(job);
        await Task.WhenAll(running.Values.Select(entry => entry.Run));
        await renewing.CancelAsync();
        await renewal;
    }

    private async Task TakeAsync(CancellationToken ct)
    {
        var kinds = new List<string>();
        var slots = new List<int>();
        foreach (var (kind, handler) in byKind)
        {
            var free = handler.Concurrency - running.Values.Count(entry => entry.Job.Job.Kind == kind);
            if (free > 0)
            {
                kinds.Add(kind);
                slots.Add(free);
            }
        }
        if (kinds.Count == 0)
            return;
        await using var session = await pools.OpenWorkerAsync("take jobs", ct);
        var taken = await session.ListAsync(
            $"select {JobQueue.Columns} from platform.take_jobs($1, $2, $3, $4)",
            JobQueue.Read,
            ct,
            new NpgsqlParameter { Value = kinds.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
            new NpgsqlParameter { Value = slots.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer },
            new NpgsqlParameter<TimeSpan> { TypedValue = options.Lease },
            Sql.Text(worker)
        );
        JobsTelemetry.Depth.Record(
            await session.FirstAsync(
                """
                select count(*) from platform.job
                 where kind = any ($1) and state in ('queued', 'running') and due_at <= clock_timestamp()
                """,
                row => row.GetInt64(0),
                ct,
                new NpgsqlParameter { Value = kinds.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
            )
        );
        await session.CommitAsync(ct);
        foreach (var job in taken)
        {
            var context = new JobContext(job, pools, time, CancellationTokenSource.CreateLinkedTokenSource(ct));
            var started = new TaskCompletionSource();
            running[(job.Id, job.Attempt)] = (context, RunAsync(context, started.Task, ct));
            started.SetResult();
        }
    }

    private async Task RunAsync(JobContext context, Task started, CancellationToken stopping)
    {
        await started.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var job = context.Job;
        var began = time.GetTimestamp();
        var outcome = "failed";
        using var activity = JobsTelemetry.Source.StartActivity("job " + job.Kind, ActivityKind.Consumer);
        activity?.SetTag("platen.job.id", job.Id.Value).SetTag("platen.job.attempt", job.Attempt);
        JobsTelemetry.Running.Add(1);
        try
        {
            try
            {
                await byKind[job.Kind].RunAsync(context, context.Stop.Token);
                outcome =
                    context.WasPutOff ? "put off"
                    : context.CompletedByHandler || await CompleteAsync(job) ? "succeeded"
                    : "lost";
            }
            catch (OperationCanceledException) when (context.Stop.IsCancellationRequested)
            {
                outcome = stopping.IsCancellationRequested && await GiveBackAsync(job) ? "given back" : "lost";
            }
            catch (JobLeaseLostException)
            {
                outcome = "lost";
            }
            // A handler's failure is recorded with its job, whatever it is.
            catch (Exception exception)
            {
                activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
                Log.Failed(logger, job.Kind, job.Id.Value, job.Attempt, exception);
                outcome = await FailAsync(job, exception) switch
                {
                    null => "lost",
                    JobState.Dead => "dead",
                    _ => "failed",
                };
                if (outcome == "dead")
                    Log.Died(logger, job.Kind, job.Id.Value, job.Attempt);
            }
        }
        catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
        {
            // The outcome could not be written: the lease runs out and the job is run again.
            Log.Failed(logger, job.Kind, job.Id.Value, job.Attempt, exception);
            outcome = "lost";
        }
        finally
        {
            running.TryRemove((job.Id, job.Attempt), out _);
            context.Stop.Dispose();
            if (outcome == "lost")
                Log.Lost(logger, job.Kind, job.Id.Value, job.Attempt);
            var tags = new TagList { { "kind", job.Kind }, { "outcome", outcome } };
            JobsTelemetry.Running.Add(-1);
            JobsTelemetry.Attempts.Add(1, tags);
            JobsTelemetry.Duration.Record(time.GetElapsedTime(began).TotalSeconds, tags);
            Wakeup();
        }
    }

    // What is recorded at the end is not cancelled with the process: the host's shutdown limit bounds it.
    private async Task<bool> CompleteAsync(Job job)
    {
        await using var session = await pools.OpenWorkerAsync("complete job", CancellationToken.None);
        var mine = await JobContext.TryCompleteAsync(session, job, CancellationToken.None);
        await session.CommitAsync(CancellationToken.None);
        return mine;
    }

    private Task<bool> GiveBackAsync(Job job) =>
        WriteAsync(
            job,
            """
            update platform.job set state = 'queued', run_at = clock_timestamp(), lease_until = null,
                   attempts_forgiven = attempts_forgiven + 1, worker = null
             where owner = $1 and id = $2 and attempt = $3 and state = 'running' and lease_until > clock_timestamp()
            returning pg_notify('platen_job', kind)
            """
        );

    /// <returns>What the job is now; null when it was not this attempt's any more.</returns>
    private async Task<JobState?> FailAsync(Job job, Exception exception)
    {
        var text = exception is ProblemException or JobRefusedException
            ? exception.Message
            : $"{exception.GetType().Name}: {exception.Message}";
        var wait = Backoff.After(job.Attempt, options.FirstBackoff, options.MostBackoff);
        await using var session = await pools.OpenWorkerAsync("fail job", CancellationToken.None);
        var state = await session.FirstAsync<JobState?>(
            """
            update platform.job
               set state = case when dead then 'dead' else 'queued' end, lease_until = null, error = left($4, 2000),
                   worker = null, run_at = clock_timestamp() + $5,
                   finished_at = case when dead then clock_timestamp() end
              from (select $6 or (select attempt - attempts_forgiven >= max_attempts from platform.job
                                   where owner = $1 and id = $2)) as judged (dead)
             where owner = $1 and id = $2 and attempt = $3 and state = 'running' and lease_until > clock_timestamp()
            returning dead
            """,
            row => row.GetBoolean(0) ? JobState.Dead : JobState.Queued,
            CancellationToken.None,
            Sql.Owner(job.Owner),
            Sql.Uuid(job.Id.Value),
            Sql.Int(job.Attempt),
            Sql.Text(text.Replace('\0', '\uFFFD')),
            new NpgsqlParameter<TimeSpan> { TypedValue = wait },
            Sql.Bool(exception is JobRefusedException)
        );
        await session.CommitAsync(CancellationToken.None);
        return state;
    }

    private async Task<bool> WriteAsync(Job job, string sql, params NpgsqlParameter[] more)
    {
        await using var session = await pools.OpenWorkerAsync("end attempt", CancellationToken.None);
        var changed = await session.ExecuteAsync(
            sql,
            CancellationToken.None,
            [Sql.Owner(job.Owner), Sql.Uuid(job.Id.Value), Sql.Int(job.Attempt), .. more]
        );
        await session.CommitAsync(CancellationToken.None);
        return changed == 1;
    }

    private async Task RenewAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(options.Lease / 3, time);
        var held = new Dictionary<(JobId, int), long>();
        try
        {
            while (await timer.WaitForNextTickAsync(ct))
            {
                var entries = running.ToArray();
                if (entries.Length == 0)
                    continue;
                HashSet<(JobId, int)> lost = [];
                try
                {
                    lost = await RenewOnceAsync([.. entries.Select(entry => entry.Value.Job.Job)], ct);
                    foreach (var entry in entries)
                        held[entry.Key] = time.GetTimestamp();
                }
                catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
                {
                    Log.QueueFailed(logger, options.Lease / 3, exception);
                    // Without an answer for a whole lease, each job may be somebody else's by now.
                    lost =
                    [
                        .. entries
                            .Select(entry => entry.Key)
                            .Where(key =>
                                !held.TryAdd(key, time.GetTimestamp())
                                && time.GetElapsedTime(held[key]) >= options.Lease
                            ),
                    ];
                }
                foreach (
                    var entry in entries.Where(entry => lost.Contains(entry.Key) && running.ContainsKey(entry.Key))
                )
                    await CancelAsync(entry.Value.Job);
                foreach (var gone in held.Keys.Where(key => !running.ContainsKey(key)).ToList())
                    held.Remove(gone);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // All handlers have ended.
        }
    }

    private static async Task CancelAsync(JobContext job)
    {
        try
        {
            await job.Stop.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended at this moment.
        }
    }

    // A row that is locked is being ended by its own handler, or by a retry: it is neither renewed nor lost.
    private async Task<HashSet<(JobId, int)>> RenewOnceAsync(Job[] jobs, CancellationToken ct)
    {
        NpgsqlParameter[] Parameters() =>
            [
                new()
                {
                    Value = jobs.Select(job => job.Owner.Value).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid,
                },
                new()
                {
                    Value = jobs.Select(job => job.Id.Value).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid,
                },
                new()
                {
                    Value = jobs.Select(job => job.Attempt).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer,
                },
            ];
        await using var session = await pools.OpenWorkerAsync("renew leases", ct);
        await session.ExecuteAsync(
            """
            with mine as (
                select j.owner, j.id from platform.job j
                  join unnest($1, $2, $3) as held (owner, id, attempt) using (owner, id, attempt)
                 where j.state = 'running' and j.lease_until > clock_timestamp()
                   for update of j skip locked)
            update platform.job j set lease_until = clock_timestamp() + $4
              from mine where j.owner = mine.owner and j.id = mine.id
            """,
            ct,
            [.. Parameters(), new NpgsqlParameter<TimeSpan> { TypedValue = options.Lease }]
        );
        var lost = await session.ListAsync(
            """
            select held.id, held.attempt from unnest($1, $2, $3) as held (owner, id, attempt)
             where not exists (select from platform.job j
                                where j.owner = held.owner and j.id = held.id and j.attempt = held.attempt
                                  and j.state = 'running' and j.lease_until > clock_timestamp())
            """,
            row => (new JobId(row.GetGuid(0)), row.GetInt32(1)),
            ct,
            Parameters()
        );
        await session.CommitAsync(ct);
        return [.. lost];
    }

    private void Wakeup()
    {
        lock (work)
        {
            if (work.CurrentCount == 0)
                work.Release();
        }
    }
}

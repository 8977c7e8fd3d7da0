using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Jobs;

public sealed class JobTests(PostgresFixture postgres)
{
    private readonly TestOwner owner = TestOwner.New();

    // Workers see every owner's jobs: a test has a kind of its own.
    private readonly string kind = "test." + Guid.CreateVersion7().ToString("N");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static readonly JobRunnerOptions Quick = new()
    {
        Lease = TimeSpan.FromSeconds(1),
        Poll = TimeSpan.FromMilliseconds(100),
        FirstBackoff = TimeSpan.FromMilliseconds(10),
    };

    [Fact]
    public async Task A_job_exists_when_its_fact_does()
    {
        await using (var undone = await postgres.OpenAsync(owner, Ct))
            await JobQueue.EnqueueAsync(undone, kind, null, "{}"u8.ToArray(), null, Ct);
        (await ListAsync(null)).ShouldBeEmpty();
        var id = await EnqueueAsync(null);
        (await ListAsync(JobState.Queued)).Single().Id.ShouldBe(id);
        await using var other = await postgres.OpenAsync(TestOwner.New(), Ct);
        (await JobQueue.GetAsync(other, id, Ct)).ShouldBeNull();
    }

    [Fact]
    public async Task A_live_key_is_queued_once_however_many_ask_at_once()
    {
        var outcomes = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(async _ =>
                {
                    await using var session = await postgres.OpenAsync(owner, Ct);
                    var outcome = await JobQueue.EnqueueAsync(session, kind, "k", "{}"u8.ToArray(), null, Ct);
                    await session.CommitAsync(Ct);
                    return outcome;
                })
        );
        outcomes.OfType<EnqueueOutcome.Enqueued>().Count().ShouldBe(1);
        outcomes.Select(outcome => outcome.Id).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task A_job_runs_shows_its_progress_and_succeeds_once()
    {
        var ids = new List<JobId>();
        for (var i = 0; i < 20; i++)
            ids.Add(await EnqueueAsync(null));
        var ran = new System.Collections.Concurrent.ConcurrentBag<JobId>();
        var handler = new Handler(
            kind,
            async (job, ct) =>
            {
                await job.ReportAsync(0.5, "half", ct);
                ran.Add(job.Job.Id);
            }
        );
        await using var one = await WorkAsync(handler);
        await using var two = await WorkAsync(handler);
        foreach (var id in ids)
        {
            var done = await UntilAsync(id, job => job.State == JobState.Succeeded);
            (done.Attempt, done.Progress, done.ProgressText).ShouldBe((1, 1f, "half"));
        }
        ran.Order(Comparer<JobId>.Create((a, b) => a.Value.CompareTo(b.Value))).ShouldBe(ids.OrderBy(id => id.Value));
    }

    [Fact]
    public async Task A_failing_job_is_retried_then_dead_and_can_be_retried_by_hand()
    {
        var broken = true;
        var handler = new Handler(
            kind,
            (_, _) => broken ? throw new InvalidOperationException("broken") : Task.CompletedTask
        );
        var id = await EnqueueAsync("k", new JobOptions { MaxAttempts = 3 });
        using var loggers = new RecordingLoggers();
        await using var worker = await WorkAsync(handler, logger: loggers.CreateLogger<JobRunner>());
        var dead = await UntilAsync(id, job => job.State == JobState.Dead);
        (dead.Attempt, dead.Error).ShouldBe((3, "InvalidOperationException: broken"));
        (await ListAsync(JobState.Dead)).Single().Id.ShouldBe(id);
        broken = false;
        (await RetryAsync(id)).ShouldBe(RetryOutcome.Retried);
        (await UntilAsync(id, job => job.State == JobState.Succeeded)).Attempt.ShouldBe(4);
        loggers.Lines.Count(line => line.StartsWith("Warning: Job ", StringComparison.Ordinal)).ShouldBe(3);
        loggers
            .Lines.Where(line => line.StartsWith("Error: ", StringComparison.Ordinal))
            .ShouldHaveSingleItem()
            .ShouldContain($"Job {id} ({kind}) is dead after attempt 3");
        (await RetryAsync(id)).ShouldBe(RetryOutcome.NotDead);
        (await RetryAsync(JobId.New())).ShouldBe(RetryOutcome.Missing);
    }

    [Fact]
    public async Task The_wait_after_a_failure_grows_with_the_attempts_and_is_capped()
    {
        var options = Quick with { FirstBackoff = TimeSpan.FromMinutes(10), MostBackoff = TimeSpan.FromMinutes(40) };
        // By attempt, in minutes: between half and the whole.
        double[] whole = [10, 20, 40, 40];
        var id = await EnqueueAsync(null, new JobOptions { MaxAttempts = 9 });
        await using var worker = await WorkAsync(
            new Handler(kind, (_, _) => throw new InvalidOperationException("broken")),
            options
        );
        var waits = new List<double>();
        for (var attempt = 1; attempt <= whole.Length; attempt++)
        {
            await UntilAsync(id, job => job.Attempt == attempt && job.State == JobState.Queued);
            await using var admin = await postgres.OpenAdminAsync(Ct);
            // As if the wait were over; the runner looks again within its poll.
            await using var now = new NpgsqlCommand(
                """
                with old as (select id, extract(epoch from run_at - clock_timestamp()) / 60 as wait
                               from platform.job where id = $1)
                update platform.job j set run_at = clock_timestamp() from old where j.id = old.id
                returning old.wait::float8
                """,
                admin
            );
            now.Parameters.Add(Sql.Uuid(id.Value));
            var wait = (double)(await now.ExecuteScalarAsync(Ct))!;
            // A minute for a slow machine between the failure and this look.
            wait.ShouldBeInRange((whole[attempt - 1] / 2) - 1, whole[attempt - 1], $"attempt {attempt}");
            waits.Add(wait);
        }
        waits.Distinct().Count().ShouldBe(waits.Count);
    }

    [Fact]
    public async Task A_refused_job_is_dead_at_once()
    {
        var id = await EnqueueAsync(null);
        await using var worker = await WorkAsync(new Handler(kind, (_, _) => throw new JobRefusedException("never")));
        (await UntilAsync(id, job => job.State == JobState.Dead)).Attempt.ShouldBe(1);
    }

    [Fact]
    public async Task An_attempt_whose_lease_ran_out_cannot_complete()
    {
        var id = await EnqueueAsync(null);
        var firstHas = new TaskCompletionSource();
        var secondDone = new TaskCompletionSource();
        Exception? late = null;
        var lateDone = new TaskCompletionSource();
        var handler = new Handler(
            kind,
            async (job, ct) =>
            {
                if (job.Job.Attempt == 1)
                {
                    firstHas.SetResult();
                    await secondDone.Task;
                    await using var session = await job.OpenAsync(CancellationToken.None);
                    late = await Record.ExceptionAsync(() => job.CompleteAsync(session, CancellationToken.None));
                    lateDone.SetResult();
                    return;
                }
                await using var mine = await job.OpenAsync(ct);
                await job.CompleteAsync(mine, ct);
                await mine.CommitAsync(ct);
                secondDone.SetResult();
            }
        );
        await using var worker = await WorkAsync(handler);
        await firstHas.Task.WaitAsync(Ct);
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            await using var expire = new NpgsqlCommand(
                "update platform.job set lease_until = clock_timestamp() - interval '1 s' where id = $1",
                admin
            );
            expire.Parameters.Add(Sql.Uuid(id.Value));
            await expire.ExecuteNonQueryAsync(Ct);
        }
        await lateDone.Task.WaitAsync(Ct);
        late.ShouldBeOfType<JobLeaseLostException>();
        (await UntilAsync(id, job => job.State == JobState.Succeeded)).Attempt.ShouldBe(2);
    }

    [Fact]
    public async Task A_stopping_worker_gives_its_jobs_back_without_spending_an_attempt()
    {
        var id = await EnqueueAsync(null, new JobOptions { MaxAttempts = 1 });
        var has = new TaskCompletionSource();
        await using (
            await WorkAsync(
                new Handler(
                    kind,
                    (_, ct) =>
                    {
                        has.SetResult();
                        return Task.Delay(Timeout.InfiniteTimeSpan, ct);
                    }
                )
            )
        )
            await has.Task.WaitAsync(Ct);
        (await UntilAsync(id, _ => true)).State.ShouldBe(JobState.Queued);
        await using var next = await WorkAsync(new Handler(kind, (_, _) => Task.CompletedTask));
        (await UntilAsync(id, job => job.State == JobState.Succeeded)).Attempt.ShouldBe(2);
    }

    [Fact]
    public async Task A_job_longer_than_its_lease_keeps_it()
    {
        var id = await EnqueueAsync(null);
        var handler = new Handler(
            kind,
            async (job, ct) =>
            {
                await using var session = await job.OpenAsync(ct);
                await session.ExecuteAsync("select pg_sleep(2.5)", ct);
            }
        );
        await using var worker = await WorkAsync(handler);
        (await UntilAsync(id, job => job.State == JobState.Succeeded)).Attempt.ShouldBe(1);
    }

    [Fact]
    public async Task A_job_of_a_killed_process_is_finished_once_by_another()
    {
        var id = await EnqueueAsync(null);
        using var child = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                [Path.Combine(AppContext.BaseDirectory, "Platen.JobWorker.dll"), postgres.AdminConnectionString, kind]
            )
            {
                RedirectStandardOutput = true,
                UseShellExecute = false,
            }
        )!;
        (await child.StandardOutput.ReadLineAsync(Ct)).ShouldBe($"started {id} 1");
        var runs = 0;
        await using var worker = await WorkAsync(
            new Handler(
                kind,
                (_, _) =>
                {
                    Interlocked.Increment(ref runs);
                    return Task.CompletedTask;
                }
            )
        );
        child.Kill();
        await child.WaitForExitAsync(Ct);
        (await UntilAsync(id, job => job.State == JobState.Succeeded)).Attempt.ShouldBe(2);
        runs.ShouldBe(1);
    }

    private async Task<JobId> EnqueueAsync(string? key, JobOptions? options = null)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var outcome = await JobQueue.EnqueueAsync(session, kind, key, "{\"a\":1}"u8.ToArray(), options, Ct);
        await session.CommitAsync(Ct);
        return outcome.ShouldBeOfType<EnqueueOutcome.Enqueued>().Id;
    }

    private async Task<List<Job>> ListAsync(JobState? state)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        return await JobQueue.ListAsync(session, state, null, null, 50, Ct);
    }

    private async Task<RetryOutcome> RetryAsync(JobId id)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var outcome = await JobQueue.RetryAsync(session, id, Ct);
        await session.CommitAsync(Ct);
        return outcome;
    }

    // Waits in the database, a look every 20 ms, until the job is as wanted; the test's own limit ends it otherwise.
    private async Task<Job> UntilAsync(JobId id, Predicate<Job> wanted)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            await using var session = await postgres.OpenAsync(owner, patience.Token);
            var job = (await JobQueue.GetAsync(session, id, patience.Token)).ShouldNotBeNull();
            if (wanted(job))
                return job;
            await session.ExecuteAsync("select pg_sleep(0.02)", patience.Token);
        }
    }

    private async Task<Worker> WorkAsync(
        IJobHandler handler,
        JobRunnerOptions? options = null,
        ILogger<JobRunner>? logger = null
    )
    {
        var listener = new NotificationListener(
            postgres.Pools,
            NullLogger<NotificationListener>.Instance,
            TimeProvider.System
        );
        var runner = new JobRunner(
            postgres.Pools,
            listener,
            [handler],
            options ?? Quick,
            logger ?? NullLogger<JobRunner>.Instance,
            TimeProvider.System
        );
        await listener.StartAsync(Ct);
        await runner.StartAsync(Ct);
        return new Worker(listener, runner);
    }

    private sealed class Handler(string kind, Func<JobContext, CancellationToken, Task> run) : IJobHandler
    {
        public string Kind => kind;

        public Task RunAsync(JobContext job, CancellationToken ct) => run(job, ct);
    }

    private sealed class Worker(NotificationListener listener, JobRunner runner) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await runner.StopAsync(CancellationToken.None);
            await listener.StopAsync(CancellationToken.None);
            runner.Dispose();
            listener.Dispose();
        }
    }
}

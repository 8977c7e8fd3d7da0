using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Jobs;

/// <summary>Runs the jobs of one kind. One instance runs many jobs at once.</summary>
public interface IJobHandler
{
    /// <summary>Which jobs: <c>[a-z][a-z0-9.-]*</c>.</summary>
    string Kind { get; }

    /// <summary>Jobs of this kind at most that one process runs at a time.</summary>
    int Concurrency => 4;

    /// <summary>
    /// Does the work. It may be run again after a crash or a lost lease, so it is idempotent, or it completes the job in the
    /// transaction of its effect (<see cref="JobContext.CompleteAsync"/>). Returning completes; throwing is a failed attempt.
    /// </summary>
    /// <param name="job">The job and its attempt.</param>
    /// <param name="ct">Cancelled when the lease is lost or the process stops; then nothing is recorded by this attempt.</param>
    /// <exception cref="JobRefusedException">It can never succeed: the job is dead at once.</exception>
    Task RunAsync(JobContext job, CancellationToken ct);
}

/// <summary>Thrown by a handler for a job that can never succeed.</summary>
public sealed class JobRefusedException(string message) : Exception(message);

/// <summary>This attempt no longer has the job: its lease ran out, or another worker took it.</summary>
public sealed class JobLeaseLostException(JobId id, int attempt)
    : Exception($"Attempt {attempt} no longer has job {id}.");

/// <summary>A job in a handler's hands.</summary>
public sealed class JobContext
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(250);
    private readonly PostgresPools pools;
    private readonly TimeProvider time;
    private long reported;

    internal JobContext(Job job, PostgresPools pools, TimeProvider time, CancellationTokenSource stop)
    {
        Job = job;
        this.pools = pools;
        this.time = time;
        Stop = stop;
    }

    /// <summary>The job as it was taken; its <see cref="Job.Attempt"/> is this attempt's number, from 1.</summary>
    public Job Job { get; }

    /// <summary>Whether <see cref="CompleteAsync"/> was called in a session that may have committed.</summary>
    internal bool CompletedByHandler { get; private set; }

    /// <summary>Whether the job was given back by <see cref="PutOffAsync"/>.</summary>
    internal bool WasPutOff { get; private set; }

    internal CancellationTokenSource Stop { get; }

    /// <summary>A transaction of the job's owner, by the server.</summary>
    public ValueTask<Session> OpenAsync(CancellationToken ct) =>
        pools.OpenAsync(OperationContext.ForSystem(Job.Owner, "job " + Job.Kind), ct);

    /// <summary>
    /// Shows how far the job is. Kept at most four times a second, except the end; an attempt that lost its job shows nothing.
    /// </summary>
    /// <param name="fraction">0 to 1.</param>
    /// <param name="text">What is being done; cut at <see cref="JobLimits.ProgressTextLength"/> characters.</param>
    /// <param name="ct">Cancels.</param>
    public async Task ReportAsync(double fraction, string text, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(fraction);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fraction, 1);
        if (reported != 0 && fraction < 1 && time.GetElapsedTime(reported) < ProgressInterval)
            return;
        reported = time.GetTimestamp();
        await using var session = await pools.OpenWorkerAsync("progress", ct);
        await session.ExecuteAsync(
            """
            update platform.job set progress = $4::real, progress_text = left($5, 200)
             where owner = $1 and id = $2 and attempt = $3 and state = 'running' and lease_until > clock_timestamp()
            """,
            ct,
            Sql.Owner(Job.Owner),
            Sql.Uuid(Job.Id.Value),
            Sql.Int(Job.Attempt),
            new Npgsql.NpgsqlParameter<double> { TypedValue = fraction },
            Sql.Text(text)
        );
        await session.CommitAsync(ct);
    }

    /// <summary>Completes the job in the transaction of its effect: both happen, once, or neither.</summary>
    /// <param name="session">A session of the job's owner, from <see cref="OpenAsync"/>.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="JobLeaseLostException">Another attempt has the job: roll back.</exception>
    public async Task CompleteAsync(Session session, CancellationToken ct)
    {
        if (!await TryCompleteAsync(session, Job, ct))
            throw new JobLeaseLostException(Job.Id, Job.Attempt);
        CompletedByHandler = true;
    }

    /// <summary>
    /// Gives the job back, to be taken again later: for a handler that finds that it is not the job's turn. This attempt does not count
    /// against its limit, and no row is added. Return afterwards.
    /// </summary>
    /// <param name="wait">How long nobody takes it; more than zero.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="JobLeaseLostException">Another attempt has the job.</exception>
    public async Task PutOffAsync(TimeSpan wait, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(wait, TimeSpan.Zero);
        await using var session = await pools.OpenWorkerAsync("put off job", ct);
        var mine = await session.ExecuteAsync(
            """
            update platform.job
               set state = 'queued', run_at = clock_timestamp() + $4, lease_until = null, worker = null,
                   attempts_forgiven = attempts_forgiven + 1
             where owner = $1 and id = $2 and attempt = $3 and state = 'running' and lease_until > clock_timestamp()
            """,
            ct,
            Sql.Owner(Job.Owner),
            Sql.Uuid(Job.Id.Value),
            Sql.Int(Job.Attempt),
            new Npgsql.NpgsqlParameter<TimeSpan> { TypedValue = wait }
        );
        await session.CommitAsync(ct);
        if (mine != 1)
            throw new JobLeaseLostException(Job.Id, Job.Attempt);
        WasPutOff = true;
    }

    internal static async Task<bool> TryCompleteAsync(Session session, Job job, CancellationToken ct) =>
        await session.ExecuteAsync(
            """
            update platform.job
               set state = 'succeeded', lease_until = null, progress = 1, finished_at = clock_timestamp()
             where owner = $1 and id = $2 and attempt = $3 and state = 'running' and lease_until > clock_timestamp()
            """,
            ct,
            Sql.Owner(job.Owner),
            Sql.Uuid(job.Id.Value),
            Sql.Int(job.Attempt)
        ) == 1;
}

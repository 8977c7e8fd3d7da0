using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Jobs;

/// <summary>Where a job stands.</summary>
public enum JobState
{
    /// <summary>Waits for its time and a worker.</summary>
    Queued,

    /// <summary>A worker has it under a lease.</summary>
    Running,

    /// <summary>Done.</summary>
    Succeeded,

    /// <summary>Given up after its last attempt; can be retried by hand.</summary>
    Dead,
}

/// <summary>A job as people and programs see it.</summary>
/// <param name="Attempt">How often a worker has taken it; only grows.</param>
/// <param name="Progress">0 to 1.</param>
/// <param name="Error">Why the last attempt failed; null when none did.</param>
public sealed record Job(
    OwnerId Owner,
    JobId Id,
    string Kind,
    string? Key,
    ReadOnlyMemory<byte> Payload,
    JobState State,
    int Attempt,
    int MaxAttempts,
    DateTimeOffset RunAt,
    float Progress,
    string? ProgressText,
    string? Error,
    Actor Actor,
    DateTimeOffset EnqueuedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt
);

/// <summary>How a job is to be run.</summary>
public sealed record JobOptions
{
    /// <summary>How long to wait before the first attempt; zero or more.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Attempts before it is dead, 1 to <see cref="JobLimits.Attempts"/>.</summary>
    public int MaxAttempts { get; init; } = JobLimits.DefaultAttempts;
}

/// <summary>What became of an enqueue.</summary>
public abstract record EnqueueOutcome(JobId Id)
{
    /// <summary>A new job, seen by workers once the session commits.</summary>
    public sealed record Enqueued(JobId Id) : EnqueueOutcome(Id);

    /// <summary>The (kind, key) is live already, queued or running; nothing was added.</summary>
    public sealed record AlreadyQueued(JobId Id) : EnqueueOutcome(Id);
}

/// <summary>What became of a retry.</summary>
public enum RetryOutcome
{
    /// <summary>It is queued again, with all its attempts.</summary>
    Retried,

    /// <summary>The owner has no such job.</summary>
    Missing,

    /// <summary>It is queued, running or succeeded.</summary>
    NotDead,

    /// <summary>Another job with its key is live.</summary>
    Replaced,
}

/// <summary>Enqueues jobs in the transaction of their fact, and shows them to their owner.</summary>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue of jobs, if not a collection.")]
public static class JobQueue
{
    /// <summary>The PostgreSQL channel that is notified with the kind at commit.</summary>
    public const string Channel = "platen_job";

    internal const string Columns = """
        owner, id, kind, key, payload, state, attempt, max_attempts, run_at, progress, progress_text, error, actor, actor_name,
        enqueued_at, started_at, finished_at
        """;

    /// <summary>Enqueues a job of the session's owner; it exists when and only when the session commits.</summary>
    /// <param name="session">The transaction of the fact.</param>
    /// <param name="kind">Which handler, such as <c>widgets.publish</c>.</param>
    /// <param name="key">Unique among live jobs of the kind, or null. A running job counts as live, so what it has read
    /// already is not read again: put the version into the key where that matters.</param>
    /// <param name="payload">UTF-8 JSON, at most <see cref="JobLimits.PayloadBytes"/>.</param>
    /// <param name="options">When and how often; null for at once and the default.</param>
    /// <param name="ct">Cancels; the transaction is then only good for rolling back.</param>
    /// <exception cref="ArgumentException">A value is over its limit.</exception>
    public static Task<EnqueueOutcome> EnqueueAsync(
        Session session,
        string kind,
        string? key,
        ReadOnlyMemory<byte> payload,
        JobOptions? options,
        CancellationToken ct
    ) => EnqueueForAsync(session, session.Context.Owner, kind, key, payload, options, ct);

    /// <summary>As <see cref="EnqueueAsync"/>, for any owner, in a worker's session (an event consumer's).</summary>
    public static async Task<EnqueueOutcome> EnqueueForAsync(
        Session session,
        OwnerId owner,
        string kind,
        string? key,
        ReadOnlyMemory<byte> payload,
        JobOptions? options,
        CancellationToken ct
    )
    {
        options ??= new JobOptions();
        if (payload.Length > JobLimits.PayloadBytes)
            throw new ArgumentException($"A payload has at most {JobLimits.PayloadBytes} bytes.", nameof(payload));
        if (key is { Length: 0 or > JobLimits.KeyLength })
            throw new ArgumentException($"A key has 1 to {JobLimits.KeyLength} characters.", nameof(key));
        if (options.MaxAttempts is < 1 or > JobLimits.Attempts || options.Delay < TimeSpan.Zero)
            throw new ArgumentException("Attempts or delay are out of range.", nameof(options));
        using var activity = JobsTelemetry.Source.StartActivity("job.enqueue", ActivityKind.Producer);
        activity?.SetTag("platen.job.kind", kind);
        var (id, added) = await session.FirstAsync(
            "select job_id, added from platform.enqueue_job($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            row => (new JobId(row.GetGuid(0)), row.GetBoolean(1)),
            ct,
            Sql.Owner(owner),
            Sql.Uuid(JobId.New().Value),
            Sql.Text(kind),
            Sql.Text(key),
            Sql.Json(payload),
            new NpgsqlParameter<TimeSpan> { TypedValue = options.Delay },
            Sql.Int(options.MaxAttempts),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name),
            Sql.Text(Activity.Current?.Id)
        );
        if (!added)
            return new EnqueueOutcome.AlreadyQueued(id);
        JobsTelemetry.Enqueued.Add(1, new KeyValuePair<string, object?>("kind", kind));
        return new EnqueueOutcome.Enqueued(id);
    }

    /// <summary>One job of the session's owner, or null.</summary>
    public static Task<Job?> GetAsync(Session session, JobId id, CancellationToken ct) =>
        session.FirstAsync<Job?>(
            $"select {Columns} from platform.job where owner = platform.current_owner() and id = $1",
            row => Read(row),
            ct,
            Sql.Uuid(id.Value)
        );

    /// <summary>Jobs of the session's owner, newest first.</summary>
    /// <param name="session">Whose jobs.</param>
    /// <param name="state">Only those in this state; null for all.</param>
    /// <param name="kind">Only those of this kind; null for all.</param>
    /// <param name="before">The last job of the former page; null for the first page.</param>
    /// <param name="limit">1 to <see cref="Limits.PageItems"/>.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<List<Job>> ListAsync(
        Session session,
        JobState? state,
        string? kind,
        JobId? before,
        int limit,
        CancellationToken ct
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Limits.PageItems);
        return session.ListAsync(
            $"""
            select {Columns} from platform.job
             where owner = platform.current_owner() and ($1 is null or state = $1) and ($2 is null or id < $2)
               and ($4 is null or kind = $4)
             order by id desc limit $3
            """,
            row => Read(row),
            ct,
            Sql.Text(state?.ToString().ToLowerInvariant()),
            new NpgsqlParameter { Value = (object?)before?.Value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid },
            Sql.Int(limit),
            Sql.Text(kind)
        );
    }

    /// <summary>Queues a dead job of the session's owner again, with all its attempts.</summary>
    public static async Task<RetryOutcome> RetryAsync(Session session, JobId id, CancellationToken ct) =>
        await session.FirstAsync(
            "select platform.retry_job($1)",
            row => row.GetString(0),
            ct,
            Sql.Uuid(id.Value)
        ) switch
        {
            "retried" => RetryOutcome.Retried,
            "missing" => RetryOutcome.Missing,
            "replaced" => RetryOutcome.Replaced,
            _ => RetryOutcome.NotDead,
        };

    /// <summary>Removes finished jobs past their retention, in a worker's session; returns how many.</summary>
    public static async Task<int> RemoveOldAsync(
        Session worker,
        TimeSpan succeededFor,
        TimeSpan deadFor,
        int limit,
        CancellationToken ct
    ) =>
        await worker.FirstAsync(
            "select platform.remove_old_jobs($1, $2, $3)",
            row => row.GetInt32(0),
            ct,
            new NpgsqlParameter<TimeSpan> { TypedValue = succeededFor },
            new NpgsqlParameter<TimeSpan> { TypedValue = deadFor },
            Sql.Int(limit)
        );

    internal static Job Read(NpgsqlDataReader row) =>
        new(
            new OwnerId(row.GetGuid(0)),
            new JobId(row.GetGuid(1)),
            row.GetString(2),
            row.IsDBNull(3) ? null : row.GetString(3),
            row.GetFieldValue<byte[]>(4),
            Enum.Parse<JobState>(row.GetString(5), ignoreCase: true),
            row.GetInt32(6),
            row.GetInt32(7),
            row.GetFieldValue<DateTimeOffset>(8),
            row.GetFloat(9),
            row.IsDBNull(10) ? null : row.GetString(10),
            row.IsDBNull(11) ? null : row.GetString(11),
            new Actor(new ActorId(row.GetGuid(12)), row.GetString(13)),
            row.GetFieldValue<DateTimeOffset>(14),
            row.IsDBNull(15) ? null : row.GetFieldValue<DateTimeOffset>(15),
            row.IsDBNull(16) ? null : row.GetFieldValue<DateTimeOffset>(16)
        );
}

using System.Globalization;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Jobs;

/// <summary>
/// Work that a rule of an owner asks for every day, as a chain of jobs. Each run makes sure of the next one before it does anything; one of a
/// rule that is another by now ends the chain, because the change began one of its own.
/// </summary>
/// <remarks>
/// Each owner has a time of its own in the day (UTC), and a run's key is its rule's revision and the day that it is due on. Whoever enqueues
/// the next run, a run that came early, late, or was retried after its successor has run, names the same one: two chains of a rule become one
/// within a day. Safe to share between threads.
/// </remarks>
/// <param name="clock">What day it is.</param>
public abstract class DailyRuns(TimeProvider clock) : IJobHandler
{
    /// <inheritdoc />
    public abstract string Kind { get; }

    /// <inheritdoc />
    public int Concurrency => 2;

    /// <summary>Makes sure, in the transaction of the rule, that there is a chain: a run at once, unless today's waits already.</summary>
    /// <param name="session">Of the rule's owner; the caller commits.</param>
    /// <param name="kind">Which handler's runs.</param>
    /// <param name="revision">Of the rule; another one begins another chain.</param>
    /// <param name="clock">What day it is.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<EnqueueOutcome> EnsureAsync(
        Session session,
        string kind,
        long revision,
        TimeProvider clock,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(clock);
        return EnqueueAsync(session, kind, revision, DayOf(clock.GetUtcNow()), TimeSpan.Zero, ct);
    }

    /// <inheritdoc />
    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(job);
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var revision = payload.RootElement.GetProperty("revision").GetInt64();
        var day = DateOnly.Parse(payload.RootElement.GetProperty("day").GetString()!, CultureInfo.InvariantCulture);
        await using (var next = await job.OpenAsync(ct))
        {
            if (!await IsInForceAsync(next, revision, ct))
                return;
            var now = clock.GetUtcNow();
            var (nextDay, due) = NextOf(job.Job.Owner, day, now);
            await EnqueueAsync(next, Kind, revision, nextDay, due - now, ct);
            await next.CommitAsync(ct);
        }
        await RunAsync(job, revision, ct);
    }

    /// <summary>Whether the rule is still the one of that revision, and asks for anything.</summary>
    /// <param name="session">Of the rule's owner.</param>
    /// <param name="revision">Of the rule that the run is of.</param>
    /// <param name="ct">Cancels.</param>
    protected abstract Task<bool> IsInForceAsync(Session session, long revision, CancellationToken ct);

    /// <summary>Does the day's work. The rule may change meanwhile: look at its revision in each transaction.</summary>
    /// <param name="job">The run.</param>
    /// <param name="revision">Of the rule that the run is of.</param>
    /// <param name="ct">Cancelled when the lease is lost or the node stops.</param>
    protected abstract Task RunAsync(JobContext job, long revision, CancellationToken ct);

    /// <summary>The owner's next time after now, on a later day than the run's own, so that a run never takes itself for the next one.</summary>
    internal static (DateOnly Day, DateTimeOffset Due) NextOf(OwnerId owner, DateOnly day, DateTimeOffset now)
    {
        // The end of an id is random, so owners do not all come at midnight.
        var time = TimeSpan.FromSeconds(BitConverter.ToUInt32(owner.Value.ToByteArray().AsSpan(12)) % 86_400);
        var next = DayOf(now);
        if (DueOn(next) <= now)
            next = next.AddDays(1);
        if (next <= day)
            next = day.AddDays(1);
        return (next, DueOn(next));

        DateTimeOffset DueOn(DateOnly on) => new(on.ToDateTime(TimeOnly.MinValue) + time, TimeSpan.Zero);
    }

    private static DateOnly DayOf(DateTimeOffset at) => DateOnly.FromDateTime(at.UtcDateTime);

    private static Task<EnqueueOutcome> EnqueueAsync(
        Session session,
        string kind,
        long revision,
        DateOnly day,
        TimeSpan delay,
        CancellationToken ct
    ) =>
        JobQueue.EnqueueAsync(
            session,
            kind,
            string.Create(CultureInfo.InvariantCulture, $"{revision}/{day:yyyy-MM-dd}"),
            JsonSerializer.SerializeToUtf8Bytes(
                new { revision, day = day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) }
            ),
            new JobOptions { Delay = delay, MaxAttempts = JobLimits.Attempts },
            ct
        );
}

using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Usage;

/// <summary>What is counted of an instance.</summary>
public enum UsageKind
{
    /// <summary>Its page was asked for, or its pixel.</summary>
    View,

    /// <summary>Its form was sent, and kept.</summary>
    Submission,
}

/// <summary>The count of one kind for one instance since it was last written down. Thread-safe.</summary>
public sealed class UsageCell
{
    private readonly UsageCounters counters;
    private long count;

    internal UsageCell(UsageCounters counters, OwnerId owner, string publicId, UsageKind kind)
    {
        this.counters = counters;
        Owner = owner;
        PublicId = publicId;
        Kind = kind;
    }

    internal OwnerId Owner { get; }

    internal string PublicId { get; }

    internal UsageKind Kind { get; }

    /// <summary>Counts one: an addition in memory, and for the first since the last writing an entry in a queue.</summary>
    public void Count()
    {
        if (Interlocked.Increment(ref count) == 1)
            counters.Changed(this);
    }

    internal long Take() => Interlocked.Exchange(ref count, 0);
}

/// <summary>
/// Counts in memory and writes what was counted every few seconds, in one statement for all instances: no view costs a write. Who ends the
/// process without a word loses what was counted since the last writing, and nothing else: a batch that nobody knows the fate of is sent
/// again under its number, and added once. Thread-safe.
/// </summary>
public sealed class UsageCounters(PostgresPools pools, TimeProvider time) : IDisposable
{
    /// <summary>Instances, days and kinds that wait at most while the database is away; what comes beyond is dropped and told.</summary>
    public const int MostWaiting = 200_000;

    private const int BatchRows = 5_000;

    private static readonly Meter Meter = new("Platen.Usage");

    private static readonly Counter<long> Written = Meter.CreateCounter<long>(
        "platen.usage.written",
        "{count}",
        "Views and submissions that were counted and written down."
    );

    private static readonly Counter<long> Dropped = Meter.CreateCounter<long>(
        "platen.usage.dropped",
        "{count}",
        "Views and submissions that were counted and could not be kept while the database was away."
    );

    private readonly ConcurrentQueue<UsageCell> changed = new();
    private readonly Dictionary<Key, Counts> waiting = [];
    private readonly SemaphoreSlim one = new(1, 1);
    private readonly Guid node = Guid.CreateVersion7();
    private List<KeyValuePair<Key, Counts>> batch = [];
    private long number;

    /// <summary>Where one kind is counted for one instance; keep it for as long as it is used.</summary>
    public UsageCell For(OwnerId owner, string publicId, UsageKind kind) => new(this, owner, publicId, kind);

    /// <summary>Writes down what was counted until now.</summary>
    /// <exception cref="NpgsqlException">The database does not answer; nothing is lost, and the next call tries again.</exception>
    public async Task FlushAsync(CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            Gather();
            while (batch.Count > 0 || waiting.Count > 0)
            {
                if (batch.Count == 0)
                {
                    batch = [.. waiting.Take(BatchRows)];
                    foreach (var (key, _) in batch)
                        waiting.Remove(key);
                    number++;
                }
                await WriteAsync(ct);
                Written.Add(batch.Sum(row => row.Value.Views + row.Value.Submissions));
                batch = [];
            }
        }
        finally
        {
            one.Release();
        }
    }

    public void Dispose() => one.Dispose();

    internal void Changed(UsageCell cell) => changed.Enqueue(cell);

    private void Gather()
    {
        var day = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
        // As many as there are now: under load there is always one more.
        for (var left = changed.Count; left > 0 && changed.TryDequeue(out var cell); left--)
        {
            var count = cell.Take();
            var key = new Key(cell.Owner, cell.PublicId, day);
            var known = waiting.TryGetValue(key, out var counts);
            if (!known && waiting.Count >= MostWaiting)
            {
                Dropped.Add(count);
                continue;
            }
            waiting[key] =
                cell.Kind == UsageKind.View
                    ? counts with
                    {
                        Views = counts.Views + count,
                    }
                    : counts with
                    {
                        Submissions = counts.Submissions + count,
                    };
        }
    }

    private async Task WriteAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        await session.ExecuteAsync(
            "select platform.add_usage($1, $2, $3, $4, $5, $6, $7)",
            ct,
            Sql.Uuid(node),
            Sql.Long(number),
            Array(NpgsqlDbType.Uuid, row => row.Key.Owner.Value),
            Array(NpgsqlDbType.Text, row => row.Key.PublicId),
            Array(NpgsqlDbType.Date, row => row.Key.Day),
            Array(NpgsqlDbType.Bigint, row => row.Value.Views),
            Array(NpgsqlDbType.Bigint, row => row.Value.Submissions)
        );
        await session.CommitAsync(ct);
    }

    private NpgsqlParameter Array<T>(NpgsqlDbType type, Func<KeyValuePair<Key, Counts>, T> value) =>
        new() { Value = batch.Select(value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };

    private readonly record struct Key(OwnerId Owner, string PublicId, DateOnly Day);

    private readonly record struct Counts(long Views, long Submissions);
}

using System.Diagnostics.Metrics;
using System.Runtime.InteropServices;

namespace Platen.Delivery;

/// <summary>Where a response came from.</summary>
internal enum CacheLevel
{
    /// <summary>Nothing was looked up.</summary>
    None,

    /// <summary>It was in memory.</summary>
    Memory,

    /// <summary>It was in memory, and a later release could not be loaded.</summary>
    Stale,

    /// <summary>It was read from this node's disk for this request.</summary>
    Disk,

    /// <summary>It was loaded for this request.</summary>
    Store,
}

/// <summary>
/// The meter <c>Platen.Delivery</c>. Requests are counted in plain cells and read when somebody asks, so that a request
/// pays one addition and no listener is called.
/// </summary>
internal sealed class DeliveryMetrics : IDisposable
{
    private const int Encodings = 4;
    private const int Levels = 5;
    private static readonly int[] Statuses = [200, 204, 206, 304, 400, 401, 403, 404, 405, 406, 412, 416, 500, 503];
    private static readonly string[] LevelNames = ["none", "memory", "stale", "disk", "store"];
    private static readonly string[] EncodingNames = ["identity", "br", "gzip", "none"];

    private readonly Meter meter = new("Platen.Delivery");
    private readonly Counter<long> evictions;
    private readonly Histogram<double> loads;
    private readonly Counter<long> diskEvictions;
    private readonly Counter<long> diskRefusals;
    private readonly Counter<long> diskBroken;
    private readonly Counter<long> diskFailures;
    private readonly Cell[] cells = new Cell[Levels * Statuses.Length * Encodings];
    private InstanceCache? cache;
    private DiskCache? disk;

    public DeliveryMetrics()
    {
        evictions = meter.CreateCounter<long>(
            "platen.delivery.evictions",
            "{key}",
            "Keys removed to stay in the budget."
        );
        loads = meter.CreateHistogram<double>(
            "platen.delivery.load.duration",
            "s",
            "Time to load an instance or artifact."
        );
        diskEvictions = meter.CreateCounter<long>(
            "platen.delivery.disk.evictions",
            "{entry}",
            "Entries removed from the disk to stay in its budget."
        );
        diskRefusals = meter.CreateCounter<long>(
            "platen.delivery.disk.refusals",
            "{entry}",
            "Entries not kept on the disk because what is there is asked for more often, or because they are too large."
        );
        diskBroken = meter.CreateCounter<long>(
            "platen.delivery.disk.broken",
            "{entry}",
            "Entries removed because they were not as they had been written."
        );
        diskFailures = meter.CreateCounter<long>(
            "platen.delivery.disk.failures",
            "{operation}",
            "Reads and writes that the disk refused."
        );
        meter.CreateObservableGauge("platen.delivery.disk", () => disk?.Bytes ?? 0, "By", "Bytes on the disk.");
        meter.CreateObservableGauge(
            "platen.delivery.disk.entries",
            () => disk?.Entries ?? 0,
            "{entry}",
            "Entries on the disk."
        );
        meter.CreateObservableCounter("platen.delivery.requests", Requests, "{request}", "Requests answered.");
        meter.CreateObservableGauge("platen.delivery.hit_ratio", HitRatio, "1", "Share of lookups found in memory.");
        meter.CreateObservableGauge(
            "platen.delivery.memory",
            () => cache?.Bytes ?? 0,
            "By",
            "Bytes of content in memory."
        );
        meter.CreateObservableGauge("platen.delivery.keys", () => cache?.Count ?? 0, "{key}", "Keys in memory.");
        meter.CreateObservableGauge(
            "platen.delivery.stale",
            () => cache?.StaleCount ?? 0,
            "{instance}",
            "Instances shown although a later release could not be loaded."
        );
    }

    public void Observe(InstanceCache instances) => cache = instances;

    public void Observe(DiskCache entries) => disk = entries;

    public void DiskEntryEvicted() => diskEvictions.Add(1);

    public void DiskEntryRefused() => diskRefusals.Add(1);

    public void DiskEntryBroken() => diskBroken.Add(1);

    public void DiskFailed() => diskFailures.Add(1);

    public void Answered(CacheLevel level, int status, ContentCoding? coding)
    {
        var index = Array.IndexOf(Statuses, status);
        if (index >= 0)
            Interlocked.Increment(ref cells[Index(level, index, coding is { } c ? (int)c : Encodings - 1)].Count);
    }

    public void Loaded(TimeSpan duration, string outcome) =>
        loads.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    public void Evicted() => evictions.Add(1);

    /// <summary>What a level is called where people read it.</summary>
    public static string NameOf(CacheLevel level) => LevelNames[(int)level];

    /// <summary>How many requests were answered from a level.</summary>
    public long CountOf(CacheLevel level)
    {
        var sum = 0L;
        for (var i = Index(level, 0, 0); i < Index(level + 1, 0, 0); i++)
            sum += Interlocked.Read(ref cells[i].Count);
        return sum;
    }

    /// <summary>Whether an instrument is this one's: a process can hold several hosts.</summary>
    public bool Owns(Instrument instrument) => ReferenceEquals(instrument.Meter, meter);

    public void Dispose() => meter.Dispose();

    private double HitRatio()
    {
        var hits = CountOf(CacheLevel.Memory) + CountOf(CacheLevel.Stale);
        var all = hits + CountOf(CacheLevel.Disk) + CountOf(CacheLevel.Store);
        return all == 0 ? 1 : (double)hits / all;
    }

    private IEnumerable<Measurement<long>> Requests()
    {
        for (var level = 0; level < Levels; level++)
        for (var status = 0; status < Statuses.Length; status++)
        for (var encoding = 0; encoding < Encodings; encoding++)
        {
            var count = Interlocked.Read(ref cells[Index((CacheLevel)level, status, encoding)].Count);
            if (count > 0)
            {
                yield return new Measurement<long>(
                    count,
                    new("cache", LevelNames[level]),
                    new("status", Statuses[status]),
                    new("encoding", EncodingNames[encoding])
                );
            }
        }
    }

    private static int Index(CacheLevel level, int status, int encoding) =>
        ((int)level * Statuses.Length + status) * Encodings + encoding;

    // A cache line each: processors counting different things do not wait for each other.
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct Cell
    {
        [FieldOffset(0)]
        public long Count;
    }
}

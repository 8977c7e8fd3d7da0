using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>One key of the cache. The item is read without a lock and replaced whole.</summary>
internal sealed class Slot(string key)
{
    public string Key { get; } = key;

    /// <summary>Of the key, for <see cref="FrequencySketch"/>.</summary>
    public ulong Hash { get; } = DiskCache.HashOf(key);

    /// <summary>What visitors get; null while nothing is known or nothing is published.</summary>
    public CachedItem? Item
    {
        get => Volatile.Read(ref item);
        set => Volatile.Write(ref item, value);
    }

    /// <summary>A later release is known of, or may be, and could not be loaded yet.</summary>
    public volatile bool Stale;

    /// <summary>When it was last asked for, by the machine's tick count.</summary>
    public long LastUsed;

    /// <summary>When its use was last counted, likewise.</summary>
    public long LastCounted;

    /// <summary>Counts announcements; a load that began before the last one is repeated.</summary>
    public int Announced;

    /// <summary>The load under way; guarded by the slot.</summary>
    public Task? Loading;

    /// <summary>Until when "nothing" or a failure stands, as a timestamp of the clock; guarded by the slot.</summary>
    public long StandsUntil;

    /// <summary>Why the last load failed; guarded by the slot.</summary>
    public Exception? Failure;

    /// <summary>What it is counted as; guarded by the cache's lock, as is <see cref="Position"/>.</summary>
    public long CountedBytes;
    public int Position = -1;

    private CachedItem? item;
}

/// <summary>How a lookup ended.</summary>
internal enum LookupOutcome
{
    Found,
    Absent,
    Unavailable,
}

/// <summary>
/// Published instances in memory, within a budget of bytes. A key is a public id, or <see cref="DiskEntry.FileKey"/> for an
/// artifact of a former release. Any number of misses of one key are one load; a known instance is served while its
/// successor loads, and for as long as that fails. Beyond the budget a newcomer comes in only when it is asked for more often than
/// what would have to go; its visitors get it in any case.
/// </summary>
internal sealed class InstanceCache : IDisposable
{
    private readonly ConcurrentDictionary<string, Slot> slots = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Slot>.AlternateLookup<ReadOnlySpan<char>> bySpan;
    private readonly ConcurrentDictionary<Slot, bool> stale = new();
    private readonly ConcurrentDictionary<Variant, Task> variants = new();
    private readonly List<Slot> held = [];
    private readonly Lock gate = new();
    private readonly SemaphoreSlim permits = new(DeliveryLimits.ConcurrentLoads);
    private readonly CancellationToken stop;
    private readonly InstanceLoader loader;
    private readonly DeliveryOptions options;
    private readonly FrequencySketch uses;
    private readonly DeliveryMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<InstanceCache> logger;
    private long bytes;
    private int pending;

    public InstanceCache(
        InstanceLoader loader,
        DeliveryOptions options,
        FrequencySketch uses,
        DeliveryMetrics metrics,
        TimeProvider time,
        IHostApplicationLifetime lifetime,
        ILogger<InstanceCache> logger
    )
    {
        this.loader = loader;
        this.options = options;
        this.uses = uses;
        this.metrics = metrics;
        this.time = time;
        this.logger = logger;
        stop = lifetime.ApplicationStopping;
        bySpan = slots.GetAlternateLookup<ReadOnlySpan<char>>();
        metrics.Observe(this);
    }

    /// <summary>Bytes held, near enough.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Keys held, unknown ones included.</summary>
    public int Count => slots.Count;

    /// <summary>Instances that are shown although a later release is known of, or may be.</summary>
    public int StaleCount => stale.Count;

    /// <summary>What is in memory for a key, without waiting.</summary>
    public bool TryGet(ReadOnlySpan<char> key, out Slot slot)
    {
        if (!bySpan.TryGetValue(key, out slot!))
            return false;
        var now = Environment.TickCount64;
        // Writing only when it changed leaves the line shared between the processors.
        if (slot.LastUsed != now)
        {
            slot.LastUsed = now;
            if (now - slot.LastCounted >= DeliveryLimits.UseMilliseconds)
            {
                slot.LastCounted = now;
                uses.Count(slot.Hash);
            }
        }
        return true;
    }

    /// <summary>The slot of an instance, loaded when it is not in memory.</summary>
    public Task<(LookupOutcome Outcome, Slot Slot)> GetAsync(PublicId id, CancellationToken ct)
    {
        var key = id.ToString();
        return GetAsync(key, former => LoadInstanceAsync(id, former), ct);
    }

    /// <summary>The slot of an artifact of a former release of an instance.</summary>
    public Task<(LookupOutcome Outcome, Slot Slot)> GetArtifactAsync(
        PublishedInstance instance,
        string file,
        CancellationToken ct
    ) =>
        GetAsync(
            DiskEntry.FileKey(instance.Owner, instance.Id.ToString(), file),
            _ => LoadArtifactAsync(instance, file),
            ct
        );

    /// <summary>The bytes of a variant of an instance that is too large to be held whole.</summary>
    public Task LoadVariantAsync(Slot slot, Variant variant)
    {
        var own = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = variants.GetOrAdd(variant, own.Task);
        return first == own.Task ? RunVariantAsync(slot, variant, own) : first;
    }

    private async Task RunVariantAsync(Slot slot, Variant variant, TaskCompletionSource done)
    {
        try
        {
            await permits.WaitAsync(stop);
            try
            {
                using var limit = new CancellationTokenSource(DeliveryLimits.LoadTime, time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
                variant.Bytes ??= await loader.ReadAloneAsync(slot.Key, variant, either.Token);
            }
            finally
            {
                permits.Release();
            }
            done.SetResult();
        }
        catch (Exception e)
        {
            done.SetException(e);
            // Seen here too, so that it is not unobserved when nobody else waits.
            _ = done.Task.Exception;
            throw;
        }
        finally
        {
            variants.TryRemove(variant, out _);
        }
        Account(slot);
    }

    /// <summary>A channel moved: look again, and show the old until the new is whole.</summary>
    /// <returns>False when nothing is in memory for the key, nor being loaded.</returns>
    public bool Announce(string key)
    {
        if (!slots.TryGetValue(key, out var slot))
            return false;
        lock (slot)
        {
            slot.Announced++;
            slot.StandsUntil = 0;
            if (slot.Loading is not null)
                return true;
            if (slot.Item is not PublishedInstance instance)
                return false;
            slot.Loading = RunAsync(slot, former => LoadInstanceAsync(instance.Id, former));
            return true;
        }
    }

    /// <summary>An owner was closed or opened again: looks again for everything of theirs, and for what was not to be found.</summary>
    public void Announce(OwnerId owner)
    {
        foreach (var (_, slot) in slots)
        {
            if (slot.Item is null || (slot.Item is PublishedInstance instance && instance.Owner == owner))
                Announce(slot.Key);
        }
    }

    /// <summary>The instances in memory with their revisions; unknown ids are forgotten, so that they are looked up again.</summary>
    public List<PublishedInstance> Recheck()
    {
        var instances = new List<PublishedInstance>();
        foreach (var (_, slot) in slots)
        {
            if (slot.Item is PublishedInstance instance)
                instances.Add(instance);
            else if (slot.Item is null)
                Announce(slot.Key);
        }
        return instances;
    }

    /// <summary>
    /// Tries the stale instances again, one after the other in any order, until <see cref="DeliveryLimits.StaleFailures"/> have failed: a
    /// broken one keeps no other from healing, and a store that is gone is left in peace.
    /// </summary>
    /// <returns>Whether none is left.</returns>
    public async Task<bool> RetryStaleAsync()
    {
        var failures = 0;
        var slotsInDoubt = stale.Keys.ToArray();
        Random.Shared.Shuffle(slotsInDoubt);
        foreach (var slot in slotsInDoubt)
        {
            Announce(slot.Key);
            Task? loading;
            lock (slot)
                loading = slot.Loading;
            if (loading is not null)
                await loading.WaitAsync(stop);
            if (slot.Stale && ++failures == DeliveryLimits.StaleFailures)
                return false;
        }
        return failures == 0;
    }

    public void Dispose() => permits.Dispose();

    private async Task<(LookupOutcome Outcome, Slot Slot)> GetAsync(
        string key,
        Func<CachedItem?, Task<Loaded>> load,
        CancellationToken ct
    )
    {
        var slot = slots.TryGetValue(key, out var there) ? there : Add(key);
        uses.Count(slot.Hash);
        Task loading;
        lock (slot)
        {
            if (slot.Item is not null)
                return (LookupOutcome.Found, slot);
            if (slot.Loading is null)
            {
                if (slot.StandsUntil > time.GetTimestamp())
                    return (slot.Failure is null ? LookupOutcome.Absent : LookupOutcome.Unavailable, slot);
                if (Volatile.Read(ref pending) >= DeliveryLimits.PendingLoads)
                    return (LookupOutcome.Unavailable, slot);
                slot.Loading = RunAsync(slot, load);
            }
            loading = slot.Loading;
        }
        await loading.WaitAsync(ct);
        lock (slot)
        {
            return slot.Item is not null ? (LookupOutcome.Found, slot)
                : slot.Failure is null ? (LookupOutcome.Absent, slot)
                : (LookupOutcome.Unavailable, slot);
        }
    }

    private async Task RunAsync(Slot slot, Func<CachedItem?, Task<Loaded>> load)
    {
        // Never under the slot's lock, which the caller holds.
        await Task.Yield();
        Interlocked.Increment(ref pending);
        try
        {
            for (var repeat = true; repeat; )
            {
                var seen = Volatile.Read(ref slot.Announced);
                var (item, failure) = await LoadAsync(slot, load);
                lock (slot)
                {
                    slot.Failure = failure;
                    // With a failure beside it, it is what was served last, and maybe not the latest.
                    if (failure is null || item is not null)
                        slot.Item = item;
                    slot.Stale = failure is not null && slot.Item is not null;
                    slot.StandsUntil = slot.Item is not null
                        ? 0
                        : time.GetTimestamp()
                            + Ticks(failure is null ? DeliveryLimits.AbsentLife : DeliveryLimits.FailureLife);
                    repeat = failure is null && seen != Volatile.Read(ref slot.Announced);
                    if (!repeat)
                        slot.Loading = null;
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref pending);
        }
        if (slot.Stale)
            stale[slot] = true;
        else
            stale.TryRemove(slot, out _);
        Account(slot);
    }

    private async Task<(CachedItem? Item, Exception? Failure)> LoadAsync(
        Slot slot,
        Func<CachedItem?, Task<Loaded>> load
    )
    {
        var began = time.GetTimestamp();
        try
        {
            await permits.WaitAsync(stop);
            try
            {
                var loaded = await load(slot.Item);
                metrics.Loaded(
                    time.GetElapsedTime(began),
                    loaded.Item is null ? "absent"
                        : loaded.Doubt is null ? "found"
                        : "kept"
                );
                // That the database is lost was told once, when it was.
                if (loaded.Doubt is { } doubt and not DatabaseLostException)
                    logger.LoadFailed(slot.Key, true, doubt);
                return (loaded.Item, loaded.Doubt);
            }
            finally
            {
                permits.Release();
            }
        }
        // Every failure ends here: the old is served on, or the waiters are told 503, and the health check says why.
        catch (Exception e)
        {
            metrics.Loaded(time.GetElapsedTime(began), "failed");
            if (!stop.IsCancellationRequested)
                logger.LoadFailed(slot.Key, slot.Item is not null, e);
            return (null, e);
        }
    }

    private async Task<Loaded> LoadInstanceAsync(PublicId id, CachedItem? former)
    {
        using var limit = new CancellationTokenSource(DeliveryLimits.LoadTime, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        return await loader.LoadAsync(id, former as PublishedInstance, either.Token);
    }

    private async Task<Loaded> LoadArtifactAsync(PublishedInstance instance, string file)
    {
        using var limit = new CancellationTokenSource(DeliveryLimits.LoadTime, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        return await loader.LoadArtifactAsync(instance, file, either.Token);
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);

    private Slot Add(string key)
    {
        lock (gate)
        {
            if (slots.TryGetValue(key, out var there))
                return there;
            var slot = new Slot(key)
            {
                LastUsed = Environment.TickCount64,
                CountedBytes = DeliveryLimits.SlotBytes,
                Position = held.Count,
            };
            held.Add(slot);
            slots[key] = slot;
            Interlocked.Add(ref bytes, slot.CountedBytes);
            Evict(slot, isContest: false);
            return slot;
        }
    }

    private void Account(Slot slot)
    {
        lock (gate)
        {
            if (slot.Position < 0)
                return;
            var size = slot.Item?.SizeBytes ?? DeliveryLimits.SlotBytes;
            Interlocked.Add(ref bytes, size - slot.CountedBytes);
            slot.CountedBytes = size;
            Evict(slot, isContest: true);
        }
    }

    // Of a few picked at random, the one goes that takes the most memory for the longest time unused. That needs no list in
    // order of use, which every hit would have to write to. What was used lately, and more often than the newcomer, stays:
    // somebody who reads every page once pushes nothing out.
    private void Evict(Slot newcomer, bool isContest)
    {
        const int sample = 8;
        for (var tries = 0; bytes > options.MemoryBytes && held.Count > 1 && tries < 4 * held.Count; tries++)
        {
            Slot? worst = null;
            var worstCost = -1.0;
            var now = Environment.TickCount64;
            for (var i = 0; i < sample; i++)
            {
                var candidate = held[Random.Shared.Next(held.Count)];
                if (candidate == newcomer || candidate.Loading is not null)
                    continue;
                var cost = (now - candidate.LastUsed + 1.0) * candidate.CountedBytes / (1 + uses.Of(candidate.Hash));
                if (cost > worstCost)
                    (worst, worstCost) = (candidate, cost);
            }
            if (worst is null)
                continue;
            // Not before it is loaded: until then others may come to wait for it.
            if (
                isContest
                && newcomer is { Position: >= 0, Loading: null }
                && now - worst.LastUsed < DeliveryLimits.ContestedAge.TotalMilliseconds
                && uses.Of(newcomer.Hash) < uses.Of(worst.Hash)
            )
            {
                Remove(newcomer);
                return;
            }
            Remove(worst);
        }
    }

    private void Remove(Slot slot)
    {
        slots.TryRemove(slot.Key, out _);
        stale.TryRemove(slot, out _);
        var last = held[^1];
        held[slot.Position] = last;
        last.Position = slot.Position;
        held.RemoveAt(held.Count - 1);
        slot.Position = -1;
        Interlocked.Add(ref bytes, -slot.CountedBytes);
        metrics.Evicted();
    }
}

using System.Collections.Concurrent;
using Platen.Kernel;
using Platen.Platform.Events;

namespace Platen.Access;

/// <summary>
/// Says whether what was read of an owner's keys and members still holds. A change appends to a stream named <c>access/…</c> in its
/// transaction, and every node hears of it at commit. While a node cannot hear, nothing holds; after it has listened anew, nothing
/// read before does. Thread-safe.
/// </summary>
internal sealed class Invalidation : IDisposable
{
    private const string Prefix = "access/";
    private const string SessionEnded = "session/ended";
    private const int MostOwners = 10_000;
    private readonly ConcurrentDictionary<OwnerId, long> changed = new();
    private readonly NotificationListener listener;
    private readonly IDisposable ear;
    private readonly ConcurrentDictionary<Watcher, bool> watchers = new();
    private long clock;
    private long floor;

    public Invalidation(NotificationListener listener)
    {
        this.listener = listener;
        ear = listener.Add(EventLog.Channel, Hear, DropAll);
    }

    /// <summary>Taken before reading; what was read holds while <see cref="Holds"/> says so of this moment.</summary>
    public long Now => Volatile.Read(ref clock);

    /// <summary>
    /// Adds who is told of each change: the owner, or null for all. A person whose session has ended is told as the owner that their id
    /// would be. Runs on the listening flow, so it only sets a flag.
    /// </summary>
    /// <returns>Dispose it to be told no more.</returns>
    public IDisposable Watch(Action<OwnerId?> changed)
    {
        var watcher = new Watcher(this, changed);
        watchers[watcher] = default;
        return watcher;
    }

    /// <summary>Whether what was read of the owner at that moment is still true.</summary>
    public bool Holds(OwnerId owner, long readAt) =>
        listener.IsListening
        && readAt >= Volatile.Read(ref floor)
        && (!changed.TryGetValue(owner, out var at) || readAt >= at);

    /// <summary>Nothing read of the owner so far holds. The node that made a change calls it without waiting to be told.</summary>
    public void Drop(OwnerId owner)
    {
        if (changed.Count >= MostOwners)
        {
            DropAll();
            return;
        }
        changed[owner] = Interlocked.Increment(ref clock);
        Tell(owner);
    }

    public void Dispose() => ear.Dispose();

    private void DropAll()
    {
        Volatile.Write(ref floor, Interlocked.Increment(ref clock));
        changed.Clear();
        Tell(null);
    }

    private void Tell(OwnerId? owner)
    {
        foreach (var (watcher, _) in watchers)
            watcher.Changed(owner);
    }

    // "{owner} {revision} {stream}"
    private void Hear(string payload)
    {
        var first = payload.IndexOf(' ', StringComparison.Ordinal);
        var second = first < 0 ? -1 : payload.IndexOf(' ', first + 1);
        if (
            second > 0
            && payload.AsSpan(second + 1).StartsWith(Prefix, StringComparison.Ordinal)
            && OwnerId.TryParse(payload[..first], null, out var owner)
        )
        {
            Drop(owner);
        }
        // Sessions are not remembered: there is nothing to forget.
        else if (
            second > 0
            && payload.AsSpan(second + 1).SequenceEqual(SessionEnded)
            && OwnerId.TryParse(payload[..first], null, out var person)
        )
        {
            Tell(person);
        }
    }

    private sealed class Watcher(Invalidation invalidation, Action<OwnerId?> changed) : IDisposable
    {
        public Action<OwnerId?> Changed => changed;

        public void Dispose() => invalidation.watchers.TryRemove(this, out _);
    }
}

/// <summary>
/// Answers that are kept for a few seconds, each of one owner, and only while <see cref="Invalidation"/> vouches for them. The few
/// seconds bound what a network that goes silent without a word can hide. Thread-safe.
/// </summary>
internal sealed class TrustedCache<TKey, TValue>(Invalidation invalidation, TimeProvider time, int most)
    where TKey : notnull
    where TValue : class
{
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<TKey, Entry> entries = new();

    public TValue? Find(TKey key) =>
        entries.TryGetValue(key, out var entry)
        && time.GetElapsedTime(entry.KeptAt) < Life
        && invalidation.Holds(entry.Owner, entry.ReadAt)
            ? entry.Value
            : null;

    /// <param name="key">What was asked.</param>
    /// <param name="owner">Whose change ends it.</param>
    /// <param name="value">What was read.</param>
    /// <param name="readAt"><see cref="Invalidation.Now"/> before reading.</param>
    public void Keep(TKey key, OwnerId owner, TValue value, long readAt)
    {
        // Emptied and not trimmed: what is in use is back within one read each.
        if (entries.Count >= most)
            entries.Clear();
        entries[key] = new Entry(owner, value, readAt, time.GetTimestamp());
    }

    private sealed record Entry(OwnerId Owner, TValue Value, long ReadAt, long KeptAt);
}

using System.Threading.Tasks.Sources;
using Platen.Kernel;

namespace Platen.Platform.Events;

/// <summary>Why a waiting subscriber was woken.</summary>
internal enum Wake
{
    Events,
    Idle,
    Ended,
}

/// <summary>
/// The subscribers of one stream in this process and the window of its newest events, read once for all of them. All
/// fields are guarded by <see cref="Gate"/>.
/// </summary>
internal sealed class StreamFeed(OwnerId owner, StreamId stream)
{
    // A revision's place is its lowest bits: the window has no gaps. Its length is a power of two and grows with the window.
    private Event?[] ring = new Event?[8];
    private int count;
    private long windowBytes;
    private (long After, long Through, ReadOnlyMemory<byte> Bytes) encoded;

    public Lock Gate { get; } = new();
    public OwnerId Owner => owner;
    public StreamId Stream => stream;
    public HashSet<EventSubscription> Subscribers { get; } = [];

    /// <summary>The newest revision in the window, or where it begins; -1 until the stream's head was read.</summary>
    public long Last { get; private set; } = -1;

    /// <summary>The revision before the window's first.</summary>
    public long Before => Last - count;

    /// <summary>Subscribers that have everything and wait for more.</summary>
    public int Waiting
    {
        get
        {
            lock (Gate)
                return Subscribers.Count(subscription => subscription.IsWaiting);
        }
    }

    private Event this[long revision] => ring[revision & (ring.Length - 1)]!;

    public void Begin(long head)
    {
        lock (Gate)
        {
            if (Last < 0)
                Last = head;
        }
    }

    public void Add(Event added)
    {
        if (added.Revision <= Last)
            return;
        // Retention overtook the window: what is missing is gone for everybody, who learn it from their cursor.
        if (added.Revision != Last + 1)
        {
            Array.Clear(ring);
            count = 0;
            windowBytes = 0;
        }
        else if (count == ring.Length)
        {
            Grow();
        }
        ring[added.Revision & (ring.Length - 1)] = added;
        count++;
        windowBytes += added.Data.Length;
        Last = added.Revision;
        while (count > EventLimits.WindowEvents || (windowBytes > EventLimits.WindowBytes && count > 1))
        {
            ref var oldest = ref ring[(Before + 1) & (ring.Length - 1)];
            windowBytes -= oldest!.Data.Length;
            oldest = null;
            count--;
        }
    }

    private void Grow()
    {
        var grown = new Event?[ring.Length * 2];
        for (var revision = Before + 1; revision <= Last; revision++)
            grown[revision & (grown.Length - 1)] = this[revision];
        ring = grown;
    }

    public void CopyAfter(long cursor, List<Event> into)
    {
        into.EnsureCapacity((int)(Last - cursor));
        for (var revision = cursor + 1; revision <= Last; revision++)
            into.Add(this[revision]);
    }

    /// <summary>
    /// The frames after a cursor, up to about <see cref="EventLimits.SharedFrameBytes"/>, and the revision they end with. Nearly
    /// all subscribers stand at the same place, and get the same bytes.
    /// </summary>
    public (long Through, ReadOnlyMemory<byte> Bytes) FramesAfter(long cursor)
    {
        if (encoded.After != cursor || encoded.Through <= cursor)
            encoded = Encode(cursor);
        return (encoded.Through, encoded.Bytes);
    }

    private (long After, long Through, ReadOnlyMemory<byte> Bytes) Encode(long cursor)
    {
        var first = this[cursor + 1].Frame;
        var (through, size) = (cursor + 1, first.Length);
        for (; through < Last && size + this[through + 1].Frame.Length <= EventLimits.SharedFrameBytes; through++)
            size += this[through + 1].Frame.Length;
        if (through == cursor + 1)
            return (cursor, through, first);
        var bytes = new byte[size];
        var at = 0;
        for (var revision = cursor + 1; revision <= through; revision++)
        {
            var frame = this[revision].Frame;
            frame.CopyTo(bytes.AsMemory(at));
            at += frame.Length;
        }
        return (cursor, through, bytes);
    }
}

/// <summary>
/// One subscriber's place in a stream. It pulls: a subscriber that does not keep up holds nothing but its cursor, and is
/// cut when the shared window has moved past it. Used by one flow at a time.
/// </summary>
internal sealed class EventSubscription : IValueTaskSource<Wake>, IAsyncDisposable
{
    private readonly EventHub hub;
    private readonly StreamFeed feed;
    private readonly CancellationTokenRegistration cancelled;
    private readonly bool resumesInline;
    private ManualResetValueTaskSourceCore<Wake> wake = new() { RunContinuationsAsynchronously = true };
    private bool waiting;
    private bool ended;

    internal EventSubscription(EventHub hub, StreamFeed feed, long cursor, bool resumesInline, CancellationToken ct)
    {
        this.resumesInline = resumesInline;
        this.hub = hub;
        this.feed = feed;
        Cursor = cursor;
        cancelled = ct.UnsafeRegister(static state => ((EventSubscription)state!).Signal(Wake.Ended), this);
    }

    public long Cursor { get; private set; }

    /// <summary>How far the stream had come when this began.</summary>
    public long Head { get; internal set; }

    internal StreamFeed Feed => feed;

    internal bool IsWaiting => waiting;

    /// <summary>Whether it has caught up once; before that it reads pages of the table at its own pace.</summary>
    private bool live;

    /// <summary>Takes what is new into <paramref name="batch"/> and moves the cursor behind it.</summary>
    /// <returns>False when there is nothing new.</returns>
    /// <exception cref="EventConsumerCutException">It fell out of the window.</exception>
    /// <exception cref="ProblemException"><see cref="EventsProblems.CursorGone"/>.</exception>
    public async ValueTask<bool> TakeAsync(List<Event> batch, CancellationToken ct)
    {
        batch.Clear();
        lock (feed.Gate)
        {
            if (Cursor >= feed.Before)
            {
                live = true;
                if (Cursor < feed.Last)
                    feed.CopyAfter(Cursor, batch);
            }
            else if (live)
            {
                EventsTelemetry.Cut.Add(1);
                throw new EventConsumerCutException(Cursor);
            }
        }
        if (!live)
            batch.AddRange(await hub.ReadPageAsync(feed, Cursor, ct));
        if (batch.Count == 0)
            return false;
        Cursor = batch[^1].Revision;
        EventsTelemetry.Delivered.Add(batch.Count);
        return true;
    }

    /// <summary>
    /// As <see cref="TakeAsync"/>, the events as they are sent: some of what is new, empty when nothing is. The bytes are shared
    /// with other subscribers.
    /// </summary>
    /// <exception cref="EventConsumerCutException">It fell out of the window.</exception>
    /// <exception cref="ProblemException"><see cref="EventsProblems.CursorGone"/>.</exception>
    public ValueTask<ReadOnlyMemory<byte>> TakeFramesAsync(CancellationToken ct)
    {
        lock (feed.Gate)
        {
            if (Cursor >= feed.Before)
            {
                live = true;
                if (Cursor >= feed.Last)
                    return default;
                var (through, bytes) = feed.FramesAfter(Cursor);
                EventsTelemetry.Delivered.Add(through - Cursor);
                Cursor = through;
                return new ValueTask<ReadOnlyMemory<byte>>(bytes);
            }
            if (live)
            {
                EventsTelemetry.Cut.Add(1);
                throw new EventConsumerCutException(Cursor);
            }
        }
        return ReadFramesAsync(ct);
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadFramesAsync(CancellationToken ct)
    {
        var page = await hub.ReadPageAsync(feed, Cursor, ct);
        var bytes = new byte[page.Sum(read => read.Frame.Length)];
        var at = 0;
        foreach (var read in page)
        {
            read.Frame.CopyTo(bytes.AsMemory(at));
            at += read.Frame.Length;
        }
        Cursor = page[^1].Revision;
        EventsTelemetry.Delivered.Add(page.Count);
        return bytes;
    }

    /// <summary>Waits for something newer than the cursor, for the hub's idle tick, or for the end.</summary>
    public ValueTask<Wake> WaitAsync()
    {
        lock (feed.Gate)
        {
            if (ended)
                return new ValueTask<Wake>(Wake.Ended);
            if (!live || Cursor < feed.Last)
                return new ValueTask<Wake>(Wake.Events);
            wake.Reset();
            waiting = true;
            return new ValueTask<Wake>(this, wake.Version);
        }
    }

    internal void Signal(Wake reason)
    {
        lock (feed.Gate)
        {
            ended |= reason == Wake.Ended;
            if (!waiting)
                return;
            waiting = false;
        }
        wake.RunContinuationsAsynchronously = true;
        wake.SetResult(reason);
    }

    /// <summary>Claims a waiting subscriber for <see cref="Resume"/>; the caller holds the feed's gate.</summary>
    internal bool Claim()
    {
        var claimed = waiting;
        waiting = false;
        return claimed;
    }

    /// <summary>
    /// Tells a claimed subscriber of events. Where it resumes inline it has sent them when this returns, or waits for its
    /// socket: a thousand subscribers are not a thousand work items.
    /// </summary>
    internal void Resume()
    {
        wake.RunContinuationsAsynchronously = !resumesInline;
        wake.SetResult(Wake.Events);
    }

    public async ValueTask DisposeAsync()
    {
        await cancelled.DisposeAsync();
        hub.Remove(this);
    }

    Wake IValueTaskSource<Wake>.GetResult(short token) => wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<Wake>.GetStatus(short token) => wake.GetStatus(token);

    void IValueTaskSource<Wake>.OnCompleted(
        Action<object?> continuation,
        object? state,
        short token,
        ValueTaskSourceOnCompletedFlags flags
    ) => wake.OnCompleted(continuation, state, token, flags);
}

/// <summary>A subscriber was too slow and fell out of the stream's window; nothing up to its cursor is lost.</summary>
/// <param name="cursor">The revision of the last event it was given: subscribe again from there.</param>
public sealed class EventConsumerCutException(long cursor)
    : Exception($"The subscriber fell too far behind and was cut after revision {cursor}.")
{
    /// <summary>The revision of the last event it was given.</summary>
    public long Cursor => cursor;
}

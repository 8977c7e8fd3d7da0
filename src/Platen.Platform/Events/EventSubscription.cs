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
    private readonly Queue<Event> window = new();
    private long windowBytes;

    public Lock Gate { get; } = new();
    public OwnerId Owner => owner;
    public StreamId Stream => stream;
    public HashSet<EventSubscription> Subscribers { get; } = [];

    /// <summary>The newest revision in the window, or where it begins; -1 until the stream's head was read.</summary>
    public long Last { get; private set; } = -1;

    /// <summary>The revision before the window's first.</summary>
    public long Before => Last - window.Count;

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
            window.Clear();
            windowBytes = 0;
        }
        window.Enqueue(added);
        windowBytes += added.Data.Length;
        Last = added.Revision;
        while (window.Count > EventLimits.WindowEvents || (windowBytes > EventLimits.WindowBytes && window.Count > 1))
            windowBytes -= window.Dequeue().Data.Length;
    }

    public void CopyAfter(long cursor, List<Event> into) => into.AddRange(window.Skip((int)(cursor - Before)));
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
    private ManualResetValueTaskSourceCore<Wake> wake = new() { RunContinuationsAsynchronously = true };
    private bool waiting;
    private bool ended;

    internal EventSubscription(EventHub hub, StreamFeed feed, long cursor, CancellationToken ct)
    {
        this.hub = hub;
        this.feed = feed;
        Cursor = cursor;
        cancelled = ct.UnsafeRegister(static state => ((EventSubscription)state!).Signal(Wake.Ended), this);
    }

    public long Cursor { get; private set; }

    internal StreamFeed Feed => feed;

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
        wake.SetResult(reason);
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

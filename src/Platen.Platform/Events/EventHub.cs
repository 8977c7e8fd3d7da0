using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Events;

/// <summary>
/// Live subscriptions of one process. A notification marks its stream; one query reads all marked streams and feeds all
/// their subscribers, however many notifications and subscribers there are. Thread-safe.
/// </summary>
public sealed class EventHub(
    PostgresPools pools,
    NotificationListener listener,
    IHostApplicationLifetime? lifetime,
    ILogger<EventHub> logger,
    TimeProvider time
) : BackgroundService
{
    private static readonly TimeSpan MostBackoff = TimeSpan.FromSeconds(5);

    // Notifications do not get lost while the connection stands; this is for what nobody thought of.
    private static readonly TimeSpan SafetyPoll = TimeSpan.FromSeconds(15);

    private readonly Lock gate = new();
    private readonly Dictionary<(OwnerId, StreamId), StreamFeed> feeds = [];
    private readonly HashSet<StreamFeed> marked = [];
    private readonly SemaphoreSlim work = new(0, 1);
    private int subscribers;
    private bool stopped;

    /// <summary>Streams with a subscriber in this process.</summary>
    public int Streams
    {
        get
        {
            lock (gate)
                return feeds.Count;
        }
    }

    /// <summary>Subscribers that have everything and wait for more.</summary>
    internal int Waiting
    {
        get
        {
            lock (gate)
                return feeds.Values.Sum(feed => feed.Waiting);
        }
    }

    /// <summary>
    /// The events of a stream after a revision, and then each new one as it is committed: every one once, in order. Ends
    /// when the process stops or <paramref name="ct"/> is cancelled.
    /// </summary>
    /// <param name="owner">Whose stream; the caller has checked that the reader may.</param>
    /// <param name="stream">The stream; it need not exist yet.</param>
    /// <param name="afterRevision">The last revision the subscriber has; 0 for the beginning.</param>
    /// <param name="ct">Ends the subscription.</param>
    /// <exception cref="EventConsumerCutException">The subscriber is too slow; it continues from the cursor given.</exception>
    /// <exception cref="ProblemException"><see cref="EventsProblems.CursorGone"/>: events after that revision are gone, or the
    /// stream has not come as far; <see cref="EventsProblems.TooManySubscribers"/>.</exception>
    public async IAsyncEnumerable<Event> SubscribeAsync(
        OwnerId owner,
        StreamId stream,
        long afterRevision,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        await using var subscription = await OpenAsync(owner, stream, afterRevision, resumesInline: false, ct);
        var batch = new List<Event>();
        while (!ct.IsCancellationRequested)
        {
            while (await subscription.TakeAsync(batch, ct))
            {
                foreach (var next in batch)
                    yield return next;
            }
            if (await subscription.WaitAsync() == Wake.Ended)
                yield break;
        }
    }

    /// <param name="resumesInline">Whether what follows a wait for events is short and never blocks its thread.</param>
    internal async ValueTask<EventSubscription> OpenAsync(
        OwnerId owner,
        StreamId stream,
        long afterRevision,
        bool resumesInline,
        CancellationToken ct
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(afterRevision);
        ct.ThrowIfCancellationRequested();
        var subscription = Add(owner, stream, afterRevision, resumesInline, ct);
        try
        {
            // Registered first, read second: what commits after this read is notified to a feed that is already there.
            await using var session = await pools.OpenAsync(OperationContext.ForSystem(owner, "events"), ct);
            var head = await EventLog.HeadAsync(session, stream, ct);
            if (afterRevision < head.RemovedThrough || afterRevision > head.Revision)
                throw Gone(head, afterRevision);
            subscription.Head = head.Revision;
            subscription.Feed.Begin(head.Revision);
            if (subscription.Feed.Last < head.Revision)
                Mark(subscription.Feed);
            else
                Wakeup();
            return subscription;
        }
        catch
        {
            await subscription.DisposeAsync();
            throw;
        }
    }

    internal async Task<List<Event>> ReadPageAsync(StreamFeed feed, long cursor, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(feed.Owner, "events"), ct);
        EventsTelemetry.Reads.Add(1);
        var page = await EventLog.ReadAsync(session, feed.Stream, cursor, EventLimits.PageEvents, ct);
        if (page.Count == 0 || page[0].Revision != cursor + 1)
            throw Gone(await EventLog.HeadAsync(session, feed.Stream, ct), cursor);
        return page;
    }

    internal void Remove(EventSubscription subscription)
    {
        lock (gate)
        {
            lock (subscription.Feed.Gate)
            {
                if (!subscription.Feed.Subscribers.Remove(subscription))
                    return;
                if (subscription.Feed.Subscribers.Count == 0)
                {
                    feeds.Remove((subscription.Feed.Owner, subscription.Feed.Stream));
                    marked.Remove(subscription.Feed);
                }
            }
            subscribers--;
        }
        EventsTelemetry.Subscribers.Add(-1);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ear = listener.Add(EventLog.Channel, Hear, MarkAll);
        await using var tick = time.CreateTimer(_ => Tick(), state: null, SafetyPoll, SafetyPoll);
        // Requests are drained before hosted services stop: open streams must end at the first sign of stopping.
        using var stopping = lifetime?.ApplicationStopping.Register(EndAll);
        try
        {
            await FeedAsync(stoppingToken);
        }
        finally
        {
            EndAll();
        }
    }

    private async Task FeedAsync(CancellationToken ct)
    {
        var backoff = new Backoff(MostBackoff);
        while (!ct.IsCancellationRequested)
        {
            try
            {
                await work.WaitAsync(ct);
                while (TakeMarked() is { Count: > 0 } batch)
                    await ReadAsync(batch, ct);
                backoff.Reset();
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
            {
                var delay = backoff.Next();
                Log.ReadFailed(logger, delay, exception);
                await Task.Delay(delay, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                Wakeup();
            }
        }
    }

    private void Tick()
    {
        MarkAll();
        SignalEverybody(Wake.Idle);
    }

    private async Task ReadAsync(List<StreamFeed> batch, CancellationToken ct)
    {
        var owners = new Guid[batch.Count];
        var streams = new string[batch.Count];
        var cursors = new long[batch.Count];
        for (var i = 0; i < batch.Count; i++)
        {
            owners[i] = batch[i].Owner.Value;
            streams[i] = batch[i].Stream.Value;
            cursors[i] = batch[i].Last;
        }
        List<(int Feed, Event Event)> events;
        try
        {
            EventsTelemetry.Reads.Add(1);
            var newer = new Query<(int, Event)>(
                """
                select w.place::int, e.owner, e.stream_id, e.revision, e.type, e.data, e.at, e.actor
                  from unnest($1, $2, $3) with ordinality as w (owner, stream_id, cursor, place)
                 cross join lateral (
                    select * from platform.event e
                     where e.owner = w.owner and e.stream_id = w.stream_id and e.revision > w.cursor
                     order by e.revision limit $4) e
                 order by w.place, e.revision
                """,
                row => (row.GetInt32(0) - 1, EventLog.Read(row, 1)),
                new NpgsqlParameter { Value = owners, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid },
                new NpgsqlParameter { Value = streams, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                new NpgsqlParameter { Value = cursors, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
                Sql.Int(EventLimits.PageEvents)
            );
            events = await pools.ReadWorkerAsync("events", newer, ct);
        }
        catch
        {
            foreach (var feed in batch)
                Mark(feed);
            throw;
        }
        var now = time.GetUtcNow();
        for (var i = 0; i < events.Count; )
        {
            var feed = batch[events[i].Feed];
            var end = i;
            List<EventSubscription> told = [];
            lock (feed.Gate)
            {
                for (; end < events.Count && events[end].Feed == events[i].Feed; end++)
                {
                    feed.Add(events[end].Event);
                    EventsTelemetry.Lag.Record(Math.Max(0, (now - events[end].Event.At).TotalSeconds));
                }
                foreach (var subscription in feed.Subscribers)
                {
                    if (subscription.Claim())
                        told.Add(subscription);
                }
            }
            Resume(told);
            if (end - i == EventLimits.PageEvents)
                Mark(feed);
            i = end;
        }
    }

    // A work item for some dozens: fewer than one each, and still enough for every processor.
    private static void Resume(List<EventSubscription> told)
    {
        for (var from = 0; from < told.Count; from += EventLimits.ResumedTogether)
        {
            var size = Math.Min(EventLimits.ResumedTogether, told.Count - from);
            ThreadPool.UnsafeQueueUserWorkItem(new Resumption(told, from, size), preferLocal: false);
        }
    }

    private EventSubscription Add(OwnerId owner, StreamId stream, long cursor, bool resumesInline, CancellationToken ct)
    {
        EventSubscription added;
        lock (gate)
        {
            if (subscribers >= EventLimits.Subscribers)
                throw EventsProblems
                    .TooManySubscribers.Because($"There are {EventLimits.Subscribers} open streams.")
                    .AsException();
            if (!feeds.TryGetValue((owner, stream), out var feed))
                feeds.Add((owner, stream), feed = new StreamFeed(owner, stream));
            added = new EventSubscription(this, feed, cursor, resumesInline, ct);
            lock (feed.Gate)
                feed.Subscribers.Add(added);
            subscribers++;
            if (stopped)
                added.Signal(Wake.Ended);
        }
        EventsTelemetry.Subscribers.Add(1);
        return added;
    }

    // "{owner} {revision} {stream}"
    private void Hear(string payload)
    {
        var first = payload.IndexOf(' ', StringComparison.Ordinal);
        var second = first < 0 ? -1 : payload.IndexOf(' ', first + 1);
        if (
            second < 0
            || !OwnerId.TryParse(payload[..first], null, out var owner)
            || !long.TryParse(
                payload.AsSpan(first + 1, second - first - 1),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var revision
            )
        )
            return;
        lock (gate)
        {
            if (feeds.TryGetValue((owner, new StreamId(payload[(second + 1)..])), out var feed) && revision > feed.Last)
                marked.Add(feed);
            else
                return;
        }
        Wakeup();
    }

    private void Mark(StreamFeed feed)
    {
        lock (gate)
        {
            if (feeds.TryGetValue((feed.Owner, feed.Stream), out var current) && current == feed)
                marked.Add(feed);
        }
        Wakeup();
    }

    private void MarkAll()
    {
        lock (gate)
            marked.UnionWith(feeds.Values);
        Wakeup();
    }

    private void Wakeup()
    {
        lock (work)
        {
            if (work.CurrentCount == 0)
                work.Release();
        }
    }

    // A feed whose head is still being read begins there; its subscriber marks it when a notification came before.
    private List<StreamFeed> TakeMarked()
    {
        lock (gate)
        {
            var batch = marked.Where(feed => feed.Last >= 0).Take(EventLimits.StreamsARead).ToList();
            marked.ExceptWith(batch);
            return batch;
        }
    }

    private void EndAll()
    {
        lock (gate)
            stopped = true;
        SignalEverybody(Wake.Ended);
    }

    private void SignalEverybody(Wake reason)
    {
        List<EventSubscription> told = [];
        lock (gate)
        {
            foreach (var feed in feeds.Values)
            {
                lock (feed.Gate)
                    told.AddRange(feed.Subscribers);
            }
        }
        foreach (var subscription in told)
            subscription.Signal(reason);
    }

    private static ProblemException Gone(StreamHead head, long cursor) =>
        EventsProblems
            .CursorGone.Because(
                cursor > head.Revision
                    ? $"The stream has come to revision {head.Revision}, not {cursor}."
                    : $"Events up to revision {head.RemovedThrough} have been removed; the cursor is {cursor}."
            )
            .With("revision", head.Revision)
            .With("removedThrough", head.RemovedThrough)
            .AsException();

    private sealed class Resumption(List<EventSubscription> told, int from, int count) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            for (var i = from; i < from + count; i++)
                told[i].Resume();
        }
    }
}

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Platform.Postgres;

namespace Platen.Platform.Events;

/// <summary>Consumes the events of every stream, each once.</summary>
public interface IEventConsumer
{
    /// <summary>Its cursor's name, kept for good: <c>[a-z][a-z0-9.-]*</c>.</summary>
    string Name { get; }

    /// <summary>
    /// Consumes some events, each stream's in order. What it writes through <paramref name="session"/> commits together with
    /// the cursor, so it happens once; anything else may happen again after a failure. An exception rolls back, and the
    /// same events come again after a wait: a consumer that can meet an event it will never manage sets it aside itself.
    /// </summary>
    /// <param name="session">A worker's session: it sees events and jobs of every owner.</param>
    /// <param name="events">At least one.</param>
    /// <param name="ct">Cancelled when the process stops.</param>
    Task ConsumeAsync(Session session, IReadOnlyList<Event> events, CancellationToken ct);
}

/// <summary>
/// Hands all events to each consumer in the order (xid, owner, stream, revision), reading only below the oldest running
/// transaction: nothing can appear there any more, so no slow transaction's event is passed over. Of many processes, one
/// at a time serves a consumer: it holds the cursor's row.
/// </summary>
public sealed class EventDispatcher(
    PostgresPools pools,
    NotificationListener listener,
    IEnumerable<IEventConsumer> consumers,
    ILogger<EventDispatcher> logger,
    TimeProvider time
) : BackgroundService
{
    private static readonly TimeSpan MostBackoff = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SafetyPoll = TimeSpan.FromSeconds(30);

    // Something is there, but above the horizon: a transaction is still running, and its end is not announced.
    private static readonly TimeSpan HorizonPoll = TimeSpan.FromMilliseconds(100);

    private enum Step
    {
        Dispatched,
        Nothing,
        AboveHorizon,
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(consumers.Select(consumer => RunAsync(consumer, stoppingToken)));

    private async Task RunAsync(IEventConsumer consumer, CancellationToken ct)
    {
        using var work = new SemaphoreSlim(0);
        using var ear = listener.Add(EventLog.Channel, _ => Wakeup(work), () => Wakeup(work));
        var backoff = new Backoff(MostBackoff);
        while (!ct.IsCancellationRequested)
        {
            try
            {
                var step = await StepAsync(consumer, ct);
                backoff.Reset();
                if (step == Step.AboveHorizon)
                    await Task.Delay(HorizonPoll, time, ct);
                else if (step == Step.Nothing)
                    await work.WaitAsync(SafetyPoll, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
            // A consumer's failure is its own: it is logged, and its events wait for it.
            catch (Exception exception)
            {
                var delay = backoff.Next();
                Log.ConsumerFailed(logger, consumer.Name, delay, exception);
                await Task.Delay(delay, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<Step> StepAsync(IEventConsumer consumer, CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("dispatch " + consumer.Name, ct);
        await session.ExecuteAsync(
            """
            insert into platform.event_cursor (consumer, xid, owner, stream_id, revision)
            values ($1, '0', '00000000-0000-0000-0000-000000000000', '', 0) on conflict do nothing
            """,
            ct,
            Sql.Text(consumer.Name)
        );
        // Another process that holds the row serves this consumer.
        var mine = await session.FirstAsync(
            "select true from platform.event_cursor where consumer = $1 for update skip locked",
            row => row.GetBoolean(0),
            ct,
            Sql.Text(consumer.Name)
        );
        if (!mine)
            return Step.Nothing;
        var events = await session.ListAsync(
            """
            select e.owner, e.stream_id, e.revision, e.type, e.data, e.at, e.actor
              from platform.event_cursor c
              join platform.event e on (e.xid, e.owner, e.stream_id, e.revision) > (c.xid, c.owner, c.stream_id, c.revision)
             where c.consumer = $1 and e.xid < pg_snapshot_xmin(pg_current_snapshot())
             order by e.xid, e.owner, e.stream_id, e.revision
             limit $2
            """,
            row => EventLog.Read(row),
            ct,
            Sql.Text(consumer.Name),
            Sql.Int(EventLimits.PageEvents)
        );
        if (events.Count == 0)
        {
            var pending = await session.FirstAsync(
                """
                select exists (select from platform.event e, platform.event_cursor c
                                where c.consumer = $1
                                  and (e.xid, e.owner, e.stream_id, e.revision) > (c.xid, c.owner, c.stream_id, c.revision))
                """,
                row => row.GetBoolean(0),
                ct,
                Sql.Text(consumer.Name)
            );
            await session.CommitAsync(ct);
            return pending ? Step.AboveHorizon : Step.Nothing;
        }
        using var activity = EventsTelemetry.Source.StartActivity("event.dispatch");
        activity?.SetTag("platen.consumer", consumer.Name).SetTag("platen.events", events.Count);
        await consumer.ConsumeAsync(session, events, ct);
        var last = events[^1];
        await session.ExecuteAsync(
            """
            update platform.event_cursor c
               set xid = e.xid, owner = e.owner, stream_id = e.stream_id, revision = e.revision,
                   moved_at = clock_timestamp()
              from platform.event e
             where c.consumer = $1 and e.owner = $2 and e.stream_id = $3 and e.revision = $4
            """,
            ct,
            Sql.Text(consumer.Name),
            Sql.Owner(last.Owner),
            Sql.Text(last.Stream.Value),
            Sql.Long(last.Revision)
        );
        await session.CommitAsync(ct);
        EventsTelemetry.Dispatched.Add(events.Count);
        return Step.Dispatched;
    }

    private static void Wakeup(SemaphoreSlim work)
    {
        if (work.CurrentCount == 0)
            work.Release();
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Events;

/// <summary>A process's event parts, started; stopped when disposed.</summary>
internal sealed class EventParts : IAsyncDisposable
{
    private EventParts(PostgresPools pools, TimeProvider clock)
    {
        Listener = new NotificationListener(pools, NullLogger<NotificationListener>.Instance, clock);
        Hub = new EventHub(pools, Listener, null, NullLogger<EventHub>.Instance, clock);
    }

    public NotificationListener Listener { get; }

    public EventHub Hub { get; }

    public static Task<EventParts> StartAsync(PostgresFixture postgres, CancellationToken ct) =>
        StartAsync(postgres.Pools, TimeProvider.System, ct);

    public static async Task<EventParts> StartAsync(PostgresPools pools, TimeProvider clock, CancellationToken ct)
    {
        var parts = new EventParts(pools, clock);
        var connected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var ear = parts.Listener.Add(EventLog.Channel, _ => { }, () => connected.TrySetResult());
        await parts.Hub.StartAsync(ct);
        await parts.Listener.StartAsync(ct);
        await connected.Task.WaitAsync(ct);
        return parts;
    }

    public async Task<List<Event>> TakeAsync(
        TestOwner owner,
        StreamId stream,
        long after,
        int count,
        CancellationToken ct
    )
    {
        var seen = new List<Event>();
        await foreach (var next in Hub.SubscribeAsync(owner.Id, stream, after, ct))
        {
            seen.Add(next);
            if (seen.Count == count)
                break;
        }
        return seen;
    }

    public async ValueTask DisposeAsync()
    {
        await Hub.StopAsync(CancellationToken.None);
        await Listener.StopAsync(CancellationToken.None);
        Hub.Dispose();
        Listener.Dispose();
    }
}

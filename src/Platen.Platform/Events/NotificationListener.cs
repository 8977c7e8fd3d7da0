using System.Collections.Immutable;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Platform.Postgres;

namespace Platen.Platform.Events;

/// <summary>
/// The process's one LISTEN connection. Reconnects with backoff, and tells everybody after each (re)connect to catch up:
/// what was notified in between was not heard. Thread-safe.
/// </summary>
public sealed class NotificationListener(PostgresPools pools, ILogger<NotificationListener> logger, TimeProvider time)
    : BackgroundService
{
    private static readonly TimeSpan MostBackoff = TimeSpan.FromSeconds(5);
    private ImmutableArray<Ear> ears = [];
    private volatile bool listening;

    /// <summary>The server process of the current connection; 0 while there is none.</summary>
    internal int ProcessId { get; private set; }

    /// <summary>
    /// Whether everything that is notified now is heard. True once everybody was told of the connection; false from the moment its
    /// loss is noticed, which takes up to half a minute when the network goes silent without a word.
    /// </summary>
    public bool IsListening => listening;

    /// <summary>
    /// Adds who is told. Both callbacks run on the listening flow, so they only set a flag and return.
    /// </summary>
    /// <param name="channel"><c>platen_event</c> or <c>platen_job</c>.</param>
    /// <param name="heard">Told each notification's payload.</param>
    /// <param name="connected">Told after each connect, as notifications may have been missed.</param>
    /// <returns>Dispose it to be told no more.</returns>
    public IDisposable Add(string channel, Action<string> heard, Action connected)
    {
        var ear = new Ear(this, channel, heard, connected);
        ImmutableInterlocked.Update(ref ears, (list, added) => list.Add(added), ear);
        return ear;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var backoff = new Backoff(MostBackoff);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await pools.ListenAsync(stoppingToken);
                connection.Notification += Hear;
                await using (var listen = new NpgsqlCommand("listen platen_event; listen platen_job", connection))
                    await listen.ExecuteNonQueryAsync(stoppingToken);
                backoff.Reset();
                ProcessId = connection.ProcessID;
                Log.Listening(logger);
                foreach (var ear in ears)
                    ear.Connected();
                listening = true;
                while (true)
                    await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                listening = false;
                return;
            }
            catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
            {
                listening = false;
                ProcessId = 0;
                var delay = backoff.Next();
                EventsTelemetry.Reconnects.Add(1);
                Log.ListenFailed(logger, delay, exception);
                await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Hear(object sender, NpgsqlNotificationEventArgs notification)
    {
        foreach (var ear in ears)
        {
            if (ear.Channel == notification.Channel)
                ear.Heard(notification.Payload);
        }
    }

    private sealed record Ear(NotificationListener Listener, string Channel, Action<string> Heard, Action Connected)
        : IDisposable
    {
        public void Dispose() =>
            ImmutableInterlocked.Update(ref Listener.ears, (list, gone) => list.Remove(gone), this);
    }
}

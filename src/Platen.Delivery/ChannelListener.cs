using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Postgres;

namespace Platen.Delivery;

/// <summary>
/// Hears of channel moves, and of embed tokens that end, over LISTEN with the delivery login. Whenever it had to reconnect it compares every instance in
/// memory with the database, and has the disk compared, because what was announced meanwhile is lost.
/// </summary>
internal sealed class ChannelListener(
    PostgresPools pools,
    ChannelLookup channels,
    InstanceCache cache,
    DiskReview disk,
    DatabaseReach database,
    EmbedTokenVerifier embedTokens,
    TimeProvider time,
    ILogger<ChannelListener> logger
) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(ListenAsync(stoppingToken), RetryAsync(stoppingToken));

    private async Task ListenAsync(CancellationToken stop)
    {
        var backoff = DeliveryLimits.FirstBackoff;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using var connection = await pools.ListenEdgeAsync(stop);
                connection.Notification += (_, note) => Hear(note.Payload);
                await RunAsync(connection, "listen platen_event", stop);
                embedTokens.ReadAgain();
                await RevalidateAsync(stop);
                disk.AskAll();
                if (database.Trouble is not null)
                    logger.Listening(cache.Count);
                database.Found();
                backoff = DeliveryLimits.FirstBackoff;
                while (true)
                {
                    // A connection that died without a word is only found by asking.
                    if (!await connection.WaitAsync(DeliveryLimits.ListenProbe, stop))
                        await RunAsync(connection, "select 1", stop);
                }
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                if (!database.IsLost)
                    logger.ListeningLost(e);
                database.Lost($"The database cannot be reached: {e.Message}");
            }
            catch (OperationCanceledException)
            {
                return;
            }
            await Task.Delay(Jittered(backoff), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            backoff = Longer(backoff);
        }
    }

    private async Task RetryAsync(CancellationToken stop)
    {
        var backoff = DeliveryLimits.FirstBackoff;
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(Jittered(backoff), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested)
                return;
            if (cache.StaleCount == 0 || database.IsLost)
            {
                backoff = TimeSpan.FromSeconds(1);
                continue;
            }
            try
            {
                backoff = await cache.RetryStaleAsync() ? DeliveryLimits.FirstBackoff : Longer(backoff);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    // Payload: {owner} {revision} {stream_id}
    private void Hear(string payload)
    {
        embedTokens.Hear(payload);
        var afterOwner = payload.IndexOf(' ', StringComparison.Ordinal);
        var afterRevision = afterOwner < 0 ? -1 : payload.IndexOf(' ', afterOwner + 1);
        if (
            afterRevision > 0
            && payload.AsSpan(afterRevision + 1).StartsWith("owner/", StringComparison.Ordinal)
            && OwnerId.TryParse(payload[..afterOwner], null, out var owner)
        )
        {
            cache.Announce(owner);
            disk.AskAll();
        }
        else if (
            afterRevision > 0
            && ChannelLookup.InstanceOf(payload.AsSpan(afterRevision + 1)) is { } instance
            && !cache.Announce(instance)
        )
            disk.Ask(instance);
    }

    private async Task RevalidateAsync(CancellationToken stop)
    {
        foreach (var batch in cache.Recheck().Chunk(DeliveryLimits.RevalidationBatch))
        {
            var revisions = await channels.RevisionsAsync([.. batch.Select(instance => instance.Subject)], stop);
            foreach (var instance in batch)
            {
                if (
                    !revisions.TryGetValue(instance.Subject, out var live)
                    || live != (instance.Owner, instance.Revision)
                )
                    cache.Announce(instance.Id.ToString());
            }
        }
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand(sql, connection)
        {
            CommandTimeout = (int)DeliveryLimits.ListenProbe.TotalSeconds,
        };
        await command.ExecuteNonQueryAsync(stop);
    }

    private static TimeSpan Longer(TimeSpan backoff) =>
        backoff * 2 < DeliveryLimits.LongestBackoff ? backoff * 2 : DeliveryLimits.LongestBackoff;

    private static TimeSpan Jittered(TimeSpan backoff) => backoff * (0.75 + Random.Shared.NextDouble() / 2);
}

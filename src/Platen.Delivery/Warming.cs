using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>
/// Loads at start what will be asked for, those instances first that changed last: into memory as far as there is room, and onto the
/// disk. Visitors do not wait for it.
/// </summary>
internal sealed class Warming(
    ChannelLookup channels,
    InstanceCache cache,
    DiskCache disk,
    DeliveryOptions options,
    TimeProvider time,
    ILogger<Warming> logger
) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var began = time.GetTimestamp();
        var failed = 0;
        var latest = await LatestAsync(stoppingToken);
        await Parallel.ForEachAsync(
            latest,
            new ParallelOptions
            {
                MaxDegreeOfParallelism = DeliveryLimits.ConcurrentWarming,
                CancellationToken = stoppingToken,
            },
            async (id, ct) =>
            {
                var (outcome, _) = await cache.GetAsync(id, ct);
                if (outcome == LookupOutcome.Unavailable)
                    Interlocked.Increment(ref failed);
                await disk.WaitForRoomAsync(DeliveryLimits.PendingWrites / 2, ct);
            }
        );
        await disk.WaitForRoomAsync(0, stoppingToken);
        logger.Warmed(latest.Count, time.GetElapsedTime(began).TotalSeconds, failed);
    }

    private async Task<List<PublicId>> LatestAsync(CancellationToken ct)
    {
        var told = false;
        while (true)
        {
            try
            {
                return await channels.LatestAsync(Math.Min(options.WarmInstances, DeliveryLimits.WarmInstances), ct);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                if (!told)
                    logger.WarmingFailed(e);
                told = true;
            }
            await Task.Delay(DeliveryLimits.LongestBackoff, time, ct);
        }
    }
}

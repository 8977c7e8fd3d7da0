using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>
/// Compares what is on the disk, and not in memory, with the database: what was withdrawn, or whose owner was closed, must not come back when
/// the database is away, and what was moved is fetched while it can be. One by one as moves are announced; all of it after the listener had
/// to reconnect, when an owner was closed or opened, and every <see cref="DeliveryLimits.ReviewEvery"/>. Visitors do not wait for it.
/// </summary>
internal sealed class DiskReview : BackgroundService
{
    private readonly Channel<string> announced = Channel.CreateBounded<string>(
        new BoundedChannelOptions(DeliveryLimits.PendingReviews) { SingleReader = true }
    );
    private readonly SemaphoreSlim work = new(0);
    private readonly DiskCache disk;
    private readonly ChannelLookup channels;
    private readonly InstanceLoader loader;
    private readonly InstanceCache cache;
    private readonly TimeProvider time;
    private readonly ILogger<DiskReview> logger;
    private int all;

    public DiskReview(
        DiskCache disk,
        ChannelLookup channels,
        InstanceLoader loader,
        InstanceCache cache,
        TimeProvider time,
        ILogger<DiskReview> logger
    )
    {
        this.disk = disk;
        this.channels = channels;
        this.loader = loader;
        this.cache = cache;
        this.time = time;
        this.logger = logger;
        disk.CameBack += AskAll;
    }

    /// <summary>A channel moved, and its instance is not in memory.</summary>
    public void Ask(string instance)
    {
        if (!disk.IsOn)
            return;
        if (announced.Writer.TryWrite(instance))
            work.Release();
        else
            AskAll();
    }

    /// <summary>Anything may have happened.</summary>
    public void AskAll()
    {
        if (disk.IsOn && Interlocked.Exchange(ref all, 1) == 0)
            work.Release();
    }

    private void AskAll(object? sender, EventArgs e) => AskAll();

    public override void Dispose()
    {
        disk.CameBack -= AskAll;
        work.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        disk.IsOn ? Task.WhenAll(WorkAsync(stoppingToken), RemindAsync(stoppingToken)) : Task.CompletedTask;

    private async Task RemindAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(DeliveryLimits.ReviewEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
                AskAll();
        }
        catch (OperationCanceledException)
        {
            // The process stops.
        }
    }

    private async Task WorkAsync(CancellationToken stop)
    {
        var told = false;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await work.WaitAsync(stop);
                await ReviewAsync(stop);
                told = false;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            // The database does not answer, or the disk: all of it is compared again.
            catch (Exception e)
            {
                if (!told)
                    logger.DiskReviewFailed(e);
                told = true;
                AskAll();
                await Task.Delay(DeliveryLimits.DiskRetry, time, stop)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ReviewAsync(CancellationToken stop)
    {
        var everything = Interlocked.Exchange(ref all, 0) == 1;
        var some = new List<string>();
        while (some.Count < DeliveryLimits.RevalidationBatch && announced.Reader.TryRead(out var instance))
            some.Add(instance);
        if (some.Count > 0)
            await ReviewAsync([.. some.Distinct(StringComparer.Ordinal).Where(disk.Has).Select(Announced)], stop);
        if (!everything)
            return;
        foreach (var batch in disk.Heads().Chunk(DeliveryLimits.RevalidationBatch))
            await ReviewAsync(batch, stop);
    }

    // Its owner and its revision are looked up where they matter: it moved in any case.
    private static DiskHead Announced(string instance) => new(instance, default, -1);

    private async Task ReviewAsync(IReadOnlyList<DiskHead> entries, CancellationToken stop)
    {
        if (entries.Count == 0)
            return;
        var subjects = new Dictionary<string, (PublicId Id, string Subject)>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (PublicId.TryParse(entry.Instance, out var id))
                subjects[entry.Instance] = (id, ChannelLookup.SubjectOf(id));
        }
        var live = await channels.RevisionsAsync([.. subjects.Values.Select(s => s.Subject).Distinct()], stop);
        foreach (var entry in entries)
        {
            if (
                !subjects.TryGetValue(entry.Instance, out var known)
                || !live.TryGetValue(known.Subject, out var now)
                || (entry.IsFile && now.Owner != entry.Owner)
            )
                disk.Remove(entry.Key, mayBeThere: true);
            // What is in memory is looked after there.
            else if (!entry.IsFile && now != (entry.Owner, entry.Revision) && !cache.Announce(entry.Key))
                await FetchAsync(known.Id, stop);
        }
    }

    private async Task FetchAsync(PublicId id, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(DeliveryLimits.LoadTime, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        try
        {
            await loader.LoadAsync(id, null, either.Token);
            await disk.WaitForRoomAsync(DeliveryLimits.PendingWrites / 2, stop);
        }
        catch (Exception e) when (!stop.IsCancellationRequested)
        {
            // What was live last stays; whoever asks for it tries again.
            logger.LoadFailed(id.ToString(), servedOn: true, e);
        }
    }
}

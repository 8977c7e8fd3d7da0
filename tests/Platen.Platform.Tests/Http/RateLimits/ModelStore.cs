using System.Collections.Concurrent;
using Platen.Platform.Http.RateLimits;

namespace Platen.Platform.Tests.Http.RateLimits;

/// <summary>The shared count on a clock that the test moves: what the arithmetic is held against, and a store that can be away.</summary>
internal sealed class ModelStore(TickingClock clock) : IRateLimitStore
{
    private readonly ConcurrentDictionary<string, long> wholeAt = new(StringComparer.Ordinal);

    public bool Away { get; set; }

    /// <summary>Never answers.</summary>
    public bool Hangs { get; set; }

    public int Asked { get; private set; }

    public string Name => "model";

    public TimeSpan Patience { get; } = TimeSpan.FromMinutes(1);

    public Task<RateLimitBalance[]> SettleAsync(IReadOnlyList<RateLimitCharge> charges, CancellationToken ct)
    {
        if (Away)
            throw new IOException("away");
        Asked++;
        if (Hangs)
            return new TaskCompletionSource<RateLimitBalance[]>().Task;
        var now = clock.GetTimestamp() / 10;
        return Task.FromResult(charges.Select(charge => Settle(charge, now)).ToArray());
    }

    public Task SweepAsync(CancellationToken ct) => Task.CompletedTask;

    /// <summary>Forgets everything, as a Redis that is started again.</summary>
    public void Clear() => wholeAt.Clear();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private RateLimitBalance Settle(RateLimitCharge charge, long now)
    {
        lock (wholeAt)
        {
            var whole = Math.Max(wholeAt.GetValueOrDefault(charge.Key), now + charge.Used);
            whole = Math.Min(whole + charge.Charge * charge.Interval, now + 2 * charge.Burst);
            var granted = charge.Wants && whole + charge.Interval - now <= charge.Burst;
            if (granted)
                whole += charge.Interval;
            wholeAt[charge.Key] = whole;
            return new RateLimitBalance(granted, Math.Max(whole - now, 0));
        }
    }
}

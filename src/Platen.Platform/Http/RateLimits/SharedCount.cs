using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Platen.Platform.Http.RateLimits;

/// <summary>
/// The shared count: the first store of the list that works. A store that fails is left alone at once (its circuit is open) and asked again
/// in the background until it answers. No request waits for it twice, and those that wait when the first one gives up wait no longer.
/// </summary>
internal sealed partial class SharedCount(
    IReadOnlyList<IRateLimitStore> stores,
    RateLimitMetrics metrics,
    TimeProvider clock,
    ILogger logger,
    TimeSpan? patience = null
) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(2);

    /// <summary>What a store that was away is asked: what requests ask, so that one which can be reached and does not count stays away.</summary>
    internal static readonly RateLimitCharge Probe = new(
        "probe",
        Interval: 1_000_000,
        Burst: 1_000_000,
        Used: 0,
        Charge: 1,
        Wants: false
    );

    private readonly Circuit[] circuits = [.. stores.Select(store => new Circuit(store))];

    /// <summary>The store that counts now; null when none works.</summary>
    public string? Current => circuits.FirstOrDefault(circuit => !circuit.IsOpen)?.Store.Name;

    /// <summary>Makes the connections.</summary>
    public async Task WarmAsync(CancellationToken ct)
    {
        foreach (var circuit in circuits)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(patience ?? StartPatience);
            try
            {
                await circuit.Store.SettleAsync([Probe], limit.Token).WaitAsync(limit.Token);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                Fail(circuit, e);
            }
        }
    }

    /// <summary>Settles with the first store that works; null when none does.</summary>
    public async ValueTask<RateLimitBalance[]?> SettleAsync(
        IReadOnlyList<RateLimitCharge> charges,
        CancellationToken ct
    )
    {
        foreach (var circuit in circuits)
        {
            var opened = circuit.Opened;
            if (circuit.IsOpen)
                continue;
            var store = circuit.Store;
            var started = Stopwatch.GetTimestamp();
            try
            {
                // Who leaves ends the own wait only: others wait on the same connection, which a store gives up when its time is out.
                var settling = SettleAsync(store, charges);
                await Task.WhenAny(settling, opened).WaitAsync(ct);
                if (!settling.IsCompleted)
                    continue;
                var balances = await settling;
                metrics.Settled(store.Name, Stopwatch.GetElapsedTime(started));
                return balances;
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                throw;
            }
            // Whatever it is, this store does not count now and the next one does.
            catch (Exception e)
            {
                Fail(circuit, e);
            }
        }
        return null;
    }

    private async Task<RateLimitBalance[]> SettleAsync(IRateLimitStore store, IReadOnlyList<RateLimitCharge> charges)
    {
        using var limit = new CancellationTokenSource(patience ?? store.Patience);
        return await store.SettleAsync(charges, limit.Token).WaitAsync(limit.Token);
    }

    /// <summary>Asks the stores that failed whether they work again, when it is time.</summary>
    public async Task ProbeAsync(CancellationToken ct)
    {
        foreach (var circuit in circuits)
        {
            if (!circuit.IsOpen || clock.GetElapsedTime(circuit.Since) < circuit.Pause)
                continue;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(patience ?? circuit.Store.Patience);
            try
            {
                await circuit.Store.SettleAsync([Probe], limit.Token).WaitAsync(limit.Token);
                circuit.Close();
                LogBack(logger, circuit.Store.Name);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                circuit.Open(clock.GetTimestamp(), Min(circuit.Pause * 2, LongestPause));
                LogStillAway(logger, circuit.Store.Name, e.Message);
            }
        }
    }

    /// <summary>Removes what is whole again from the store that counts now.</summary>
    public async Task SweepAsync(CancellationToken ct)
    {
        foreach (var circuit in circuits)
        {
            if (circuit.IsOpen)
                continue;
            try
            {
                await circuit.Store.SweepAsync(ct);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                Fail(circuit, e);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var circuit in circuits)
            await circuit.Store.DisposeAsync();
    }

    private void Fail(Circuit circuit, Exception reason)
    {
        metrics.Failed(circuit.Store.Name);
        if (circuit.Open(clock.GetTimestamp(), FirstPause))
            LogAway(logger, circuit.Store.Name, reason);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    [LoggerMessage(
        1120,
        LogLevel.Warning,
        "Rate limits: {Store} does not answer. What it counted is carried on elsewhere until it does"
    )]
    private static partial void LogAway(ILogger logger, string store, Exception reason);

    [LoggerMessage(1121, LogLevel.Information, "Rate limits: {Store} counts again")]
    private static partial void LogBack(ILogger logger, string store);

    [LoggerMessage(1122, LogLevel.Debug, "Rate limits: {Store} still does not answer: {Reason}")]
    private static partial void LogStillAway(ILogger logger, string store, string reason);

    private sealed class Circuit(IRateLimitStore store)
    {
        private readonly Lock gate = new();
        private volatile bool open;
        private volatile TaskCompletionSource opened = New();

        public IRateLimitStore Store => store;

        public bool IsOpen => open;

        /// <summary>Completes when it is opened; to be read before <see cref="IsOpen"/>.</summary>
        public Task Opened => opened.Task;

        public long Since { get; private set; }

        public TimeSpan Pause { get; private set; }

        /// <summary>Whether it was closed before.</summary>
        public bool Open(long now, TimeSpan pause)
        {
            lock (gate)
            {
                var wasClosed = !open;
                (Since, Pause) = (now, pause);
                open = true;
                opened.TrySetResult();
                return wasClosed;
            }
        }

        public void Close()
        {
            lock (gate)
            {
                opened = New();
                open = false;
            }
        }

        // Many wait at once: whoever opens it does not run what each of them does next.
        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

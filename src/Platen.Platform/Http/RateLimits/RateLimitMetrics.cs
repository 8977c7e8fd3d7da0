using System.Diagnostics.Metrics;

namespace Platen.Platform.Http.RateLimits;

/// <summary>The meter <c>Platen.RateLimits</c>. Decisions are counted in plain cells and read when somebody asks.</summary>
internal sealed class RateLimitMetrics : IDisposable
{
    private readonly Meter meter = new("Platen.RateLimits");
    private readonly Histogram<double> settling;
    private readonly Counter<long> failures;
    private readonly Cell[] cells;
    private readonly string[] names;

    public RateLimitMetrics(RateLimitPolicies policies)
    {
        names = [.. policies.All.Select(policy => policy.Name)];
        cells = [.. names.Select(_ => new Cell())];
        settling = meter.CreateHistogram<double>(
            "platen.ratelimit.settle.duration",
            "s",
            "Time to settle with the shared count."
        );
        failures = meter.CreateCounter<long>(
            "platen.ratelimit.store.failures",
            "{failure}",
            "Times a store of the shared count failed."
        );
        meter.CreateObservableCounter(
            "platen.ratelimit.decisions",
            Decisions,
            "{request}",
            "Requests let pass and refused."
        );
    }

    /// <summary>What is known of the limiter itself.</summary>
    public void Observe(Func<long> subjects, Func<string?> store)
    {
        meter.CreateObservableGauge("platen.ratelimit.subjects", subjects, "{subject}", "Subjects in memory.");
        meter.CreateObservableGauge(
            "platen.ratelimit.store.active",
            () => new Measurement<int>(1, new KeyValuePair<string, object?>("store", store() ?? "memory")),
            "{store}",
            "The store that requests are counted in now: 1 for it alone."
        );
    }

    public Cell CellOf(RateLimitPolicy policy) => cells[Array.IndexOf(names, policy.Name)];

    public void Settled(string store, TimeSpan took) =>
        settling.Record(took.TotalSeconds, new KeyValuePair<string, object?>("store", store));

    public void Failed(string store) => failures.Add(1, new KeyValuePair<string, object?>("store", store));

    public void Dispose() => meter.Dispose();

    private IEnumerable<Measurement<long>> Decisions()
    {
        for (var i = 0; i < names.Length; i++)
        {
            yield return new(cells[i].Allowed, new("policy", names[i]), new("outcome", "allowed"));
            yield return new(cells[i].Refused, new("policy", names[i]), new("outcome", "refused"));
        }
    }

    internal sealed class Cell
    {
        private long allowed;
        private long refused;

        public long Allowed => Interlocked.Read(ref allowed);

        public long Refused => Interlocked.Read(ref refused);

        public void Count(bool passed) => Interlocked.Increment(ref passed ? ref allowed : ref refused);
    }
}

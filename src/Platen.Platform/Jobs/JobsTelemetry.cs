using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Platen.Platform.Jobs;

internal static class JobsTelemetry
{
    public static readonly ActivitySource Source = new("Platen.Jobs");
    private static readonly Meter Meter = new("Platen.Jobs");
    public static readonly Counter<long> Enqueued = Meter.CreateCounter<long>(
        "platen.jobs.enqueued",
        "{job}",
        "Jobs handed to a transaction."
    );
    public static readonly Counter<long> Attempts = Meter.CreateCounter<long>(
        "platen.jobs.attempts",
        "{attempt}",
        "Attempts that ended, by how."
    );
    public static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "platen.jobs.duration",
        "s",
        "How long attempts take."
    );
    public static readonly Gauge<long> Depth = Meter.CreateGauge<long>(
        "platen.jobs.depth",
        "{job}",
        "Jobs that are due and not taken."
    );
    public static readonly UpDownCounter<long> Running = Meter.CreateUpDownCounter<long>(
        "platen.jobs.running",
        "{job}",
        "Jobs that run in this process now."
    );
}

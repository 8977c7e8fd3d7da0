using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Platen.Platform.Events;

internal static class EventsTelemetry
{
    public static readonly ActivitySource Source = new("Platen.Events");
    private static readonly Meter Meter = new("Platen.Events");
    public static readonly Counter<long> Appended = Meter.CreateCounter<long>("platen.events.appended", "{event}");
    public static readonly Counter<long> Delivered = Meter.CreateCounter<long>("platen.events.delivered", "{event}");
    public static readonly Counter<long> Cut = Meter.CreateCounter<long>("platen.events.cut", "{subscriber}");
    public static readonly Counter<long> Reads = Meter.CreateCounter<long>("platen.events.reads", "{query}");
    public static readonly Counter<long> Reconnects = Meter.CreateCounter<long>(
        "platen.events.reconnects",
        "{connection}"
    );
    public static readonly Counter<long> Dispatched = Meter.CreateCounter<long>("platen.events.dispatched", "{event}");
    public static readonly UpDownCounter<long> Subscribers = Meter.CreateUpDownCounter<long>(
        "platen.events.subscribers",
        "{subscriber}"
    );
    public static readonly Histogram<double> Lag = Meter.CreateHistogram<double>(
        "platen.events.lag",
        "s",
        "From the event's row to this process's memory"
    );
}

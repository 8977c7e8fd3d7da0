using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Platen.Platform.Events;

internal static class EventsTelemetry
{
    public static readonly ActivitySource Source = new("Platen.Events");
    private static readonly Meter Meter = new("Platen.Events");
    public static readonly Counter<long> Appended = Meter.CreateCounter<long>(
        "platen.events.appended",
        "{event}",
        "Events handed to a transaction."
    );
    public static readonly Counter<long> Delivered = Meter.CreateCounter<long>(
        "platen.events.delivered",
        "{event}",
        "Events handed to subscribers."
    );
    public static readonly Counter<long> Cut = Meter.CreateCounter<long>(
        "platen.events.cut",
        "{subscriber}",
        "Subscribers that were cut off because they read too slowly."
    );
    public static readonly Counter<long> Reads = Meter.CreateCounter<long>(
        "platen.events.reads",
        "{query}",
        "Queries for events, each for all subscribers of a stream."
    );
    public static readonly Counter<long> Reconnects = Meter.CreateCounter<long>(
        "platen.events.reconnects",
        "{connection}",
        "Times that the connection which listens was lost."
    );
    public static readonly Counter<long> Dispatched = Meter.CreateCounter<long>(
        "platen.events.dispatched",
        "{event}",
        "Events that dispatchers have done."
    );
    public static readonly UpDownCounter<long> Subscribers = Meter.CreateUpDownCounter<long>(
        "platen.events.subscribers",
        "{subscriber}",
        "Subscribers of streams now."
    );
    public static readonly Histogram<double> Lag = Meter.CreateHistogram<double>(
        "platen.events.lag",
        "s",
        "From the event's row to this process's memory."
    );
}

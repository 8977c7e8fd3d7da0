using System.Diagnostics.Metrics;

namespace Platen.Delivery.Tests;

/// <summary>Counts the loads of one host from its meter.</summary>
internal sealed class LoadCounter : IDisposable
{
    private readonly MeterListener listener = new();
    private long loads;

    public LoadCounter(DeliveryHost host)
    {
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "platen.delivery.load.duration" && host.Metrics.Owns(instrument))
                self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => Interlocked.Increment(ref loads));
        listener.Start();
    }

    public long Loads => Interlocked.Read(ref loads);

    public void Dispose() => listener.Dispose();
}

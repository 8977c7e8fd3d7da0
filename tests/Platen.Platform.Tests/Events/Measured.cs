using System.Diagnostics.Metrics;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Events;

/// <summary>
/// What a counter of the process counts from now on in what the maker's flow has started, and not in what other tests do meanwhile.
/// </summary>
internal sealed class Measured : IDisposable
{
    private readonly AsyncLocal<bool> mine = new() { Value = true };
    private readonly MeterListener listener = new();
    private long total;

    public Measured(string instrument)
    {
        listener.InstrumentPublished = (published, into) =>
        {
            if (published.Name == instrument)
                into.EnableMeasurementEvents(published);
        };
        listener.SetMeasurementEventCallback<long>(
            (_, measurement, _, _) =>
            {
                if (mine.Value)
                    Interlocked.Add(ref total, measurement);
            }
        );
        listener.Start();
    }

    public long Total => Interlocked.Read(ref total);

    public Task ReachesAsync(long count, CancellationToken ct) =>
        ServerProcess.WaitUntilAsync(
            $"a count of {count}",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(Total >= count),
            ct
        );

    public void Dispose() => listener.Dispose();
}

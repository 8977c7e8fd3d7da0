namespace Platen.Platform.Tests.Http.RateLimits;

/// <summary>A clock that stands until it is told to go on.</summary>
internal sealed class TickingClock : TimeProvider
{
    private long ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref ticks);

    public void Advance(TimeSpan by) => Interlocked.Add(ref ticks, by.Ticks);
}

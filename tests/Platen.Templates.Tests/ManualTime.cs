namespace Platen.Templates.Tests;

/// <summary>A clock that stands still until it is told otherwise; its wall can jump without time passing.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long ticks = 1_000_000;
    private TimeSpan wall;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref ticks);

    public override DateTimeOffset GetUtcNow() =>
        new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).AddTicks(Volatile.Read(ref ticks)) + wall;

    public void Advance(TimeSpan by) => Interlocked.Add(ref ticks, by.Ticks);

    /// <summary>Sets the wall clock, as NTP or a person does.</summary>
    public void JumpWall(TimeSpan by) => wall += by;
}

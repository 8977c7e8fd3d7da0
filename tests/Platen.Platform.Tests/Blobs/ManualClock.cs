namespace Platen.Platform.Tests.Blobs;

/// <summary>The machine's time, moved by what a test says.</summary>
public sealed class ManualClock : TimeProvider
{
    private TimeSpan ahead;

    public void Advance(TimeSpan by) => ahead += by;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
}

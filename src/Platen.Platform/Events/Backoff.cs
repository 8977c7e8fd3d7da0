namespace Platen.Platform.Events;

/// <summary>Doubling waits with full jitter, from 50 ms up to a limit.</summary>
internal sealed class Backoff(TimeSpan most)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private int failures;

    public TimeSpan Next()
    {
        var ceiling = Math.Min(most.TotalSeconds, First.TotalSeconds * Math.Pow(2, Math.Min(failures++, 30)));
        return TimeSpan.FromSeconds(ceiling * (0.5 + (Random.Shared.NextDouble() / 2)));
    }

    public void Reset() => failures = 0;
}

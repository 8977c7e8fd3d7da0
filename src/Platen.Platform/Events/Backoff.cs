namespace Platen.Platform.Events;

/// <summary>Waits that double with each failure from 50 ms up to a limit, each a random one as <see cref="After"/> says.</summary>
internal sealed class Backoff(TimeSpan most)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private int failures;

    public TimeSpan Next() => After(++failures, First, most);

    public void Reset() => failures = 0;

    /// <summary>
    /// The wait after so many failures in a row, from 1: between half and the whole of what the first wait has doubled to, so that
    /// those who failed together do not come back together.
    /// </summary>
    public static TimeSpan After(int failures, TimeSpan first, TimeSpan most)
    {
        var doubled = first.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30));
        return TimeSpan.FromSeconds(Math.Min(doubled, most.TotalSeconds) * (0.5 + (Random.Shared.NextDouble() / 2)));
    }
}

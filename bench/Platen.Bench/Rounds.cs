using System.Diagnostics;
using System.Globalization;

namespace Platen.Bench;

/// <summary>
/// Times two subjects in the order A-B-B-A, several rounds, and reports the median of the rounds' ratios: the machine's
/// speed drifts, and only a ratio taken within one round survives that.
/// </summary>
internal static class Rounds
{
    /// <summary>Seconds per call of <paramref name="subject"/>, measured over at least <paramref name="atLeast"/>.</summary>
    public static double SecondsPerCall(Action subject, TimeSpan atLeast)
    {
        var calls = 0L;
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < atLeast)
        {
            for (var i = 0; i < 16; i++)
                subject();
            calls += 16;
        }
        return Stopwatch.GetElapsedTime(started).TotalSeconds / calls;
    }

    /// <summary>The median over <paramref name="rounds"/> of (A's cost / B's cost), each round being A-B-B-A.</summary>
    public static double MedianRatio(Func<double> a, Func<double> b, int rounds = 5)
    {
        var ratios = new double[rounds];
        for (var i = 0; i < rounds; i++)
        {
            var a1 = a();
            var b1 = b();
            var b2 = b();
            var a2 = a();
            ratios[i] = (a1 + a2) / (b1 + b2);
        }
        return Median(ratios);
    }

    /// <summary>The middle value (the mean of the middle two when the count is even). The input is not changed.</summary>
    public static double Median(IReadOnlyCollection<double> values)
    {
        var sorted = values.Order().ToArray();
        var mid = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[mid] : (sorted[mid - 1] + sorted[mid]) / 2;
    }

    /// <summary>The value that <paramref name="share"/> (0 to 1) of the values do not exceed.</summary>
    public static double Percentile(IReadOnlyCollection<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    /// <summary>Milliseconds as <c>p50 (p99)</c>.</summary>
    public static string MedianAndTail(IReadOnlyCollection<double> milliseconds) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Median(milliseconds):F1} ms ({Percentile(milliseconds, 0.99):F1})"
        );

    /// <summary>Whether a target was missed, which is the bench's exit code.</summary>
    public static bool Missed { get; private set; }

    /// <summary>As the other, of a target that the bench can judge by itself.</summary>
    public static void Report(string name, string value, string target, bool isMet)
    {
        Missed |= !isMet;
        Report(name, value, isMet ? target : target + "   MISSED");
    }

    /// <summary>One result line: name, value with unit, and the target it is held against.</summary>
    public static void Report(string name, string value, string target) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name, -56} {value, 20}   {target}"));
}

using System.Globalization;
using Microsoft.Net.Http.Headers;
using Platen.Kernel.Languages;

namespace Platen.Bench;

/// <summary>The choice of a language for a visitor, beside the framework's reading of the same header.</summary>
internal static class LanguageBench
{
    private static readonly TimeSpan _atLeast = TimeSpan.FromMilliseconds(200);

    public static Task RunAsync(CancellationToken ct)
    {
        string[] available =
        [
            "en",
            "de",
            "fr",
            "es",
            "es-419",
            "pt",
            "pt-PT",
            "zh",
            "zh-Hant",
            "ja",
            "ko",
            "ar",
            "he",
            "nl",
        ];
        var lookup = new LanguageLookup(available.Select(LanguageTag.Parse));
        Report(lookup, "one range, found at once", "de", ct);
        Report(lookup, "one range, two parents up", "zh-Hant-MO", ct);
        Report(lookup, "a browser's header", "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7", ct);
        Report(lookup, "a browser's header, third choice", "cy-GB,ga;q=0.9,pt-AO;q=0.8,en;q=0.7", ct);
        return Task.CompletedTask;
    }

    private static void Report(LanguageLookup lookup, string name, string header, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        // Many at a time, because one is as short as looking at the clock.
        const int calls = 100;
        void Ours()
        {
            for (var i = 0; i < calls; i++)
                lookup.Best(header);
        }
        void Framework()
        {
            for (var i = 0; i < calls; i++)
                StringWithQualityHeaderValue.ParseList([header]);
        }

        Rounds.SecondsPerCall(Ours, _atLeast);
        Rounds.SecondsPerCall(Framework, _atLeast);
        var times = new List<double>();
        var ratio = Rounds.MedianRatio(
            () =>
            {
                times.Add(Rounds.SecondsPerCall(Ours, _atLeast));
                return times[^1];
            },
            () => Rounds.SecondsPerCall(Framework, _atLeast)
        );
        var before = GC.GetAllocatedBytesForCurrentThread();
        Ours();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var time = Rounds.Median(times) / calls * 1e9;
        Rounds.Report(name, string.Create(CultureInfo.InvariantCulture, $"{time:F0} ns"), "<= 1000 ns");
        Rounds.Report(
            "  time / the framework's reading of the header",
            string.Create(CultureInfo.InvariantCulture, $"{ratio:F2}"),
            "none"
        );
        Rounds.Report("  allocated", string.Create(CultureInfo.InvariantCulture, $"{allocated / calls} B"), "0 B");
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// A changed config from the save to its new bytes, over HTTP on the built server with a disk that is waited for; and a moved
/// channel until a second server over the same database shows it.
/// </summary>
internal static class PublishBench
{
    private const int Warmup = 400;
    private const int Publishes = 100;
    private const int Moves = 200;
    private const string Plain = "wgt_curated_bench";
    private const string Translated = "wgt_main_content.faq";

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = PostgresFixture.NewFolder();
        await using (var first = await PlatenServer.StartAsync(folder, ct, ("PLATEN_SAMPLES", "off")))
        {
            using var plain = new Author(first.OpenClient(), Plain);
            using var translated = new Author(first.OpenClient(), Translated);
            await plain.CreateAsync(translated: false, ct);
            await translated.CreateAsync(translated: true, ct);
            await ReportPublishAsync("FAQ", first, plain, Plain, ct);
            await ReportPublishAsync("FAQ en+de", first, translated, Translated, ct);
            Rounds.Report(
                "a new file of 4 KiB with fsync, here",
                Rounds.MedianAndTail(Fsyncs(folder)),
                "for orientation"
            );

            var secondFolder = PostgresFixture.NewFolder();
            await using (var second = await StartBesideAsync(first, secondFolder, ct))
                await ReportMovesAsync(translated, first, second, ct);
            Directory.Delete(secondFolder, recursive: true);
        }
        Directory.Delete(folder, recursive: true);
    }

    private static async Task ReportPublishAsync(
        string name,
        PlatenServer server,
        Author author,
        string id,
        CancellationToken ct
    )
    {
        using var visitor = new HttpClient { BaseAddress = server.Address };
        List<double> saves = [],
            publishes = [],
            appears = [],
            totals = [];
        for (var i = 0; i < Warmup + Publishes; i++)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"Introduction number {i}.");
            var began = Stopwatch.GetTimestamp();
            await author.SaveAsync(text, ct);
            var saved = Stopwatch.GetTimestamp();
            await author.PublishAsync(ct);
            var published = Stopwatch.GetTimestamp();
            var seen = await SeenAsync(visitor, id, text, ct);
            if (i < Warmup)
                continue;
            saves.Add(Stopwatch.GetElapsedTime(began, saved).TotalMilliseconds);
            publishes.Add(Stopwatch.GetElapsedTime(saved, published).TotalMilliseconds);
            appears.Add(Stopwatch.GetElapsedTime(published, seen).TotalMilliseconds);
            totals.Add(Stopwatch.GetElapsedTime(began, seen).TotalMilliseconds);
        }
        Rounds.Report($"{name}: save", Rounds.MedianAndTail(saves), "");
        Rounds.Report($"{name}: publish", Rounds.MedianAndTail(publishes), "");
        Rounds.Report($"{name}: answered until the new bytes are served", Rounds.MedianAndTail(appears), "");
        Rounds.Report(
            $"{name}: change until the new bytes are served",
            Rounds.MedianAndTail(totals),
            "p50 <= 30 ms",
            Rounds.Median(totals) <= 30
        );
    }

    /// <summary>Another server over the database and the blobs of the first, with its own logins for everything.</summary>
    private static Task<PlatenServer> StartBesideAsync(PlatenServer first, string folder, CancellationToken ct)
    {
        var socket = Path.Combine(first.DataFolder, "postgres-socket");
        string Login(string user) => $"Host={socket};Username={user};Database=platen;SSL Mode=Disable";
        return PlatenServer.StartAsync(
            folder,
            ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_BLOBS", "file:" + Path.Combine(first.DataFolder, "blobs")),
            ("ConnectionStrings__Platen", Login("platen_server")),
            ("ConnectionStrings__PlatenDirect", Login("postgres")),
            ("ConnectionStrings__PlatenEdge", Login("platen_delivery"))
        );
    }

    private static async Task ReportMovesAsync(
        Author author,
        PlatenServer first,
        PlatenServer second,
        CancellationToken ct
    )
    {
        using var here = new HttpClient { BaseAddress = first.Address };
        using var there = new HttpClient { BaseAddress = second.Address };
        string[] texts = ["The one introduction.", "The other introduction."];
        var releases = new string[2];
        for (var i = 0; i < 2; i++)
        {
            await author.SaveAsync(texts[i], ct);
            releases[i] = await author.PublishAsync(ct);
            await SeenAsync(here, Translated, texts[i], ct);
            await SeenAsync(there, Translated, texts[i], ct);
        }
        var calls = new List<double>();
        var behind = new List<double>();
        for (var i = 0; i < Warmup + Moves; i++)
        {
            var began = Stopwatch.GetTimestamp();
            var watching = SeenAsync(there, Translated, texts[i % 2], ct);
            await author.PublishAsync(ct, releases[i % 2]);
            var answered = Stopwatch.GetTimestamp();
            var seen = await watching;
            if (i < Warmup)
                continue;
            calls.Add(Stopwatch.GetElapsedTime(began, seen).TotalMilliseconds);
            // It can be there before the mover has the answer.
            behind.Add(Math.Max(0, (seen - answered) * 1e3 / Stopwatch.Frequency));
        }
        Rounds.Report(
            "move: answered until another node serves it",
            Rounds.MedianAndTail(behind),
            "p99 <= 50 ms",
            Rounds.Percentile(behind, 0.99) <= 50
        );
        Rounds.Report("move: asked until another node serves it", Rounds.MedianAndTail(calls), "p99 <= 50 ms");
    }

    /// <summary>Asks for the page again and again until it has the text.</summary>
    /// <returns>The time it had.</returns>
    private static async Task<long> SeenAsync(HttpClient visitor, string id, string text, CancellationToken ct)
    {
        var wanted = Encoding.UTF8.GetBytes(text);
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(30))
        {
            using var response = await visitor.GetAsync($"/e/{id}?locale=en", ct);
            if (!response.IsSuccessStatusCode)
                continue;
            var page = await response.Content.ReadAsByteArrayAsync(ct);
            var now = Stopwatch.GetTimestamp();
            if (page.AsSpan().IndexOf(wanted) >= 0)
                return now;
        }
        throw new TimeoutException($"/e/{id} does not show '{text}'.");
    }

    private static List<double> Fsyncs(string folder)
    {
        var times = new List<double>();
        for (var i = 0; i < 100; i++)
        {
            var path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"probe-{i}"));
            var started = Stopwatch.GetTimestamp();
            using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write))
            {
                file.Write(new byte[4096]);
                file.Flush(flushToDisk: true);
            }
            times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            File.Delete(path);
        }
        return times;
    }
}

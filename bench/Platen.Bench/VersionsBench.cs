using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Platen.Kernel.Versions;

namespace Platen.Bench;

/// <summary>The highest of 10,000 versions in a range, beside the npm package semver in Node, on the same versions.</summary>
internal static class VersionsBench
{
    private const int RoundCount = 5;
    private static readonly TimeSpan _atLeast = TimeSpan.FromMilliseconds(300);
    private static readonly string[] _ranges = ["^3.2.0", "1.x || >=2.5.0 <3.0.0", "~5.1.0-rc.1", "*"];

    // Times each range over versions that are parsed already, and prints seconds a call.
    private const string Script = """
        const semver = require('semver')
        const { versions, ranges } = JSON.parse(require('fs').readFileSync('versions.json', 'utf8'))
        const parsed = versions.map(text => new semver.SemVer(text))
        const time = subject => {
          const started = process.hrtime.bigint()
          let calls = 0
          let elapsed
          do {
            subject()
            calls++
            elapsed = Number(process.hrtime.bigint() - started) / 1e9
          } while (elapsed < 0.3)
          return elapsed / calls
        }
        const most = ranges.map(text => {
          const range = new semver.Range(text)
          const subject = () => semver.maxSatisfying(parsed, range)
          time(subject)
          return { highest: String(subject()), seconds: time(subject) }
        })
        const parse = () => versions.map(text => new semver.SemVer(text))
        time(parse)
        process.stdout.write(JSON.stringify({ most, parse: time(parse) }))
        """;

    public static async Task RunAsync(CancellationToken ct)
    {
        var random = new Random(1);
        var texts = Enumerable
            .Range(0, 10_000)
            .Select(i => $"{random.Next(7)}.{random.Next(30)}.{i}{(i % 4 == 0 ? $"-rc.{random.Next(9)}" : "")}")
            .ToArray();
        var versions = texts.Select(text => SemVer.Parse(text)).ToArray();
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        try
        {
            await RunAsync(
                folder,
                "npm",
                ["install", "--prefix", folder, "--no-save", "--no-audit", "semver@7.8.6"],
                ct
            );
            await File.WriteAllTextAsync(
                Path.Combine(folder, "versions.json"),
                JsonSerializer.Serialize(new { versions = texts, ranges = _ranges }),
                ct
            );
            await File.WriteAllTextAsync(Path.Combine(folder, "script.cjs"), Script, ct);
            var ratios = _ranges.Select(_ => new List<double>()).ToArray();
            var times = _ranges.Select(_ => new List<double>()).ToArray();
            var parses = new List<double>();
            for (var round = 0; round < RoundCount; round++)
            {
                using var npm = JsonDocument.Parse(await RunAsync(folder, "node", ["script.cjs"], ct));
                for (var i = 0; i < _ranges.Length; i++)
                {
                    var range = VersionRange.Parse(_ranges[i]);
                    var theirs = npm.RootElement.GetProperty("most")[i];
                    if (range.MaxSatisfying(versions).ToString() != theirs.GetProperty("highest").GetString())
                        throw new InvalidOperationException($"npm finds another version highest in {_ranges[i]}.");
                    Rounds.SecondsPerCall(() => range.MaxSatisfying(versions), _atLeast);
                    times[i].Add(Rounds.SecondsPerCall(() => range.MaxSatisfying(versions), _atLeast));
                    ratios[i].Add(times[i][^1] / theirs.GetProperty("seconds").GetDouble());
                }
                var parse = Rounds.SecondsPerCall(() => Array.ForEach(texts, text => SemVer.Parse(text)), _atLeast);
                parses.Add(parse / npm.RootElement.GetProperty("parse").GetDouble());
            }
            for (var i = 0; i < _ranges.Length; i++)
                Report(_ranges[i], versions, Rounds.Median(times[i]), Rounds.Median(ratios[i]));
            Rounds.Report("parsing 10,000: time / npm", Ratio(Rounds.Median(parses)), "<= 1");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Report(string text, SemVer[] versions, double seconds, double ratio)
    {
        var range = VersionRange.Parse(text);
        var before = GC.GetAllocatedBytesForCurrentThread();
        range.MaxSatisfying(versions);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var micros = string.Create(CultureInfo.InvariantCulture, $"{seconds * 1e6:F0} µs");
        Rounds.Report($"highest of 10,000 in {text}", micros, "none");
        Rounds.Report("  time / npm", Ratio(ratio), "<= 1");
        Rounds.Report("  allocated", string.Create(CultureInfo.InvariantCulture, $"{allocated} B"), "0 B");
    }

    private static string Ratio(double ratio) => string.Create(CultureInfo.InvariantCulture, $"{ratio:F2}");

    private static async Task<string> RunAsync(
        string folder,
        string program,
        IReadOnlyList<string> arguments,
        CancellationToken ct
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        var output = await process.StandardOutput.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Platen.Client.Resolving;
using Platen.Kernel.Templates;

namespace Platen.Bench;

/// <summary>
/// The resolver from memory beside a dictionary that holds the same results, and from a warm cache folder in a new resolver beside
/// reading and hashing the same file.
/// </summary>
internal static class ResolveBench
{
    private const int RoundCount = 5;
    private const int Restarts = 300;
    private const int PromptBytes = 4 * 1024;
    private static readonly TimeSpan AtLeast = TimeSpan.FromMilliseconds(400);
    private static readonly TemplateName Name = TemplateName.Parse("bench");

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        try
        {
            WriteBundle(Path.Combine(folder, "files", Name.Value));
            var options = new TemplateResolverOptions
            {
                FilesFolder = Path.Combine(folder, "files"),
                CacheFolder = Path.Combine(folder, "cache"),
                // The figure is of the memory, not of the questions beside it.
                RevalidateAfter = TimeSpan.FromHours(1),
            };
            await FromMemoryAsync(options, ct);
            await FromDiskAsync(options, ct);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        await ResolveHttpBench.RunAsync(ct);
    }

    private static async Task FromMemoryAsync(TemplateResolverOptions options, CancellationToken ct)
    {
        await using var resolver = new TemplateResolver(options);
        var request = new ArtifactRequest(Name, Kind: "master_prompt", Locale: "fr-CA");
        var keyed = request with { Key = "user-1" };
        var known = new Dictionary<ArtifactRequest, ResolvedArtifact>
        {
            [request] = await resolver.ResolveAsync(request, ct),
        };
        var seconds = new List<double>();
        var ratios = new List<double>();
        var keyedSeconds = new List<double>();
        for (var round = 0; round < RoundCount; round++)
        {
            var ours = Rounds.SecondsPerCall(Ours, AtLeast);
            var theirs = Rounds.SecondsPerCall(Theirs, AtLeast);
            ours = (ours + Rounds.SecondsPerCall(Ours, AtLeast)) / 2;
            seconds.Add(ours);
            ratios.Add(ours / theirs);
            keyedSeconds.Add(Rounds.SecondsPerCall(Keyed, AtLeast));
        }
        Rounds.Report("resolve from memory, one core", Rate(Rounds.Median(seconds)), ">= 2 M/s");
        Rounds.Report("  time / lookup of a result by the same request", Number(Rounds.Median(ratios)), "none");
        Rounds.Report("  with a key", Rate(Rounds.Median(keyedSeconds)), "none");

        void Ours() => Take(resolver.ResolveAsync(request, ct));

        void Theirs() => _ = known[request];

        void Keyed() => Take(resolver.ResolveAsync(keyed, ct));

        // What is in memory is there at once.
        static void Take<T>(ValueTask<T> resolved)
        {
            if (!resolved.IsCompletedSuccessfully)
                throw new InvalidOperationException("It was not in memory.");
            _ = resolved.Result;
        }
    }

    private static async Task FromDiskAsync(TemplateResolverOptions options, CancellationToken ct)
    {
        var request = new ArtifactRequest(Name, Kind: "master_prompt", Locale: "fr");
        var path = Path.Combine(options.CacheFolder!, Name.Value, "1.0.0", "master_prompt_fr");
        var ours = new List<double>();
        var theirs = new List<double>();
        // The pointer is warm, the bytes are on disk: each file is asked for under a name that memory has not got.
        for (var i = 0; i < Restarts; i++)
        {
            await using var resolver = new TemplateResolver(options);
            await resolver.DescribeAsync(Name, null, ct);
            var started = Stopwatch.GetTimestamp();
            var resolved = await resolver.ResolveAsync(request, ct);
            ours.Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
            if (resolved.Source != ByteSource.DiskCache)
                throw new InvalidOperationException($"It came from {resolved.Source}.");
            started = Stopwatch.GetTimestamp();
            _ = Kernel.Digest.Of(await File.ReadAllBytesAsync(path, ct));
            theirs.Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
        }
        Rounds.Report("resolve from warm disk, p50", Micros(ours, 0.5), "<= 200 µs");
        Rounds.Report("  p99", Micros(ours, 0.99), "none");
        Rounds.Report("  reading and hashing the file, p50", Micros(theirs, 0.5), "none");
    }

    private static void WriteBundle(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var locale in (string[])["fr", "en"])
            File.WriteAllText(
                Path.Combine(folder, locale + ".md"),
                new StringBuilder(locale.PadRight(PromptBytes, 'x')).ToString()
            );
        var artifacts = ((string[])["fr", "en"]).Select(locale => new
        {
            kind = "master_prompt",
            path = locale + ".md",
            role = "system",
            locale,
        });
        File.WriteAllText(
            Path.Combine(folder, "manifest.json"),
            JsonSerializer.Serialize(
                new
                {
                    template = Name.Value,
                    version = "1.0.0",
                    artifacts,
                }
            )
        );
    }

    private static string Rate(double seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{1 / seconds / 1e6:F1} M/s");

    private static string Number(double value) => value.ToString("F1", CultureInfo.InvariantCulture);

    private static string Micros(List<double> values, double share) =>
        string.Create(CultureInfo.InvariantCulture, $"{Rounds.Percentile(values, share):F0} µs");
}

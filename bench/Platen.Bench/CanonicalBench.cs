using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Kernel.Json;

namespace Platen.Bench;

/// <summary>1 MB into canonical form, beside reading it into a document and writing that without whitespace.</summary>
internal static class CanonicalBench
{
    private const int Bytes = 1_000_000;
    private static readonly TimeSpan _atLeast = TimeSpan.FromMilliseconds(300);

    public static Task RunAsync(CancellationToken ct)
    {
        Report("config (keys out of order, text, some numbers)", Document(Config), ">= 100 MB/s", ct);
        Report("fractions (nothing but doubles)", Document(Fractions), "none", ct);
        return Task.CompletedTask;
    }

    private static void Report(string name, byte[] json, string target, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var output = new ArrayBufferWriter<byte>(2 * Bytes);
        var hash = new byte[CanonicalJson.Sha256Bytes];
        void Canonical()
        {
            output.ResetWrittenCount();
            CanonicalJson.Serialize(json, output);
        }
        void Plain()
        {
            output.ResetWrittenCount();
            using var document = JsonDocument.Parse(json);
            using var writer = new Utf8JsonWriter(output);
            document.WriteTo(writer);
        }

        Rounds.SecondsPerCall(Canonical, _atLeast);
        Rounds.SecondsPerCall(Plain, _atLeast);
        var times = new List<double>();
        var ratio = Rounds.MedianRatio(
            () => Rounds.SecondsPerCall(Plain, _atLeast),
            () =>
            {
                times.Add(Rounds.SecondsPerCall(Canonical, _atLeast));
                return times[^1];
            }
        );
        Rounds.Report($"{name}", MegabytesPerSecond(json, Rounds.Median(times)), target);
        Rounds.Report("  throughput / JsonDocument and Utf8JsonWriter", Ratio(ratio), "none");
        var before = GC.GetAllocatedBytesForCurrentThread();
        Canonical();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Rounds.Report("  allocated", string.Create(CultureInfo.InvariantCulture, $"{allocated} B"), "0 B");
        var digest = Rounds.SecondsPerCall(() => CanonicalJson.Sha256(json, hash), _atLeast);
        Rounds.Report("  into SHA-256", MegabytesPerSecond(json, digest), "none");
    }

    // Objects of a widget's kind, with their keys shuffled, until the size is reached.
    private static JsonObject Config(Random random)
    {
        KeyValuePair<string, JsonNode?>[] members =
        [
            new("question", $"Wie lange dauert der Versand nach Österreich, Paket {random.Next()}?"),
            new("answer", string.Concat(Enumerable.Repeat("In der Regel zwei bis drei Werktage. ", random.Next(1, 8)))),
            new("id", $"item-{random.Next()}"),
            new("order", random.Next(1_000)),
            new("weight", random.Next(10_000) / 100d),
            new("open", random.Next(2) == 0),
            new("tags", new JsonArray("versand", "österreich", "\u20ac", "line\nbreak")),
            new(
                "style",
                new JsonObject
                {
                    ["width"] = 320,
                    ["color"] = "#336699",
                    ["align"] = null,
                }
            ),
        ];
        random.Shuffle(members);
        return new JsonObject(members);
    }

    private static JsonArray Fractions(Random random) =>
        new([.. Enumerable.Range(0, 16).Select(_ => JsonValue.Create(random.NextDouble() * 1_000))]);

    private static byte[] Document(Func<Random, JsonNode> part)
    {
        var random = new Random(1);
        var json = new StringBuilder("[");
        while (json.Length < Bytes * 95 / 100)
            json.Append(json.Length > 1 ? ",\n" : "").Append(part(random).ToJsonString(new() { WriteIndented = true }));
        return Encoding.UTF8.GetBytes(json.Append(']').ToString());
    }

    private static string MegabytesPerSecond(byte[] json, double seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{json.Length / seconds / 1e6:F0} MB/s");

    private static string Ratio(double ratio) => string.Create(CultureInfo.InvariantCulture, $"{ratio:F2}");
}

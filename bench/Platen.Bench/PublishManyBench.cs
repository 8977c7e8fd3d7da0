using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// The one-way publish between two servers with the command line, as a person runs it: 1,000 instances that are new, that have not
/// changed, and that have. PLATEN_BENCH_INSTANCES says another number.
/// </summary>
internal static class PublishManyBench
{
    public static async Task RunAsync(CancellationToken ct)
    {
        var count = int.TryParse(
            Environment.GetEnvironmentVariable("PLATEN_BENCH_INSTANCES"),
            CultureInfo.InvariantCulture,
            out var asked
        )
            ? asked
            : 1000;
        await using var authoring = await StartAsync("authoring", ct);
        await using var cloud = await StartAsync("cloud", ct);
        await SaveAsync(authoring, count, 1, ct);
        await MeasureAsync("new", authoring, cloud, count, ct);
        for (var round = 0; round < 3; round++)
            await MeasureAsync("unchanged", authoring, cloud, count, ct);
        for (var round = 0; round < 2; round++)
        {
            await SaveAsync(authoring, count, 2 + round, ct);
            await MeasureAsync("changed", authoring, cloud, count, ct);
        }
    }

    private static Task<PlatenServer> StartAsync(string profile, CancellationToken ct) =>
        PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_PROFILE", profile)
        );

    private static async Task MeasureAsync(
        string what,
        PlatenServer authoring,
        PlatenServer cloud,
        int count,
        CancellationToken ct
    )
    {
        var began = Stopwatch.GetTimestamp();
        var run = await authoring.RunCliAsync(
            ct,
            "publish",
            "--all",
            "--to",
            cloud.Address.ToString(),
            "--to-key",
            cloud.OwnerKey,
            "--json"
        );
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        if (run.ExitCode != 0)
            throw new InvalidOperationException(run.Errors);
        var report = JsonNode.Parse(run.Output)!;
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"publish-many: {count} {what}: {seconds:0.00} s, {count / seconds:0} instances/s, {report["blobs"]} blobs, {report["bytes"]} bytes (targets: unchanged <= 2 s and 0 blobs, changed >= 100/s)"
            )
        );
    }

    private static async Task SaveAsync(PlatenServer server, int count, int generation, CancellationToken ct)
    {
        using var client = server.OpenClient();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, count),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct },
            async (i, each) =>
            {
                var body = new JsonObject
                {
                    ["widgetType"] = "content.faq",
                    ["config"] = new JsonObject
                    {
                        ["heading"] = string.Create(
                            CultureInfo.InvariantCulture,
                            $"Instance {i}, generation {generation}"
                        ),
                        ["items"] = new JsonArray(
                            new JsonObject
                            {
                                ["id"] = "q",
                                ["question"] = "Why?",
                                ["answer"] = new JsonArray(
                                    new JsonObject { ["type"] = "paragraph", ["text"] = "Because." }
                                ),
                            }
                        ),
                    },
                };
                using var request = new HttpRequestMessage(
                    HttpMethod.Put,
                    string.Create(CultureInfo.InvariantCulture, $"v1/instances/wgt_curated_many-{i}")
                );
                request.Content = new StringContent(
                    body.ToJsonString(),
                    Encoding.UTF8,
                    new MediaTypeHeaderValue("application/json")
                );
                request.Headers.TryAddWithoutValidation(
                    generation == 1 ? "If-None-Match" : "If-Match",
                    generation == 1 ? "*" : string.Create(CultureInfo.InvariantCulture, $"\"{generation - 1}\"")
                );
                using var saved = await client.SendAsync(request, each);
                if (!saved.IsSuccessStatusCode)
                    throw new InvalidOperationException(await saved.Content.ReadAsStringAsync(each));
            }
        );
    }
}

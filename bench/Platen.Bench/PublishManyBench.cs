using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;
using static System.FormattableString;

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
        var unchanged = new List<double>();
        for (var round = 0; round < 3; round++)
            unchanged.Add(await MeasureAsync("unchanged", authoring, cloud, count, ct));
        var changed = new List<double>();
        for (var round = 0; round < 4; round++)
        {
            await SaveAsync(authoring, count, 2 + round, ct);
            changed.Add(count / await MeasureAsync("changed", authoring, cloud, count, ct));
        }
        var seconds = Rounds.Median(unchanged);
        Rounds.Report($"{count} unchanged", Invariant($"{seconds:0.00} s"), "<= 2 s and no blob", seconds <= 2);
        var rate = Rounds.Median(changed);
        Rounds.Report($"{count} changed", Invariant($"{rate:0} /s"), ">= 100 /s", rate >= 100);
    }

    private static Task<PlatenServer> StartAsync(string profile, CancellationToken ct) =>
        PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_PROFILE", profile)
        );

    /// <returns>Seconds.</returns>
    private static async Task<double> MeasureAsync(
        string what,
        PlatenServer authoring,
        PlatenServer cloud,
        int count,
        CancellationToken ct
    )
    {
        var (server, database) = CpuSeconds(cloud.ProcessId);
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
        var (serverNow, databaseNow) = CpuSeconds(cloud.ProcessId);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"publish-many: {count} {what}: {seconds:0.00} s, {count / seconds:0} instances/s, {report["blobs"]} blobs, {report["bytes"]} bytes; CPU of the cloud {serverNow - server:0.0} s, of its database {databaseNow - database:0.0} s"
            )
        );
        return seconds;
    }

    /// <summary>What a server's process, and what the processes below it, which are its database, have had of the processors so far.</summary>
    private static (double Server, double Database) CpuSeconds(int server)
    {
        const double TicksASecond = 100;
        var processes = new List<(int Id, int Parent, double Seconds)>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id))
                continue;
            string stat;
            try
            {
                stat = File.ReadAllText(Path.Combine(folder, "stat"));
            }
            catch (IOException)
            {
                // It has ended since it was listed.
                continue;
            }
            // The name stands in parentheses, and may have any character (proc_pid_stat(5)).
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            processes.Add((id, Number(fields[1]), (Number(fields[11]) + Number(fields[12])) / TicksASecond));
        }
        var below = new HashSet<int> { server };
        bool grew;
        do
        {
            grew = false;
            foreach (var process in processes.Where(p => below.Contains(p.Parent)))
                grew |= below.Add(process.Id);
        } while (grew);
        return (
            processes.Where(p => p.Id == server).Sum(p => p.Seconds),
            processes.Where(p => p.Id != server && below.Contains(p.Id)).Sum(p => p.Seconds)
        );

        static int Number(string field) => int.Parse(field, CultureInfo.InvariantCulture);
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

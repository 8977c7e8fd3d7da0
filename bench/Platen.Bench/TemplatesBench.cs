using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel.Templates;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// What people wait for: a push of 200 files with the built command line, new and unchanged; a rollback until 20 resolvers that ask by
/// themselves, and 20 that follow the events, have the old bytes again; the list of 1,000 templates with 100 versions each.
/// </summary>
internal static class TemplatesBench
{
    private const int Files = 200;
    private const int FileBytes = 2 * 1024;
    private const int Pushes = 7;
    private const int Resolvers = 20;
    private const int Rollbacks = 10;
    private const int Templates = 1_000;
    private const int Versions = 100;
    private const int Lists = 30;

    public static async Task RunAsync(CancellationToken ct)
    {
        var postgres = new PostgresFixture();
        await postgres.InitializeAsync();
        var folder = PostgresFixture.NewFolder();
        try
        {
            await using var server = await PlatenServer.StartAsync(
                folder,
                ct,
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_LIMITS", "off"),
                ("ConnectionStrings__Platen", postgres.AdminConnectionString)
            );
            using var http = server.OpenClient();
            await PushAsync(server, folder, ct);
            await RollBackAsync(server, http, folder, ct);
            await ListAsync(postgres, http, ct);
        }
        finally
        {
            await postgres.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task PushAsync(PlatenServer server, string folder, CancellationToken ct)
    {
        var bundle = Path.Combine(folder, "bundle");
        var random = new Random(200);
        WriteBundle(bundle, Files, i => Convert.ToBase64String(RandomBytes(random, FileBytes)));
        var news = new List<double>();
        var unchanged = new List<double>();
        for (var i = 0; i < Pushes; i++)
        {
            // Another file each time: the rest need not travel, and all is committed anew.
            if (i > 0)
                await File.WriteAllTextAsync(Path.Combine(bundle, "0.md"), $"again {i}", ct);
            var seconds = await OnceAsync($"1.{i}.0");
            if (i == 0)
                Rounds.Report($"push of {Files} new files, whole command", Seconds(seconds), "none");
            else
                news.Add(seconds);
            unchanged.Add(await OnceAsync($"1.{i}.0"));
        }
        Rounds.Report($"push of {Files} files, one changed, whole command", Seconds(Rounds.Median(news)), "none");
        Rounds.Report($"push of {Files} files, unchanged, whole command", Seconds(Rounds.Median(unchanged)), "<= 1 s");
        Rounds.Report("  worst", Seconds(unchanged.Max()), "none");
        var idle = new List<double>();
        for (var i = 0; i < Pushes; i++)
            idle.Add(await TimeAsync(() => server.RunCliAsync(ct, "--help")));
        Rounds.Report("  of which the command line's start", Seconds(Rounds.Median(idle)), "none");

        Task<double> OnceAsync(string version) =>
            TimeAsync(() =>
                server.RunCliAsync(ct, "push", "--template", "bench-push", "--version", version, "--dir", bundle)
            );
    }

    private static async Task RollBackAsync(PlatenServer server, HttpClient http, string folder, CancellationToken ct)
    {
        var name = TemplateName.Parse("bench-rollback");
        var bundle = Path.Combine(folder, "rollback");
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            WriteBundle(bundle, 1, _ => version);
            await TimeAsync(() =>
                server.RunCliAsync(ct, "push", "--template", name.Value, "--version", version, "--dir", bundle)
            );
        }
        await MoveAsync(http, name, "1.1.0", ct);
        foreach (var follows in (bool[])[false, true])
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var options = new TemplateResolverOptions();
            var resolvers = Enumerable
                .Range(0, Resolvers)
                .Select(_ => new TemplateResolver(
                    options with
                    {
                        Registry = new PlatenClient(server.Address, server.OwnerKey),
                        UseRegistry = true,
                        // Who follows asks by itself only as a last resort: the figure is of the events.
                        RevalidateAfter = follows ? TimeSpan.FromHours(1) : options.RevalidateAfter,
                    }
                ))
                .ToList();
            var following = follows ? resolvers.ConvertAll(one => one.FollowAsync(name, stop.Token)) : [];
            var milliseconds = new List<double>();
            for (var i = 0; i < Rollbacks; i++)
            {
                await MoveAsync(http, name, "1.1.0", ct);
                await UntilAllAsync(resolvers, name, "1.1.0", ct);
                using var move = await PrepareMoveAsync(http, name, "1.0.0", ct);
                var started = Stopwatch.GetTimestamp();
                var moving = SendAsync(http, move, ct);
                milliseconds.AddRange(await UntilAllAsync(resolvers, name, "1.0.0", ct, started));
                await moving;
            }
            var worst = string.Create(CultureInfo.InvariantCulture, $"{milliseconds.Max():F0} ms");
            if (follows)
            {
                Rounds.Report(
                    $"rollback seen by {Resolvers} that follow, p50 (p99)",
                    Rounds.MedianAndTail(milliseconds),
                    "none"
                );
                Rounds.Report("  worst, from the request on", worst, "<= 100 ms");
            }
            else
            {
                Rounds.Report(
                    $"rollback seen by {Resolvers} that ask, p50 (p99)",
                    Rounds.MedianAndTail(milliseconds),
                    "none"
                );
                Rounds.Report("  worst, from the request on", worst, "<= 1,000 ms");
            }
            await stop.CancelAsync();
            foreach (var task in following)
                await task.ContinueWith(static done => done.Exception, TaskScheduler.Default);
            foreach (var one in resolvers)
                await one.DisposeAsync();
        }
    }

    /// <summary>Uses each resolver every few milliseconds until it gives the version; milliseconds from the start until each did.</summary>
    private static async Task<double[]> UntilAllAsync(
        List<TemplateResolver> resolvers,
        TemplateName name,
        string version,
        CancellationToken ct,
        long? started = null
    )
    {
        var from = started ?? Stopwatch.GetTimestamp();
        return await Task.WhenAll(
            resolvers.Select(async one =>
            {
                using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
                while (
                    (await one.ResolveAsync(new ArtifactRequest(name, Kind: "master_prompt"), ct)).Version != version
                )
                    await pace.WaitForNextTickAsync(ct);
                return Stopwatch.GetElapsedTime(from).TotalMilliseconds;
            })
        );
    }

    private static async Task MoveAsync(HttpClient http, TemplateName name, string version, CancellationToken ct)
    {
        using var request = await PrepareMoveAsync(http, name, version, ct);
        await SendAsync(http, request, ct);
    }

    private static async Task<HttpRequestMessage> PrepareMoveAsync(
        HttpClient http,
        TemplateName name,
        string version,
        CancellationToken ct
    )
    {
        var path = $"/v1/templates/{name}/channels/default";
        using var now = await http.GetAsync(path, ct);
        var request = new HttpRequestMessage(HttpMethod.Put, path)
        {
            Content = new StringContent(
                new JsonObject { ["version"] = version, ["reason"] = "bench" }.ToJsonString(),
                Encoding.UTF8,
                new MediaTypeHeaderValue("application/json")
            ),
        };
        if (now.IsSuccessStatusCode)
            request.Headers.TryAddWithoutValidation("If-Match", now.Headers.ETag!.ToString());
        else
            request.Headers.TryAddWithoutValidation("If-None-Match", "*");
        return request;
    }

    private static async Task SendAsync(HttpClient http, HttpRequestMessage request, CancellationToken ct)
    {
        using var answer = await http.SendAsync(request, ct);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task ListAsync(PostgresFixture postgres, HttpClient http, CancellationToken ct)
    {
        await SeedAsync(postgres, ct);
        var all = new List<double>();
        var page = new List<double>();
        var versions = new List<double>();
        for (var i = -3; i < Lists; i++)
        {
            var (seconds, names) = (0.0, 0);
            string? cursor = null;
            do
            {
                var started = Stopwatch.GetTimestamp();
                var answer = JsonNode.Parse(
                    await http.GetStringAsync($"/v1/templates?q=bench-many-&limit=200&cursor={cursor}", ct)
                )!;
                var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                names += answer["items"]!.AsArray().Count;
                cursor = answer["nextCursor"]?.GetValue<string>();
                seconds += took;
                if (i >= 0)
                    page.Add(took);
            } while (cursor is not null);
            if (names != Templates)
                throw new InvalidOperationException($"{names} templates were listed.");
            var begun = Stopwatch.GetTimestamp();
            var listed = JsonNode.Parse(
                await http.GetStringAsync("/v1/templates/bench-many-500/versions?limit=200", ct)
            )!;
            if (listed["items"]!.AsArray().Count != Versions)
                throw new InvalidOperationException("Not every version was listed.");
            if (i < 0)
                continue;
            versions.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            all.Add(seconds);
        }
        Rounds.Report(
            $"{Templates} templates of {Versions} versions, a page of 200",
            Rounds.MedianAndTail(page),
            "<= 20 ms"
        );
        Rounds.Report("  all five pages", Rounds.MedianAndTail(all), "none");
        Rounds.Report($"{Versions} versions of one of them", Rounds.MedianAndTail(versions), "<= 20 ms");
    }

    /// <summary>As so many pushes leave it, but for the bytes.</summary>
    private static async Task SeedAsync(PostgresFixture postgres, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            $"""
            set session_replication_role = replica;
            create temporary table seed as
                select 'bench-many-' || t as name, v || '.0.0' as semver, v,
                    convert_to('bench ' || t || ' ' || v, 'UTF8') as manifest
                from generate_series(1, {Templates}) t, generate_series(1, {Versions}) v;
            alter table seed add column digest text;
            update seed set digest = 'sha256:' || encode(sha256(manifest), 'hex');
            insert into templates.template (owner, name, id, versions, created_by, created_by_name, updated_by_name)
                select distinct on (name) '00000000-0000-0000-0000-000000000001'::uuid, name, gen_random_uuid(), {Versions}, gen_random_uuid(), 'bench', 'bench' from seed;
            insert into platform.release (owner, subject, digest, artifact_type, manifest, created_by, created_by_name)
                select '00000000-0000-0000-0000-000000000001'::uuid, 'templates/' || name, digest, 'application/vnd.platen.template.v1', manifest, gen_random_uuid(), 'bench' from seed;
            insert into templates.template_version (owner, template, semver, release_digest, status, changelog, created_by, created_by_name)
                select '00000000-0000-0000-0000-000000000001'::uuid, name, semver, digest, 'stable', 'What changed in ' || semver, gen_random_uuid(), 'bench' from seed;
            insert into templates.artifact (owner, template, semver, path, position, kind, content_type, sha256, size_bytes)
                select '00000000-0000-0000-0000-000000000001'::uuid, name, semver, 'a.md', 1, 'master_prompt', 'text/markdown', digest, 2048 from seed;
            insert into platform.channel (owner, subject, name, release_digest, revision)
                select '00000000-0000-0000-0000-000000000001'::uuid, 'templates/' || name, semver, digest, 1 from seed
                union all
                select '00000000-0000-0000-0000-000000000001'::uuid, 'templates/' || s.name, c.name, digest, 1
                from seed s, (values ('default'), ('stable'), ('latest')) c (name) where s.v = {Versions};
            set session_replication_role = origin;
            analyze;
            """,
            connection
        )
        {
            CommandTimeout = 300,
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    private static void WriteBundle(string folder, int files, Func<int, string> text)
    {
        Directory.CreateDirectory(folder);
        var artifacts = new JsonArray();
        for (var i = 0; i < files; i++)
        {
            File.WriteAllText(Path.Combine(folder, $"{i}.md"), text(i));
            artifacts.Add(
                new JsonObject { ["kind"] = files == 1 ? "master_prompt" : "golden_example", ["path"] = $"{i}.md" }
            );
        }
        File.WriteAllText(
            Path.Combine(folder, "manifest.json"),
            new JsonObject { ["artifacts"] = artifacts }.ToJsonString()
        );
    }

    private static byte[] RandomBytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private static async Task<double> TimeAsync(Func<Task<CommandResult>> command)
    {
        var started = Stopwatch.GetTimestamp();
        var result = await command();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return result.ExitCode == 0
            ? seconds
            : throw new InvalidOperationException($"It ended with {result.ExitCode}: {result.Errors}");
    }

    private static string Seconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:F2} s");
}

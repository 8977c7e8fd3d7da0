using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Client;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;
using Platen.Testing.Widgets;

namespace Platen.Acceptance;

/// <summary>Two real servers, one way between them, and everything that can happen on it.</summary>
public sealed class StagePublishTests
{
    private static readonly string[] Ids = [.. Enumerable.Range(0, 5).Select(i => $"wgt_curated_fault-{i}")];

    /// <summary>Rounds of being killed: PLATEN_LONG_FAULTS says how many, a few otherwise.</summary>
    private static readonly int Rounds = int.TryParse(
        Environment.GetEnvironmentVariable("PLATEN_LONG_FAULTS"),
        CultureInfo.InvariantCulture,
        out var asked
    )
        ? asked
        : 4;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_command_line_publishes_what_differs_and_nothing_the_second_time()
    {
        await using var authoring = await StartAsync("authoring", PostgresFixture.NewFolder());
        await using var cloud = await StartAsync("cloud", PostgresFixture.NewFolder());
        await SaveAsync(authoring, 1);

        var dry = await PublishAsync(authoring, cloud, "--all", "--dry-run");
        (dry.ExitCode, dry.Errors).ShouldBe((0, ""));
        Outcomes(dry).ShouldAllBe(o => o == "would create");
        (await GenerationAsync(cloud)).ShouldBe(0);

        var first = await PublishAsync(authoring, cloud, "--all");
        first.ExitCode.ShouldBe(0, first.Errors);
        Outcomes(first).ShouldAllBe(o => o == "published");
        JsonNode.Parse(first.Output)!["blobs"]!.GetValue<int>().ShouldBeGreaterThan(0);
        (await GenerationAsync(cloud)).ShouldBe(1);

        var second = await PublishAsync(authoring, cloud, "--all");
        Outcomes(second).ShouldAllBe(o => o == "unchanged");
        JsonNode.Parse(second.Output)!["blobs"]!.GetValue<int>().ShouldBe(0);

        using var publisher = cloud.OpenClient();
        using var refused = await publisher.PutAsync(
            "v1/instances/" + Ids[0],
            new StringContent(Body(9).ToJsonString(), new MediaTypeHeaderValue("application/json")),
            Ct
        );
        ((int)refused.StatusCode).ShouldBe(403);
        var back = await PublishAsync(cloud, authoring, "--all");
        back.ExitCode.ShouldBe(1, back.Output);
        back.Errors.ShouldContain("not-taken-in-here");

        await SaveAsync(authoring, 2);
        var compared = await PublishAsync(authoring, cloud, Ids[0], Ids[1], "--dry-run");
        compared.ExitCode.ShouldBe(0, compared.Errors);
        Outcomes(compared).ShouldBe(["would publish", "would publish"]);
        compared.Output.ShouldContain("Generation 1.");
        compared.Output.ShouldContain("Generation 2.");
        (await GenerationAsync(cloud)).ShouldBe(1);

        // From another database it is not known to be newer, and replaces nothing unless that is said, with the reason.
        await using (var other = await StartAsync("authoring", PostgresFixture.NewFolder()))
        {
            await SaveAsync(other, 7, creates: true);
            var unknown = await PublishAsync(other, cloud, Ids[0], "--dry-run");
            Outcomes(unknown).ShouldBe(["would be refused"]);
            unknown.Output.ShouldContain("published it from another database");
            var conflict = await PublishAsync(other, cloud, "--all");
            conflict.ExitCode.ShouldBe(5, conflict.Output);
            conflict.Errors.ShouldContain("newer-on-stage");
            conflict.Errors.ShouldContain(Ids[4]);
            (await PublishAsync(other, cloud, "--all", "--overwrite")).ExitCode.ShouldBe(2);
            (await GenerationAsync(cloud)).ShouldBe(1);
            var meant = await PublishAsync(other, cloud, "--all", "--overwrite", "--reason", "the other is right");
            meant.ExitCode.ShouldBe(0, meant.Errors);
            (await GenerationAsync(cloud)).ShouldBe(7);
            var restored = await PublishAsync(authoring, cloud, "--all", "--overwrite", "--reason", "it was not");
            restored.ExitCode.ShouldBe(0, restored.Errors);
            (await GenerationAsync(cloud)).ShouldBe(2);
        }
        await SaveAsync(authoring, 3);
        (await PublishAsync(authoring, cloud, Ids[0], Ids[1])).ExitCode.ShouldBe(0);
        var rollback = await cloud.RunCliAsync(Ct, ["rollback", Ids[0], Ids[1], "--json"]);
        rollback.ExitCode.ShouldBe(0, rollback.Errors);
        (await GenerationAsync(cloud)).ShouldBe(2);
        (await PublishAsync(authoring, cloud, "--changed")).ExitCode.ShouldBe(0);
        (await GenerationAsync(cloud)).ShouldBe(3);

        // One alone, there and back.
        var undone = await cloud.RunCliAsync(Ct, ["rollback", Ids[0], "--json"]);
        undone.ExitCode.ShouldBe(0, undone.Errors);
        var moves = JsonNode.Parse(undone.Output)!["channelRevision"]!.GetValue<long>();
        var to = (moves - 1).ToString(CultureInfo.InvariantCulture);
        var again = await cloud.RunCliAsync(Ct, ["rollback", Ids[0], "--to", to, "--json"]);
        again.ExitCode.ShouldBe(0, again.Errors);
        (await GenerationAsync(cloud)).ShouldBe(3);
    }

    [Fact]
    public async Task A_publish_can_wait_and_be_looked_at_and_be_called_off()
    {
        await using var authoring = await StartAsync("authoring", PostgresFixture.NewFolder());
        await using var cloud = await StartAsync("cloud", PostgresFixture.NewFolder());
        await SaveAsync(authoring, 1);
        (await PublishAsync(authoring, cloud, "--all")).ExitCode.ShouldBe(0);
        await SaveAsync(authoring, 2);
        var waiting = await PublishAsync(authoring, cloud, "--all", "--at", InAMonth());
        waiting.ExitCode.ShouldBe(0, waiting.Errors);
        Outcomes(waiting).ShouldAllBe(o => o == "scheduled");
        (await GenerationAsync(cloud)).ShouldBe(1);

        var id = JsonNode.Parse(waiting.Output)!["cutover"]!.GetValue<string>();
        var preview = await cloud.RunCliAsync(Ct, ["cutovers", "preview", id, "--json"]);
        preview.ExitCode.ShouldBe(0, preview.Errors);
        var address = JsonNode.Parse(preview.Output)!["url"]!.GetValue<string>();
        using var visitor = new HttpClient();
        (await visitor.GetStringAsync(new Uri($"{address}?id={Ids[0]}"), Ct)).ShouldContain("Generation 2");
        (await cloud.RunCliAsync(Ct, ["cutovers", "cancel", id, "--json"])).ExitCode.ShouldBe(0);
        (await GenerationAsync(cloud)).ShouldBe(1);
    }

    [Fact]
    public async Task Whoever_is_killed_while_publishing_the_cloud_is_whole_and_a_second_run_completes_it()
    {
        var folders = new Dictionary<string, string>
        {
            ["authoring"] = PostgresFixture.NewFolder(),
            ["cloud"] = PostgresFixture.NewFolder(),
        };
        var servers = new Dictionary<string, PlatenServer>();
        var random = new Random(20261121);
        var interrupted = 0;
        // The cloud's database is one of its own, for the test to let time pass in it.
        await using var database = await ExternalPostgres.StartAsync(Ct);
        (string, string)[] settings = [("ConnectionStrings__Platen", database.Superuser())];
        try
        {
            servers["authoring"] = await StartAsync("authoring", folders["authoring"]);
            servers["cloud"] = await StartAsync("cloud", folders["cloud"], settings);
            await SaveAsync(servers["authoring"], 1);
            (await PublishAsync(servers["authoring"], servers["cloud"], "--all")).ExitCode.ShouldBe(0);
            for (var generation = 2; generation <= Rounds + 1; generation++)
            {
                await SaveAsync(servers["authoring"], generation);
                var victim = (generation % 3) switch
                {
                    0 => "authoring",
                    1 => "publisher",
                    _ => "cloud",
                };
                if (await PublishAndKillAsync(servers, victim, random.Next(150, 2500)))
                    interrupted++;
                if (victim != "publisher")
                {
                    await servers[victim].DisposeAsync();
                    servers[victim] = await StartAsync(victim, folders[victim], victim == "cloud" ? settings : []);
                }
                (await GenerationAsync(servers["cloud"])).ShouldBeInRange(generation - 1, generation);
                var again = await PublishAsync(servers["authoring"], servers["cloud"], "--all");
                again.ExitCode.ShouldBe(0, again.Errors);
                (await GenerationAsync(servers["cloud"])).ShouldBe(generation);
            }
            // Of a few rounds each may have come too late, of many not.
            if (Rounds >= 20)
                interrupted.ShouldBeGreaterThan(Rounds / 10);
            await LetDaysPassAsync(database, folders["cloud"]);
            var collected = await servers["cloud"]
                .RunCliAsync(Ct, ["gc", "--grace-hours", "2", "--retention-days", "0", "--keep", "1", "--json"]);
            collected.ExitCode.ShouldBe(0, collected.Output + collected.Errors);
            var left = Directory
                .EnumerateFiles(Path.Combine(folders["cloud"], "blobs"), "*", SearchOption.AllDirectories)
                .Select(Path.GetFileName)
                .Where(name => name!.Length == 64)
                .ToHashSet();
            left.ShouldBe(await ReachableAsync(servers["cloud"]), ignoreOrder: true);
            (await GenerationAsync(servers["cloud"])).ShouldBe(Rounds + 1);

            // Somebody reads a page that names the files of this release, while the next is published and days pass.
            using var reader = new HttpClient();
            var given = await ArtifactAsync(reader, servers["cloud"]);
            var bytes = await reader.GetByteArrayAsync(new Uri(servers["cloud"].Address, given), Ct);
            await SaveAsync(servers["authoring"], Rounds + 2);
            (await PublishAsync(servers["authoring"], servers["cloud"], "--all")).ExitCode.ShouldBe(0);
            (await GenerationAsync(servers["cloud"])).ShouldBe(Rounds + 2);
            (await ArtifactAsync(reader, servers["cloud"])).ShouldNotBe(given);
            await LetDaysPassAsync(database, folders["cloud"]);
            collected = await servers["cloud"].RunCliAsync(Ct, ["gc", "--grace-hours", "2", "--keep", "1", "--json"]);
            collected.ExitCode.ShouldBe(0, collected.Output + collected.Errors);
            // Not from memory either.
            await servers["cloud"].DisposeAsync();
            servers["cloud"] = await StartAsync("cloud", folders["cloud"], settings);
            (await reader.GetByteArrayAsync(new Uri(servers["cloud"].Address, given), Ct)).ShouldBe(bytes);
        }
        finally
        {
            foreach (var server in servers.Values)
                await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_blob_that_is_cut_goes_on_where_it_was_and_arrives_as_it_was_sent()
    {
        await using var cloud = await StartAsync("cloud", PostgresFixture.NewFolder());
        await using var proxy = new CuttingProxy(cloud.Address);
        using var client = new PlatenClient(proxy.Address, cloud.OwnerKey);
        var bytes = RandomNumberGenerator.GetBytes(5_000_000);
        var digest = Digest.Of(bytes);
        proxy.CutAfter(2_600_000);
        await client.PushBlobAsync("faults/cut", digest, bytes, Ct);
        proxy.Cuts.ShouldBe(1);
        using var http = cloud.OpenClient();
        (await http.GetByteArrayAsync($"v2/faults/cut/blobs/{digest}", Ct)).ShouldBe(bytes);

        // The connection dies in the middle of a chunk: the server holds the upload until it has waited long enough for the rest.
        using var impatient = new PlatenClient(
            proxy.Address,
            cloud.OwnerKey,
            new PlatenClientOptions { AttemptTimeout = TimeSpan.FromSeconds(3) }
        );
        bytes = RandomNumberGenerator.GetBytes(5_000_000);
        digest = Digest.Of(bytes);
        proxy.DieAfter(2_600_000);
        await impatient.PushBlobAsync("faults/dead", digest, bytes, Ct);
        proxy.Lost.ShouldBe(1);
        (await http.GetByteArrayAsync($"v2/faults/dead/blobs/{digest}", Ct)).ShouldBe(bytes);

        // The upload is closed, and the answer that says so does not arrive.
        bytes = RandomNumberGenerator.GetBytes(2_500_000);
        digest = Digest.Of(bytes);
        proxy.LoseAnswerTo("?digest=" + digest);
        await client.PushBlobAsync("faults/unheard", digest, bytes, Ct);
        proxy.Lost.ShouldBe(2);
        (await http.GetByteArrayAsync($"v2/faults/unheard/blobs/{digest}", Ct)).ShouldBe(bytes);

        // What the repository should have and has not is sent all the same.
        var (config, text) = (Digest.Of("{}"u8), Digest.Of("a text"u8));
        var manifest =
            $$$"""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"text/plain","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{{{config}}}","size":2},"layers":[{"mediaType":"text/plain","digest":"{{{text}}}","size":6}]}""";
        var artifact = new TextArtifact(
            "faults/collected",
            Digest.Of(System.Text.Encoding.UTF8.GetBytes(manifest)),
            manifest,
            Version: 0,
            [new TextArtifactFile("", config, "{}"), new TextArtifactFile("a.txt", text, "a text")]
        );
        (await client.PushAsync(artifact, "latest", new HashSet<Digest> { config, text }, Ct)).Blobs.ShouldBe(2);
    }

    [Fact]
    public async Task Two_publishers_at_once_leave_one_whole_state()
    {
        await using var authoring = await StartAsync("authoring", PostgresFixture.NewFolder());
        await using var cloud = await StartAsync("cloud", PostgresFixture.NewFolder());
        await SaveAsync(authoring, 1);
        var both = await Task.WhenAll(PublishAsync(authoring, cloud, "--all"), PublishAsync(authoring, cloud, "--all"));
        both.ShouldAllBe(run => run.ExitCode == 0, string.Join('\n', both.Select(run => run.Errors)));
        (await GenerationAsync(cloud)).ShouldBe(1);
        (await PublishAsync(authoring, cloud, "--all")).Output.ShouldContain("unchanged");
    }

    [Fact]
    public async Task A_type_that_the_cloud_lacks_or_has_older_travels_first()
    {
        var widgets = NewerTypes.Write(Path.Combine(Build.Repository, "widgets"));
        await using var authoring = await StartAsync(
            "authoring",
            PostgresFixture.NewFolder(),
            ("PLATEN_WIDGETS", widgets)
        );
        await using var cloud = await StartAsync("cloud", PostgresFixture.NewFolder());
        var (answers, faq) = ("wgt_curated_answers", "wgt_curated_noted");
        foreach (var (id, type) in new[] { (answers, NewerTypes.Added), (faq, NewerTypes.Changed) })
        {
            var body = Body(1);
            body["widgetType"] = type;
            body["config"]![NewerTypes.Member] = "Checked twice.";
            await PutAsync(authoring, id, body, ("If-None-Match", "*"));
        }

        var dry = await PublishAsync(authoring, cloud, "--all", "--dry-run");
        dry.ExitCode.ShouldBe(0, dry.Errors);
        Types(dry).ShouldBeEmpty();
        var first = await PublishAsync(authoring, cloud, "--all");
        first.ExitCode.ShouldBe(0, first.Errors);
        Types(first).ShouldBe([NewerTypes.Added + " 1.0.0", $"{NewerTypes.Changed} {NewerTypes.Version}"]);
        using var client = cloud.OpenClient();
        foreach (var id in (string[])[answers, faq])
        {
            var publication = JsonNode.Parse(await client.GetStringAsync($"v1/instances/{id}/publication", Ct))!;
            (await ServedAsync(client, id, publication["release"]!.GetValue<string>())).ShouldBe(1);
        }

        var second = await PublishAsync(authoring, cloud, "--all");
        Types(second).ShouldBeEmpty();
        Outcomes(second).ShouldAllBe(o => o == "unchanged");
        var changed = Body(2);
        changed["config"]![NewerTypes.Member] = "Checked again.";
        await PutAsync(authoring, faq, changed, ("If-Match", "*"));
        var third = await PublishAsync(authoring, cloud, "--changed");
        (third.ExitCode, Types(third).Count()).ShouldBe((0, 0), third.Errors);
    }

    private static IEnumerable<string> Types(CommandResult run) =>
        JsonNode.Parse(run.Output)!["widgetTypes"]!.AsArray().Select(type => type!.GetValue<string>());

    private static string InAMonth() =>
        TimeProvider.System.GetUtcNow().AddDays(30).ToString("O", CultureInfo.InvariantCulture);

    private static Task<PlatenServer> StartAsync(string profile, string folder, params (string, string)[] more) =>
        PlatenServer.StartAsync(folder, Ct, [("PLATEN_SAMPLES", "off"), ("PLATEN_PROFILE", profile), .. more]);

    /// <summary>The address of a file of the release that is live.</summary>
    private static async Task<string> ArtifactAsync(HttpClient reader, PlatenServer cloud)
    {
        var manifest = await reader.GetStringAsync(new Uri(cloud.Address, $"/w/{Ids[0]}/manifest.json"), Ct);
        return JsonNode.Parse(manifest)!["locales"]!["en"]!["artifact"]!.GetValue<string>();
    }

    /// <summary>Three days, for the database and for the stored bytes.</summary>
    private static async Task LetDaysPassAsync(ExternalPostgres database, string folder)
    {
        await using var source = NpgsqlDataSource.Create(database.Superuser());
        await using var shift = source.CreateCommand(
            """
            update platform.blob set created_at = created_at - interval '3 days';
            update platform.release set created_at = created_at - interval '3 days',
                pushed_at = pushed_at - interval '3 days', withdrawn_at = withdrawn_at - interval '3 days';
            update platform.channel_move set at = at - interval '3 days';
            update platform.repository_blob set pushed_at = pushed_at - interval '3 days';
            """
        );
        await shift.ExecuteNonQueryAsync(Ct);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(folder, "blobs"), "*", SearchOption.AllDirectories))
            File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddDays(-3));
    }

    /// <summary>What is live, its files, and the widget types: the names of all the bytes that the cloud needs.</summary>
    private static async Task<HashSet<string?>> ReachableAsync(PlatenServer cloud)
    {
        using var client = cloud.OpenClient();
        var needed = new HashSet<string?>();
        foreach (var id in Ids)
        {
            var publication = JsonNode.Parse(
                await client.GetStringAsync($"v1/instances/{id}/publication?limit=1", Ct)
            )!;
            await AddAsync($"curated/{id}", publication["release"]!.GetValue<string>());
        }
        var repositories = JsonNode.Parse(await client.GetStringAsync("v2/_catalog?n=1000", Ct))![
            "repositories"
        ]!.AsArray();
        foreach (
            var name in repositories
                .Select(r => r!.GetValue<string>())
                .Where(r => r.StartsWith("widget-types/", StringComparison.Ordinal))
        )
            await AddAsync(name, "live");
        return needed;

        async Task AddAsync(string repository, string reference)
        {
            var text = await client.GetStringAsync($"v2/{repository}/manifests/{reference}", Ct);
            needed.Add(Digest.Of(System.Text.Encoding.UTF8.GetBytes(text)).Hex);
            var manifest = JsonNode.Parse(text)!;
            foreach (var part in manifest["layers"]!.AsArray().Append(manifest["config"]))
                needed.Add(part!["digest"]!.GetValue<string>()["sha256:".Length..]);
        }
    }

    private static Task<CommandResult> PublishAsync(PlatenServer from, PlatenServer to, params string[] what) =>
        from.RunCliAsync(Ct, ["publish", .. what, "--to", to.Address.ToString(), "--to-key", to.OwnerKey, "--json"]);

    /// <summary>Whether the publish was cut off: it may have been done by then.</summary>
    private static async Task<bool> PublishAndKillAsync(
        Dictionary<string, PlatenServer> servers,
        string victim,
        int afterMilliseconds
    )
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Build.Cli,
                "--server",
                servers["authoring"].Address.ToString(),
                "--key",
                servers["authoring"].OwnerKey,
                "publish",
                "--all",
                "--to",
                servers["cloud"].Address.ToString(),
                "--to-key",
                servers["cloud"].OwnerKey,
                "--quiet",
            ]
        )
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var publisher = Process.Start(start)!;
        var output = Task.WhenAll(
            publisher.StandardOutput.ReadToEndAsync(Ct),
            publisher.StandardError.ReadToEndAsync(Ct)
        );
        var ended = publisher.WaitForExitAsync(Ct);
        await Task.WhenAny(ended, Task.Delay(TimeSpan.FromMilliseconds(afterMilliseconds), Ct));
        if (victim == "publisher" && !publisher.HasExited)
            publisher.Kill();
        else if (victim != "publisher")
            await servers[victim].KillAsync(Ct);
        await ended;
        await output;
        return publisher.ExitCode != 0;
    }

    private static Task SaveAsync(PlatenServer server, int generation) =>
        SaveAsync(server, generation, creates: generation == 1);

    private static async Task SaveAsync(PlatenServer server, int generation, bool creates)
    {
        foreach (var id in Ids)
        {
            await PutAsync(
                server,
                id,
                Body(generation),
                creates
                    ? ("If-None-Match", "*")
                    : ("If-Match", string.Create(CultureInfo.InvariantCulture, $"\"{generation - 1}\""))
            );
        }
    }

    private static async Task PutAsync(
        PlatenServer server,
        string id,
        JsonObject body,
        (string Name, string Value) condition
    )
    {
        using var client = server.OpenClient();
        using var request = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id)
        {
            Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.TryAddWithoutValidation(condition.Name, condition.Value);
        using var saved = await client.SendAsync(request, Ct);
        saved.IsSuccessStatusCode.ShouldBeTrue(await saved.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>Which generation the cloud serves of every instance; they must agree. 0 is none.</summary>
    private static async Task<int> GenerationAsync(PlatenServer cloud)
    {
        // Visitors are told of a move by an event: what is in the tables is asked, and then what is served must become the same.
        using var client = cloud.OpenClient();
        var live = new List<int>();
        foreach (var id in Ids)
        {
            using var answer = await client.GetAsync($"v1/instances/{id}/publication?limit=1", Ct);
            if (!answer.IsSuccessStatusCode)
            {
                live.Add(0);
                continue;
            }
            var release = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!["release"]?.GetValue<string>();
            live.Add(release is null ? 0 : await ServedAsync(client, id, release));
        }
        return live.Distinct().ShouldHaveSingleItem();
    }

    private static async Task<int> ServedAsync(HttpClient client, string id, string release)
    {
        var manifest = JsonNode.Parse(await client.GetStringAsync($"v2/curated/{id}/manifests/{release}", Ct))!;
        var wanted = manifest["layers"]!
            .AsArray()
            .Single(l =>
                l!["annotations"]!["org.opencontainers.image.title"]!.GetValue<string>() == "html/en/auto.html"
            )!["digest"]!.GetValue<string>()["sha256:".Length..];
        var page = "";
        await ServerProcess.WaitUntilAsync(
            $"{id} to be served as it is live",
            TimeSpan.FromSeconds(60),
            async ct =>
            {
                using var answer = await client.GetAsync($"e/{id}?locale=en", ct);
                page = await answer.Content.ReadAsStringAsync(ct);
                return answer.Headers.ETag?.Tag == $"\"{wanted}\"";
            },
            Ct
        );
        var at = page.IndexOf("Generation ", StringComparison.Ordinal) + "Generation ".Length;
        return int.Parse(page[at..page.IndexOf('.', at)], CultureInfo.InvariantCulture);
    }

    private static IEnumerable<string> Outcomes(CommandResult run) =>
        JsonNode.Parse(run.Output)!["results"]!.AsArray().Select(r => r!["outcome"]!.GetValue<string>());

    private static JsonObject Body(int generation) =>
        new()
        {
            ["widgetType"] = "content.faq",
            ["config"] = new JsonObject
            {
                ["heading"] = string.Create(CultureInfo.InvariantCulture, $"Generation {generation}."),
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["id"] = "q",
                        ["question"] = "Why?",
                        ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = "Because." }),
                    }
                ),
            },
        };
}

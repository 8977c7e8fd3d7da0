using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Templates.Tests;

/// <summary>The shared vectors (tests/vectors/templates): the rules here as in web/, and the chains of both resolvers against the real server.</summary>
public sealed class VectorTests(ServerFixture server)
{
    private static readonly string Folder = Path.Combine(Build.Repository, "tests", "vectors", "templates");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Chains()
    {
        var data = new TheoryData<string, string>();
        foreach (var one in Read("chain"))
        {
            foreach (var resolver in (string[])["dotnet", "node"])
                data.Add(one["name"]!.GetValue<string>(), resolver);
        }
        return data;
    }

    [Fact]
    public void Languages_are_chosen_as_the_vectors_say()
    {
        foreach (var one in Read("locales"))
        {
            var available = one["available"]!.AsArray().Select(tag => LanguageTag.Parse(tag!.GetValue<string>()));
            var wanted = one["wanted"]!.GetValue<string>();
            LanguageLookup.Best(wanted, available)?.Value.ShouldBe(Text(one["best"]), wanted);
        }
    }

    [Fact]
    public void Keys_are_in_the_buckets_that_the_vectors_say()
    {
        foreach (var one in Read("buckets"))
            TrialSide.BucketOf(Text(one["salt"])!, Text(one["key"])!).ShouldBe(one["bucket"]!.GetValue<int>());
    }

    [Fact]
    public void Ranges_have_the_highest_version_that_the_vectors_say()
    {
        foreach (var one in Read("ranges"))
        {
            var versions = one["versions"]!.AsArray().Select(version => SemVer.Parse(version!.GetValue<string>()));
            VersionRange.TryParse(Text(one["range"])!, out var range).ShouldBeTrue(one.ToJsonString());
            range!.MaxSatisfying(versions)?.ToString().ShouldBe(Text(one["highest"]), one.ToJsonString());
        }
    }

    [Fact]
    public void Files_are_chosen_as_the_vectors_say()
    {
        foreach (var one in Read("selection"))
        {
            var artifacts = one["artifacts"]!.AsArray().Select(ReadArtifact).ToList();
            foreach (var @case in one["cases"]!.AsArray())
            {
                var query = @case!["query"]!.Deserialize<ArtifactQuery>(JsonSerializerOptions.Web);
                var choice = ArtifactSelection.Choose(artifacts, query);
                (choice as ArtifactChoice.Chosen)?.Artifact.Path.ShouldBe(Text(@case["path"]), @case.ToJsonString());
                if (@case["several"]?.GetValue<int>() is { } several)
                    (choice is ArtifactChoice.Several found ? found.Paths.Length : 0).ShouldBe(several);
            }
        }
    }

    [Fact]
    public void Prompts_are_filled_in_as_the_vectors_say()
    {
        foreach (var one in Read("rendering"))
        {
            var faults = new List<Fault>();
            var declared = TemplateManifest.ReadVariables(one["declared"].Deserialize<JsonElement>(), "", faults);
            faults.ShouldBeEmpty(one.ToJsonString());
            var includes = one["includes"]?.Deserialize<Dictionary<string, string>>() ?? [];
            var values = one["values"].Deserialize<Dictionary<string, string>>()!;
            switch (PromptText.Render(Text(one["text"])!, declared, values, includes.GetValueOrDefault))
            {
                case PromptRendering.Rendered(var text):
                    text.ShouldBe(Text(one["rendered"]), one.ToJsonString());
                    PromptText.EstimateTokens(text).ShouldBe(one["tokens"]!.GetValue<int>(), text);
                    break;
                case PromptRendering.Refused refused:
                    refused.Missing.ToArray().ShouldBe(Texts(one["missing"]), one.ToJsonString());
                    refused.Unknown.ToArray().ShouldBe(Texts(one["unknown"]), one.ToJsonString());
                    refused.MissingIncludes.ToArray().ShouldBe(Texts(one["missingIncludes"]), one.ToJsonString());
                    break;
            }
        }
    }

    [Theory]
    [InlineData("dotnet")]
    [InlineData("node")]
    public async Task Both_resolvers_fill_in_prompts_with_the_parts_they_were_pinned_to(string resolver)
    {
        var (tone, prompt) = (ServerFixture.NewName(), ServerFixture.NewName());
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            var parts = ((string[])["en", "fr"]).Select(l =>
                (Person.Prompt("snippet", l + ".md", l), $"{l} {version}")
            );
            (await server.Owner.PushAsync(tone, version, parts)).Status.ShouldBe(201);
        }
        var include = new JsonObject
        {
            ["name"] = "tone",
            ["template"] = tone.Value,
            ["version"] = "1.0.0",
            ["kind"] = "snippet",
        };
        var artifact = Person.Prompt("master_prompt", "p.md");
        artifact["variables"] = new JsonArray(
            "who",
            new JsonObject { ["name"] = "where", ["default"] = "here" },
            new JsonObject { ["name"] = "when", ["required"] = false }
        );
        var pushed = await server.Owner.PushAsync(
            prompt,
            "1.0.0",
            [(artifact, "{{> tone}}: {{who}}, {{where}}{{when}}.")],
            includes: [include]
        );
        pushed.Status.ShouldBe(201, pushed.Text);

        await using var gate = await Gate.BeforeAsync(server.Address);
        var folder = PostgresFixture.NewFolder();
        await using IDriver driver = resolver == "node" ? new NodeDriver() : new DotnetDriver();
        var opening = new Opening(gate.Address, server.OwnerKeyText, folder, "nowhere", true, false, new ManualTime());
        await driver.OpenAsync(opening);
        var values = new JsonObject { ["who"] = "{{where}}" };
        await IsAsync("fr-CA", "fr 1.0.0: {{where}}, here.");
        await IsAsync("de, en;q=0.5", "en 1.0.0: {{where}}, here.");
        var refused = await driver.RenderAsync(prompt.Value, null, new JsonObject { ["whom"] = "x" });
        refused.ToJsonString().ShouldBe("""{"missing":["who"],"unknown":["whom"],"missingIncludes":[]}""");

        // After a restart without a registry, from the cache folder.
        gate.State = GateState.Cut;
        await driver.OpenAsync(opening);
        await IsAsync("fr-CA", "fr 1.0.0: {{where}}, here.");
        Directory.Delete(folder, recursive: true);

        async Task IsAsync(string locale, string text)
        {
            var rendered = await driver.RenderAsync(prompt.Value, locale, values);
            (Text(rendered["text"]), rendered["bytes"]?.GetValue<int>(), Text(rendered["version"])).ShouldBe(
                (text, text.Length, "1.0.0"),
                rendered.ToJsonString()
            );
            rendered["tokens"]!.GetValue<int>().ShouldBe(PromptText.EstimateTokens(text));
        }
    }

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Both_resolvers_answer_as_the_vectors_say(string chain, string resolver)
    {
        var steps = Read("chain").Single(one => Text(one["name"]) == chain)["steps"]!.AsArray();
        await using var stage = await Stage.NewAsync(server, resolver);
        foreach (var step in steps)
            await stage.PlayAsync(step!);
    }

    [Fact]
    public async Task A_hundred_questions_at_once_to_the_one_for_Node_are_one()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await using var gate = await Gate.BeforeAsync(server.Address);
        await using var driver = new NodeDriver();
        await driver.OpenAsync(
            new Opening(gate.Address, server.OwnerKeyText, PostgresFixture.NewFolder(), "nowhere", true, false, new())
        );
        var texts = await driver.SendAsync(
            new JsonObject
            {
                ["askMany"] = new JsonObject { ["template"] = name.Value, ["kind"] = "master_prompt" },
                ["times"] = 100,
            }
        );
        texts["texts"]!.AsArray().ShouldHaveSingleItem()!.GetValue<string>().ShouldBe("one");
        (gate.Passed, gate.Files).ShouldBe((2, 1));
    }

    [Fact]
    public async Task A_long_past_is_one_reason_to_ask_for_the_one_for_Node()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        var path = $"/v1/templates/{name}/channels/default";
        var at = await server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true);
        for (var i = 0; i < 50; i++)
            at = await MoveAsync(i % 2 == 0 ? "1.1.0" : "1.0.0");

        await using var gate = await Gate.BeforeAsync(server.Address);
        await using var driver = new NodeDriver();
        await driver.OpenAsync(
            new Opening(gate.Address, server.OwnerKeyText, PostgresFixture.NewFolder(), "nowhere", true, false, new())
        );
        await driver.FollowAsync(name.Value);
        await IsAsync("one");
        await MoveAsync("1.1.0");
        await IsAsync("two");
        // Each of the two versions and its file, the stream, and once more for all that was in it before.
        gate.Passed.ShouldBeLessThanOrEqualTo(6);

        async Task<Answer> MoveAsync(string version)
        {
            var moved = await server.Owner.SendAsync(HttpMethod.Put, path, new { version }, at.Tag);
            moved.Status.ShouldBe(200, moved.Text);
            return moved;
        }

        Task IsAsync(string text) =>
            ServerFixture.UntilAsync(async () =>
                Text((await driver.AskAsync(name.Value, "master_prompt", null, null))["text"]) == text
            );
    }

    private static List<JsonNode> Read(string name) =>
        [.. JsonNode.Parse(File.ReadAllBytes(Path.Combine(Folder, name + ".json")))!.AsArray().Select(one => one!)];

    private static string? Text(JsonNode? node) => node?.GetValue<string>();

    private static string[] Texts(JsonNode? list) => list.Deserialize<string[]>()!;

    private static TemplateArtifact ReadArtifact(JsonNode? one) =>
        new(
            Text(one!["kind"])!,
            Text(one["path"])!,
            Text(one["role"]),
            Text(one["locale"]),
            "text/plain",
            Digest.Of("x"u8),
            1,
            [],
            Text(one["includedFrom"])
        );

    /// <summary>One template on the server, a gate before it, folders, a clock, and a resolver of either kind.</summary>
    private sealed class Stage(ServerFixture server, Gate gate, IDriver driver, string folder) : IAsyncDisposable
    {
        private readonly TemplateName name = ServerFixture.NewName();
        private readonly ManualTime time = new();

        private string Cache => Path.Combine(folder, "cache");

        private string Files => Path.Combine(folder, "files");

        public static async Task<Stage> NewAsync(ServerFixture server, string resolver)
        {
            var gate = await Gate.BeforeAsync(server.Address);
            var stage = new Stage(
                server,
                gate,
                resolver == "node" ? new NodeDriver() : new DotnetDriver(),
                PostgresFixture.NewFolder()
            );
            await server.Owner.PushPromptAsync(stage.name, "1.0.0", "one");
            return stage;
        }

        public async Task PlayAsync(JsonNode step)
        {
            foreach (var (what, how) in step.AsObject().ToList())
            {
                switch (what)
                {
                    case "open":
                        await driver.OpenAsync(
                            new Opening(
                                gate.Address,
                                server.OwnerKeyText,
                                Cache,
                                Files,
                                how!["registry"]?.GetValue<bool>() ?? true,
                                Text(how["mode"]) == "unpinned",
                                time
                            )
                        );
                        break;
                    case "gate":
                        gate.State = Enum.Parse<GateState>(Text(how)!);
                        break;
                    case "advanceSeconds":
                        var by = TimeSpan.FromSeconds(how!.GetValue<int>());
                        time.Advance(by);
                        await driver.AdvanceAsync(by);
                        break;
                    case "jumpWallSeconds":
                        var jump = TimeSpan.FromSeconds(how!.GetValue<int>());
                        time.JumpWall(jump);
                        await driver.JumpWallAsync(jump);
                        break;
                    case "push":
                        await server.Owner.PushPromptAsync(name, Text(how!["version"])!, Text(how["text"])!);
                        break;
                    case "point":
                        await PointAsync(how!);
                        break;
                    case "disable":
                        var read = await server.Owner.GetAsync($"/v1/templates/{name}");
                        await server.Owner.SendAsync(
                            HttpMethod.Put,
                            $"/v1/templates/{name}",
                            new { enabled = false },
                            read.Tag
                        );
                        break;
                    case "bundle":
                        WriteBundle(how!);
                        break;
                    case "damage":
                        Damage(Text(how)!);
                        break;
                    case "removeEvents":
                        await RemoveEventsAsync();
                        break;
                    case "follow":
                        await driver.FollowAsync(name.Value);
                        break;
                    case "ask":
                        await AskAsync(how!, step["expect"]!, step["eventually"] is not null);
                        break;
                    case "expect" or "eventually":
                        break;
                    default:
                        throw new InvalidDataException($"There is no step '{what}'.");
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await driver.DisposeAsync();
            await gate.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }

        private async Task AskAsync(JsonNode ask, JsonNode expected, bool eventually)
        {
            while (true)
            {
                var answer = await driver.AskAsync(
                    name.Value,
                    Text(ask["kind"]) ?? "master_prompt",
                    Text(ask["version"]),
                    Text(ask["key"])
                );
                var differs = expected.AsObject().FirstOrDefault(e => !JsonNode.DeepEquals(e.Value, answer[e.Key]));
                if (differs.Key is null)
                    return;
                if (!eventually)
                    answer.ToJsonString().ShouldBe(expected.ToJsonString(), differs.Key);
                Ct.ThrowIfCancellationRequested();
            }
        }

        private async Task PointAsync(JsonNode to)
        {
            var path = $"/v1/templates/{name}/channels/default";
            var now = await server.Owner.GetAsync(path);
            var order = new JsonObject { ["version"] = Text(to["version"]) };
            if (Text(to["candidate"]) is { } candidate)
            {
                order["candidate"] = new JsonObject
                {
                    ["version"] = candidate,
                    ["percentage"] = to["percentage"]!.GetValue<int>(),
                };
            }
            var moved = await server.Owner.SendAsync(
                HttpMethod.Put,
                path,
                order,
                now.Status == 200 ? now.Tag : null,
                create: now.Status != 200
            );
            moved.Status.ShouldBeInRange(200, 201, moved.Text);
        }

        /// <summary>What the retention does to a stream that is older than it: only the newest event stays.</summary>
        private async Task RemoveEventsAsync()
        {
            await using var admin = await server.Postgres.OpenAdminAsync(Ct);
            await using var remove = new NpgsqlCommand(
                """
                with head as (
                    update platform.stream set removed_through = revision - 1 where stream_id = $1 returning owner, stream_id, revision
                )
                delete from platform.event e using head h
                where e.owner = h.owner and e.stream_id = h.stream_id and e.revision < h.revision
                """,
                admin
            );
            remove.Parameters.Add(Sql.Text(name.Stream));
            (await remove.ExecuteNonQueryAsync(Ct)).ShouldBePositive();
        }

        private void WriteBundle(JsonNode bundle)
        {
            var at = Path.Combine(Files, name.Value, Text(bundle["folder"]) ?? "");
            Directory.CreateDirectory(at);
            File.WriteAllText(Path.Combine(at, "system.md"), Text(bundle["text"]));
            var manifest = new JsonObject
            {
                ["template"] = name.Value,
                ["version"] = Text(bundle["version"]),
                ["artifacts"] = new JsonArray(Person.Prompt("master_prompt", "system.md")),
            };
            File.WriteAllText(Path.Combine(at, "manifest.json"), manifest.ToJsonString());
        }

        private void Damage(string what)
        {
            if (what == "version")
            {
                LeadElsewhere();
                return;
            }
            var path =
                what == "file"
                    ? Path.Combine(Cache, name.Value, "1.0.0", "master_prompt_und")
                    : Directory.GetFiles(Path.Combine(Cache, name.Value, "_pointers")).ShouldHaveSingleItem();
            var bytes = File.ReadAllBytes(path);
            bytes[^1] ^= 1;
            File.WriteAllBytes(path, bytes);
        }

        /// <summary>Rewrites what the registry said, its digest included, to a version that is a folder beside the cache.</summary>
        private void LeadElsewhere()
        {
            var path = Directory.GetFiles(Path.Combine(Cache, name.Value, "_pointers")).ShouldHaveSingleItem();
            var told = File.ReadAllText(path).Split('\n', 2)[1];
            var forged = told.Replace(
                "\"version\":\"1.0.0\"",
                "\"version\":\"../../elsewhere\"",
                StringComparison.Ordinal
            );
            forged.ShouldNotBe(told);
            File.WriteAllText(path, $"{Digest.Of(System.Text.Encoding.UTF8.GetBytes(forged))}\n{forged}");
            var elsewhere = Directory.CreateDirectory(Path.Combine(folder, "elsewhere"));
            File.WriteAllText(Path.Combine(elsewhere.FullName, "master_prompt_und"), "one");
        }
    }

    private sealed record Opening(
        Uri Server,
        string Key,
        string Cache,
        string Files,
        bool UsesRegistry,
        bool AllowsUnpinned,
        ManualTime Time
    );

    /// <summary>A resolver in either language.</summary>
    private interface IDriver : IAsyncDisposable
    {
        Task OpenAsync(Opening opening);

        Task AdvanceAsync(TimeSpan by);

        Task JumpWallAsync(TimeSpan by);

        /// <summary>Begins to follow; what ends it fails the next question.</summary>
        Task FollowAsync(string template);

        Task<JsonNode> AskAsync(string template, string kind, string? version, string? key);

        /// <summary>Fills in the master prompt: its text, or what kept it from being filled in.</summary>
        Task<JsonNode> RenderAsync(string template, string? locale, JsonObject values);
    }

    private sealed class DotnetDriver : IDriver
    {
        private readonly CancellationTokenSource stop = new();
        private TemplateResolver? resolver;
        private Task following = Task.CompletedTask;

        public async Task OpenAsync(Opening opening)
        {
            await CloseAsync();
            resolver = new TemplateResolver(
                new TemplateResolverOptions
                {
                    Registry = new PlatenClient(
                        opening.Server,
                        opening.Key,
                        new PlatenClientOptions { Attempts = 1, AttemptTimeout = TimeSpan.FromSeconds(30) }
                    ),
                    UseRegistry = opening.UsesRegistry,
                    CacheFolder = opening.Cache,
                    FilesFolder = opening.Files,
                    Mode = opening.AllowsUnpinned ? ResolveMode.AllowUnpinnedFallback : ResolveMode.Strict,
                    Time = opening.Time,
                }
            );
        }

        public Task AdvanceAsync(TimeSpan by) => Task.CompletedTask;

        public Task JumpWallAsync(TimeSpan by) => Task.CompletedTask;

        public Task FollowAsync(string template)
        {
            following = resolver!.FollowAsync(TemplateName.Parse(template), stop.Token);
            return Task.CompletedTask;
        }

        public async Task<JsonNode> AskAsync(string template, string kind, string? version, string? key)
        {
            if (following.IsFaulted)
                await following;
            try
            {
                var request = new ArtifactRequest(TemplateName.Parse(template), version, kind, Key: key);
                var resolved = await resolver!.ResolveAsync(request, Ct);
                return new JsonObject
                {
                    ["text"] = resolved.Text,
                    ["source"] = resolved.Source switch
                    {
                        ByteSource.Memory => "memory",
                        ByteSource.DiskCache => "cache",
                        ByteSource.Store => "store",
                        _ => "files",
                    },
                    ["pointer"] = resolved.PointerSource == PointerSource.Registry ? "registry" : "local-manifest",
                    ["rule"] = resolved.Rule,
                    ["version"] = resolved.Version,
                    ["pinned"] = resolved.IsPinned,
                    ["stale"] = resolved.IsStale,
                };
            }
            catch (TemplateUnresolvedException e)
            {
                return new JsonObject { ["fails"] = true, ["disabled"] = e.IsDisabled };
            }
        }

        public async Task<JsonNode> RenderAsync(string template, string? locale, JsonObject values)
        {
            try
            {
                var rendered = await resolver!.RenderAsync(
                    new ArtifactRequest(TemplateName.Parse(template), Kind: "master_prompt", Locale: locale),
                    values.Deserialize<Dictionary<string, string>>()!,
                    Ct
                );
                return new JsonObject
                {
                    ["text"] = rendered.Text,
                    ["tokens"] = rendered.EstimatedTokens,
                    ["bytes"] = rendered.SizeBytes,
                    ["version"] = rendered.Prompt.Version,
                };
            }
            catch (PromptRefusedException e)
            {
                return JsonSerializer.SerializeToNode(e.Refusal, JsonSerializerOptions.Web)!;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await stop.CancelAsync();
            await following.ContinueWith(static done => done.Exception, TaskScheduler.Default);
            stop.Dispose();
            await CloseAsync();
        }

        private async Task CloseAsync()
        {
            if (resolver is not null)
                await resolver.DisposeAsync();
        }
    }

    /// <summary>The resolver of web/ in a process of its own, which the build of the server has installed what it needs for.</summary>
    private sealed class NodeDriver : IDriver
    {
        private readonly Process process = Process.Start(
            new ProcessStartInfo("node", [Path.Combine(Build.Repository, "web", "resolver", "drive.mjs")])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                UseShellExecute = false,
            }
        )!;

        public async Task OpenAsync(Opening opening) =>
            await SendAsync(
                new JsonObject
                {
                    ["open"] = new JsonObject
                    {
                        ["registry"] = new JsonObject { ["server"] = opening.Server.ToString(), ["key"] = opening.Key },
                        ["useRegistry"] = opening.UsesRegistry,
                        ["cacheFolder"] = opening.Cache,
                        ["filesFolder"] = opening.Files,
                        ["allowUnpinnedFallback"] = opening.AllowsUnpinned,
                        ["attemptTimeoutMs"] = 30_000,
                    },
                    ["now"] = opening.Time.GetUtcNow().ToUnixTimeMilliseconds(),
                }
            );

        public async Task AdvanceAsync(TimeSpan by) =>
            await SendAsync(new JsonObject { ["advance"] = (long)by.TotalMilliseconds });

        public async Task JumpWallAsync(TimeSpan by) =>
            await SendAsync(new JsonObject { ["jumpWall"] = (long)by.TotalMilliseconds });

        public async Task FollowAsync(string template) => await SendAsync(new JsonObject { ["follow"] = template });

        public Task<JsonNode> AskAsync(string template, string kind, string? version, string? key)
        {
            var ask = new JsonObject { ["template"] = template, ["kind"] = kind };
            if (version is not null)
                ask["version"] = version;
            if (key is not null)
                ask["key"] = key;
            return SendAsync(new JsonObject { ["ask"] = ask });
        }

        public Task<JsonNode> RenderAsync(string template, string? locale, JsonObject values)
        {
            var render = new JsonObject { ["template"] = template, ["kind"] = "master_prompt" };
            if (locale is not null)
                render["locale"] = locale;
            return SendAsync(new JsonObject { ["render"] = render, ["values"] = values.DeepClone() });
        }

        public async ValueTask DisposeAsync()
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        public async Task<JsonNode> SendAsync(JsonObject order)
        {
            await process.StandardInput.WriteLineAsync(order.ToJsonString().AsMemory(), Ct);
            await process.StandardInput.FlushAsync(Ct);
            var line = await process.StandardOutput.ReadLineAsync(Ct);
            return JsonNode.Parse(line ?? throw new InvalidOperationException("The resolver ended."))!;
        }
    }
}

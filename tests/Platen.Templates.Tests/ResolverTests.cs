using System.Text.Json;
using Microsoft.Extensions.Logging;
using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Testing;

namespace Platen.Templates.Tests;

/// <summary>The resolver over a real server, with everything that can be taken from it taken.</summary>
public sealed class ResolverTests(ServerFixture server) : IAsyncLifetime
{
    private readonly TemplateName name = ServerFixture.NewName();
    private readonly ManualTime time = new();
    private readonly string folder = PostgresFixture.NewFolder();
    private Gate gate = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string CacheFolder => Path.Combine(folder, "cache");

    private string FilesFolder => Path.Combine(folder, "files");

    public async ValueTask InitializeAsync()
    {
        gate = await Gate.BeforeAsync(server.Address);
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
    }

    public async ValueTask DisposeAsync()
    {
        await gate.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_first_comes_from_the_store_then_memory_then_after_a_restart_the_disk()
    {
        await using (var resolver = NewResolver())
        {
            var first = await resolver.ResolveAsync(Request(), Ct);
            (first.Text, first.Source, first.PointerSource, first.Rule).ShouldBe(
                ("one", ByteSource.Store, PointerSource.Registry, "default")
            );
            first.Digest.ShouldBe(Digest.Of("one"u8));
            (await resolver.ResolveAsync(Request(), Ct)).Source.ShouldBe(ByteSource.Memory);
        }
        File.ReadAllText(Path.Combine(CacheFolder, name.Value, "1.0.0", "master_prompt_und")).ShouldBe("one");
        await using var again = NewResolver();
        (await again.ResolveAsync(Request(), Ct)).Source.ShouldBe(ByteSource.DiskCache);
        gate.Files.ShouldBe(1);
    }

    [Fact]
    public async Task By_default_the_registry_is_not_asked()
    {
        WriteBundle("1.0.0", "local");
        await using var resolver = NewResolver(options => options with { UseRegistry = false });
        var resolved = await resolver.ResolveAsync(Request(), Ct);
        (resolved.Text, resolved.Source, resolved.Rule).ShouldBe(("local", ByteSource.Files, "local-manifest"));
        gate.Passed.ShouldBe(0);
        new TemplateResolverOptions().FromEnvironment(_ => "true").UseRegistry.ShouldBeTrue();
        new TemplateResolverOptions().FromEnvironment(_ => null).UseRegistry.ShouldBeFalse();
    }

    [Theory]
    [InlineData(nameof(GateState.Cut))]
    [InlineData(nameof(GateState.Unavailable))]
    public async Task A_registry_that_is_gone_is_not_missed_by_who_has_asked_before(string how)
    {
        await using (var warm = NewResolver())
            await warm.ResolveAsync(Request(), Ct);
        gate.State = Enum.Parse<GateState>(how);
        await using var resolver = NewResolver();
        foreach (var days in (int[])[0, 1, 100])
        {
            time.Advance(TimeSpan.FromDays(days));
            var resolved = await resolver.ResolveAsync(Request(), Ct);
            resolved.Text.ShouldBe("one");
            resolved.PointerSource.ShouldBe(PointerSource.Registry);
        }
        var last = await resolver.ResolveAsync(Request(), Ct);
        (last.IsStale, last.Age).ShouldBe((true, TimeSpan.FromDays(101)));
    }

    [Fact]
    public async Task A_registry_that_is_gone_from_the_beginning_leaves_the_local_manifest()
    {
        gate.State = GateState.Cut;
        WriteBundle("0.9.0", "packed with the program");
        await using var resolver = NewResolver();
        var resolved = await resolver.ResolveAsync(Request(), Ct);
        (resolved.Text, resolved.PointerSource).ShouldBe(("packed with the program", PointerSource.LocalManifest));
        gate.State = GateState.Open;
        time.Advance(TimeSpan.FromSeconds(20));
        await resolver.ResolveAsync(Request(), Ct);
        await ServerFixture.UntilAsync(async () => (await resolver.ResolveAsync(Request(), Ct)).Text == "one");
    }

    [Fact]
    public async Task A_store_that_is_gone_leaves_files_with_the_same_digest_and_no_others()
    {
        gate.State = GateState.NoFiles;
        WriteBundle("1.0.0", "not one");
        await using (var strict = NewResolver())
        {
            var refused = await Should.ThrowAsync<TemplateUnresolvedException>(async () =>
                await strict.ResolveAsync(Request(), Ct)
            );
            refused.Attempts.Length.ShouldBe(3);
        }
        await using (var lenient = NewResolver(options => options with { Mode = ResolveMode.AllowUnpinnedFallback }))
        {
            var other = await lenient.ResolveAsync(Request(), Ct);
            (other.Text, other.IsPinned, other.Rule).ShouldBe(("not one", false, "unpinned"));
        }
        WriteBundle("1.0.0", "one");
        await using var resolver = NewResolver();
        var resolved = await resolver.ResolveAsync(Request(), Ct);
        (resolved.Text, resolved.Source, resolved.IsPinned).ShouldBe(("one", ByteSource.Files, true));
    }

    [Fact]
    public async Task A_registry_that_is_only_busy_is_asked_again_when_nobody_else_has_an_answer()
    {
        gate.State = GateState.Unavailable;
        await using var resolver = NewResolver(options => options with { Time = TimeProvider.System });
        var resolving = resolver.ResolveAsync(Request(), Ct).AsTask();
        await ServerFixture.UntilAsync(() => Task.FromResult(gate.Passed > 0));
        gate.State = GateState.Open;
        (await resolving).Text.ShouldBe("one");
    }

    [Fact]
    public async Task A_flipped_bit_on_the_way_is_never_served()
    {
        gate.State = GateState.FlipsFiles;
        await using (var resolver = NewResolver())
            await Should.ThrowAsync<TemplateUnresolvedException>(async () =>
                await resolver.ResolveAsync(Request(), Ct)
            );
        WriteBundle("1.0.0", "one");
        await using var mended = NewResolver();
        (await mended.ResolveAsync(Request(), Ct)).Source.ShouldBe(ByteSource.Files);
    }

    [Fact]
    public async Task A_flipped_bit_on_disk_drops_the_entry_and_the_store_mends_it()
    {
        await using (var warm = NewResolver())
            await warm.ResolveAsync(Request(), Ct);
        var path = Path.Combine(CacheFolder, name.Value, "1.0.0", "master_prompt_und");
        foreach (
            var damage in (byte[][])
                [
                    [(byte)'o', (byte)'n', (byte)'f'],
                    [],
                    [(byte)'o'],
                ]
        )
        {
            await File.WriteAllBytesAsync(path, damage, Ct);
            await using var resolver = NewResolver();
            var resolved = await resolver.ResolveAsync(Request(), Ct);
            (resolved.Text, resolved.Source).ShouldBe(("one", ByteSource.Store));
            File.ReadAllText(path).ShouldBe("one");
        }
    }

    [Fact]
    public async Task A_damaged_pointer_on_disk_is_dropped_whatever_the_damage()
    {
        await using (var warm = NewResolver())
            await warm.ResolveAsync(Request(), Ct);
        var path = Directory.GetFiles(Path.Combine(CacheFolder, name.Value, "_pointers")).ShouldHaveSingleItem();
        var whole = await File.ReadAllBytesAsync(path, Ct);
        gate.State = GateState.Cut;
        for (var at = 0; at < whole.Length; at += 7)
        {
            var flipped = whole.ToArray();
            flipped[at] ^= 1;
            await File.WriteAllBytesAsync(path, flipped, Ct);
            await using var resolver = NewResolver();
            await Should.ThrowAsync<TemplateUnresolvedException>(async () =>
                await resolver.ResolveAsync(Request(), Ct)
            );
            File.Exists(path).ShouldBeFalse();
        }
    }

    [Fact]
    public async Task A_bit_that_flips_in_memory_is_found_when_it_is_looked_at_again()
    {
        await using var resolver = NewResolver();
        var resolved = await resolver.ResolveAsync(Request(), Ct);
        System.Runtime.InteropServices.MemoryMarshal.AsMemory(resolved.Bytes).Span[0] ^= 1;
        time.Advance(TimeSpan.FromMinutes(2));
        (await resolver.ResolveAsync(Request(), Ct)).Text.ShouldBe("one");
    }

    [Fact]
    public async Task A_cache_folder_that_cannot_be_written_changes_nothing()
    {
        // A file where the folder should be: what a read-only folder is to everybody but root.
        await File.WriteAllTextAsync(CacheFolder, "", Ct);
        await using var resolver = NewResolver();
        (await resolver.ResolveAsync(Request(), Ct)).Source.ShouldBe(ByteSource.Store);
        (await resolver.ResolveAsync(Request(), Ct)).Source.ShouldBe(ByteSource.Memory);
    }

    [Fact]
    public async Task A_clock_that_jumps_loses_nothing()
    {
        await using (var warm = NewResolver())
            await warm.ResolveAsync(Request(), Ct);
        foreach (var jump in (int[])[-1000, 3000, -3000])
        {
            time.JumpWall(TimeSpan.FromDays(jump));
            gate.State = GateState.Cut;
            await using (var cut = NewResolver())
                (await cut.ResolveAsync(Request(), Ct)).Age.ShouldBeGreaterThanOrEqualTo(TimeSpan.Zero);
            gate.State = GateState.Open;
            await using var resolver = NewResolver();
            (await resolver.ResolveAsync(Request(), Ct)).Text.ShouldBe("one");
        }
    }

    [Fact]
    public async Task A_move_is_seen_after_the_interval_without_making_anybody_wait()
    {
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await using var resolver = NewResolver();
        (await resolver.ResolveAsync(Request(), Ct)).Text.ShouldBe("two");
        await PointDefaultAsync("1.0.0");
        (await resolver.ResolveAsync(Request(), Ct)).Text.ShouldBe("two");
        time.Advance(TimeSpan.FromSeconds(1));
        var meanwhile = await resolver.ResolveAsync(Request(), Ct);
        (meanwhile.Text, meanwhile.Source).ShouldBe(("two", ByteSource.Memory));
        await ServerFixture.UntilAsync(async () => (await resolver.ResolveAsync(Request(), Ct)).Text == "one");
    }

    [Fact]
    public async Task Twenty_that_follow_the_events_see_a_rollback_as_it_happens()
    {
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var resolvers = new List<TemplateResolver>();
        var following = new List<Task>();
        for (var i = 0; i < 20; i++)
        {
            var resolver = NewResolver(options => options with { CacheFolder = null });
            (await resolver.ResolveAsync(Request(), Ct)).Text.ShouldBe("two");
            following.Add(resolver.FollowAsync(name, stop.Token));
            resolvers.Add(resolver);
        }
        // The clock stands still: nothing but an event makes any of them ask.
        await PointDefaultAsync("1.0.0");
        await ServerFixture.UntilAsync(async () =>
        {
            foreach (var resolver in resolvers)
            {
                if ((await resolver.ResolveAsync(Request(), Ct)).Text != "one")
                    return false;
            }
            return true;
        });
        await stop.CancelAsync();
        foreach (var task in following)
            await Should.ThrowAsync<OperationCanceledException>(() => task);
        foreach (var resolver in resolvers)
            await resolver.DisposeAsync();
    }

    [Fact]
    public async Task What_is_switched_off_is_not_served_from_any_cache_also_after_the_registry_is_gone()
    {
        WriteBundle("1.0.0", "one");
        await using var resolver = NewResolver();
        await resolver.ResolveAsync(Request(), Ct);
        var read = await server.Owner.GetAsync($"/v1/templates/{name}");
        await server.Owner.SendAsync(HttpMethod.Put, $"/v1/templates/{name}", new { enabled = false }, read.Tag);
        time.Advance(TimeSpan.FromHours(25));
        foreach (var state in (GateState[])[GateState.Open, GateState.Cut])
        {
            gate.State = state;
            var refused = await Should.ThrowAsync<TemplateUnresolvedException>(async () =>
                await resolver.ResolveAsync(Request(), Ct)
            );
            refused.IsDisabled.ShouldBeTrue();
        }
        await using var restarted = NewResolver();
        await Should.ThrowAsync<TemplateUnresolvedException>(async () => await restarted.ResolveAsync(Request(), Ct));
    }

    [Fact]
    public async Task A_hundred_that_start_on_one_empty_cache_all_get_the_right_bytes()
    {
        var resolvers = Enumerable.Range(0, 100).Select(_ => NewResolver()).ToList();
        var results = await Task.WhenAll(
            resolvers.Select(resolver => Task.Run(async () => await resolver.ResolveAsync(Request(), Ct), Ct))
        );
        results.ShouldAllBe(result => result.Text == "one");
        foreach (var resolver in resolvers)
            await resolver.DisposeAsync();
        Directory.GetFiles(CacheFolder, "*.tmp", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_hundred_that_ask_one_resolver_at_once_ask_the_server_once()
    {
        await using var resolver = NewResolver();
        var results = await Task.WhenAll(
            Enumerable.Range(0, 100).Select(_ => Task.Run(async () => await resolver.ResolveAsync(Request(), Ct), Ct))
        );
        results.ShouldAllBe(result => result.Text == "one");
        (gate.Passed, gate.Files).ShouldBe((2, 1));
    }

    [Fact]
    public async Task A_key_stays_on_its_side_here_as_on_the_server()
    {
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await PointDefaultAsync("1.0.0", new { version = "1.1.0", percentage = 30 });
        await using var resolver = NewResolver();
        var candidates = 0;
        for (var i = 0; i < 60; i++)
        {
            var key = "user-" + i;
            var here = await resolver.ResolveAsync(Request() with { Key = key }, Ct);
            var there = await server.Owner.ResolveAsync(name, $"?kind=master_prompt&key={key}");
            here.Version.ShouldBe(there.Member("version"));
            here.Text.ShouldBe(here.Version == "1.1.0" ? "two" : "one");
            here.Rule.ShouldBe(there.Member("rule"));
            candidates += here.Rule == "candidate" ? 1 : 0;
        }
        candidates.ShouldBeInRange(6, 32);
        (await resolver.ResolveAsync(Request(), Ct)).Version.ShouldBe("1.0.0");
    }

    [Fact]
    public async Task Every_result_is_told_in_one_line()
    {
        var lines = new Lines();
        await using var resolver = new TemplateResolver(Options(), lines);
        await resolver.ResolveAsync(Request(), Ct);
        var digest = Digest.Of("one"u8);
        var first = $"{name}@1.0.0 system.md resolved from Store (default; {digest}; pointer from Registry, 0.0 s old)";
        lines.Told.ShouldBe([first]);
        time.Advance(TimeSpan.FromSeconds(0.5));
        await resolver.ResolveAsync(Request(), Ct);
        lines
            .Told[1]
            .ShouldBe(
                first
                    .Replace("Store", "Memory", StringComparison.Ordinal)
                    .Replace(", 0.0 s", ", 0.5 s", StringComparison.Ordinal)
            );
        lines.Values.ShouldBe(
            new Dictionary<string, object?>
            {
                ["Template"] = name.Value,
                ["Version"] = "1.0.0",
                ["Path"] = "system.md",
                ["Source"] = ByteSource.Memory,
                ["Rule"] = "default",
                ["Digest"] = digest.ToString(),
                ["PointerSource"] = PointerSource.Registry,
                ["AgeSeconds"] = 0.5,
            },
            ignoreOrder: true
        );
    }

    [Fact]
    public async Task A_healthy_file_of_another_version_is_no_fault_and_other_bytes_of_this_one_are()
    {
        gate.State = GateState.NoFiles;
        foreach (var (version, faults) in ((string, int)[])[("2.0.0", 0), ("1.0.0", 1)])
        {
            WriteBundle(version, "not one");
            var lines = new Lines();
            await using var resolver = new TemplateResolver(Options() with { CacheFolder = null }, lines);
            await Should.ThrowAsync<TemplateUnresolvedException>(async () =>
                await resolver.ResolveAsync(Request(), Ct)
            );
            lines.Told.Count(line => line.Contains("instead of", StringComparison.Ordinal)).ShouldBe(faults, version);
        }
    }

    [Fact]
    public async Task A_prompt_is_filled_in_with_what_it_declares_and_what_it_includes()
    {
        var (tone, prompt) = (ServerFixture.NewName(), ServerFixture.NewName());
        await server.Owner.PushAsync(
            tone,
            "1.0.0",
            [
                (Person.Prompt("snippet", "en.md", "en"), "Be kind."),
                (Person.Prompt("snippet", "fr.md", "fr"), "Sois gentil."),
            ]
        );
        var includes = new System.Text.Json.Nodes.JsonArray(
            new System.Text.Json.Nodes.JsonObject
            {
                ["name"] = "tone",
                ["template"] = tone.Value,
                ["version"] = "1.0.0",
                ["kind"] = "snippet",
            }
        );
        var pushed = await server.Owner.PushAsync(
            prompt,
            "1.0.0",
            [(Person.Prompt("master_prompt", "p.md"), "{{> tone}} Réponds à {{who}}.")],
            includes: includes
        );
        pushed.Status.ShouldBe(201, pushed.Text);
        await using var resolver = NewResolver();
        var request = new ArtifactRequest(prompt, Kind: "master_prompt", Locale: "fr-CA");
        var values = new Dictionary<string, string> { ["who"] = "{{not a variable}}" };
        var rendered = await resolver.RenderAsync(request, values, Ct);
        rendered.Text.ShouldBe("Sois gentil. Réponds à {{not a variable}}.");
        rendered.EstimatedTokens.ShouldBeInRange(8, 14);
        var refused = await Should.ThrowAsync<PromptRefusedException>(() =>
            resolver.RenderAsync(request, new Dictionary<string, string> { ["whom"] = "x" }, Ct)
        );
        (refused.Refusal.Missing.Single(), refused.Refusal.Unknown.Single()).ShouldBe(("who", "whom"));
    }

    [Fact]
    public async Task No_more_is_kept_in_memory_than_the_options_say()
    {
        var text = new string('x', 40_000);
        await server.Owner.PushPromptAsync(name, "1.1.0", text + "1");
        await server.Owner.PushPromptAsync(name, "1.2.0", text + "2");
        await using var resolver = NewResolver(options => options with { MemoryBytes = 150_000 });
        var (first, second) = (Request() with { Version = "1.1.0" }, Request() with { Version = "1.2.0" });
        (await resolver.ResolveAsync(first, Ct)).Source.ShouldBe(ByteSource.Store);
        time.Advance(TimeSpan.FromMilliseconds(1));
        var other = await resolver.ResolveAsync(second, Ct);
        (await resolver.ResolveAsync(first, Ct)).Source.ShouldBe(ByteSource.Memory);
        time.Advance(TimeSpan.FromMilliseconds(1));
        (await resolver.ResolveAsync(second, Ct)).Source.ShouldBe(ByteSource.Memory);
        // Its characters take twice the room of its bytes, so that now there is none for the other.
        other.Text.Length.ShouldBe(40_001);
        (await resolver.ResolveAsync(first, Ct)).Source.ShouldBe(ByteSource.DiskCache);
        other.Text.ShouldBe(text + "2");
    }

    [Fact]
    public async Task A_prompt_is_filled_in_with_the_parts_of_its_own_version()
    {
        var (tone, prompt) = (ServerFixture.NewName(), ServerFixture.NewName());
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            await server.Owner.PushAsync(tone, version, [(Person.Prompt("snippet", "t.md"), $"tone {version}")]);
            var pushed = await server.Owner.PushAsync(
                prompt,
                version,
                [(Person.Prompt("master_prompt", "p.md"), $"prompt {version}, {{{{> tone}}}}")],
                includes:
                [
                    new System.Text.Json.Nodes.JsonObject
                    {
                        ["name"] = "tone",
                        ["template"] = tone.Value,
                        ["version"] = version,
                        ["kind"] = "snippet",
                    },
                ]
            );
            pushed.Status.ShouldBe(201, pushed.Text);
        }
        var path = $"/v1/templates/{prompt}/channels/default";
        var made = await server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true);
        // The channel moves, and a day goes by, right after the prompt was chosen.
        var lines = new Lines();
        lines.Hear(() =>
        {
            var moving = server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.1.0" }, made.Tag);
            moving.GetAwaiter().GetResult().Status.ShouldBe(200);
            time.Advance(TimeSpan.FromDays(2));
        });
        await using var resolver = new TemplateResolver(Options(), lines);
        var rendered = await resolver.RenderAsync(
            new ArtifactRequest(prompt, Kind: "master_prompt"),
            new Dictionary<string, string>(),
            Ct
        );
        rendered.Text.ShouldBe("prompt 1.0.0, tone 1.0.0");
    }

    [Fact]
    public async Task What_was_replaced_is_let_go_while_it_is_remembered_of_a_file_that_nobody_asks_for()
    {
        WriteBundle("1.0.0", "one");
        await using var resolver = NewResolver(options =>
            options with
            {
                UseRegistry = false,
                CacheFolder = null,
                RevalidateAfter = TimeSpan.FromSeconds(1),
            }
        );
        var idle = Request();
        var busy = idle with { Locale = "fr" };
        await resolver.ResolveAsync(idle, Ct);
        var replaced = new List<WeakReference>();
        for (var i = 0; i < 50; i++)
            replaced.Add(await AskAnewAsync());
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        // The one that holds, and whatever the last calls have not let go yet.
        replaced.Count(one => one.IsAlive).ShouldBeLessThan(10);
        (await resolver.ResolveAsync(idle, Ct)).Text.ShouldBe("one");

        async Task<WeakReference> AskAnewAsync()
        {
            time.Advance(TimeSpan.FromSeconds(1));
            // The first begins the question, and those after it get its answer.
            while ((await resolver.ResolveAsync(busy, Ct)).Age > TimeSpan.Zero)
                await Task.Yield();
            return new WeakReference(await resolver.DescribeAsync(name, null, Ct));
        }
    }

    private ArtifactRequest Request() => new(name, Kind: "master_prompt");

    private TemplateResolverOptions Options() =>
        new()
        {
            Registry = new PlatenClient(
                gate.Address,
                server.OwnerKeyText,
                new PlatenClientOptions { Attempts = 1, AttemptTimeout = TimeSpan.FromSeconds(30) }
            ),
            UseRegistry = true,
            CacheFolder = CacheFolder,
            FilesFolder = FilesFolder,
            Time = time,
        };

    private TemplateResolver NewResolver(Func<TemplateResolverOptions, TemplateResolverOptions>? change = null) =>
        new(change is null ? Options() : change(Options()));

    private void WriteBundle(string version, string text)
    {
        var bundle = Path.Combine(FilesFolder, name.Value);
        Directory.CreateDirectory(bundle);
        File.WriteAllText(Path.Combine(bundle, "system.md"), text);
        File.WriteAllText(
            Path.Combine(bundle, "manifest.json"),
            JsonSerializer.Serialize(
                new
                {
                    template = name.Value,
                    version,
                    artifacts = new[]
                    {
                        new
                        {
                            kind = "master_prompt",
                            path = "system.md",
                            role = "system",
                        },
                    },
                }
            )
        );
    }

    private async Task PointDefaultAsync(string version, object? candidate = null)
    {
        var path = $"/v1/templates/{name}/channels/default";
        var now = await server.Owner.GetAsync(path);
        var moved = await server.Owner.SendAsync(
            HttpMethod.Put,
            path,
            new
            {
                version,
                candidate,
                reason = "test",
            },
            now.Status == 200 ? now.Tag : null,
            create: now.Status != 200
        );
        moved.Status.ShouldBeInRange(200, 201, moved.Text);
    }

    /// <summary>Asks until it is so; what never becomes so ends with the test's time limit.</summary>
    private sealed class Lines : ILogger
    {
        private Action? then;

        public List<string> Told { get; } = [];

        /// <summary>What the last line was made of, by name.</summary>
        public Dictionary<string, object?> Values { get; private set; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            lock (Told)
            {
                Told.Add(formatter(state, exception));
                if (state is IEnumerable<KeyValuePair<string, object?>> values)
                    Values = values.Where(value => value.Key != "{OriginalFormat}").ToDictionary();
            }
            Interlocked.Exchange(ref then, null)?.Invoke();
        }

        /// <summary>Does something within the next line.</summary>
        public void Hear(Action action) => then = action;
    }
}

using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel.Templates;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Templates.Tests;

/// <summary>
/// What disks, folders and processes really do: the built command line as a process of its own, with its file sizes limited, without
/// the right to write, and a hundred times at once; then versions that go and answers that were damaged.
/// </summary>
public sealed class FaultTests(ServerFixture server) : IDisposable
{
    private const int Processes = 100;
    private readonly TemplateName name = ServerFixture.NewName();
    private readonly string folder = PostgresFixture.NewFolder();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Cache => Path.Combine(folder, "cache");

    public void Dispose()
    {
        foreach (var one in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories).Prepend(folder))
            SetMode(one, writable: true);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_disk_on_which_no_file_grows_costs_only_the_cache()
    {
        var text = await PushLongAsync();
        // dash counts blocks of 512 bytes: a file gets its first ones, and then writing fails, as on a disk that is full.
        var result = await ResolveAsync("trap '' XFSZ; ulimit -f 2; exec \"$@\"");
        (result.ExitCode, result.Output).ShouldBe((0, text), result.Errors);
        result.Errors.ShouldContain("resolved from store");
        result.Errors.ShouldContain("cannot be written");
        Directory.EnumerateFiles(Cache, "master*", SearchOption.AllDirectories).ShouldBeEmpty("half a file is none");
        Directory.EnumerateFiles(Cache, ".*.tmp", SearchOption.AllDirectories).ShouldBeEmpty();

        (await ResolveAsync()).Errors.ShouldContain("resolved from store", customMessage: "when there is room again");
        (await ResolveAsync()).Errors.ShouldContain("resolved from cache");
    }

    [Fact]
    public async Task A_disk_that_is_full_costs_only_the_cache()
    {
        var text = await PushLongAsync();
        // A disk of two pages in a mount namespace of its own: what the registry said fits, the prompt does not. Where nobody may make
        // such a disk, one on which files do not grow has to do.
        var result = await ResolveAsync(
            $$"""
            mkdir -p '{{Cache}}'
            in_small='mount -t tmpfs -o size=8k none "$0" || exit 77
                "$@"; code=$?
                echo left: $(find "$0" -type f ! -path "*/_pointers/*" ! -name "*.meta") >&2
                exit $code'
            if unshare --user --map-root-user --mount true 2> /dev/null; then
                exec unshare --user --map-root-user --mount sh -c "$in_small" '{{Cache}}' "$@"
            fi
            trap '' XFSZ
            ulimit -f 2
            "$@"; code=$?
            echo left: >&2
            exit $code
            """
        );
        (result.ExitCode, result.Output).ShouldBe((0, text), result.Errors);
        result.Errors.ShouldContain("resolved from store");
        result.Errors.ShouldContain("cannot be written");
        result.Errors.TrimEnd().ShouldEndWith("left:", customMessage: "half a file is none");
    }

    [Fact]
    public async Task A_cache_folder_that_is_only_read_is_read_and_else_passed_over()
    {
        var text = await PushLongAsync();
        await using var gate = await Gate.BeforeAsync(server.Address);
        Directory.CreateDirectory(Cache);
        SetMode(Cache, writable: false);
        var empty = await ResolveAsync(AsReader, gate.Address);
        (empty.ExitCode, empty.Output).ShouldBe((0, text), empty.Errors);
        empty.Errors.ShouldContain("cannot be written");
        Directory.EnumerateFileSystemEntries(Cache).ShouldBeEmpty();

        SetMode(Cache, writable: true);
        (await ResolveAsync(address: gate.Address)).ExitCode.ShouldBe(0);
        foreach (var one in Directory.EnumerateDirectories(Cache, "*", SearchOption.AllDirectories).Prepend(Cache))
            SetMode(one, writable: false);
        gate.State = GateState.Cut;
        var warm = await ResolveAsync(AsReader, gate.Address);
        (warm.ExitCode, warm.Output).ShouldBe((0, text), warm.Errors);
        warm.Errors.ShouldContain("resolved from cache");
    }

    [Fact]
    public async Task A_hundred_processes_on_one_empty_cache_all_get_the_right_bytes()
    {
        var text = await PushLongAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, Processes).Select(_ => ResolveAsync()));
        results.ShouldAllBe(result => result.ExitCode == 0, string.Concat(results.Select(r => r.Errors).Take(3)));
        results.ShouldAllBe(result => result.Output == text);
        var file = Directory.EnumerateFiles(Cache, "master_prompt_*", SearchOption.AllDirectories);
        file.Where(path => !path.EndsWith(".meta", StringComparison.Ordinal))
            .ShouldAllBe(path => File.ReadAllText(path) == text);
        Directory.EnumerateFiles(Cache, ".*.tmp", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_version_that_is_removed_while_it_is_used_goes_on_where_its_bytes_are()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        var time = new ManualTime();
        await using var warm = NewResolver(server.Address, time, Cache);
        await using var told = NewResolver(server.Address, time, null);
        (await warm.ResolveAsync(Request("1.0.0"), Ct)).Text.ShouldBe("one");
        await told.DescribeAsync(name, "1.0.0", Ct);
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await ServerFixture.AgeAsync(admin, name, "true", Ct);
        }
        var gone = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/templates/{name}/versions:expire",
            new { unusedOlderThanDays = 1 }
        );
        gone.Json["removed"]!.AsArray().Count.ShouldBe(1);

        time.Advance(TimeSpan.FromHours(30));
        (await warm.ResolveAsync(Request("1.0.0"), Ct)).Text.ShouldBe("one");
        await using (var restarted = NewResolver(server.Address, time, Cache))
        {
            var resolved = await restarted.ResolveAsync(Request("1.0.0"), Ct);
            (resolved.Text, resolved.IsStale).ShouldBe(("one", true));
        }
        // Who was told of it and has no bytes gets none, and no other version's.
        await Should.ThrowAsync<TemplateUnresolvedException>(async () => await told.ResolveAsync(Request("1.0.0"), Ct));
        (await told.ResolveAsync(Request(null), Ct)).Text.ShouldBe("two");
    }

    [Fact]
    public async Task A_version_that_goes_between_its_choice_and_its_files_is_refused_and_not_empty()
    {
        var pushed = await server.Owner.PushPromptAsync(name, "1.0.0", "one", "draft");
        pushed.Status.ShouldBe(201, pushed.Text);
        await using var session = await server.Postgres.Pools.OpenAsync(
            Kernel.OperationContext.ForSystem(Kernel.OwnerId.Platform, "read template"),
            Ct
        );
        var state = (await new TemplateStates().FindAsync(session, name, Ct)).ShouldNotBeNull();
        var order = new { draftsOlderThanDays = 0 };
        await server.Owner.SendAsync(HttpMethod.Post, $"/v1/templates/{name}/versions:expire", order);
        var refused = await Should.ThrowAsync<Kernel.ProblemException>(async () =>
            await state.FilesAsync(server.Postgres.Pools, state.Versions[0], Ct)
        );
        refused.Problem.Type.ShouldBe(TemplatesProblems.NoSuchVersion);
    }

    [Fact]
    public async Task A_bit_that_flips_anywhere_in_an_answer_makes_it_nobodys()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await using var gate = await Gate.BeforeAsync(server.Address);
        var length = (await server.Owner.ResolveAsync(name)).Bytes.Length;
        gate.State = GateState.FlipsAnswers;
        for (var at = 0; at < length; at += 3)
        {
            gate.FlipAt = at;
            await using var resolver = NewResolver(gate.Address, new ManualTime(), null);
            await Should.ThrowAsync<TemplateUnresolvedException>(
                async () => await resolver.ResolveAsync(Request(null), Ct),
                $"the bit of byte {at}"
            );
        }
        gate.State = GateState.Open;
        await using var mended = NewResolver(gate.Address, new ManualTime(), null);
        (await mended.ResolveAsync(Request(null), Ct)).Text.ShouldBe("one");
    }

    private const string AsReader = "exec \"$@\"";

    private ArtifactRequest Request(string? version) => new(name, version, Kind: "master_prompt");

    private async Task<string> PushLongAsync()
    {
        var text = string.Concat(Enumerable.Repeat("A prompt of some length. ", 400));
        var pushed = await server.Owner.PushPromptAsync(name, "1.0.0", text);
        pushed.Status.ShouldBe(201, pushed.Text);
        return text;
    }

    private TemplateResolver NewResolver(Uri address, ManualTime time, string? cache) =>
        new(
            new TemplateResolverOptions
            {
                Registry = new PlatenClient(address, server.OwnerKeyText, new PlatenClientOptions { Attempts = 1 }),
                UseRegistry = true,
                CacheFolder = cache,
                Time = time,
            }
        );

    /// <summary>The command line in a process that a line of shell has prepared.</summary>
    private Task<CommandResult> ResolveAsync(string shell = "exec \"$@\"", Uri? address = null)
    {
        List<string> command = ["sh", "-c", shell, "sh"];
        // Root writes where it pleases unless it gives that up.
        if (shell == AsReader && Environment.IsPrivilegedProcess)
            command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--", .. command];
        return CommandResult.RunAsync(
            [
                .. command,
                "dotnet",
                Build.Cli,
                "resolve",
                name.Value,
                "--kind",
                "master_prompt",
                "--remote",
                "--cache",
                Cache,
            ],
            Ct,
            ("PLATEN_SERVER", (address ?? server.Address).ToString()),
            ("PLATEN_KEY", server.OwnerKeyText),
            ("HOME", folder),
            // The runtime's own files would meet the limit before the resolver's do.
            ("DOTNET_EnableDiagnostics", "0"),
            ("DOTNET_EnableWriteXorExecute", "0"),
            ("DOTNET_gcServer", "0"),
            ("DOTNET_TieredPGO", "0")
        );
    }

    private static void SetMode(string path, bool writable)
    {
        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode read = UnixFileMode.UserRead | UnixFileMode.UserExecute;
            File.SetUnixFileMode(path, writable ? read | UnixFileMode.UserWrite : read);
        }
    }
}

using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>
/// Programs that resolve templates while what they resolve from is taken away: the database, the store and the registry are real, and so
/// is their end.
/// </summary>
public sealed class ResolverOutageTests
{
    private const string Text = "Answer in one sentence.";
    private static readonly TemplateName Name = TemplateName.Parse("outage");
    private readonly string folder = PostgresFixture.NewFolder();
    private int resolved;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Bundle => Path.Combine(folder, "bundle", Name.Value);

    private string Cache => Path.Combine(folder, "cache");

    [Fact]
    public async Task No_resolve_fails_while_database_store_and_registry_go_one_after_another()
    {
        await using var server = await StartAsync();
        using var registry = ClientOf(server);
        await using var running = NewResolver(registry, Cache, files: null);
        (await running.ResolveAsync(Request, Ct)).Source.ShouldBe(ByteSource.Store);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task[] programs =
        [
            AskAsync(() => running, keep: true, stop.Token),
            AskAsync(() => NewResolver(registry, Cache, files: null), keep: false, stop.Token),
            AskAsync(() => NewResolver(registry, cache: null, Path.GetDirectoryName(Bundle)), keep: false, stop.Token),
        ];

        await GoOnAsync(programs, 30);
        server.KillDatabase();
        await GoOnAsync(programs, 60);
        await ServerProcess.WaitUntilAsync(
            "the registry after its database came back",
            TimeSpan.FromSeconds(60),
            async ct => (await server.RunCliAsync(ct, "templates", "show", Name.Value)).ExitCode == 0,
            Ct
        );

        var store = Path.Combine(server.DataFolder, "blobs");
        Directory.Move(store, store + ".gone");
        await GoOnAsync(programs, 60);
        Directory.Move(store + ".gone", store);

        await server.KillAsync(Ct);
        await GoOnAsync(programs, 60);
        await stop.CancelAsync();
        await Task.WhenAll(programs);
    }

    [Fact]
    public async Task A_bit_that_flips_in_the_registrys_store_is_given_to_nobody_and_a_push_mends_it()
    {
        await using var server = await StartAsync();
        using var registry = ClientOf(server);
        var stored = Directory
            .EnumerateFiles(
                server.DataFolder,
                Digest.Of(System.Text.Encoding.UTF8.GetBytes(Text)).Hex,
                SearchOption.AllDirectories
            )
            .ShouldHaveSingleItem();
        File.SetAttributes(stored, FileAttributes.Normal);
        var bytes = await File.ReadAllBytesAsync(stored, Ct);
        bytes[7] ^= 4;
        await File.WriteAllBytesAsync(stored, bytes, Ct);

        await using (var alone = NewResolver(registry, cache: null, files: null))
            await Should.ThrowAsync<TemplateUnresolvedException>(async () => await alone.ResolveAsync(Request, Ct));
        await using (var packed = NewResolver(registry, Cache, Path.GetDirectoryName(Bundle)))
            Check(await packed.ResolveAsync(Request, Ct));

        await PushAsync(server);
        await using var mended = NewResolver(registry, cache: null, files: null);
        var answer = await mended.ResolveAsync(Request, Ct);
        answer.Source.ShouldBe(ByteSource.Store);
        Check(answer);
    }

    private static ArtifactRequest Request => new(Name, Kind: "master_prompt");

    private async Task<PlatenServer> StartAsync()
    {
        Directory.CreateDirectory(Bundle);
        await File.WriteAllTextAsync(Path.Combine(Bundle, "system.md"), Text, Ct);
        await File.WriteAllTextAsync(
            Path.Combine(Bundle, "manifest.json"),
            """
            { "template": "outage", "version": "1.0.0",
              "artifacts": [ { "kind": "master_prompt", "path": "system.md", "role": "system" } ] }
            """,
            Ct
        );
        var server = await PlatenServer.StartAsync(PostgresFixture.NewFolder(), Ct, ("PLATEN_SAMPLES", "off"));
        await PushAsync(server);
        return server;
    }

    private async Task PushAsync(PlatenServer server)
    {
        var pushed = await server.RunCliAsync(Ct, "push", "--dir", Bundle);
        pushed.ExitCode.ShouldBe(0, pushed.Errors);
    }

    private static PlatenClient ClientOf(PlatenServer server) =>
        new(
            server.Address,
            server.OwnerKey,
            new PlatenClientOptions { Attempts = 1, AttemptTimeout = TimeSpan.FromSeconds(2) }
        );

    private static TemplateResolver NewResolver(PlatenClient registry, string? cache, string? files) =>
        new(
            new TemplateResolverOptions
            {
                Registry = registry,
                UseRegistry = true,
                CacheFolder = cache,
                FilesFolder = files,
                RevalidateAfter = TimeSpan.FromMilliseconds(20),
            }
        );

    /// <summary>A program that resolves again and again; with a resolver for each time, as one that is started anew.</summary>
    private async Task AskAsync(Func<TemplateResolver> open, bool keep, CancellationToken stop)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!stop.IsCancellationRequested)
        {
            var resolver = open();
            Check(await resolver.ResolveAsync(Request, Ct));
            if (!keep)
                await resolver.DisposeAsync();
            Interlocked.Increment(ref resolved);
            await pace.WaitForNextTickAsync(Ct);
        }
    }

    private static void Check(ResolvedArtifact resolved)
    {
        resolved.Text.ShouldBe(Text);
        (resolved.Version, resolved.IsPinned).ShouldBe(("1.0.0", true));
    }

    /// <summary>Lets them resolve so many times more; one that fails ends the test.</summary>
    private async Task GoOnAsync(Task[] programs, int times)
    {
        var until = Volatile.Read(ref resolved) + times;
        await ServerProcess.WaitUntilAsync(
            "the programs",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                if (programs.FirstOrDefault(one => one.IsCompleted) is { } ended)
                    await ended;
                return Volatile.Read(ref resolved) >= until;
            },
            Ct
        );
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>A push of many files that somebody is killed in the middle of: the next one sends what is missing, and nothing half is ever seen.</summary>
public sealed class PushResumeTests
{
    private const int Files = 120;
    private const int FileBytes = 20_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whoever_is_killed_while_pushing_the_next_push_sends_what_is_missing_and_commits_it_whole()
    {
        var (data, work) = (PostgresFixture.NewFolder(), PostgresFixture.NewFolder());
        var server = await StartAsync(data);
        try
        {
            var first = WriteBundle(work, "first");
            await using (var proxy = new CuttingProxy(server.Address))
            {
                using var kill = CancellationTokenSource.CreateLinkedTokenSource(Ct);
                var push = await PushHalfAsync(proxy, server, first, kill.Token);
                // What runs it kills it, without a chance to do anything.
                await kill.CancelAsync();
                await Should.ThrowAsync<OperationCanceledException>(push);
            }
            await GoesOnAsync(server, "first", first);

            var second = WriteBundle(work, "second");
            await using (var proxy = new CuttingProxy(server.Address))
            {
                var push = await PushHalfAsync(proxy, server, second, Ct);
                await server.KillAsync(Ct);
                var ended = await push;
                ended.ExitCode.ShouldNotBe(0, ended.Output);
                await server.DisposeAsync();
            }
            server = await StartAsync(data);
            await GoesOnAsync(server, "second", second);
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static Task<PlatenServer> StartAsync(string folder) =>
        PlatenServer.StartAsync(folder, Ct, ("PLATEN_SAMPLES", "off"));

    /// <summary>Begins a push that gets no further than about half of its bytes.</summary>
    private static async Task<Task<CommandResult>> PushHalfAsync(
        CuttingProxy proxy,
        PlatenServer server,
        string bundle,
        CancellationToken ct
    )
    {
        var half = proxy.SwallowAfter(Files * FileBytes / 2);
        var push = CommandResult.RunAsync(
            ["dotnet", Build.Cli, "--server", proxy.Address.ToString(), "push", "--dir", bundle, "--set-default"],
            ct,
            ("PLATEN_KEY", server.OwnerKey)
        );
        if (await Task.WhenAny(half, push) == push)
            (await push).ExitCode.ShouldBe(-1, "It ended before it was half done: " + (await push).Errors);
        return push;
    }

    private static async Task GoesOnAsync(PlatenServer server, string name, string bundle)
    {
        using var client = server.OpenClient();
        using (var nothing = await client.GetAsync($"v1/templates/{name}/resolve", Ct))
            nothing.StatusCode.ShouldBe(HttpStatusCode.NotFound, "nothing half is seen");
        var missing = await MissingAsync(client, name, bundle);
        missing.ShouldBeInRange(1, Files - 1);

        var again = await server.RunCliAsync(Ct, "push", "--dir", bundle, "--set-default", "--json");
        again.ExitCode.ShouldBe(0, again.Errors);
        var result = JsonNode.Parse(again.Output)!;
        result["outcome"]!.GetValue<string>().ShouldBe("committed");
        // What was on its way to the server when it was counted may have arrived since.
        result["uploaded"]!.GetValue<int>().ShouldBeInRange(1, missing);

        var pulled = Path.Combine(bundle, "..", name + "-pulled");
        var pull = await server.RunCliAsync(Ct, "pull", name, "--dir", pulled);
        pull.ExitCode.ShouldBe(0, pull.Errors);
        for (var i = 0; i < Files; i++)
        {
            var file = $"file-{i}.bin";
            (await File.ReadAllBytesAsync(Path.Combine(pulled, file), Ct)).ShouldBe(
                await File.ReadAllBytesAsync(Path.Combine(bundle, file), Ct),
                file
            );
        }
        var third = await server.RunCliAsync(Ct, "push", "--dir", bundle, "--set-default", "--json");
        var unchanged = JsonNode.Parse(third.Output)!;
        (unchanged["outcome"]!.GetValue<string>(), unchanged["uploaded"]!.GetValue<int>()).ShouldBe(("unchanged", 0));
    }

    private static async Task<int> MissingAsync(HttpClient client, string name, string bundle)
    {
        var digests = Directory
            .EnumerateFiles(bundle, "*.bin")
            .Select(path => Digest.Of(File.ReadAllBytes(path)).ToString());
        using var answer = await client.PostAsJsonAsync($"v1/templates/{name}/blobs:missing", new { digests }, Ct);
        var told = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!;
        return told["missing"]!.AsArray().Count;
    }

    private static string WriteBundle(string work, string name)
    {
        var bundle = Directory.CreateDirectory(Path.Combine(work, name)).FullName;
        var random = new Random(name.Length);
        var artifacts = new JsonArray();
        for (var i = 0; i < Files; i++)
        {
            var bytes = new byte[FileBytes];
            random.NextBytes(bytes);
            File.WriteAllBytes(Path.Combine(bundle, $"file-{i}.bin"), bytes);
            artifacts.Add(new JsonObject { ["kind"] = $"golden_example.n{i}", ["path"] = $"file-{i}.bin" });
        }
        var manifest = new JsonObject
        {
            ["template"] = name,
            ["version"] = "1.0.0",
            ["artifacts"] = artifacts,
        };
        File.WriteAllText(Path.Combine(bundle, "manifest.json"), manifest.ToJsonString());
        return bundle;
    }
}

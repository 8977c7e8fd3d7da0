using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Cli.Tests;

/// <summary>A publisher between servers that are a version older or newer than it.</summary>
public sealed class StageProtocolTests
{
    private const string Id = "wgt_curated_a";

    [Theory]
    [InlineData("""{"oldest":2,"newest":3}""")]
    [InlineData("""{"oldest":7,"newest":7}""")]
    public async Task A_cloud_that_speaks_no_version_of_ours_is_told_from_an_outage_and_gets_nothing(string protocol)
    {
        using var source = new OneAnswer(Page("authoring", 1, protocol: null, Item(1)));
        using var cloud = new OneAnswer(Page("cloud", 2, protocol));
        using var run = new CommandRun();
        (await PublishAsync(run, source, cloud, "--json")).ShouldBe(ExitCode.No, run.Error);
        var refusal = JsonNode.Parse(run.Error)!;
        run.Error.ShouldContain("stage-protocol-not-spoken");
        refusal["detail"]!.GetValue<string>().ShouldContain("nothing was published");
        Count(cloud).ShouldBe(1, cloud.Request);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("""{"oldest":1,"newest":1}""")]
    [InlineData("""{"oldest":1,"newest":2}""")]
    public async Task With_a_cloud_that_says_nothing_of_it_or_speaks_ours_too_it_goes_on_in_what_both_speak(
        string? protocol
    )
    {
        var artifact = Artifact("ours");
        using var source = new OneAnswer(Page("authoring", 1, protocol: null, Item(1)), artifact);
        using var cloud = new OneAnswer(Page("cloud", 2, protocol, Item(2)), Artifact("theirs"));
        using var run = new CommandRun();
        (await PublishAsync(run, source, cloud, "--dry-run", "--json")).ShouldBe(ExitCode.Ok, run.Error);
        var line = JsonNode.Parse(run.Out)!["results"]!.AsArray().Single()!;
        line["outcome"]!.GetValue<string>().ShouldBe("would be refused");
        line["changes"]!.ToJsonString().ShouldContain("ours");
        foreach (var asked in new[] { source, cloud })
        {
            Count(asked).ShouldBe(2, asked.Request);
            asked.Request.ShouldContain($"{StageProtocol.Field}: {StageProtocol.First}\r\n");
        }
    }

    [Fact]
    public async Task More_than_change_at_one_moment_are_refused_before_anything_is_pushed()
    {
        var items = Enumerable.Range(0, 2_001).Select(n => Item(1, "wgt_curated_many-" + n)).ToArray();
        using var source = new OneAnswer(Page("authoring", 1, protocol: null, items));
        using var cloud = new OneAnswer(Page("cloud", 2, protocol: null));
        using var run = new CommandRun();
        (await PublishAsync(run, source, cloud, "--json")).ShouldBe(ExitCode.No, run.Error);
        run.Error.ShouldContain("too-many-at-once");
        JsonNode.Parse(run.Error)!["detail"]!.GetValue<string>().ShouldContain("2,001");
        Count(cloud).ShouldBe(1, cloud.Request);
    }

    private static Task<int> PublishAsync(CommandRun run, OneAnswer source, OneAnswer cloud, params string[] more) =>
        run.RunAsync([
            "publish",
            "--all",
            "--to",
            cloud.Address,
            "--to-key",
            "platen_y",
            "--server",
            source.Address,
            "--key",
            "platen_x",
            .. more,
        ]);

    private static int Count(OneAnswer server) => server.Request.Split(" HTTP/1.1\r\n").Length - 1;

    private static string Page(string profile, int stage, string? protocol, params JsonNode[] items)
    {
        var page = new JsonObject
        {
            ["stage"] = $"00000000-0000-7000-8000-00000000000{stage}",
            ["profile"] = profile,
            ["items"] = new JsonArray([.. items]),
            ["nextCursor"] = null,
        };
        if (protocol is not null)
            page["protocol"] = JsonNode.Parse(protocol);
        return page.ToJsonString();
    }

    private static JsonNode Item(int snapshot, string id = Id) =>
        new JsonObject
        {
            ["publicId"] = id,
            ["widgetType"] = "content.faq",
            ["status"] = "published",
            ["snapshot"] = "sha256:" + new string((char)('0' + snapshot), 64),
            ["version"] = 1,
            ["live"] = null,
            ["isAsPublished"] = false,
            ["origin"] = null,
            ["files"] = new JsonArray(),
            ["content"] = null,
        };

    private static string Artifact(string heading) =>
        new JsonObject
        {
            ["repository"] = "curated/" + Id,
            ["digest"] = "sha256:" + new string('a', 64),
            ["manifest"] = "{}",
            ["version"] = 1,
            ["files"] = new JsonArray(
                new JsonObject
                {
                    ["path"] = "instance.json",
                    ["digest"] = "sha256:" + new string('b', 64),
                    ["text"] = new JsonObject { ["heading"] = heading }.ToJsonString(),
                }
            ),
        }.ToJsonString();
}

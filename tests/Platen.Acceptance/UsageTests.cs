using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Counts over the sudden end of the server that keeps them in memory.</summary>
public sealed class UsageTests
{
    private const string Id = "wgt_main_content.faq";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kill_9_loses_what_was_counted_since_the_last_writing_and_nothing_else()
    {
        const int written = 200;
        const int after = 50;
        var folder = PostgresFixture.NewFolder();
        await using (var first = await PlatenServer.StartWithSamplesAsync(folder, Ct))
        {
            using var client = first.OpenClient();
            await SeeAsync(client, written);
            await ServerProcess.WaitUntilAsync(
                "the counts are written",
                TimeSpan.FromSeconds(30),
                async _ => await ViewsAsync(first) == written,
                Ct
            );
            await SeeAsync(client, after);
            await first.KillAsync(Ct);
        }
        await using var second = await PlatenServer.StartAsync(folder, Ct);
        (await ViewsAsync(second)).ShouldBeInRange(written, written + after);

        // Whoever is told to stop writes first.
        var known = await ViewsAsync(second);
        using (var client = second.OpenClient())
            await SeeAsync(client, after);
        (await second.InterruptAsync(Ct)).ShouldBe(0);
        await using var third = await PlatenServer.StartAsync(folder, Ct);
        (await ViewsAsync(third)).ShouldBe(known + after);
    }

    private static async Task SeeAsync(HttpClient client, int times)
    {
        for (var i = 0; i < times; i++)
            await client.GetStringAsync("e/" + Id, Ct);
    }

    private static async Task<long> ViewsAsync(PlatenServer server)
    {
        var usage = await server.RunCliAsync(Ct, "usage", Id, "--json");
        usage.ExitCode.ShouldBe(0, usage.Errors);
        return JsonNode.Parse(usage.Output)!["views"]!.GetValue<long>();
    }
}

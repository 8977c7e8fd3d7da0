using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>What a newcomer does, with the built programs only.</summary>
public sealed class FirstStartTests
{
    private const string Faq = "wgt_main_content.faq";

    private static readonly string Sample = Path.Combine(Build.Repository, "samples", "widgets", Faq + ".json");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_server_says_where_everything_is_and_a_faq_goes_from_a_file_to_a_browser()
    {
        await using var server = await PlatenServer.StartAsync(NewFolder(), Ct, ("PLATEN_SAMPLES", "off"));
        server.Output.ShouldContain($"{server.Address}e/{Faq}");
        server.Output.ShouldContain(Path.Combine(server.DataFolder, "owner.key"));
        server.Output.ShouldNotContain(server.OwnerKey);
        // The step that comes next, as it is printed.
        const string Next = "dotnet run --project src/Platen.Cli -- publish ";
        var printed = server.Output.Split('\n').Single(line => line.Contains(Next, StringComparison.Ordinal));
        printed
            .Split(Next)[0]
            .Trim()
            .ShouldBe($"PLATEN_SERVER={server.Address.ToString().TrimEnd('/')} PLATEN_DATA='{server.DataFolder}'");
        Path.GetFullPath(Path.Combine(Build.Repository, printed.Split(Next)[1].Trim())).ShouldBe(Sample);
        if (!OperatingSystem.IsWindows())
        {
            File.GetUnixFileMode(Path.Combine(server.DataFolder, "owner.key"))
                .ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        using var client = server.OpenClient();
        (await client.GetAsync("e/" + Faq, Ct)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        var published = await server.RunCliAsync(Ct, "publish", Sample);
        published.ExitCode.ShouldBe(0, published.Errors);
        published.Output.ShouldContain($"live at {server.Address}e/{Faq}");
        var page = await client.GetStringAsync("e/" + Faq, Ct);
        var config = JsonNode.Parse(await File.ReadAllTextAsync(Sample, Ct))!["config"]!;
        page.ShouldContain(config["heading"]!.GetValue<string>());

        var again = await server.RunCliAsync(Ct, "publish", Sample, "--json");
        again.ExitCode.ShouldBe(0, again.Errors);
        JsonNode.Parse(again.Output).ShouldNotBeNull();
        var instance = await client.GetFromJsonAsync<JsonNode>("v1/instances/" + Faq, Ct);
        instance!["publication"]!["channelRevision"]!.GetValue<long>().ShouldBe(1);
    }

    [Fact]
    public async Task An_empty_standalone_server_publishes_the_samples()
    {
        await using var server = await PlatenServer.StartWithSamplesAsync(NewFolder(), Ct);
        using var client = new HttpClient { BaseAddress = server.Address };
        (await client.GetStringAsync("e/" + Faq, Ct)).ShouldContain("Platen");
    }

    [Fact]
    public async Task Ctrl_C_is_clean_and_leaves_no_process_behind()
    {
        await using var server = await PlatenServer.StartAsync(NewFolder(), Ct);
        var database = server.DatabaseProcess;
        // Quick enough for a person, also on a machine that has much else to do.
        (await server.InterruptAsync(Ct).WaitAsync(TimeSpan.FromSeconds(30), Ct)).ShouldBe(0);
        Directory.Exists($"/proc/{database}").ShouldBeFalse();
    }

    [Fact]
    public async Task A_second_start_on_the_same_folder_says_so_and_stops()
    {
        await using var server = await PlatenServer.StartAsync(NewFolder(), Ct);
        var (exitCode, output) = await PlatenServer.RunToEndAsync(server.DataFolder, Ct);
        exitCode.ShouldBe(1);
        output.ShouldContain("Another Platen server is using");
        output.ShouldContain(server.Address.ToString().TrimEnd('/'));
        using var client = new HttpClient { BaseAddress = server.Address };
        (await client.GetAsync("healthz", Ct)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("PLATEN_ROLES", "api,cook", "the roles are api, delivery, worker and studio")]
    [InlineData("PLATEN_PROFILE", "production", "write standalone, authoring or cloud")]
    [InlineData("PLATEN_URLS", "5080", "write addresses such as")]
    [InlineData("PLATEN_BLOBS", "ftp://x", "PLATEN_BLOBS cannot be used")]
    [InlineData("PLATEN_WIDGETS", "/nowhere", "PLATEN_WIDGETS is /nowhere")]
    [InlineData("PLATEN_LOG", "jsno", "write text or json")]
    public async Task A_setting_that_means_nothing_stops_the_start_with_a_sentence(
        string name,
        string value,
        string says
    )
    {
        var (exitCode, output) = await PlatenServer.RunToEndAsync(NewFolder(), Ct, (name, value));
        exitCode.ShouldBe(1, output);
        output.ShouldContain(says);
        output.ShouldNotContain("   at Platen.");
    }

    private static string NewFolder() => PostgresFixture.NewFolder();
}

using System.Text.Json.Nodes;

namespace Platen.Cli.Tests;

public sealed class EraseTests
{
    [Fact]
    public async Task Erasing_somebody_among_many_waits_until_the_server_is_done()
    {
        const string id = "01234567-0000-7000-8000-000000000000";
        using var server = new OneAnswer(
            $$"""{"id":"{{id}}","status":"running","count":3,"lookedAt":1000}""",
            $$"""{"id":"{{id}}","status":"done","count":9,"lookedAt":1500}"""
        );
        using var run = new CommandRun();
        string[] erase = ["submissions", "erase", "ada@example.org", "-w", "acme"];
        (await run.RunAsync([.. erase, "--server", server.Address, "--key", "platen_x"])).ShouldBe(
            ExitCode.Ok,
            run.Error
        );
        run.Out.ShouldBe("9 erased" + Environment.NewLine);
        run.Error.ShouldContain("1,000 looked at, 3 erased");
        server.Request.ShouldContain("{\"person\":\"ada@example.org\"}");
        server.Request.ShouldContain($"GET /v1/submissions/erasures/{id}?workspace=acme ");
    }

    [Theory]
    [InlineData("\"01234567-0000-7000-8000-000000000001\"", "platen jobs show 01234567-0000-7000-8000-000000000001")]
    [InlineData("null", "Run the same command again")]
    public async Task Erasing_that_the_server_gave_up_is_an_error_that_says_how_to_go_on(string job, string next)
    {
        const string id = "01234567-0000-7000-8000-000000000000";
        using var server = new OneAnswer(
            $$"""{"id":"{{id}}","status":"running","count":3,"lookedAt":1000,"jobId":null}""",
            $$"""{"id":"{{id}}","status":"failed","count":4,"lookedAt":2000,"jobId":{{job}}}"""
        );
        using var run = new CommandRun();
        string[] erase = ["submissions", "erase", "ada@example.org", "-w", "acme"];
        (await run.RunAsync([.. erase, "--server", server.Address, "--key", "platen_x"])).ShouldBe(ExitCode.No);
        run.Out.ShouldBeEmpty();
        run.Error.ShouldContain("2,000 looked at and 4 erased");
        run.Error.ShouldContain(next);
    }

    [Fact]
    public async Task Erasing_somebody_among_few_asks_once()
    {
        using var server = new OneAnswer("""{"id":null,"status":"done","count":2,"lookedAt":40}""");
        using var run = new CommandRun();
        string[] erase = ["submissions", "erase", "ada@example.org", "--json"];
        (await run.RunAsync([.. erase, "--server", server.Address, "--key", "platen_x"])).ShouldBe(
            ExitCode.Ok,
            run.Error
        );
        JsonNode.Parse(run.Out)!["erased"]!.GetValue<int>().ShouldBe(2);
    }
}

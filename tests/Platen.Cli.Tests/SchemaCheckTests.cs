using System.Text.Json;

namespace Platen.Cli.Tests;

/// <summary><c>platen schema check</c>.</summary>
public sealed class SchemaCheckTests
{
    private const string Schema =
        """{"type":"object","required":["a"],"properties":{"a":{"minimum":2},"b":{"format":"date"}}}""";

    [Theory]
    [InlineData("""{"a":2}""", 0)]
    [InlineData("""{"a":1}""", 1)]
    [InlineData("""{}""", 1)]
    [InlineData("""{"a":2""", 2)]
    public async Task The_exit_code_says_valid_invalid_or_unusable(string instance, int exitCode)
    {
        using var run = new CommandRun();
        run.Write("schema.json", Schema);
        run.Write("instance.json", instance);
        (await run.RunAsync("schema", "check", "schema.json", "instance.json")).ShouldBe(exitCode);
    }

    [Fact]
    public async Task A_fault_is_told_with_its_place()
    {
        using var run = new CommandRun();
        run.Write("schema.json", Schema);
        run.Write("instance.json", """{"a":1}""");
        (await run.RunAsync("schema", "check", "schema.json", "instance.json", "--json")).ShouldBe(1);
        run.Out.ShouldContain("/a");
        JsonElement.Parse(run.Out).ValueKind.ShouldBeOneOf(JsonValueKind.Object, JsonValueKind.Array);
    }

    [Fact]
    public async Task A_format_is_asserted_on_request_only()
    {
        using var run = new CommandRun();
        run.Write("schema.json", Schema);
        run.Write("instance.json", """{"a":2,"b":"2026-02-30"}""");
        (await run.RunAsync("schema", "check", "schema.json", "instance.json")).ShouldBe(0);
        (await run.RunAsync("schema", "check", "schema.json", "instance.json", "--assert-format")).ShouldBe(1);
    }

    [Fact]
    public async Task A_schema_that_is_none_is_unusable()
    {
        using var run = new CommandRun();
        run.Write("schema.json", """{"type":"text"}""");
        (await run.RunAsync("schema", "check", "schema.json")).ShouldBe(2);
    }

    [Fact]
    public async Task A_folder_in_the_public_suites_format_is_counted()
    {
        using var run = new CommandRun();
        run.Write(
            "suite/type.json",
            """
            [{"description":"integer","schema":{"type":"integer"},"tests":[
              {"description":"one","data":1,"valid":true},
              {"description":"a text","data":"1","valid":false},
              {"description":"wrongly expected","data":"1","valid":true}]}]
            """
        );
        (await run.RunAsync("schema", "check", "--suite", "suite")).ShouldBe(1);
        run.Out.ShouldContain("2 passed, 1 failed");
    }
}

using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Platen.Cli.Commands;

namespace Platen.Cli.Tests;

public sealed class CommandLineTests
{
    private const string Faq = """{"publicId":"wgt_main_content.faq","widgetType":"content.faq","config":{}}""";

    [Fact]
    public async Task The_reference_is_what_the_command_tree_says()
    {
        using var run = new CommandRun();
        var reference = DocsCommand.Render(RootCommandBuilder.Build(run.Terminal));

        var stored = await File.ReadAllTextAsync(
            Path.Combine(RepositoryRoot(), "docs", "reference", "cli.md"),
            TestContext.Current.CancellationToken
        );

        stored.ShouldBe(reference, "run: platen docs > docs/reference/cli.md");
    }

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("nonsense")]
    [InlineData("publish")]
    [InlineData("list", "--status", "nonsense")]
    [InlineData("events", "widget/x", "--after", "many")]
    [InlineData("completion", "powershell")]
    public async Task Wrong_usage_ends_with_2_and_names_the_help(params string[] args)
    {
        using var run = new CommandRun();

        (await run.RunAsync(args)).ShouldBe(ExitCode.Usage);

        run.Error.ShouldContain("--help");
        run.Out.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("publish", "no-such-file.json")]
    [InlineData("get", "not-an-id")]
    [InlineData("get", "/v1/instances/wgt_main_content.faq")]
    [InlineData("get", "ftp://127.0.0.1/e/wgt_main_content.faq")]
    [InlineData("status", "/e/not-an-id")]
    [InlineData("status", "http://127.0.0.1/e/")]
    [InlineData("explain", "not-an-id")]
    [InlineData("rollback", "wgt_main_Content")]
    [InlineData("jobs", "show", "12")]
    [InlineData("list", "--type", "Content.FAQ")]
    [InlineData("list", "--server", "ftp://x")]
    [InlineData("events", "widget/x", "--after", "-1")]
    [InlineData("list", "--key", "two words")]
    public async Task Input_that_cannot_be_read_ends_with_2(params string[] args)
    {
        using var run = new CommandRun();

        (await run.RunAsync(args)).ShouldBe(ExitCode.Usage);

        run.Error.ShouldContain("→");
    }

    [Theory]
    [InlineData("list")]
    [InlineData("status")]
    [InlineData("types")]
    [InlineData("doctor")]
    [InlineData("get", "wgt_main_content.faq")]
    [InlineData("publish", "wgt_main_content.faq")]
    [InlineData("rollback", "wgt_main_content.faq")]
    [InlineData("jobs", "list")]
    [InlineData("events", "widget/x")]
    public async Task A_server_that_is_not_there_ends_with_3_and_says_what_to_start(params string[] args)
    {
        using var run = new CommandRun();
        run.With("PLATEN_SERVER", $"http://127.0.0.1:{FreePort()}").With("PLATEN_KEY", "k");

        (await run.RunAsync(args)).ShouldBe(ExitCode.Unreachable);

        (run.Out + run.Error).ShouldContain("connection refused");
        (run.Out + run.Error).ShouldContain("Start the server");
    }

    [Fact]
    public async Task A_refusal_under_json_is_one_document_on_standard_error()
    {
        using var run = new CommandRun();

        (await run.RunAsync("get", "not-an-id", "--json")).ShouldBe(ExitCode.Usage);

        run.Out.ShouldBeEmpty();
        var refusal = JsonElement.Parse(run.Error);
        refusal.GetProperty("slug").GetString().ShouldBe("malformed-public-id");
        refusal.GetProperty("exitCode").GetInt32().ShouldBe(2);
    }

    [Theory]
    [InlineData("/e/wgt_main_content.faq", false)]
    [InlineData("/e/wgt_content.faq?locale=de", false)]
    [InlineData("/e/wgt_main_content.faq?locale=de&theme=dark", true)]
    [InlineData("/e/wgt_main_content.faq#faq-opening", true)]
    [InlineData("/w/wgt_main_content.faq/manifest.json", true)]
    public async Task An_instance_may_be_named_by_the_address_of_its_page_and_is_asked_for_there(
        string path,
        bool whole
    )
    {
        const string instance =
            """{"publicId":"wgt_main_content.faq","kind":"baseline","widgetType":"content.faq","status":"draft","revision":1,"config":{}}""";
        foreach (var command in new[] { "get", "status" })
        {
            using var server = new OneAnswer(instance, """{"moves":[]}""");
            using var elsewhere = new OneAnswer();
            using var run = new CommandRun();
            run.With("PLATEN_KEY", "k").With("PLATEN_SERVER", whole ? elsewhere.Address : server.Address);

            var code = await run.RunAsync(command, whole ? server.Address + path : path, "--json");

            code.ShouldBe(command == "get" ? ExitCode.Ok : ExitCode.No, run.Error);
            server.Request.ShouldStartWith("GET /v1/instances/wgt_main_content.faq HTTP/1.1\r\n");
            JsonElement.Parse(run.Out).GetProperty("publicId").GetString().ShouldBe("wgt_main_content.faq");
        }
    }

    [Fact]
    public async Task A_server_that_is_named_is_asked_for_the_instance_of_another_ones_address()
    {
        using var server = new OneAnswer("""{"publicId":"wgt_main_content.faq","revision":1,"config":{}}""");
        using var run = new CommandRun();
        run.With("PLATEN_KEY", "k");
        string[] args = ["get", "https://pages.example.org/e/wgt_main_content.faq", "--server", server.Address];

        (await run.RunAsync(args)).ShouldBe(ExitCode.Ok, run.Error);
    }

    [Theory]
    [InlineData("degraded", 200, "warn", ExitCode.Ok)]
    [InlineData("notReady", 503, "fail", ExitCode.No)]
    public async Task What_the_server_goes_on_without_is_a_warning_to_the_doctor_and_what_it_needs_a_failure(
        string status,
        int code,
        string verdict,
        int exitCode
    )
    {
        const string refusal =
            """{"type":"/problems/stale","title":"Stale","status":412,"detail":"Somebody was first.","advice":"Read it again."}""";
        var readiness = $$"""
            {"status":"{{status}}","version":"1","checks":[{"name":"database","ok":true,"detail":"PostgreSQL 18.4","advice":null,"durationMs":1},
            {"name":"redis","ok":false,"detail":"Redis does not count.","advice":"Start Redis.","durationMs":1}]}
            """;
        using var server = new OneAnswer(
            Whole(code, "application/json", readiness),
            """{"items":[],"nextCursor":null}""",
            """{"widgetTypes":[{"type":"content.faq"}]}""",
            Whole(412, "application/problem+json", refusal)
        );
        using var run = new CommandRun();
        run.With("PLATEN_SERVER", server.Address).With("PLATEN_KEY", "k");

        (await run.RunAsync("doctor", "--json")).ShouldBe(exitCode, run.Out + run.Error);

        var findings = JsonElement
            .Parse(run.Out)
            .GetProperty("findings")
            .EnumerateArray()
            .ToDictionary(finding => finding.GetProperty("about").GetString()!);
        var redis = findings["ready: redis"];
        redis.GetProperty("verdict").GetString().ShouldBe(verdict);
        redis.GetProperty("what").GetString().ShouldBe("Redis does not count.");
        redis.GetProperty("fix").GetString().ShouldBe("Start Redis.");
        findings["ready"].GetProperty("verdict").GetString().ShouldBe(verdict);
        findings["ready: database"].GetProperty("verdict").GetString().ShouldBe("ok");

        static string Whole(int status, string mediaType, string body) =>
            $"HTTP/1.1 {status} Said\r\nContent-Type: {mediaType}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}";
    }

    [Fact]
    public async Task One_bad_file_does_not_stop_the_others_and_the_exit_code_says_so()
    {
        using var run = new CommandRun();
        run.Write("w/a.json", "{");
        run.Write("w/b.json", Faq);
        run.With("PLATEN_SERVER", $"http://127.0.0.1:{FreePort()}").With("PLATEN_KEY", "k");

        (await run.RunAsync("publish", "w", "--json")).ShouldBe(ExitCode.Unreachable);

        var results = JsonElement.Parse(run.Out).GetProperty("results");
        results.GetArrayLength().ShouldBe(2);
        results[0].GetProperty("problem").GetProperty("exitCode").GetInt32().ShouldBe(ExitCode.Usage);
        results[1].GetProperty("name").GetString().ShouldBe(Path.Combine("w", "b.json"));
        results[1].GetProperty("problem").GetProperty("exitCode").GetInt32().ShouldBe(ExitCode.Unreachable);
    }

    [Fact]
    public async Task Of_two_files_with_one_id_neither_is_published()
    {
        using var run = new CommandRun();
        run.Write("w/a.json", Faq);
        run.Write("w/b.json", Faq);
        run.With("PLATEN_SERVER", $"http://127.0.0.1:{FreePort()}").With("PLATEN_KEY", "k");

        (await run.RunAsync("publish", "w")).ShouldBe(ExitCode.Usage);

        run.Error.ShouldContain(Path.Combine("w", "a.json") + ": wgt_main_content.faq is also what");
    }

    [Fact]
    public async Task Interrupted_ends_with_130()
    {
        using var run = new CommandRun();
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();

        var code = await PlatenCommandLine.RunAsync(["list", "--key", "k"], run.Terminal, stop.Token);

        code.ShouldBe(ExitCode.Interrupted);
    }

    [Fact]
    public async Task Help_of_every_command_lists_the_exit_codes()
    {
        using var run = new CommandRun();

        (await run.RunAsync("publish", "--help")).ShouldBe(ExitCode.Ok);

        run.Out.ShouldContain("--dry-run");
        foreach (var (_, meaning) in ExitCode.All)
            run.Out.ShouldContain(meaning);
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Completion_asks_the_program(string shell)
    {
        using var run = new CommandRun();

        (await run.RunAsync("completion", shell)).ShouldBe(ExitCode.Ok);

        run.Out.ShouldContain("[suggest:");
    }

    [Fact]
    public async Task An_unfinished_line_is_completed()
    {
        using var run = new CommandRun();

        (await run.RunAsync("[suggest:12]", "platen publi")).ShouldBe(ExitCode.Ok);

        run.Out.Trim().ShouldBe("publish");
    }

    [Fact]
    public void The_code_of_several_failures_names_what_to_mend_first()
    {
        ExitCode.Worst([0, 1, 5, 2]).ShouldBe(2);
        ExitCode.Worst([1, 4, 3]).ShouldBe(3);
        ExitCode.Worst([0, 0]).ShouldBe(0);
        ExitCode.Worst([]).ShouldBe(0);
    }

    private static string RepositoryRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Platen.slnx")))
                return at.FullName;
        }
        throw new InvalidOperationException("The tests run outside the repository.");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

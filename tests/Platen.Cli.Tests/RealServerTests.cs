using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Cli.Tests;

/// <summary>The built server with something of everything that commands read.</summary>
public sealed class RealServer : IAsyncLifetime
{
    public const string Faq = "wgt_main_content.faq";
    public const string Form = "wgt_main_forms.contact";
    public const string Unpublished = "wgt_curated_not-yet";
    public const string Template = "greeting";

    public PlatenServer Server { get; private set; } = null!;

    public string JobId { get; private set; } = "";

    public string WebhookId { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            CancellationToken.None,
            ("PLATEN_SAMPLES", "off")
        );
        using var run = Open();
        var samples = Path.Combine(Build.Repository, "samples", "widgets");
        await DoneAsync(
            run,
            "publish",
            Path.Combine(samples, Faq + ".json"),
            Path.Combine(samples, "wgt_main_forms.contact.json")
        );
        run.Write("bundle/greeting.md", "Hello, {{name}}.");
        run.Write(
            "bundle/manifest.json",
            $$"""{"template":"{{Template}}","artifacts":[{"kind":"master_prompt","path":"greeting.md"}]}"""
        );
        foreach (var version in new[] { "1.0.0", "1.1.0" })
        {
            run.Write("bundle/greeting.md", $"Hello, {{{{name}}}}, from {version}.");
            string[] push = ["push", "--template", Template, "--version", version, "--dir", "bundle"];
            await DoneAsync(run, version == "1.0.0" ? [.. push, "--set-default"] : push);
        }
        await DoneAsync(run, "workspaces", "create", "Readers", "--slug", "readers");
        var hook = await DoneAsync(run, "webhooks", "add", "https://hooks.example.org/", "--json");
        WebhookId = hook!["id"]!.GetValue<string>();
        await DoneAsync(run, "gc", "--dry-run");
        var jobs = await DoneAsync(run, "jobs", "list", "--json");
        JobId = jobs!["items"]![0]!["id"]!.GetValue<string>();
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    /// <summary>The command line, pointed at the server with the owner's key.</summary>
    internal CommandRun Open() =>
        new CommandRun().With("PLATEN_SERVER", Server.Address.ToString()).With("PLATEN_KEY", Server.OwnerKey);

    private static async Task<JsonNode?> DoneAsync(CommandRun run, params string[] args)
    {
        var before = run.Out.Length;
        if (await run.RunAsync(args) is not ExitCode.Ok and var code)
            throw new InvalidOperationException($"{string.Join(' ', args)} ended with {code}: {run.Error}");
        return args.Contains("--json") ? JsonNode.Parse(run.Out[before..]) : null;
    }
}

/// <summary>The commands in this process, against the built server.</summary>
public sealed class RealServerTests(RealServer real) : IClassFixture<RealServer>
{
    /// <summary>
    /// Commands that change something, or that print what is not for machines: <see cref="WritingCommandsTests"/> and the tests of their
    /// modules run them.
    /// </summary>
    private static readonly string[] NotReading =
    [
        "publish",
        "rollback",
        "cutovers preview",
        "cutovers revert",
        "cutovers cancel",
        "push",
        "pull",
        "templates stable",
        "templates deprecate",
        "templates default",
        "templates approve",
        "templates reject",
        "templates expire",
        "templates enable",
        "templates disable",
        "templates protect",
        "templates unprotect",
        "import folder",
        "import fabric",
        "import langfuse",
        "migrate-legacy",
        "submissions export",
        "submissions erase",
        "embed access",
        "embed revoke",
        "webhooks add",
        "webhooks remove",
        "webhooks pause",
        "webhooks resume",
        "webhooks rotate",
        "webhooks ping",
        "webhooks redeliver",
        "jobs retry",
        "gc",
        "workspaces create",
        "workspaces change",
        "workspaces delete",
        "workspaces restore",
        "members role",
        "members remove",
        "members invite",
        "members resend",
        "members revoke",
        "keys create",
        "keys rotate",
        "keys revoke",
        "people add",
        "people disable",
        "people enable",
        "people delete",
        "audit export",
        "login",
        "logout",
        "profiles use",
        // Its output is the canonical bytes.
        "json canonical",
    ];

    /// <summary>How each of the others is asked, and what it ends with when that is not 0.</summary>
    private Dictionary<string, (string[] Arguments, int Code)> Reading =>
        new()
        {
            ["status"] = ([], 0),
            ["cutovers list"] = ([], 0),
            ["cutovers show"] = ([Guid.Empty.ToString()], 1),
            ["preview"] = ([RealServer.Faq], 0),
            ["get"] = ([RealServer.Faq], 0),
            ["list"] = ([], 0),
            ["types"] = ([], 0),
            ["resolve"] = ([RealServer.Template, "--remote", "--kind", "master_prompt", "--cache", "cache"], 0),
            ["templates list"] = ([], 0),
            ["templates show"] = ([RealServer.Template], 0),
            ["templates diff"] = ([RealServer.Template, "1.0.0", "1.1.0"], 1),
            ["templates channels"] = ([RealServer.Template], 0),
            ["templates requests"] = ([RealServer.Template], 0),
            ["templates changelog"] = ([RealServer.Template], 0),
            ["templates pins"] = ([RealServer.Template], 0),
            ["templates trials"] = ([RealServer.Template, "default"], 0),
            ["templates retention"] = ([], 0),
            ["submissions list"] = ([RealServer.Form], 0),
            ["submissions retention"] = ([], 0),
            ["embed token"] = ([RealServer.Faq], 0),
            ["usage"] = ([RealServer.Faq], 0),
            ["webhooks list"] = ([], 0),
            ["webhooks deliveries"] = ([real.WebhookId], 0),
            ["events"] = (["widget/" + RealServer.Faq], 0),
            ["jobs list"] = ([], 0),
            ["jobs show"] = ([real.JobId], 0),
            ["workspaces list"] = ([], 0),
            ["workspaces show"] = (["readers"], 0),
            ["members list"] = (["--workspace", "readers"], 0),
            ["members invitations"] = (["--workspace", "readers"], 0),
            ["keys list"] = ([], 0),
            ["people list"] = ([], 0),
            ["audit list"] = (["--workspace", "readers"], 0),
            ["profiles list"] = ([], 0),
            ["whoami"] = ([], 0),
            ["doctor"] = ([], 0),
            ["verify"] = (["--id", RealServer.Faq], 0),
            ["explain"] = ([RealServer.Faq], 0),
            ["schema check"] = (["schema.json", "schema.json"], 0),
            ["json digest"] = (["schema.json"], 0),
            ["version satisfies"] = (["1.x", "1.2.3"], 0),
            ["version sort"] = (["2.0.0", "1.0.0"], 0),
            ["version max"] = (["1.x", "1.2.3", "2.0.0"], 0),
            ["language lookup"] = (["de-CH", "de", "en"], 0),
            ["language canonical"] = (["DE-ch"], 0),
            ["completion"] = (["bash"], 0),
        };

    /// <summary>Every command of the tree that runs something.</summary>
    public static IEnumerable<TheoryDataRow<string>> Commands()
    {
        using var run = new CommandRun();
        return [.. Leaves(RootCommandBuilder.Build(run.Terminal), "").Select(name => new TheoryDataRow<string>(name))];
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Every_command_explains_itself(string command)
    {
        using var run = new CommandRun();
        (await run.RunAsync([.. command.Split(' '), "--help"])).ShouldBe(ExitCode.Ok, run.Error);
        run.Out.ShouldContain("Usage:");
        run.Out.ShouldContain($" {command} ");
        run.Out.ShouldContain("Exit codes:");
        run.Error.ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Every_command_that_reads_prints_one_document_under_json(string command)
    {
        if (NotReading.Contains(command))
            return;
        Reading.ShouldContainKey(command, "say how a new command is asked, or that it does not only read");
        var (arguments, expected) = Reading[command];
        using var run = real.Open();
        run.Write("schema.json", """{"type":"object"}""");
        var code = await run.RunAsync([.. command.Split(' '), .. arguments, "--json"]);
        code.ShouldBe(expected, run.Error + run.Out);
        var documents = command == "events" ? run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [run.Out];
        // A thing that is not there is said as a document too, where problems are said.
        if (run.Out.Length == 0 && code != ExitCode.Ok)
            documents = [run.Error];
        documents.ShouldNotBeEmpty();
        foreach (var document in documents)
            JsonDocument.Parse(document).RootElement.ValueKind.ShouldBe(JsonValueKind.Object);
    }

    [Fact]
    public async Task What_get_prints_is_what_publish_reads()
    {
        using var run = real.Open();
        (await run.RunAsync("get", RealServer.Faq)).ShouldBe(ExitCode.Ok, run.Error);
        var got = run.Out;
        run.Write("again.json", got);
        (await run.RunAsync("publish", "again.json", "--json")).ShouldBe(ExitCode.Ok, run.Error);
        var unchanged = JsonNode.Parse(run.Out[got.Length..])!["results"]!.AsArray().Single()!;
        unchanged["outcome"]!.GetValue<string>().ShouldBe("already live");

        var changed = JsonNode.Parse(got)!;
        changed["locales"]!.AsObject().Count.ShouldBeGreaterThan(0);
        changed["publicId"] = "wgt_curated_copied";
        changed["config"]!["heading"] = "Copied";
        using var copy = real.Open();
        copy.Write("copy.json", changed.ToJsonString());
        (await copy.RunAsync("publish", "copy.json")).ShouldBe(ExitCode.Ok, copy.Error);
        using var read = real.Open();
        (await read.RunAsync("get", "wgt_curated_copied", "--json")).ShouldBe(ExitCode.Ok, read.Error);
        JsonNode.DeepEquals(JsonNode.Parse(read.Out), changed).ShouldBeTrue(read.Out);
    }

    [Fact]
    public async Task Status_ends_with_0_when_live_and_with_1_when_not()
    {
        using var client = real.Server.OpenClient();
        using (var saved = await SaveAsync(client, RealServer.Unpublished))
            saved.IsSuccessStatusCode.ShouldBeTrue();
        foreach (
            var (id, code, says) in new[]
            {
                (RealServer.Faq, ExitCode.Ok, "live"),
                (RealServer.Unpublished, ExitCode.No, "not live"),
            }
        )
        {
            using var run = real.Open();
            (await run.RunAsync("status", id)).ShouldBe(code, run.Error);
            run.Out.Split('\n')[0].ShouldEndWith("  " + says);
        }
        using var nothing = real.Open();
        (await nothing.RunAsync("status", "wgt_curated_never-made")).ShouldBe(ExitCode.No);
        nothing.Error.ShouldContain("no instance");
    }

    [Fact]
    public async Task A_rollback_undoes_the_last_move_or_returns_to_the_one_named()
    {
        const string one = "wgt_curated_rolled";
        const string other = "wgt_curated_rolled-too";
        var releases = new List<string> { "" };
        for (var n = 1; n <= 3; n++)
        {
            releases.Add(await PublishAsync(one, n));
            await PublishAsync(other, n);
        }
        var undone = await DocumentAsync("rollback", one);
        undone["outcome"]!.GetValue<string>().ShouldBe("rolled back");
        (Release(undone), undone["channelRevision"]!.GetValue<long>()).ShouldBe((releases[2], 4));
        Release(await DocumentAsync("rollback", one, "--to", "1", "--reason", "the first was better"))
            .ShouldBe(releases[1]);
        (await LiveAsync(one)).ShouldBe(releases[1]);
        (await RefusedAsync(ExitCode.No, "rollback", one, "--to", "99")).ShouldContain("nothing-to-roll-back-to");
        (await LiveAsync(one)).ShouldBe(releases[1]);
        (await DocumentAsync("rollback", one, "--to", "1"))["outcome"]!.GetValue<string>().ShouldBe("already live");

        // Put off, listed, and called off.
        var when = TimeProvider.System.GetUtcNow().AddDays(30).ToString("O", CultureInfo.InvariantCulture);
        var due = await DocumentAsync("rollback", one, "--to", "3", "--at", when);
        var id = due["id"]!.GetValue<string>();
        due["state"]!.GetValue<string>().ShouldBe("scheduled");
        (await ListedAsync(id)).ShouldBe("scheduled");
        (await DocumentAsync("cutovers", "cancel", id))["state"]!.GetValue<string>().ShouldBe("cancelled");
        (await ListedAsync(id)).ShouldBe("cancelled");
        (await LiveAsync(one)).ShouldBe(releases[1]);

        // Several go back at one moment, and that is undone as a whole.
        var before = await LiveAsync(other);
        var together = await DocumentAsync("rollback", one, other, "--to", "2");
        together["state"]!.GetValue<string>().ShouldBe("done");
        (await LiveAsync(one)).ShouldBe(releases[2]);
        (await LiveAsync(other)).ShouldNotBe(before);
        await DocumentAsync("cutovers", "revert", together["id"]!.GetValue<string>(), "--reason", "it was not");
        (await LiveAsync(one)).ShouldBe(releases[1]);
        (await LiveAsync(other)).ShouldBe(before);

        static string Release(JsonNode said) => said["release"]!.GetValue<string>();

        async Task<string> ListedAsync(string cutover) =>
            (await DocumentAsync("cutovers", "list"))["items"]!
                .AsArray()
                .Single(item => item!["id"]!.GetValue<string>() == cutover)!["state"]!.GetValue<string>();

        async Task<string> LiveAsync(string id)
        {
            using var client = real.Server.OpenClient();
            var publication = await client.GetStringAsync(
                $"v1/instances/{id}/publication",
                TestContext.Current.CancellationToken
            );
            return Release(JsonNode.Parse(publication)!);
        }

        async Task<string> PublishAsync(string id, int n)
        {
            using var run = real.Open();
            run.Write(
                "rolled.json",
                $$"""
                {"publicId":"{{id}}","widgetType":"content.faq","status":"published","config":{"heading":"Edition {{n}} of {{id}}",
                  "items":[{"id":"a","question":"Which?","answer":[{"type":"paragraph","text":"This."}]}]} }
                """
            );
            (await run.RunAsync("publish", "rolled.json", "--json")).ShouldBe(ExitCode.Ok, run.Error);
            return Release(JsonNode.Parse(run.Out)!["results"]!.AsArray().Single()!);
        }
    }

    [Fact]
    public async Task An_address_says_what_the_id_in_it_says()
    {
        foreach (var command in new[] { "status", "get" })
        {
            using var byId = real.Open();
            (await byId.RunAsync(command, RealServer.Faq)).ShouldBe(ExitCode.Ok, byId.Error);
            using var byAddress = new CommandRun().With("PLATEN_KEY", real.Server.OwnerKey);
            var address = new Uri(real.Server.Address, $"e/{RealServer.Faq}?locale=de").ToString();
            (await byAddress.RunAsync(command, address)).ShouldBe(ExitCode.Ok, byAddress.Error);
            byAddress.Out.ShouldBe(byId.Out);
        }
    }

    [Fact]
    public async Task The_doctor_says_what_a_key_may_not_and_that_there_is_none()
    {
        using (var healthy = real.Open())
        {
            (await healthy.RunAsync("doctor")).ShouldBe(ExitCode.Ok, healthy.Out);
            healthy.Out.ShouldNotContain("fail");
        }

        using var made = real.Open();
        (await made.RunAsync("keys", "create", "reader", "--scope", "instances:read", "--json")).ShouldBe(
            ExitCode.Ok,
            made.Error
        );
        using (var reader = real.Open().With("PLATEN_KEY", JsonNode.Parse(made.Out)!["secret"]!.GetValue<string>()))
        {
            (await reader.RunAsync("doctor")).ShouldBe(ExitCode.NotAllowed, reader.Out);
            reader.Out.ShouldContain("right to read instances: yes");
            reader.Out.ShouldContain("fail  right to publish curated content");
        }

        using (var keyless = new CommandRun().With("PLATEN_SERVER", real.Server.Address.ToString()))
        {
            (await keyless.RunAsync("doctor")).ShouldBe(ExitCode.NotAllowed, keyless.Out);
            keyless.Out.ShouldContain("fail  key: there is none");
        }
    }

    [Fact]
    public async Task People_are_added_disabled_enabled_and_deleted_by_address_or_id()
    {
        const string email = "grace@example.org";
        var id = (await DocumentAsync("people", "add", "Grace Hopper", email))["id"]!.GetValue<Guid>().ToString();
        (await RefusedAsync(ExitCode.Stale, "people", "add", "Grace Hopper", email)).ShouldContain("email-taken");
        (await StateAsync()).ShouldBe(null);
        await DocumentAsync("people", "disable", email.ToUpperInvariant());
        (await StateAsync()).ShouldNotBeNull();
        (await DocumentAsync("people", "list", "--disabled"))["items"]!.AsArray().ShouldHaveSingleItem();
        await DocumentAsync("people", "enable", id);
        (await StateAsync()).ShouldBe(null);
        (await DocumentAsync("people", "delete", email))["id"]!.GetValue<string>().ShouldBe(id);
        (await RefusedAsync(ExitCode.No, "people", "delete", email)).ShouldContain("not-found");
        (await DocumentAsync("people", "list", "--email", email))["items"]!.AsArray().ShouldBeEmpty();

        async Task<JsonNode?> StateAsync() =>
            (await DocumentAsync("people", "list", "--email", email))["items"]!.AsArray().ShouldHaveSingleItem()![
                "disabledAt"
            ];
    }

    [Fact]
    public async Task The_audit_log_is_listed_over_its_pages_filtered_and_exported_whole()
    {
        await DocumentAsync("workspaces", "create", "Audited", "--slug", "audited");
        // More than a page of the API, so that the list has to go on.
        var subjects = new List<string>();
        for (var i = 0; i < 30; i++)
        {
            string[] create = ["keys", "create", $"key {i}, \"x\"", "--scope", "files:read", "-w", "audited"];
            var id = (await DocumentAsync(create))["id"]!.GetValue<string>();
            await DocumentAsync("keys", "revoke", id, "-w", "audited");
            subjects.AddRange(["key/" + id, "key/" + id]);
        }
        string[] made = ["-w", "audited", "--action", "key.*"];
        var all = await DocumentAsync(["audit", "list", .. made]);
        all["more"]!.GetValue<bool>().ShouldBeFalse();
        all["items"]!
            .AsArray()
            .Select(entry => entry!["subject"]!.GetValue<string>())
            .ShouldBe(subjects.AsEnumerable().Reverse());
        var some = await DocumentAsync(["audit", "list", .. made, "--most", "3"]);
        some["more"]!.GetValue<bool>().ShouldBeTrue();
        some["items"]!.AsArray().Count.ShouldBe(3);
        var one = await DocumentAsync(
            "audit",
            "list",
            "-w",
            "audited",
            "--subject",
            subjects[14],
            "--action",
            "key.created"
        );
        one["items"]!.AsArray().ShouldHaveSingleItem()!["detail"]!["name"]!.GetValue<string>().ShouldBe("key 7, \"x\"");
        (await DocumentAsync("audit", "list", "-w", "audited", "--actor", Guid.Empty.ToString()))["items"]!
            .AsArray()
            .ShouldBeEmpty();
        (await DocumentAsync("audit", "list", "-w", "audited", "--to", "2001-01-01"))["items"]!
            .AsArray()
            .ShouldBeEmpty();

        using var run = real.Open();
        (await run.RunAsync(["audit", "export", .. made, "--csv", "--out", "audit.csv"])).ShouldBe(
            ExitCode.Ok,
            run.Error
        );
        var csv = await File.ReadAllLinesAsync(
            Path.Combine(run.Folder, "audit.csv"),
            TestContext.Current.CancellationToken
        );
        csv.Length.ShouldBe(61);
        csv[0].ShouldStartWith("id,at,actor,");
        for (var i = 0; i < subjects.Count; i++)
            csv[i + 1].ShouldContain(subjects[i]);
        Directory.GetFiles(run.Folder).ShouldHaveSingleItem();
        using var lines = real.Open();
        (await lines.RunAsync(["audit", "export", .. made, "--format", "jsonl"])).ShouldBe(ExitCode.Ok, lines.Error);
        lines
            .Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!["subject"]!.GetValue<string>())
            .ShouldBe(subjects);
        (await RefusedAsync(ExitCode.Usage, "audit", "export", "--csv", "--format", "jsonl")).ShouldContain("usage");
        (await RefusedAsync(ExitCode.No, "audit", "list", "--from", "yesterday")).ShouldContain("yesterday");
        (await RefusedAsync(ExitCode.No, "audit", "export", "-w", "nowhere", "--out", "x.csv")).ShouldContain("404");
    }

    private async Task<JsonNode> DocumentAsync(params string[] arguments)
    {
        using var run = real.Open();
        (await run.RunAsync([.. arguments, "--json"])).ShouldBe(ExitCode.Ok, run.Error);
        return JsonNode.Parse(run.Out)!;
    }

    private async Task<string> RefusedAsync(int code, params string[] arguments)
    {
        using var run = real.Open();
        (await run.RunAsync([.. arguments, "--json"])).ShouldBe(code, run.Error + run.Out);
        return run.Error;
    }

    private static async Task<HttpResponseMessage> SaveAsync(HttpClient client, string id)
    {
        using var put = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id);
        put.Headers.TryAddWithoutValidation("If-None-Match", "*");
        put.Content = new StringContent(
            """
            {"widgetType":"content.faq","config":{"heading":"Not yet","items":[
              {"id":"a","question":"Is it live?","answer":[{"type":"paragraph","text":"No."}]}]}}
            """,
            System.Text.Encoding.UTF8,
            "application/json"
        );
        return await client.SendAsync(put, TestContext.Current.CancellationToken);
    }

    private static IEnumerable<string> Leaves(Command command, string path) =>
        command.Subcommands.Count == 0
            ? [path]
            : command
                .Subcommands.Where(child => !child.Hidden)
                .SelectMany(child =>
                    Leaves(child, string.Create(CultureInfo.InvariantCulture, $"{path} {child.Name}").TrimStart())
                );
}

using System.Text;
using System.Text.Json.Nodes;
using Platen.Cli;
using Platen.Kernel.Templates;
using Platen.Testing;

namespace Platen.Templates.Tests;

/// <summary>The command line against the real server, with real bundles where they are.</summary>
public sealed class CommandLineTests(ServerFixture server) : IDisposable
{
    private readonly string folder = PostgresFixture.NewFolder();
    private readonly TemplateName name = ServerFixture.NewName();
    private StringWriter output = new();
    private StringWriter error = new();
    private Uri? address;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_bundle_is_pushed_pulled_resolved_and_pushed_again_without_a_change()
    {
        WriteBundle("Vous êtes {{qui}}.");
        (
            await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--set-default", "--dir", "bundle")
        ).ShouldBe(0, error.ToString());
        Out.ShouldContain("committed");
        Out.ShouldContain("default is 1.0.0 now");
        (
            await RunAsync(
                "push",
                "--template",
                name.Value,
                "--version",
                "1.0.0",
                "--set-default",
                "--dir",
                "bundle",
                "--json"
            )
        ).ShouldBe(0);
        var again = JsonNode.Parse(Out)!;
        (again["outcome"]!.GetValue<string>(), again["uploaded"]!.GetValue<int>()).ShouldBe(("unchanged", 0));

        (await RunAsync("pull", name.Value, "--dir", "pulled")).ShouldBe(0, error.ToString());
        File.ReadAllText(Path.Combine(folder, "pulled", "fr", "master.md")).ShouldBe("Vous êtes {{qui}}.");
        (await RunAsync("push", "--dir", "pulled")).ShouldBe(0, error.ToString());
        Out.ShouldContain("unchanged");

        (
            await RunAsync(
                "resolve",
                name.Value,
                "--kind",
                "master_prompt",
                "--locale",
                "fr-CA",
                "--remote",
                "--cache",
                "cache"
            )
        ).ShouldBe(0, error.ToString());
        Out.ShouldBe("Vous êtes {{qui}}.");
        error.ToString().ShouldContain("resolved from store");
        (
            await RunAsync(
                "resolve",
                name.Value,
                "--kind",
                "master_prompt",
                "--remote",
                "--cache",
                "cache",
                "--json",
                "--set",
                "qui=Ada"
            )
        ).ShouldBe(0);
        var json = JsonNode.Parse(Out)!;
        (json["source"]!.GetValue<string>(), json["text"]!.GetValue<string>()).ShouldBe(("cache", "Vous êtes Ada."));
        (
            await RunAsync(
                "resolve",
                name.Value,
                "--kind",
                "master_prompt",
                "--files",
                "bundle",
                "--cache",
                "other",
                "--out",
                "out.md"
            )
        ).ShouldBe(0);
        File.ReadAllText(Path.Combine(folder, "out.md")).ShouldBe("Vous êtes {{qui}}.");
        (await RunAsync("resolve", name.Value, "--kind", "master_prompt", "--remote", "--set", "wer=x")).ShouldBe(1);
        error.ToString().ShouldContain("no value for qui; not declared: wer");
    }

    [Fact]
    public async Task Other_content_of_a_stable_version_is_refused_and_said_before_by_a_dry_run()
    {
        WriteBundle("one");
        await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle");
        WriteBundle("two");
        (
            await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle", "--dry-run")
        ).ShouldBe(5);
        Out.ShouldContain("~ fr/master.md");
        Out.ShouldContain("would be refused");
        (await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle")).ShouldBe(5);
        error.ToString().ShouldContain("fr/master.md");
        (
            await RunAsync("push", "--template", name.Value, "--version", "1.1.0", "--dir", "bundle", "--dry-run")
        ).ShouldBe(0);
        Out.ShouldContain("would push");
        (await RunAsync("templates", "show", name.Value, "1.1.0")).ShouldBe(1);
    }

    [Fact]
    public async Task What_is_wrong_with_a_bundle_is_said_at_its_line()
    {
        Directory.CreateDirectory(Path.Combine(folder, "bundle"));
        File.WriteAllText(
            Path.Combine(folder, "bundle", "manifest.json"),
            """
            { "artifacts": [
              { "kind": "master_prompt", "path": "missing.md", "role": "system" },
              { "kind": "x", "path": "../outside.md" } ] }
            """
        );
        (await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle")).ShouldBe(2);
        error.ToString().ShouldContain("bundle/manifest.json:3:");
        File.WriteAllText(
            Path.Combine(folder, "bundle", "manifest.json"),
            """{ "artifacts": [ { "kind": "master_prompt", "path": "missing.md", "role": "system" } ] }"""
        );
        (await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle")).ShouldBe(2);
        error.ToString().ShouldContain("missing.md cannot be read");
    }

    [Fact]
    public async Task What_the_server_would_refuse_is_said_before_anything_travels()
    {
        Directory.CreateDirectory(Path.Combine(folder, "bundle"));
        File.WriteAllText(Path.Combine(folder, "bundle", "p.md"), "{{name}} {{tone}} {{> style}}");
        var manifest = Path.Combine(folder, "bundle", "manifest.json");
        File.WriteAllText(
            manifest,
            """{ "artifacts": [ { "kind": "a", "path": "p.md", "role": "user", "variables": ["name", "other"] } ] }"""
        );
        string[] push = ["push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle"];
        (await RunAsync([.. push, "--dry-run"])).ShouldBe(2);
        var said = error.ToString();
        foreach (var fault in (string[])["'tone', which is not declared", "'other' is declared", "includes 'style'"])
            said.ShouldContain(fault);
        said.ShouldContain("bundle/manifest.json:1:");
        (await RunAsync(push)).ShouldBe(2);
        (await server.Owner.GetAsync($"/v1/templates/{name}")).Status.ShouldBe(404);

        File.WriteAllText(manifest, """{ "artifacts": [ { "kind": "a", "path": "p.md" }, ] }""");
        (await RunAsync(push)).ShouldBe(2);
        error.ToString().ShouldContain("trailing comma");
        error.ToString().ShouldNotContain("options");
        File.WriteAllText(manifest, """{ "artifacts": [ { "kind": "A A", "path": "p.md" } ] }""");
        (await RunAsync("push", "--template", "Ä", "--version", "1", "--dir", "bundle")).ShouldBe(2);
        foreach (var place in (string[])["--template", "--version", "/artifacts/0/kind"])
            error.ToString().ShouldContain(place, customMessage: "all of it at once");
    }

    [Fact]
    public async Task A_file_that_is_no_text_is_written_and_not_printed()
    {
        Directory.CreateDirectory(Path.Combine(folder, "bundle"));
        byte[] picture = [0x89, 0x50, 0xff, 0xfe, 0x00];
        File.WriteAllBytes(Path.Combine(folder, "bundle", "a.png"), picture);
        File.WriteAllText(
            Path.Combine(folder, "bundle", "manifest.json"),
            """{ "artifacts": [ { "kind": "logo", "path": "a.png" } ] }"""
        );
        await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle");
        string[] resolve = ["resolve", name.Value, "--kind", "logo", "--remote"];
        (await RunAsync(resolve)).ShouldBe(2);
        (Out, error.ToString().Contains("--out", StringComparison.Ordinal)).ShouldBe(("", true));
        (await RunAsync([.. resolve, "--json"])).ShouldBe(0);
        Convert.FromBase64String(JsonNode.Parse(Out)!["base64"]!.GetValue<string>()).ShouldBe(picture);
        (await RunAsync([.. resolve, "--out", "b.png"])).ShouldBe(0);
        (await File.ReadAllBytesAsync(Path.Combine(folder, "b.png"), Ct)).ShouldBe(picture);
        (await RunAsync("resolve", name.Value, "--kind", "logo", "--remote", "--version", "9.x")).ShouldBe(1);
        error.ToString().ShouldContain("it has 1.0.0");
        error.ToString().ShouldContain("that the registry has");
    }

    [Fact]
    public async Task Pins_protection_and_trials_are_set_and_shown()
    {
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            WriteBundle(version);
            await RunAsync("push", "--template", name.Value, "--version", version, "--dir", "bundle");
        }
        string[] pins = ["templates", "pins", name.Value];
        (await RunAsync([.. pins, "production"])).ShouldBe(1);
        (await RunAsync([.. pins, "production", "1.0.0", "--reason", "tested"])).ShouldBe(0, error.ToString());
        (await RunAsync([.. pins, "production", "1.0.0", "--reason", "tested again"])).ShouldBe(0, error.ToString());
        (await RunAsync(pins)).ShouldBe(0);
        Out.ShouldStartWith("production\t1.0.0\t");
        Out.ShouldContain("tested again");
        (
            await RunAsync("resolve", name.Value, "--kind", "master_prompt", "--remote", "--environment", "production")
        ).ShouldBe(0);
        Out.ShouldBe("1.0.0");
        error.ToString().ShouldContain("about 2 tokens");
        (await RunAsync([.. pins, "production", "--remove"])).ShouldBe(0, error.ToString());
        (await RunAsync([.. pins, "production"])).ShouldBe(1);

        string[] trial = ["templates", "channels", name.Value, "default", "1.0.0", "--candidate", "1.1.0"];
        (
            await RunAsync([
                .. trial,
                "--percentage",
                "20",
                "--guard",
                "score",
                "--guard-tolerance",
                "0.25",
                "--higher-is-better",
            ])
        ).ShouldBe(0, error.ToString());
        const string guarded = "guarded by score (higher is better, tolerance 0.25, after 50 outcomes of each side)";
        Out.ShouldContain("trying 1.1.0 on 20 % of the keys, " + guarded);
        // A trial that grows keeps all that is not said anew.
        (await RunAsync([.. trial, "--percentage", "40"])).ShouldBe(0, error.ToString());
        Out.ShouldContain("trying 1.1.0 on 40 % of the keys, " + guarded);
        (await RunAsync([.. trial, "--guard", "score", "--guard-minimum", "80"])).ShouldBe(0, error.ToString());
        Out.ShouldContain("on 40 % of the keys, " + guarded.Replace("50", "80", StringComparison.Ordinal));
        (await RunAsync("templates", "trials", name.Value, "default")).ShouldBe(0, error.ToString());
        Out.ShouldContain(", guarded by score (higher is better, tolerance 0.25, after 80 ");
        (await RunAsync([.. trial, "--guard", "failure"])).ShouldBe(0, error.ToString());
        Out.ShouldContain("guarded by failure (lower is better, tolerance 0, after 50 ");
        (await RunAsync([.. trial, "--no-guard", "--guard", "failure"])).ShouldBe(2);
        (await RunAsync([.. trial, "--no-guard"])).ShouldBe(0, error.ToString());
        Out.ShouldContain("on 40 % of the keys, without a guard");
        (await RunAsync("templates", "channels", name.Value, "default")).ShouldBe(0, error.ToString());
        var moves = Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        moves.Count(line => line.Contains("\t1.0.0\t1.1.0\t40\t", StringComparison.Ordinal)).ShouldBe(4);
        moves[^1].ShouldStartWith("1\t1.0.0\t\t\t");
        (await RunAsync([.. trial, "--guard-minimum", "80"])).ShouldBe(2);
        error.ToString().ShouldContain("name its metric");
        (await RunAsync("templates", "channels", name.Value, "default", "1.0.0", "--guard", "failure")).ShouldBe(2);
        error.ToString().ShouldContain("--candidate");
        var outcomes = Enumerable
            .Range(0, 3)
            .Select(i => new
            {
                id = $"o{i}",
                metric = "seconds",
                value = 2,
                version = "1.1.0",
            });
        (
            await server.Owner.SendAsync(
                HttpMethod.Post,
                $"/v1/templates/{name}/channels/default/outcomes",
                new { outcomes }
            )
        ).Status.ShouldBe(200);
        (await RunAsync("templates", "trials", name.Value, "default")).ShouldBe(0, error.ToString());
        Out.ShouldContain("1.1.0 beside 1.0.0: running");
        Out.ShouldContain("seconds candidate: 3 outcomes, mean 2");

        (await RunAsync("templates", "protect", name.Value, "latest")).ShouldBe(5);
        (await RunAsync("templates", "protect", name.Value, "default")).ShouldBe(0, error.ToString());
        (await RunAsync("templates", "protect", name.Value, "default")).ShouldBe(0, error.ToString());
        (await RunAsync("templates", "default", name.Value, "1.1.0")).ShouldBe(0);
        Out.ShouldContain("waits for a second person");
        (await RunAsync("templates", "unprotect", name.Value, "default")).ShouldBe(0, error.ToString());
        (await RunAsync("templates", "requests", name.Value)).ShouldBe(0);
        Out.ShouldContain("end-protection");
        Out.ShouldContain("\tmove\t1.1.0\t");
    }

    [Fact]
    public async Task A_push_of_two_hundred_files_goes_on_where_it_was_cut()
    {
        var bundle = Path.Combine(folder, "bundle");
        Directory.CreateDirectory(bundle);
        var artifacts = new JsonArray();
        for (var i = 0; i < 200; i++)
        {
            File.WriteAllText(Path.Combine(bundle, $"{i}.json"), $"{{\"n\":{i}}}");
            artifacts.Add(new JsonObject { ["kind"] = "golden_example", ["path"] = $"{i}.json" });
        }
        File.WriteAllText(
            Path.Combine(bundle, "manifest.json"),
            new JsonObject { ["artifacts"] = artifacts }.ToJsonString()
        );
        // What an interrupted push had sent.
        for (var i = 0; i < 150; i++)
        {
            var bytes = await File.ReadAllBytesAsync(Path.Combine(bundle, $"{i}.json"), Ct);
            await server.Owner.SendAsync(
                HttpMethod.Put,
                $"/v1/templates/{name}/blobs/{Kernel.Digest.Of(bytes)}",
                bytes
            );
        }
        await using var gate = await Gate.BeforeAsync(server.Address);
        gate.UploadsTogether = 4;
        address = gate.Address;
        (await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle")).ShouldBe(
            0,
            error.ToString()
        );
        Out.ShouldContain("committed");
        Out.ShouldContain("50 files");
        var told = error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        told[0].ShouldBe($"{name} 1.0.0: 200 files");
        told[^1].ShouldBe("uploaded 50 of 50");
        told.Skip(1).ShouldAllBe(line => line.StartsWith("uploaded ") && line.EndsWith(" of 50"));
        told.Length.ShouldBeLessThanOrEqualTo(13, "a line for a tenth, not for a file");
    }

    [Fact]
    public async Task Versions_and_channels_are_shown_compared_deprecated_and_moved()
    {
        WriteBundle("one");
        await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--dir", "bundle", "--set-default");
        WriteBundle("two");
        await RunAsync("push", "--template", name.Value, "--version", "1.1.0", "--dir", "bundle");
        (await RunAsync("templates", "list", "--search", name.Value)).ShouldBe(0);
        Out.ShouldContain($"{name}\t1.0.0\t1.1.0\t2\ton");
        (await RunAsync("templates", "diff", name.Value, "1.0.0", "1.1.0")).ShouldBe(1);
        Out.ShouldContain("~ fr/master.md");
        (await RunAsync("templates", "changelog", name.Value)).ShouldBe(0);
        Out.ShouldStartWith("1.1.0 (stable)");
        Out.ShouldContain("  Says two");
        (
            await RunAsync("templates", "deprecate", name.Value, "1.0.0", "--reason", "old", "--successor", "1.1.0")
        ).ShouldBe(0, error.ToString());
        (await RunAsync("resolve", name.Value, "--kind", "master_prompt", "--remote")).ShouldBe(0);
        error.ToString().ShouldContain("deprecated: old");
        (await RunAsync("templates", "default", name.Value, "1.1.0")).ShouldBe(0, error.ToString());
        (
            await RunAsync(
                "templates",
                "channels",
                name.Value,
                "default",
                "1.1.0",
                "--candidate",
                "1.0.0",
                "--percentage",
                "5"
            )
        ).ShouldBe(0, error.ToString());
        Out.ShouldContain("trying 1.0.0 on 5 %");
        (await RunAsync("templates", "channels", name.Value)).ShouldBe(0);
        Out.ShouldContain("default\t1.1.0\t1.0.0\t5");
        (await RunAsync("templates", "disable", name.Value)).ShouldBe(0);
        (await RunAsync("resolve", name.Value, "--kind", "master_prompt", "--remote")).ShouldBe(1);
        (await RunAsync("templates", "enable", name.Value)).ShouldBe(0);
    }

    [Fact]
    public async Task What_goes_by_itself_is_shown_tried_and_said()
    {
        using var person = await server.NewPersonAsync();
        await person.PushPromptAsync(name, "0.1.0", "a draft", "draft");
        string[] command = ["templates", "retention"];
        (await RunAsAsync(person.Key, command)).ShouldBe(0, error.ToString());
        Out.ShouldContain("drafts that nobody changes\tnever");
        (await RunAsAsync(person.Key, [.. command, "--drafts-older-than", "30", "--dry-run"])).ShouldBe(0);
        Out.ShouldContain("0 versions would be removed");
        (await RunAsAsync(person.Key, command)).ShouldBe(0);
        Out.ShouldContain("drafts that nobody changes\tnever", Case.Sensitive, "a dry run says nothing");
        (
            await RunAsAsync(person.Key, [.. command, "--drafts-older-than", "30", "--after-sunset", "true", "--json"])
        ).ShouldBe(0, error.ToString());
        JsonNode
            .Parse(Out)!
            .ToJsonString()
            .ShouldBe("""{"draftsOlderThanDays":30,"unusedOlderThanDays":null,"afterSunset":true}""");
        (await RunAsAsync(person.Key, [.. command, "--drafts-older-than", "never"])).ShouldBe(0);
        Out.ShouldContain("deprecated ones\tafter their sunset");
        (await RunAsAsync(person.Key, [.. command, "--drafts-older-than", "soon"])).ShouldBe(2);
    }

    [Fact]
    public async Task Prompts_of_langfuse_become_versions_and_labels_channels()
    {
        File.WriteAllText(
            Path.Combine(folder, "export.json"),
            $$$"""
            { "name": "{{{name}}}", "version": 3, "type": "chat", "labels": ["production", "latest"], "config": { "temperature": 0 },
              "prompt": [ { "role": "system", "content": "Be brief." }, { "role": "user", "content": "{{question}}" } ] }
            """
        );
        (await RunAsync("import", "langfuse", "export.json")).ShouldBe(0, error.ToString());
        var resolved = await server.Owner.ResolveAsync(name, "?role=user");
        (resolved.Member("version"), resolved.Member("rule")).ShouldBe(("3.0.0", "default"));
        resolved.Json["artifact"]!["variables"]![0]!["name"]!.GetValue<string>().ShouldBe("question");
    }

    [Fact]
    public async Task Of_all_versions_of_langfuse_the_highest_is_the_default_unless_a_label_says_another()
    {
        var (other, odd) = (ServerFixture.NewName(), ServerFixture.NewName());
        var data = new JsonArray();
        foreach (var version in (int[])[10, 2, 9])
        {
            data.Add(NewPrompt(name, version));
            data.Add(NewPrompt(other, version, labels: version == 9 ? ["production", "1.x"] : []));
        }
        var messages = new JsonArray(
            new JsonObject { ["role"] = "system", ["content"] = "Be brief." },
            new JsonObject { ["type"] = "placeholder", ["name"] = "history" },
            new JsonObject { ["role"] = "assistant", ["content"] = null },
            new JsonObject { ["role"] = "user", ["content"] = "{{question}}" }
        );
        var chat = NewPrompt(odd, 1);
        chat["prompt"] = messages;
        data.Add(chat);
        Put("export.json", new JsonObject { ["data"] = data }.ToJsonString());
        (await RunAsync("import", "langfuse", "export.json", "--set-default")).ShouldBe(0, error.ToString());
        foreach (
            var line in (string[])
                [
                    "the label '1.x' is left out",
                    "message 2 is left out: a placeholder for the messages of 'history'",
                    "message 3 is left out: it has no text",
                ]
        )
            Out.ShouldContain(line);
        foreach (
            var (template, version) in ((TemplateName, string)[])[(name, "10.0.0"), (other, "9.0.0"), (odd, "1.0.0")]
        )
        {
            var resolved = await server.Owner.ResolveAsync(template);
            (resolved.Member("version"), resolved.Member("rule")).ShouldBe((version, "default"));
            var channel = await server.Owner.GetAsync($"/v1/templates/{template}/channels/default");
            channel.Json["moves"]!.AsArray().Count.ShouldBe(1, "it is set once");
        }
        (await server.Owner.ResolveAsync(odd)).Json["artifacts"]!
            .AsArray()
            .Select(a => a!["path"]!.GetValue<string>())
            .ShouldBe(["01-system.md", "04-user.md"]);

        static JsonObject NewPrompt(TemplateName name, int version, params string[] labels) =>
            new()
            {
                ["name"] = name.Value,
                ["version"] = version,
                ["prompt"] = $"version {version}",
                ["labels"] = new JsonArray([.. labels.Select(label => JsonValue.Create(label))]),
                ["commitMessage"] = null,
            };
    }

    [Fact]
    public async Task A_stable_version_is_unchanged_only_by_the_same_files_described_alike_in_the_same_order()
    {
        var tone = ServerFixture.NewName();
        await server.Owner.PushAsync(tone, "1.0.0", [(Person.Prompt("snippet", "t.md"), "Be kind.")]);
        Put("bundle/a.md", "{{> tone}} {{who}}");
        Put("bundle/b.md", "b");
        var manifest = new JsonObject
        {
            ["template"] = name.Value,
            ["version"] = "1.0.0",
            ["artifacts"] = new JsonArray(
                Person.Prompt("master_prompt", "a.md"),
                Person.Prompt("note", "b.md", "fr", role: null)
            ),
            ["includes"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "tone",
                    ["template"] = tone.Value,
                    ["version"] = "1.0.0",
                    ["kind"] = "snippet",
                }
            ),
        };
        (await PushAsync(manifest)).ShouldBe(0, error.ToString());
        Out.ShouldContain("committed");
        // What is said of the version, and not of its files, is no other content.
        (await PushAsync(manifest, m => m["changelog"] = "said later")).ShouldBe(0, error.ToString());
        Out.ShouldContain("unchanged");
        (await PushAsync(manifest, m => First(m)["variables"] = new JsonArray("who"))).ShouldBe(0, error.ToString());
        Out.ShouldContain("unchanged");

        (string, Action<JsonNode>)[] others =
        [
            ("kind", m => First(m)["kind"] = "other"),
            ("role", m => First(m)["role"] = "user"),
            ("locale", m => First(m)["locale"] = "de"),
            ("content type", m => First(m)["contentType"] = "text/plain"),
            (
                "variables",
                m => First(m)["variables"] = new JsonArray(new JsonObject { ["name"] = "who", ["default"] = "you" })
            ),
            (
                "order",
                m =>
                {
                    var list = m["artifacts"]!.AsArray();
                    var first = list[0]!;
                    list.RemoveAt(0);
                    list.Add(first);
                }
            ),
            ("one file less", m => m["artifacts"]!.AsArray().RemoveAt(1)),
        ];
        foreach (var (what, change) in others)
        {
            (await PushAsync(manifest, change)).ShouldBe(5, what + ": " + Out + error);
            (await RunAsync("push", "--dir", "bundle", "--dry-run")).ShouldBe(5, what + ": " + Out + error);
            Out.ShouldContain("would be refused: the version is stable and differs", customMessage: what);
        }
        await PushAsync(manifest, m => First(m)["role"] = "user");
        await RunAsync("push", "--dir", "bundle", "--dry-run");
        Out.ShouldContain("~ a.md (role: system → user)");
        (await PushAsync(manifest)).ShouldBe(0, error.ToString());
        (await RunAsync("push", "--dir", "bundle", "--dry-run")).ShouldBe(0, error.ToString());
        Out.ShouldContain("1.0.0: unchanged;");

        // A draft changes, and the same files make it stable.
        Action<JsonNode> draft = m => m["version"] = "1.1.0-rc.1";
        await PushAsync(manifest, draft);
        (await RunAsync("push", "--dir", "bundle", "--draft", "--dry-run")).ShouldBe(0, Out + error);
        Out.ShouldContain("unchanged", customMessage: "a stable version is not made a draft");
        draft = m => m["version"] = "1.2.0";
        await PushAsync(manifest, draft, "--draft");
        (await RunAsync("push", "--dir", "bundle", "--draft", "--dry-run")).ShouldBe(0, error.ToString());
        Out.ShouldContain("1.2.0: unchanged;");
        (await RunAsync("push", "--dir", "bundle", "--dry-run")).ShouldBe(0, error.ToString());
        Out.ShouldContain("1.2.0: would make the draft stable;");

        static JsonNode First(JsonNode manifest) => manifest["artifacts"]![0]!;

        Task<int> PushAsync(JsonObject given, Action<JsonNode>? change = null, params string[] options)
        {
            var changed = given.DeepClone();
            change?.Invoke(changed);
            Put("bundle/manifest.json", changed.ToJsonString());
            return RunAsync(["push", "--dir", "bundle", .. options]);
        }
    }

    [Fact]
    public async Task A_folder_of_texts_becomes_one_template_with_the_kinds_roles_and_languages_of_its_names()
    {
        Put("My Prompts/system.md", "Be brief, {{who}}.");
        Put("My Prompts/System.fr-CA.md", "Sois bref, {{who}}.");
        Put("My Prompts/parts/User Question.txt", "{{question}}");
        Put("My Prompts/config.json", "{}");
        // Endings that have two or three letters and are no languages.
        Put("My Prompts/system.old.md", "Be long.");
        Put("My Prompts/notes.ai.md", "Notes.");
        Put("My Prompts/system.yue-HK.md", "簡短, {{who}}.");
        Put("My Prompts/.git/HEAD", "not a prompt");
        Put("My Prompts/.env", "SECRET=1");
        Put("My Prompts/manifest.json", "not read");

        (await RunAsync("import", "folder", "My Prompts", "--template", name.Value, "--out", "written")).ShouldBe(
            0,
            error.ToString()
        );
        (await RunAsync("templates", "show", name.Value)).ShouldBe(1, "only written to a folder");
        File.ReadAllText(Path.Combine(folder, "written", name.Value, "parts", "User Question.txt"))
            .ShouldBe("{{question}}");
        string[] written = ["import", "folder", "My Prompts", "--template", name.Value, "--out", "written"];
        (await RunAsync(written)).ShouldBe(0, error.ToString());
        Out.ShouldContain("System.fr-CA.md is read as fr-CA");
        Out.ShouldContain("system.yue-HK.md is read as yue-HK");
        Out.ShouldNotContain("is read as old");
        Out.ShouldNotContain("is read as ai");
        (await RunAsync([.. written, "--no-locales"])).ShouldBe(0, error.ToString());
        Out.ShouldNotContain("is read as");
        (await RunAsync([.. written, "--locale", "old"])).ShouldBe(0, error.ToString());
        Out.ShouldContain("system.old.md is read as old");

        string[] order =
        [
            "import",
            "folder",
            "My Prompts",
            "--template",
            name.Value,
            "--version",
            "2.1.0",
            "--set-default",
            "--json",
        ];
        (await RunAsync(order)).ShouldBe(0, error.ToString());
        var result = JsonNode.Parse(Out)!["results"]!.AsArray().ShouldHaveSingleItem()!;
        (result["version"]!.GetValue<string>(), result["files"]!.GetValue<int>()).ShouldBe(("2.1.0", 7));
        var artifacts = (await server.Owner.ResolveAsync(name)).Json["artifacts"]!.AsArray();
        artifacts
            .Select(a => string.Join(' ', a!["path"], a["kind"], a["role"], a["locale"]))
            .ShouldBe(
                [
                    "system.md system system ",
                    "System.fr-CA.md system system fr-CA",
                    "system.yue-HK.md system system yue-HK",
                    "system.old.md system.old system ",
                    "notes.ai.md notes.ai  ",
                    "parts/User Question.txt user_question user ",
                    "config.json config  ",
                ],
                ignoreOrder: true
            );
        (await server.Owner.ResolveAsync(name, "?kind=system&locale=fr-CA")).Json["artifact"]!["path"]!
            .GetValue<string>()
            .ShouldBe("System.fr-CA.md");
        (await RunAsync(order)).ShouldBe(0, error.ToString());
        Out.ShouldContain("unchanged");
        // The same version of other content is not made.
        Put("My Prompts/system.md", "Be long.");
        (await RunAsync(order)).ShouldBe(5, error.ToString());
        error.ToString().ShouldContain("version-is-immutable");
    }

    [Fact]
    public async Task A_folder_that_cannot_be_imported_is_refused_with_its_reason()
    {
        Directory.CreateDirectory(Path.Combine(folder, "empty"));
        (await RunAsync("import", "folder", "empty")).ShouldBe(2);
        error.ToString().ShouldContain("nothing in it");
        (await RunAsync("import", "folder", "nowhere")).ShouldBe(2);
        error.ToString().ShouldContain("nowhere cannot be imported");
        Put("large/system.md", "");
        await using (var large = File.OpenWrite(Path.Combine(folder, "large", "system.md")))
            large.SetLength(TemplateLimits.ArtifactBytes + 1);
        (await RunAsync("import", "folder", "large")).ShouldBe(2);
        error.ToString().ShouldContain($"at most {TemplateLimits.ArtifactBytes} bytes");
        Put("broken/system.md", "");
        await File.WriteAllBytesAsync(Path.Combine(folder, "broken", "system.md"), [0xFF, 0xFE, 0xFD], Ct);
        (await RunAsync("import", "folder", "broken", "--template", name.Value)).ShouldNotBe(0);
        error.ToString().ShouldContain("UTF-8");
        (await RunAsync("templates", "show", name.Value)).ShouldBe(1, "nothing was made of any of them");
    }

    [Fact]
    public async Task Real_patterns_are_pushed_and_resolve_byte_for_byte()
    {
        var corpus = CorpusFolder();
        if (corpus is null)
        {
            // The corpora stand beside the repository where there are any; a pattern of our own shows the same way.
            TestContext.Current.SendDiagnosticMessage(
                "No ../shared/corpora/prompts here: a pattern of our own instead."
            );
            corpus = Path.Combine(folder, "patterns");
            Directory.CreateDirectory(Path.Combine(corpus, "own_pattern"));
            File.WriteAllText(Path.Combine(corpus, "own_pattern", "system.md"), "# IDENTITY\nYou are careful.\n");
            File.WriteAllText(Path.Combine(corpus, "own_pattern", "user.md"), "CONTENT:\n");
        }
        using var person = await server.NewPersonAsync();
        (await RunAsAsync(person.Key, "import", "fabric", corpus, "--set-default", "--json")).ShouldBe(
            0,
            error.ToString()
        );
        var imported = JsonNode.Parse(Out)!["results"]!
            .AsArray()
            .Select(r => r!["template"]!.GetValue<string>())
            .ToList();
        var patterns = Directory.GetDirectories(corpus).Select(Path.GetFileName).ToList();
        imported.ShouldBe(patterns.Order(StringComparer.Ordinal)!, ignoreOrder: true);
        var compared = 0;
        foreach (var pattern in imported)
        {
            foreach (
                var (kind, file) in ((string, string)[])[("master_prompt", "system.md"), ("user_prompt", "user.md")]
            )
            {
                var original = Path.Combine(corpus, pattern, file);
                if (!File.Exists(original))
                    continue;
                string[] resolve =
                [
                    "resolve",
                    pattern,
                    "--kind",
                    kind,
                    "--remote",
                    "--cache",
                    "cache",
                    "--out",
                    "one.md",
                ];
                (await RunAsAsync(person.Key, resolve)).ShouldBe(0, error.ToString());
                (await File.ReadAllBytesAsync(Path.Combine(folder, "one.md"), Ct)).ShouldBe(
                    await File.ReadAllBytesAsync(original, Ct),
                    original
                );
                compared++;
            }
        }
        compared.ShouldBe(Directory.GetFiles(corpus, "*.md", SearchOption.AllDirectories).Count(IsPrompt));
        (await RunAsAsync(person.Key, "import", "fabric", corpus, "--json")).ShouldBe(0);
        JsonNode.Parse(Out)!["results"]!
            .AsArray()
            .ShouldAllBe(r => r!["outcome"]!.GetValue<string>().StartsWith("unchanged"));
    }

    private static bool IsPrompt(string path) => Path.GetFileName(path) is "system.md" or "user.md";

    private string Out => output.ToString();

    private Task<int> RunAsync(params string[] args) => RunAsAsync(server.OwnerKeyText, args);

    private Task<int> RunAsAsync(string key, params string[] args)
    {
        (output, error) = (new StringWriter(), new StringWriter());
        var variables = new Dictionary<string, string>
        {
            ["PLATEN_SERVER"] = (address ?? server.Address).ToString(),
            ["PLATEN_KEY"] = key,
            ["HOME"] = Path.Combine(folder, "home"),
        };
        var terminal = new Terminal(
            output,
            error,
            false,
            false,
            variables.GetValueOrDefault,
            folder,
            TimeProvider.System
        );
        return PlatenCommandLine.RunAsync(args, terminal, Ct);
    }

    private void Put(string path, string text)
    {
        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text, new UTF8Encoding(false));
    }

    private void WriteBundle(string prompt)
    {
        var bundle = Path.Combine(folder, "bundle");
        Directory.CreateDirectory(Path.Combine(bundle, "fr"));
        File.WriteAllText(Path.Combine(bundle, "fr", "master.md"), prompt, new UTF8Encoding(false));
        File.WriteAllText(Path.Combine(bundle, "config.json"), """{ "temperature": 0.2 }""");
        File.WriteAllText(
            Path.Combine(bundle, "manifest.json"),
            $$"""
            {
              "template": "{{name}}",
              "changelog": "Says {{prompt}}",
              "artifacts": [
                { "kind": "master_prompt", "path": "fr/master.md", "role": "system", "locale": "fr" },
                { "kind": "json_config", "path": "config.json" }
              ]
            }
            """
        );
    }

    private static string? CorpusFolder()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (!File.Exists(Path.Combine(at.FullName, "Platen.slnx")))
                continue;
            var corpus = Path.Combine(at.FullName, "..", "shared", "corpora", "prompts");
            return Directory.Exists(corpus) ? Path.GetFullPath(corpus) : null;
        }
        return null;
    }
}

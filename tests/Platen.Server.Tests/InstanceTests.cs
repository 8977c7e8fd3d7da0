using System.Text;
using System.Text.Json.Nodes;
using Platen.Testing.Widgets;

namespace Platen.Server.Tests;

public sealed class InstanceTests(ServerFixture server)
{
    private static int count;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_created_instance_reads_back_with_its_tag()
    {
        var path = NewPath();
        var created = await server.Owner.SendAsync(HttpMethod.Put, path, Faq("Hello"), create: true);
        (created.Status, created.Tag).ShouldBe((201, "\"1\""));
        var read = await server.Owner.SendAsync(HttpMethod.Get, path);
        read.Tag.ShouldBe("\"1\"");
        read.Json["config"]!["heading"]!.GetValue<string>().ShouldBe("Hello");
        read.Json["publication"].ShouldBeNull();
        read.Json["updatedBy"]!.GetValue<string>().ShouldBe("owner key");
    }

    [Fact]
    public async Task A_write_without_a_precondition_is_428_and_a_stale_one_412_with_the_current_version()
    {
        var path = NewPath();
        (await server.Owner.SendAsync(HttpMethod.Put, path, Faq("a"))).Problem.ShouldBe("precondition-required");
        await server.Owner.SendAsync(HttpMethod.Put, path, Faq("a"), create: true);
        (await server.Owner.SendAsync(HttpMethod.Put, path, Faq("b"), "\"1\"")).Tag.ShouldBe("\"2\"");
        var stale = await server.Owner.SendAsync(HttpMethod.Put, path, Faq("c"), "\"1\"");
        stale.Status.ShouldBe(412);
        stale.Json["currentVersion"]!.GetValue<string>().ShouldBe("\"2\"");
        (await server.Owner.SendAsync(HttpMethod.Put, path, Faq("c"), create: true)).Status.ShouldBe(412);
    }

    [Fact]
    public async Task Saving_the_same_content_keeps_the_revision()
    {
        var path = NewPath();
        await server.Owner.SendAsync(HttpMethod.Put, path, Faq("a"), create: true);
        (await server.Owner.SendAsync(HttpMethod.Put, path, Faq("a"), "\"1\"")).Tag.ShouldBe("\"1\"");
    }

    [Fact]
    public async Task Of_many_writers_of_one_version_exactly_one_wins()
    {
        var path = NewPath();
        await server.Owner.SendAsync(HttpMethod.Put, path, Faq("start"), create: true);
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(i => server.Owner.SendAsync(HttpMethod.Put, path, Faq($"w{i}"), "\"1\""))
        );
        answers.Count(a => a.Status == 200).ShouldBe(1);
        answers.Count(a => a.Status == 412).ShouldBe(11);
        var creators = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(_ => server.Owner.SendAsync(HttpMethod.Put, path + "x", Faq("c"), create: true))
        );
        creators.Count(a => a.Status == 201).ShouldBe(1);
        creators.Count(a => a.Status == 412).ShouldBe(7);
    }

    [Fact]
    public async Task An_unknown_type_is_refused_with_the_list_of_types()
    {
        var body = Faq("a");
        body["widgetType"] = "content.fqa";
        var refused = await server.Owner.SendAsync(HttpMethod.Put, NewPath(), body, create: true);
        (refused.Status, refused.Problem).ShouldBe((422, "unknown-widget-type"));
        refused.Json["validTypes"]!.AsArray().Select(t => t!.GetValue<string>()).ShouldContain("content.faq");
        refused.FaultPointers.ShouldBe(["/widgetType"]);
    }

    [Fact]
    public async Task Every_fault_of_a_config_is_reported_with_its_pointer()
    {
        var body = Faq("a");
        body["config"]!["heading"] = "";
        body["config"]!["items"]![0]!["question"] = 7;
        body["config"]!["accentColor"] = "red";
        body["config"]!["surprise"] = true;
        var refused = await server.Owner.SendAsync(HttpMethod.Put, NewPath(), body, create: true);
        (refused.Status, refused.Problem).ShouldBe((422, "invalid"));
        refused.FaultPointers.ShouldContain("/config/heading");
        refused.FaultPointers.ShouldContain("/config/items/0/question");
        refused.FaultPointers.ShouldContain("/config/accentColor");
        refused.FaultPointers.ShouldContain(p =>
            p.StartsWith("/config", StringComparison.Ordinal) && p.Contains("surprise") || p == "/config"
        );
    }

    [Fact]
    public async Task A_body_that_is_too_large_too_deep_or_not_text_is_refused_and_nothing_is_written()
    {
        var path = NewPath();
        var large = Encoding.UTF8.GetBytes(Faq(new string('a', 5_000_000)).ToJsonString());
        (await server.Owner.SendAsync(HttpMethod.Put, path, large, create: true)).Status.ShouldBe(413);
        var deep = Encoding.UTF8.GetBytes(
            """{"widgetType":"content.faq","config":""" + new string('[', 10_000) + new string(']', 10_000) + "}"
        );
        (await server.Owner.SendAsync(HttpMethod.Put, path, deep, create: true)).Problem.ShouldBe("malformed");
        byte[] latin = [.. "{\"widgetType\":\"content.faq\",\"config\":{\"heading\":\""u8, 0xE9, .. "\"}}"u8];
        (await server.Owner.SendAsync(HttpMethod.Put, path, latin, create: true)).Problem.ShouldBe("malformed");
        var twice = "{\"widgetType\":\"content.faq\",\"widgetType\":\"x\",\"config\":{}}"u8.ToArray();
        (await server.Owner.SendAsync(HttpMethod.Put, path, twice, create: true)).Problem.ShouldBe("malformed");
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Problem.ShouldBe("not-found");
    }

    [Fact]
    public async Task Text_that_cannot_be_stored_is_a_fault_and_not_a_failure()
    {
        var body = Faq("a\0b");
        var refused = await server.Owner.SendAsync(HttpMethod.Put, NewPath(), body, create: true);
        (refused.Status, refused.FaultPointers.Single()).ShouldBe((422, "/config/heading"));
        byte[] surrogate = Encoding.UTF8.GetBytes(
            Faq("x").ToJsonString().Replace("\"x\"", "\"\\ud800\"", StringComparison.Ordinal)
        );
        (await server.Owner.SendAsync(HttpMethod.Put, NewPath(), surrogate, create: true)).Status.ShouldBeInRange(
            400,
            422
        );
    }

    [Theory]
    [InlineData("wgt_")]
    [InlineData("wgt_main_Content.faq")]
    [InlineData("wgt_curated_a_b")]
    [InlineData("wgt_curated_-")]
    [InlineData("WGT_main_content.faq")]
    [InlineData("wgt_main_content.faq'--")]
    [InlineData("wgt_main_..%2f..%2fetc")]
    [InlineData("%E2%80%AEwgt_main_content.faq")]
    public async Task Ids_of_no_form_are_refused(string id)
    {
        var refused = await server.Owner.SendAsync(HttpMethod.Get, "/v1/instances/" + id);
        (refused.Status, refused.Problem).ShouldBe((400, "malformed-public-id"));
    }

    [Fact]
    public async Task Naughty_texts_in_the_place_of_an_id_are_refused_in_order()
    {
        foreach (var text in NaughtyStrings.All.Where(text => text.Length is > 0 and < 1_000))
        {
            var path = "/v1/instances/" + Uri.EscapeDataString(text);
            foreach (var method in new[] { HttpMethod.Get, HttpMethod.Put })
            {
                // An id that is let through would be created, and answered with 201.
                var isPut = method == HttpMethod.Put;
                var refused = await server.Owner.SendAsync(method, path, isPut ? Faq("a") : null, create: isPut);
                refused.Status.ShouldBeOneOf([400, 404], $"{method} {path}");
                refused.MediaType.ShouldBe("application/problem+json", path);
            }
        }
    }

    [Fact]
    public async Task The_widget_types_are_listed_for_everybody_with_the_schema_that_each_checks()
    {
        var list = await server.Nobody.SendAsync(HttpMethod.Get, "/widgets/manifest.json");
        list.Status.ShouldBe(200);
        var types = list.Json["widgetTypes"]!.AsArray().Select(type => type!).ToList();
        var packages = Path.Combine(Platen.Testing.Servers.Build.Repository, "widgets");
        types
            .Select(type => type["type"]!.GetValue<string>())
            .ShouldBe(Directory.GetDirectories(packages).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (var type in types)
        {
            type["title"]!.GetValue<string>().ShouldNotBeNullOrWhiteSpace();
            Platen.Kernel.Versions.SemVer.TryParse(type["version"]!.GetValue<string>(), out _).ShouldBeTrue();
            Platen.Kernel.Digest.TryParse(type["digest"]!.GetValue<string>(), out _).ShouldBeTrue();
            using var schema = await server.Nobody.GetAsync(type["schema"]!.GetValue<string>(), Ct);
            schema.Content.Headers.ContentType!.MediaType.ShouldBe("application/schema+json");
            var package = Path.Combine(packages, type["type"]!.GetValue<string>(), "schema.json");
            JsonNode
                .DeepEquals(
                    JsonNode.Parse(await schema.Content.ReadAsStringAsync(Ct)),
                    JsonNode.Parse(await File.ReadAllTextAsync(package, Ct))
                )
                .ShouldBeTrue(package);
        }
    }

    [Fact]
    public async Task A_user_id_needs_its_workspace() =>
        (
            await server.Owner.SendAsync(
                HttpMethod.Put,
                "/v1/instances/wgt_content.faq_u_nobodys",
                Faq("a"),
                create: true
            )
        ).Problem.ShouldBe("needs-workspace");

    [Fact]
    public async Task A_baseline_has_the_type_of_its_id()
    {
        var body = Faq("a");
        var refused = await server.Owner.SendAsync(
            HttpMethod.Put,
            "/v1/instances/wgt_main_forms.contact",
            body,
            create: true
        );
        refused.FaultPointers.ShouldBe(["/widgetType"]);
    }

    [Fact]
    public async Task Members_of_the_wrong_name_or_type_are_faults_at_their_place()
    {
        var misspelt = Faq("a");
        misspelt["statsu"] = "published";
        (await server.Owner.SendAsync(HttpMethod.Put, NewPath(), misspelt, create: true)).Problem.ShouldBe("invalid");
        var wrong = Faq("a");
        wrong["status"] = 5;
        (await server.Owner.SendAsync(HttpMethod.Put, NewPath(), wrong, create: true)).FaultPointers.ShouldBe([
            "/status",
        ]);
    }

    [Fact]
    public async Task A_list_is_walked_with_its_cursor_without_gaps_or_repeats()
    {
        var mine = Enumerable.Range(0, 5).Select(i => $"wgt_curated_list-{Environment.ProcessId}-{i}").ToList();
        foreach (var id in mine)
            await server.Owner.SendAsync(HttpMethod.Put, "/v1/instances/" + id, Faq(id), create: true);
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/curated-instances?limit=2&cursor={cursor}");
            seen.AddRange(page.Json["items"]!.AsArray().Select(i => i!["publicId"]!.GetValue<string>()));
            cursor = page.Json["nextCursor"]?.GetValue<string>();
        } while (cursor is not null);
        seen.ShouldBeUnique();
        seen.Where(mine.Contains).ShouldBe(mine);
    }

    [Theory]
    [InlineData("GET", "/v1/instances/wgt_main_content.faq")]
    [InlineData("PUT", "/v1/instances/wgt_main_content.faq")]
    [InlineData("PUT", "/v1/instances/wgt_main_content.faq/publication")]
    [InlineData("GET", "/v1/curated-instances")]
    public async Task Nobody_gets_in_without_a_key(string method, string path)
    {
        var refused = await server.Nobody.SendAsync(new HttpMethod(method), path);
        (refused.Status, refused.Problem).ShouldBe((401, "unauthenticated"));
    }

    internal static JsonObject Faq(string heading) =>
        new()
        {
            ["widgetType"] = "content.faq",
            ["config"] = new JsonObject
            {
                ["heading"] = heading,
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["id"] = "first",
                        ["question"] = "Is it?",
                        ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = "It is." }),
                    }
                ),
            },
        };

    internal static string NewPath() =>
        $"/v1/instances/wgt_curated_t{Environment.ProcessId}-{Interlocked.Increment(ref count)}";
}

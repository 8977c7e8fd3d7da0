using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Platen.Platform.Http;

namespace Platen.Server.Tests;

public sealed class PublicationTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_published_instance_is_served_and_a_change_replaces_it_whole()
    {
        var path = await CreateAsync("First heading");
        var published = await PublishAsync(path, "\"1\"");
        published.Json["outcome"]!.GetValue<string>().ShouldBe("published");
        (await PageAsync(path)).ShouldContain("<h1");
        (await PageAsync(path)).ShouldContain("First heading");

        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("Second heading"), "\"1\"");
        (await PageAsync(path)).ShouldContain("First heading");
        await PublishAsync(path, "\"2\"");
        await UntilAsync(async () => (await PageAsync(path)).Contains("Second heading", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Publishing_again_is_already_live_and_moves_nothing()
    {
        var path = await CreateAsync("Same");
        var first = await PublishAsync(path, "\"1\"");
        var again = await PublishAsync(path, "\"1\"");
        again.Json["outcome"]!.GetValue<string>().ShouldBe("alreadyLive");
        again.Json["release"]!.GetValue<string>().ShouldBe(first.Json["release"]!.GetValue<string>());
        again.Json["channelRevision"]!.GetValue<long>().ShouldBe(1);
    }

    [Fact]
    public async Task Two_publishes_at_once_make_one_move()
    {
        var path = await CreateAsync("Race");
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => PublishAsync(path, "\"1\"")));
        answers.ShouldAllBe(a => a.Status == 200);
        answers.Count(a => a.Json["outcome"]!.GetValue<string>() == "published").ShouldBe(1);
        var publication = await server.Owner.SendAsync(HttpMethod.Get, path + "/publication");
        publication.Json["moves"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_stale_publish_is_refused_and_says_what_is_current()
    {
        var path = await CreateAsync("v1");
        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("v2"), "\"1\"");
        var stale = await PublishAsync(path, "\"1\"");
        (stale.Status, stale.Json["currentVersion"]!.GetValue<string>()).ShouldBe((412, "\"2\""));
        (await server.Owner.SendAsync(HttpMethod.Put, path + "/publication")).Problem.ShouldBe("precondition-required");
    }

    [Fact]
    public async Task Going_back_is_a_move_to_a_former_release()
    {
        var path = await CreateAsync("old text");
        var first = await PublishAsync(path, "\"1\"");
        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("new text"), "\"1\"");
        await PublishAsync(path, "\"2\"");
        var back = await server.Owner.SendAsync(
            HttpMethod.Put,
            path + "/publication",
            new { release = first.Json["release"]!.GetValue<string>(), reason = "typo" },
            "\"2\""
        );
        back.Json["outcome"]!.GetValue<string>().ShouldBe("published");
        await UntilAsync(async () => (await PageAsync(path)).Contains("old text", StringComparison.Ordinal));
        var moves = (await server.Owner.SendAsync(HttpMethod.Get, path + "/publication")).Json["moves"]!.AsArray();
        moves.Select(m => m!["revision"]!.GetValue<long>()).ShouldBe([3, 2, 1]);
        moves[0]!["reason"]!.GetValue<string>().ShouldBe("typo");
        var unknown = new { release = "sha256:" + new string('0', 64) };
        (await server.Owner.SendAsync(HttpMethod.Put, path + "/publication", unknown, "\"2\"")).Problem.ShouldBe(
            "no-such-release"
        );
    }

    [Fact]
    public async Task There_is_no_going_back_to_a_release_that_only_a_preview_showed()
    {
        var path = await CreateAsync("published");
        var first = await PublishAsync(path, "\"1\"");
        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("only looked at"), "\"1\"");
        var link = await server.Owner.SendAsync(HttpMethod.Post, path + "/preview-links");
        var looked = link.Json["release"]!.GetValue<string>();
        looked.ShouldNotBe(first.Json["release"]!.GetValue<string>());
        var refused = await server.Owner.SendAsync(
            HttpMethod.Put,
            path + "/publication",
            new { release = looked },
            "\"2\""
        );
        (refused.Status, refused.Problem).ShouldBe((422, "no-such-release"), refused.Text);
        refused.FaultPointers.ShouldBe(["/release"]);
        var together = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/cutovers/{Guid.CreateVersion7()}",
            new
            {
                items = new[]
                {
                    new
                    {
                        publicId = path.Split('/')[^1],
                        release = looked,
                        seen = first.Json["release"]!.GetValue<string>(),
                    },
                },
            }
        );
        (together.Status, together.Problem).ShouldBe((422, "no-such-release"), together.Text);
        together.FaultPointers.ShouldBe(["/items/0/release"]);
        (await PageAsync(path)).ShouldContain("published");
    }

    [Fact]
    public async Task A_translation_that_says_which_text_it_was_made_from_is_stale_when_that_is_another()
    {
        var path = await CreateAsync("Now");
        var saved = await server.Owner.SendAsync(
            HttpMethod.Put,
            path + "/locales/de",
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Damals",
                        @base = "Then",
                    },
                },
            },
            create: true
        );
        saved.Status.ShouldBe(201, saved.Text);
        var preview = await server.Owner.SendAsync(HttpMethod.Get, path + "/publication:preview");
        preview.Json["staleTranslations"]!["de"]!.AsArray().Single()!.GetValue<string>().ShouldBe("/heading");
    }

    [Fact]
    public async Task What_is_unpublished_is_not_served()
    {
        var path = await CreateAsync("Gone soon");
        await PublishAsync(path, "\"1\"");
        await PageAsync(path);
        (await server.Owner.SendAsync(HttpMethod.Delete, path + "/publication", ifMatch: "\"1\"")).Status.ShouldBe(204);
        await UntilAsync(async () => (await server.Nobody.SendAsync(HttpMethod.Get, PagePath(path))).Status == 404);
        var read = await server.Owner.SendAsync(HttpMethod.Get, path);
        read.Json["status"]!.GetValue<string>().ShouldBe("unpublished");
        (await PublishAsync(path, read.Tag!)).Problem.ShouldBe("conflict");
    }

    [Fact]
    public async Task A_preview_says_what_would_change_and_changes_nothing()
    {
        var path = await CreateAsync("Preview");
        var before = await server.Owner.SendAsync(HttpMethod.Get, path + "/publication:preview");
        before.Json["wouldPublish"]!.GetValue<bool>().ShouldBeTrue();
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Json["publication"].ShouldBeNull();
        await PublishAsync(path, "\"1\"");
        var after = await server.Owner.SendAsync(HttpMethod.Get, path + "/publication:preview");
        after.Json["wouldPublish"]!.GetValue<bool>().ShouldBeFalse();
        after.Json["changes"]!.AsArray().Count.ShouldBe(0);
    }

    [Fact]
    public async Task A_locale_is_served_and_a_stale_translation_falls_back_to_the_current_text()
    {
        var path = await CreateAsync("Good morning");
        var ops = new
        {
            ops = new[]
            {
                new
                {
                    op = "set",
                    path = "/heading",
                    value = "Guten Morgen",
                },
                new
                {
                    op = "set",
                    path = "/items/0/question",
                    value = "Ist es?",
                },
            },
        };
        (await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/de", ops, create: true)).Status.ShouldBe(201);
        await PublishAsync(path, "\"1\"");
        (await PageAsync(path, "?locale=de")).ShouldContain("Guten Morgen");
        (await PageAsync(path, "?locale=de")).ShouldContain("lang=\"de\"");

        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("Good evening"), "\"1\"");
        var published = await PublishAsync(path, "\"2\"");
        published.Json["staleTranslations"]!["de"]!.AsArray().Select(p => p!.GetValue<string>()).ShouldBe(["/heading"]);
        await UntilAsync(async () =>
            (await PageAsync(path, "?locale=de")).Contains("Good evening", StringComparison.Ordinal)
        );
        (await PageAsync(path, "?locale=de")).ShouldContain("Ist es?");
    }

    [Fact]
    public async Task An_overlay_changes_translatable_text_only()
    {
        var path = await CreateAsync("x");
        var ops = new
        {
            ops = new[]
            {
                new
                {
                    op = "set",
                    path = "/accentColor",
                    value = "#000000",
                },
                new
                {
                    op = "set",
                    path = "/items/0/id",
                    value = "zweite",
                },
                new
                {
                    op = "set",
                    path = "/nowhere",
                    value = "x",
                },
                new
                {
                    op = "move",
                    path = "/heading",
                    value = "x",
                },
            },
        };
        var refused = await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/de", ops, create: true);
        refused.FaultPointers.ShouldBe(["/ops/0/path", "/ops/1/path", "/ops/2/path", "/ops/3/op"]);
        (await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/not a tag", ops, create: true)).Status.ShouldBe(
            422
        );
    }

    [Fact]
    public async Task Texts_and_removals_find_their_places_also_from_the_tenth_on()
    {
        var body = InstanceTests.Faq("List");
        var lines = new JsonArray([.. Enumerable.Range(0, 12).Select(i => (JsonNode)$"line {i}")]);
        body["config"]!["items"]![0]!["answer"] = new JsonArray(
            new JsonObject { ["type"] = "list", ["items"] = lines }
        );
        var path = InstanceTests.NewPath();
        await server.Owner.SendAsync(HttpMethod.Put, path, body, create: true);
        var at = "/items/0/answer/0/items/";
        var ops = new JsonObject
        {
            ["ops"] = new JsonArray(
                new JsonObject { ["op"] = "remove", ["path"] = at + "2" },
                new JsonObject { ["op"] = "remove", ["path"] = at + "11" },
                new JsonObject
                {
                    ["op"] = "set",
                    ["path"] = at + "10",
                    ["value"] = "Zeile 10",
                }
            ),
        };
        (await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/de", ops, create: true)).Status.ShouldBe(201);
        await PublishAsync(path, "\"1\"");
        var page = await PageAsync(path, "?locale=de");
        page.ShouldContain("Zeile 10");
        page.ShouldContain("line 9");
        page.ShouldNotContain("line 2<");
        page.ShouldNotContain("line 11");
    }

    [Fact]
    public async Task A_locale_with_an_overlay_cannot_become_the_base_locale()
    {
        var path = await CreateAsync("x");
        var ops = new
        {
            ops = new[]
            {
                new
                {
                    op = "set",
                    path = "/heading",
                    value = "y",
                },
            },
        };
        await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/de", ops, create: true);
        var body = InstanceTests.Faq("x");
        body["baseLocale"] = "de";
        (await server.Owner.SendAsync(HttpMethod.Put, path, body, "\"1\"")).Problem.ShouldBe("conflict");
    }

    [Fact]
    public async Task Malformed_orders_are_faults_and_not_failures()
    {
        var path = await CreateAsync("x");
        var nothing = "{\"ops\":[null]}"u8.ToArray();
        var refused = await server.Owner.SendAsync(HttpMethod.Put, path + "/locales/de", nothing, create: true);
        refused.FaultPointers.ShouldBe(["/ops/0"]);
        var reason = new { reason = "a\0b" };
        var publication = await server.Owner.SendAsync(HttpMethod.Put, path + "/publication", reason, "\"1\"");
        publication.FaultPointers.ShouldBe(["/reason"]);
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/curated-instances?type=%00")).Problem.ShouldBe("malformed");
        using var untyped = new HttpRequestMessage(HttpMethod.Put, path + "/publication");
        untyped.Headers.TryAddWithoutValidation("If-Match", "\"1\"");
        untyped.Headers.TransferEncodingChunked = true;
        untyped.Content = new StreamContent(new MemoryStream("{\"release\":\"sha256:0\"}"u8.ToArray()));
        using var answer = await server.Owner.SendAsync(untyped, Ct);
        ((int)answer.StatusCode).ShouldBe(415);
    }

    [Fact]
    public async Task Artifacts_are_named_by_their_hash_and_the_manifest_leads_to_them()
    {
        var path = await CreateAsync("Artifact");
        await PublishAsync(path, "\"1\"");
        var id = path.Split('/')[^1];
        var manifest = (await server.Nobody.SendAsync(HttpMethod.Get, $"/w/{id}/manifest.json")).Json;
        var artifact = manifest["locales"]!["en"]!["artifact"]!.GetValue<string>();
        var bytes = await server.Nobody.GetByteArrayAsync(artifact, Ct);
        artifact.ShouldBe($"/w/{id}/en.{Convert.ToHexStringLower(SHA256.HashData(bytes))}.json");
        JsonNode.Parse(bytes)!["heading"]!.GetValue<string>().ShouldBe("Artifact");
    }

    [Fact]
    public async Task Script_in_any_text_stays_text()
    {
        const string attack =
            "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"alert(1)' `{{7*7}}`";
        var body = InstanceTests.Faq(attack);
        body["config"]!["intro"] = attack;
        body["config"]!["items"]![0]!["question"] = attack;
        body["config"]!["items"]![0]!["answer"] = new JsonArray(
            new JsonObject { ["type"] = "paragraph", ["text"] = attack },
            new JsonObject { ["type"] = "list", ["items"] = new JsonArray(attack) },
            new JsonObject { ["type"] = "code", ["code"] = attack },
            new JsonObject
            {
                ["type"] = "link",
                ["text"] = attack,
                ["href"] = "https://example.org/\"onload=alert(1)",
            }
        );
        var path = InstanceTests.NewPath();
        (await server.Owner.SendAsync(HttpMethod.Put, path, body, create: true)).Status.ShouldBe(201);
        await PublishAsync(path, "\"1\"");
        var page = await PageAsync(path);
        var document = await new AngleSharp.Html.Parser.HtmlParser().ParseDocumentAsync(page, Ct);
        // The one script is ours, and the policy lets no other run.
        document.Scripts.ShouldHaveSingleItem().OuterHtml.ShouldBe(FrameScript.Plain.Element);
        document.QuerySelectorAll("img").ShouldBeEmpty();
        document.All.SelectMany(e => e.Attributes).ShouldAllBe(a => !a.Name.StartsWith("on"));
        document.QuerySelectorAll("style").Length.ShouldBe(1);
        document.QuerySelector("h1")!.TextContent.ShouldContain("<script>alert(1)</script>");
        foreach (var link in document.QuerySelectorAll("a[href]"))
            link.GetAttribute("href")!.ShouldNotStartWith("javascript:");
    }

    [Fact]
    public async Task A_page_that_is_over_its_budget_is_not_published()
    {
        var random = new Random(7);
        var body = InstanceTests.Faq("Large");
        var items = new JsonArray();
        for (var i = 0; i < 30; i++)
        {
            // Text that does not compress.
            var text = Convert.ToBase64String(RandomBytes(random, 600));
            items.Add(
                new JsonObject
                {
                    ["id"] = $"q{i}",
                    ["question"] = $"Question {i}?",
                    ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = text }),
                }
            );
        }
        body["config"]!["items"] = items;
        var path = InstanceTests.NewPath();
        (await server.Owner.SendAsync(HttpMethod.Put, path, body, create: true)).Status.ShouldBe(201);
        var refused = await PublishAsync(path, "\"1\"");
        (refused.Status, refused.Problem).ShouldBe((422, "gate-closed"));
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Json["publication"].ShouldBeNull();
    }

    [Fact]
    public async Task A_text_of_a_megabyte_is_refused_by_its_place_and_a_larger_body_as_a_whole()
    {
        var path = await CreateAsync("Small");
        var million = new string('x', 1_000_000);
        var more = new string('x', 1024 * 1024);
        var saved = await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq(million), "\"1\"");
        saved.Status.ShouldBe(422);
        // Before any of it is looked at.
        saved.FaultPointers.ShouldBe(["/config"]);
        saved.Text.Length.ShouldBeLessThan(4_000, "it is not said back");
        (await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq(more), "\"1\"")).Problem.ShouldBe(
            "too-large"
        );
        var lengthy = InstanceTests.Faq(new string('x', 10_000));
        (await server.Owner.SendAsync(HttpMethod.Put, path, lengthy, "\"1\"")).FaultPointers.ShouldBe([
            "/config/heading",
        ]);

        var overlay = path + "/locales/de";
        var set = await server.Owner.SendAsync(HttpMethod.Put, overlay, Setting(million), create: true);
        set.Status.ShouldBe(422);
        set.FaultPointers.ShouldBe([""], "all of it");
        set.Text.Length.ShouldBeLessThan(4_000);
        (await server.Owner.SendAsync(HttpMethod.Put, overlay, Setting(more), create: true)).Problem.ShouldBe(
            "too-large"
        );

        // Nothing of it is there.
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Tag.ShouldBe("\"1\"");
        (await server.Owner.SendAsync(HttpMethod.Get, overlay)).Status.ShouldBe(404);

        static object Setting(string value) =>
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value,
                    },
                },
            };
    }

    private static byte[] RandomBytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private async Task<string> CreateAsync(string heading)
    {
        var path = InstanceTests.NewPath();
        (await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq(heading), create: true)).Status.ShouldBe(
            201
        );
        return path;
    }

    private Task<Answer> PublishAsync(string path, string ifMatch) =>
        server.Owner.SendAsync(HttpMethod.Put, path + "/publication", ifMatch: ifMatch);

    private async Task<string> PageAsync(string path, string query = "")
    {
        var answer = await server.Nobody.SendAsync(HttpMethod.Get, PagePath(path) + query);
        answer.Status.ShouldBe(200);
        return answer.Text;
    }

    private static string PagePath(string path) => "/e/" + path.Split('/')[^1];

    /// <summary>A move reaches every node by notification: soon, and not at once.</summary>
    private static Task UntilAsync(Func<Task<bool>> holds) =>
        Testing.Servers.ServerProcess.WaitUntilAsync("the move", TimeSpan.FromSeconds(30), _ => holds(), Ct);
}

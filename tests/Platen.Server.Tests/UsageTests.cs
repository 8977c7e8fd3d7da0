using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Server.Tests;

/// <summary>Counts of views and submissions, from the request to what the plan says about them.</summary>
public sealed class UsageTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Views_of_pages_and_pixels_and_kept_submissions_are_counted_and_nothing_else()
    {
        var form = await Form.PublishAsync(server);
        using (var first = await server.Nobody.GetAsync("/e/" + form.Id, Ct))
        {
            first.StatusCode.ShouldBe(HttpStatusCode.OK);
            using var again = new HttpRequestMessage(HttpMethod.Get, "/e/" + form.Id);
            again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
            using var second = await server.Nobody.SendAsync(again, Ct);
            second.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        }
        using (var pixel = await server.Nobody.GetAsync("/p/" + form.Id, Ct))
        {
            pixel.StatusCode.ShouldBe(HttpStatusCode.OK);
            pixel.Content.Headers.ContentType!.MediaType.ShouldBe("image/gif");
            (await pixel.Content.ReadAsByteArrayAsync(Ct)).Length.ShouldBe(43);
            pixel.Headers.CacheControl!.NoStore.ShouldBeTrue();
            pixel.Headers.Contains("Set-Cookie").ShouldBeFalse();
        }
        using (var beacon = await server.Nobody.PostAsync("/p/" + form.Id, null, Ct))
            beacon.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        // These show nothing to anybody.
        using (var head = new HttpRequestMessage(HttpMethod.Head, "/e/" + form.Id))
        using (await server.Nobody.SendAsync(head, Ct)) { }
        using (await server.Nobody.GetAsync($"/w/{form.Id}/manifest.json", Ct)) { }
        foreach (var unknown in new[] { "/p/wgt_curated_nothing", "/p/x", "/p/../e" })
        {
            using var none = await server.Nobody.GetAsync(unknown, Ct);
            none.StatusCode.ShouldBe(HttpStatusCode.NotFound, unknown);
        }
        using (var other = await server.Nobody.PutAsync("/p/" + form.Id, null, Ct))
            other.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        await form.SendAsync("a@example.org");
        await form.SendAsync("a@example.org");
        await form.SendAsync("b@example.org");

        var usage = await form.UsageAsync(views: 4, submissions: 2);
        usage["days"]!.AsArray().Count.ShouldBeInRange(1, 2);
        var all = (await server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/{form.Workspace}/usage")).Json;
        all["instances"]!.AsArray().Single()!["publicId"]!.GetValue<string>().ShouldBe(form.Id);
        all["views"]!.GetValue<long>().ShouldBe(4);
        all["viewsAllowed"]!.GetValue<long>().ShouldBeGreaterThan(1000);

        // Nothing of a visitor is in the table.
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var columns = new Npgsql.NpgsqlCommand(
            "select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns where table_schema = 'platform' and table_name = 'usage_day'",
            admin
        );
        (await columns.ExecuteScalarAsync(Ct)).ShouldBe("owner public_id day views submissions");
    }

    [Fact]
    public async Task Usage_is_its_owners()
    {
        var form = await Form.PublishAsync(server);
        var other = await Form.PublishAsync(server);
        var path = $"/v1/instances/{form.Id}/usage";
        (await other.Client.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(404);
        (await server.Nobody.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(401);
        (await form.Client.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200);
        string[] wrongDays = ["?from=x", "?from=2026-11-02&to=2026-11-01", "?from=1990-01-01", "?to=0001-01-01"];
        foreach (var wrong in wrongDays)
            (await form.Client.SendAsync(HttpMethod.Get, path + wrong)).Problem.ShouldBe("malformed", wrong);
        var ofWorkspace = $"/v1/workspaces/{form.Workspace}/usage?month=";
        foreach (var wrong in new[] { "13", "9999-12", "0001-01" })
            (await server.Owner.SendAsync(HttpMethod.Get, ofWorkspace + wrong)).Problem.ShouldBe("malformed", wrong);
    }

    [Fact]
    public async Task The_line_that_names_Platen_goes_with_the_plan_and_comes_back_beyond_it()
    {
        const string line = "Published with Platen";
        var form = await Form.PublishAsync(server);
        (await form.PageAsync()).ShouldContain(line);
        (await form.BrandingAsync()).ShouldBe((true, "The plan has it."));

        await form.AllowAsync("unbranded", 1);
        (await form.BrandingAsync()).ShouldBe((false, "The plan goes without it."));
        await form.PublishAgainAsync();
        await form.ShowsAsync(page => !page.Contains(line, StringComparison.Ordinal));

        // More than the plan has: the widget goes on, with the line.
        await form.AllowAsync("views-per-month", 2);
        var before = await form.ViewsAsync();
        for (var i = 0; i < 3; i++)
            await form.PageAsync();
        await form.UsageAsync(before + 3, submissions: 0);
        (await form.BrandingAsync()).Shown.ShouldBeTrue();
        (await form.PageAsync()).ShouldContain("<form");
        (await form.SendAsync("over@example.org")).ShouldBe(201);
        await form.PublishAgainAsync();
        await form.ShowsAsync(page => page.Contains(line, StringComparison.Ordinal));
        var workspace = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/{form.Workspace}");
        var views = workspace.Json["entitlements"]!
            .AsArray()
            .Single(e => e!["name"]!.GetValue<string>() == "views-per-month")!;
        views["used"]!.GetValue<long>().ShouldBeGreaterThan(2);
        views["allowed"]!.GetValue<long>().ShouldBe(2);
    }

    [Fact]
    public async Task A_workspace_cannot_take_the_line_away_itself()
    {
        var form = await Form.PublishAsync(server);
        var key = await server.CreateKeyAsync(form.Owner, "workspace:manage", "workspace:read");
        using var client = Form.NewClient(server, key);
        var path = "/v1/workspaces/" + form.Workspace;
        var tag = (await client.SendAsync(HttpMethod.Get, path)).Tag;
        (
            await client.SendAsync(HttpMethod.Put, path + "/entitlements/unbranded", new { allowed = 1 }, tag)
        ).Status.ShouldBe(403);
        (await form.PageAsync()).ShouldContain("Published with Platen");
    }

    private sealed record Form(ServerFixture Server, HttpClient Client, OwnerId Owner, string Workspace, string Id)
    {
        public static HttpClient NewClient(ServerFixture server, string key)
        {
            var client = new HttpClient { BaseAddress = server.Address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
            return client;
        }

        public static async Task<Form> PublishAsync(ServerFixture server)
        {
            var slug = "usage-" + Guid.CreateVersion7().ToString("N")[20..];
            var made = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Usage", slug });
            var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
            var client = NewClient(server, await server.CreateKeyAsync(owner, "instances:read", "instances:write"));
            var created = await client.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/instances",
                new JsonObject
                {
                    ["widgetType"] = "engagement.newsletter",
                    ["config"] = new JsonObject
                    {
                        ["heading"] = "News",
                        ["emailLabel"] = "E-mail",
                        ["consent"] = new JsonObject { ["text"] = "Send me news." },
                        ["submitLabel"] = "Subscribe",
                        ["sent"] = new JsonObject { ["heading"] = "Thanks" },
                        ["failed"] = new JsonObject { ["heading"] = "Sorry" },
                    },
                }
            );
            created.Status.ShouldBe(201, created.Text);
            var form = new Form(server, client, owner, slug, created.Json["publicId"]!.GetValue<string>());
            await form.PublishAgainAsync();
            // A manifest shows nothing to anybody, so waiting for it counts nothing.
            await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "it is served",
                TimeSpan.FromSeconds(30),
                async ct =>
                {
                    using var manifest = await server.Nobody.GetAsync($"/w/{form.Id}/manifest.json", ct);
                    return manifest.IsSuccessStatusCode;
                },
                Ct
            );
            return form;
        }

        public async Task PublishAgainAsync()
        {
            var read = await Client.SendAsync(HttpMethod.Get, "/v1/instances/" + Id);
            var published = await Client.SendAsync(
                HttpMethod.Put,
                $"/v1/instances/{Id}/publication",
                new { },
                read.Tag
            );
            published.Status.ShouldBe(200, published.Text);
        }

        public async Task<string> PageAsync()
        {
            using var answer = await Server.Nobody.GetAsync("/e/" + Id, Ct);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            return await answer.Content.ReadAsStringAsync(Ct);
        }

        public Task ShowsAsync(Func<string, bool> isRight) =>
            Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "the new page is shown",
                TimeSpan.FromSeconds(30),
                async _ => isRight(await PageAsync()),
                Ct
            );

        public async Task<int> SendAsync(string email) =>
            (
                await Server.Nobody.SendAsync(
                    HttpMethod.Post,
                    "/s/" + Id,
                    new JsonObject { ["email"] = email, ["consent"] = true }
                )
            ).Status;

        public async Task<long> ViewsAsync() =>
            (await Client.SendAsync(HttpMethod.Get, $"/v1/instances/{Id}/usage")).Json["views"]!.GetValue<long>();

        /// <summary>Waits until so much is written down.</summary>
        public async Task<JsonNode> UsageAsync(long views, long submissions)
        {
            JsonNode? usage = null;
            await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "what was counted is written down",
                TimeSpan.FromSeconds(30),
                async _ =>
                {
                    usage = (await Client.SendAsync(HttpMethod.Get, $"/v1/instances/{Id}/usage")).Json;
                    return usage["views"]!.GetValue<long>() >= views
                        && usage["submissions"]!.GetValue<long>() >= submissions;
                },
                Ct
            );
            usage!["submissions"]!.GetValue<long>().ShouldBe(submissions);
            return usage;
        }

        public async Task AllowAsync(string name, long allowed)
        {
            var path = "/v1/workspaces/" + Workspace;
            var tag = (await Server.Owner.SendAsync(HttpMethod.Get, path)).Tag;
            var changed = await Server.Owner.SendAsync(
                HttpMethod.Put,
                $"{path}/entitlements/{name}",
                new { allowed },
                tag
            );
            changed.Status.ShouldBe(200, changed.Text);
        }

        public async Task<(bool Shown, string Reason)> BrandingAsync()
        {
            var usage = await Server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/{Workspace}/usage");
            var branding = usage.Json["branding"]!;
            return (branding["shown"]!.GetValue<bool>(), branding["reason"]!.GetValue<string>());
        }
    }
}

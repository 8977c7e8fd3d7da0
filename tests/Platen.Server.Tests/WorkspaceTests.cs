namespace Platen.Server.Tests;

public sealed class WorkspaceTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_workspace_tells_its_slug_and_domain_and_what_its_plan_allows()
    {
        var made = await CreateAsync("Crème & Brûlée");
        made.Status.ShouldBe(201);
        var slug = made.Json["slug"]!.GetValue<string>();
        slug.ShouldStartWith("creme-and-brulee");
        made.Json["domain"]!.GetValue<string>().ShouldBe(slug + ".localhost");
        made.Json["plan"]!.GetValue<string>().ShouldBe("pool");
        made.Json["entitlements"]!.AsArray().Single(e => e!["name"]!.GetValue<string>() == "members")!["allowed"]!
            .GetValue<long>()
            .ShouldBe(10);

        var bySlug = await server.Owner.SendAsync(HttpMethod.Get, "/v1/workspaces/" + slug);
        var byId = await server.Owner.SendAsync(HttpMethod.Get, "/v1/workspaces/" + made.Json["id"]);
        bySlug.Text.ShouldBe(byId.Text);
        bySlug.Tag.ShouldBe("\"1\"");
    }

    [Fact]
    public async Task A_name_that_is_taken_gets_a_random_end_and_a_slug_that_is_taken_is_refused_with_a_suggestion()
    {
        var name = Unique("twin");
        var first = await CreateAsync(name);
        var second = await CreateAsync(name);
        second.Status.ShouldBe(201);
        second.Json["slug"]!.GetValue<string>().ShouldMatch($"^{first.Json["slug"]}-[2-9b-z]{{5}}$");

        var refused = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name, slug = first.Json["slug"]!.GetValue<string>() }
        );
        (refused.Status, refused.Problem).ShouldBe((409, "slug-taken"));
        refused.Json["suggestion"]!.GetValue<string>().ShouldStartWith(first.Json["slug"]!.GetValue<string>() + "-");
    }

    [Theory]
    [InlineData("Acme")]
    [InlineData("аcme")]
    [InlineData("acme\u200b")]
    [InlineData("ac")]
    [InlineData("admin")]
    [InlineData("adm1n")]
    [InlineData("ad-min")]
    [InlineData("platforrn")]
    [InlineData("xn--acme")]
    [InlineData("-acme")]
    [InlineData("acme-")]
    [InlineData("0198c3f0-0000-7000-8000-000000000001")]
    [InlineData("0198c3f0000070008000000000000001")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task A_slug_that_can_be_taken_for_another_is_refused(string slug)
    {
        var refused = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "x", slug });
        (refused.Status, refused.Problem).ShouldBe((422, "invalid"));
        refused.FaultPointers.ShouldBe(["/slug"]);
    }

    [Fact]
    public async Task All_faults_of_a_creation_are_told_at_once()
    {
        var refused = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "evil\u202eeman", slug = "ADMIN" }
        );
        refused.FaultPointers.ShouldBe(["/name", "/slug"]);
        var plan = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "x", plan = "gold" });
        plan.FaultPointers.ShouldBe(["/plan"]);
        plan.Text.ShouldContain("bridge, pool, silo");
    }

    [Fact]
    public async Task The_same_creation_sent_many_times_makes_one_workspace()
    {
        var key = Guid.CreateVersion7().ToString();
        var name = Unique("once");
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => CreateAsync(name, key)));
        answers.Count(a => a.Status == 201).ShouldBe(1);
        answers.ShouldAllBe(a => a.Status == 201 || a.Status == 200);
        answers.Select(a => a.Json["id"]!.GetValue<string>()).Distinct().Count().ShouldBe(1);

        var other = await CreateAsync(Unique("other"), key);
        (other.Status, other.Problem).ShouldBe((422, "idempotency-key-reused"));
    }

    [Fact]
    public async Task A_rename_states_the_version_it_saw_and_keeps_the_former_slug_from_others()
    {
        var made = await CreateAsync(Unique("before"));
        var former = made.Json["slug"]!.GetValue<string>();
        var slug = Unique("after");
        var path = "/v1/workspaces/" + former;
        (await server.Owner.SendAsync(HttpMethod.Patch, path, new { slug })).Status.ShouldBe(428);
        (await server.Owner.SendAsync(HttpMethod.Patch, path, new { slug }, ifMatch: "\"7\"")).Status.ShouldBe(412);
        var renamed = await server.Owner.SendAsync(HttpMethod.Patch, path, new { slug }, ifMatch: "\"1\"");
        (renamed.Status, renamed.Tag).ShouldBe((200, "\"2\""));
        renamed.Json["slug"]!.GetValue<string>().ShouldBe(slug);

        (await server.Owner.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(404);
        var thief = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "thief", slug = former }
        );
        thief.Problem.ShouldBe("slug-taken");
        var back = await server.Owner.SendAsync(
            HttpMethod.Patch,
            "/v1/workspaces/" + slug,
            new { slug = former },
            ifMatch: "\"2\""
        );
        back.Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_deleted_workspace_is_closed_and_can_be_had_back()
    {
        var made = await CreateAsync(Unique("grace"));
        var path = "/v1/workspaces/" + made.Json["slug"];
        var deleted = await server.Owner.SendAsync(HttpMethod.Delete, path, ifMatch: "\"1\"");
        (deleted.Status, deleted.Json["status"]!.GetValue<string>()).ShouldBe((200, "deleted"));
        var grace =
            deleted.Json["purgeAt"]!.GetValue<DateTimeOffset>() - deleted.Json["deletedAt"]!.GetValue<DateTimeOffset>();
        grace.TotalDays.ShouldBe(30, 0.01);

        (await server.Owner.SendAsync(HttpMethod.Patch, path, new { name = "x" }, ifMatch: "*")).Status.ShouldBe(404);
        var restored = await server.Owner.SendAsync(HttpMethod.Post, path + "/restore", ifMatch: "\"2\"");
        (restored.Status, restored.Json["status"]!.GetValue<string>()).ShouldBe((200, "active"));
        (await server.Owner.SendAsync(HttpMethod.Patch, path, new { name = "x" }, ifMatch: "*")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_list_is_searched_and_paged_by_slug()
    {
        var mark = "s" + Guid.CreateVersion7().ToString("N")[^8..];
        for (var i = 0; i < 5; i++)
            (await CreateAsync($"{mark} {i}")).Status.ShouldBe(201);
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await server.Owner.SendAsync(
                HttpMethod.Get,
                $"/v1/workspaces?search={mark.ToUpperInvariant()}&limit=2&cursor={cursor}"
            );
            page.Json["items"]!.AsArray().Count.ShouldBeLessThanOrEqualTo(2);
            seen.AddRange(page.Json["items"]!.AsArray().Select(w => w!["slug"]!.GetValue<string>()));
            cursor = page.Json["nextCursor"]?.GetValue<string>();
        } while (cursor is not null);
        seen.ShouldBe(Enumerable.Range(0, 5).Select(i => $"{mark}-{i}"));
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/workspaces?cursor=A'B")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task An_operator_moves_a_workspace_to_another_plan_and_allows_it_more()
    {
        var made = await CreateAsync(Unique("plan"));
        var path = "/v1/workspaces/" + made.Json["slug"];
        var moved = await server.Owner.SendAsync(HttpMethod.Patch, path, new { plan = "bridge" }, ifMatch: "\"1\"");
        moved.Json["plan"]!.GetValue<string>().ShouldBe("bridge");
        var more = await server.Owner.SendAsync(
            HttpMethod.Put,
            path + "/entitlements/members",
            new { allowed = 7 },
            ifMatch: "\"2\""
        );
        more.Json["entitlements"]!.AsArray().Single(e => e!["name"]!.GetValue<string>() == "members")!["allowed"]!
            .GetValue<long>()
            .ShouldBe(7);
    }

    [Fact]
    public async Task The_platform_itself_is_no_workspace_to_change()
    {
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/workspaces/platform")).Status.ShouldBe(200);
        (await server.Owner.SendAsync(HttpMethod.Delete, "/v1/workspaces/platform", ifMatch: "*")).Status.ShouldBe(404);
    }

    private async Task<Answer> CreateAsync(string name, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/workspaces");
        request.Content = System.Net.Http.Json.JsonContent.Create(new { name });
        if (key is not null)
            request.Headers.Add("Idempotency-Key", key);
        using var response = await server.Owner.SendAsync(request, Ct);
        return new Answer(
            (int)response.StatusCode,
            response.Headers.ETag?.ToString(),
            response.Content.Headers.ContentType?.MediaType,
            await response.Content.ReadAsStringAsync(Ct)
        );
    }

    private static string Unique(string name) => name + "-" + Guid.CreateVersion7().ToString("N")[^8..];
}

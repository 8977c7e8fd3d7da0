using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Testing;
using Platen.Testing.Servers;
using IPNetwork = System.Net.IPNetwork;

namespace Platen.Server.Tests;

/// <summary>What a client meets who asks too often. Quotas come back within a day: nothing does while a test runs.</summary>
public sealed class RateLimitTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_key_over_its_quota_gets_a_problem_with_the_time_to_wait_and_others_do_not()
    {
        await using var node = await StartAsync("key=10/86400");
        var owner = TestOwner.New();
        using var busy = ServerFixture.ClientOf(node, await server.CreateKeyAsync(owner.Id, "audit:read"));
        using var quiet = ServerFixture.ClientOf(node, await server.CreateKeyAsync(owner.Id, "audit:read"));

        for (var left = 9; left >= 0; left--)
        {
            using var passed = await busy.GetAsync("/v1/audit", Ct);
            ((int)passed.StatusCode).ShouldBe(200);
            Field(passed, "RateLimit-Policy").ShouldBe("\"key\";q=10;w=86400, \"workspace\";q=30000;w=60");
            Field(passed, "RateLimit")!.ShouldStartWith($"\"key\";r={left};t=");
        }
        using var refused = await busy.GetAsync("/v1/audit", Ct);
        ((int)refused.StatusCode).ShouldBe(429);
        var problem = JsonNode.Parse(await refused.Content.ReadAsStringAsync(Ct))!;
        problem["type"]!.GetValue<string>().ShouldBe("/problems/rate-limited");
        problem["policy"]!.GetValue<string>().ShouldBe("key");
        var wait = int.Parse(Field(refused, "Retry-After")!, CultureInfo.InvariantCulture);
        wait.ShouldBeInRange(1, 8_640);
        problem["retryAfter"]!.GetValue<int>().ShouldBe(wait);
        Field(refused, "RateLimit")!.ShouldContain("r=0");
        Field(refused, "X-Content-Type-Options").ShouldBe("nosniff");

        using var other = await quiet.GetAsync("/v1/audit", Ct);
        ((int)other.StatusCode).ShouldBe(200);
        using var nobody = ServerFixture.ClientOf(node);
        ((int)(await nobody.GetAsync("/v1/audit", Ct)).StatusCode).ShouldBe(401);
    }

    [Fact]
    public async Task The_keys_of_a_workspace_share_its_quota()
    {
        await using var node = await StartAsync("workspace=10/86400");
        var owner = TestOwner.New();
        using var one = ServerFixture.ClientOf(node, await server.CreateKeyAsync(owner.Id, "audit:read"));
        using var two = ServerFixture.ClientOf(node, await server.CreateKeyAsync(owner.Id, "audit:read"));
        var statuses = new List<int>();
        for (var i = 0; i < 12; i++)
            statuses.Add((int)(await (i % 2 == 0 ? one : two).GetAsync("/v1/audit", Ct)).StatusCode);
        statuses.ShouldBe([.. Enumerable.Repeat(200, 10), 429, 429]);
        using var other = ServerFixture.ClientOf(node, await server.CreateKeyAsync(TestOwner.New().Id, "audit:read"));
        ((int)(await other.GetAsync("/v1/audit", Ct)).StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task People_take_from_the_quota_of_the_workspace_that_they_are_in()
    {
        await using var node = await StartAsync("workspace=10/86400");
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var owner = new Kernel.OwnerId(made.Json["id"]!.GetValue<Guid>());
        var path = "/v1/workspaces/" + made.Json["slug"];
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var people = new List<HttpClient>();
        for (var i = 0; i < 3; i++)
        {
            var person = await TestPersonSession.AddAsync(admin, $"{Guid.CreateVersion7():N}@example.org", Ct);
            await person.JoinAsync(admin, owner, "viewer", Ct);
            var client = ServerFixture.ClientOf(node);
            client.DefaultRequestHeaders.Add("Cookie", person.Cookie);
            people.Add(client);
        }
        // Outside of it they are nobody's.
        for (var i = 0; i < 12; i++)
            ((int)(await people[0].GetAsync("/v1/whoami", Ct)).StatusCode).ShouldBe(200);
        var statuses = new List<int>();
        for (var i = 0; i < 12; i++)
            statuses.Add((int)(await people[i % 3].GetAsync(path + "/members", Ct)).StatusCode);
        statuses.ShouldBe([.. Enumerable.Repeat(200, 10), 429, 429]);
        // Operators who look after it are not in its way, nor it in theirs.
        using var visitor = ServerFixture.ClientOf(node, server.OwnerKeyText);
        ((int)(await visitor.GetAsync(path + "/members", Ct)).StatusCode).ShouldBe(200);
        people.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task An_address_is_counted_before_its_key_is_looked_at_and_cannot_be_made_up()
    {
        await using var node = await StartAsync("address=10/86400");
        using var client = ServerFixture.ClientOf(node, "platen_not-a-key");
        var mine = NewAddress();
        for (var i = 0; i < 10; i++)
            (await FromAsync(client, "/v1/audit", $"{NewAddress()}, {mine}")).ShouldBe(401);
        (await FromAsync(client, "/v1/audit", $"{NewAddress()}, {mine}")).ShouldBe(429);
        (await FromAsync(client, "/v1/nothing", mine)).ShouldBe(429);
        (await FromAsync(client, "/v1/audit", NewAddress())).ShouldBe(401);
        // Who watches the server is never turned away, nor is the operator on the machine itself.
        (await FromAsync(client, "/readyz", mine)).ShouldBe(200);
        (await FromAsync(client, "/metrics", mine)).ShouldBe(200);
        for (var i = 0; i < 15; i++)
            ((int)(await client.GetAsync("/v1/audit", Ct)).StatusCode).ShouldBe(401);
    }

    [Fact]
    public async Task Visitors_of_published_pages_have_a_quota_of_their_own()
    {
        await using var node = await StartAsync("visitor=10/86400, address=5/86400");
        using var client = ServerFixture.ClientOf(node);
        var mine = NewAddress();
        for (var i = 0; i < 10; i++)
            (await FromAsync(client, "/e/wgt_curated_none", mine)).ShouldBe(404);
        (await FromAsync(client, "/e/wgt_curated_none", mine)).ShouldBe(429);
        (await FromAsync(client, "/w/wgt_curated_none/manifest.json", mine)).ShouldBe(429);
        (await FromAsync(client, "/e/wgt_curated_none", NewAddress())).ShouldBe(404);
        (await FromAsync(client, "/widgets/manifest.json", mine)).ShouldBe(200);
        var metrics = (await client.SendAsync(HttpMethod.Get, "/metrics")).Text;
        metrics.ShouldContain("platen_ratelimit_decisions_total{policy=\"visitor\",outcome=\"refused\"} ");
    }

    [Theory]
    [InlineData("application/json", "application/json")]
    [InlineData("application/x-www-form-urlencoded", "text/html")]
    public async Task Posts_to_forms_have_a_quota_of_their_own(string type, string accept)
    {
        await using var node = await StartAsync("submission=3/86400, visitor=1/86400");
        using var client = ServerFixture.ClientOf(node);
        var mine = NewAddress();
        for (var left = 2; left >= 0; left--)
        {
            using var taken = await PostAsync("/s/wgt_curated_none", mine);
            ((int)taken.StatusCode).ShouldBe(404);
            Field(taken, "RateLimit-Policy")!.ShouldContain("\"submission\";q=3;w=86400");
            Field(taken, "RateLimit")!.ShouldContain($"\"submission\";r={left};t=");
        }
        // One after the other, whatever the form is called.
        foreach (var path in (string[])["/s/wgt_curated_none", "/s/wgt_curated_other"])
        {
            using var refused = await PostAsync(path, mine);
            ((int)refused.StatusCode).ShouldBe(429);
            Field(refused, "Retry-After").ShouldNotBeNull();
            int.Parse(Field(refused, "Retry-After")!, CultureInfo.InvariantCulture).ShouldBeInRange(1, 28_800);
            Field(refused, "RateLimit")!.ShouldContain("\"submission\";r=0");
            JsonNode.Parse(await refused.Content.ReadAsStringAsync(Ct))!["policy"]!
                .GetValue<string>()
                .ShouldBe("submission");
        }
        using (var other = await PostAsync("/s/wgt_curated_none", NewAddress()))
            ((int)other.StatusCode).ShouldBe(404);

        // Whoever reads takes from another quota, which is refused in the same words.
        (await FromAsync(client, "/e/wgt_curated_none", mine)).ShouldBe(404);
        using var page = new HttpRequestMessage(HttpMethod.Get, "/e/wgt_curated_none");
        page.Headers.TryAddWithoutValidation("X-Forwarded-For", mine);
        using var unread = await client.SendAsync(page, Ct);
        ((int)unread.StatusCode).ShouldBe(429);
        Field(unread, "Retry-After").ShouldNotBeNull();
        Field(unread, "RateLimit-Policy").ShouldBe("\"visitor\";q=1;w=86400");
        Field(unread, "RateLimit")!.ShouldStartWith("\"visitor\";r=0;t=");

        async Task<HttpResponseMessage> PostAsync(string path, string from)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Content = new StringContent(type == "application/json" ? "{}" : "email=a");
            request.Content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue(type);
            request.Headers.TryAddWithoutValidation("Accept", accept);
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", from);
            return await client.SendAsync(request, Ct);
        }
    }

    [Fact]
    public async Task Signing_in_is_limited_more_strictly_than_everything_else()
    {
        await using var node = await StartAsync("sign-in=3/86400");
        using var client = ServerFixture.ClientOf(node);
        var mine = NewAddress();
        for (var i = 0; i < 3; i++)
            (await FromAsync(client, "/v1/session", mine, HttpMethod.Post)).ShouldNotBe(429);
        (await FromAsync(client, "/v1/session", mine, HttpMethod.Post)).ShouldBe(429);
        // Every way to sign in takes from the same quota.
        (await FromAsync(client, "/sign-in", mine, HttpMethod.Post)).ShouldBe(429);
        (await FromAsync(client, "/v1/session", NewAddress(), HttpMethod.Post)).ShouldNotBe(429);
        (await FromAsync(client, "/v1/sign-in-methods", mine)).ShouldBe(200);
    }

    [Theory]
    [InlineData("redis")]
    [InlineData("postgresql")]
    public async Task Two_nodes_share_the_quota_of_a_key(string store)
    {
        await using var redis = store == "redis" ? await RedisServer.StartAsync(Ct) : null;
        await using var one = await StartAsync("key=40/86400", redis?.Url);
        await using var two = await StartAsync("key=40/86400", redis?.Url);
        var key = await server.CreateKeyAsync(TestOwner.New().Id, "audit:read");
        using var first = ServerFixture.ClientOf(one, key);
        using var second = ServerFixture.ClientOf(two, key);
        var statuses = new List<int>();
        for (var i = 0; i < 50; i++)
            statuses.Add((int)(await (i % 2 == 0 ? first : second).GetAsync("/v1/audit", Ct)).StatusCode);
        statuses.ShouldBe([.. Enumerable.Repeat(200, 40), .. Enumerable.Repeat(429, 10)]);
    }

    private Task<WebApplication> StartAsync(string limits, string? redis = null) =>
        server.StartAsync(
            new HttpGuards
            {
                Limits = RateLimitPolicies.Parse(limits),
                Redis = RedisAddress.Parse(redis),
                // A store that is slow because the machine is busy is not away.
                CountingPatience = TimeSpan.FromMinutes(1),
                TrustedProxies = [IPNetwork.Parse("127.0.0.0/8")],
            }
        );

    private static async Task<int> FromAsync(
        HttpClient client,
        string path,
        string forwardedFor,
        HttpMethod? method = null
    )
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", forwardedFor);
        using var answer = await client.SendAsync(request, Ct);
        return (int)answer.StatusCode;
    }

    /// <summary>An IPv6 network that nobody else in the run has: the count is shared by all nodes of the tests.</summary>
    private static string NewAddress()
    {
        var id = Guid.CreateVersion7().ToString("N");
        return $"2001:db8:{id[20..24]}:{id[24..28]}::{id[28..32]}";
    }

    private static string? Field(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;
}

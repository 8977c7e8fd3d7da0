using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Platen.Platform.Http;
using IPNetwork = System.Net.IPNetwork;

namespace Platen.Server.Tests;

/// <summary>Who is believed, who may call from a browser, and what every answer carries.</summary>
public sealed class GuardTests(ServerFixture server)
{
    private const string App = "https://app.example.com";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_client_says_of_its_address_is_not_believed()
    {
        var path = InstanceTests.NewPath();
        await SaveAsync(server.Owner, path, ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Host", "evil.test"));
        (await OriginOfAsync(path)).ShouldBe("127.0.0.1");
    }

    [Fact]
    public async Task What_a_trusted_proxy_says_of_its_client_is_believed()
    {
        await using var node = await server.StartAsync(
            new HttpGuards { TrustedProxies = [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("10.0.0.0/8")] }
        );
        using var client = ServerFixture.ClientOf(node, server.OwnerKeyText);
        var path = InstanceTests.NewPath();
        await SaveAsync(client, path, ("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.7"));
        (await OriginOfAsync(path)).ShouldBe("203.0.113.9");

        using var https = await SendAsync(client, HttpMethod.Get, "/healthz", ("X-Forwarded-Proto", "https"));
        https.Headers.GetValues("Strict-Transport-Security").Single().ShouldBe("max-age=31536000");
        using var page = await SendAsync(client, HttpMethod.Get, "/e/wgt_curated_none", ("X-Forwarded-Proto", "https"));
        page.Headers.Contains("Strict-Transport-Security").ShouldBeTrue();
        using var http = await SendAsync(client, HttpMethod.Get, "/healthz", ("X-Forwarded-Proto", "javascript"));
        http.Headers.Contains("Strict-Transport-Security").ShouldBeFalse();
        // The proxy's own pages are the server's own.
        using var own = await SendAsync(
            client,
            HttpMethod.Get,
            "/v1/curated-instances",
            ("X-Forwarded-Host", "cms.example.com"),
            ("X-Forwarded-Proto", "https"),
            ("Origin", "https://cms.example.com")
        );
        ((int)own.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task An_allowed_origin_reads_the_answer_and_others_are_refused()
    {
        await using var node = await StartAsync($"{App} https://*.shop.example");
        using var client = ServerFixture.ClientOf(node, server.OwnerKeyText);

        using var allowed = await FromAsync(client, App);
        ((int)allowed.StatusCode).ShouldBe(200);
        Field(allowed, "Access-Control-Allow-Origin").ShouldBe(App);
        Field(allowed, "Access-Control-Allow-Credentials").ShouldBe("true");
        Field(allowed, "Access-Control-Expose-Headers")!.ShouldContain("ETag");
        Field(allowed, "Vary").ShouldBe("Origin, Authorization, Cookie");

        // A pattern lets pages in, but not with the visitor's cookies: names below it come and go.
        using var below = await FromAsync(client, "https://one.shop.example");
        Field(below, "Access-Control-Allow-Origin").ShouldBe("https://one.shop.example");
        Field(below, "Access-Control-Allow-Credentials").ShouldBeNull();

        foreach (
            var origin in (string[])["https://evil.test", "null", "https://shop.example", "http://app.example.com", ""]
        )
        {
            using var refused = await FromAsync(client, origin);
            ((int)refused.StatusCode).ShouldBe(403, origin);
            (await refused.Content.ReadAsStringAsync(Ct)).ShouldContain("/problems/origin-not-allowed");
            Field(refused, "Access-Control-Allow-Origin").ShouldBeNull();
            Field(refused, "Vary").ShouldBe("Origin, Authorization, Cookie");
        }

        using var program = await SendAsync(client, HttpMethod.Get, "/v1/curated-instances");
        ((int)program.StatusCode).ShouldBe(200);
        Field(program, "Access-Control-Allow-Origin").ShouldBeNull();
        Field(program, "Vary").ShouldBe("Origin, Authorization, Cookie");
    }

    [Fact]
    public async Task A_refused_origin_has_no_effect()
    {
        var path = InstanceTests.NewPath();
        using var refused = await SaveAsync(server.Owner, path, ("Origin", "https://evil.test"));
        ((int)refused.StatusCode).ShouldBe(403);
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task The_servers_own_pages_need_no_permission()
    {
        var own = server.Nobody.BaseAddress!.GetLeftPart(UriPartial.Authority);
        using var answer = await FromAsync(server.Owner, own);
        ((int)answer.StatusCode).ShouldBe(200);
        // TLS ended in front of us by something that does not say so.
        using var secure = await FromAsync(server.Owner, own.Replace("http://", "https://"));
        ((int)secure.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task Every_origin_may_read_when_the_operator_says_so_but_never_with_credentials()
    {
        await using var node = await StartAsync("*");
        using var client = ServerFixture.ClientOf(node, server.OwnerKeyText);
        using var anybody = await FromAsync(client, "https://anybody.test");
        Field(anybody, "Access-Control-Allow-Origin").ShouldBe("*");
        Field(anybody, "Access-Control-Allow-Credentials").ShouldBeNull();
        using var sandboxed = await FromAsync(client, "null");
        ((int)sandboxed.StatusCode).ShouldBe(403);
    }

    [Fact]
    public async Task A_preflight_is_answered_without_a_key_and_may_be_kept()
    {
        await using var node = await StartAsync(App);
        using var client = ServerFixture.ClientOf(node);
        using var answer = await SendAsync(
            client,
            HttpMethod.Options,
            "/v1/instances/wgt_main_content.faq",
            ("Origin", App),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "authorization,if-match")
        );
        ((int)answer.StatusCode).ShouldBe(204);
        Field(answer, "Access-Control-Allow-Origin").ShouldBe(App);
        Field(answer, "Access-Control-Allow-Methods")!.ShouldContain("PUT");
        Field(answer, "Access-Control-Allow-Headers")!.ShouldContain("If-Match");
        Field(answer, "Access-Control-Max-Age").ShouldBe("7200");
        Field(answer, "Vary")!.ShouldContain("Access-Control-Request-Method");

        using var refused = await SendAsync(
            client,
            HttpMethod.Options,
            "/v1/instances/wgt_main_content.faq",
            ("Origin", "https://evil.test"),
            ("Access-Control-Request-Method", "PUT")
        );
        ((int)refused.StatusCode).ShouldBe(403);
        using var plain = await SendAsync(client, HttpMethod.Options, "/v1/jobs");
        ((int)plain.StatusCode).ShouldBe(405);
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/v1/curated-instances")]
    [InlineData("/v1/nothing")]
    [InlineData("/")]
    [InlineData("/problems/not-found")]
    public async Task Every_answer_carries_the_safety_fields_problems_included(string path)
    {
        using var answer = await server.Nobody.GetAsync(path, Ct);
        Field(answer, "X-Content-Type-Options").ShouldBe("nosniff");
        Field(answer, "X-Frame-Options").ShouldBe("DENY");
        Field(answer, "Referrer-Policy").ShouldBe("no-referrer");
        Field(answer, "Cross-Origin-Resource-Policy").ShouldBe("same-origin");
        Field(answer, "Cross-Origin-Opener-Policy").ShouldBe("same-origin");
        Field(answer, "Permissions-Policy")!.ShouldContain("camera=()");
        Field(answer, "Content-Security-Policy")!.ShouldContain("frame-ancestors 'none'");
        Field(answer, "Server").ShouldBeNull();
        Field(answer, "Strict-Transport-Security").ShouldBeNull();
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/readyz")]
    [InlineData("/metrics")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/")]
    [InlineData("/problems/not-found")]
    [InlineData("/widgets/manifest.json")]
    [InlineData("/widgets/content.faq/schema.json")]
    [InlineData("/v1/curated-instances")]
    [InlineData("/v1/jobs")]
    [InlineData("/v1/audit")]
    [InlineData("/v1/audit:export?format=jsonl&to=2020-01-01")]
    [InlineData("/v1/instances/wgt_curated_nothing")]
    [InlineData("/v1/events/widget/wgt_curated_nothing")]
    public async Task Head_answers_like_get_without_the_body(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var head = await server.Owner.SendAsync(request, Ct);
        (await head.Content.ReadAsByteArrayAsync(Ct)).ShouldBeEmpty();
        using var get = await server.Owner.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Ct);
        head.StatusCode.ShouldBe(get.StatusCode);
        head.Content.Headers.ContentType.ShouldBe(get.Content.Headers.ContentType);
        head.Headers.ETag.ShouldBe(get.Headers.ETag);
        string[] Names(HttpResponseMessage answer) =>
            [
                .. answer
                    .Headers.Select(h => h.Key)
                    .Except(["Transfer-Encoding", "Connection"])
                    .Order(StringComparer.Ordinal),
            ];
        Names(head).ShouldBe(Names(get));
    }

    private Task<WebApplication> StartAsync(string origins) =>
        server.StartAsync(new HttpGuards { CorsOrigins = AllowedOrigins.Parse(origins) });

    private static Task<HttpResponseMessage> FromAsync(HttpClient client, string origin) =>
        SendAsync(client, HttpMethod.Get, "/v1/curated-instances", ("Origin", origin));

    private static async Task<HttpResponseMessage> SendAsync(
        HttpClient client,
        HttpMethod method,
        string path,
        params (string Name, string Value)[] fields
    )
    {
        using var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in fields)
            request.Headers.TryAddWithoutValidation(name, value);
        return await client.SendAsync(request, Ct);
    }

    private static async Task<HttpResponseMessage> SaveAsync(
        HttpClient client,
        string path,
        params (string Name, string Value)[] fields
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path);
        request.Content = new StringContent(
            InstanceTests.Faq("guarded").ToJsonString(),
            new MediaTypeHeaderValue("application/json")
        );
        request.Headers.TryAddWithoutValidation("If-None-Match", "*");
        foreach (var (name, value) in fields)
            request.Headers.TryAddWithoutValidation(name, value);
        return await client.SendAsync(request, Ct);
    }

    private async Task<string> OriginOfAsync(string path)
    {
        var subject = "widget/" + path["/v1/instances/".Length..];
        var log = await server.Owner.SendAsync(HttpMethod.Get, "/v1/audit?subject=" + subject);
        return log.Json["items"]!.AsArray().Single()!["origin"]!.GetValue<string>();
    }

    private static string? Field(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;
}

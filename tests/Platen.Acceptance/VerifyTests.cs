using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.Extensions.Logging;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary><c>platen verify</c> against the built server, and against the same server with something broken on the way.</summary>
public sealed class VerifyTests(VerifiedServer fixture) : IClassFixture<VerifiedServer>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_built_server_passes_with_a_key_and_writes_its_sizes_down()
    {
        var folder = PostgresFixture.NewFolder();
        var run = await fixture.Server.RunCliAsync(
            Ct,
            "verify",
            "--submit",
            "--origin",
            VerifiedServer.AllowedOrigin,
            "--token",
            fixture.Token,
            "--report",
            folder,
            "--json"
        );

        run.ExitCode.ShouldBe(0, run.Output + run.Errors);
        using var report = JsonDocument.Parse(run.Output);
        report.RootElement.GetProperty("failed").GetInt32().ShouldBe(0);
        report.RootElement.GetProperty("warned").GetInt32().ShouldBe(0);
        report.RootElement.GetProperty("passed").GetInt32().ShouldBeGreaterThan(200);
        var sizes = report.RootElement.GetProperty("sizes").EnumerateArray().ToList();
        sizes.Count.ShouldBe(7);
        sizes.ShouldAllBe(size => size.GetProperty("brotliBytes").GetInt32() > 1_000);
        // Nothing that could be looked at was left out, beside what only https can show.
        Checks(report).Where(check => check.Result == "skip").ShouldAllBe(check => check.Name == "it is https only");
        (await File.ReadAllTextAsync(Path.Combine(folder, "verify.md"), Ct)).ShouldContain("/embed/v1/loader.js");
        JsonDocument
            .Parse(await File.ReadAllBytesAsync(Path.Combine(folder, "verify.json"), Ct))
            .RootElement.GetProperty("checks")
            .GetArrayLength()
            .ShouldBe(report.RootElement.GetProperty("checks").GetArrayLength());
        // What was sent for the sake of it is gone.
        using var client = fixture.Server.OpenClient();
        (await client.GetStringAsync("v1/instances/wgt_main_forms.contact/submissions", Ct)).ShouldNotContain("verify");
    }

    [Fact]
    public async Task It_passes_without_a_key_as_far_as_a_stranger_can_see()
    {
        var (code, report) = await VerifyAsync(fixture.Server.Address, null);
        code.ShouldBe(0);
        using (report)
        {
            report.RootElement.GetProperty("failed").GetInt32().ShouldBe(0);
            Checks(report).Single(check => check.Name == "a page of another origin is refused").Result.ShouldBe("ok");
        }
    }

    [Theory]
    [InlineData("no-etag", "a page has a strong ETag")]
    [InlineData("unsafe-inline", "its policy has no hole")]
    [InlineData("nonce", "its policy is by hash, because the page is cached")]
    [InlineData("foreign-script", "it loads nothing from anybody else")]
    [InlineData("handler", "it has no inline handler")]
    [InlineData("poison", "X-Forwarded-Host changes nothing that a cache would keep")]
    [InlineData("open-origins", "a page of another origin is refused")]
    [InlineData("no-guard", "a write without If-Match: 428")]
    [InlineData("fat", "at most 10240 bytes with gzip")]
    [InlineData("no-gzip", "at most 10240 bytes with gzip")]
    [InlineData("no-304", "If-None-Match with its tag: 304")]
    [InlineData("no-range", "a range of an artifact: 206 with those bytes")]
    [InlineData("other-artifact", "the artifact of en is what its name says, for ever")]
    [InlineData("other-loader", "the integrity value is that of the pinned one")]
    [InlineData("kept-404", "an id that is not there: 404 that nobody keeps and that helps")]
    [InlineData("no-validator", "the schema validator is there")]
    [InlineData("cookie", "it sets no cookie")]
    public async Task A_server_that_breaks_one_rule_fails_by_that_rule(string fault, string rule) =>
        await FailsAsync([fault], [rule]);

    /// <summary>Faults that do not hide each other, at once.</summary>
    private static readonly Dictionary<string, string[]>[] Broken =
    [
        new Dictionary<string, string[]>
        {
            ["must-revalidate"] = ["a page is revalidated and outlives the server"],
            ["no-vary"] = ["Vary names the fields that choose"],
            ["other-head"] = ["HEAD has the fields of GET and no body"],
            ["blind-to-dates"] = ["If-Modified-Since with its date: 304"],
            ["no-if-match"] = ["If-Match with another tag: 412"],
            ["weights"] = ["Accept-Encoding: gzip;q=1.0, br;q=0.5: gzip", "every coding refused: 406"],
            ["no-416"] = ["a range beyond the end: 416"],
            ["no-405"] = ["a page is only read"],
            ["one-theme"] = ["it comes in dark"],
            ["fat-loader"] = ["at most 28672 bytes with gzip"],
            ["closed-loader"] = ["any page may load it"],
            ["any-key"] = ["a made-up key: 401"],
            ["empty-form"] = ["an empty form is refused"],
            ["public-private"] = ["/e/{id} with X-Embed-Token is kept by nobody but who asked"],
        },
        new Dictionary<string, string[]>
        {
            ["no-date"] = ["a page has Last-Modified"],
            ["short-lived-manifest"] = ["its manifest is revalidated"],
            ["no-if-range"] = ["a range of something else (If-Range): the whole"],
            ["no-allowed-origin"] = ["a page of an allowed origin is answered"],
            ["no-stale-guard"] = ["a write with another version: 412"],
            ["doubles"] =
            [
                "the same Idempotency-Key: the same submission",
                "the same content within the window: the same submission",
            ],
            ["open-form"] = ["a form that is sent from another origin is refused"],
            ["no-token-vary"] =
            [
                "/e/{id} with Authorization varies by what opened it",
                "/w/{id}/manifest.json with X-Embed-Token varies by what opened it",
            ],
        },
        new Dictionary<string, string[]>
        {
            ["always-304"] = ["If-Modified-Since long ago: 200"],
            ["date-before-tag"] = ["another tag counts more than its date: 200"],
            ["any-token"] = ["/e/{id} without a token: 401 that nobody keeps"],
            ["any-token-origin"] = ["/w/{id}/manifest.json for a page of another origin: 403"],
        },
    ];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public Task A_server_that_breaks_several_rules_fails_by_each_of_them(int group) =>
        FailsAsync([.. Broken[group].Keys], [.. Broken[group].Values.SelectMany(rules => rules)]);

    private async Task FailsAsync(string[] faults, string[] rules)
    {
        await using var broken = await StartBrokenAsync(faults);
        var (code, report) = await VerifyAsync(
            new Uri(broken.Urls.First()),
            fixture.Server.OwnerKey,
            "--submit",
            "--origin",
            VerifiedServer.AllowedOrigin,
            "--token",
            fixture.Token
        );
        code.ShouldBe(1);
        using (report)
        {
            var failed = Checks(report).Where(check => check.Result == "fail").Select(check => check.Name).ToList();
            foreach (var rule in rules)
                failed.ShouldContain(rule.Replace("{id}", fixture.Hidden, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Nothing_that_answers_is_not_a_failed_check()
    {
        var run = await CommandResult.RunAsync(["dotnet", Build.Cli, "verify", "http://127.0.0.1:1"], Ct);
        run.ExitCode.ShouldBe(3);
    }

    private static async Task<(int Code, JsonDocument Report)> VerifyAsync(
        Uri server,
        string? key,
        params string[] options
    )
    {
        var run = await CommandResult.RunAsync(
            ["dotnet", Build.Cli, "verify", server.ToString(), "--json", .. options],
            Ct,
            ("PLATEN_KEY", key ?? ""),
            ("HOME", PostgresFixture.NewFolder())
        );
        return (run.ExitCode, JsonDocument.Parse(run.Output));
    }

    private static IEnumerable<(string Name, string Result)> Checks(JsonDocument report) =>
        report
            .RootElement.GetProperty("checks")
            .EnumerateArray()
            .Select(check => (check.GetProperty("name").GetString()!, check.GetProperty("result").GetString()!));

    // Passes everything on, and breaks one thing.
    private async Task<WebApplication> StartBrokenAsync(string[] faults)
    {
        var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = fixture.Server.Address,
        };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.Lifetime.ApplicationStopped.Register(http.Dispose);
        var posts = 0;
        app.Run(async context =>
        {
            using var request = Forwarded(context.Request, faults);
            using var answer = await http.SendAsync(request, context.RequestAborted);
            var body = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
            // The first is told its own id, by which it is erased.
            if (
                faults.Contains("doubles")
                && context.Request.Path.StartsWithSegments("/s")
                && answer.IsSuccessStatusCode
                && Interlocked.Increment(ref posts) > 1
            )
                body = JsonSerializer.SerializeToUtf8Bytes(new { id = Guid.CreateVersion7() });
            await WriteAsync(context, answer, body, faults);
        });
        await app.StartAsync(Ct);
        return app;
    }

    private static HttpRequestMessage Forwarded(HttpRequest from, string[] faults)
    {
        var isForm = from.Path.StartsWithSegments("/s");
        var to =
            Breaks("one-theme") && from.Query["theme"] == "dark" ? from.Path.Value! : from.GetEncodedPathAndQuery();
        var request = new HttpRequestMessage(new HttpMethod(from.Method), to);
        if (from.ContentLength > 0)
            request.Content = new StreamContent(from.Body);
        foreach (var (name, value) in from.Headers)
        {
            if (
                name is "Host" or "Connection"
                || (name is "Origin" && (Breaks("open-origins") || (Breaks("open-form") && isForm)))
                || (name is "Origin" && Breaks("no-allowed-origin") && value == VerifiedServer.AllowedOrigin)
                || (name is "Origin" && Breaks("any-token-origin") && from.Path.StartsWithSegments("/w"))
                || (name is "Range" && Breaks("no-range"))
                || (name is "Range" && Breaks("no-416") && value.ToString().Contains("999999999"))
                || (name is "If-Range" && Breaks("no-if-range"))
                || (name is "If-Modified-Since" && Breaks("blind-to-dates"))
                || (name is "If-None-Match" && Breaks("date-before-tag") && from.Headers.IfModifiedSince.Count > 0)
                || (name is "If-Match" && Breaks("no-if-match") && HttpMethods.IsGet(from.Method))
                || (name is "Accept-Encoding" && Breaks("no-gzip"))
                || (name.StartsWith("If-", StringComparison.OrdinalIgnoreCase) && Breaks("no-304"))
            )
                continue;
            // The server's own origin is the one that it is asked by.
            var text = name is "Origin" && value.ToString().Contains("127.0.0.1") ? null : value.ToString();
            if (name is "Accept-Encoding" && Breaks("weights"))
                text = text!.Replace(";q=0.5", "").Replace(";q=1.0", "").Replace(";q=0", "");
            if (text is not null && !request.Headers.TryAddWithoutValidation(name, text))
                request.Content?.Headers.TryAddWithoutValidation(name, text);
        }
        return request;

        bool Breaks(string fault) => faults.Contains(fault, StringComparer.Ordinal);
    }

    private static async Task WriteAsync(HttpContext context, HttpResponseMessage answer, byte[] body, string[] faults)
    {
        var (request, response) = (context.Request, context.Response);
        response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, value) in answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated))
        {
            if (name is not ("Transfer-Encoding" or "Date" or "Content-Length"))
                response.Headers[name] = value.ToString();
        }
        response.Headers.Remove("Server");
        var isPage = request.Path.StartsWithSegments("/e") && response.StatusCode == 200;
        var isPlain = isPage && !response.Headers.ContainsKey("Content-Encoding");
        var isLoader = request.Path == "/embed/v1/loader.js";
        var opened =
            response.StatusCode == 200
            && (
                request.Headers.ContainsKey("X-Embed-Token")
                || request.Headers.Authorization.ToString().Contains('.', StringComparison.Ordinal)
            );
        foreach (var fault in faults)
        {
            switch (fault)
            {
                case "no-etag" when isPage:
                    response.Headers.Remove("ETag");
                    break;
                case "unsafe-inline" when isPage:
                    response.Headers.ContentSecurityPolicy = response
                        .Headers.ContentSecurityPolicy.ToString()
                        .Replace("style-src ", "style-src 'unsafe-inline' ", StringComparison.Ordinal);
                    break;
                case "nonce" when isPage:
                    response.Headers.ContentSecurityPolicy = response
                        .Headers.ContentSecurityPolicy.ToString()
                        .Replace("style-src ", "style-src 'nonce-abc' ", StringComparison.Ordinal);
                    break;
                case "foreign-script" when isPlain:
                    body = [.. body, .. """<script async src="https://cdn.example/x.js"></script>"""u8];
                    break;
                case "handler" when isPlain:
                    body = [.. body, .. """<p onclick="go()">"""u8];
                    break;
                case "poison" when isPage && request.Headers.TryGetValue("X-Forwarded-Host", out var host):
                    response.Headers.Link = $"<https://{host}/>; rel=canonical";
                    break;
                case "no-guard" when request.Method == "PUT" && response.StatusCode == 428:
                    response.StatusCode = 200;
                    break;
                case "fat" when isPage && response.Headers.ContentEncoding == "gzip":
                    body = [.. body, .. new byte[11_000]];
                    break;
                case "other-artifact" when request.Path.Value!.Contains("/en.", StringComparison.Ordinal):
                    body = [.. body, (byte)' '];
                    break;
                case "other-loader" when request.Path.Value!.StartsWith("/embed/", StringComparison.Ordinal):
                    if (!request.Path.Value.Contains("/v1/", StringComparison.Ordinal))
                        body = [.. body, (byte)';'];
                    break;
                case "kept-404" when response.StatusCode == 404:
                    response.Headers.CacheControl = "public, max-age=600";
                    break;
                case "no-validator" when request.Path == "/readyz":
                    body = System.Text.Encoding.UTF8.GetBytes(
                        System
                            .Text.Encoding.UTF8.GetString(body)
                            .Replace("schema-validator", "something-else", StringComparison.Ordinal)
                    );
                    break;
                case "cookie" when isPage:
                    response.Headers.SetCookie = "id=1";
                    break;
                case "no-date" when request.Path.StartsWithSegments("/e"):
                    response.Headers.Remove("Last-Modified");
                    break;
                case "must-revalidate" when isPage:
                    response.Headers.CacheControl += ", must-revalidate";
                    break;
                case "no-vary" when isPage:
                    response.Headers.Remove("Vary");
                    break;
                case "other-head" when isPage && HttpMethods.IsHead(request.Method):
                    response.Headers.ETag = "\"other\"";
                    break;
                case "always-304"
                    when isPage && request.Headers.IfModifiedSince.Count > 0 && request.Headers.IfNoneMatch.Count == 0:
                    response.StatusCode = 304;
                    break;
                case "no-405" when response.StatusCode == 405:
                    response.StatusCode = 200;
                    break;
                case "short-lived-manifest"
                    when request.Path.Value!.EndsWith("/manifest.json", StringComparison.Ordinal):
                    response.Headers.CacheControl = "public, max-age=600";
                    break;
                case "fat-loader" when isLoader && response.Headers.ContentEncoding == "gzip":
                    body = [.. body, .. new byte[30_000]];
                    break;
                case "closed-loader" when isLoader:
                    response.Headers.Remove("Access-Control-Allow-Origin");
                    break;
                case "no-stale-guard" when request.Method == "PUT" && response.StatusCode == 412:
                    response.StatusCode = 200;
                    break;
                case "any-key"
                    when request.Headers.Authorization.ToString().Contains("made_up", StringComparison.Ordinal):
                    response.StatusCode = 200;
                    break;
                case "empty-form" when request.Path.StartsWithSegments("/s") && response.StatusCode is 400 or 422:
                    response.StatusCode = 201;
                    break;
                case "public-private" when opened:
                    response.Headers.CacheControl = "public, max-age=60";
                    break;
                case "no-token-vary" when opened:
                    response.Headers.Vary = "Accept-Encoding";
                    break;
                case "any-token" when request.Path.StartsWithSegments("/e") && response.StatusCode == 401:
                    response.StatusCode = 200;
                    break;
            }
        }
        if (response.StatusCode is 304 or 204)
            return;
        if (HttpMethods.IsHead(request.Method))
        {
            response.ContentLength = answer.Content.Headers.ContentLength;
            return;
        }
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, context.RequestAborted);
    }
}

/// <summary>One server with its samples for all of these tests: nothing they do changes it.</summary>
public sealed class VerifiedServer : IAsyncLifetime
{
    public const string AllowedOrigin = "https://shop.example";
    private PlatenServer? server;

    public PlatenServer Server => server!;

    /// <summary>An instance that is not public.</summary>
    public string Hidden { get; private set; } = "";

    /// <summary>What opens it.</summary>
    public string Token { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var ct = TestContext.Current.CancellationToken;
        server = await PlatenServer.StartWithSamplesAsync(
            PostgresFixture.NewFolder(),
            ct,
            ("PLATEN_CORS_ORIGINS", AllowedOrigin)
        );
        var hidden = await HiddenInstance.PublishAsync(server, ct);
        Hidden = hidden.Id;
        Token = (await hidden.TokenAsync(ct)).Token;
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
    }
}

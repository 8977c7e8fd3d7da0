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
    public async Task A_server_that_breaks_one_rule_fails_by_that_rule(string fault, string rule)
    {
        await using var broken = await StartBrokenAsync(fault);
        var (code, report) = await VerifyAsync(new Uri(broken.Urls.First()), fixture.Server.OwnerKey);
        code.ShouldBe(1);
        using (report)
            Checks(report).Where(check => check.Result == "fail").Select(check => check.Name).ShouldContain(rule);
    }

    [Fact]
    public async Task Nothing_that_answers_is_not_a_failed_check()
    {
        var run = await CommandResult.RunAsync(["dotnet", Build.Cli, "verify", "http://127.0.0.1:1"], Ct);
        run.ExitCode.ShouldBe(3);
    }

    private static async Task<(int Code, JsonDocument Report)> VerifyAsync(Uri server, string? key)
    {
        var run = await CommandResult.RunAsync(
            ["dotnet", Build.Cli, "verify", server.ToString(), "--json"],
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
    private async Task<WebApplication> StartBrokenAsync(string fault)
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
        app.Run(async context =>
        {
            using var request = Forwarded(context.Request, fault);
            using var answer = await http.SendAsync(request, context.RequestAborted);
            var body = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
            await WriteAsync(context, answer, body, fault);
        });
        await app.StartAsync(Ct);
        return app;
    }

    private static HttpRequestMessage Forwarded(HttpRequest from, string fault)
    {
        var request = new HttpRequestMessage(new HttpMethod(from.Method), from.GetEncodedPathAndQuery());
        if (from.ContentLength > 0)
            request.Content = new StreamContent(from.Body);
        foreach (var (name, value) in from.Headers)
        {
            if (
                name is "Host" or "Connection"
                || (fault == "open-origins" && name is "Origin")
                || (fault == "no-304" && name.StartsWith("If-", StringComparison.OrdinalIgnoreCase))
                || (fault == "no-range" && name is "Range")
                || (fault == "no-gzip" && name is "Accept-Encoding")
            )
                continue;
            // The server's own origin is the one that it is asked by.
            var text = name is "Origin" && value.ToString().Contains("127.0.0.1") ? null : value.ToString();
            if (text is not null && !request.Headers.TryAddWithoutValidation(name, text))
                request.Content?.Headers.TryAddWithoutValidation(name, text);
        }
        return request;
    }

    private static async Task WriteAsync(HttpContext context, HttpResponseMessage answer, byte[] body, string fault)
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

    public async ValueTask InitializeAsync() =>
        server = await PlatenServer.StartWithSamplesAsync(
            PostgresFixture.NewFolder(),
            TestContext.Current.CancellationToken,
            ("PLATEN_CORS_ORIGINS", AllowedOrigin)
        );

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
    }
}

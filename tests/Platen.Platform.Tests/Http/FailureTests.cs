using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Platform.Http;
using Platen.Testing;

namespace Platen.Platform.Tests.Http;

/// <summary>What a client is told when the server fails, and what its operator finds by it.</summary>
public sealed class FailureTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("bug", 500, "internal", "Error: GET /bug failed")]
    [InlineData("database", 503, "unavailable", "Warning: A request could not be served")]
    [InlineData("slow", 503, "unavailable", "Warning: A request could not be served")]
    [InlineData("disk", 507, "storage-full", "Critical: There is no room left")]
    public async Task A_failure_is_logged_once_and_found_by_the_trace_that_its_client_was_told(
        string path,
        int status,
        string problem,
        string logged
    )
    {
        using var loggers = new RecordingLoggers();
        await using var app = await StartAsync(loggers);
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        using var answer = await client.GetAsync(path, Ct);

        ((int)answer.StatusCode).ShouldBe(status);
        var body = (await answer.Content.ReadFromJsonAsync<JsonNode>(Ct))!;
        body["type"]!.GetValue<string>().ShouldBe("/problems/" + problem);
        body.ToJsonString().ShouldNotContain("secret");
        var line = loggers.Lines.ShouldHaveSingleItem();
        line.ShouldStartWith(logged);
        line.ShouldContain($"(trace {body["traceId"]!.GetValue<string>()})");
        line.ShouldContain("secret");
    }

    private static async Task<WebApplication> StartAsync(RecordingLoggers loggers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.UseRequestTrace();
        app.UseProblems(loggers.CreateLogger("Failures"));
        app.MapGet("/bug", () => Fail(new InvalidOperationException("secret")));
        app.MapGet("/database", () => Fail(new NpgsqlException("secret")));
        app.MapGet("/slow", () => Fail(new TimeoutException("secret")));
        app.MapGet("/disk", () => Fail(new IOException("secret", 28)));
        await app.StartAsync(Ct);
        return app;
    }

    private static string Fail(Exception failure) => throw failure;
}

using Platen.Platform.Http.RateLimits;

namespace Platen.Server;

/// <summary>Health, metrics, the front page and the problem pages: what an operator and a lost client look at.</summary>
internal static class OperatingEndpoints
{
    public static void MapOperating(this WebApplication app)
    {
        app.MapHealth();
        app.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
        app.MapGet("/", FrontPage.Get).ExcludeFromDescription().AllowAnonymous();
        app.MapGet("/gallery", Gallery.Get).ExcludeFromDescription().AllowAnonymous();
        app.MapGet("/demo", DemoSite.Redirect).ExcludeFromDescription().AllowAnonymous();
        app.MapGet("/problems", ProblemPages.List).ExcludeFromDescription().AllowAnonymous();
        app.MapGet("/problems/{slug}", ProblemPages.Get).ExcludeFromDescription().AllowAnonymous();
    }

    /// <summary>What every process answers, whatever else it is.</summary>
    public static void MapHealth(this WebApplication app)
    {
        // Liveness asks nothing of the parts: a restart does not mend a database.
        app.MapGet("/healthz", () => TypedResults.Ok(new { status = "live", version = ServerProcess.Version }))
            .WithName("getHealth")
            .WithTags("operating")
            .NotRateLimited()
            .AllowAnonymous();
        app.MapGet("/readyz", Ready)
            .WithName("getReadiness")
            .WithTags("operating")
            .Produces<ReadinessReport>()
            .Produces<ReadinessReport>(StatusCodes.Status503ServiceUnavailable)
            .NotRateLimited()
            .AllowAnonymous();
        app.MapGet(
                "/metrics",
                (PrometheusText metrics) => TypedResults.Text(metrics.Write(), PrometheusText.ContentType)
            )
            .WithName("getMetrics")
            .Produces(StatusCodes.Status200OK, contentType: PrometheusText.MediaType)
            .WithTags("operating")
            .NotRateLimited()
            .AllowAnonymous();
        app.MapGet("/robots.txt", Robots).ExcludeFromDescription().NotRateLimited().AllowAnonymous();
    }

    private static async Task<IResult> Ready(Readiness readiness, HttpContext context, CancellationToken ct)
    {
        context.Response.Headers.CacheControl = "no-store";
        var report = await readiness.LookAsync(ct);
        return TypedResults.Json(report, statusCode: report.Status == "notReady" ? 503 : 200);
    }

    // Crawlers may read what is published, and have no business in the API. Pages are sandboxed, so to them this is another origin's.
    private static IResult Robots(HttpContext context)
    {
        context.Response.Headers["Cross-Origin-Resource-Policy"] = "cross-origin";
        context.Response.Headers.CacheControl = "public, max-age=86400";
        return TypedResults.Text("User-agent: *\nDisallow: /v1/\nDisallow: /v2/\nDisallow: /s/\nDisallow: /p/\n");
    }
}

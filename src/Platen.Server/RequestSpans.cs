using System.Diagnostics;
using System.Globalization;
using Platen.Platform.Http;

namespace Platen.Server;

/// <summary>
/// Says on a request's span what was asked and how it ended (OpenTelemetry semantic conventions for HTTP servers, stable); the
/// framework's own spans carry no tags. The query is left out, and what is a token in the path: whoever reads spans may not use them.
/// </summary>
internal static class RequestSpans
{
    public static void UseRequestSpans(this WebApplication app) => app.Use(DescribeAsync);

    private static async Task DescribeAsync(HttpContext context, RequestDelegate next)
    {
        var span = Activity.Current;
        if (span is not { IsAllDataRequested: true })
        {
            await next(context);
            return;
        }
        var request = context.Request;
        span.SetTag("http.request.method", request.Method)
            .SetTag("url.scheme", request.Scheme)
            .SetTag("url.path", WrittenPath.Of(context));
        try
        {
            await next(context);
        }
        finally
        {
            var status = context.Response.StatusCode;
            var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
            span.DisplayName = route is null ? request.Method : $"{request.Method} {route}";
            span.SetTag("http.route", route).SetTag("http.response.status_code", status);
            if (status >= StatusCodes.Status500InternalServerError)
            {
                span.SetTag("error.type", status.ToString(CultureInfo.InvariantCulture))
                    .SetStatus(ActivityStatusCode.Error);
            }
        }
    }
}

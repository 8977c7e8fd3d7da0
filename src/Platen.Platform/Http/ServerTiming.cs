using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// <c>Server-Timing</c> (W3C Server Timing) for callers who have said who they are: how long something takes tells strangers more than
/// they need to know.
/// </summary>
public static class ServerTiming
{
    private const string Field = "Server-Timing";

    /// <summary>Adds <c>total</c>, in milliseconds, to every answer to a caller with a valid credential.</summary>
    public static IApplicationBuilder UseServerTiming(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                // Who calls is known only later, and most who have no credential have no field for one either.
                if (context.Request.Headers.Authorization.Count > 0)
                    context.Response.OnStarting(Tell, (context, Stopwatch.GetTimestamp()));
                return next(context);
            }
        );

    /// <summary>Adds a part of an answer's time.</summary>
    public static void AddServerTiming(this HttpContext context, string name, TimeSpan time, string? description = null)
    {
        var item = string.Create(CultureInfo.InvariantCulture, $"{name};dur={time.TotalMilliseconds:0.###}");
        context.Response.Headers.Append(Field, description is null ? item : $"{item};desc=\"{description}\"");
    }

    private static Task Tell(object state)
    {
        var (context, began) = ((HttpContext, long))state;
        if (context.User.Identity is { IsAuthenticated: true })
            context.AddServerTiming("total", Stopwatch.GetElapsedTime(began));
        return Task.CompletedTask;
    }
}

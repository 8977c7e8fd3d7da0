using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// <c>Server-Timing</c> (W3C Server Timing) for callers who have said who they are, with what they were given: how long something takes tells
/// strangers more than they need to know, and a refusal's time tells whether there is something to refuse.
/// </summary>
public static class ServerTiming
{
    private const string Field = "Server-Timing";

    /// <summary>Adds <c>total</c>, in milliseconds, to every answer that gives a caller with a valid credential what they asked for.</summary>
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
        if (context.User.Identity is { IsAuthenticated: true } && context.Response.StatusCode < 400)
            context.AddServerTiming("total", Stopwatch.GetElapsedTime(began));
        return Task.CompletedTask;
    }
}

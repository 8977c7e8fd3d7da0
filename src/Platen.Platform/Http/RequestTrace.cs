using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// The trace that a request is part of (W3C Trace Context): named in the response, in problems, and in every log line. The framework begins
/// one for each request as soon as anything is logged, for pages and answers from memory too, which log nothing: that costs them as much as
/// all the rest. So it begins here, behind them, unless somebody collects traces, who gets the framework's.
/// </summary>
public static class RequestTrace
{
    private const string Operation = "Platen.Request";
    private const int ParentLength = 55;

    /// <summary>Begins a trace for what comes behind, or goes on with the caller's, and names it in the response's <c>traceparent</c>.</summary>
    public static IApplicationBuilder UseRequestTrace(this IApplicationBuilder app) =>
        app.Use(next =>
            context =>
            {
                if (Activity.Current is not { } span)
                    return BeginAsync(context, next);
                context.Response.Headers.TraceParent = span.Id;
                return next(context);
            }
        );

    /// <summary>
    /// Names a trace in the response of a request that none was begun for: what answers it is too quick to be looked for in a log, and whoever
    /// asks finds the same fields in every answer.
    /// </summary>
    public static void NameTrace(HttpContext context) =>
        context.Response.Headers.TraceParent =
            Activity.Current?.Id ?? string.Create(ParentLength, Caller(context), WriteParent);

    /// <summary>The trace that the response names, which it does from here on: 32 hexadecimal digits.</summary>
    public static string IdOf(HttpContext context)
    {
        if (Activity.Current is { } span)
            return span.TraceId.ToString();
        if (context.Response.Headers.TraceParent is not [{ Length: ParentLength }])
            NameTrace(context);
        return context.Response.Headers.TraceParent.ToString().Substring(3, 32);
    }

    private static async Task BeginAsync(HttpContext context, RequestDelegate next)
    {
        using var span = new Activity(Operation);
        if (Caller(context) is { } parent)
        {
            span.SetParentId(parent);
            if (context.Request.Headers.TraceState is [{ Length: > 0 } state])
                span.TraceStateString = state;
        }
        span.Start();
        context.Response.Headers.TraceParent = span.Id;
        await next(context);
    }

    /// <summary>The caller's own place in its trace, when it states one as version 00 of the specification has it.</summary>
    private static string? Caller(HttpContext context) =>
        context.Request.Headers.TraceParent is [{ Length: ParentLength } stated]
        && ActivityContext.TryParse(stated, null, out _)
            ? stated
            : null;

    private static void WriteParent(Span<char> into, string? caller)
    {
        Span<byte> random = stackalloc byte[24];
        Random.Shared.NextBytes(random);
        "00-".CopyTo(into);
        if (caller is null)
            Convert.TryToHexStringLower(random[..16], into[3..], out _);
        else
            caller.AsSpan(3, 32).CopyTo(into[3..]);
        into[35] = '-';
        Convert.TryToHexStringLower(random[16..], into[36..], out _);
        "-00".CopyTo(into[52..]);
    }
}

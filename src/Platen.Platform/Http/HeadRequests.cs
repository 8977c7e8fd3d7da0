using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// Answers <c>HEAD</c> as <c>GET</c> without its body (RFC 9110 section 9.3.2): the rest of the pipeline sees GET, and the server
/// leaves out what is written.
/// </summary>
public static class HeadRequests
{
    /// <summary>Stands before routing.</summary>
    public static IApplicationBuilder UseHeadRequests(this IApplicationBuilder app) =>
        app.Use(
            async (context, next) =>
            {
                if (!HttpMethods.IsHead(context.Request.Method))
                {
                    await next(context);
                    return;
                }
                context.Features.Set(new Head());
                context.Request.Method = HttpMethods.Get;
                try
                {
                    await next(context);
                }
                finally
                {
                    // What stands before this (logs, metrics) speaks of the request as it came.
                    context.Request.Method = HttpMethods.Head;
                }
            }
        );

    /// <summary>Whether nothing that is written reaches the client: an endless body is then no body at all.</summary>
    public static bool WantsNoBody(this HttpContext context) =>
        HttpMethods.IsHead(context.Request.Method) || context.Features.Get<Head>() is not null;

    private sealed class Head;
}

using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace Platen.Platform.Http;

/// <summary>
/// A further rule beside the operator's list: whether pages of an origin may make this request. Registered as a service; asked only
/// for origins that the list does not have. It sees the request before its caller is known.
/// </summary>
/// <param name="context">The request, with its route.</param>
/// <param name="origin">As the browser sent it; never <c>null</c>'s text.</param>
public delegate ValueTask<bool> OriginRule(HttpContext context, string origin);

/// <summary>An endpoint that pages of every origin may use, without the visitor's credentials.</summary>
internal sealed class OpenToEveryOrigin;

/// <summary>
/// Who may use the API from a browser (the CORS protocol of the Fetch standard): the server's own pages and those of allowed origins.
/// A request with another Origin is refused with 403 and not only made unreadable, so that it has no effect either. A request
/// without Origin comes from no page, and goes on.
/// </summary>
public static class CrossOrigin
{
    private const string Methods = "GET, HEAD, PUT, POST, PATCH, DELETE";

    private const string RequestFields =
        "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Embed-Token, X-Platen-CSRF, traceparent";

    private const string AnswerFields =
        "ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Deprecation, traceparent, X-Platen-Fallback";

    /// <summary>Two hours: browsers keep an answer to a preflight no longer.</summary>
    private const string PreflightSeconds = "7200";

    private static readonly StringValues varyByOrigin = "Origin";
    private static readonly StringValues varyByCaller = "Origin, Authorization, Cookie";
    private static readonly StringValues varyOfPreflight =
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

    /// <summary>Pages of every origin may use the endpoint, without the visitor's credentials.</summary>
    public static TBuilder OpenToEveryOrigin<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new OpenToEveryOrigin());

    /// <summary>Lets a preflight find the endpoint that it asks about. Stands before routing.</summary>
    public static IApplicationBuilder UsePreflightRouting(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                var request = context.Request;
                if (
                    HttpMethods.IsOptions(request.Method)
                    && request.Headers.Origin.Count > 0
                    && request.Headers.AccessControlRequestMethod is [{ Length: > 0 and <= 20 } method]
                )
                {
                    context.Features.Set(new Preflight());
                    request.Method = method;
                }
                return next(context);
            }
        );

    /// <summary>Answers preflights, refuses origins that are not allowed. Stands after routing and before authentication.</summary>
    public static IApplicationBuilder UseCrossOrigin(this IApplicationBuilder app, AllowedOrigins allowed)
    {
        OriginRule[] rules = [.. app.ApplicationServices.GetServices<OriginRule>()];
        return app.Use(
            async (context, next) =>
                await (await AnswerAsync(context, allowed, rules) ? Task.CompletedTask : next(context))
        );
    }

    // What one caller may read is not what the next one may who sits at the same browser.
    private static bool NeedsCredential(HttpContext context) =>
        context.GetEndpoint() is { } endpoint && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null;

    /// <summary>Whether the request is answered already.</summary>
    private static async ValueTask<bool> AnswerAsync(HttpContext context, AllowedOrigins allowed, OriginRule[] rules)
    {
        var request = context.Request;
        var headers = context.Response.Headers;
        var preflight = context.Features.Get<Preflight>() is not null;
        headers.Vary = StringValues.Concat(
            headers.Vary,
            preflight ? varyOfPreflight
                : NeedsCredential(context) ? varyByCaller
                : varyByOrigin
        );
        if (request.Headers.Origin.Count == 0)
            return false;
        var origin = request.Headers.Origin.Count == 1 ? request.Headers.Origin[0]! : "";
        if (context.GetEndpoint()?.Metadata.GetMetadata<OpenToEveryOrigin>() is not null)
        {
            headers.AccessControlAllowOrigin = "*";
        }
        else if (IsOwn(request, origin))
        {
            // A browser says Origin also to the page's own server; there is nothing to allow.
        }
        else if (await AllowsAsync(context, origin, allowed, rules))
        {
            if (allowed.Any && !allowed.Names(origin))
            {
                headers.AccessControlAllowOrigin = "*";
            }
            else
            {
                headers.AccessControlAllowOrigin = origin;
                if (allowed.Names(origin))
                    headers.AccessControlAllowCredentials = "true";
            }
        }
        else
        {
            await ProblemResponses.WriteAsync(
                context,
                HttpProblems.OriginNotAllowed.Because(
                    origin is "null"
                        ? "The page has no origin of its own (a sandboxed frame or a file), and such pages may not use the API."
                        : "Pages of the origin that the request names may not use the API."
                )
            );
            return true;
        }
        if (!preflight)
        {
            headers.AccessControlExposeHeaders = AnswerFields;
            return false;
        }
        headers.AccessControlAllowMethods = Methods;
        headers.AccessControlAllowHeaders = RequestFields;
        headers.AccessControlMaxAge = PreflightSeconds;
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }

    private static async ValueTask<bool> AllowsAsync(
        HttpContext context,
        string origin,
        AllowedOrigins allowed,
        OriginRule[] rules
    )
    {
        if (allowed.Allows(origin))
            return true;
        if (origin is "null" or "")
            return false;
        foreach (var rule in rules)
        {
            if (await rule(context, origin))
                return true;
        }
        return false;
    }

    /// <summary>
    /// The server's own pages. A page may have come over https while the request reached us over http: something in front that is no
    /// declared proxy ends TLS. The other way round, a page that anybody on the network could have changed speaks to us.
    /// </summary>
    /// <param name="request">What it sent.</param>
    /// <param name="origin">As the browser said it.</param>
    public static bool IsOwn(HttpRequest request, string origin)
    {
        var host = request.Host.Value;
        return host is { Length: > 0 }
            && ((!request.IsHttps && Same(origin, "http://", host, ":80")) || Same(origin, "https://", host, ":443"));
    }

    private static bool Same(string origin, string scheme, string host, string ownPort) =>
        origin.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)
        && origin
            .AsSpan(scheme.Length)
            .Equals(
                host.EndsWith(ownPort, StringComparison.Ordinal) ? host.AsSpan(0, host.Length - ownPort.Length) : host,
                StringComparison.OrdinalIgnoreCase
            );

    /// <summary>The request is a preflight; its method is the one that it asks about.</summary>
    private sealed class Preflight;
}

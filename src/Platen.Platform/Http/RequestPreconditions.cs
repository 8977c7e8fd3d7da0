using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// The version a request says it saw (RFC 9110 section 13.1), and the one that its answer states. A field that stands several times is one list.
/// </summary>
public static class RequestPreconditions
{
    /// <summary>The precondition of a write.</summary>
    /// <exception cref="ProblemException">As <see cref="Precondition.Require"/>.</exception>
    public static Precondition RequirePrecondition(this HttpContext context) =>
        Precondition.Require(context.Request.IfMatch(), context.Request.IfNoneMatch());

    /// <summary>Says the version of what is answered, which the next write states, to be asked for anew each time.</summary>
    public static void StateVersion(this HttpContext context, string tag)
    {
        context.Response.Headers.ETag = tag;
        context.Response.Headers.CacheControl = "private, no-cache";
    }

    /// <summary>The value of If-Match; null when it was not sent.</summary>
    public static string? IfMatch(this HttpRequest request) => Joined(request.Headers.IfMatch);

    /// <summary>The value of If-None-Match; null when it was not sent.</summary>
    public static string? IfNoneMatch(this HttpRequest request) => Joined(request.Headers.IfNoneMatch);

    private static string? Joined(StringValues field) =>
        field.Count == 0 ? null : string.Join(", ", field.AsEnumerable());
}

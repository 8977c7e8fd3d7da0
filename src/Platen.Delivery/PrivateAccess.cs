using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>What a request for an instance that is not public may have of it.</summary>
/// <param name="Status">200, or why not: 401, 403 or 503.</param>
/// <param name="Why">A sentence for whoever asked.</param>
/// <param name="Origins">The origins whose pages may show it.</param>
internal sealed record PrivateGrant(int Status, string Why, IReadOnlyList<string> Origins);

/// <summary>
/// Who sees instances that are not public: whoever presents an embed token for it, as a header or in the query, because a frame sends no header.
/// A page that fetches says its origin, which the token has to name; a page that frames is held to it by its browser, through the policy of
/// what it frames.
/// </summary>
internal static class PrivateAccess
{
    private const string Bearer = "Bearer ";
    private const string FrameAncestors = "frame-ancestors ";

    public static readonly StringValues Challenge = "Bearer realm=\"platen\"";

    /// <summary>What such an answer depends on.</summary>
    public static readonly StringValues Vary = "Accept-Encoding, Accept-Language, Authorization, X-Embed-Token, Origin";

    /// <summary>Nobody but the visitor keeps it, and asks again each time.</summary>
    public static readonly StringValues NotShared = "private, no-cache";

    public static PrivateGrant Judge(HttpRequest request, PublishedInstance instance, EmbedTokenVerifier tokens)
    {
        if (TokenOf(request) is not { } token)
            return new PrivateGrant(401, "The widget is not public: present an embed token.", []);
        switch (tokens.Verify(token, instance.Owner, instance.Id.ToString()))
        {
            case EmbedTokenCheck.Refused(var why):
                return new PrivateGrant(401, why, []);
            case EmbedTokenCheck.Unknown:
                return new PrivateGrant(503, "This node has not read yet what tokens are verified with.", []);
            case EmbedTokenCheck.Valid({ Origins: var origins }):
                // A sandboxed frame has no origin of its own; what frames it is asked by the browser.
                return
                    request.Headers.Origin is [{ } origin]
                    && origin != "null"
                    && !CrossOrigin.IsOwn(request, origin)
                    && !origins.Contains(origin, StringComparer.OrdinalIgnoreCase)
                    ? new PrivateGrant(403, "The token is not for pages of that origin.", [])
                    : new PrivateGrant(200, "", origins);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    /// <summary>A refusal's words, with the fields that go with it.</summary>
    public static Problem Problem(HttpResponse response, PrivateGrant refused)
    {
        switch (refused.Status)
        {
            case StatusCodes.Status401Unauthorized:
                response.Headers.WWWAuthenticate = Challenge;
                return KernelProblems.Unauthenticated.Because(refused.Why);
            case StatusCodes.Status403Forbidden:
                return KernelProblems.Forbidden.Because(refused.Why);
            default:
                response.Headers.RetryAfter = "2";
                return KernelProblems.Unavailable.Because(refused.Why);
        }
    }

    /// <summary>Changes what was said of a public answer into what holds for this one.</summary>
    public static void Restrict(HttpRequest request, IHeaderDictionary headers, bool isPage)
    {
        headers.CacheControl = NotShared;
        headers.Vary = Vary;
        headers.AccessControlAllowOrigin =
            isPage || request.Headers.Origin is not [{ } origin] || origin == "null" ? default(StringValues) : origin;
    }

    /// <summary>A page's policy, for frames of the token's origins only.</summary>
    public static StringValues Framed(StringValues policy, PrivateGrant grant)
    {
        var rest = policy.ToString();
        if (rest.StartsWith(FrameAncestors, StringComparison.Ordinal))
            rest = rest[(rest.IndexOf(';', StringComparison.Ordinal) + 1)..].TrimStart();
        return $"{FrameAncestors}{(grant.Origins.Count == 0 ? "'none'" : "'self' " + string.Join(' ', grant.Origins))}; {rest}";
    }

    /// <summary>A page of another origin asks by CORS whether it may send the fields that carry a token; what they open is decided then.</summary>
    public static bool TryAnswerPreflight(HttpContext context)
    {
        var request = context.Request;
        if (!HttpMethods.IsOptions(request.Method) || request.Headers.AccessControlRequestMethod.Count == 0)
            return false;
        var headers = context.Response.Headers;
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        headers.AccessControlAllowOrigin = "*";
        headers.AccessControlAllowMethods = "GET, HEAD";
        headers.AccessControlAllowHeaders = "Authorization, X-Embed-Token, If-None-Match";
        headers.AccessControlMaxAge = "7200";
        headers.CacheControl = "no-store";
        return true;
    }

    private static string? TokenOf(HttpRequest request)
    {
        if (
            request.Headers.Authorization is [{ } credential]
            && credential.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            // A token has three parts. A key has none, and may stand here beside a token that stands elsewhere.
            && credential.Contains('.', StringComparison.Ordinal)
        )
            return credential[Bearer.Length..].Trim();
        if (request.Headers["X-Embed-Token"] is [{ Length: > 0 } field])
            return field;
        return request.Query["token"] is [{ Length: > 0 } given] ? given : null;
    }
}

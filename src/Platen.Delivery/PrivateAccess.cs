using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Embedding;

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
    private const string FrameAncestors = "frame-ancestors ";

    /// <summary>What such an answer depends on.</summary>
    public static readonly StringValues Vary = "Accept-Encoding, Accept-Language, Authorization, X-Embed-Token, Origin";

    /// <summary>Nobody but the visitor keeps it, and asks again each time.</summary>
    public static readonly StringValues NotShared = "private, no-cache";

    public static PrivateGrant Judge(HttpRequest request, PublishedInstance instance, EmbedTokenVerifier tokens)
    {
        if (PresentedToken.Of(request) is not { } token)
            return new PrivateGrant(401, "The widget is not public: present an embed token.", []);
        switch (tokens.Verify(token, instance.Owner, instance.Id.ToString()))
        {
            case EmbedTokenCheck.Refused(var why):
                return new PrivateGrant(401, why, []);
            case EmbedTokenCheck.Expired:
                return new PrivateGrant(401, EmbedTokenCheck.Expired.Why, []);
            case EmbedTokenCheck.Unknown:
                return new PrivateGrant(503, "This node has not read yet what tokens are verified with.", []);
            case EmbedTokenCheck.Valid(var valid):
                return PresentedToken.IsFromItsOrigins(request, valid)
                    ? new PrivateGrant(200, "", valid.Origins)
                    : new PrivateGrant(403, "The token is not for pages of that origin.", []);
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
                response.Headers.WWWAuthenticate = PresentedToken.Challenge;
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
}

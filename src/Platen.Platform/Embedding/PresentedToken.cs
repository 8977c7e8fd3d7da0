using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Platen.Platform.Http;

namespace Platen.Platform.Embedding;

/// <summary>The embed token of a request for what is not public, wherever it is answered.</summary>
public static class PresentedToken
{
    private const string Bearer = "Bearer ";

    /// <summary>What <c>WWW-Authenticate</c> says where a token is missing or opens nothing (RFC 6750 section 3).</summary>
    public static readonly StringValues Challenge = "Bearer realm=\"platen\"";

    /// <summary>
    /// The text that a request presents: as <c>Authorization: Bearer</c>, as <c>X-Embed-Token</c> or as <c>?token=</c>, in this order; a frame
    /// sends no header. Null when there is none. Whether it is a token is not looked at.
    /// </summary>
    public static string? Of(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
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

    /// <summary>
    /// Whether a request is of nobody's page, of this server's, or of an origin that its token names. A sandboxed frame has no origin of its
    /// own; what frames it is asked by the browser.
    /// </summary>
    public static bool IsFromItsOrigins(HttpRequest request, EmbedToken token)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(token);
        return request.Headers.Origin is not [{ } origin]
            || origin == "null"
            || CrossOrigin.IsOwn(request, origin)
            || token.Origins.Contains(origin, StringComparer.OrdinalIgnoreCase);
    }
}

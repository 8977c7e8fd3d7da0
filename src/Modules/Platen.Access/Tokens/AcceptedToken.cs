using Microsoft.AspNetCore.Builder;

namespace Platen.Access.Tokens;

/// <summary>The endpoint can be reached with a token of this purpose instead of a key; it checks the token's subject itself.</summary>
/// <param name="Purpose">The only one.</param>
public sealed record AcceptedToken(TokenPurpose Purpose);

public static class TokenAccess
{
    /// <summary>
    /// Lets callers with a short-lived token in, as <c>Authorization: Bearer TOKEN</c> or, because a browser's EventSource sends no
    /// header, as <c>?access_token=TOKEN</c> (RFC 6750 section 2.3). The endpoint compares <see cref="Caller.Token"/>'s subject
    /// with what is asked for.
    /// </summary>
    public static TBuilder AcceptsToken<TBuilder>(this TBuilder endpoint, TokenPurpose purpose)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new AcceptedToken(purpose));
}

using System.Security.Claims;

namespace Platen.Access;

/// <summary>For parts that authenticate a credential of their own, such as a token that stands for a key.</summary>
public static class CallerPrincipal
{
    /// <summary>An authenticated principal that is <paramref name="caller"/>.</summary>
    /// <param name="caller">Who the credential proved to be.</param>
    /// <param name="scheme">How it was proved.</param>
    public static ClaimsPrincipal Of(Caller caller, string scheme) => new(new CallerIdentity(caller, scheme));
}

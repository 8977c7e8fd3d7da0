using System.Security.Claims;
using Microsoft.AspNetCore.Http;

namespace Platen.Access;

/// <summary>For parts that authenticate a credential of their own, such as a token that stands for a key.</summary>
public static class CallerPrincipal
{
    /// <summary>An authenticated principal that is <paramref name="caller"/>.</summary>
    /// <param name="caller">Who the credential proved to be.</param>
    /// <param name="scheme">How it was proved.</param>
    public static ClaimsPrincipal Of(Caller caller, string scheme) => new(new CallerIdentity(caller, scheme));

    /// <summary>
    /// Makes the request's caller who they are where they entered. Whatever else is known of who it is stays known: the session of a person
    /// is asked about again when their body comes late.
    /// </summary>
    public static void Enter(HttpContext context, Caller entered) =>
        context.User = new ClaimsPrincipal(
            context
                .User.Identities.Where(one => one is not CallerIdentity)
                .Prepend(new CallerIdentity(entered, context.User.Identity!.AuthenticationType!))
        );
}

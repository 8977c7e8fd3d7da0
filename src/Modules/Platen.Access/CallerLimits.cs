using Microsoft.AspNetCore.Builder;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access;

public static class CallerLimits
{
    /// <summary>Counts requests by the key or person that makes them, and by their workspace. Stands after authentication.</summary>
    public static IApplicationBuilder UseCallerLimits(this IApplicationBuilder app) =>
        app.UseCallerLimits(context =>
            context.User.Identity is CallerIdentity { Caller: var caller } ? (caller.Actor.Id, caller.Owner) : null
        );
}

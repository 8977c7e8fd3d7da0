using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access;

public static class CallerLimits
{
    /// <summary>Counts requests by the key or person that makes them, and a key's by its workspace. Stands after authentication.</summary>
    public static IApplicationBuilder UseCallerLimits(this IApplicationBuilder app) =>
        app.UseCallerLimits(context =>
            context.User.Identity is CallerIdentity { Caller: var caller }
                ? (caller.Actor.Id, caller.Person is null ? caller.Owner : null)
                : null
        );

    /// <summary>Counts people's requests by the workspace that they have entered. Stands after authorization, which leads them in.</summary>
    public static IApplicationBuilder UseWorkspaceLimit(this IApplicationBuilder app) =>
        app.UseOwnerLimit(context =>
            context.User.Identity is CallerIdentity { Caller: var caller } ? WorkspaceOf(caller) : null
        );

    /// <summary>Counts a request by the workspace that its caller enters only in the endpoint, where an id says which it is.</summary>
    /// <exception cref="ProblemException"><see cref="HttpProblems.RateLimited"/>.</exception>
    public static Task CountWorkspaceAsync(this HttpContext context, Caller entered) =>
        WorkspaceOf(entered) is { } owner
            ? context.CountAsync(RateLimitPolicies.Workspace, RateLimitKey.Of(owner.Value))
            : Task.CompletedTask;

    // An operator's visit is not the workspace's doing, and a key was counted before.
    private static OwnerId? WorkspaceOf(Caller caller) =>
        caller.Person is { } person && caller.Owner.Value != person.Value && !caller.IsVisitingOperator
            ? caller.Owner
            : null;
}

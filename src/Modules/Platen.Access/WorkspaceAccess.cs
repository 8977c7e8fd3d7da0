using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Workspaces;

namespace Platen.Access;

/// <summary>What endpoints ask of their callers.</summary>
public static class WorkspaceAccess
{
    internal const string AnyCaller = "caller";

    /// <summary>Only callers with the scope reach the endpoint.</summary>
    public static TBuilder NeedsScope<TBuilder>(this TBuilder endpoint, string scope)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(scope).WithMetadata(new NeededScope(scope));

    /// <summary>
    /// Only callers who may do this in the workspace that the route's <c>{ws}</c> names (a slug or an id) reach the endpoint, as a
    /// <see cref="Caller"/> whose owner is that workspace. To everybody who has nothing to do with it, a workspace looks as if there
    /// were none (404); a member or key that lacks the scope is told so (403).
    /// </summary>
    /// <param name="endpoint">A route with <c>{ws}</c>.</param>
    /// <param name="scope">One of <see cref="Scopes"/>.</param>
    /// <param name="deletedToo">Whether a workspace that is being deleted can be meant, by its owners.</param>
    /// <param name="platformToo">Whether the platform can be meant, as <c>platform</c>.</param>
    public static TBuilder NeedsWorkspace<TBuilder>(
        this TBuilder endpoint,
        string scope,
        bool deletedToo = false,
        bool platformToo = false
    )
        where TBuilder : IEndpointConventionBuilder =>
        endpoint
            .RequireAuthorization(WorkspacePolicy(scope))
            .WithMetadata(new NeededScope(scope), new NeededWorkspace(deletedToo, platformToo));

    /// <summary>Anybody with a valid credential reaches the endpoint, which decides itself what they are shown.</summary>
    /// <param name="endpoint">Which.</param>
    /// <param name="rule">What it goes by, for the list of endpoints; null when every caller is served.</param>
    public static TBuilder NeedsCaller<TBuilder>(this TBuilder endpoint, string? rule = null)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(AnyCaller).WithMetadata(new NeededCaller(rule));

    /// <summary>The name of the policy that enforces the scope in a workspace.</summary>
    public static string WorkspacePolicy(string scope) => "{ws} " + scope;
}

/// <summary>What an endpoint asks of its caller; read by the refusal and by the list of endpoints.</summary>
/// <param name="Scope">One of <see cref="Scopes"/>.</param>
public sealed record NeededScope(string Scope);

/// <summary>The endpoint is about the workspace that its route names, and the scope is needed in that.</summary>
/// <param name="DeletedToo">Whether it can be one that is being deleted.</param>
/// <param name="PlatformToo">Whether it can be the platform.</param>
public sealed record NeededWorkspace(bool DeletedToo, bool PlatformToo);

/// <summary>The endpoint asks for a valid credential, and decides by itself what it takes beyond.</summary>
/// <param name="Rule">By what; null when it takes nothing.</param>
public sealed record NeededCaller(string? Rule);

/// <summary>The caller's scope in the workspace of the route.</summary>
internal sealed record WorkspaceRequirement(string Scope) : IAuthorizationRequirement;

/// <summary>Lets callers into the workspace that the route names.</summary>
internal sealed class WorkspaceAuthorization(WorkspaceDirectory directory) : AuthorizationHandler<WorkspaceRequirement>
{
    protected override async Task HandleRequirementAsync(
        AuthorizationHandlerContext context,
        WorkspaceRequirement requirement
    )
    {
        if (
            context.User.Identity is not CallerIdentity { Caller: var caller }
            || context.Resource is not HttpContext http
        )
        {
            return;
        }
        var needed = http.GetEndpoint()?.Metadata.GetMetadata<NeededWorkspace>() ?? new NeededWorkspace(false, false);
        var entered =
            await directory.EnterAsync(
                caller,
                http.GetRouteValue("ws") as string,
                needed.DeletedToo,
                needed.PlatformToo,
                http.RequestAborted
            ) ?? throw WorkspaceProblems.NoSuchWorkspace();
        if (!entered.Has(requirement.Scope))
            return;
        CallerPrincipal.Enter(http, entered);
        context.Succeed(requirement);
    }
}

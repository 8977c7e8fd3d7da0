using System.Text;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Access.SignIn;

namespace Platen.Facts;

/// <summary>A mapped route and who may use it: a scope, or <c>anybody</c>; null when nobody has decided.</summary>
/// <param name="IsLeftOut">Whether it says that the API's description has nothing of it.</param>
internal sealed record MappedRoute(string Method, string Pattern, string? Who, bool IsLeftOut = false)
{
    public override string ToString() => $"{Method} {Pattern}";

    public static IEnumerable<MappedRoute> Of(IEnumerable<Endpoint> endpoints) =>
        from endpoint in endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        let pattern = "/" + endpoint.RoutePattern.RawText!.TrimStart('/')
        orderby pattern, method
        let isLeftOut = endpoint.Metadata.GetMetadata<IExcludeFromDescriptionMetadata>()?.ExcludeFromDescription
        select new MappedRoute(method, pattern, WhoOf(endpoint.Metadata), isLeftOut == true);

    // A scope counts only together with the authorization that enforces it.
    private static string? WhoOf(EndpointMetadataCollection metadata)
    {
        var policies = metadata.GetOrderedMetadata<IAuthorizeData>().Select(one => one.Policy).ToList();
        var anonymous = metadata.GetMetadata<IAllowAnonymous>() is not null;
        var caller = metadata.GetMetadata<NeededCaller>() is not null;
        var rule = metadata.GetMetadata<NeededCaller>()?.Rule;
        var scope = metadata.GetMetadata<NeededScope>()?.Scope;
        var workspace = metadata.GetMetadata<NeededWorkspace>() is not null;
        if (!anonymous && !caller && scope is null && metadata.GetMetadata<NeededPerson>() is not null)
            return policies.Contains("person") ? SignedInPerson : null;
        return (anonymous, caller, scope, workspace) switch
        {
            (true, false, null, false) => "anybody",
            (false, true, null, false) when policies.Contains("caller") => rule is null
                ? AnyCaller
                : $"{AnyCaller}: {rule}",
            (false, false, not null, false) when policies.Contains(scope) => scope,
            (false, false, not null, true) when policies.Contains(WorkspaceAccess.WorkspacePolicy(scope)) => scope
                + InWorkspace,
            _ => null,
        };
    }

    public const string AnyCaller = "any caller";

    public const string SignedInPerson = "a person about themself";

    public const string InWorkspace = " in {ws}";
}

internal static class EndpointRules
{
    public static string Draw(IReadOnlyList<MappedRoute> routes)
    {
        var text = new StringBuilder(
            "Every route and who may use it: anybody; any caller with a valid credential; a person who is signed in, about themself; who has the scope; who has it in the workspace.\n\n"
        );
        var width = routes.Max(route => route.ToString().Length);
        foreach (var route in routes)
            text.Append(route.ToString().PadRight(width + 2)).Append(route.Who ?? "UNDECIDED").Append('\n');
        return text.ToString();
    }

    public static IEnumerable<string> Faults(IEnumerable<MappedRoute> routes) =>
        routes
            .Where(route =>
                route.Who is null
                || (
                    route.Who is not ("anybody" or MappedRoute.SignedInPerson)
                    && !route.Who.StartsWith(MappedRoute.AnyCaller, StringComparison.Ordinal)
                    && !Scopes.Known.Contains(route.Who.Replace(MappedRoute.InWorkspace, "", StringComparison.Ordinal))
                )
            )
            .Select(route => $"{route} has neither a known scope that is enforced nor AllowAnonymous.");
}

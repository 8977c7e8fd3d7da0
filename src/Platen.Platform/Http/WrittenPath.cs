using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace Platen.Platform.Http;

/// <summary>
/// A request's path as it may be written down, in spans, logs and answers. Some addresses are credentials: what stands where a mapped
/// route has a parameter <c>token</c> is left out, also when no route takes the path as it was sent.
/// </summary>
public static class WrittenPath
{
    private const string Secret = "token";
    private static readonly ConditionalWeakTable<EndpointDataSource, string[]> known = [];

    /// <summary>The path without what opens something; empty for none.</summary>
    public static string Of(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        if (context.RequestServices.GetService<EndpointDataSource>() is not { } mapped)
            return path;
        foreach (var place in known.GetValue(mapped, PlacesOfSecrets))
        {
            if (path.Length > place.Length && path.StartsWith(place, StringComparison.OrdinalIgnoreCase))
                return $"{place}{{{Secret}}}";
        }
        return path;
    }

    // "/snapshots/" for "/snapshots/{token}.zip".
    private static string[] PlacesOfSecrets(EndpointDataSource mapped) =>
        [
            .. mapped
                .Endpoints.OfType<RouteEndpoint>()
                .Where(endpoint => endpoint.RoutePattern.GetParameter(Secret) is not null)
                .Select(endpoint => PlaceOfSecret(endpoint.RoutePattern))
                .Distinct(StringComparer.Ordinal),
        ];

    private static string PlaceOfSecret(RoutePattern pattern)
    {
        var place = "/";
        foreach (var segment in pattern.PathSegments)
        {
            if (segment.Parts is not [RoutePatternLiteralPart literal])
                break;
            place += literal.Content + "/";
        }
        return place;
    }
}

using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;

namespace Platen.Facts;

/// <summary>A route that can write and what it leaves in the audit log; null when nobody has decided.</summary>
internal sealed record WritingRoute(string Method, string Pattern, Audited? Leaves)
{
    public LeavesNothing? Nothing { get; init; }

    public WithoutDigests? Bare { get; init; }

    private static readonly string[] Reading = ["GET", "HEAD", "OPTIONS", "TRACE"];

    public override string ToString() => $"{Method} {Pattern}";

    public static IEnumerable<WritingRoute> Of(IEnumerable<Endpoint> endpoints) =>
        from endpoint in endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        where !Reading.Contains(method)
        let pattern = "/" + endpoint.RoutePattern.RawText!.TrimStart('/')
        orderby pattern, method
        select new WritingRoute(method, pattern, endpoint.Metadata.GetMetadata<Audited>())
        {
            Nothing = endpoint.Metadata.GetMetadata<LeavesNothing>(),
            Bare = endpoint.Metadata.GetMetadata<WithoutDigests>(),
        };
}

internal static class AuditRules
{
    public static string Draw(IReadOnlyList<WritingRoute> routes)
    {
        var text = new StringBuilder("Every route that writes and what it leaves in the audit log.\n\n");
        var width = routes.Max(route => route.ToString().Length);
        foreach (var route in routes)
        {
            text.Append(route.ToString().PadRight(width + 2))
                .Append(
                    route.Leaves switch
                    {
                        null => "UNDECIDED",
                        { Reason: { } reason } => $"nothing: {reason}",
                        var leaves => string.Join(", ", leaves.Actions),
                    }
                )
                .Append(route.Nothing is { When: var when } ? $"; or nothing: {when}" : "")
                .Append(
                    route.Bare is { } bare ? $"; without digests {string.Join(", ", bare.Actions)}: {bare.Reason}" : ""
                )
                .Append('\n');
        }
        return text.ToString();
    }

    public static IEnumerable<string> Faults(IEnumerable<WritingRoute> routes) =>
        routes
            .Where(route => route.Leaves is null or { Actions.Count: 0, Reason: null or "" })
            .Select(route => $"{route} says neither Audited(action) nor NotAudited(why).");
}

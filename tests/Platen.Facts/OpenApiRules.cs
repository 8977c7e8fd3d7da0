using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>What a client generator needs of every operation.</summary>
internal static partial class OpenApiRules
{
    private static readonly string[] Methods = ["get", "put", "post", "delete", "patch", "head"];

    private static readonly string[] OfBodies = ["400", "413", "415", "422"];

    public static IEnumerable<string> Faults(JsonObject document)
    {
        var names = new List<(string Name, string At)>();
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var (method, operation) in item!.AsObject())
            {
                if (!Methods.Contains(method))
                    continue;
                var at = $"{method} {path}";
                if (operation!["operationId"]?.GetValue<string>() is { } name)
                    names.Add((name, at));
                else
                    yield return $"{at} has no operationId.";

                var responses = operation["responses"]?.AsObject() ?? [];
                if (!responses.Any(response => response.Key[0] is '2' or '3'))
                    yield return $"{at} tells no success.";
                if (responses["200"] is { } fine && fine["content"] is not JsonObject { Count: > 0 })
                    yield return $"{at} does not tell what its 200 is.";
                foreach (var part in Constraint.Matches(path).Select(match => match.Groups["name"].Value))
                {
                    if (!(operation["parameters"]?.AsArray() ?? []).Any(parameter => IsInPath(parameter!, part)))
                        yield return $"{at} has no parameter {part}.";
                }
                if (operation["requestBody"] is not null)
                {
                    foreach (var status in OfBodies.Where(status => !responses.ContainsKey(status)))
                        yield return $"{at} has a body and no {status}.";
                }
                foreach (var (status, response) in responses)
                {
                    if (status[0] is '4' && response!["content"]?["application/problem+json"] is null)
                        yield return $"{at} has no Problem for {status}.";
                }
            }
        }
        foreach (var twins in names.GroupBy(one => one.Name, StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"The operationId {twins.Key} stands at {string.Join(", ", twins.Select(one => one.At).Order(StringComparer.Ordinal))}.";
    }

    /// <summary>Routes of the API that the document leaves out, though nobody said that it should.</summary>
    public static IEnumerable<string> Missing(JsonObject document, IEnumerable<MappedRoute> routes) =>
        routes
            .Where(route => route.Pattern.StartsWith("/v1/", StringComparison.Ordinal) && !route.IsLeftOut)
            .Where(route => document["paths"]![PathOf(route)]?[route.Method.ToLowerInvariant()] is not JsonObject)
            .Select(route => $"{route} is not in the document: map a handler that can be described, or exclude it.");

    private static bool IsInPath(JsonNode parameter, string name) =>
        parameter["in"]!.GetValue<string>() == "path" && parameter["name"]!.GetValue<string>() == name;

    /// <summary>What routes answered when they were asked, and the document does not tell.</summary>
    public static IEnumerable<string> Untold(JsonObject document, IEnumerable<AuthzRow> rows)
    {
        foreach (var (route, statuses) in rows)
        {
            if (document["paths"]![PathOf(route)]?[route.Method.ToLowerInvariant()] is not JsonObject operation)
                continue;
            var told = operation["responses"]!.AsObject();
            foreach (var status in statuses.Values.Distinct().Order())
            {
                if (!told.ContainsKey(status.ToString(CultureInfo.InvariantCulture)))
                    yield return $"{route} answers {status}, and the document does not tell.";
            }
        }
    }

    // The document has no constraints of parameters: {id:guid} is {id}, {**stream} is {stream}.
    private static string PathOf(MappedRoute route)
    {
        var path = Constraint.Replace(route.Pattern, "{${name}}");
        return path.Length > 1 ? path.TrimEnd('/') : path;
    }

    [GeneratedRegex(@"\{\**(?<name>\w+)[^}]*\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Constraint { get; }
}

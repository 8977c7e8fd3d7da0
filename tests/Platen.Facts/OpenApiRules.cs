using System.Text.Json.Nodes;

namespace Platen.Facts;

/// <summary>What a client generator needs of every operation.</summary>
internal static class OpenApiRules
{
    private static readonly string[] Methods = ["get", "put", "post", "delete", "patch", "head"];

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
}

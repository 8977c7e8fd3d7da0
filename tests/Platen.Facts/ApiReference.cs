using System.Text;
using System.Text.Json.Nodes;

namespace Platen.Facts;

/// <summary>The HTTP API for readers, drawn from the OpenAPI document.</summary>
internal static class ApiReference
{
    public static string Draw(JsonObject document)
    {
        var text = new StringBuilder(
            """
            # The HTTP API

            Every operation of [`/openapi/v1.json`](../../tests/expected/openapi.json), which has the shapes of bodies and answers as well.
            What all of them share – versions, problems, cursors, limits – is in the
            [overview](../architecture/overview.md), [problems](problems.md) and [limits](../operating/limits.md). The registry's `/v2/` speaks
            the [OCI Distribution Specification](registry.md).


            """.ReplaceLineEndings("\n")
        );
        var operations =
            from path in document["paths"]!.AsObject()
            from operation in path.Value!.AsObject()
            where operation.Value is JsonObject
            let tag = operation.Value!["tags"]?[0]?.GetValue<string>() ?? "server"
            orderby tag, path.Key
            select (
                Tag: tag,
                Path: path.Key,
                Method: operation.Key.ToUpperInvariant(),
                About: operation.Value!.AsObject()
            );
        foreach (var tag in operations.GroupBy(operation => operation.Tag, StringComparer.Ordinal))
        {
            text.Append("## ")
                .Append(tag.Key)
                .Append("\n\n| operation | name | who | parameters | answers |\n|---|---|---|---|---|\n");
            foreach (var (_, path, method, about) in tag)
            {
                text.Append("| `").Append(method).Append(' ').Append(path).Append("` | ");
                text.Append(about["operationId"]!.GetValue<string>()).Append(" | ");
                text.Append(about["description"]?.GetValue<string>().TrimEnd('.') ?? "Anybody").Append(" | ");
                text.AppendJoin(", ", Parameters(about)).Append(" | ");
                text.AppendJoin(
                    ' ',
                    about["responses"]!.AsObject().Select(answer => answer.Key).Order(StringComparer.Ordinal)
                );
                text.Append(" |\n");
            }
            text.Append('\n');
        }
        return text.ToString();
    }

    // A path says its own.
    private static IEnumerable<string> Parameters(JsonObject operation) =>
        (operation["parameters"]?.AsArray() ?? [])
            .Where(parameter => parameter!["in"]!.GetValue<string>() != "path")
            .Select(parameter => $"`{parameter!["name"]!.GetValue<string>()}`")
            .Concat(operation["requestBody"] is null ? [] : ["body"]);
}

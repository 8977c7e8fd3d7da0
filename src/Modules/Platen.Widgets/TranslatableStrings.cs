using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Finds the strings of a config whose schema says <c>"x-translatable": true</c>, reached through <c>properties</c>, <c>items</c>,
/// <c>$ref</c> within the schema, and <c>oneOf</c>, <c>anyOf</c>, <c>allOf</c>. Only these may a locale change.
/// </summary>
internal static class TranslatableStrings
{
    /// <summary>The pointer of each such string, with its text.</summary>
    public static Dictionary<string, string> Find(WidgetPackage package, JsonElement config)
    {
        using var schema = JsonDocument.Parse(package.SchemaBytes);
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        Walk(schema.RootElement, schema.RootElement, config, JsonPointer.Root, 0, found);
        return found;
    }

    private static void Walk(
        JsonElement root,
        JsonElement schema,
        JsonElement value,
        JsonPointer at,
        int depth,
        Dictionary<string, string> found
    )
    {
        // The config is at most JsonDepth deep; a schema that refers to itself without descending ends here.
        if (schema.ValueKind != JsonValueKind.Object || depth > Limits.JsonDepth * 4)
            return;
        if (
            value.ValueKind == JsonValueKind.String
            && schema.TryGetProperty("x-translatable", out var mark)
            && mark.ValueKind == JsonValueKind.True
        )
        {
            found[at.ToString()] = value.GetString()!;
        }
        if (
            schema.TryGetProperty("$ref", out var reference)
            && reference.GetString() is ['#', .. var fragment]
            && JsonPointer.TryParse(fragment, out var pointer)
            && pointer.TryGet(root, out var target)
        )
        {
            Walk(root, target, value, at, depth + 1, found);
        }
        foreach (var branch in (ReadOnlySpan<string>)["oneOf", "anyOf", "allOf"])
        {
            if (!schema.TryGetProperty(branch, out var branches))
                continue;
            foreach (var one in branches.EnumerateArray())
                Walk(root, one, value, at, depth + 1, found);
        }
        if (value.ValueKind == JsonValueKind.Object && schema.TryGetProperty("properties", out var properties))
        {
            foreach (var member in value.EnumerateObject())
            {
                if (properties.TryGetProperty(member.Name, out var ofMember))
                    Walk(root, ofMember, member.Value, at.Append(member.Name), depth + 1, found);
            }
        }
        if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out var items))
        {
            var index = 0;
            foreach (var item in value.EnumerateArray())
                Walk(root, items, item, at.Append(index++), depth + 1, found);
        }
    }
}

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Platen.Testing.Widgets;

/// <summary>
/// Configs in which every member that a type's schema has is there: the whole surface on which a text can reach a page. Made from the
/// schema alone, so a new type is covered as soon as there is one.
/// </summary>
public static class FilledConfig
{
    /// <summary>One config for each value that a choice at the top of the schema has.</summary>
    /// <param name="schema">The type's JSON Schema.</param>
    /// <param name="text">What stands in every text that an author is free to write, cut to its greatest length.</param>
    public static IEnumerable<JsonObject> All(JsonElement schema, string text)
    {
        var choices =
            from member in schema.GetProperty("properties").EnumerateObject()
            where member.Value.TryGetProperty("enum", out _)
            from value in member.Value.GetProperty("enum").EnumerateArray()
            select (member.Name, Value: value.GetString());
        foreach (var (name, value) in choices.ToList())
        {
            var config = new Filler(schema, text).Fill(schema)!.AsObject();
            config[name] = value;
            yield return config;
        }
    }

    private sealed class Filler(JsonElement root, string text)
    {
        private int made;
        private int decided;

        public JsonNode? Fill(JsonElement schema, string name = "")
        {
            if (schema.TryGetProperty("$ref", out var reference))
                return Fill(Resolve(reference.GetString()!), name);
            if (schema.TryGetProperty("const", out var only))
                return JsonNode.Parse(only.GetRawText());
            if (schema.TryGetProperty("enum", out var values))
                return JsonNode.Parse(values[values.GetArrayLength() - 1].GetRawText());
            return schema.GetProperty("type").GetString() switch
            {
                "object" => new JsonObject(
                    schema
                        .GetProperty("properties")
                        .EnumerateObject()
                        .Select(m => KeyValuePair.Create(m.Name, Fill(m.Value, m.Name)))
                ),
                "array" => new JsonArray([.. Items(schema)]),
                "boolean" => ++decided % 2 == 1,
                "integer" => schema.GetProperty("minimum").GetInt32(),
                _ => Text(schema, name),
            };
        }

        private IEnumerable<JsonNode?> Items(JsonElement schema)
        {
            var items = schema.GetProperty("items");
            var target = items.TryGetProperty("$ref", out var reference) ? Resolve(reference.GetString()!) : items;
            if (target.TryGetProperty("oneOf", out var kinds))
                return kinds.EnumerateArray().SelectMany(EachKind);
            return [Fill(target), Fill(target)];
        }

        // A list of variants of one shape names them in an enum, as the kinds of a line do.
        private IEnumerable<JsonNode?> EachKind(JsonElement kind)
        {
            var shape = kind.TryGetProperty("$ref", out var reference) ? Resolve(reference.GetString()!) : kind;
            if (!shape.GetProperty("properties").GetProperty("type").TryGetProperty("enum", out var types))
                return [Fill(shape)];
            return types
                .EnumerateArray()
                .Select(type =>
                {
                    var one = Fill(shape)!.AsObject();
                    one["type"] = type.GetString();
                    return (JsonNode?)one;
                });
        }

        private string Text(JsonElement schema, string name)
        {
            if (IsFree(schema))
                return Cut(text, schema.GetProperty("maxLength").GetInt32());
            var example = schema.GetProperty("examples")[0].GetString()!;
            // Anchors, keys and values must differ from each other, and take digits at their end.
            return name is "id" or "key" or "value"
                ? example + (++made).ToString(CultureInfo.InvariantCulture)
                : example;
        }

        // A text that the schema has no more to say of than its length, translatable or not, as code is not.
        private static bool IsFree(JsonElement schema) =>
            schema.TryGetProperty("x-translatable", out _)
            || !(schema.TryGetProperty("pattern", out _) || schema.TryGetProperty("format", out _));

        private JsonElement Resolve(string reference) =>
            reference.Split('/').Skip(1).Aggregate(root, (at, token) => at.GetProperty(token));
    }

    /// <summary>At most so many characters as JSON Schema counts them, which are code points.</summary>
    public static string Cut(string text, int most) => string.Concat(text.EnumerateRunes().Take(most));
}

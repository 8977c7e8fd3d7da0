using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>The sentences a form shows beside a field.</summary>
internal static class Messages
{
    private const int ShownValues = 10;
    private const int ShownLength = 60;

    public static string Type(JsonTypes allowed, scoped in Subject subject)
    {
        var names = new List<string>();
        foreach (var type in Enum.GetValues<JsonTypes>())
        {
            if (type != JsonTypes.None && (allowed & type) != JsonTypes.None)
                names.Add(Name(type));
        }
        var actual = subject.Kind switch
        {
            JsonValueKind.Object => Name(JsonTypes.Object),
            JsonValueKind.Array => Name(JsonTypes.Array),
            JsonValueKind.String => Name(JsonTypes.String),
            JsonValueKind.Number => Name(JsonTypes.Number),
            JsonValueKind.Null => Name(JsonTypes.Null),
            _ => Name(JsonTypes.Boolean),
        };
        return $"Must be {string.Join(" or ", names)}, not {actual}.";
    }

    public static string AtLeast(long least, string one, string many, long actual) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Must have at least {least} {(least == 1 ? one : many)}, and has {actual}."
        );

    public static string AtMost(long most, string one, string many, long actual) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Must have at most {most} {(most == 1 ? one : many)}, and has {actual}."
        );

    public static string Contains(long least, long most, long found) =>
        most == long.MaxValue
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"Must contain at least {least} matching {(least == 1 ? "item" : "items")}, and has {found}."
            )
            : string.Create(
                CultureInfo.InvariantCulture,
                $"Must contain {least} to {most} matching items, and has {found}."
            );

    public static string OneOf(IReadOnlyList<JsonElement> values)
    {
        var text = new StringBuilder("Must be one of ");
        for (var i = 0; i < values.Count && i < ShownValues; i++)
            text.Append(i == 0 ? "" : ", ").Append(Show(values[i].GetRawText()));
        return text.Append(values.Count > ShownValues ? ", …" : "").Append('.').ToString();
    }

    public static string Show(string text) =>
        text.Length <= ShownLength
            ? text
            : string.Concat(
                text.AsSpan(0, char.IsHighSurrogate(text[ShownLength - 1]) ? ShownLength - 1 : ShownLength),
                "…"
            );

    private static string Name(JsonTypes type) =>
        type switch
        {
            JsonTypes.Null => "null",
            JsonTypes.Boolean => "true or false",
            JsonTypes.Object => "an object",
            JsonTypes.Array => "a list",
            JsonTypes.Number => "a number",
            JsonTypes.Integer => "a whole number",
            _ => "text",
        };
}

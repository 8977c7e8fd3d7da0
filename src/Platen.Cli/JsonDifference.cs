using System.Globalization;
using System.Text.Json;

namespace Platen.Cli;

/// <summary>What differs between two JSON values, a line a place.</summary>
internal static class JsonDifference
{
    /// <summary>Characters of a value that a line shows: enough to know it by.</summary>
    private const int MostCharacters = 60;

    /// <summary><c>+</c> what is new, <c>-</c> what goes, <c>~</c> what changes, each with its JSON Pointer.</summary>
    public static IEnumerable<string> Between(JsonElement before, JsonElement after, string pointer)
    {
        if (JsonElement.DeepEquals(before, after))
            return [];
        return (before.ValueKind, after.ValueKind) switch
        {
            (JsonValueKind.Object, JsonValueKind.Object) => BetweenObjects(before, after, pointer),
            (JsonValueKind.Array, JsonValueKind.Array) => BetweenArrays(before, after, pointer),
            _ => [$"~ {pointer}: {Short(before)} → {Short(after)}"],
        };
    }

    private static IEnumerable<string> BetweenObjects(JsonElement before, JsonElement after, string pointer)
    {
        foreach (var member in before.EnumerateObject())
        {
            var at = pointer + "/" + JsonPlaces.Escape(member.Name);
            var lines = after.TryGetProperty(member.Name, out var now)
                ? Between(member.Value, now, at)
                : [$"- {at}: {Short(member.Value)}"];
            foreach (var line in lines)
                yield return line;
        }
        foreach (var member in after.EnumerateObject())
        {
            if (!before.TryGetProperty(member.Name, out _))
                yield return $"+ {pointer}/{JsonPlaces.Escape(member.Name)}: {Short(member.Value)}";
        }
    }

    private static IEnumerable<string> BetweenArrays(JsonElement before, JsonElement after, string pointer)
    {
        var (had, has) = (before.GetArrayLength(), after.GetArrayLength());
        for (var i = 0; i < Math.Max(had, has); i++)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{pointer}/{i}");
            var lines =
                i >= had ? [$"+ {at}: {Short(after[i])}"]
                : i >= has ? [$"- {at}: {Short(before[i])}"]
                : Between(before[i], after[i], at);
            foreach (var line in lines)
                yield return line;
        }
    }

    private static string Short(JsonElement value)
    {
        var text = value.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= MostCharacters ? text : text[..MostCharacters] + "…";
    }
}

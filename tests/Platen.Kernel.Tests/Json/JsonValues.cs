using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests.Json;

/// <summary>Generates JSON texts, and spells the same value in another way.</summary>
internal static class JsonValues
{
    internal sealed record Value(string Text);

    private static readonly Gen<string> _strings = Gen.Elements(
            "a",
            "b",
            "key",
            "longer-than-8",
            "é",
            "€",
            "😀",
            "\ufb33",
            "\ue000",
            "\uffff",
            "\n",
            "\"",
            "\\",
            "\u0001",
            "/",
            "\u2028",
            "\u007f",
            "\0"
        )
        .ArrayOf()
        .Select(string.Concat);

    private static readonly Gen<string> _numbers = Gen.OneOf(
        Gen.Choose(-1000, 1000).Select(n => n.ToString(CultureInfo.InvariantCulture)),
        ArbMap
            .Default.GeneratorFor<double>()
            .Where(double.IsFinite)
            .Select(n => n.ToString("R", CultureInfo.InvariantCulture)),
        ArbMap
            .Default.GeneratorFor<long>()
            .Select(BitConverter.Int64BitsToDouble)
            .Where(double.IsFinite)
            .Select(n => n.ToString("E16", CultureInfo.InvariantCulture))
    );

    public static Arbitrary<Value> Any { get; } =
        Gen.Sized(size => Of(Math.Min(size, 5))).Select(text => new Value(text)).ToArbitrary();

    /// <summary>The same value with other whitespace, member order, escapes and number forms, chosen by the seed.</summary>
    public static string Respell(string json, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        using var document = JsonDocument.Parse(json);
        Spell(document.RootElement);
        return text.ToString();

        void Spell(JsonElement value)
        {
            Space();
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    var members = value.EnumerateObject().ToArray();
                    random.Shuffle(members);
                    text.Append('{');
                    foreach (var (index, member) in members.Index())
                    {
                        text.Append(index > 0 ? "," : "");
                        Space();
                        SpellString(member.Name);
                        Space();
                        text.Append(':');
                        Spell(member.Value);
                    }
                    text.Append('}');
                    break;
                case JsonValueKind.Array:
                    text.Append('[');
                    foreach (var (index, item) in value.EnumerateArray().Index())
                    {
                        text.Append(index > 0 ? "," : "");
                        Spell(item);
                    }
                    text.Append(']');
                    break;
                case JsonValueKind.String:
                    SpellString(value.GetString()!);
                    break;
                case JsonValueKind.Number when random.Next(2) == 0:
                    text.Append(value.GetDouble().ToString("E16", CultureInfo.InvariantCulture));
                    break;
                default:
                    text.Append(value.GetRawText());
                    break;
            }
            Space();
        }

        void Space() => text.Append(" \n\r\t".AsSpan(0, random.Next(5)));

        void SpellString(string content)
        {
            text.Append('"');
            foreach (var rune in content.EnumerateRunes())
            {
                if (random.Next(2) == 0 || rune.Value < 0x20 || rune.Value is '"' or '\\')
                {
                    foreach (var unit in rune.ToString())
                        text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}");
                }
                else
                {
                    text.Append(rune.ToString());
                }
            }
            text.Append('"');
        }
    }

    private static Gen<string> Of(int depth)
    {
        var scalars = Gen.OneOf(
            Gen.Elements("null", "true", "false", "[]", "{}"),
            _numbers,
            _strings.Select(s => JsonValue.Create(s)!.ToJsonString())
        );
        if (depth == 0)
            return scalars;
        var inner = Of(depth - 1).Resize(4);
        var arrays = inner.ArrayOf().Select(items => $"[{string.Join(',', items)}]");
        var objects = _strings
            .Zip(inner)
            .ArrayOf()
            .Select(members =>
                $"{{{string.Join(',', members.DistinctBy(m => m.Item1).Select(m => $"{JsonValue.Create(m.Item1)!.ToJsonString()}:{m.Item2}"))}}}"
            );
        return Gen.OneOf(scalars, arrays, objects);
    }
}

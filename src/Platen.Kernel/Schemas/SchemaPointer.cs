using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>JSON Pointers (RFC 6901) as schema locations use them: text in, steps out.</summary>
internal static class SchemaPointer
{
    public static string Escape(string name) =>
        name.AsSpan().ContainsAny('~', '/')
            ? name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)
            : name;

    public static string Append(string pointer, string name) => pointer + "/" + Escape(name);

    public static string Append(string pointer, int index) =>
        string.Create(CultureInfo.InvariantCulture, $"{pointer}/{index}");

    /// <summary>The steps of a pointer that begins with a slash, unescaped; null when an escape is wrong.</summary>
    public static string[]? Steps(string pointer)
    {
        var steps = pointer.Split('/')[1..];
        for (var i = 0; i < steps.Length; i++)
        {
            var step = steps[i];
            for (var at = step.IndexOf('~'); at >= 0; at = step.IndexOf('~', at + 1))
            {
                if (at + 1 >= step.Length || step[at + 1] is not ('0' or '1'))
                    return null;
            }
            steps[i] = step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
        }
        return steps;
    }

    public static bool TryStep(JsonElement from, string step, out JsonElement to)
    {
        to = default;
        if (from.ValueKind == JsonValueKind.Object)
            return from.TryGetProperty(step, out to);
        if (
            from.ValueKind != JsonValueKind.Array
            || !int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            || index >= from.GetArrayLength()
            || (step.Length > 1 && step[0] == '0')
        )
            return false;
        to = from[index];
        return true;
    }

    /// <summary>Percent-escapes of a URI fragment undone; null when they are wrong or are no UTF-8.</summary>
    public static string? DecodeFragment(string fragment)
    {
        if (!fragment.Contains('%', StringComparison.Ordinal))
            return fragment;
        var bytes = new List<byte>(fragment.Length);
        for (var i = 0; i < fragment.Length; i++)
        {
            if (fragment[i] != '%')
            {
                var length = char.IsHighSurrogate(fragment[i]) && i + 1 < fragment.Length ? 2 : 1;
                bytes.AddRange(Encoding.UTF8.GetBytes(fragment.Substring(i, length)));
                i += length - 1;
                continue;
            }
            if (
                i + 2 >= fragment.Length
                || !byte.TryParse(
                    fragment.AsSpan(i + 1, 2),
                    NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture,
                    out var unit
                )
            )
                return null;
            bytes.Add(unit);
            i += 2;
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }
}

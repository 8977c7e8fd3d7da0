using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace Platen.Delivery;

/// <summary>Comparisons of entity tags and dates in conditional requests (RFC 9110 section 13). None of them allocates.</summary>
internal static class EntityTags
{
    /// <summary>Whether an If-None-Match names <paramref name="tag"/> (with its quotes) by weak comparison, or is <c>*</c>.</summary>
    public static bool AnyWeaklyEqual(in StringValues field, string tag) => Any(field, tag, weak: true);

    /// <summary>Whether an If-Match names <paramref name="tag"/> by strong comparison, or is <c>*</c>.</summary>
    public static bool AnyStronglyEqual(in StringValues field, string tag) => Any(field, tag, weak: false);

    /// <summary>Reads an HTTP date in any of its three forms; false when it is not one, and the field is then ignored.</summary>
    public static bool TryReadDate(string? text, out DateTimeOffset date)
    {
        date = default;
        return text is { Length: <= 40 }
            && DateTimeOffset.TryParseExact(
                text,
                DateForms,
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AllowInnerWhite,
                out date
            );
    }

    private static readonly string[] DateForms = ["r", "dddd, dd-MMM-yy HH:mm:ss 'GMT'", "ddd MMM d HH:mm:ss yyyy"];

    private static bool Any(in StringValues field, string tag, bool weak)
    {
        for (var i = 0; i < field.Count; i++)
        {
            if (AnyInLine(field[i], tag, weak))
                return true;
        }
        return false;
    }

    private static bool AnyInLine(ReadOnlySpan<char> rest, ReadOnlySpan<char> tag, bool weak)
    {
        rest = rest.Trim(" \t");
        if (rest is "*")
            return true;
        while (!rest.IsEmpty)
        {
            var isWeak = rest.StartsWith("W/", StringComparison.Ordinal);
            if (isWeak)
                rest = rest[2..];
            var close = rest.Length > 1 && rest[0] == '"' ? rest[1..].IndexOf('"') : -1;
            // Whatever is not well-formed matches nothing: the client then gets the whole representation.
            if (close < 0)
                return false;
            if ((weak || !isWeak) && rest[..(close + 2)].SequenceEqual(tag))
                return true;
            rest = rest[(close + 2)..].TrimStart(" \t,");
        }
        return false;
    }
}

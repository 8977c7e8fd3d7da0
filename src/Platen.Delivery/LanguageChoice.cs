using Microsoft.Extensions.Primitives;

namespace Platen.Delivery;

/// <summary>
/// Which of an instance's locales a visitor gets: the tag of the query, then the ranges of Accept-Language by weight, each
/// by lookup with its fallback chain (RFC 4647 section 3.4: <c>fr-CA → fr</c>), then the base locale. Allocates nothing.
/// </summary>
internal static class LanguageChoice
{
    /// <summary>Whether the text has the outer form of a language tag; what it means is the release's knowledge.</summary>
    public static bool IsTag(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text.Length > DeliveryLimits.LanguageTagLength)
            return false;
        var first = true;
        while (true)
        {
            var dash = text.IndexOf('-');
            var subtag = dash < 0 ? text : text[..dash];
            if (subtag.IsEmpty || subtag.Length > 8)
                return false;
            foreach (var c in subtag)
            {
                if (!(first ? char.IsAsciiLetter(c) : char.IsAsciiLetterOrDigit(c)))
                    return false;
            }
            if (dash < 0)
                return true;
            first = false;
            text = text[(dash + 1)..];
        }
    }

    /// <summary>The index of the locale that <paramref name="tag"/> or a tag it falls back to names, or -1.</summary>
    public static int Lookup(ReadOnlySpan<LocalePages> locales, ReadOnlySpan<char> tag)
    {
        while (!tag.IsEmpty)
        {
            for (var i = 0; i < locales.Length; i++)
            {
                if (tag.Equals(locales[i].Tag, StringComparison.OrdinalIgnoreCase))
                    return i;
            }
            var dash = tag.LastIndexOf('-');
            // A single-character subtag introduces the one after it and goes with it.
            if (dash >= 2 && tag[dash - 2] == '-')
                dash -= 2;
            tag = dash < 0 ? [] : tag[..dash];
        }
        return -1;
    }

    /// <summary>The index of the best locale for an Accept-Language field, or -1 when it names none of them.</summary>
    public static int Best(ReadOnlySpan<LocalePages> locales, in StringValues field)
    {
        var best = -1;
        var bestWeight = 0;
        var ranges = 0;
        for (var i = 0; i < field.Count; i++)
        {
            ReadOnlySpan<char> line = field[i];
            while (!line.IsEmpty && ranges < DeliveryLimits.LanguageRanges)
            {
                ranges++;
                var range = WeightedList.Next(ref line, out var weight);
                // Earlier ranges win among equals; '*' asks for nothing in particular and gets the base locale.
                if (weight <= bestWeight || !IsTag(range))
                    continue;
                var found = Lookup(locales, range);
                if (found >= 0)
                    (best, bestWeight) = (found, weight);
            }
        }
        return best;
    }
}

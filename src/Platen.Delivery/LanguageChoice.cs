using Microsoft.Extensions.Primitives;
using Platen.Kernel.Languages;

namespace Platen.Delivery;

/// <summary>
/// Which of an instance's locales a visitor gets: the tag of the query, then Accept-Language, each by lookup up its fallback chain,
/// then the base locale. Made once for an instance; choosing allocates nothing.
/// </summary>
internal sealed class LanguageChoice(string[] locales)
{
    private readonly LanguageLookup lookup = new(locales.Select(LanguageTag.Parse));

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

    /// <summary>The index of the locale that a tag, or an Accept-Language field, asks for; -1 when it asks for none of them.</summary>
    public int Best(ReadOnlySpan<char> wanted) =>
        lookup.Best(wanted) is { } found ? Array.IndexOf(locales, found.Value) : -1;

    /// <summary>As <see cref="Best(ReadOnlySpan{char})"/>, for the field as it came.</summary>
    public int Best(in StringValues field) => field.Count == 0 ? -1 : Best(field.ToString());
}

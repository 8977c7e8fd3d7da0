using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel.Languages;

/// <summary>
/// A language range (RFC 4647 section 2): <c>*</c>, <c>de-CH</c> (basic), or with <c>*</c> in any place, <c>de-*-DE</c> (extended).
/// Compared without regard to case. The default value matches nothing.
/// </summary>
public readonly record struct LanguageRange
{
    private readonly string? _text;

    private LanguageRange(string text) => _text = text;

    /// <summary>Reads a range of either kind, at most <see cref="LanguageTag.MaxLength"/> characters.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out LanguageRange range)
    {
        var valid = text is not null && IsWellFormed(text);
        range = valid ? new LanguageRange(text!.ToLowerInvariant()) : default;
        return valid;
    }

    /// <summary>Reads a range of either kind.</summary>
    /// <exception cref="FormatException">The text is not a language range.</exception>
    public static LanguageRange Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var range)
            ? range
            : throw new FormatException("Not a language range: expected '*', 'de-CH' or 'de-*-DE'.");
    }

    /// <summary>Basic filtering (RFC 4647 section 3.3.1): the tag is the range, or begins with it and a dash.</summary>
    public bool MatchesBasic(LanguageTag tag)
    {
        ArgumentNullException.ThrowIfNull(tag);
        return _text is not null && MatchesBasic(_text, tag.Value);
    }

    /// <summary>Extended filtering (RFC 4647 section 3.3.2).</summary>
    public bool MatchesExtended(LanguageTag tag)
    {
        ArgumentNullException.ThrowIfNull(tag);
        if (_text is null)
            return false;
        var wanted = _text.Split('-');
        var found = tag.Value.Split('-');
        if (wanted[0] != "*" && !Same(wanted[0], found[0]))
            return false;
        for (int i = 1, j = 1; i < wanted.Length; )
        {
            if (wanted[i] == "*")
                i++;
            else if (j >= found.Length)
                return false;
            else if (Same(wanted[i], found[j]))
                (i, j) = (i + 1, j + 1);
            else if (found[j].Length == 1)
                return false;
            else
                j++;
        }
        return true;

        static bool Same(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The range in lower case; empty for the default value.</summary>
    public override string ToString() => _text ?? "";

    internal static bool MatchesBasic(ReadOnlySpan<char> range, ReadOnlySpan<char> tag) =>
        range is "*"
        || (
            tag.StartsWith(range, StringComparison.OrdinalIgnoreCase)
            && (tag.Length == range.Length || tag[range.Length] == '-')
        );

    internal static bool IsWellFormed(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > LanguageTag.MaxLength)
            return false;
        var length = 0;
        var first = true;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '-')
            {
                if (length == 0)
                    return false;
                (length, first) = (0, false);
            }
            else if (c == '*')
            {
                if (length != 0 || (i + 1 < text.Length && text[i + 1] != '-'))
                    return false;
                length = 8;
            }
            else if (++length > 8 || !(char.IsAsciiLetter(c) || (!first && char.IsAsciiDigit(c))))
            {
                return false;
            }
        }
        return length > 0;
    }
}

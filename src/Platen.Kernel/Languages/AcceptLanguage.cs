namespace Platen.Kernel.Languages;

/// <summary>One member of an Accept-Language header.</summary>
/// <param name="Range">What is wanted.</param>
/// <param name="QualityThousandths">How much: 0 (not at all) to 1000.</param>
public readonly record struct WeightedLanguageRange(LanguageRange Range, int QualityThousandths);

/// <summary>
/// Reads Accept-Language (RFC 9110 section 12.5.4). A member that is malformed is passed over, as a header from anywhere
/// must not fail a request; after <see cref="MaxRanges"/> members the rest is not read.
/// </summary>
public static class AcceptLanguage
{
    /// <summary>How many members are read: browsers send fewer than ten.</summary>
    public const int MaxRanges = 32;

    /// <summary>The members, best first; those of equal quality in their order. Quality 0 comes last.</summary>
    public static IReadOnlyList<WeightedLanguageRange> Parse(string? header)
    {
        Span<Member> members = stackalloc Member[MaxRanges];
        var count = Read(header, members);
        var ranges = new WeightedLanguageRange[count];
        for (var i = 0; i < count; i++)
        {
            var text = header.AsSpan(members[i].Start, members[i].Length).ToString();
            ranges[i] = new WeightedLanguageRange(LanguageRange.Parse(text), members[i].Quality);
        }
        return ranges;
    }

    internal static int Read(ReadOnlySpan<char> header, Span<Member> members)
    {
        var count = 0;
        var start = 0;
        while (start < header.Length && count < members.Length)
        {
            var comma = header[start..].IndexOf(',');
            var end = comma < 0 ? header.Length : start + comma;
            if (TryReadMember(header, start, end, out var member))
            {
                var place = count++;
                for (; place > 0 && members[place - 1].Quality < member.Quality; place--)
                    members[place] = members[place - 1];
                members[place] = member;
            }
            start = end + 1;
        }
        return count;
    }

    private static bool TryReadMember(ReadOnlySpan<char> header, int start, int end, out Member member)
    {
        member = default;
        var text = header[start..end];
        var semicolon = text.IndexOf(';');
        var quality = 1000;
        if (semicolon >= 0 && !TryReadQuality(text[(semicolon + 1)..].Trim(" \t"), out quality))
            return false;
        var range = semicolon < 0 ? text : text[..semicolon];
        var leading = range.Length - range.TrimStart(" \t").Length;
        range = range.Trim(" \t");
        if (!LanguageRange.IsWellFormed(range))
            return false;
        member = new Member(start + leading, range.Length, quality);
        return true;
    }

    private static bool TryReadQuality(ReadOnlySpan<char> text, out int quality)
    {
        quality = 0;
        if (text.Length is < 3 or > 7 || (text[0] | 0x20) != 'q' || text[1] != '=' || text[2] is not ('0' or '1'))
            return false;
        if (text.Length > 3 && text[3] != '.')
            return false;
        quality = (text[2] - '0') * 1000;
        var unit = 100;
        for (var i = 4; i < text.Length; i++, unit /= 10)
        {
            if (!char.IsAsciiDigit(text[i]))
                return false;
            quality += (text[i] - '0') * unit;
        }
        return quality <= 1000;
    }

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
    internal readonly record struct Member(int Start, int Length, int Quality);
}

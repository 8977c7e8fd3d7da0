using System.Globalization;

namespace Platen.Kernel.Schemas;

/// <summary>Code point classes of RFC 5892 and RFC 5893, derived from Unicode's properties as those documents say.</summary>
internal static class IdnaTables
{
    private static readonly CodePointSet Exceptions = CodePointSet.Of(
        (0x00DF, 0x00DF),
        (0x03C2, 0x03C2),
        (0x06FD, 0x06FE),
        (0x0F0B, 0x0F0B),
        (0x3007, 0x3007)
    );

    private static readonly CodePointSet Refused = CodePointSet.Of(
        (0x0640, 0x0640),
        (0x07FA, 0x07FA),
        (0x302E, 0x302F),
        (0x3031, 0x3035),
        (0x303B, 0x303B)
    );

    private static readonly CodePointSet OldHangul = CodePointSet.Of(
        (0x1100, 0x11FF),
        (0xA960, 0xA97C),
        (0xD7B0, 0xD7C6),
        (0xD7CB, 0xD7FB)
    );

    // Canonical combining class 9 (virama), Unicode 17.
    private static readonly CodePointSet Viramas = CodePointSet.Of(
        Points(
            0x094D,
            0x09CD,
            0x0A4D,
            0x0ACD,
            0x0B4D,
            0x0BCD,
            0x0C4D,
            0x0CCD,
            0x0D3B,
            0x0D3C,
            0x0D4D,
            0x0DCA,
            0x0E3A,
            0x0EBA,
            0x0F84,
            0x1039,
            0x103A,
            0x1714,
            0x1715,
            0x1734,
            0x17D2,
            0x1A60,
            0x1B44,
            0x1BAA,
            0x1BAB,
            0x1BF2,
            0x1BF3,
            0x2D7F,
            0xA806,
            0xA82C,
            0xA8C4,
            0xA953,
            0xA9C0,
            0xAAF6,
            0xABED,
            0x10A3F,
            0x11046,
            0x11070,
            0x1107F,
            0x110B9,
            0x11133,
            0x11134,
            0x111C0,
            0x11235,
            0x112EA,
            0x1134D,
            0x113CE,
            0x113CF,
            0x113D0,
            0x11442,
            0x114C2,
            0x115BF,
            0x1163F,
            0x116B6,
            0x1172B,
            0x11839,
            0x1193D,
            0x1193E,
            0x119E0,
            0x11A34,
            0x11A47,
            0x11A99,
            0x11C3F,
            0x11D44,
            0x11D45,
            0x11D97,
            0x11F41,
            0x11F42,
            0x1612F
        )
    );

    // Joining type R (joins only to what precedes it) in Arabic and Syriac; the other letters of those scripts join
    // both ways, apart from the ones that never join.
    private static readonly CodePointSet RightJoining = CodePointSet.Of(
        (0x0622, 0x0625),
        (0x0627, 0x0627),
        (0x0629, 0x0629),
        (0x062F, 0x0632),
        (0x0648, 0x0648),
        (0x0671, 0x0673),
        (0x0675, 0x0677),
        (0x0688, 0x0699),
        (0x06C0, 0x06C0),
        (0x06C3, 0x06CB),
        (0x06CD, 0x06CD),
        (0x06CF, 0x06CF),
        (0x06D2, 0x06D3),
        (0x06D5, 0x06D5),
        (0x06EE, 0x06EF),
        (0x0710, 0x0710),
        (0x0715, 0x0719),
        (0x071E, 0x071E),
        (0x0728, 0x0728),
        (0x072A, 0x072A),
        (0x072C, 0x072C),
        (0x072F, 0x072F),
        (0x074D, 0x074D),
        (0x0759, 0x075B),
        (0x076B, 0x076C),
        (0x0771, 0x0771),
        (0x0773, 0x0774),
        (0x0778, 0x0779)
    );

    private static readonly CodePointSet NotJoining = CodePointSet.Of(
        (0x0621, 0x0621),
        (0x0674, 0x0674),
        (0x06D5, 0x06D5),
        (0x06DD, 0x06DD)
    );

    public static bool IsScript(string script, int point) =>
        UnicodeProperties.Find("Script=" + script)?.Contains(point) ?? false;

    public static bool IsVirama(int point) => Viramas.Contains(point);

    public static bool IsProtocolValid(int point)
    {
        if (point is '-' or (>= '0' and <= '9') or (>= 'a' and <= 'z') || Exceptions.Contains(point))
            return true;
        if (Refused.Contains(point) || OldHangul.Contains(point))
            return false;
        if (Has("Changes_When_NFKC_Casefolded", point) || Has("Default_Ignorable_Code_Point", point))
            return false;

        // Ignorable blocks: combining marks for symbols, musical symbols, ancient Greek musical notation.
        if (point is (>= 0x20D0 and <= 0x20FF) or (>= 0x1D100 and <= 0x1D24F))
            return false;
        return CharUnicodeInfo.GetUnicodeCategory(point)
            is UnicodeCategory.LowercaseLetter
                or UnicodeCategory.UppercaseLetter
                or UnicodeCategory.OtherLetter
                or UnicodeCategory.DecimalDigitNumber
                or UnicodeCategory.ModifierLetter
                or UnicodeCategory.NonSpacingMark
                or UnicodeCategory.SpacingCombiningMark;
    }

    /// <summary>RFC 5892 appendix A.1: between a letter that joins to its left and one that joins to its right.</summary>
    public static bool JoinsAround(List<int> label, int at)
    {
        var before = at - 1;
        while (before >= 0 && IsTransparent(label[before]))
            before--;
        var after = at + 1;
        while (after < label.Count && IsTransparent(label[after]))
            after++;
        return before >= 0
            && after < label.Count
            && JoinsBothWays(label[before])
            && (JoinsBothWays(label[after]) || RightJoining.Contains(label[after]));
    }

    /// <summary>RFC 5893 section 2, for labels that hold a right-to-left code point.</summary>
    public static bool MeetsBidiRule(List<int> label)
    {
        if (!label.Exists(IsRightToLeft))
            return true;
        if (!IsRightToLeft(label[0]) || label[0] is >= 0x0660 and <= 0x0669)
            return false;
        var last = label.FindLastIndex(point =>
            CharUnicodeInfo.GetUnicodeCategory(point) != UnicodeCategory.NonSpacingMark
        );
        if (
            last < 0
            || !(IsRightToLeft(label[last]) || label[last] is (>= '0' and <= '9') or (>= 0x06F0 and <= 0x06F9))
        )
            return false;
        return !label.Exists(point =>
            !IsRightToLeft(point)
            && CharUnicodeInfo.GetUnicodeCategory(point)
                is UnicodeCategory.LowercaseLetter
                    or UnicodeCategory.OtherLetter
                    or UnicodeCategory.ModifierLetter
                    or UnicodeCategory.SpacingCombiningMark
        );
    }

    private static bool IsRightToLeft(int point) =>
        point
            is (>= 0x0590 and <= 0x08FF)
                or (>= 0xFB1D and <= 0xFDFF)
                or (>= 0xFE70 and <= 0xFEFF)
                or (>= 0x10800 and <= 0x10FFF)
                or (>= 0x1E800 and <= 0x1EFFF)
        && point is not (>= 0x06F0 and <= 0x06F9)
        && CharUnicodeInfo.GetUnicodeCategory(point) != UnicodeCategory.NonSpacingMark;

    private static bool JoinsBothWays(int point) =>
        (IsScript("Arabic", point) || IsScript("Syriac", point))
        && CharUnicodeInfo.GetUnicodeCategory(point) == UnicodeCategory.OtherLetter
        && !RightJoining.Contains(point)
        && !NotJoining.Contains(point);

    private static bool IsTransparent(int point) =>
        CharUnicodeInfo.GetUnicodeCategory(point)
            is UnicodeCategory.NonSpacingMark
                or UnicodeCategory.EnclosingMark
                or UnicodeCategory.Format
        && point is not (0x200C or 0x200D);

    private static bool Has(string property, int point) => UnicodeProperties.Find(property)?.Contains(point) ?? false;

    private static IEnumerable<(int, int)> Points(params int[] points) => points.Select(point => (point, point));
}

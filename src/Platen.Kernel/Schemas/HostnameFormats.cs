using System.Globalization;
using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>
/// Host names: RFC 1123 section 2.1, and for labels of other scripts IDNA 2008 (RFC 5890 to 5892): which code points a
/// label may hold, and the contextual rules of RFC 5892 appendix A.
/// </summary>
internal static class HostnameFormats
{
    private const int LabelLength = 63;
    private const int NameLength = 253;
    private const string AcePrefix = "xn--";

    public static bool IsHostname(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > NameLength)
            return false;
        foreach (var part in text.Split('.'))
        {
            if (!IsAsciiLabel(text[part]))
                return false;
        }
        return true;
    }

    public static bool IsInternationalHostname(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > NameLength)
            return false;
        var length = -1;
        foreach (var part in text.SplitAny(".\u3002\uFF0E\uFF61"))
        {
            var label = text[part];
            var encoded = label.Length;
            if (label.ContainsAnyExceptInRange('\0', '\x7F'))
            {
                var points = ToPoints(label);
                if (points is null || !IsUnicodeLabel(points))
                    return false;
                encoded = AcePrefix.Length + Punycode.EncodedLength(points);
            }
            else if (!IsAsciiLabel(label))
                return false;
            if (encoded > LabelLength)
                return false;
            length += encoded + 1;
        }
        return length <= NameLength;
    }

    private static bool IsAsciiLabel(ReadOnlySpan<char> label)
    {
        if (label.Length is 0 or > LabelLength || label[0] == '-' || label[^1] == '-')
            return false;
        foreach (var c in label)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '-')
                return false;
        }
        if (label.Length < 4 || label[2] != '-' || label[3] != '-')
            return true;

        // RFC 5891 4.2.3.1: hyphens there announce an encoding, and only this one is known.
        return label.StartsWith(AcePrefix, StringComparison.OrdinalIgnoreCase)
            && Punycode.Decode(label[AcePrefix.Length..]) is { } points
            && points.Any(point => point > 0x7F)
            && IsUnicodeLabel(points);
    }

    private static List<int>? ToPoints(ReadOnlySpan<char> text)
    {
        var points = new List<int>(text.Length);
        while (text.Length > 0)
        {
            if (Rune.DecodeFromUtf16(text, out var rune, out var used) != System.Buffers.OperationStatus.Done)
                return null;
            points.Add(rune.Value);
            text = text[used..];
        }
        return points;
    }

    private static bool IsUnicodeLabel(List<int> label)
    {
        if (label.Count == 0 || label[0] == '-' || label[^1] == '-')
            return false;
        if (label.Count >= 4 && label[2] == '-' && label[3] == '-')
            return false;
        if (
            CharUnicodeInfo.GetUnicodeCategory(label[0])
            is UnicodeCategory.NonSpacingMark
                or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.EnclosingMark
        )
            return false;
        for (var i = 0; i < label.Count; i++)
        {
            if (!IsAllowed(label, i))
                return false;
        }
        return IdnaTables.MeetsBidiRule(label);
    }

    private static bool IsAllowed(List<int> label, int at)
    {
        var point = label[at];
        switch (point)
        {
            case 0x00B7:
                return at > 0 && at + 1 < label.Count && label[at - 1] == 'l' && label[at + 1] == 'l';
            case 0x0375:
                return at + 1 < label.Count && IdnaTables.IsScript("Greek", label[at + 1]);
            case 0x05F3 or 0x05F4:
                return at > 0 && IdnaTables.IsScript("Hebrew", label[at - 1]);
            case 0x30FB:
                return label.Exists(other =>
                    other != 0x30FB
                    && (
                        IdnaTables.IsScript("Hiragana", other)
                        || IdnaTables.IsScript("Katakana", other)
                        || IdnaTables.IsScript("Han", other)
                    )
                );
            case >= 0x0660 and <= 0x0669:
                return !label.Exists(other => other is >= 0x06F0 and <= 0x06F9);
            case >= 0x06F0 and <= 0x06F9:
                return !label.Exists(other => other is >= 0x0660 and <= 0x0669);
            case 0x200D:
                return at > 0 && IdnaTables.IsVirama(label[at - 1]);
            case 0x200C:
                return at > 0 && (IdnaTables.IsVirama(label[at - 1]) || IdnaTables.JoinsAround(label, at));
            default:
                return IdnaTables.IsProtocolValid(point);
        }
    }
}

/// <summary>RFC 3492 with the parameters of IDNA.</summary>
internal static class Punycode
{
    private const int Shift = 36;
    private const int FirstPoint = 128;
    private const int FirstBias = 72;

    public static List<int>? Decode(ReadOnlySpan<char> text)
    {
        var points = new List<int>();
        var delimiter = text.LastIndexOf('-');
        if (delimiter > 0)
        {
            foreach (var c in text[..delimiter])
                points.Add(char.ToLowerInvariant(c));
        }
        if (delimiter == 0)
            return null;
        var point = FirstPoint;
        var bias = FirstBias;
        var index = 0;
        for (var at = delimiter + 1; at < text.Length; )
        {
            var before = index;
            var weight = 1L;
            for (var k = Shift; ; k += Shift)
            {
                if (at >= text.Length)
                    return null;
                var digit = Digit(text[at++]);
                if (digit < 0)
                    return null;
                var sum = index + digit * weight;
                if (sum > int.MaxValue)
                    return null;
                index = (int)sum;
                var threshold = Threshold(k, bias);
                if (digit < threshold)
                    break;
                weight *= Shift - threshold;
                if (weight > int.MaxValue)
                    return null;
            }
            var count = points.Count + 1;
            bias = Adapt(index - before, count, before == 0);
            if (point + (long)(index / count) > CodePointSet.Last)
                return null;
            point += index / count;
            index %= count;
            if (point is >= 0xD800 and <= 0xDFFF)
                return null;
            points.Insert(index++, point);
        }
        return points;
    }

    /// <summary>The length of the encoding, the prefix not counted.</summary>
    public static int EncodedLength(List<int> points)
    {
        var basic = points.Count(point => point < FirstPoint);
        var length = basic + (basic > 0 ? 1 : 0);
        var next = FirstPoint;
        var bias = FirstBias;
        var delta = 0L;
        var handled = basic;
        while (handled < points.Count)
        {
            var smallest = points.Where(point => point >= next).Min();
            delta += (long)(smallest - next) * (handled + 1);
            next = smallest;
            foreach (var point in points)
            {
                if (point < next)
                    delta++;
                if (point != next)
                    continue;
                var rest = delta;
                for (var k = Shift; ; k += Shift)
                {
                    var threshold = Threshold(k, bias);
                    length++;
                    if (rest < threshold)
                        break;
                    rest = (rest - threshold) / (Shift - threshold);
                }
                bias = Adapt((int)Math.Min(delta, int.MaxValue), handled + 1, handled == basic);
                delta = 0;
                handled++;
            }
            delta++;
            next++;
        }
        return length;
    }

    private static int Threshold(int k, int bias) => Math.Clamp(k - bias, 1, 26);

    private static int Adapt(int delta, int count, bool isFirst)
    {
        delta = isFirst ? delta / 700 : delta / 2;
        delta += delta / count;
        var k = 0;
        for (; delta > 455; k += Shift)
            delta /= 35;
        return k + 36 * delta / (delta + 38);
    }

    private static int Digit(char c) =>
        char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a'
        : char.IsAsciiDigit(c) ? c - '0' + 26
        : -1;
}

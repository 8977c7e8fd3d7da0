using System.Collections.Frozen;
using System.Globalization;

namespace Platen.Kernel.Schemas;

/// <summary>Whether a text has a format.</summary>
internal delegate bool Format(ReadOnlySpan<char> text);

/// <summary>The formats of Validation section 7.3, each by the grammar its RFC gives. ASCII unless the format says otherwise.</summary>
internal static class Formats
{
    private static readonly FrozenDictionary<string, Format> Known = new Dictionary<string, Format>(
        StringComparer.Ordinal
    )
    {
        ["date"] = IsDate,
        ["time"] = IsTime,
        ["date-time"] = IsDateTime,
        ["duration"] = IsDuration,
        ["email"] = text => MailFormats.IsMailbox(text, isInternational: false),
        ["idn-email"] = text => MailFormats.IsMailbox(text, isInternational: true),
        ["hostname"] = HostnameFormats.IsHostname,
        ["idn-hostname"] = HostnameFormats.IsInternationalHostname,
        ["ipv4"] = UriFormats.IsIpv4,
        ["ipv6"] = UriFormats.IsIpv6,
        ["uri"] = text => UriFormats.IsReference(text, isInternational: false, isAbsolute: true),
        ["uri-reference"] = text => UriFormats.IsReference(text, isInternational: false, isAbsolute: false),
        ["iri"] = text => UriFormats.IsReference(text, isInternational: true, isAbsolute: true),
        ["iri-reference"] = text => UriFormats.IsReference(text, isInternational: true, isAbsolute: false),
        ["uri-template"] = UriFormats.IsTemplate,
        ["uuid"] = IsUuid,
        ["json-pointer"] = IsPointer,
        ["relative-json-pointer"] = IsRelativePointer,
        ["regex"] = IsPattern,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The names that are checked when formats assert.</summary>
    public static IReadOnlyCollection<string> Names => Known.Keys;

    /// <summary>The check, or null for a name this library does not know, which then asserts nothing.</summary>
    public static Format? Find(string name) => Known.GetValueOrDefault(name);

    // RFC 3339 section 5.6: full-date
    public static bool IsDate(ReadOnlySpan<char> text) =>
        text.Length == 10
        && text[4] == '-'
        && text[7] == '-'
        && TryDigits(text[..4], out var year)
        && TryDigits(text.Slice(5, 2), out var month)
        && TryDigits(text.Slice(8, 2), out var day)
        && month is >= 1 and <= 12
        && day >= 1
        && day <= (year == 0 ? DateTime.DaysInMonth(4, month) : DateTime.DaysInMonth(year, month));

    // RFC 3339 section 5.6: full-time. A leap second is the last of a day in UTC.
    public static bool IsTime(ReadOnlySpan<char> text)
    {
        if (
            text.Length < 9
            || text[2] != ':'
            || text[5] != ':'
            || !TryDigits(text[..2], out var hour)
            || !TryDigits(text.Slice(3, 2), out var minute)
            || !TryDigits(text.Slice(6, 2), out var second)
            || hour > 23
            || minute > 59
            || second > 60
        )
            return false;
        var rest = text[8..];
        if (rest[0] == '.')
        {
            var digits = 1;
            while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
                digits++;
            if (digits == 1)
                return false;
            rest = rest[digits..];
        }
        if (rest.Length == 0)
            return false;
        var offset = 0;
        if (rest[0] is '+' or '-')
        {
            if (
                rest.Length != 6
                || rest[3] != ':'
                || !TryDigits(rest.Slice(1, 2), out var hours)
                || !TryDigits(rest.Slice(4, 2), out var minutes)
                || hours > 23
                || minutes > 59
            )
                return false;
            offset = (hours * 60 + minutes) * (rest[0] == '-' ? -1 : 1);
        }
        else if (rest.Length != 1 || rest[0] is not ('Z' or 'z'))
            return false;
        const int day = 24 * 60;
        return second < 60 || (hour * 60 + minute - offset + 2 * day) % day == day - 1;
    }

    public static bool IsDateTime(ReadOnlySpan<char> text) =>
        text.Length > 11 && text[10] is 'T' or 't' && IsDate(text[..10]) && IsTime(text[11..]);

    // RFC 3339 appendix A: each unit may be followed only by the next smaller one
    public static bool IsDuration(ReadOnlySpan<char> text)
    {
        if (text.Length < 3 || text[0] != 'P')
            return false;
        text = text[1..];
        if (text[^1] == 'W')
            return text.Length > 1 && !text[..^1].ContainsAnyExceptInRange('0', '9');
        var time = text.IndexOf('T');
        var date = time < 0 ? text : text[..time];
        if (time >= 0 && (time == text.Length - 1 || !AreUnits(text[(time + 1)..], "HMS")))
            return false;
        return date.Length == 0 ? time >= 0 : AreUnits(date, "YMD");
    }

    // RFC 4122 section 3
    public static bool IsUuid(ReadOnlySpan<char> text)
    {
        if (text.Length != 36)
            return false;
        for (var i = 0; i < text.Length; i++)
        {
            if (i is 8 or 13 or 18 or 23 ? text[i] != '-' : !char.IsAsciiHexDigit(text[i]))
                return false;
        }
        return true;
    }

    // RFC 6901 section 3
    public static bool IsPointer(ReadOnlySpan<char> text)
    {
        if (text.Length == 0)
            return true;
        if (text[0] != '/')
            return false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '~' && (i + 1 >= text.Length || text[i + 1] is not ('0' or '1')))
                return false;
        }
        return true;
    }

    // draft-bhutton-relative-json-pointer-00 section 3
    public static bool IsRelativePointer(ReadOnlySpan<char> text)
    {
        var digits = CountDigits(text);
        if (digits == 0 || (digits > 1 && text[0] == '0'))
            return false;
        var rest = text[digits..];
        if (rest.Length > 0 && rest[0] is '+' or '-')
        {
            var shift = CountDigits(rest[1..]);
            if (shift == 0 || rest[1] == '0')
                return false;
            rest = rest[(shift + 1)..];
        }
        return rest is "#" || IsPointer(rest);
    }

    public static bool IsPattern(ReadOnlySpan<char> text)
    {
        try
        {
            EcmaPattern.Translate(text.ToString(), isStrict: true);
            return true;
        }
        catch (PatternException)
        {
            return false;
        }
    }

    private static bool AreUnits(ReadOnlySpan<char> text, string units)
    {
        var last = -1;
        while (text.Length > 0)
        {
            var digits = CountDigits(text);
            if (digits == 0 || digits == text.Length)
                return false;
            var unit = units.IndexOf(text[digits]);
            if (unit < 0 || (last >= 0 && unit != last + 1))
                return false;
            last = unit;
            text = text[(digits + 1)..];
        }
        return last >= 0;
    }

    private static int CountDigits(ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }

    private static bool TryDigits(ReadOnlySpan<char> text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value)
        && !text.ContainsAnyExceptInRange('0', '9');
}

using System.Buffers;
using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>Addresses and identifiers: RFC 3986, RFC 3987, RFC 6570, RFC 2673 (dotted quad), RFC 4291.</summary>
internal static class UriFormats
{
    private const string Unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    private const string SubDelimiters = "!$&'()*+,;=";

    private static readonly SearchValues<char> UserInfo = SearchValues.Create(Unreserved + SubDelimiters + ":");
    private static readonly SearchValues<char> RegName = SearchValues.Create(Unreserved + SubDelimiters);
    private static readonly SearchValues<char> Path = SearchValues.Create(Unreserved + SubDelimiters + ":@/");
    private static readonly SearchValues<char> Query = SearchValues.Create(Unreserved + SubDelimiters + ":@/?");

    public static bool IsReference(ReadOnlySpan<char> text, bool isInternational, bool isAbsolute)
    {
        var rest = text;
        if (rest.IndexOf('#') is var hash and >= 0)
        {
            if (!AreAllowed(rest[(hash + 1)..], Query, isInternational, isQuery: false))
                return false;
            rest = rest[..hash];
        }
        if (rest.IndexOf('?') is var mark and >= 0)
        {
            if (!AreAllowed(rest[(mark + 1)..], Query, isInternational, isQuery: true))
                return false;
            rest = rest[..mark];
        }
        var colon = rest.IndexOf(':');
        var slash = rest.IndexOf('/');
        var hasScheme = colon > 0 && (slash < 0 || colon < slash) && IsScheme(rest[..colon]);
        if (hasScheme)
            rest = rest[(colon + 1)..];
        else if (isAbsolute || (colon >= 0 && (slash < 0 || colon < slash)))
            return false;
        if (rest.StartsWith("//"))
        {
            rest = rest[2..];
            var end = rest.IndexOf('/');
            if (!IsAuthority(end < 0 ? rest : rest[..end], isInternational))
                return false;
            rest = end < 0 ? [] : rest[end..];
        }
        return AreAllowed(rest, Path, isInternational, isQuery: false);
    }

    public static bool IsIpv4(ReadOnlySpan<char> text)
    {
        for (var part = 0; part < 4; part++)
        {
            var end = part < 3 ? text.IndexOf('.') : text.Length;
            if (end is < 1 or > 3 || (end > 1 && text[0] == '0'))
                return false;
            var value = 0;
            foreach (var c in text[..end])
            {
                if (!char.IsAsciiDigit(c))
                    return false;
                value = value * 10 + (c - '0');
            }
            if (value > 255)
                return false;
            if (part < 3)
                text = text[(end + 1)..];
        }
        return true;
    }

    public static bool IsIpv6(ReadOnlySpan<char> text)
    {
        var gap = text.IndexOf("::");
        if (gap < 0)
            return TryCountGroups(text, mayEndInIpv4: true, out var whole) && whole == 8;
        var head = text[..gap];
        var tail = text[(gap + 2)..];
        return TryCountGroups(head, mayEndInIpv4: false, out var before)
            && TryCountGroups(tail, mayEndInIpv4: true, out var after)
            && before + after <= 7;
    }

    // RFC 6570 section 2
    public static bool IsTemplate(ReadOnlySpan<char> text)
    {
        while (text.Length > 0)
        {
            var open = text.IndexOf('{');
            var literal = open < 0 ? text : text[..open];
            if (!AreLiterals(literal))
                return false;
            if (open < 0)
                return true;
            text = text[(open + 1)..];
            var close = text.IndexOf('}');
            if (close < 0 || !IsExpression(text[..close]))
                return false;
            text = text[(close + 1)..];
        }
        return true;
    }

    private static bool AreLiterals(ReadOnlySpan<char> text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '%')
            {
                if (!IsEscape(text, i))
                    return false;
                i += 2;
            }
            else if (c <= ' ' || c is '"' or '\'' or '<' or '>' or '\\' or '^' or '`' or '{' or '|' or '}' or '\x7F')
                return false;
            else if (c > '\x7F' && !IsInternational(text, ref i, isQuery: true))
                return false;
        }
        return true;
    }

    private static bool IsExpression(ReadOnlySpan<char> text)
    {
        if (text.Length > 0 && "+#./;?&=,!@|".Contains(text[0], StringComparison.Ordinal))
            text = text[1..];
        if (text.Length == 0)
            return false;
        foreach (var part in text.Split(','))
        {
            if (!IsVariable(text[part]))
                return false;
        }
        return true;
    }

    private static bool IsVariable(ReadOnlySpan<char> text)
    {
        if (text.Length > 0 && text[^1] == '*')
            text = text[..^1];
        else if (text.IndexOf(':') is var colon and >= 0)
        {
            var length = text[(colon + 1)..];
            if (length.Length is 0 or > 4 || length[0] == '0' || length.ContainsAnyExceptInRange('0', '9'))
                return false;
            text = text[..colon];
        }
        if (text.Length == 0 || text[0] == '.' || text[^1] == '.')
            return false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%')
            {
                if (!IsEscape(text, i))
                    return false;
                i += 2;
            }
            else if (text[i] == '.' ? text[i + 1] == '.' : !char.IsAsciiLetterOrDigit(text[i]) && text[i] != '_')
                return false;
        }
        return true;
    }

    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        if (!char.IsAsciiLetter(text[0]))
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
                return false;
        }
        return true;
    }

    private static bool IsAuthority(ReadOnlySpan<char> text, bool isInternational)
    {
        if (text.IndexOf('@') is var at and >= 0)
        {
            if (!AreAllowed(text[..at], UserInfo, isInternational, isQuery: false))
                return false;
            text = text[(at + 1)..];
        }
        if (text.Length > 0 && text[0] == '[')
        {
            var close = text.IndexOf(']');
            if (close < 0 || !IsIpLiteral(text[1..close]))
                return false;
            text = text[(close + 1)..];
            return text.Length == 0 || (text[0] == ':' && !text[1..].ContainsAnyExceptInRange('0', '9'));
        }
        if (text.IndexOf(':') is var colon and >= 0)
        {
            if (text[(colon + 1)..].ContainsAnyExceptInRange('0', '9'))
                return false;
            text = text[..colon];
        }
        return AreAllowed(text, RegName, isInternational, isQuery: false);
    }

    private static bool IsIpLiteral(ReadOnlySpan<char> text)
    {
        if (text.Length == 0 || text[0] is not ('v' or 'V'))
            return IsIpv6(text);
        var dot = text.IndexOf('.');
        if (dot < 2 || dot == text.Length - 1)
            return false;
        foreach (var c in text[1..dot])
        {
            if (!char.IsAsciiHexDigit(c))
                return false;
        }
        return !text[(dot + 1)..].ContainsAnyExcept(UserInfo);
    }

    private static bool TryCountGroups(ReadOnlySpan<char> text, bool mayEndInIpv4, out int count)
    {
        count = 0;
        if (text.Length == 0)
            return true;
        while (true)
        {
            var colon = text.IndexOf(':');
            var group = colon < 0 ? text : text[..colon];
            if (colon < 0 && mayEndInIpv4 && group.Contains('.'))
            {
                count += 2;
                return IsIpv4(group);
            }
            if (group.Length is 0 or > 4)
                return false;
            foreach (var c in group)
            {
                if (!char.IsAsciiHexDigit(c))
                    return false;
            }
            count++;
            if (colon < 0)
                return true;
            text = text[(colon + 1)..];
        }
    }

    private static bool AreAllowed(
        ReadOnlySpan<char> text,
        SearchValues<char> allowed,
        bool isInternational,
        bool isQuery
    )
    {
        for (var i = 0; i < text.Length; i++)
        {
            var next = text[i..].IndexOfAnyExcept(allowed);
            if (next < 0)
                return true;
            i += next;
            if (text[i] == '%')
            {
                if (!IsEscape(text, i))
                    return false;
                i += 2;
            }
            else if (text[i] <= '\x7F' || !isInternational || !IsInternational(text, ref i, isQuery))
                return false;
        }
        return true;
    }

    private static bool IsEscape(ReadOnlySpan<char> text, int at) =>
        at + 2 < text.Length && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2]);

    // RFC 3987 section 2.2: ucschar, and iprivate in a query
    private static bool IsInternational(ReadOnlySpan<char> text, ref int at, bool isQuery)
    {
        if (Rune.DecodeFromUtf16(text[at..], out var rune, out var used) != OperationStatus.Done)
            return false;
        at += used - 1;
        return rune.Value switch
        {
            >= 0xA0 and <= 0xD7FF or >= 0xF900 and <= 0xFDCF or >= 0xFDF0 and <= 0xFFEF => true,
            >= 0xE000 and <= 0xF8FF or >= 0xF0000 => isQuery && (rune.Value & 0xFFFF) <= 0xFFFD,
            >= 0x10000 and <= 0xDFFFF => (rune.Value & 0xFFFF) <= 0xFFFD,
            >= 0xE1000 and <= 0xEFFFD => true,
            _ => false,
        };
    }
}

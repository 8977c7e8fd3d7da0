namespace Platen.Kernel.Schemas;

/// <summary>Mailboxes: RFC 5321 section 4.1.2, and RFC 6531 where other letters are allowed.</summary>
internal static class MailFormats
{
    private const string AtomMarks = "!#$%&'*+-/=?^_`{|}~";
    private const int LocalOctets = 64;

    public static bool IsMailbox(ReadOnlySpan<char> text, bool isInternational)
    {
        var at = text.LastIndexOf('@');
        if (at < 1)
            return false;
        var local = text[..at];
        var domain = text[(at + 1)..];
        if (System.Text.Encoding.UTF8.GetByteCount(local) > LocalOctets)
            return false;
        if (!(local[0] == '"' ? IsQuoted(local, isInternational) : IsDotted(local, isInternational)))
            return false;
        if (domain.Length > 1 && domain[0] == '[' && domain[^1] == ']')
            return IsAddress(domain[1..^1]);
        return isInternational ? HostnameFormats.IsInternationalHostname(domain) : HostnameFormats.IsHostname(domain);
    }

    private static bool IsAddress(ReadOnlySpan<char> text) =>
        text.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase)
            ? UriFormats.IsIpv6(text[5..])
            : UriFormats.IsIpv4(text);

    private static bool IsDotted(ReadOnlySpan<char> text, bool isInternational)
    {
        var wasDot = true;
        foreach (var c in text)
        {
            if (c == '.')
            {
                if (wasDot)
                    return false;
                wasDot = true;
                continue;
            }
            wasDot = false;
            var isAtom =
                char.IsAsciiLetterOrDigit(c)
                || AtomMarks.Contains(c, StringComparison.Ordinal)
                || (isInternational && c >= '\x80');
            if (!isAtom)
                return false;
        }
        return !wasDot;
    }

    private static bool IsQuoted(ReadOnlySpan<char> text, bool isInternational)
    {
        if (text.Length < 2 || text[^1] != '"')
            return false;
        var inner = text[1..^1];
        for (var i = 0; i < inner.Length; i++)
        {
            var c = inner[i];
            if (c == '\\')
            {
                if (++i >= inner.Length || inner[i] is < ' ' or > '~')
                    return false;
            }
            else if (c is '"' or < ' ' or '\x7F' || (c >= '\x80' && !isInternational))
                return false;
        }
        return true;
    }
}

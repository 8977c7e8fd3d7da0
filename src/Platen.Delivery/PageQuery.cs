namespace Platen.Delivery;

/// <summary>Colours a page is shown in.</summary>
internal enum Theme
{
    Auto,
    Light,
    Dark,
}

/// <summary>
/// The query of a page request. Parameters it does not know are ignored, and a value it does not know is as if it were
/// not given: no input makes a page that another input would not make. The first of several equal names counts.
/// <c>device</c> is accepted and changes nothing: the pages adapt by themselves.
/// </summary>
internal readonly ref struct PageQuery
{
    public Theme Theme { get; private init; }

    /// <summary>A well-formed language tag, or empty.</summary>
    public ReadOnlySpan<char> Locale { get; private init; }

    public static PageQuery Read(ReadOnlySpan<char> query)
    {
        var theme = default(Theme?);
        ReadOnlySpan<char> locale = [];
        if (!query.IsEmpty && query[0] == '?')
            query = query[1..];
        while (!query.IsEmpty)
        {
            var end = query.IndexOf('&');
            var pair = end < 0 ? query : query[..end];
            query = end < 0 ? [] : query[(end + 1)..];
            var equals = pair.IndexOf('=');
            if (equals < 0)
                continue;
            var name = pair[..equals];
            var value = pair[(equals + 1)..];
            if (name is "theme")
                theme ??= ReadTheme(value);
            else if (name is "locale" && locale.IsEmpty && LanguageChoice.IsTag(Decoded(value)))
                locale = Decoded(value);
        }
        return new PageQuery { Theme = theme ?? Theme.Auto, Locale = locale };
    }

    private static Theme ReadTheme(ReadOnlySpan<char> value) =>
        Decoded(value) switch
        {
            "light" => Theme.Light,
            "dark" => Theme.Dark,
            _ => Theme.Auto,
        };

    // Tags and themes need no escapes; a client that writes them anyway pays for one string.
    private static ReadOnlySpan<char> Decoded(ReadOnlySpan<char> value) =>
        value.Length <= 3 * DeliveryLimits.LanguageTagLength && value.Contains('%')
            ? Uri.UnescapeDataString(value)
            : value;
}

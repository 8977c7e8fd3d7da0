namespace Platen.Testing.Widgets;

/// <summary>
/// Request fields that some server or proxy somewhere lets change an answer, and that no cache keeps apart: whoever gets one of them to change
/// a page has put it before everybody.
/// </summary>
public static class UnkeyedFields
{
    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Scheme",
        "X-Forwarded-For",
        "X-Forwarded-Server",
        "X-Original-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Real-IP",
        "X-Embed-Token",
        "X-Store-Hostname",
        "X-Wap-Profile",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Front-End-Https",
        "Origin",
        "Referer",
        "Cookie",
        "User-Agent",
        "Authorization",
        "Accept",
        "Accept-Charset",
        "Save-Data",
        "DNT",
        "Sec-CH-UA",
        "Sec-Fetch-Dest",
        "Range",
        "If-Range",
        "TE",
        "Via",
        "Pragma",
        "Cache-Control",
        "Max-Forwards",
    ];
}

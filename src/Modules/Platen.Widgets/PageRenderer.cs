using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Platen.Kernel.Json;
using Platen.Kernel.Languages;
using Platen.Platform.Http;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Writes the document around a package's markup. The style and the markup are the same for every theme, so both are made
/// once for a config and a locale.
/// </summary>
internal sealed partial class PageRenderer
{
    // In the colours of the page, whatever they are: it has to be readable and nothing else.
    private const string Brand = """<footer class="brand_" lang="en" dir="ltr">Published with Platen</footer>""";
    private const string BrandStyle = ".brand_{margin:0;padding:.5em 1em;font-size:.75em;text-align:center}";

    private readonly string head;
    private readonly string body;
    private readonly string style;
    private readonly LanguageTag locale;
    private readonly FrameScript script;

    public PageRenderer(
        WidgetPackage package,
        string publicId,
        JsonElement config,
        LanguageTag locale,
        bool isBranded = false
    )
    {
        this.locale = locale;
        script = package.Forms == PageForms.Post ? FrameScript.OfForm : FrameScript.Plain;
        head = Head(package, config, locale);
        body = package.Template.Render(
            Plain(config),
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["publicId"] = publicId,
                ["locale"] = locale.ToString(),
            }
        );
        style = package.Styles + Variables(package, config);
        if (isBranded)
        {
            body += Brand;
            style += BrandStyle;
        }
        var hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(style)));
        ContentSecurityPolicy =
            $"default-src 'none'; style-src 'sha256-{hash}'; {script.Policy}; "
            + $"form-action {(package.Forms == PageForms.Post ? "'self'" : "'none'")}; base-uri 'none'; "
            + $"sandbox allow-scripts {(package.Forms == PageForms.None ? "" : "allow-forms ")}"
            + "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";
    }

    public string ContentSecurityPolicy { get; }

    /// <summary>The page in one theme: <c>auto</c>, <c>light</c> or <c>dark</c>.</summary>
    public byte[] Render(string theme) =>
        Encoding.UTF8.GetBytes(
            $"""
            <!doctype html><html lang="{locale}" dir="{(
                locale.Direction == TextDirection.RightToLeft ? "rtl" : "ltr"
            )}" data-theme="{theme}"><head>
            <meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            {head}<style>{style}</style></head><body>{body}{script.Element}</body></html>

            """
        );

    /// <summary>What names a page with this config: its own title, or else the type's.</summary>
    public static string TitleOf(WidgetPackage package, JsonElement config) =>
        TextAt(package.TitleAt, config) ?? package.Title;

    private static string Head(WidgetPackage package, JsonElement config, LanguageTag locale)
    {
        var title = Escape(TitleOf(package, config));
        var markup = new StringBuilder();
        markup.Append(CultureInfo.InvariantCulture, $"<title>{title}</title>");
        // A short message has nothing but its title that describes it.
        var description = TextAt(package.DescriptionAt, config) is { } text ? Escape(text) : title;
        markup
            .Append(CultureInfo.InvariantCulture, $"<meta name=\"description\" content=\"{description}\">")
            .Append(CultureInfo.InvariantCulture, $"<meta property=\"og:description\" content=\"{description}\">");
        return markup
            .Append(CultureInfo.InvariantCulture, $"<meta property=\"og:title\" content=\"{title}\">")
            .Append(CultureInfo.InvariantCulture, $"<meta property=\"og:locale\" content=\"{OpenGraph(locale)}\">")
            .ToString();
    }

    // Open Graph writes language and territory with an underscore.
    private static string OpenGraph(LanguageTag locale) => locale.ToString().Replace('-', '_');

    private static string? TextAt(JsonPointer? pointer, JsonElement config) =>
        pointer is not null
        && pointer.TryGet(config, out var value)
        && value.ValueKind == JsonValueKind.String
        && Clean(value.GetString()!) is { } text
        && !string.IsNullOrWhiteSpace(text)
            ? text
            : null;

    private static string Variables(WidgetPackage package, JsonElement config)
    {
        var declarations = new StringBuilder();
        foreach (var (name, pointer) in package.CssVariables)
        {
            if (pointer.TryGet(config, out var value) && value.ValueKind == JsonValueKind.String)
            {
                var colour = value.GetString()!;
                // Whatever the schema lets through, only this form reaches a style sheet.
                if (Colour().IsMatch(colour))
                    declarations.Append(CultureInfo.InvariantCulture, $"{name}:{colour};");
            }
        }
        return declarations.Length == 0 ? "" : $":root{{{declarations}}}";
    }

    private static string Escape(string text) =>
        text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\"", "&quot;");

    /// <summary>JSON as the dictionaries and lists that templates walk.</summary>
    private static object Plain(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => value
                .EnumerateObject()
                .ToDictionary(m => m.Name, m => Plain(m.Value), StringComparer.Ordinal),
            JsonValueKind.Array => value.EnumerateArray().Select(Plain).ToList(),
            JsonValueKind.String => Clean(value.GetString()!),
            JsonValueKind.Number => value.TryGetInt64(out var whole) ? whole : value.GetDouble(),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => "",
        };

    /// <summary>
    /// Without the characters that an HTML document may not hold, however they are written: controls and noncharacters
    /// (HTML Living Standard, 13.2.3.5). None of them is visible, so nothing that an author meant is lost.
    /// </summary>
    private static string Clean(string text)
    {
        if (!NotInHtml().IsMatch(text))
            return text;
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (!IsNotInHtml(rune.Value))
                clean.Append(rune);
        }
        return clean.ToString();
    }

    private static bool IsNotInHtml(int scalar) =>
        scalar is < 0x20 and not ('\t' or '\n') or (>= 0x7F and <= 0x9F) or (>= 0xFDD0 and <= 0xFDEF)
        || (scalar & 0xFFFE) == 0xFFFE;

    [GeneratedRegex("^#[0-9a-fA-F]{6}$", RegexOptions.NonBacktracking)]
    private static partial Regex Colour();

    // A surrogate may be half of a noncharacter; a carriage return is read as the line feed that follows it.
    [GeneratedRegex(
        @"[\x00-\x08\x0B-\x1F\x7F-\x9F\uD800-\uDFFF\uFDD0-\uFDEF\uFFFE\uFFFF]",
        RegexOptions.NonBacktracking
    )]
    private static partial Regex NotInHtml();
}

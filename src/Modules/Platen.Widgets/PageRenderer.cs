using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Platen.Kernel.Languages;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Writes the document around a package's markup. The style and the markup are the same for every theme, so both are made
/// once for a config and a locale.
/// </summary>
internal sealed partial class PageRenderer
{
    private readonly string title;
    private readonly string body;
    private readonly string style;
    private readonly LanguageTag locale;

    public PageRenderer(WidgetPackage package, JsonElement config, LanguageTag locale)
    {
        this.locale = locale;
        title = config.TryGetProperty("heading", out var heading) ? heading.GetString()! : package.Title;
        body = package.Template.Render(Plain(config));
        style = package.Styles + Variables(package, config);
        var hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(style)));
        ContentSecurityPolicy =
            $"default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; sandbox "
            + "allow-forms allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";
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
            <title>{Escape(title)}</title><style>{style}</style></head><body>{body}</body></html>

            """
        );

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

    private static string Escape(string text) => text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;");

    /// <summary>JSON as the dictionaries and lists that templates walk.</summary>
    private static object Plain(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => value
                .EnumerateObject()
                .ToDictionary(m => m.Name, m => Plain(m.Value), StringComparer.Ordinal),
            JsonValueKind.Array => value.EnumerateArray().Select(Plain).ToList(),
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Number => value.TryGetInt64(out var whole) ? whole : value.GetDouble(),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => "",
        };

    [GeneratedRegex("^#[0-9a-fA-F]{6}$", RegexOptions.NonBacktracking)]
    private static partial Regex Colour();
}

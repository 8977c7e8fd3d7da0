using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Platen.Kernel.Json;
using Platen.Kernel.Languages;
using Platen.Testing.Servers;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Tests;

/// <summary>The packages and the samples of the repository.</summary>
internal static class Repository
{
    public static string WidgetsFolder { get; } = Path.Combine(Build.Repository, "widgets");

    public static ImmutableSortedDictionary<string, WidgetPackage> Packages { get; } =
        Directory
            .EnumerateDirectories(WidgetsFolder)
            .Where(f => File.Exists(Path.Combine(f, "widget.json")))
            .Select(f => WidgetPackage.Load(f, WidgetPackage.LoadTokens(WidgetsFolder)))
            .ToImmutableSortedDictionary(p => p.Type.Value, p => p, StringComparer.Ordinal);

    public static ImmutableArray<Sample> Samples { get; } =
    [
        .. Directory
            .EnumerateFiles(Path.Combine(Build.Repository, "samples", "widgets"), "*.json")
            .Order(StringComparer.Ordinal)
            .Select(f => new Sample(Path.GetFileName(f), JsonElement.Parse(File.ReadAllBytes(f)))),
    ];
}

/// <summary>An instance in a file.</summary>
internal sealed record Sample(string File, JsonElement Root)
{
    public string Id => Root.GetProperty("publicId").GetString()!;

    public WidgetPackage Package => Repository.Packages[Root.GetProperty("widgetType").GetString()!];

    public JsonElement Config => Root.GetProperty("config");

    /// <summary>The config in each locale, the first being the one it was written in.</summary>
    public IEnumerable<(string Locale, JsonElement Config)> Localized()
    {
        yield return ("en", Config);
        foreach (var (locale, ops) in Overlays())
        {
            var changed = JsonNode.Parse(Config.GetRawText())!;
            foreach (var op in ops)
                JsonPointer
                    .Parse(op.GetProperty("path").GetString()!)
                    .Set(changed, op.GetProperty("value").GetString());
            yield return (locale, JsonSerializer.SerializeToElement(changed));
        }
    }

    public IEnumerable<(string Locale, IEnumerable<JsonElement> Ops)> Overlays() =>
        Root.TryGetProperty("locales", out var locales)
            ? locales.EnumerateObject().Select(l => (l.Name, l.Value.EnumerateArray().AsEnumerable()))
            : [];
}

internal static class Pages
{
    private static readonly HtmlParser Strict = new(new HtmlParserOptions { IsStrictMode = true });

    public static string Render(WidgetPackage package, string publicId, JsonElement config, string locale) =>
        Encoding.UTF8.GetString(new PageRenderer(package, publicId, config, LanguageTag.Parse(locale)).Render("auto"));

    /// <summary>Reads a page as the standard says, and takes every parse error for a fault.</summary>
    public static IHtmlDocument Parse(string html) => Strict.ParseDocument(html);
}

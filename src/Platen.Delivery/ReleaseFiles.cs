using System.Text.Json;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>
/// The files of a widget's release as its manifest lists them (an OCI image manifest, one layer a file). Layers of a kind
/// that is not served to visitors are left out.
/// </summary>
internal sealed class ReleaseFiles
{
    private const string PathKey = "org.opencontainers.image.title";
    private const string KindKey = "dev.platen.kind";
    private const string LocaleKey = "dev.platen.locale";
    private const string ThemeKey = "dev.platen.theme";
    private const string EncodingKey = "dev.platen.encoding";
    private const string PolicyKey = "dev.platen.csp";

    private readonly Dictionary<string, Asset?[]> pages = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Variant> variants = [];

    public WidgetType Type { get; private set; }
    public string Status { get; private set; } = "";
    public LocalePages[] Locales { get; private set; } = [];
    public Asset? Manifest { get; private set; }
    public Dictionary<string, Asset> Artifacts { get; } = new(StringComparer.Ordinal);
    public Variant[] Variants { get; private set; } = [];

    /// <summary>Reads the manifest of a release.</summary>
    /// <exception cref="InvalidDataException">It is not the manifest of a widget's release.</exception>
    public static ReleaseFiles Read(OwnerId owner, ReadOnlyMemory<byte> manifest)
    {
        try
        {
            using var document = JsonDocument.Parse(manifest, new JsonDocumentOptions { MaxDepth = Limits.JsonDepth });
            var files = new ReleaseFiles();
            files.Read(owner, document.RootElement);
            return files;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new InvalidDataException("The release's manifest does not have the expected shape.", e);
        }
    }

    private void Read(OwnerId owner, JsonElement root)
    {
        var annotations = root.GetProperty("annotations");
        if (!WidgetType.TryParse(Text(annotations, "dev.platen.widget-type"), out var type))
            throw new InvalidDataException("The release's manifest names no widget type.");
        Type = type;
        Status = Text(annotations, "dev.platen.status") ?? "published";

        var layers = root.GetProperty("layers");
        if (layers.GetArrayLength() > DeliveryLimits.Layers)
            throw new InvalidDataException($"The release has more than {DeliveryLimits.Layers} files.");
        foreach (var layer in layers.EnumerateArray())
            ReadLayer(owner, layer);

        Variants = [.. variants];
        Locales = [.. InOrder(Text(annotations, "dev.platen.base-locale"))];
    }

    private void ReadLayer(OwnerId owner, JsonElement layer)
    {
        if (!layer.TryGetProperty("annotations", out var annotations))
            return;
        var kind = Text(annotations, KindKey);
        if (kind is not ("page" or "manifest" or "artifact"))
            return;
        var path = Text(annotations, PathKey) ?? throw new InvalidDataException("A layer has no title.");
        if (!Digest.TryParse(layer.GetProperty("digest").GetString(), out var digest))
            throw new InvalidDataException($"The layer '{path}' has no sha256 digest.");
        var size = layer.GetProperty("size").GetInt64();
        if (size is < 0 or > DeliveryLimits.FileBytes)
            throw new InvalidDataException($"The layer '{path}' has {size} bytes; at most {DeliveryLimits.FileBytes}.");

        var locale = Text(annotations, LocaleKey);
        var variant = new Variant(owner, digest, size, ReadCoding(Text(annotations, EncodingKey), path))
        {
            ContentType = layer.GetProperty("mediaType").GetString(),
            ContentLanguage = locale is null ? default(StringValues) : locale,
            ContentSecurityPolicy = Text(annotations, PolicyKey) is { } policy ? policy : default(StringValues),
        };
        Put(AssetFor(kind, path, locale, Text(annotations, ThemeKey)), variant, path);
        variants.Add(variant);
    }

    private Asset AssetFor(string kind, string path, string? locale, string? theme)
    {
        if (kind == "manifest")
            return Manifest ??= new Asset();
        if (kind == "artifact")
        {
            if (!Artifacts.TryGetValue(path, out var artifact))
                Artifacts.Add(path, artifact = new Asset());
            return artifact;
        }
        if (locale is null || !LanguageChoice.IsTag(locale))
            throw new InvalidDataException($"The page '{path}' names no locale.");
        if (!pages.TryGetValue(locale, out var themes))
            pages.Add(locale, themes = new Asset?[3]);
        var index = theme switch
        {
            "light" => (int)Theme.Light,
            "dark" => (int)Theme.Dark,
            "auto" or null => (int)Theme.Auto,
            _ => throw new InvalidDataException($"The page '{path}' has the unknown theme '{theme}'."),
        };
        return themes[index] ??= new Asset();
    }

    private static void Put(Asset asset, Variant variant, string path)
    {
        var taken = variant.Coding switch
        {
            ContentCoding.Brotli => asset.Brotli,
            ContentCoding.Gzip => asset.Gzip,
            _ => asset.Identity,
        };
        if (taken is not null)
            throw new InvalidDataException($"The layer '{path}' stands for a file that another layer has.");
        if (variant.Coding == ContentCoding.Brotli)
            asset.Brotli = variant;
        else if (variant.Coding == ContentCoding.Gzip)
            asset.Gzip = variant;
        else
            asset.Identity = variant;
    }

    private IEnumerable<LocalePages> InOrder(string? baseLocale) =>
        pages
            .OrderByDescending(page => string.Equals(page.Key, baseLocale, StringComparison.OrdinalIgnoreCase))
            .ThenBy(page => page.Key, StringComparer.Ordinal)
            .Select(page => new LocalePages(
                page.Key,
                page.Value[0] ?? page.Value[1] ?? page.Value[2]!,
                page.Value[(int)Theme.Light],
                page.Value[(int)Theme.Dark]
            ));

    private static ContentCoding ReadCoding(string? text, string path) =>
        text switch
        {
            null or "identity" => ContentCoding.Identity,
            "br" => ContentCoding.Brotli,
            "gzip" => ContentCoding.Gzip,
            _ => throw new InvalidDataException($"The layer '{path}' has the unknown encoding '{text}'."),
        };

    private static string? Text(JsonElement annotations, string key) =>
        annotations.TryGetProperty(key, out var value) ? value.GetString() : null;
}

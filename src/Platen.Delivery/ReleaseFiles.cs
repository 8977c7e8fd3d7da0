using System.Text.Json;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Platform.Releases;

namespace Platen.Delivery;

/// <summary>
/// The files of a widget's release as its manifest lists them (an OCI image manifest, one layer a file). Layers of a kind
/// that is not served to visitors are left out.
/// </summary>
internal sealed class ReleaseFiles
{
    private const string KindKey = "dev.platen.kind";
    private const string LocaleKey = "dev.platen.locale";
    private const string ThemeKey = "dev.platen.theme";
    private const string EncodingKey = "dev.platen.encoding";
    private const string PolicyKey = "dev.platen.csp";

    private readonly Dictionary<string, Asset?[]> pages = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Variant> variants = [];

    public WidgetType Type { get; private set; }
    public string Status { get; private set; } = "";
    public bool IsPrivate { get; private set; }
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
            var files = new ReleaseFiles();
            files.Read(owner, ReleaseManifest.Parse(manifest));
            return files;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException("The release's manifest does not have the expected shape.", e);
        }
    }

    private void Read(OwnerId owner, ReleaseManifest manifest)
    {
        if (!WidgetType.TryParse(manifest.Annotations.GetValueOrDefault("dev.platen.widget-type"), out var type))
            throw new InvalidDataException("The release's manifest names no widget type.");
        Type = type;
        Status = manifest.Annotations.GetValueOrDefault("dev.platen.status") ?? "published";
        IsPrivate = manifest.Annotations.GetValueOrDefault("dev.platen.access", "public") != "public";
        if (manifest.Files.Length > DeliveryLimits.Layers)
            throw new InvalidDataException($"The release has more than {DeliveryLimits.Layers} files.");
        foreach (var file in manifest.Files)
            ReadFile(owner, file);
        Variants = [.. variants];
        Locales = [.. InOrder(manifest.Annotations.GetValueOrDefault("dev.platen.base-locale"))];
    }

    private void ReadFile(OwnerId owner, ReleaseFile file)
    {
        var kind = file.Annotation(KindKey);
        if (kind is not ("page" or "manifest" or "artifact"))
            return;
        var (path, size, locale) = (file.Path, file.SizeBytes, file.Annotation(LocaleKey));
        if (size is < 0 or > DeliveryLimits.FileBytes)
            throw new InvalidDataException($"The layer '{path}' has {size} bytes; at most {DeliveryLimits.FileBytes}.");
        var variant = new Variant(owner, file.Digest, size, ReadCoding(file.Annotation(EncodingKey), path))
        {
            ContentType = file.MediaType,
            ContentLanguage = locale is null ? default(StringValues) : locale,
            ContentSecurityPolicy = file.Annotation(PolicyKey) is { } policy ? policy : default(StringValues),
        };
        Put(AssetFor(kind, path, locale, file.Annotation(ThemeKey)), variant, path);
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
        if (!LanguageTag.TryParse(locale, out var tag) || tag.Value != locale)
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
}

using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Kernel.Languages;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Makes everything a published instance is served from:
/// <code>
/// config.json                             the canonical config
/// {locale}.{hash}.json                    the config in a locale, canonical; its name is its hash
/// manifest.json  (+ .br .gz)              which artifact each locale has
/// html/{locale}/{theme}.html  (+ .br .gz) the page, for the themes auto, light and dark
/// </code>
/// Nothing in it depends on when or by whom it was made: the same content is the same release.
/// </summary>
internal static class InstanceRelease
{
    public const string ArtifactType = "application/vnd.platen.widget.v1";

    private const string Json = "application/json";
    private const string Html = "text/html; charset=utf-8";

    /// <summary>Within 2 % of the smallest, in a third of its time: a person waits for a publish.</summary>
    private const int BestBrotli = 10;

    /// <summary>7 % larger, at a tenth of the time.</summary>
    private const int QuickBrotli = 8;

    private static readonly string[] Themes = ["auto", "light", "dark"];

    /// <param name="Draft">Ready to be stored and recorded.</param>
    /// <param name="Stale">For each locale, the pointers whose translation was made from a text that is gone.</param>
    public sealed record Made(ReleaseDraft Draft, ImmutableSortedDictionary<string, IReadOnlyList<string>> Stale);

    /// <summary>Checks, localizes, renders and compresses.</summary>
    /// <param name="package">The instance's type.</param>
    /// <param name="instance">What is published.</param>
    /// <param name="overlays">Its locales.</param>
    /// <param name="store">Given each file as soon as it is made, and nothing of an instance that is refused: the disk is waited
    /// for while the rest is compressed. Null when nothing is to be stored.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/> or <see cref="WidgetsProblems.OverBudget"/>.</exception>
    public static async Task<Made> MakeAsync(
        WidgetPackage package,
        Instance instance,
        IReadOnlyList<Overlay> overlays,
        Func<DraftFile, Task>? store
    )
    {
        var faults = new List<Fault>();
        var stale = ImmutableSortedDictionary.CreateBuilder<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        var files = ImmutableArray.CreateBuilder<DraftFile>();
        var pages = new List<Source>();
        var artifacts = new SortedDictionary<string, string>(StringComparer.Ordinal);

        files.Add(File("config.json", Json, Configs.Check(package, instance.Config, "/config", faults), "config"));
        ThrowIfAny(faults);
        AddLocale(instance.BaseLocale, instance.Config);
        foreach (var overlay in overlays)
        {
            var (config, left) = overlay.ApplyTo(instance.Config);
            if (left.Count > 0)
                stale[overlay.Locale] = left;
            AddLocale(overlay.Locale, config);
        }
        var gzips = pages.ConvertAll(page => page.Gzip());
        foreach (var (page, gzip) in pages.Zip(gzips))
            CheckBudget(package, page.Locale, gzip);
        var manifest = new Source(
            "manifest.json",
            Json,
            PublicManifest(instance, artifacts),
            BestBrotli,
            "manifest",
            []
        );

        // Compressing is nearly all of the time that making a release takes, and the best of it comes first.
        var variants = await Task.WhenAll([
            .. pages.Zip(gzips, (page, gzip) => Task.Run(() => VariantsAsync(page, gzip, store))),
            Task.Run(() => VariantsAsync(manifest, manifest.Gzip(), store)),
            StoredAsync(files, store),
        ]);
        files.AddRange(variants[..^1].SelectMany(made => made));

        var annotations = ImmutableSortedDictionary.CreateRange(
            StringComparer.Ordinal,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["dev.platen.public-id"] = instance.PublicId,
                ["dev.platen.widget-type"] = instance.WidgetType,
                ["dev.platen.status"] = instance.Status,
                ["dev.platen.base-locale"] = instance.BaseLocale,
            }
        );
        var draft = new ReleaseDraft(instance.Subject, ArtifactType, files.ToImmutable(), annotations);
        return new Made(draft, stale.ToImmutable());

        void AddLocale(string locale, JsonElement config)
        {
            var canonical = Configs.Check(package, config, $"/locales/{locale}", faults);
            ThrowIfAny(faults);
            var path = $"{locale}.{Digest.Of(canonical).Hex}.json";
            artifacts.Add(locale, path);
            files.Add(File(path, Json, canonical, "artifact", ("locale", locale)));
            var renderer = new PageRenderer(package, config, LanguageTag.Parse(locale));
            pages.AddRange(
                Themes.Select(theme => new Source(
                    $"html/{locale}/{theme}.html",
                    Html,
                    renderer.Render(theme),
                    // Nearly every reader gets the page that follows the reader's own preference.
                    theme == "auto"
                        ? BestBrotli
                        : QuickBrotli,
                    "page",
                    [("locale", locale), ("theme", theme), ("csp", renderer.ContentSecurityPolicy)]
                ))
            );
        }
    }

    /// <summary>The bytes as they are, and as they travel compressed.</summary>
    private static async Task<DraftFile[]> VariantsAsync(Source source, DraftFile gzip, Func<DraftFile, Task>? store)
    {
        var identity = File(source.Path, source.MediaType, source.Bytes, source.Kind, source.Annotations);
        var first = StoredAsync([identity, gzip], store);
        var brotli = source.Brotli();
        var second = StoredAsync([brotli], store);
        await Task.WhenAll(first, second);
        return [identity, brotli, gzip];
    }

    private static async Task<DraftFile[]> StoredAsync(IEnumerable<DraftFile> files, Func<DraftFile, Task>? store)
    {
        if (store is not null)
            await Task.WhenAll(files.Select(store));
        return [];
    }

    /// <summary>A file that is also kept compressed.</summary>
    private sealed record Source(
        string Path,
        string MediaType,
        byte[] Bytes,
        int BrotliQuality,
        string Kind,
        (string Name, string Value)[] Annotations
    )
    {
        public string? Locale => Annotations.FirstOrDefault(a => a.Name == "locale").Value;

        public DraftFile Gzip() =>
            File(Path + ".gz", MediaType, InstanceRelease.Gzip(Bytes), Kind, [.. Annotations, ("encoding", "gzip")]);

        public DraftFile Brotli() =>
            File(
                Path + ".br",
                MediaType,
                InstanceRelease.Brotli(Bytes, BrotliQuality),
                Kind,
                [.. Annotations, ("encoding", "br")]
            );
    }

    private static DraftFile File(
        string path,
        string mediaType,
        byte[] bytes,
        string kind,
        params ReadOnlySpan<(string Name, string Value)> more
    )
    {
        var annotations = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        annotations["dev.platen.kind"] = kind;
        foreach (var (name, value) in more)
            annotations["dev.platen." + name] = value;
        return new DraftFile(path, mediaType, bytes, annotations.ToImmutable());
    }

    private static byte[] PublicManifest(Instance instance, SortedDictionary<string, string> artifacts) =>
        CanonicalJson.Serialize(
            JsonSerializer.SerializeToElement(
                new
                {
                    publicId = instance.PublicId,
                    widgetType = instance.WidgetType,
                    status = instance.Status,
                    baseLocale = instance.BaseLocale,
                    locales = artifacts.ToDictionary(
                        a => a.Key,
                        a => new
                        {
                            artifact = $"/w/{instance.PublicId}/{a.Value}",
                            page = $"/e/{instance.PublicId}?locale={a.Key}",
                        },
                        StringComparer.Ordinal
                    ),
                }
            )
        );

    private static byte[] Brotli(byte[] bytes, int quality)
    {
        var target = new byte[BrotliEncoder.GetMaxCompressedLength(bytes.Length)];
        if (!BrotliEncoder.TryCompress(bytes, target, out var length, quality, window: 22))
            throw new InvalidOperationException("Brotli needs more room than its own upper bound.");
        return target[..length];
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var compressed = new MemoryStream(bytes.Length / 2);
        using (var stream = new GZipStream(compressed, CompressionLevel.SmallestSize))
            stream.Write(bytes);
        return compressed.ToArray();
    }

    private static void CheckBudget(WidgetPackage package, string? locale, DraftFile gzip)
    {
        if (gzip.Bytes.Length <= package.GzipBudgetBytes)
            return;
        throw WidgetsProblems
            .OverBudget.Because(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The page in '{locale}' has {gzip.Bytes.Length:N0} bytes with gzip; {package.Type} allows {package.GzipBudgetBytes:N0}."
                )
            )
            .AsException();
    }

    private static void ThrowIfAny(List<Fault> faults)
    {
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The instance cannot be published as it is.", faults).AsException();
    }
}

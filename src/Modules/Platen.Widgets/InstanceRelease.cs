using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Kernel.Languages;
using Platen.Platform.Blobs;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Gates;
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

    /// <summary>Who sees it; left out where everybody does.</summary>
    public const string AccessAnnotation = "dev.platen.access";

    private const string Json = "application/json";
    private const string Html = "text/html; charset=utf-8";

    /// <summary>
    /// A page of 20 KB in half a millisecond, 7 to 10 % above the smallest, which takes fifty times as long while a person waits for the
    /// publish. The small window is what makes this quality quick; a page fits into it.
    /// </summary>
    private const int BrotliQuality = 9;

    private const int BrotliWindow = 16;

    private static readonly string[] Themes = ["auto", "light", "dark"];

    /// <param name="Draft">Ready to be stored and recorded.</param>
    /// <param name="Stale">For each locale, the pointers whose translation was made from a text that is gone.</param>
    /// <param name="Inspect">Asks the publish gates; takes about as long as storing the draft.</param>
    public sealed record Made(
        ReleaseDraft Draft,
        ImmutableSortedDictionary<string, IReadOnlyList<string>> Stale,
        Func<PublishGates.Report> Inspect
    )
    {
        /// <summary>
        /// Stores the draft's bytes while the publish gates look at its pages. The bytes of a draft that is then refused belong to no
        /// release, and are collected.
        /// </summary>
        public async Task<PublishGates.Report> StoreInspectedAsync(
            IBlobStore blobs,
            OwnerId owner,
            CancellationToken ct
        )
        {
            var inspecting = Task.Run(Inspect, ct);
            await Task.WhenAll(inspecting, ReleaseStore.StoreBytesAsync(blobs, owner, Draft, ct));
            return await inspecting;
        }
    }

    /// <summary>
    /// A release that was live before: the only ones to go back to. What was made for a preview stands beside them, and no gate was asked
    /// about it.
    /// </summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.NoSuchRelease"/>.</exception>
    public static async Task<Release> FindFormerAsync(
        Session session,
        Instance instance,
        string digest,
        string pointer,
        CancellationToken ct
    ) =>
        Digest.TryParse(digest, out var parsed)
        && await ReleaseStore.FindAsync(session, instance.Subject, parsed, ct)
            is { Manifest.ArtifactType: ArtifactType } release
        && await ChannelStore.HasPointedAtAsync(session, instance.Live, parsed, ct)
            ? release
            : throw WidgetsProblems
                .NoSuchRelease.Because(
                    $"'{instance.PublicId}' was never published as '{digest}'.",
                    [new Fault(pointer, "Not a former release of this instance.")]
                )
                .AsException();

    /// <summary>Checks, localizes, renders and compresses.</summary>
    /// <param name="package">The type.</param>
    /// <param name="instance">The content.</param>
    /// <param name="overlays">Its locales.</param>
    /// <param name="isBranded">Whether pages carry the line that names Platen; the owner's plan says so.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>.</exception>
    public static Made Make(WidgetPackage package, Instance instance, IReadOnlyList<Overlay> overlays, bool isBranded)
    {
        var faults = new List<Fault>();
        var stale = ImmutableSortedDictionary.CreateBuilder<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        var files = ImmutableArray.CreateBuilder<DraftFile>();
        var pages = new List<Page>();
        var artifacts = new SortedDictionary<string, string>(StringComparer.Ordinal);

        var canonicalConfig = Checked(instance.Config, "/config");
        files.Add(File("config.json", Json, canonicalConfig, "config"));
        AddLocale(instance.BaseLocale, instance.Config, canonicalConfig, "/config");
        foreach (var overlay in overlays)
        {
            var (config, left) = overlay.ApplyTo(instance.Config);
            if (left.Count > 0)
                stale[overlay.Locale] = left;
            var at = $"/locales/{overlay.Locale}";
            AddLocale(overlay.Locale, config, Checked(config, at), at);
        }
        foreach (var variants in pages.AsParallel().AsOrdered().Select(Variants))
            files.AddRange(variants);
        var manifest = PublicManifest(instance, artifacts);
        files.AddRange(Variants("manifest.json", Json, manifest, "manifest"));

        var annotations = ImmutableSortedDictionary.CreateRange(
            StringComparer.Ordinal,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["dev.platen.public-id"] = instance.PublicId,
                ["dev.platen.widget-type"] = instance.WidgetType,
                ["dev.platen.status"] = instance.Status,
                ["dev.platen.base-locale"] = instance.BaseLocale,
                ["dev.platen.title"] = PageRenderer.TitleOf(package, instance.Config),
            }
        );
        // Said only where it is so: what is public is the release that it was.
        if (instance.Access != InstanceVisibility.Public)
            annotations = annotations.Add(AccessAnnotation, instance.Access);
        var draft = new ReleaseDraft(instance.Subject, ArtifactType, files.ToImmutable(), annotations);
        return new Made(draft, stale.ToImmutable(), () => Inspect(package, instance.PublicId, pages, draft));

        string Policy(PageRenderer renderer) =>
            AllowedOrigins.Directive(instance.AllowedOrigins) + renderer.ContentSecurityPolicy;

        byte[] Checked(JsonElement config, string at)
        {
            var canonical = Configs.Check(package, config, at, faults);
            ThrowIfAny(faults);
            return canonical;
        }

        void AddLocale(string locale, JsonElement config, byte[] canonical, string at)
        {
            var path = $"{locale}.{Digest.Of(canonical).Hex}.json";
            artifacts.Add(locale, path);
            files.Add(File(path, Json, canonical, "artifact", ("locale", locale)));
            var renderer = new PageRenderer(package, instance.PublicId, config, LanguageTag.Parse(locale), isBranded);
            pages.AddRange(
                Themes.Select(theme => new Page(locale, theme, renderer.Render(theme), Policy(renderer), config, at))
            );
        }
    }

    /// <summary>Themes differ by one attribute, so one of them stands for all but in size.</summary>
    private static PublishGates.Report Inspect(
        WidgetPackage package,
        string publicId,
        IReadOnlyList<Page> pages,
        ReleaseDraft draft
    )
    {
        var sizes = draft.Files.ToDictionary(f => f.Path, f => f.Bytes.Length, StringComparer.Ordinal);
        var reports = pages
            .AsParallel()
            .AsOrdered()
            .Where(page => page.Theme == Themes[0])
            .Select(page =>
                PublishGates.Check(
                    page.Bytes,
                    publicId,
                    page.Locale,
                    page.ContentSecurityPolicy,
                    page.Config,
                    page.ConfigAt
                )
            )
            .ToList();
        return new PublishGates.Report(
            PublishGates.Merge(
                pages
                    .SelectMany(page => OverBudget(package, page, sizes[page.Path + ".gz"]))
                    .Concat(reports.SelectMany(r => r.Findings))
            ),
            [.. reports.SelectMany(r => r.Instances).DistinctBy(i => (i.Id, i.IfMissing.Selector))]
        );
    }

    private static DraftFile[] Variants(Page page) =>
        Variants(
            page.Path,
            Html,
            page.Bytes,
            "page",
            ("locale", page.Locale),
            ("theme", page.Theme),
            ("csp", page.ContentSecurityPolicy)
        );

    /// <summary>The bytes as they are, and as they travel compressed.</summary>
    private static DraftFile[] Variants(
        string path,
        string mediaType,
        byte[] bytes,
        string kind,
        params (string, string)[] annotations
    ) =>
        [
            File(path, mediaType, bytes, kind, annotations),
            File(path + ".br", mediaType, Brotli(bytes), kind, [.. annotations, ("encoding", "br")]),
            File(path + ".gz", mediaType, Gzip(bytes), kind, [.. annotations, ("encoding", "gzip")]),
        ];

    private sealed record Page(
        string Locale,
        string Theme,
        byte[] Bytes,
        string ContentSecurityPolicy,
        JsonElement Config,
        string ConfigAt
    )
    {
        public string Path => $"html/{Locale}/{Theme}.html";
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

    private static byte[] Brotli(byte[] bytes)
    {
        var target = new byte[BrotliEncoder.GetMaxCompressedLength(bytes.Length)];
        if (!BrotliEncoder.TryCompress(bytes, target, out var length, BrotliQuality, BrotliWindow))
            throw new InvalidOperationException("Brotli needs more room than its own upper bound.");
        return target[..length];
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var compressed = new MemoryStream(bytes.Length / 2);
        using (var stream = new GZipStream(compressed, CompressionLevel.Optimal))
            stream.Write(bytes);
        return compressed.ToArray();
    }

    private static IEnumerable<GateFinding> OverBudget(WidgetPackage package, Page page, int gzipBytes)
    {
        if (gzipBytes <= package.GzipBudgetBytes)
            yield break;
        yield return new GateFinding(
            GateFinding.Size,
            "gzip-budget",
            page.Locale,
            page.Theme,
            Selector: null,
            Line: null,
            Column: null,
            page.ConfigAt,
            string.Create(
                CultureInfo.InvariantCulture,
                $"The page has {gzipBytes:N0} bytes with gzip; {package.Type} allows {package.GzipBudgetBytes:N0}. "
            ) + "Shorten the content, or split it over two instances."
        );
    }

    private static void ThrowIfAny(List<Fault> faults)
    {
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The instance cannot be published as it is.", faults).AsException();
    }
}

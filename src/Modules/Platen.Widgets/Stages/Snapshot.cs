using System.Collections.Immutable;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>
/// An instance as it travels from one stage to another: an OCI artifact with everything that its author decided and nothing that
/// follows from it. Whoever takes it in validates and renders by itself.
/// <code>
/// instance.json         publicId, widgetType, status, baseLocale, allowedOrigins, config; canonical
/// locales/{tag}.json    baseDigest, ops; canonical
/// </code>
/// The same content is the same artifact on every server, so comparing digests tells what has to travel.
/// </summary>
internal static class Snapshot
{
    public const string ArtifactType = "application/vnd.platen.widget-snapshot.v1";

    private const string MediaType = "application/json";
    private const string InstanceFile = "instance.json";
    private const string LocalesFolder = "locales/";
    private const string Extension = ".json";

    /// <summary>What a snapshot says, checked against its widget type.</summary>
    public sealed record Content(
        PublicId Id,
        string WidgetType,
        string Status,
        string BaseLocale,
        ImmutableArray<string> AllowedOrigins,
        byte[] Config,
        Digest ConfigDigest,
        IReadOnlyList<Overlay> Overlays
    )
    {
        /// <summary>As a row that is not stored yet, for rendering.</summary>
        public Instance AsInstance() =>
            new(
                Id.ToString(),
                Id is PublicId.Baseline ? "baseline" : "curated",
                WidgetType,
                Status,
                BaseLocale,
                JsonElement.Parse(Config),
                ConfigDigest,
                Revision: 0,
                PublishedRevision: null,
                default,
                default,
                "",
                AllowedOrigins
            );
    }

    public static ReleaseDraft Make(Instance instance, IReadOnlyList<Overlay> overlays)
    {
        var files = ImmutableArray.CreateBuilder<DraftFile>(1 + overlays.Count);
        files.Add(
            File(
                InstanceFile,
                new
                {
                    publicId = instance.PublicId,
                    widgetType = instance.WidgetType,
                    status = instance.Status,
                    baseLocale = instance.BaseLocale,
                    allowedOrigins = instance.AllowedOrigins,
                    config = instance.Config,
                }
            )
        );
        // Not as a database sorts: the order is a part of the digest.
        foreach (var overlay in overlays.OrderBy(o => o.Locale, StringComparer.Ordinal))
        {
            files.Add(
                File(
                    LocalesFolder + overlay.Locale + Extension,
                    new
                    {
                        baseDigest = overlay.BaseDigest.ToString(),
                        ops = JsonElement.Parse(Overlay.Write(overlay.Ops)),
                    }
                )
            );
        }
        return new ReleaseDraft(
            instance.Subject,
            ArtifactType,
            files.ToImmutable(),
            ImmutableSortedDictionary<string, string>.Empty.Add("dev.platen.public-id", instance.PublicId)
        );
    }

    /// <summary>Reads a snapshot that somebody pushed, and holds it against its type.</summary>
    /// <param name="id">The instance it must be of.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="registry">The types there are.</param>
    /// <param name="read">The bytes of a file.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/> with every fault, or
    /// <see cref="WidgetsProblems.UnknownWidgetType"/>.</exception>
    public static async Task<Content> ReadAsync(
        PublicId id,
        ReleaseManifest manifest,
        WidgetRegistry registry,
        Func<Digest, Task<ReadOnlyMemory<byte>>> read
    )
    {
        var faults = new List<Fault>();
        JsonElement? instance = null;
        var overlays = new List<Overlay>();
        if (manifest.Files.Length > 1 + WidgetsLimits.Locales)
            throw Refused([new Fault("/layers", $"At most {WidgetsLimits.Locales} locales.")]);
        foreach (var file in manifest.Files)
        {
            if (file.SizeBytes > Limits.JsonBodyBytes)
                throw Refused([new Fault("/" + file.Path, $"At most {Limits.JsonBodyBytes} bytes.")]);
            var document = Parse(await read(file.Digest), file.Path, faults);
            if (document is not { } json)
                continue;
            if (file.Path == InstanceFile)
                instance = json;
            else if (LocaleOf(file.Path) is { } locale)
                overlays.Add(ReadOverlay(json, locale, "/" + file.Path));
            else
                faults.Add(new Fault("/" + file.Path, "No such file belongs in a snapshot."));
        }
        if (instance is null)
            faults.Add(new Fault("/" + InstanceFile, "It is missing, or not an object."));
        return faults.Count == 0 ? Check(id, instance!.Value, overlays, registry) : throw Refused(faults);
    }

    private static Content Check(PublicId id, JsonElement instance, List<Overlay> overlays, WidgetRegistry registry)
    {
        Stored stored;
        try
        {
            stored = instance.Deserialize<Stored>(Strict)!;
        }
        catch (JsonException e)
        {
            throw Refused([new Fault("/" + InstanceFile, e.Message)]);
        }
        var package = registry.Find(stored.WidgetType);
        var faults = new List<Fault>();
        if (!PublicId.TryParse(stored.PublicId, out var said) || said != id)
            faults.Add(new Fault("/publicId", $"The snapshot is pushed to '{id}' and says '{stored.PublicId}'."));
        if (id is PublicId.Baseline baseline && baseline.Type != package.Type)
            faults.Add(new Fault("/widgetType", $"'{id}' is the baseline of {baseline.Type}."));
        if (stored.Status is not (InstanceStatus.Published or InstanceStatus.Unpublished or InstanceStatus.Deprecated))
            faults.Add(new Fault("/status", "Must be published, unpublished or deprecated."));
        var locale = InstanceRequests.ParseLocale(stored.BaseLocale, "/baseLocale").ToString();
        var origins = AllowedOrigins.Check(stored.AllowedOrigins, "/allowedOrigins", faults);
        var canonical = Configs.Check(package, stored.Config, "/config", faults);
        foreach (var overlay in overlays)
        {
            if (overlay.Locale == locale)
                faults.Add(new Fault($"/locales/{overlay.Locale}", "It is the base locale."));
            if (overlay.Ops.Count > WidgetsLimits.OverlayOps)
                faults.Add(new Fault($"/locales/{overlay.Locale}", $"At most {WidgetsLimits.OverlayOps} operations."));
        }
        return faults.Count == 0
            ? new Content(
                id,
                package.Type.Value,
                stored.Status,
                locale,
                origins,
                canonical,
                Digest.Of(canonical),
                [.. overlays.OrderBy(o => o.Locale, StringComparer.Ordinal)]
            )
            : throw Refused(faults);
    }

    private static Overlay ReadOverlay(JsonElement json, string locale, string at)
    {
        try
        {
            var stored = json.Deserialize<StoredOverlay>(Strict)!;
            var tag = InstanceRequests.ParseLocale(locale, at).ToString();
            if (tag != locale || !Digest.TryParse(stored.BaseDigest, out var baseDigest))
                throw new JsonException("The locale or the digest is not in its canonical form.");
            var ops = stored.Ops.Select(o =>
                o.Op is "set" or "remove"
                && (o.Op == "set") == (o.Value is not null)
                && JsonPointer.TryParse(o.Path, out var path)
                    ? new OverlayOp(o.Op, path, o.Value, o.Base)
                    : throw new JsonException($"'{o.Op}' at '{o.Path}' is not an operation.")
            );
            return new Overlay(locale, [.. ops], baseDigest, 1, default, "");
        }
        catch (JsonException e)
        {
            throw Refused([new Fault(at, e.Message)]);
        }
    }

    private static JsonElement? Parse(ReadOnlyMemory<byte> bytes, string path, List<Fault> faults)
    {
        try
        {
            using var document = JsonDocument.Parse(
                bytes,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = Limits.JsonDepth }
            );
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document.RootElement.Clone();
            faults.Add(new Fault("/" + path, "Must be an object."));
        }
        catch (JsonException e)
        {
            faults.Add(new Fault("/" + path, e.Message));
        }
        return null;
    }

    private static string? LocaleOf(string path) =>
        path.StartsWith(LocalesFolder, StringComparison.Ordinal) && path.EndsWith(Extension, StringComparison.Ordinal)
            ? path[LocalesFolder.Length..^Extension.Length]
            : null;

    private static DraftFile File(string path, object content) =>
        new(
            path,
            MediaType,
            CanonicalJson.Serialize(JsonSerializer.SerializeToElement(content)),
            ImmutableSortedDictionary<string, string>.Empty
        );

    private static ProblemException Refused(IReadOnlyList<Fault> faults) =>
        KernelProblems.Invalid.Because("The snapshot cannot be taken in.", faults).AsException();

    private sealed record Stored(
        string PublicId,
        string WidgetType,
        string Status,
        string BaseLocale,
        IReadOnlyList<string> AllowedOrigins,
        JsonElement Config
    );

    private sealed record StoredOverlay(string BaseDigest, IReadOnlyList<StoredOp> Ops);

    private sealed record StoredOp(string Op, string Path, string? Value, string? Base);

    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        PropertyNameCaseInsensitive = false,
    };
}

using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>Says why a request for published content is answered as it is. It asks what visitors ask, and so warms what they get.</summary>
public sealed class ExplainVisitor
{
    private readonly AnswerVisitor visitor;
    private readonly InstanceCache cache;
    private readonly DiskCache disk;
    private readonly DatabaseReach database;

    internal ExplainVisitor(AnswerVisitor visitor, InstanceCache cache, DiskCache disk, DatabaseReach database)
    {
        this.visitor = visitor;
        this.cache = cache;
        this.disk = disk;
        this.database = database;
    }

    /// <summary>
    /// Whether a request asks for an explanation: <c>explain</c> is a name in its query, and it carries a credential. Without one the
    /// parameter is one that nobody knows.
    /// </summary>
    public static bool IsAsked(HttpRequest request) =>
        request.Headers.Authorization.Count > 0
        && request.QueryString.Value is { Length: > 7 } query
        && query.Contains("explain", StringComparison.Ordinal)
        && request.Query.ContainsKey("explain");

    /// <summary>
    /// Leads such a request to the API's own address, <c>/v1/instances/{publicId}/explanation</c>, where credentials are looked at; a file
    /// becomes <c>file=</c> of its query.
    /// </summary>
    /// <returns>Whether the path can name published content; else it was left alone.</returns>
    internal static bool TryRedirect(HttpContext context)
    {
        var request = context.Request;
        if (
            !DeliveryPath.TryRead(request.Path.Value, out var target, out var text, out var file)
            || text.Length > PublicId.MaxLength
            || !PublicId.TryParse(text.ToString(), out var id)
        )
            return false;
        if (target != Target.Page)
            request.QueryString = request.QueryString.Add("file", file.ToString());
        request.Path = $"/v1/instances/{id}/explanation";
        return true;
    }

    /// <summary>Explains what <paramref name="request"/>, with its fields and its query, gets of an instance.</summary>
    /// <param name="request">Its query has <c>theme</c> and <c>locale</c> as a page's address has, and <c>file</c> for what is below
    /// <c>/w/</c>.</param>
    /// <param name="id">The instance.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<Explanation> ExplainAsync(HttpRequest request, PublicId id, CancellationToken ct)
    {
        var file = request.Query["file"].ToString();
        var target =
            file.Length == 0 ? Target.Page
            : file == "manifest.json" ? Target.Manifest
            : Target.Artifact;
        var wasInMemory = cache.TryGet(id.ToString(), out var before) && before.Item is not null;
        var found =
            target == Target.Artifact && !DeliveryPath.IsArtifact(file)
                ? new Resolution(404)
                : await visitor.ResolveAsync(request, target, id, file, ct);
        var (own, shown) = (found.Own, found.Shown);
        var query = PageQuery.Read(request.QueryString.Value);
        var locale =
            target == Target.Page && shown is { Locales.Length: > 0 }
                ? Wording.Locale(
                    shown.Locales,
                    shown.Locales[AnswerVisitor.ChooseLocale(request, shown, query, out _)].Tag,
                    query.Locale.ToString(),
                    shown.Languages,
                    request.Headers.AcceptLanguage.ToString()
                )
                : null;
        return new Explanation(
            AddressOf(request, id, file),
            id.ToString(),
            target.ToString().ToLowerInvariant(),
            found.Status,
            RuleOf(found, id, target),
            own is null
                ? null
                : new ExplainedChannel(
                    own.Owner.Value,
                    own.Subject,
                    "live",
                    own.Revision,
                    own.MovedAt,
                    own.Release.ToString()
                ),
            found.Variant is not { } variant
                ? null
                : new ExplainedContent(
                    variant.Digest.ToString(),
                    variant.Bytes?.Length ?? variant.SizeBytes,
                    variant.ContentType.ToString(),
                    Wording.Name(variant.Coding),
                    Wording.Coding(variant.Coding, request.Headers.AcceptEncoding.ToString())
                ),
            locale,
            target == Target.Page ? Wording.Theme(query.Theme) : null,
            own?.Deprecated is null
                ? null
                : new ExplainedFallback(
                    shown!.Id.ToString(),
                    shown == own
                        ? "it is deprecated, and its type has no published baseline to show instead"
                        : "it is deprecated: its type's baseline is shown instead"
                ),
            new ExplainedCache(
                found.Variant is null ? "none"
                    : wasInMemory && !found.IsFormer ? "memory"
                    : found.IsFromDisk ? "disk"
                    : "store",
                found.IsStale,
                database.Trouble is null,
                cache.Count,
                cache.Bytes,
                disk.Entries,
                disk.Bytes
            )
        );
    }

    private static string RuleOf(in Resolution found, PublicId id, Target target) =>
        found.Status switch
        {
            404 when found.Own is null => $"nothing is published as {id}: its channel 'live' names no release",
            404 => $"{id} is published, and never had this {target.ToString().ToLowerInvariant()}",
            406 => "the request refuses every coding that there is",
            503 => "it is not here, and cannot be read right now",
            _ when found.IsFormer =>
                "a file of a former release: its name is its digest, so it keeps resolving while the instance is published",
            _ when target == Target.Artifact =>
                "a file of the release that the channel 'live' names; its name is its digest",
            _ => "the release that the channel 'live' names; no candidate takes a share of it",
        };

    private static string AddressOf(HttpRequest request, PublicId id, string file)
    {
        if (file.Length > 0)
            return $"/w/{id}/{file}";
        var kept = request
            .Query.Where(pair => pair.Key is "theme" or "locale" or "device")
            .Select(pair => $"{pair.Key}={Uri.EscapeDataString(pair.Value[0] ?? "")}");
        var query = string.Join('&', kept);
        return query.Length == 0 ? $"/e/{id}" : $"/e/{id}?{query}";
    }
}

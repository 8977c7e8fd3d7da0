using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>An instance, or null when there is none that the key may know of.</summary>
    public Task<Versioned<Instance>?> FindInstanceAsync(PublicId id, CancellationToken ct) =>
        FindAsync(InstancePath(id), ClientJson.Default.Instance, ct);

    /// <summary>Creates an instance (<see cref="Precondition.Absent"/>) or replaces its content.</summary>
    /// <returns>The instance as it is now; content that is equal keeps its revision.</returns>
    public async Task<Versioned<Instance>> PutInstanceAsync(
        PublicId id,
        InstanceContent content,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(InstancePath(id), content, ClientJson.Default.InstanceContent, condition, ct);
        return await ReadVersionedAsync(answer, ClientJson.Default.Instance, ct);
    }

    /// <summary>The curated instances, without their configs, page after page until all are read.</summary>
    /// <param name="type">Only those of this widget type; null for all.</param>
    /// <param name="status">Only those of this status; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public async IAsyncEnumerable<InstanceSummary> ListCuratedInstancesAsync(
        WidgetType? type,
        string? status,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        string? cursor = null;
        do
        {
            var page = await ListCuratedInstancesAsync(type, status, cursor, Limits.PageItems, ct);
            foreach (var instance in OrEmpty(page.Items))
                yield return instance;
            cursor = page.NextCursor;
        } while (cursor is not null);
    }

    /// <summary>One page of the curated instances, without their configs.</summary>
    /// <param name="type">Only those of this widget type; null for all.</param>
    /// <param name="status">Only those of this status; null for all.</param>
    /// <param name="cursor">A former page's <see cref="Page{T}.NextCursor"/>; null for the first.</param>
    /// <param name="limit">1 to <see cref="Limits.PageItems"/>.</param>
    /// <param name="ct">Cancels.</param>
    public Task<Page<InstanceSummary>> ListCuratedInstancesAsync(
        WidgetType? type,
        string? status,
        string? cursor,
        int limit,
        CancellationToken ct
    ) =>
        GetAsync(
            "v1/curated-instances"
                + Query(
                    ("cursor", cursor),
                    ("limit", limit.ToString(CultureInfo.InvariantCulture)),
                    ("type", type?.Value),
                    ("status", status)
                ),
            ClientJson.Default.PageInstanceSummary,
            ct
        );

    /// <summary>The overlay of a locale, or null when there is none.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="locale">A BCP 47 tag.</param>
    /// <param name="ct">Cancels.</param>
    public Task<Versioned<Overlay>?> FindOverlayAsync(PublicId id, string locale, CancellationToken ct) =>
        FindAsync(OverlayPath(id, locale), ClientJson.Default.Overlay, ct);

    /// <summary>Creates or replaces the overlay of a locale.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="locale">A BCP 47 tag.</param>
    /// <param name="overlay">Its whole content.</param>
    /// <param name="condition">What the writer saw.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>The version that was written.</returns>
    public async Task<EntityTag> PutOverlayAsync(
        PublicId id,
        string locale,
        Overlay overlay,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(OverlayPath(id, locale), overlay, ClientJson.Default.Overlay, condition, ct);
        _ = EntityTag.TryParse(answer.Headers.ETag?.ToString(), out var tag);
        return tag;
    }

    /// <summary>Removes the overlay of a locale.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="locale">A BCP 47 tag.</param>
    /// <param name="condition">What the writer saw.</param>
    /// <param name="ct">Cancels.</param>
    public async Task DeleteOverlayAsync(PublicId id, string locale, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, OverlayPath(id, locale), condition, null, ct);
    }

    /// <summary>Makes the instance live as it stands, or returns to a former release.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="order">Why, and what.</param>
    /// <param name="condition">The instance's version that the caller saw.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<PublicationOutcome> PublishAsync(
        PublicId id,
        PublicationOrder order,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            PublicationPath(id),
            order,
            ClientJson.Default.PublicationOrder,
            condition,
            ct
        );
        return await ReadAsync(answer, ClientJson.Default.PublicationOutcome, ct);
    }

    /// <summary>Takes the instance off the public addresses; its releases stay.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="condition">The instance's version that the caller saw.</param>
    /// <param name="ct">Cancels.</param>
    public async Task UnpublishAsync(PublicId id, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, PublicationPath(id), condition, null, ct);
    }

    /// <summary>What is live and one page of the moves that led there; null when the instance was never published.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="before">A former page's <see cref="PublicationHistory.NextBefore"/>; null for the latest.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<PublicationHistory?> FindPublicationAsync(PublicId id, long? before, CancellationToken ct) =>
        (
            await FindAsync(
                PublicationPath(id) + Query(("before", before?.ToString(CultureInfo.InvariantCulture))),
                ClientJson.Default.PublicationHistory,
                ct
            )
        )?.Value;

    /// <summary>What publishing the instance as it stands would change; nothing is written.</summary>
    public Task<PublicationPreview> PreviewPublicationAsync(PublicId id, CancellationToken ct) =>
        GetAsync(PublicationPath(id) + ":preview", ClientJson.Default.PublicationPreview, ct);

    /// <summary>The widget types that the server knows.</summary>
    public Task<WidgetManifest> GetWidgetManifestAsync(CancellationToken ct) =>
        GetAsync("widgets/manifest.json", ClientJson.Default.WidgetManifest, ct);

    /// <summary>The JSON Schema (2020-12) of a widget type's config.</summary>
    public Task<JsonElement> GetWidgetSchemaAsync(WidgetType type, CancellationToken ct) =>
        GetAsync($"widgets/{Segment(type.Value)}/schema.json", ClientJson.Default.JsonElement, ct);

    private static string InstancePath(PublicId id) => "v1/instances/" + Segment(id.ToString());

    private static string OverlayPath(PublicId id, string locale) => $"{InstancePath(id)}/locales/{Segment(locale)}";

    private static string PublicationPath(PublicId id) => InstancePath(id) + "/publication";

    private static ImmutableArray<T> OrEmpty<T>(ImmutableArray<T> items) => items.IsDefault ? [] : items;
}

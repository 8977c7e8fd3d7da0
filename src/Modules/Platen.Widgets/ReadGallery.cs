using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>What the platform shows of itself to everybody: its curated instances that are live, and nothing of those that are not.</summary>
internal sealed class ReadGallery(PostgresPools pools, WidgetRegistry registry)
{
    public sealed record Page(IReadOnlyList<Item> Items, string? NextCursor);

    /// <param name="Title">What its page is called.</param>
    /// <param name="Locales">In which languages it is shown, its own first.</param>
    /// <param name="Url">Where it is served.</param>
    public sealed record Item(
        string PublicId,
        string Kind,
        string WidgetType,
        string Title,
        IReadOnlyList<string> Locales,
        string Url
    );

    public async Task<Page> PageAsync(string? cursor, int? limit, string? type, CancellationToken ct)
    {
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "show the gallery"),
            ct
        );
        var items = await session.ListAsync(
            """
            select i.public_id, i.kind, i.widget_type, i.config::text, i.base_locale,
                   array(select l.locale from widgets.widget_instance_locales l
                         where l.owner = $4 and l.public_id = i.public_id order by l.locale)
            from widgets.curated_widget_instances i
            join platform.channel c
                on c.owner = $4 and c.subject = 'curated/' || i.public_id and c.name = 'live' and c.release_digest is not null
            where i.public_id > $1 and i.status = 'published' and ($2::text is null or i.widget_type = $2)
            order by i.public_id
            limit $3
            """,
            row =>
            {
                var (id, type) = (row.GetString(0), row.GetString(2));
                return new Item(
                    id,
                    row.GetString(1),
                    type,
                    TitleOf(type, JsonElement.Parse(row.GetString(3))) ?? id,
                    [row.GetString(4), .. row.GetFieldValue<string[]>(5)],
                    "/e/" + id
                );
            },
            ct,
            Sql.Text((cursor ?? "").Replace("\0", "", StringComparison.Ordinal)),
            Sql.Text(type?.Replace("\0", "", StringComparison.Ordinal)),
            Sql.Int(size + 1),
            Sql.Owner(OwnerId.Platform)
        );
        return items.Count > size ? new Page(items[..size], items[size - 1].PublicId) : new Page(items, null);
    }

    private string? TitleOf(string type, JsonElement config)
    {
        if (!registry.TryFind(type, out var package))
            return null;
        return package.TitleAt is { } at && at.TryGet(config, out var title) && title.ValueKind == JsonValueKind.String
            ? title.GetString()
            : package.Title;
    }
}

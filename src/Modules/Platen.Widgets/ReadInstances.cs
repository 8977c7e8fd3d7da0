using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>An instance with what is live of it.</summary>
/// <param name="Instance">The version in the table.</param>
/// <param name="Locales">Locales that have an overlay.</param>
/// <param name="Live">Its channel, when something is live.</param>
/// <param name="LastMove">The move that made it live.</param>
internal sealed record InstanceDetail(
    Instance Instance,
    IReadOnlyList<string> Locales,
    Channel? Live,
    ChannelMoveRecord? LastMove
)
{
    /// <summary>The instance with what is live of it, in one round trip; null when there is none.</summary>
    /// <param name="session">Which sees it.</param>
    /// <param name="id">Its id.</param>
    /// <param name="instance"><see cref="Widgets.Instance.Find"/> or <see cref="Widgets.Instance.Lock"/> of the id.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<InstanceDetail?> FindAsync(
        Session session,
        PublicId id,
        Query<Instance> instance,
        CancellationToken ct
    )
    {
        var (found, locales, live) = await session.TogetherAsync(
            instance,
            Overlay.Locales(session, id),
            ChannelStore.FindWithLastMove(InstanceHome.Of(id).LiveOf(id.ToString())),
            ct
        );
        return found is [var one]
            ? new InstanceDetail(one, locales, live.FirstOrDefault()?.Channel, live.FirstOrDefault()?.LastMove)
            : null;
    }
}

/// <summary>A line of a list: everything but the config.</summary>
internal sealed record InstanceSummary(
    string PublicId,
    string Kind,
    string WidgetType,
    string Status,
    long Revision,
    long? PublishedRevision,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    DateTimeOffset? DeletedAt
);

/// <summary>Reads one instance, its publication, or a page of the list.</summary>
internal sealed class ReadInstances(PostgresPools pools)
{
    public sealed record Page(IReadOnlyList<InstanceSummary> Items, string? NextCursor);

    /// <param name="Type">Only those of this widget type; null for all.</param>
    /// <param name="Status">Only those of this status; null for all.</param>
    /// <param name="Text">Only those with this in their id or anywhere in their config, in whatever case; null for all.</param>
    /// <param name="Deleted">Those that were deleted and can be had back, instead of those that are there.</param>
    public sealed record Filter(string? Type, string? Status, string? Text = null, bool Deleted = false);

    public sealed record Publication(Channel? Channel, IReadOnlyList<ChannelMoveRecord> Moves, long? NextBefore);

    public async Task<InstanceDetail> OneAsync(Caller caller, PublicId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read instance"), ct);
        return await InstanceDetail.FindAsync(session, id, Instance.Find(id), ct)
            ?? throw InstanceRequests.NotFound(id);
    }

    public async Task<Publication> PublicationAsync(
        Caller caller,
        PublicId id,
        long? before,
        int limit,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("read publication"), ct);
        var instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        var channel = await ChannelStore.FindAsync(session, instance.Live, ct);
        var moves = await ChannelStore.MovesAsync(session, instance.Live, before, limit, ct);
        return new Publication(channel, moves, moves is [.., { Revision: > 1 and var last }] ? last : null);
    }

    public async Task<Overlay> OverlayAsync(Caller caller, PublicId id, string localeText, CancellationToken ct)
    {
        var locale = InstanceRequests.ParseLocale(localeText, "").ToString();
        await using var session = await pools.OpenAsync(caller.Operation("read overlay"), ct);
        return await Overlay.FindAsync(session, id, locale, ct)
            ?? throw KernelProblems.NotFound.Because($"'{id}' has no overlay for '{locale}'.").AsException();
    }

    /// <summary>Ordered by public id, so that a cursor is simply the last one seen.</summary>
    /// <param name="caller">Who asks; for user instances their owner is the workspace.</param>
    /// <param name="home">Which kind.</param>
    /// <param name="filter">Which of them.</param>
    /// <param name="cursor">The last id of the former page; null for the first.</param>
    /// <param name="limit">1 to <see cref="Limits.PageItems"/>.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Page> PageAsync(
        Caller caller,
        InstanceHome home,
        Filter filter,
        string? cursor,
        int? limit,
        CancellationToken ct
    )
    {
        cursor = string.IsNullOrEmpty(cursor) ? null : cursor;
        if (cursor is not null && !PublicId.TryParse(cursor, out _))
            throw KernelProblems.UnknownCursor();
        if (filter.Text is { Length: > WidgetsLimits.SearchLength })
        {
            throw KernelProblems
                .Malformed.Because($"A search has at most {WidgetsLimits.SearchLength} characters.")
                .AsException();
        }
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        var which = home == InstanceHome.User ? (filter.Deleted ? " and deleted_at is not null" : home.NotDeleted) : "";
        await using var session = await pools.OpenAsync(caller.Operation("list instances"), ct);
        var items = await session.ListAsync(
            $"""
            select {home.SummaryColumns}
            from {home.Table}
            where ($1::text is null or public_id > $1)
                and ($2::text is null or widget_type = $2)
                and ($3::text is null or status = $3)
                and ($5::text is null or position(lower($5) in lower(public_id || ' ' || config::text)) > 0){which}
            order by public_id
            limit $4
            """,
            ReadSummary,
            ct,
            Sql.Text(cursor),
            Sql.Text(filter.Type),
            Sql.Text(filter.Status),
            Sql.Int(size + 1),
            Sql.Text(string.IsNullOrEmpty(filter.Text) ? null : filter.Text.Replace("\0", "", StringComparison.Ordinal))
        );
        return items.Count > size ? new Page(items[..size], items[size - 1].PublicId) : new Page(items, null);
    }

    private static InstanceSummary ReadSummary(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetInt64(4),
            row.IsDBNull(5) ? null : row.GetInt64(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.GetString(7),
            row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8)
        );
}

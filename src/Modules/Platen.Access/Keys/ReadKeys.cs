using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Keys;

/// <summary>Reads the keys of the caller's owner, newest first.</summary>
internal sealed class ReadKeys(PostgresPools pools)
{
    public sealed record Page(IReadOnlyList<StoredKey> Items, string? NextCursor);

    public async Task<StoredKey> OneAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read key"), ct);
        return await StoredKey.FindAsync(session, id, locked: false, ct)
            ?? throw KernelProblems.NotFound.Because("There is no such key.").AsException();
    }

    public async Task<Page> PageAsync(Caller caller, string? cursor, int? limit, bool revokedToo, CancellationToken ct)
    {
        var size = AccessRequests.PageSize(limit);
        var (at, id) = ReadCursor(cursor);
        await using var session = await pools.OpenAsync(caller.Operation("list keys"), ct);
        var items = await session.ListAsync(
            $"""
            select {StoredKey.Columns} from access.machine_key
            where owner = platform.current_owner() and ($1 or revoked_at is null)
                and ($2::timestamptz is null or (created_at, id) < ($2, $3))
            order by created_at desc, id desc
            limit $4
            """,
            StoredKey.Read,
            ct,
            Sql.Bool(revokedToo),
            StoredKey.Time(at),
            new NpgsqlParameter { Value = id, NpgsqlDbType = NpgsqlDbType.Uuid },
            Sql.Int(size + 1)
        );
        return items.Count > size
            ? new Page(items[..size], $"{items[size - 1].CreatedAt.UtcTicks:x}.{items[size - 1].Id:N}")
            : new Page(items, null);
    }

    private static (DateTimeOffset? At, Guid Id) ReadCursor(string? cursor)
    {
        if (string.IsNullOrEmpty(cursor))
            return (null, Guid.Empty);
        var dot = cursor.IndexOf('.', StringComparison.Ordinal);
        if (
            dot > 0
            && long.TryParse(
                cursor.AsSpan(0, dot),
                System.Globalization.NumberStyles.AllowHexSpecifier,
                System.Globalization.CultureInfo.InvariantCulture,
                out var ticks
            )
            && ticks > 0
            && ticks <= DateTimeOffset.MaxValue.UtcTicks
            && Guid.TryParseExact(cursor.AsSpan(dot + 1), "N", out var id)
        )
        {
            return (new DateTimeOffset(ticks, TimeSpan.Zero), id);
        }
        throw KernelProblems.UnknownCursor();
    }
}

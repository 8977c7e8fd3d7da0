using Npgsql;
using NpgsqlTypes;
using Platen.Platform.Postgres;

namespace Platen.Platform.Usage;

/// <summary>What was counted on one day.</summary>
/// <param name="Day">In UTC.</param>
/// <param name="Views">How often the page or the pixel was asked for.</param>
/// <param name="Submissions">How many posts to the form were kept.</param>
public sealed record UsageDay(DateOnly Day, long Views, long Submissions);

/// <summary>What was counted for one instance over some days.</summary>
/// <param name="PublicId">The instance.</param>
/// <param name="Views">How often the page or the pixel was asked for.</param>
/// <param name="Submissions">How many posts to the form were kept.</param>
public sealed record UsageOfInstance(string PublicId, long Views, long Submissions);

/// <summary>Reads what was counted for the session's owner.</summary>
public static class UsageLog
{
    /// <summary>For how long counts are kept, in days: two years and a bit, so that a month can be compared with last year's.</summary>
    public const int KeptForDays = 800;

    /// <summary>The days of an instance on which anything was counted, in order.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="publicId">The instance; null for all of the owner together.</param>
    /// <param name="from">The first day.</param>
    /// <param name="to">The last day.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<List<UsageDay>> DaysAsync(
        Session session,
        string? publicId,
        DateOnly from,
        DateOnly to,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        return session.ListAsync(
            """
            select day, sum(views)::bigint, sum(submissions)::bigint from platform.usage_day
             where owner = platform.current_owner() and ($1::text is null or public_id = $1) and day between $2 and $3
             group by day order by day limit 1000
            """,
            row => new UsageDay(row.GetFieldValue<DateOnly>(0), row.GetInt64(1), row.GetInt64(2)),
            ct,
            Sql.Text(publicId),
            Date(from),
            Date(to)
        );
    }

    /// <summary>The instances that were used most.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="from">The first day.</param>
    /// <param name="to">The last day.</param>
    /// <param name="limit">At most this many.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<List<UsageOfInstance>> MostUsedAsync(
        Session session,
        DateOnly from,
        DateOnly to,
        int limit,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        return session.ListAsync(
            """
            select public_id, sum(views)::bigint as seen, sum(submissions)::bigint from platform.usage_day
             where owner = platform.current_owner() and day between $1 and $2
             group by public_id order by seen desc, public_id limit $3
            """,
            row => new UsageOfInstance(row.GetString(0), row.GetInt64(1), row.GetInt64(2)),
            ct,
            Date(from),
            Date(to),
            Sql.Int(limit)
        );
    }

    /// <summary>Removes counts that are older than they are kept, in a worker's session; returns how many.</summary>
    internal static Task<int> RemoveOldAsync(Session worker, int limit, CancellationToken ct) =>
        worker.ExecuteAsync(
            """
            delete from platform.usage_day u where (u.owner, u.public_id, u.day) in (
                select o.owner, o.public_id, o.day from platform.usage_day o
                 where o.day < current_date - $1::integer order by o.day limit $2)
            """,
            ct,
            Sql.Int(KeptForDays),
            Sql.Int(limit)
        );

    private static NpgsqlParameter Date(DateOnly day) => new() { Value = day, NpgsqlDbType = NpgsqlDbType.Date };
}

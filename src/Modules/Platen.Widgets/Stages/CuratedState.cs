using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Widgets.Stages;

/// <summary>From where curated content was published to this server.</summary>
/// <param name="Stage">Which database authored it.</param>
/// <param name="Version">Which of that database's versions of the instance.</param>
/// <param name="Snapshot">What was taken in.</param>
/// <param name="Release">What it became; null when it is not shown.</param>
/// <param name="At">When.</param>
/// <param name="By">By whom.</param>
internal sealed record CuratedOrigin(
    Guid Stage,
    long Version,
    Digest Snapshot,
    Digest? Release,
    DateTimeOffset At,
    string By
);

/// <summary>An instance of the platform with everything that a publish between stages compares. Null parts are not there.</summary>
internal sealed record CuratedState(
    string PublicId,
    Instance? Instance,
    IReadOnlyList<Overlay> Overlays,
    long Version,
    CuratedOrigin? Origin,
    Digest? Live,
    long ChannelRevision
)
{
    /// <summary>Its snapshot; null when there is no instance.</summary>
    public ReleaseDraft? Draft { get; } = Instance is null ? null : Stages.Snapshot.Make(Instance, Overlays);

    /// <summary>The digest of its snapshot; null when there is no instance.</summary>
    public Digest? Snapshot => Draft?.Digest;

    /// <summary>Whether what was published here last is what stands in the tables and what is live.</summary>
    public bool IsAsPublished => Origin is not null && Origin.Snapshot == Snapshot && Origin.Release == Live;

    /// <summary>The states of some instances; one that does not exist has a state without an instance.</summary>
    /// <param name="session">Of the platform.</param>
    /// <param name="ids">Which.</param>
    /// <param name="locked">Whether other writers are held off until the session ends.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<Dictionary<string, CuratedState>> ReadAsync(
        Session session,
        IReadOnlyList<string> ids,
        bool locked,
        CancellationToken ct
    )
    {
        var names = new NpgsqlParameter
        {
            Value = ids.ToArray(),
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        };
        var home = InstanceHome.Curated;
        var instances = (
            await session.ListAsync(
                $"""
                select {home.Columns} from {home.Table} where public_id = any ($1) order by public_id
                {(locked ? "for update" : "")}
                """,
                Instance.Read,
                ct,
                names
            )
        ).ToDictionary(i => i.PublicId, StringComparer.Ordinal);
        var overlays = (
            await session.ListAsync(
                $"""
                select {Overlay.Columns}, public_id from widgets.widget_instance_locales
                where owner = $2 and public_id = any ($1)
                """,
                row => (Id: row.GetString(6), Overlay: Overlay.Read(row)),
                ct,
                names.Clone(),
                Sql.Owner(OwnerId.Platform)
            )
        ).ToLookup(o => o.Id, o => o.Overlay, StringComparer.Ordinal);
        var states = await session.ListAsync(
            """
            select i.public_id, coalesce(s.revision, 0), c.release_digest, coalesce(c.revision, 0), o.stage, o.version,
                   o.snapshot_digest, o.release_digest, o.taken_in_at, o.taken_in_by_name
            from unnest($1::text[]) as i (public_id)
            left join platform.stream s on s.owner = $2 and s.stream_id = 'widget/' || i.public_id
            left join platform.channel c on c.owner = $2 and c.subject = 'curated/' || i.public_id and c.name = 'live'
            left join widgets.curated_origin o on o.owner = $2 and o.public_id = i.public_id
            """,
            row =>
            {
                var id = row.GetString(0);
                return new CuratedState(
                    id,
                    instances.GetValueOrDefault(id),
                    [.. overlays[id].OrderBy(o => o.Locale, StringComparer.Ordinal)],
                    row.GetInt64(1),
                    row.IsDBNull(4)
                        ? null
                        : new CuratedOrigin(
                            row.GetGuid(4),
                            row.GetInt64(5),
                            Digest.Parse(row.GetString(6)),
                            row.IsDBNull(7) ? null : Digest.Parse(row.GetString(7)),
                            row.GetFieldValue<DateTimeOffset>(8),
                            row.GetString(9)
                        ),
                    row.IsDBNull(2) ? null : Digest.Parse(row.GetString(2)),
                    row.GetInt64(3)
                );
            },
            ct,
            names.Clone(),
            Sql.Owner(OwnerId.Platform)
        );
        return states.ToDictionary(s => s.PublicId, StringComparer.Ordinal);
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Which versions of its templates an owner loses by themselves, every day. Immutable.</summary>
/// <param name="DraftsOlderThanDays">Drafts that nobody changed for so long; null: none.</param>
/// <param name="UnusedOlderThanDays">Stable and deprecated versions that are so old and that nothing names; null: none.</param>
/// <param name="AfterSunset">Whether deprecated versions go after their sunset.</param>
/// <param name="Revision">Its version; 0 when nobody has said anything yet.</param>
/// <param name="UpdatedAt">When it was changed last.</param>
/// <param name="UpdatedBy">By whom.</param>
internal sealed record Retention(
    int? DraftsOlderThanDays,
    int? UnusedOlderThanDays,
    bool AfterSunset,
    long Revision,
    DateTimeOffset? UpdatedAt,
    string? UpdatedBy
)
{
    private static readonly Retention None = new(null, null, false, 0, null, null);

    [JsonIgnore]
    public string Tag => Precondition.TagOf(Revision);

    /// <summary>Whether anything is ever removed.</summary>
    [JsonIgnore]
    public bool Removes => DraftsOlderThanDays is not null || UnusedOlderThanDays is not null || AfterSunset;

    /// <summary>The digest of the rule, as JSON with its names in order.</summary>
    [JsonIgnore]
    public Digest Digest =>
        Digest.Of(
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    afterSunset = AfterSunset,
                    draftsOlderThanDays = DraftsOlderThanDays,
                    unusedOlderThanDays = UnusedOlderThanDays,
                }
            )
        );

    /// <summary>What a run removes by it.</summary>
    [JsonIgnore]
    public ExpireVersions.Body Order => new(DraftsOlderThanDays, UnusedOlderThanDays, AfterSunset);

    /// <summary>That of the session's owner.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="locked">Whether nobody may change it until the session ends.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<Retention> FindAsync(Session session, bool locked, CancellationToken ct) =>
        await session.FirstAsync(
            $"""
            select drafts_older_than_days, unused_older_than_days, after_sunset, revision, updated_at, updated_by_name
            from templates.retention where owner = platform.current_owner(){(locked ? " for update" : "")}
            """,
            Read,
            ct
        ) ?? None;

    private static Retention Read(NpgsqlDataReader row) =>
        new(
            row.IsDBNull(0) ? null : row.GetInt32(0),
            row.IsDBNull(1) ? null : row.GetInt32(1),
            row.GetBoolean(2),
            row.GetInt64(3),
            row.GetFieldValue<DateTimeOffset>(4),
            row.GetString(5)
        );
}

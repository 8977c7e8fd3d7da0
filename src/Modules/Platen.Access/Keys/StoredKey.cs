using Npgsql;
using NpgsqlTypes;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Keys;

/// <summary>What is known of a machine key: everything but the secret.</summary>
internal sealed record StoredKey(
    Guid Id,
    string Name,
    string Prefix,
    IReadOnlyList<string> Scopes,
    string? Stage,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset? LastUsedAt,
    DateTimeOffset? RevokedAt,
    string? RevokedBy,
    Digest? Asked,
    PersonId? LentBy
)
{
    public const string Columns =
        "id, name, prefix, scopes, stage, created_at, created_by_name, expires_at, last_used_at, revoked_at, revoked_by_name, asked, lent_by";

    /// <summary>What the audit log has the digest of.</summary>
    public object Content =>
        new
        {
            name = Name,
            scopes = Scopes,
            stage = Stage,
            expiresAt = ExpiresAt,
        };

    public string StatusAt(DateTimeOffset now) =>
        RevokedAt is not null ? "revoked"
        : ExpiresAt <= now ? "expired"
        : "active";

    public static Task<StoredKey?> FindAsync(Session session, Guid id, bool locked, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from access.machine_key where owner = platform.current_owner() and id = $1"
                + (locked ? " for update" : ""),
            Read,
            ct,
            Sql.Uuid(id)
        );

    public static NpgsqlParameter Array(IReadOnlyList<string> scopes) =>
        new() { Value = scopes.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    public static NpgsqlParameter Time(DateTimeOffset? at) =>
        new() { Value = (object?)at?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    public static StoredKey Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(2),
            row.GetFieldValue<string[]>(3),
            row.IsDBNull(4) ? null : row.GetString(4),
            row.GetFieldValue<DateTimeOffset>(5),
            row.IsDBNull(6) ? null : row.GetString(6),
            row.IsDBNull(7) ? null : row.GetFieldValue<DateTimeOffset>(7),
            row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8),
            row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9),
            row.IsDBNull(10) ? null : row.GetString(10),
            row.IsDBNull(11) ? null : Digest.Parse(row.GetString(11)),
            row.IsDBNull(12) ? null : new PersonId(row.GetGuid(12))
        );
}

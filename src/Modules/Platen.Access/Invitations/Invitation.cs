using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Invitations;

/// <summary>An invitation to a workspace: everything but its token.</summary>
internal sealed record Invitation(
    Guid Id,
    string Email,
    Role Role,
    DateTimeOffset CreatedAt,
    ActorId CreatedById,
    string CreatedBy,
    Digest Asked,
    DateTimeOffset ExpiresAt,
    DateTimeOffset SentAt,
    int TimesSent,
    DateTimeOffset? AcceptedAt,
    Guid? AcceptedBy,
    DateTimeOffset? RevokedAt
)
{
    public const string Columns =
        "id, email, role, created_at, created_by, created_by_name, asked, expires_at, sent_at, times_sent, accepted_at, accepted_by, revoked_at";

    /// <summary>What the audit log has the digest of; not the address, which somebody could guess (ADR 0519).</summary>
    public object Content =>
        new
        {
            role = Role.Name(),
            expiresAt = ExpiresAt,
            timesSent = TimesSent,
            status = AcceptedAt is not null ? "accepted"
            : RevokedAt is not null ? "revoked"
            : "sent",
        };

    /// <summary>What every token of an invitation begins with.</summary>
    public const string TokenPrefix = "platen-invite_";

    public string StatusAt(DateTimeOffset now) =>
        AcceptedAt is not null ? "accepted"
        : RevokedAt is not null ? "revoked"
        : ExpiresAt <= now ? "expired"
        : "pending";

    public static Task<Invitation?> LockAsync(Session session, Guid id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from access.invitation where owner = platform.current_owner() and id = $1 for update",
            Read,
            ct,
            Sql.Uuid(id)
        );

    public static Invitation Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            Roles.Parse(row.GetString(2))!.Value,
            row.GetFieldValue<DateTimeOffset>(3),
            new ActorId(row.GetGuid(4)),
            row.GetString(5),
            Digest.Parse(row.GetString(6)),
            row.GetFieldValue<DateTimeOffset>(7),
            row.GetFieldValue<DateTimeOffset>(8),
            row.GetInt32(9),
            row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
            row.IsDBNull(11) ? null : row.GetGuid(11),
            row.IsDBNull(12) ? null : row.GetFieldValue<DateTimeOffset>(12)
        );
}

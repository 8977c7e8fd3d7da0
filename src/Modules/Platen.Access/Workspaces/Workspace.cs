using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>A version of a workspace, as the table has it.</summary>
internal sealed record Workspace(
    WorkspaceId Id,
    string Slug,
    string Name,
    string Plan,
    string Status,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    Digest Asked,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? DeletedAt,
    DateTimeOffset? PurgeAt
)
{
    public const string Columns =
        "owner, slug, name, plan, status, revision, created_at, created_by_name, asked, updated_at, deleted_at, purge_at";

    public string Tag => Precondition.TagOf(Revision);

    /// <summary>What the audit log has the digest of.</summary>
    public object Content =>
        new
        {
            name = Name,
            slug = Slug,
            plan = Plan,
            status = Status,
        };

    public bool IsDeleted => Status == "deleted";

    /// <summary>The workspace of the session's scope.</summary>
    public static Task<Workspace?> FindAsync(Session session, CancellationToken ct) =>
        session.FirstAsync($"select {Columns} from access.workspace where owner = platform.current_owner()", Read, ct);

    /// <summary>The workspace of the session's scope, locked: its members, name and end change one at a time.</summary>
    public static async Task<Workspace> LockAsync(Session session, CancellationToken ct) =>
        await FindLockedAsync(session, ct) ?? throw WorkspaceProblems.NoSuchWorkspace();

    /// <summary>As <see cref="LockAsync"/>; null when there is none.</summary>
    public static Task<Workspace?> FindLockedAsync(Session session, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from access.workspace where owner = platform.current_owner() for update",
            Read,
            ct
        );

    public static Workspace Read(NpgsqlDataReader row) =>
        new(
            new WorkspaceId(row.GetGuid(0)),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetString(4),
            row.GetInt64(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.GetString(7),
            Digest.Parse(row.GetString(8)),
            row.GetFieldValue<DateTimeOffset>(9),
            row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
            row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11)
        );
}

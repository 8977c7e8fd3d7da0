using Npgsql;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Members;

/// <summary>A member of a workspace, with what their fellows see of them.</summary>
internal sealed record Member(
    PersonId Person,
    string DisplayName,
    string Email,
    Role Role,
    long Revision,
    DateTimeOffset JoinedAt,
    string AddedBy
)
{
    private const string Query = """
        select m.person_id, p.display_name, p.email, m.role, m.revision, m.joined_at, m.added_by_name
        from access.member m
        join access.person p on p.id = m.person_id
        where m.owner = platform.current_owner()
        """;

    public string Tag => Precondition.TagOf(Revision);

    /// <summary>What the audit log has the digest of.</summary>
    public static object ContentOf(Role role) => new { role = role.Name() };

    public static Task<Member?> FindAsync(Session session, PersonId person, CancellationToken ct) =>
        session.FirstAsync(Query + " and m.person_id = $1", Read, ct, Sql.Uuid(person.Value));

    /// <summary>By id, which is by the time that the person came to the platform.</summary>
    public static Task<List<Member>> ListAsync(
        Session session,
        PersonId after,
        string? role,
        int limit,
        CancellationToken ct
    ) =>
        session.ListAsync(
            Query + " and m.person_id > $1 and ($2::text is null or m.role = $2) order by m.person_id limit $3",
            Read,
            ct,
            Sql.Uuid(after.Value),
            Sql.Text(role),
            Sql.Int(limit)
        );

    /// <summary>How many owners the workspace has. Locked by the workspace's row.</summary>
    public static async Task<long> CountOwnersAsync(Session session, CancellationToken ct) =>
        await session.FirstAsync(
            "select count(*) from access.member where owner = platform.current_owner() and role = 'owner'",
            row => row.GetInt64(0),
            ct
        );

    private static Member Read(NpgsqlDataReader row) =>
        new(
            new PersonId(row.GetGuid(0)),
            row.GetString(1),
            row.GetString(2),
            Roles.Parse(row.GetString(3))!.Value,
            row.GetInt64(4),
            row.GetFieldValue<DateTimeOffset>(5),
            row.GetString(6)
        );
}

using Npgsql;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>
/// Asks about an actor who is not there: what was put off is only done if whoever asked for it may still do it, and two actors may be the
/// same person.
/// </summary>
public static class ActorRights
{
    /// <summary>Whether the actor may do this now, as a key or a member of the session's owner. The server itself may.</summary>
    /// <param name="session">A session of the owner for whom it is done.</param>
    /// <param name="actor">Who asked for it, once.</param>
    /// <param name="scope">One of <see cref="Scopes"/>.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>False for a key that was revoked, replaced or has ended, and for a person who was removed, disabled or has a lesser
    /// role.</returns>
    public static async Task<bool> HasAsync(Session session, ActorId actor, string scope, CancellationToken ct)
    {
        if (actor == Actor.System.Id)
            return true;
        return await FindScopesAsync(session, actor, ct) is { } scopes
            && (scopes.Contains(Scopes.All) || scopes.Contains(scope));
    }

    /// <summary>
    /// Whether what the actor gave away there once is still theirs to give: they are a member or key of the session's owner with this
    /// scope, or an operator, who acts everywhere. Other than with <see cref="HasAsync"/> a key that has run out still stands for what it did.
    /// </summary>
    internal static async Task<bool> StillHasAsync(Session session, ActorId actor, string scope, CancellationToken ct)
    {
        if (actor == Actor.System.Id)
            return true;
        var standings = await session.ListAsync(
            "select owner, scopes, role from access.standing_of($1)",
            row =>
            {
                var owner = new OwnerId(row.GetGuid(0));
                return (Owner: owner, Scopes: ScopesOf(owner, row, scopes: 1, role: 2));
            },
            ct,
            Sql.Uuid(actor.Value)
        );
        return standings.Any(standing =>
            standing.Scopes is { } own
            && (own.Contains(Scopes.All) || (standing.Owner == session.Context.Owner && own.Contains(scope)))
        );
    }

    /// <summary>What the actor may do now, as a key or a member of the session's owner; null when they are neither any more.</summary>
    internal static Task<IReadOnlySet<string>?> FindScopesAsync(Session session, ActorId actor, CancellationToken ct) =>
        session.FirstAsync<IReadOnlySet<string>?>(
            """
            select k.scopes, m.role from access.machine_key k
            left join access.person p on p.id = k.lent_by and p.disabled_at is null
            left join access.member m on m.owner = k.owner and m.person_id = p.id
            where k.owner = platform.current_owner() and k.id = $1 and k.revoked_at is null
                and (k.expires_at is null or k.expires_at > clock_timestamp())
                and (k.lent_by is null or m.role is not null)
            union all
            select null, m.role from access.member m join access.person p on p.id = m.person_id
            where m.owner = platform.current_owner() and m.person_id = $1 and p.disabled_at is null
            """,
            row => ScopesOf(session.Context.Owner, row, scopes: 0, role: 1),
            ct,
            Sql.Uuid(actor.Value)
        );

    /// <summary>
    /// The person behind an actor: themself, or who made the key, also by way of other keys. Null when nobody can say: the key was made by
    /// the server, as the owner key was.
    /// </summary>
    /// <param name="session">Any session.</param>
    /// <param name="actor">A person's, or a key's.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<PersonId?> PersonBehindAsync(Session session, ActorId actor, CancellationToken ct) =>
        session.FirstAsync(
            "select access.person_behind($1)",
            row => row.IsDBNull(0) ? (PersonId?)null : new PersonId(row.GetGuid(0)),
            ct,
            Sql.Uuid(actor.Value)
        );

    // A key's, a member's, or a key's as far as its lender's role goes.
    private static IReadOnlySet<string>? ScopesOf(OwnerId owner, NpgsqlDataReader row, int scopes, int role)
    {
        var name = row.IsDBNull(role) ? null : row.GetString(role);
        return row.IsDBNull(scopes)
            ? Roles.Parse(name) is { } own
                ? Roles.ScopesOf(own, owner)
                : null
            : Roles.LentScopesOf(owner, row.GetFieldValue<string[]>(scopes), name);
    }
}

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
            row =>
            {
                var role = row.IsDBNull(1) ? null : row.GetString(1);
                return row.IsDBNull(0)
                    ? Roles.Parse(role) is { } own
                        ? Roles.ScopesOf(own, session.Context.Owner)
                        : null
                    : Roles.LentScopesOf(session.Context.Owner, row.GetFieldValue<string[]>(0), role);
            },
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
}

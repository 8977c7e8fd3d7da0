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
        var found = await session.FirstAsync(
            """
            select k.scopes, null from access.machine_key k
            where k.owner = platform.current_owner() and k.id = $1 and k.revoked_at is null
                and (k.expires_at is null or k.expires_at > clock_timestamp())
                and (k.lent_by is null or exists (
                    select from access.member m join access.person p on p.id = m.person_id
                    where m.owner = k.owner and m.person_id = k.lent_by and p.disabled_at is null))
            union all
            select null, m.role from access.member m join access.person p on p.id = m.person_id
            where m.owner = platform.current_owner() and m.person_id = $1 and p.disabled_at is null
            """,
            row =>
                row.IsDBNull(0)
                    ? Roles.Parse(row.GetString(1)) is { } role
                        ? session.Context.Owner.IsPlatform
                            ? Roles.PlatformScopesOf(role)
                            : Roles.ScopesOf(role)
                        : null
                    : row.GetFieldValue<string[]>(0).ToHashSet(StringComparer.Ordinal),
            ct,
            Sql.Uuid(actor.Value)
        );
        return found is not null && (found.Contains(Scopes.All) || found.Contains(scope));
    }

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

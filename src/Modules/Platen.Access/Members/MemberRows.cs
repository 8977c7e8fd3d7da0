using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Members;

/// <summary>Adds members, in the transaction of whoever has a reason to.</summary>
public static class MemberRows
{
    /// <summary>
    /// Makes a person a member of the session's owner, and counts it. Somebody who is a member already keeps their role.
    /// </summary>
    /// <param name="session">A session of the workspace, or of the platform for its operators.</param>
    /// <param name="person">Who.</param>
    /// <param name="role">As what.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Whether they are new.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/>.</exception>
    public static async Task<bool> AddAsync(Session session, PersonId person, Role role, CancellationToken ct)
    {
        var added = await session.ExecuteAsync(
            """
            insert into access.member (owner, person_id, role, added_by, added_by_name)
            values (platform.current_owner(), $1, $2, $3, $4)
            on conflict (owner, person_id) do nothing
            """,
            ct,
            Sql.Uuid(person.Value),
            Sql.Text(role.Name()),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name)
        );
        if (added == 0)
            return false;
        await Entitlements.UseAsync(session, Entitlements.Members, 1, ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Members,
            AccessEvents.MemberAdded,
            AccessRequests.Event(new { personId = person.Value, role = role.Name() }),
            ct,
            after: Member.ContentOf(role)
        );
        return true;
    }
}

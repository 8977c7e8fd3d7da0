using Platen.Access.Invitations;
using Platen.Access.SignIn;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>Lets a person sign in no more, and again; everything they are signed in with ends at once, and what they sent goes back.</summary>
internal static class DisablePerson
{
    /// <summary>Disables somebody who is not.</summary>
    /// <param name="session">The server's own session; the caller commits.</param>
    /// <param name="person">Who.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task DisableAsync(Session session, PersonId person, CancellationToken ct)
    {
        // The workspaces before the person's row, like everybody who changes both.
        foreach (var owner in await MembershipsAsync(session, person, ct))
        {
            await session.EnterAsync(owner, ct);
            if (await Workspace.FindLockedAsync(session, ct) is not null)
                await EndInvitations.OfPersonAsync(session, person, ct);
        }
        await session.EnterAsync(OwnerId.Platform, ct);
        await session.ExecuteAsync(
            "update access.person set disabled_at = coalesce(disabled_at, now()) where id = $1 and deleted_at is null",
            ct,
            Sql.Uuid(person.Value)
        );
        await PersonSessions.EndAllAsync(session, person, except: null, by: null, ct);
    }

    /// <summary>Lets somebody in again who was disabled.</summary>
    public static Task EnableAsync(Session session, PersonId person, CancellationToken ct) =>
        session.ExecuteAsync(
            "update access.person set disabled_at = null where id = $1 and deleted_at is null",
            ct,
            Sql.Uuid(person.Value)
        );

    private static Task<List<OwnerId>> MembershipsAsync(Session session, PersonId person, CancellationToken ct) =>
        session.ListAsync(
            "select owner from access.memberships_of($1)",
            row => new OwnerId(row.GetGuid(0)),
            ct,
            Sql.Uuid(person.Value)
        );
}

using Platen.Access.People;
using Platen.Platform.Postgres;

namespace Platen.Access.Invitations;

/// <summary>
/// Takes back what somebody sent who may invite no more: who sent an invitation knows its link, and could come back by it. Each leaves an
/// event and an entry of its own.
/// </summary>
internal static class EndInvitations
{
    /// <summary>Those that a person sent to the session's workspace, as themself or with a key that they stand behind.</summary>
    public static Task OfPersonAsync(Session session, PersonId person, CancellationToken ct) =>
        RunAsync(session, "access.person_behind(created_by) = $1", person.Value, ct);

    /// <summary>Those that were sent with a key.</summary>
    public static Task OfKeyAsync(Session session, Guid key, CancellationToken ct) =>
        RunAsync(session, "created_by = $1", key, ct);

    /// <summary>Takes one back that is locked.</summary>
    public static Task RevokeAsync(Session session, Guid id, CancellationToken ct) =>
        RunAsync(session, "id = $1", id, ct);

    private static async Task RunAsync(Session session, string which, Guid id, CancellationToken ct)
    {
        var ended = await session.ListAsync(
            $"""
            update access.invitation set revoked_at = clock_timestamp()
            where owner = platform.current_owner() and accepted_at is null and revoked_at is null and {which}
            returning {Invitation.Columns}
            """,
            Invitation.Read,
            ct,
            Sql.Uuid(id)
        );
        foreach (var invitation in ended)
        {
            await AccessEvents.TellAsync(
                session,
                AccessEvents.Invitations,
                AccessEvents.InvitationRevoked,
                AccessRequests.Event(new { id = invitation.Id, email = invitation.Email }),
                ct,
                before: (invitation with { RevokedAt = null }).Content,
                after: invitation.Content
            );
        }
    }
}

using Platen.Access.Members;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Invitations;

/// <summary>
/// Makes whoever presents an invitation's token a member: the first does, everybody else is late. Whoever accepted it may send the same
/// again, and is told the same. The token is what counts and not the address: people read mail of one address and sign in with another.
/// </summary>
internal sealed class AcceptInvitation(PostgresPools pools, Invalidation invalidation, TimeProvider clock)
{
    public sealed record Body(string Token);

    /// <param name="Workspace">Which they belong to now.</param>
    /// <param name="Role">As what.</param>
    public sealed record Outcome(Workspace Workspace, Role Role);

    /// <param name="Owner">The workspace.</param>
    /// <param name="Workspace">Its name.</param>
    /// <param name="Invitation">What is offered.</param>
    public sealed record Offer(OwnerId Owner, string Workspace, Invitation Invitation);

    public async Task<Outcome> RunAsync(Caller caller, Body body, CancellationToken ct)
    {
        var person =
            caller.Person
            ?? throw InvitationProblems.NeedsPerson.Because("An invitation is accepted by a person.").AsException();
        if (!SecretText.IsWellFormed(body.Token, Invitation.TokenPrefix))
        {
            AccessRequests.ThrowIfAny([
                new Fault("/token", "That is not an invitation's token: it was cut or mistyped."),
            ]);
        }
        var (owner, id) =
            await FindAsync(body.Token, ct)
            ?? throw InvitationProblems
                .Gone.Because("There is no such invitation: it was sent again since, or is long past.")
                .AsException();
        await using var session = await pools.OpenAsync(
            new OperationContext(caller.Actor, owner, "accept invitation"),
            ct
        );
        var outcome = await AcceptAsync(session, id, person, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(owner);
        return outcome;
    }

    /// <summary>What a token offers while it can be accepted, for whoever holds it; null when it cannot.</summary>
    public async Task<Offer?> PeekAsync(string token, CancellationToken ct)
    {
        if (!SecretText.IsWellFormed(token, Invitation.TokenPrefix) || await FindAsync(token, ct) is not { } found)
            return null;
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(found.Owner, "look at invitation"),
            ct
        );
        var workspace = await Workspace.FindAsync(session, ct);
        var invitation = await Invitation.LockAsync(session, found.Id, ct);
        return
            workspace is { IsDeleted: false }
            && invitation?.StatusAt(clock.GetUtcNow()) == "pending"
            && await IsStillMeantAsync(session, invitation, ct)
            ? new Offer(found.Owner, workspace.Name, invitation)
            : null;
    }

    /// <summary>Accepts it in a session of its workspace, which the caller commits.</summary>
    public async Task<Outcome> AcceptAsync(Session session, Guid id, PersonId person, CancellationToken ct)
    {
        // The workspace first, like everybody who changes its members.
        var workspace = await Workspace.LockAsync(session, ct);
        var invitation =
            await Invitation.LockAsync(session, id, ct)
            ?? throw InvitationProblems.Gone.Because("The invitation is gone.").AsException();
        var status = workspace.IsDeleted ? "to a workspace that is closed" : invitation.StatusAt(clock.GetUtcNow());
        if (status == "accepted" && invitation.AcceptedBy == person.Value)
            return new Outcome(workspace, await RoleAsync(session, person, ct));
        if (status != "pending")
            throw InvitationProblems.Gone.Because($"The invitation is {status}.").AsException();
        if (!await IsStillMeantAsync(session, invitation, ct))
            throw InvitationProblems.Gone.Because("Whoever sent the invitation may invite no more.").AsException();
        var accepted = await session.FirstAsync(
            $"""
            update access.invitation set accepted_at = clock_timestamp(), accepted_by = $2
            where owner = platform.current_owner() and id = $1
            returning {Invitation.Columns}
            """,
            Invitation.Read,
            ct,
            Sql.Uuid(id),
            Sql.Uuid(person.Value)
        );
        await MemberRows.AddAsync(session, person, invitation.Role, ct);
        var role = await RoleAsync(session, person, ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Invitations,
            AccessEvents.InvitationAccepted,
            AccessRequests.Event(
                new
                {
                    id,
                    personId = person.Value,
                    role = role.Name(),
                }
            ),
            ct,
            before: invitation.Content,
            after: accepted!.Content
        );
        return new Outcome(workspace, role);
    }

    // Removed, demoted or disabled, or with a key that was: they would come back by what they sent before.
    private static Task<bool> IsStillMeantAsync(Session session, Invitation invitation, CancellationToken ct) =>
        ActorRights.StillHasAsync(session, invitation.CreatedById, Scopes.MembersManage, ct);

    private async Task<(OwnerId Owner, Guid Id)?> FindAsync(string token, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "find invitation"),
            ct
        );
        return await session.FirstAsync(
            "select owner, id from access.find_invitation($1)",
            row => ((OwnerId, Guid)?)(new OwnerId(row.GetGuid(0)), row.GetGuid(1)),
            ct,
            Sql.Bytes(SecretText.Hash(token))
        );
    }

    private static async Task<Role> RoleAsync(Session session, PersonId person, CancellationToken ct) =>
        (await Member.FindAsync(session, person, ct))?.Role
        ?? throw InvitationProblems
            .Gone.Because("The invitation was accepted, and the member removed since.")
            .AsException();
}

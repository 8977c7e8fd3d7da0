using Platen.Access.Invitations;
using Platen.Access.Keys;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Members;

/// <summary>
/// Gives members another role, removes them, and hands a workspace over. Each locks the workspace's row first: of two owners who
/// step down at once, the second finds that they are the last.
/// </summary>
internal sealed class ChangeMember(PostgresPools pools, Invalidation invalidation)
{
    public sealed record Body(string Role);

    /// <param name="PersonId">Who becomes an owner.</param>
    /// <param name="KeepRole">What the one who hands over becomes; null: they leave.</param>
    public sealed record TransferBody(Guid PersonId, string? KeepRole = "editor");

    public async Task<Member> ChangeRoleAsync(
        Caller caller,
        PersonId person,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var role = ReadRole(body.Role, "/role");
        CheckGrant(caller, role);
        await using var session = await pools.OpenAsync(caller.Operation("change role"), ct);
        await Workspace.LockAsync(session, ct);
        var member = await Member.FindAsync(session, person, ct) ?? throw ReadMembers.NotFound();
        precondition.Check(member.Tag);
        if (member.Role != role)
        {
            // What one may not give, one may not take away either.
            CheckGrant(caller, member.Role);
            await KeepAnOwnerAsync(session, member, ct);
            await SetRoleAsync(session, member, role, ct);
        }
        var changed = await Member.FindAsync(session, person, ct) ?? throw ReadMembers.NotFound();
        await session.CommitAsync(ct);
        invalidation.Drop(caller.Owner);
        return changed;
    }

    /// <summary>Removes a member; oneself, to leave.</summary>
    public async Task RemoveAsync(Caller caller, PersonId person, Precondition precondition, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("remove member"), ct);
        await Workspace.LockAsync(session, ct);
        var member = await Member.FindAsync(session, person, ct) ?? throw ReadMembers.NotFound();
        precondition.Check(member.Tag);
        if (caller.Person != person)
            CheckGrant(caller, member.Role);
        await KeepAnOwnerAsync(session, member, ct);
        await RemoveAsync(session, member, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(caller.Owner);
    }

    /// <summary>Makes another member an owner and steps down, in one.</summary>
    public async Task<Member> TransferAsync(Caller caller, TransferBody body, CancellationToken ct)
    {
        if (caller.Person is not { } from || caller.Role != Role.Owner)
        {
            throw KernelProblems.Forbidden.Because("A workspace is handed over by a person who owns it.").AsException();
        }
        var keep = body.KeepRole is null ? (Role?)null : ReadRole(body.KeepRole, "/keepRole");
        var to = new PersonId(body.PersonId);
        if (to == from)
            AccessRequests.ThrowIfAny([new Fault("/personId", "Somebody else must become the owner.")]);
        await using var session = await pools.OpenAsync(caller.Operation("transfer workspace"), ct);
        await Workspace.LockAsync(session, ct);
        var heir = await Member.FindAsync(session, to, ct);
        if (heir is null)
        {
            AccessRequests.ThrowIfAny([
                new Fault("/personId", "That is not a member of the workspace: invite them first."),
            ]);
        }
        // Looked at again under the lock: they may have been removed since they were let in.
        var giver = await Member.FindAsync(session, from, ct);
        if (giver is not { Role: Role.Owner })
            throw KernelProblems.Forbidden.Because("The caller owns the workspace no more.").AsException();
        if (heir!.Role != Role.Owner)
            await SetRoleAsync(session, heir, Role.Owner, ct);
        if (keep is null)
            await RemoveAsync(session, giver, ct);
        else if (keep != Role.Owner)
            await SetRoleAsync(session, giver, keep.Value, ct);
        var owner = await Member.FindAsync(session, to, ct) ?? throw ReadMembers.NotFound();
        await session.CommitAsync(ct);
        invalidation.Drop(caller.Owner);
        return owner;
    }

    /// <summary>Nobody gives a role that may do more than they do.</summary>
    /// <exception cref="ProblemException"><see cref="KeyProblems.CannotGrant"/>.</exception>
    public static void CheckGrant(Caller caller, Role role)
    {
        var scopes = Roles.ScopesOf(role, caller.Owner);
        if (scopes.Any(scope => !caller.Has(scope)))
        {
            throw KeyProblems.CannotGrant.Because($"The role {role.Name()} may do more than the caller.").AsException();
        }
    }

    public static Role ReadRole(string text, string pointer)
    {
        var role = Roles.Parse(text);
        if (role is null)
            AccessRequests.ThrowIfAny([new Fault(pointer, $"The roles are {string.Join(", ", Roles.Names)}.")]);
        return role!.Value;
    }

    private static async Task KeepAnOwnerAsync(Session session, Member member, CancellationToken ct)
    {
        if (member.Role == Role.Owner && await Member.CountOwnersAsync(session, ct) == 1)
        {
            throw WorkspaceProblems
                .LastOwner.Because($"{member.DisplayName} is the only owner of the workspace.")
                .AsException();
        }
    }

    private static async Task SetRoleAsync(Session session, Member member, Role role, CancellationToken ct)
    {
        await EndInvitations.OfPersonAsync(session, member.Person, ct);
        await session.ExecuteAsync(
            """
            update access.member set role = $2, revision = revision + 1
            where owner = platform.current_owner() and person_id = $1
            """,
            ct,
            Sql.Uuid(member.Person.Value),
            Sql.Text(role.Name())
        );
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Members,
            AccessEvents.RoleChanged,
            AccessRequests.Event(
                new
                {
                    personId = member.Person.Value,
                    role = role.Name(),
                    formerRole = member.Role.Name(),
                }
            ),
            ct,
            before: Member.ContentOf(member.Role),
            after: Member.ContentOf(role)
        );
    }

    /// <summary>Removes a member, in a transaction that has the workspace's row.</summary>
    public static async Task RemoveAsync(Session session, Member member, CancellationToken ct)
    {
        await EndInvitations.OfPersonAsync(session, member.Person, ct);
        await session.ExecuteAsync(
            "delete from access.member where owner = platform.current_owner() and person_id = $1",
            ct,
            Sql.Uuid(member.Person.Value)
        );
        await Entitlements.GiveBackAsync(session, Entitlements.Members, 1, ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Members,
            AccessEvents.MemberRemoved,
            AccessRequests.Event(new { personId = member.Person.Value }),
            ct,
            before: Member.ContentOf(member.Role)
        );
    }
}

using Platen.Access.Keys;
using Platen.Access.Members;
using Platen.Access.SignIn;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// Deletes a person's account: they leave every workspace, everything that proves or reaches them goes, and what they are signed in with
/// and have lent ends. All of it happens or none. What they did stays on record with the name that they had (ADR 0516).
/// </summary>
internal sealed class DeletePerson(PostgresPools pools, Invalidation invalidation)
{
    public const string Action = "person.deleted";
    private const string Name = "Deleted person";

    /// <summary>What it leaves in the audit log: of the platform, and of each workspace that they were a member of.</summary>
    public static string[] Leaves =>
        [Action, AccessEvents.MemberRemoved, AccessEvents.KeyRevoked, AccessEvents.InvitationRevoked];

    /// <summary>What a person says who deletes their own account.</summary>
    /// <param name="Email">Their own address, so that nobody does it by mistake.</param>
    public sealed record Body(string Email);

    /// <exception cref="ProblemException"><see cref="PeopleProblems.FreshSignInNeeded"/>, <see cref="KernelProblems.Invalid"/>,
    /// <see cref="WorkspaceProblems.LastOwner"/>.</exception>
    public Task BySelfAsync(SignedIn person, string? email, CancellationToken ct)
    {
        Freshness.Require(person);
        if (EmailAddress.Normalize(email ?? "") != EmailAddress.Normalize(person.Email))
        {
            throw KernelProblems
                .Invalid.Because("The account was not deleted.", [new Fault("/email", "Must be your own address.")])
                .AsException();
        }
        return RunAsync(person.Actor, person.Person, ct);
    }

    /// <summary>Deletes somebody's account.</summary>
    /// <param name="by">Who wants it.</param>
    /// <param name="person">Whose.</param>
    /// <param name="ct">Cancels; then nothing has happened.</param>
    /// <exception cref="ProblemException"><see cref="WorkspaceProblems.LastOwner"/> with the slugs of the workspaces that would be left
    /// without an owner; <see cref="KernelProblems.NotFound"/>.</exception>
    public async Task RunAsync(Actor by, PersonId person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("delete person"), ct);
        session.ActFor(by);
        var left = new HashSet<OwnerId>();
        var before = await Person.FindAsync(session, person, ct);
        await LeaveAllAsync(session, person, left, ct);
        if (!await EmptyAsync(session, person, ct))
            throw KernelProblems.NotFound.Because("There is no such person.").AsException();
        // The row is locked now: nobody makes them a member any more, and who did just before is seen.
        await LeaveAllAsync(session, person, left, ct);
        await PersonAudit.RecordChangeAsync(session, Action, person, before, by, ct);
        await session.CommitAsync(ct);
        foreach (var owner in left)
            invalidation.Drop(owner);
    }

    private static async Task LeaveAllAsync(
        Session session,
        PersonId person,
        HashSet<OwnerId> left,
        CancellationToken ct
    )
    {
        var memberships = await session.ListAsync(
            "select owner, slug from access.memberships_of($1)",
            row => (Owner: new OwnerId(row.GetGuid(0)), Slug: row.GetString(1)),
            ct,
            Sql.Uuid(person.Value)
        );
        var owned = new List<string>();
        foreach (var (owner, slug) in memberships)
        {
            await session.EnterAsync(owner, ct);
            if (await LeaveAsync(session, person, ct))
                left.Add(owner);
            else
                owned.Add(slug);
        }
        await session.EnterAsync(OwnerId.Platform, ct);
        if (owned.Count > 0)
        {
            throw WorkspaceProblems
                .LastOwner.Because($"Nobody else owns {string.Join(", ", owned)}.")
                .With("workspaces", owned)
                .AsException();
        }
    }

    // False: nobody else owns the workspace. One that is deleted already needs no owner; operators can have it back.
    private static async Task<bool> LeaveAsync(Session session, PersonId person, CancellationToken ct)
    {
        if (
            await Workspace.FindLockedAsync(session, ct) is not { } workspace
            || await Member.FindAsync(session, person, ct) is not { } member
        )
            return true;
        if (!workspace.IsDeleted && member.Role == Role.Owner && await Member.CountOwnersAsync(session, ct) == 1)
            return false;
        await RevokeKey.LentByAsync(session, person, ct);
        await ChangeMember.RemoveAsync(session, member, ct);
        await session.ExecuteAsync(
            "update access.invitation set email = $2 where owner = platform.current_owner() and accepted_by = $1",
            ct,
            Sql.Uuid(person.Value),
            Sql.Text(AddressOf(person))
        );
        return true;
    }

    private static async Task<bool> EmptyAsync(Session session, PersonId person, CancellationToken ct)
    {
        var emptied = await session.ExecuteAsync(
            """
            update access.person set display_name = $2, email = $3, normalized_email = $3, email_confirmed_at = null,
                disabled_at = coalesce(disabled_at, now()), deleted_at = now()
            where id = $1 and deleted_at is null
            """,
            ct,
            Sql.Uuid(person.Value),
            Sql.Text(Name),
            Sql.Text(AddressOf(person))
        );
        if (emptied == 0)
            return false;
        foreach (
            var table in (string[])
                ["person_session", "person_secret", "passkey", "outside_identity", "mailed_link", "passkey_ceremony"]
        )
        {
            await session.ExecuteAsync($"delete from access.{table} where person_id = $1", ct, Sql.Uuid(person.Value));
        }
        return true;
    }

    // No mailbox has it (RFC 6761 section 6.4), and no two people.
    private static string AddressOf(PersonId person) => $"{person.Value:N}@deleted.invalid";
}

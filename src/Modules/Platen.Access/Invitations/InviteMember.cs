using System.Globalization;
using System.Text.RegularExpressions;
using Platen.Access.Keys;
using Platen.Access.Members;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Access.Invitations;

/// <summary>
/// Invites somebody by e-mail, sends it again, takes it back. The token is told once, to whoever invites and in the mail; only its hash
/// is kept, so sending again makes a new token and ends the former.
/// </summary>
internal sealed partial class InviteMember(PostgresPools pools, TimeProvider clock)
{
    private const string Pending = "accepted_at is null and revoked_at is null and expires_at > clock_timestamp()";

    public sealed record Body(string Email, string Role, int ExpiresInDays = AccessLimits.InvitationDays);

    /// <param name="Invitation">As it is now.</param>
    /// <param name="Token">The secret.</param>
    /// <param name="Workspace">The workspace's name, for the mail.</param>
    public sealed record Outcome(Invitation Invitation, string Token, string Workspace);

    public sealed record Page(IReadOnlyList<Invitation> Items, string? NextCursor);

    public async Task<Outcome> InviteAsync(Caller caller, Body body, IdempotencyKey? once, CancellationToken ct)
    {
        var faults = new List<Fault>();
        var email = (body.Email ?? "").Trim();
        if (email.Length > 254 || !Mailbox().IsMatch(email))
            faults.Add(new Fault("/email", "That is not an e-mail address, such as ada@example.org."));
        if (Roles.Parse(body.Role) is null)
            faults.Add(new Fault("/role", $"The roles are {string.Join(", ", Roles.Names)}."));
        if (body.ExpiresInDays is < 1 or > AccessLimits.MostInvitationDays)
        {
            faults.Add(
                new Fault("/expiresInDays", $"An invitation is good for 1 to {AccessLimits.MostInvitationDays} days.")
            );
        }
        AccessRequests.ThrowIfAny(faults);
        var role = Roles.Parse(body.Role)!.Value;
        ChangeMember.CheckGrant(caller, role);

        var id = once?.IdFor(caller.Actor.Id, caller.Owner, "invitation") ?? Guid.CreateVersion7();
        var asked = AccessRequests.Asked(body);
        await using var session = await pools.OpenAsync(caller.Operation("invite member"), ct);
        var workspace = await Workspace.LockAsync(session, ct);
        if (await Invitation.LockAsync(session, id, ct) is { } former)
            throw Repeated(former, asked);
        await CheckPendingAsync(session, email, ct);
        var token = SecretText.Generate(Invitation.TokenPrefix);
        var made = await session.FirstAsync(
            $"""
            insert into access.invitation (owner, id, email, role, token_hash, created_by, created_by_name, asked, expires_at)
            values (platform.current_owner(), $1, $2, $3, $4, $5, $6, $7, $8)
            returning {Invitation.Columns}
            """,
            Invitation.Read,
            ct,
            Sql.Uuid(id),
            Sql.Text(email),
            Sql.Text(role.Name()),
            Sql.Bytes(SecretText.Hash(token)),
            Sql.Uuid(caller.Actor.Id.Value),
            Sql.Text(caller.Actor.Name),
            Sql.Digest(asked),
            StoredKey.Time(clock.GetUtcNow().AddDays(body.ExpiresInDays))
        );
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Invitations,
            AccessEvents.MemberInvited,
            AccessRequests.Event(
                new
                {
                    id,
                    email,
                    role = role.Name(),
                }
            ),
            ct,
            after: made!.Content
        );
        await session.CommitAsync(ct);
        return new Outcome(made, token, workspace.Name);
    }

    /// <summary>Makes a new token, good for as long again as the first; the former opens nothing any more.</summary>
    public async Task<Outcome> ResendAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("resend invitation"), ct);
        var workspace = await Workspace.LockAsync(session, ct);
        var invitation = await Invitation.LockAsync(session, id, ct) ?? throw NotFound();
        ChangeMember.CheckGrant(caller, invitation.Role);
        if (invitation.StatusAt(clock.GetUtcNow()) is var status && status is "accepted" or "revoked")
            throw KernelProblems.Conflict.Because($"The invitation is {status}.").AsException();
        if (invitation.TimesSent >= AccessLimits.InvitationSendings)
        {
            throw Entitlements
                .Reached("invitation-sendings", invitation.TimesSent, AccessLimits.InvitationSendings)
                .AsException();
        }
        var token = SecretText.Generate(Invitation.TokenPrefix);
        var sent = await session.FirstAsync(
            $"""
            update access.invitation set token_hash = $2, sent_at = clock_timestamp(), times_sent = times_sent + 1,
                expires_at = clock_timestamp() + (expires_at - sent_at)
            where owner = platform.current_owner() and id = $1
            returning {Invitation.Columns}
            """,
            Invitation.Read,
            ct,
            Sql.Uuid(id),
            Sql.Bytes(SecretText.Hash(token))
        );
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Invitations,
            AccessEvents.InvitationResent,
            AccessRequests.Event(new { id, email = invitation.Email }),
            ct,
            before: invitation.Content,
            after: sent!.Content
        );
        await session.CommitAsync(ct);
        return new Outcome(sent, token, workspace.Name);
    }

    /// <summary>Takes it back, once; when it was accepted, it is the member who is removed.</summary>
    public async Task RevokeAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("revoke invitation"), ct);
        var invitation = await Invitation.LockAsync(session, id, ct) ?? throw NotFound();
        if (invitation.AcceptedAt is not null)
        {
            throw KernelProblems
                .Conflict.Because("The invitation was accepted: remove the member instead.")
                .AsException();
        }
        await EndInvitations.RevokeAsync(session, id, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Newest first.</summary>
    public async Task<Page> PageAsync(Caller caller, string? cursor, int? limit, bool pastToo, CancellationToken ct)
    {
        var size = AccessRequests.PageSize(limit);
        long? before = null;
        if (!string.IsNullOrEmpty(cursor))
        {
            if (!long.TryParse(cursor, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var ticks))
                throw KernelProblems.UnknownCursor();
            before = ticks;
        }
        await using var session = await pools.OpenAsync(caller.Operation("list invitations"), ct);
        var items = await session.ListAsync(
            $"""
            select {Invitation.Columns} from access.invitation
            where owner = platform.current_owner() and ($1 or {Pending})
                and ($2::timestamptz is null or created_at < $2)
            order by created_at desc
            limit $3
            """,
            Invitation.Read,
            ct,
            Sql.Bool(pastToo),
            StoredKey.Time(ReadTicks(before)),
            Sql.Int(size + 1)
        );
        return items.Count > size
            ? new Page(items[..size], items[size - 1].CreatedAt.UtcTicks.ToString("x", CultureInfo.InvariantCulture))
            : new Page(items, null);
    }

    private static DateTimeOffset? ReadTicks(long? ticks) =>
        ticks switch
        {
            null => null,
            > 0 and var known when known <= DateTimeOffset.MaxValue.UtcTicks => new DateTimeOffset(
                known,
                TimeSpan.Zero
            ),
            _ => throw KernelProblems.UnknownCursor(),
        };

    // Locked by the workspace's row.
    private static async Task CheckPendingAsync(Session session, string email, CancellationToken ct)
    {
        var (pending, same, member, lately, mails) = await session.FirstAsync(
            $"""
            select
                (select count(*) from access.invitation where owner = platform.current_owner() and {Pending}),
                (select count(*) from access.invitation
                    where owner = platform.current_owner() and {Pending} and lower(email) = lower($1)),
                (select count(*) from access.member m join access.person p on p.id = m.person_id
                    where m.owner = platform.current_owner() and lower(p.email) = lower($1)),
                (select count(*) from access.invitation
                    where owner = platform.current_owner() and created_at > clock_timestamp() - interval '1 day'),
                (select coalesce(sum(times_sent), 0) from access.invitation
                    where owner = platform.current_owner() and created_at > clock_timestamp() - interval '1 day'
                        and lower(email) = lower($1))
            """,
            row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4)),
            ct,
            Sql.Text(email)
        );
        if (member > 0)
            throw KernelProblems.Conflict.Because("Somebody with that address is a member already.").AsException();
        if (same > 0)
        {
            throw KernelProblems
                .Conflict.Because("That address has a pending invitation: send it again, or take it back.")
                .AsException();
        }
        if (pending >= AccessLimits.PendingInvitations)
        {
            throw Entitlements.Reached("pending-invitations", pending, AccessLimits.PendingInvitations).AsException();
        }
        // Taken back or not, the mail was sent.
        if (lately >= AccessLimits.InvitationsADay)
            throw Entitlements.Reached("invitations-a-day", lately, AccessLimits.InvitationsADay).AsException();
        if (mails >= AccessLimits.InvitationSendings)
            throw Entitlements.Reached("invitation-sendings", mails, AccessLimits.InvitationSendings).AsException();
    }

    private static ProblemException Repeated(Invitation former, Digest asked) =>
        former.Asked == asked
            ? KeyProblems
                .AlreadyMade.Because(
                    $"This Idempotency-Key invited {former.Email}; send the invitation again for a new link."
                )
                .With("id", former.Id)
                .AsException()
            : WorkspaceProblems
                .IdempotencyKeyReused.Because("This Idempotency-Key was used for another invitation.")
                .AsException();

    private static ProblemException NotFound() =>
        KernelProblems.NotFound.Because("There is no such invitation.").AsException();

    // Whether there is such a mailbox is found out by writing to it.
    [GeneratedRegex(
        @"^[^\s@\p{Cc}\p{Cf}]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Mailbox();
}

using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Invitations;

/// <summary>
/// Makes whoever opened an invitation's link a person, a member, and signed in, in one transaction. The link came by mail, so it has proved
/// the mailbox; the address is the invitation's.
/// </summary>
internal sealed class RegisterByInvitation(
    PostgresPools pools,
    AcceptInvitation accept,
    AddPerson people,
    Invalidation invalidation
)
{
    /// <exception cref="ProblemException"><see cref="InvitationProblems.Gone"/>, <see cref="KernelProblems.Invalid"/>,
    /// <see cref="PeopleProblems.EmailTaken"/>.</exception>
    public async Task<AcceptInvitation.Outcome> RunAsync(
        HttpContext context,
        AcceptInvitation.Offer offer,
        string displayName,
        string password,
        CancellationToken ct
    )
    {
        // The server itself, because nobody is known yet. People are the platform's; the invitation and who accepts it are the workspace's.
        await using var session = await pools.OpenAsync(Person.ByServer("register by invitation"), ct);
        var person = await people.WithPasswordAsync(
            session,
            displayName,
            offer.Invitation.Email,
            password,
            // The link is told to the inviter too: having it proves nothing about the address.
            confirmed: false,
            ct
        );
        await SendPersonMail.EnqueueAsync(
            session,
            new SendPersonMail.Request(SendPersonMail.Whats.Confirm, offer.Invitation.Email, person.Value),
            ct
        );
        var cookie = await PersonSessions.StartAsync(session, person, "invitation", context.Request, ct);
        await session.EnterAsync(offer.Owner, ct);
        var outcome = await accept.AcceptAsync(session, offer.Invitation.Id, person, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(offer.Owner);
        PersonSessions.SendCookie(context, cookie);
        return outcome;
    }
}

using System.Globalization;
using Microsoft.Extensions.Logging;
using Platen.Access.People;
using Platen.Access.People.Mail;

namespace Platen.Access.Invitations;

/// <summary>
/// Mails an invitation's link, while whoever invites waits: the token is nowhere else, so a job could not have it from anywhere but the
/// queue, where it would lie for others to read. When the mail cannot be sent they are told, and can send it again or pass on the link.
/// </summary>
internal sealed class MailInvitation(IMail mail, PublicAddress address, ILogger<MailInvitation> logger)
{
    /// <summary>The page that accepts an invitation.</summary>
    public string Link(string token) => address.Link("/invitation/" + token);

    /// <summary>Whether the mail was taken over.</summary>
    public async Task<bool> TrySendAsync(Caller inviter, InviteMember.Outcome outcome, CancellationToken ct)
    {
        var text = $"""
            {inviter.Actor.Name} invites you to the workspace "{outcome.Workspace}",
            as {(outcome.Invitation.Role == Role.Viewer ? "a" : "an")} {outcome.Invitation.Role.Name()}.

            Accept the invitation here, until {outcome.Invitation.ExpiresAt.ToString(
                "d MMMM yyyy, HH:mm 'UTC'",
                CultureInfo.InvariantCulture
            )}:

            {Link(outcome.Token)}

            If you did not expect this, you need not do anything.
            """;
        try
        {
            await mail.SendAsync(
                new MailMessage(outcome.Invitation.Email, $"You are invited to {outcome.Workspace}", text),
                ct
            );
            return true;
        }
        catch (Exception e) when (e is MailException or IOException)
        {
            Log.InvitationUnsent(logger, e);
            return false;
        }
    }
}

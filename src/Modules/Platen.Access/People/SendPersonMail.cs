using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Platen.Access.People.Mail;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// Sends the mails about people. A request only enqueues, whoever it names and whether or not they exist, so its answer and its
/// work are always the same; this job looks who it is, makes the link and sends it. The queue never holds a link: a retry makes
/// a new one.
/// </summary>
internal sealed class SendPersonMail(IMail mail, PublicAddress address) : IJobHandler
{
    public const string KindName = "access.mail";

    public string Kind => KindName;

    /// <summary>What to send.</summary>
    /// <param name="What">One of <see cref="Whats"/>.</param>
    /// <param name="Email">For a reset: the normalized address somebody typed. For a confirmation: the new address.</param>
    /// <param name="PersonId">For everything else: whom it concerns.</param>
    public sealed record Request(string What, string? Email, Guid? PersonId);

    /// <summary>The mails there are.</summary>
    public static class Whats
    {
        public const string Reset = "reset";
        public const string Welcome = "welcome";
        public const string Confirm = "confirm";
        public const string PasswordChanged = "password-changed";
        public const string PasskeyAdded = "passkey-added";
    }

    /// <summary>Enqueues a mail in the transaction of its reason; one that waits already is not doubled.</summary>
    public static Task EnqueueAsync(Session server, Request request, CancellationToken ct)
    {
        var payload = JsonSerializer.SerializeToUtf8Bytes(request, JsonSerializerOptions.Web);
        var key = Convert.ToHexStringLower(SHA256.HashData(payload));
        return JobQueue.EnqueueAsync(server, KindName, key, payload, new JobOptions { MaxAttempts = 8 }, ct);
    }

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        var request =
            JsonSerializer.Deserialize<Request>(job.Job.Payload.Span, JsonSerializerOptions.Web)
            ?? throw new JobRefusedException("The payload is null.");
        MailMessage? message;
        await using (var session = await job.OpenAsync(ct))
        {
            message = request.What switch
            {
                Whats.Reset => await ResetAsync(session, request, job.Job.Attempt, ct),
                Whats.Welcome => await WelcomeAsync(session, request, ct),
                Whats.Confirm => await ConfirmAsync(session, request, ct),
                Whats.PasswordChanged => await NoticeAsync(
                    session,
                    request,
                    "Your password was changed",
                    "The password of your account was changed, and every other session was ended.",
                    ct
                ),
                Whats.PasskeyAdded => await NoticeAsync(
                    session,
                    request,
                    "A passkey was added",
                    "A passkey was added to your account: whoever holds it can sign in as you.",
                    ct
                ),
                _ => throw new JobRefusedException($"There is no mail '{request.What}'."),
            };
            await session.CommitAsync(ct);
        }
        if (message is null)
            return;
        try
        {
            await mail.SendAsync(message, ct);
        }
        catch (MailException refused) when (refused.IsFinal)
        {
            throw new JobRefusedException(refused.Message);
        }
    }

    private async Task<MailMessage?> ResetAsync(Session session, Request request, int attempt, CancellationToken ct)
    {
        var person = await Person.FindByEmailAsync(session, request.Email ?? "", ct);
        if (person is null or { DisabledAt: not null })
            return null;
        // Asked for again and again, it does not fill a mailbox; a retry of one that was not sent is no second one.
        var recent = await session.FirstAsync(
            """
            select exists (select from access.mailed_link
                where person_id = $1 and purpose = 'reset-password' and created_at > now() - $2)
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Uuid(person.Id.Value),
            SignIn.PersonSessions.Span(PeopleLimits.BetweenMails)
        );
        if (recent && attempt == 1)
            return null;
        var secret = await MailedLink.MakeAsync(
            session,
            new MailedLink(person.Id, MailedLink.ResetPassword, person.Email),
            PeopleLimits.ResetLife,
            ct
        );
        return new MailMessage(
            person.Email,
            "Set a new password",
            Letter(
                person.DisplayName,
                "Somebody asked for a new password for your account. If it was you, set one here within an hour:",
                address.Link("/reset/" + secret.Reveal()),
                "If it was not you, do nothing: your password stays as it is."
            )
        );
    }

    private async Task<MailMessage?> WelcomeAsync(Session session, Request request, CancellationToken ct)
    {
        if (await FindAsync(session, request, ct) is not { } person)
            return null;
        var secret = await MailedLink.MakeAsync(
            session,
            new MailedLink(person.Id, MailedLink.Welcome, person.Email),
            PeopleLimits.WelcomeLife,
            ct
        );
        return new MailMessage(
            person.Email,
            "Your account on Platen",
            Letter(
                person.DisplayName,
                "An account was made for you. Choose a password here within a week:",
                address.Link("/reset/" + secret.Reveal()),
                "If you did not expect this, do nothing."
            )
        );
    }

    private async Task<MailMessage?> ConfirmAsync(Session session, Request request, CancellationToken ct)
    {
        if (await FindAsync(session, request, ct) is not { } person || request.Email is not { } email)
            return null;
        // Whose address it is already is not told to the one who asked, but to the address.
        if (
            await Person.FindByEmailAsync(session, EmailAddress.Normalize(email), ct) is { } other
            && other.Id != person.Id
        )
        {
            return new MailMessage(
                other.Email,
                "Your e-mail address was entered",
                Letter(
                    other.DisplayName,
                    "Somebody entered your e-mail address for another account. Nothing was changed:",
                    address.Link("/sign-in"),
                    "Your account keeps this address."
                )
            );
        }
        var secret = await MailedLink.MakeAsync(
            session,
            new MailedLink(person.Id, MailedLink.ConfirmEmail, email),
            PeopleLimits.ConfirmLife,
            ct
        );
        return new MailMessage(
            email,
            "Confirm your e-mail address",
            Letter(
                person.DisplayName,
                "Confirm here within a day that this address is yours:",
                address.Link("/confirm-email/" + secret.Reveal()),
                "If you did not enter it anywhere, do nothing."
            )
        );
    }

    private async Task<MailMessage?> NoticeAsync(
        Session session,
        Request request,
        string subject,
        string text,
        CancellationToken ct
    ) =>
        await FindAsync(session, request, ct) is { } person
            ? new MailMessage(
                person.Email,
                subject,
                Letter(
                    person.DisplayName,
                    text + " If it was not you, set a new password at once:",
                    address.Link("/reset"),
                    "and tell whoever runs this server."
                )
            )
            : null;

    private static async Task<Person?> FindAsync(Session session, Request request, CancellationToken ct) =>
        request.PersonId is { } id
        && await Person.FindAsync(session, new PersonId(id), ct) is { DisabledAt: null } person
            ? person
            : null;

    private static string Letter(string name, string before, string link, string after) =>
        new StringBuilder()
            .Append("Hello ")
            .Append(name)
            .Append(",\r\n\r\n")
            .Append(before)
            .Append("\r\n\r\n")
            .Append(link)
            .Append("\r\n\r\n")
            .Append(after)
            .Append("\r\n")
            .ToString();
}

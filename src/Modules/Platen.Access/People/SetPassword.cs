using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// A new password: by who knows the old one, or by a mailed link. Either way every other session ends, links that were mailed
/// before stop working, and the person hears of it.
/// </summary>
internal sealed class SetPassword(PostgresPools pools, Passwords passwords, SignInThrottle throttle)
{
    /// <summary>Enqueues a link for whoever has this address: the answer and the work are the same when nobody has it.</summary>
    public async Task AskForLinkAsync(string email, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("reset password"), ct);
        var request = new SendPersonMail.Request(
            SendPersonMail.Whats.Reset,
            EmailAddress.Normalize(email.Length <= EmailAddress.MaxLength ? email : ""),
            PersonId: null
        );
        await SendPersonMail.EnqueueAsync(session, request, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Whom the link would give a password, or null: it was used, has expired, or never was one.</summary>
    public async Task<Person?> LookAsync(string token, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("reset password"), ct);
        return await MailedLink.FindAsync(session, token, ct) is { } link && SetsPassword(link)
            ? await Person.FindAsync(session, link.Person, ct)
            : null;
    }

    /// <summary>Sets a password by a mailed link, which is used up.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.LinkSpent"/>; <see cref="KernelProblems.Invalid"/> for the
    /// password, and then the link still works.</exception>
    public async Task ByLinkAsync(string token, string password, CancellationToken ct)
    {
        var person = await LookAsync(token, ct) ?? throw Spent();
        PasswordRules.Check(password, person.DisplayName, person.Email, "/password");
        await using var session = await pools.OpenAsync(Person.ByServer("reset password"), ct);
        if (await MailedLink.UseAsync(session, token, ct) is not { } link || !SetsPassword(link))
            throw Spent();
        // Whoever reads the mail has the mailbox.
        await session.ExecuteAsync(
            """
            update access.person set email_confirmed_at = now()
            where id = $1 and email_confirmed_at is null and normalized_email = $2
            """,
            ct,
            Sql.Uuid(person.Id.Value),
            Sql.Text(EmailAddress.Normalize(link.Email))
        );
        await ChangeAsync(session, person, password, by: null, ct);
        await SignInThrottle.ForgetAsync(session, person.NormalizedEmail, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Changes the password of who is signed in.</summary>
    /// <param name="context">The request, for the count of attempts.</param>
    /// <param name="signedIn">Who.</param>
    /// <param name="current">The password until now; not asked for when there is none and the sign-in is fresh.</param>
    /// <param name="password">The new one.</param>
    /// <param name="ct">Cancels.</param>
    public async Task BySelfAsync(
        HttpContext context,
        SignedIn signedIn,
        string? current,
        string password,
        CancellationToken ct
    )
    {
        Person person;
        await using (var looking = await pools.OpenAsync(Person.ByServer("change password"), ct))
        {
            person =
                await Person.FindAsync(looking, signedIn.Person, ct)
                ?? throw KernelProblems.Unauthenticated.Because("The session has ended.").AsException();
        }
        SignInThrottle.Attempt? attempt = null;
        if (person.PasswordHash is null)
        {
            Freshness.Require(signedIn);
        }
        else
        {
            attempt = await throttle.BeginAsync(person.NormalizedEmail, context, ct);
            if (passwords.Verify(person, current ?? "") == PasswordVerificationResult.Failed)
            {
                throw KernelProblems
                    .Invalid.Because(
                        "The password was not changed.",
                        [new Fault("/currentPassword", "This is not your password.")]
                    )
                    .AsException();
            }
        }
        PasswordRules.Check(password, person.DisplayName, person.Email, "/newPassword");
        await using var session = await pools.OpenAsync(Person.ByServer("change password"), ct);
        if (!await Passwords.HoldAsync(session, person, ct))
            throw KernelProblems.Conflict.Because("The password was changed meanwhile: look again.").AsException();
        if (attempt is not null)
            await SignInThrottle.ForgiveAsync(session, attempt, ct);
        await ChangeAsync(session, person, password, signedIn, ct);
        await session.CommitAsync(ct);
    }

    private async Task ChangeAsync(Session session, Person before, string password, SignedIn? by, CancellationToken ct)
    {
        var person = before.Id;
        await passwords.SetAsync(session, person, password, ct);
        await PersonSessions.EndAllAsync(session, person, by?.SessionId, by?.Actor, ct);
        await PersonAudit.RecordChangeAsync(session, "person.password-set", person, before, by?.Actor, ct);
        await MailedLink.SpendPasswordLinksAsync(session, person, ct);
        var notice = new SendPersonMail.Request(SendPersonMail.Whats.PasswordChanged, Email: null, person.Value);
        await SendPersonMail.EnqueueAsync(session, notice, ct);
    }

    private static bool SetsPassword(MailedLink link) => link.Purpose is MailedLink.Welcome or MailedLink.ResetPassword;

    private static ProblemException Spent() =>
        PeopleProblems.LinkSpent.Because("This link sets no password any more.").AsException();
}

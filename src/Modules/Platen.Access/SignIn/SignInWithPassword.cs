using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>E-mail address and password in, a session's cookie out. Every refusal is the same and costs the same.</summary>
internal sealed class SignInWithPassword(PostgresPools pools, Passwords passwords, SignInThrottle throttle)
{
    /// <exception cref="ProblemException"><see cref="PeopleProblems.SignInRefused"/> or
    /// <see cref="PeopleProblems.SignInLocked"/>.</exception>
    public async Task RunAsync(HttpContext context, string email, string password, CancellationToken ct)
    {
        var normalized = EmailAddress.Normalize(email.Length <= EmailAddress.MaxLength ? email : "");
        var attempt = await throttle.BeginAsync(normalized, context, ct);
        Person? person;
        await using (var looking = await pools.OpenAsync(Person.ByServer("sign in"), ct))
            person = await Person.FindByEmailAsync(looking, normalized, ct);

        // No transaction is open meanwhile: hashing takes longer than everything else.
        var verified = passwords.Verify(person, password);
        if (person is null or { DisabledAt: not null } || verified == PasswordVerificationResult.Failed)
            throw Refused();

        await using var session = await pools.OpenAsync(Person.ByServer("sign in"), ct);
        // It took a while to verify: the password may be another one by now.
        if (!await Passwords.HoldAsync(session, person, ct))
            throw Refused();
        await SignInThrottle.ForgiveAsync(session, attempt, ct);
        if (verified == PasswordVerificationResult.SuccessRehashNeeded)
        {
            await session.ExecuteAsync(
                "update access.person_secret set password_hash = $2 where person_id = $1 and password_hash = $3",
                ct,
                Sql.Uuid(person.Id.Value),
                Sql.Text(passwords.Hash(password)),
                Sql.Text(person.PasswordHash)
            );
        }
        var secret = await PersonSessions.StartAsync(session, person.Id, "password", context.Request, ct);
        await session.CommitAsync(ct);
        PersonSessions.SendCookie(context, secret);
    }

    private static ProblemException Refused() =>
        PeopleProblems.SignInRefused.Because("The e-mail address or the password is wrong.").AsException();
}

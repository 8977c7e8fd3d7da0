using Npgsql;
using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>A person's e-mail address changes when a link that was sent to the new one is used.</summary>
internal sealed class ChangeEmail(PostgresPools pools)
{
    /// <summary>Sends a link to the new address, if nobody else has it; the answer does not tell.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.FreshSignInNeeded"/>, <see cref="KernelProblems.Invalid"/>.</exception>
    public async Task AskAsync(SignedIn signedIn, string? email, CancellationToken ct)
    {
        Freshness.Require(signedIn);
        if (!EmailAddress.TryParse(email, out var address))
            throw KernelProblems
                .Invalid.Because(
                    "The address cannot be used.",
                    [new Fault("/email", "Write an e-mail address such as ada@example.org.")]
                )
                .AsException();
        await using var session = await pools.OpenAsync(Person.ByServer("change e-mail"), ct);
        var request = new SendPersonMail.Request(SendPersonMail.Whats.Confirm, address.Text, signedIn.Person.Value);
        await SendPersonMail.EnqueueAsync(session, request, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Whether the link would confirm an address; looking does not use it up.</summary>
    public async Task<string?> LookAsync(string token, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("confirm e-mail"), ct);
        return await MailedLink.FindAsync(session, token, ct) is { Purpose: MailedLink.ConfirmEmail } link
            ? link.Email
            : null;
    }

    /// <summary>Uses the link: its address becomes the person's.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.LinkSpent"/>, also when somebody else took the address meanwhile.</exception>
    public async Task ConfirmAsync(string token, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("confirm e-mail"), ct);
        if (await MailedLink.UseAsync(session, token, ct) is not { Purpose: MailedLink.ConfirmEmail } link)
            throw PeopleProblems.LinkSpent.Because("This link confirms no address any more.").AsException();
        var before = await Person.FindAsync(session, link.Person, ct);
        try
        {
            await session.ExecuteAsync(
                """
                with changed as (
                    update access.person set email = $2, normalized_email = $3, email_confirmed_at = now() where id = $1
                )
                update access.person_secret set security_stamp = $4 where person_id = $1
                """,
                ct,
                Sql.Uuid(link.Person.Value),
                Sql.Text(link.Email),
                Sql.Text(EmailAddress.Normalize(link.Email)),
                Sql.Text(Passwords.NewStamp())
            );
        }
        catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw PeopleProblems.LinkSpent.Because("This address belongs to another account.").AsException();
        }
        await PersonAudit.RecordChangeAsync(session, "person.email-confirmed", link.Person, before, by: null, ct);
        // Links that went to the old mailbox set no password any more.
        await MailedLink.SpendPasswordLinksAsync(session, link.Person, ct);
        await session.CommitAsync(ct);
    }
}

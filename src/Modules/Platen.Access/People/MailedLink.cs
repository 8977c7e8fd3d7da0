using Npgsql;
using Platen.Access.SignIn;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>A link that was mailed: its secret's hash is kept, it works once and for a while.</summary>
/// <param name="Person">Whom it concerns.</param>
/// <param name="Purpose">What for, as the table names it.</param>
/// <param name="Email">Where it was sent.</param>
internal sealed record MailedLink(PersonId Person, string Purpose, string Email)
{
    public const string Welcome = "welcome";
    public const string ResetPassword = "reset-password";
    public const string ConfirmEmail = "confirm-email";

    /// <summary>Makes a link; what was made for the same purpose before stops working when this one is used.</summary>
    public static async Task<Secret256> MakeAsync(Session session, MailedLink link, TimeSpan life, CancellationToken ct)
    {
        var secret = Secret256.Generate();
        await session.ExecuteAsync(
            """
            insert into access.mailed_link (token_hash, person_id, purpose, email, expires_at)
            values ($1, $2, $3, $4, now() + $5)
            """,
            ct,
            Sql.Bytes(secret.Hash),
            Sql.Uuid(link.Person.Value),
            Sql.Text(link.Purpose),
            Sql.Text(link.Email),
            PersonSessions.Span(life)
        );
        return secret;
    }

    /// <summary>The link, if it still works; looking does not use it up, because mail scanners look.</summary>
    public static Task<MailedLink?> FindAsync(Session session, string? token, CancellationToken ct) =>
        RunAsync(
            session,
            """
            select l.person_id, l.purpose, l.email
            from access.mailed_link l join access.person p on p.id = l.person_id
            where l.token_hash = $1 and l.used_at is null and l.expires_at > now() and p.disabled_at is null
            """,
            token,
            ct
        );

    /// <summary>Uses the link up: of two at once, one gets it and the other gets null.</summary>
    public static Task<MailedLink?> UseAsync(Session session, string? token, CancellationToken ct) =>
        RunAsync(
            session,
            """
            update access.mailed_link l set used_at = now()
            where l.token_hash = $1 and l.used_at is null and l.expires_at > now()
              and exists (select from access.person p where p.id = l.person_id and p.disabled_at is null)
            returning l.person_id, l.purpose, l.email
            """,
            token,
            ct
        );

    /// <summary>Makes the person's other links that set a password worthless.</summary>
    public static Task SpendPasswordLinksAsync(Session session, PersonId person, CancellationToken ct) =>
        session.ExecuteAsync(
            """
            update access.mailed_link set used_at = now()
            where person_id = $1 and purpose in ('welcome', 'reset-password') and used_at is null
            """,
            ct,
            Sql.Uuid(person.Value)
        );

    private static async Task<MailedLink?> RunAsync(Session session, string sql, string? token, CancellationToken ct) =>
        Secret256.TryParse(token, out var secret)
            ? await session.FirstAsync<MailedLink?>(sql, Read, ct, Sql.Bytes(secret.Hash))
            : null;

    private static MailedLink Read(NpgsqlDataReader row) =>
        new(new PersonId(row.GetGuid(0)), row.GetString(1), row.GetString(2));
}

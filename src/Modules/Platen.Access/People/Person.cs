using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>Somebody who can sign in, with what proves them: the framework's user, as our tables have it.</summary>
internal sealed class Person
{
    /// <summary>Joins both tables; reads whole in the server's own session, or for the person themself.</summary>
    private const string Columns = """
        select p.id, p.display_name, p.email, p.normalized_email, p.email_confirmed_at, p.created_at, p.disabled_at,
               s.password_hash, s.security_stamp, s.password_changed_at
        from access.person p join access.person_secret s on s.person_id = p.id
        """;

    public required PersonId Id { get; init; }

    public required string DisplayName { get; set; }

    public required string Email { get; set; }

    public required string NormalizedEmail { get; set; }

    public DateTimeOffset? EmailConfirmedAt { get; set; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? DisabledAt { get; init; }

    /// <summary>Null for somebody who signs in otherwise.</summary>
    public string? PasswordHash { get; set; }

    public DateTimeOffset? PasswordChangedAt { get; init; }

    public required string SecurityStamp { get; set; }

    /// <summary>What the audit log has the digest of: see <see cref="PersonAudit"/>.</summary>
    public object Content =>
        new
        {
            displayName = DisplayName,
            emailConfirmedAt = EmailConfirmedAt,
            disabledAt = DisabledAt,
            passwordChangedAt = PasswordChangedAt,
        };

    /// <summary>A session as the server itself, which is what may look at people before anybody is signed in.</summary>
    public static OperationContext ByServer(string reason) => OperationContext.ForSystem(OwnerId.Platform, reason);

    public static Task<Person?> FindAsync(Session session, PersonId id, CancellationToken ct) =>
        session.FirstAsync<Person?>(Columns + " where p.id = $1", Read, ct, Sql.Uuid(id.Value));

    public static Task<Person?> FindByEmailAsync(Session session, string normalizedEmail, CancellationToken ct) =>
        session.FirstAsync<Person?>(Columns + " where p.normalized_email = $1", Read, ct, Sql.Text(normalizedEmail));

    public static Task<Person?> FindByPasskeyAsync(Session session, byte[] credentialId, CancellationToken ct) =>
        session.FirstAsync<Person?>(
            Columns + " join access.passkey k on k.person_id = p.id where k.credential_id = $1",
            Read,
            ct,
            Sql.Bytes(credentialId)
        );

    /// <summary>Adds the person, unless somebody has the e-mail address already.</summary>
    public static async Task<bool> TryAddAsync(Session session, Person person, CancellationToken ct) =>
        await session.ExecuteAsync(
            """
            with added as (
                insert into access.person (id, display_name, email, normalized_email, email_confirmed_at)
                values ($1, $2, $3, $4, $5) on conflict (normalized_email) do nothing returning id
            )
            insert into access.person_secret (person_id, password_hash, password_changed_at, security_stamp)
            select id, $6, case when $6 is null then null else now() end, $7 from added
            """,
            ct,
            Sql.Uuid(person.Id.Value),
            Sql.Text(person.DisplayName),
            Sql.Text(person.Email),
            Sql.Text(person.NormalizedEmail),
            Time(person.EmailConfirmedAt),
            Sql.Text(person.PasswordHash),
            Sql.Text(person.SecurityStamp)
        ) == 1;

    internal static NpgsqlParameter Time(DateTimeOffset? time) =>
        new()
        {
            Value = time is { } at ? at.UtcDateTime : DBNull.Value,
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz,
        };

    private static Person Read(NpgsqlDataReader row) =>
        new()
        {
            Id = new PersonId(row.GetGuid(0)),
            DisplayName = row.GetString(1),
            Email = row.GetString(2),
            NormalizedEmail = row.GetString(3),
            EmailConfirmedAt = TimeOrNull(row, 4),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(5),
            DisabledAt = TimeOrNull(row, 6),
            PasswordHash = row.IsDBNull(7) ? null : row.GetString(7),
            SecurityStamp = row.GetString(8),
            PasswordChangedAt = TimeOrNull(row, 9),
        };

    internal static DateTimeOffset? TimeOrNull(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);
}

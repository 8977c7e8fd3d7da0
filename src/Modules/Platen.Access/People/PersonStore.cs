using Microsoft.AspNetCore.Identity;
using Npgsql;
using NpgsqlTypes;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// What ASP.NET Core Identity asks of a store, over our tables: its passkey ceremonies and its password checks run on it. Each
/// call is one transaction of the server's own; verbs that change several things at once use their own session instead.
/// </summary>
internal sealed class PersonStore(PostgresPools pools)
    : IUserPasswordStore<Person>,
        IUserEmailStore<Person>,
        IUserSecurityStampStore<Person>,
        IUserPasskeyStore<Person>
{
    private const string PasskeyColumns = """
        select credential_id, public_key, created_at, sign_count, transports, is_user_verified, is_backup_eligible,
               is_backed_up, attestation_object, client_data, name
        from access.passkey
        """;

    public async Task<IdentityResult> CreateAsync(Person user, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        if (!await Person.TryAddAsync(session, user, cancellationToken))
            return IdentityResult.Failed(new IdentityErrorDescriber().DuplicateEmail(user.Email));
        await session.CommitAsync(cancellationToken);
        return IdentityResult.Success;
    }

    public async Task<IdentityResult> UpdateAsync(Person user, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        var changed = await session.ExecuteAsync(
            """
            with kept as (
                update access.person set display_name = $2, email = $3, normalized_email = $4, email_confirmed_at = $5
                where id = $1 returning id
            )
            update access.person_secret s
               set password_hash = $6, security_stamp = $7,
                   password_changed_at = case when s.password_hash is distinct from $6 then now() else s.password_changed_at end
              from kept where s.person_id = kept.id
            """,
            cancellationToken,
            Sql.Uuid(user.Id.Value),
            Sql.Text(user.DisplayName),
            Sql.Text(user.Email),
            Sql.Text(user.NormalizedEmail),
            Person.Time(user.EmailConfirmedAt),
            Sql.Text(user.PasswordHash),
            Sql.Text(user.SecurityStamp)
        );
        await session.CommitAsync(cancellationToken);
        return changed == 1
            ? IdentityResult.Success
            : IdentityResult.Failed(new IdentityErrorDescriber().ConcurrencyFailure());
    }

    /// <summary>Disables: history keeps its author's name, so a person's row is never removed.</summary>
    public async Task<IdentityResult> DeleteAsync(Person user, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        await DisablePerson.DisableAsync(session, user.Id, cancellationToken);
        await session.CommitAsync(cancellationToken);
        return IdentityResult.Success;
    }

    public async Task<Person?> FindByIdAsync(string userId, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(userId, "D", out var id))
            return null;
        await using var session = await OpenAsync(cancellationToken);
        return await Person.FindAsync(session, new PersonId(id), cancellationToken);
    }

    public Task<Person?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
        FindByEmailAsync(normalizedUserName, cancellationToken);

    public async Task<Person?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        return await Person.FindByEmailAsync(session, normalizedEmail, cancellationToken);
    }

    public Task<string> GetUserIdAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult(user.Id.ToString());

    public Task<string?> GetUserNameAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(user.Email);

    public Task SetUserNameAsync(Person user, string? userName, CancellationToken cancellationToken) =>
        SetEmailAsync(user, userName, cancellationToken);

    public Task<string?> GetNormalizedUserNameAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(user.NormalizedEmail);

    public Task SetNormalizedUserNameAsync(Person user, string? normalizedName, CancellationToken cancellationToken) =>
        SetNormalizedEmailAsync(user, normalizedName, cancellationToken);

    public Task SetEmailAsync(Person user, string? email, CancellationToken cancellationToken)
    {
        user.Email = email ?? throw new ArgumentNullException(nameof(email));
        return Task.CompletedTask;
    }

    public Task<string?> GetEmailAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(user.Email);

    public Task<bool> GetEmailConfirmedAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult(user.EmailConfirmedAt is not null);

    public Task SetEmailConfirmedAsync(Person user, bool confirmed, CancellationToken cancellationToken)
    {
        user.EmailConfirmedAt = confirmed ? user.EmailConfirmedAt ?? user.CreatedAt : null;
        return Task.CompletedTask;
    }

    public Task<string?> GetNormalizedEmailAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(user.NormalizedEmail);

    public Task SetNormalizedEmailAsync(Person user, string? normalizedEmail, CancellationToken cancellationToken)
    {
        user.NormalizedEmail = normalizedEmail ?? throw new ArgumentNullException(nameof(normalizedEmail));
        return Task.CompletedTask;
    }

    public Task SetPasswordHashAsync(Person user, string? passwordHash, CancellationToken cancellationToken)
    {
        user.PasswordHash = passwordHash;
        return Task.CompletedTask;
    }

    public Task<string?> GetPasswordHashAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult(user.PasswordHash);

    public Task<bool> HasPasswordAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult(user.PasswordHash is not null);

    public Task SetSecurityStampAsync(Person user, string stamp, CancellationToken cancellationToken)
    {
        user.SecurityStamp = stamp;
        return Task.CompletedTask;
    }

    public Task<string?> GetSecurityStampAsync(Person user, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(user.SecurityStamp);

    public async Task AddOrUpdatePasskeyAsync(Person user, UserPasskeyInfo passkey, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        if (!await KeepPasskeyAsync(session, user.Id, passkey, cancellationToken))
            throw new InvalidOperationException("The passkey belongs to another person.");
        await session.CommitAsync(cancellationToken);
    }

    /// <summary>Adds a passkey, or what a signature with it told; false when it is another person's.</summary>
    public static async Task<bool> KeepPasskeyAsync(
        Session session,
        PersonId person,
        UserPasskeyInfo passkey,
        CancellationToken ct
    ) =>
        await session.ExecuteAsync(
            """
            insert into access.passkey as k (credential_id, person_id, name, public_key, sign_count, transports,
                is_user_verified, is_backup_eligible, is_backed_up, attestation_object, client_data, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            on conflict (credential_id) do update
               set sign_count = excluded.sign_count, is_user_verified = excluded.is_user_verified,
                   is_backed_up = excluded.is_backed_up, last_used_at = now()
             where k.person_id = excluded.person_id
            """,
            ct,
            Sql.Bytes(passkey.CredentialId),
            Sql.Uuid(person.Value),
            Sql.Text(passkey.Name),
            Sql.Bytes(passkey.PublicKey),
            Sql.Long(passkey.SignCount),
            new NpgsqlParameter
            {
                Value = passkey.Transports ?? [],
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
            },
            Sql.Bool(passkey.IsUserVerified),
            Sql.Bool(passkey.IsBackupEligible),
            Sql.Bool(passkey.IsBackedUp),
            Sql.Bytes(passkey.AttestationObject),
            Sql.Bytes(passkey.ClientDataJson),
            Person.Time(passkey.CreatedAt)
        ) == 1;

    public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(Person user, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        return await session.ListAsync(
            PasskeyColumns + " where person_id = $1 order by created_at limit $2",
            ReadPasskey,
            cancellationToken,
            Sql.Uuid(user.Id.Value),
            Sql.Int(PeopleLimits.Passkeys)
        );
    }

    public async Task<Person?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        return await Person.FindByPasskeyAsync(session, credentialId, cancellationToken);
    }

    public async Task<UserPasskeyInfo?> FindPasskeyAsync(
        Person user,
        byte[] credentialId,
        CancellationToken cancellationToken
    )
    {
        await using var session = await OpenAsync(cancellationToken);
        return await session.FirstAsync<UserPasskeyInfo?>(
            PasskeyColumns + " where person_id = $1 and credential_id = $2",
            ReadPasskey,
            cancellationToken,
            Sql.Uuid(user.Id.Value),
            Sql.Bytes(credentialId)
        );
    }

    public async Task RemovePasskeyAsync(Person user, byte[] credentialId, CancellationToken cancellationToken)
    {
        await using var session = await OpenAsync(cancellationToken);
        await session.ExecuteAsync(
            "delete from access.passkey where person_id = $1 and credential_id = $2",
            cancellationToken,
            Sql.Uuid(user.Id.Value),
            Sql.Bytes(credentialId)
        );
        await session.CommitAsync(cancellationToken);
    }

    public void Dispose()
    {
        // Sessions live as long as a call; the pools belong to the process.
    }

    private ValueTask<Session> OpenAsync(CancellationToken ct) => pools.OpenAsync(Person.ByServer("sign in"), ct);

    private static UserPasskeyInfo ReadPasskey(NpgsqlDataReader row) =>
        new(
            row.GetFieldValue<byte[]>(0),
            row.GetFieldValue<byte[]>(1),
            row.GetFieldValue<DateTimeOffset>(2),
            (uint)row.GetInt64(3),
            row.GetFieldValue<string[]>(4),
            row.GetBoolean(5),
            row.GetBoolean(6),
            row.GetBoolean(7),
            row.GetFieldValue<byte[]>(8),
            row.GetFieldValue<byte[]>(9)
        )
        {
            Name = row.GetString(10),
        };
}

/// <summary>Folds e-mail addresses, which are our user names, as the tables have them.</summary>
internal sealed class EmailNormalizer : ILookupNormalizer
{
    public string? NormalizeName(string? name) => name is null ? null : EmailAddress.Normalize(name);

    public string? NormalizeEmail(string? email) => NormalizeName(email);
}

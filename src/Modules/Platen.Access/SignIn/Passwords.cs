using Microsoft.AspNetCore.Identity;
using Platen.Access.People;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>Hashes and checks passwords with the framework's hasher, with the same work whether or not there is anybody to check.</summary>
internal sealed class Passwords(IPasswordHasher<Person> hasher)
{
    private static readonly Person Nobody = new()
    {
        Id = default,
        DisplayName = "",
        Email = "",
        NormalizedEmail = "",
        SecurityStamp = "",
    };

    // Nobody knows what it is the hash of.
    private readonly Lazy<string> decoy = new(() => hasher.HashPassword(Nobody, Secret256.Generate().Reveal()));

    public string Hash(string password) => hasher.HashPassword(Nobody, password);

    /// <summary>Whether the password is the person's; for nobody, and for a person without one, it takes as long to say no.</summary>
    public PasswordVerificationResult Verify(Person? person, string password)
    {
        var given = password.Length <= PeopleLimits.PasswordMax ? password : "";
        var result = hasher.VerifyHashedPassword(Nobody, person?.PasswordHash ?? decoy.Value, given);
        return person?.PasswordHash is null ? PasswordVerificationResult.Failed : result;
    }

    /// <summary>
    /// Whether what was verified is still the person's password and they may still sign in. Both stay so until the session ends: whoever
    /// changes them waits, and then ends what was begun.
    /// </summary>
    public static async Task<bool> HoldAsync(Session session, Person verified, CancellationToken ct) =>
        await session.FirstAsync(
            """
            select s.password_hash is not distinct from $2 and p.disabled_at is null
            from access.person_secret s join access.person p on p.id = s.person_id
            where s.person_id = $1
            for update of s, p
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Uuid(verified.Id.Value),
            Sql.Text(verified.PasswordHash)
        );

    /// <summary>Gives the person a password; whatever else the old one opened is the caller's to close.</summary>
    public async Task SetAsync(Session session, PersonId person, string password, CancellationToken ct) =>
        await session.ExecuteAsync(
            """
            update access.person_secret set password_hash = $2, password_changed_at = now(), security_stamp = $3
            where person_id = $1
            """,
            ct,
            Sql.Uuid(person.Value),
            Sql.Text(Hash(password)),
            Sql.Text(NewStamp())
        );

    public static string NewStamp() => Guid.CreateVersion7().ToString("N");
}

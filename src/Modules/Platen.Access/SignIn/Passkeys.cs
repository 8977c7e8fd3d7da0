using System.Buffers.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Npgsql;
using NpgsqlTypes;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// Passkeys by the framework's WebAuthn handler. A ceremony has two requests; its challenge waits in the database between them and
/// is taken out by the second, so that an answer works once, on any node.
/// </summary>
internal sealed class Passkeys(PostgresPools pools, IPasskeyHandler<Person> handler, UserManager<Person> users)
{
    private const string Registering = "register";
    private const string SigningIn = "sign-in";

    /// <summary>What the browser is asked to sign.</summary>
    /// <param name="Ceremony">Sent back with the answer.</param>
    /// <param name="Options">For <c>PublicKeyCredential.parse…OptionsFromJSON</c>.</param>
    public sealed record Challenge(Guid Ceremony, JsonElement Options);

    /// <summary>A passkey as its person sees it.</summary>
    /// <param name="Id">The credential's id in base64url.</param>
    /// <param name="IsBackedUp">Whether its device keeps a copy elsewhere.</param>
    public sealed record Listed(
        string Id,
        string Name,
        DateTimeOffset CreatedAt,
        DateTimeOffset? LastUsedAt,
        bool IsBackedUp
    );

    public async Task<List<Listed>> ListAsync(SignedIn person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("list passkeys"), ct);
        return await session.ListAsync(
            """
            select credential_id, name, created_at, last_used_at, is_backed_up from access.passkey
            where person_id = $1 order by created_at limit $2
            """,
            row => new Listed(
                Base64Url.EncodeToString(row.GetFieldValue<byte[]>(0)),
                row.GetString(1),
                row.GetFieldValue<DateTimeOffset>(2),
                Person.TimeOrNull(row, 3),
                row.GetBoolean(4)
            ),
            ct,
            Sql.Uuid(person.Person.Value),
            Sql.Int(PeopleLimits.Passkeys)
        );
    }

    /// <summary>Begins adding a passkey.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.FreshSignInNeeded"/>, <see cref="PeopleProblems.TooManyPasskeys"/>.</exception>
    public async Task<Challenge> BeginAddingAsync(HttpContext context, SignedIn person, CancellationToken ct)
    {
        Freshness.Require(person);
        if ((await ListAsync(person, ct)).Count >= PeopleLimits.Passkeys)
            throw TooMany();
        var options = await handler.MakeCreationOptionsAsync(
            new PasskeyUserEntity
            {
                Id = person.Person.ToString(),
                Name = person.Email,
                DisplayName = person.DisplayName,
            },
            context
        );
        var id = await KeepAsync(Registering, person.Person, options.AttestationState, ct);
        return new Challenge(id, JsonElement.Parse(options.CreationOptionsJson));
    }

    /// <summary>Adds the passkey that the browser made.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.PasskeyRefused"/>, <see cref="PeopleProblems.TooManyPasskeys"/>.</exception>
    public async Task<string> AddAsync(
        HttpContext context,
        SignedIn person,
        Guid ceremony,
        JsonElement credential,
        string? name,
        CancellationToken ct
    )
    {
        Freshness.Require(person);
        var shown = string.IsNullOrWhiteSpace(name) ? "Passkey" : name.Trim();
        if (AddPerson.NameFault(shown) is { } wrong)
            throw KernelProblems
                .Invalid.Because("The passkey has no usable name.", [new Fault("/name", wrong)])
                .AsException();
        var state = await TakeAsync(Registering, ceremony, person.Person, ct);
        var made = await handler.PerformAttestationAsync(
            new PasskeyAttestationContext
            {
                HttpContext = context,
                CredentialJson = credential.GetRawText(),
                AttestationState = state,
            }
        );
        if (!made.Succeeded)
            throw PeopleProblems.PasskeyRefused.Because(made.Failure.Message).AsException();
        made.Passkey.Name = shown;

        await using var session = await pools.OpenAsync(Person.ByServer("add passkey"), ct);
        // Locks the person's secret: two additions at once are counted one after the other.
        await session.ExecuteAsync(
            "update access.person_secret set security_stamp = $2 where person_id = $1",
            ct,
            Sql.Uuid(person.Person.Value),
            Sql.Text(Passwords.NewStamp())
        );
        var added = await PersonStore.KeepPasskeyAsync(session, person.Person, made.Passkey, ct);
        var count = await session.FirstAsync(
            "select count(*) from access.passkey where person_id = $1",
            row => row.GetInt64(0),
            ct,
            Sql.Uuid(person.Person.Value)
        );
        if (!added)
            throw PeopleProblems.PasskeyRefused.Because("The passkey is registered already.").AsException();
        if (count > PeopleLimits.Passkeys)
            throw TooMany();
        await PersonAudit.RecordAsync(
            session,
            "passkey.added",
            person.Person,
            person.Actor,
            ct,
            new { shown },
            after: ContentOf(made.Passkey.CredentialId, shown)
        );
        var notice = new SendPersonMail.Request(SendPersonMail.Whats.PasskeyAdded, Email: null, person.Person.Value);
        await SendPersonMail.EnqueueAsync(session, notice, ct);
        await session.CommitAsync(ct);
        return Base64Url.EncodeToString(made.Passkey.CredentialId);
    }

    /// <summary>Removes one of the person's passkeys; false when they have no such one.</summary>
    public async Task<bool> RemoveAsync(SignedIn person, string id, CancellationToken ct)
    {
        if (id.Length > 1400 || !Base64Url.IsValid(id))
            return false;
        await using var session = await pools.OpenAsync(person.Operation("remove passkey"), ct);
        var credential = Base64Url.DecodeFromChars(id);
        var name = await session.FirstAsync(
            "delete from access.passkey where person_id = $1 and credential_id = $2 returning name",
            row => row.GetString(0),
            ct,
            Sql.Uuid(person.Person.Value),
            Sql.Bytes(credential)
        );
        if (name is null)
            return false;
        await PersonAudit.RecordAsync(
            session,
            "passkey.removed",
            person.Person,
            person.Actor,
            ct,
            new { id },
            before: ContentOf(credential, name)
        );
        await session.CommitAsync(ct);
        return true;
    }

    /// <summary>Begins a sign-in; who it is, the passkey itself tells.</summary>
    public async Task<Challenge> BeginSignInAsync(HttpContext context, CancellationToken ct)
    {
        var options = await handler.MakeRequestOptionsAsync(user: null, context);
        var id = await KeepAsync(SigningIn, person: null, options.AssertionState, ct);
        return new Challenge(id, JsonElement.Parse(options.RequestOptionsJson));
    }

    /// <summary>Signs in with what the browser signed.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.PasskeyRefused"/>, also for a disabled person.</exception>
    public async Task SignInAsync(HttpContext context, Guid ceremony, JsonElement credential, CancellationToken ct)
    {
        var state = await TakeAsync(SigningIn, ceremony, person: null, ct);
        var signed = await handler.PerformAssertionAsync(
            new PasskeyAssertionContext
            {
                HttpContext = context,
                CredentialJson = credential.GetRawText(),
                AssertionState = state,
            }
        );
        if (!signed.Succeeded || signed.User.DisabledAt is not null)
            throw PeopleProblems
                .PasskeyRefused.Because("No person here has this passkey, or it was not used on this site's address.")
                .AsException();
        // The count of signatures that the device reported: a copy of the device would repeat one.
        await users.AddOrUpdatePasskeyAsync(signed.User, signed.Passkey);
        await using var session = await pools.OpenAsync(Person.ByServer("sign in"), ct);
        var secret = await PersonSessions.StartAsync(session, signed.User.Id, "passkey", context.Request, ct);
        await session.CommitAsync(ct);
        PersonSessions.SendCookie(context, secret);
    }

    private static object ContentOf(byte[] credential, string name) =>
        new { id = Base64Url.EncodeToString(credential), name };

    private async Task<Guid> KeepAsync(string kind, PersonId? person, string? state, CancellationToken ct)
    {
        var id = Guid.CreateVersion7();
        await using var session = await pools.OpenAsync(Person.ByServer("passkey ceremony"), ct);
        await session.ExecuteAsync(
            """
            with old as (
                select id from access.passkey_ceremony where expires_at < now() limit 100 for update skip locked
            ), gone as (
                delete from access.passkey_ceremony c using old where c.id = old.id
            )
            insert into access.passkey_ceremony (id, kind, person_id, state, expires_at) values ($1, $2, $3, $4, now() + $5)
            """,
            ct,
            Sql.Uuid(id),
            Sql.Text(kind),
            Nullable(person),
            Sql.Text(state ?? throw new InvalidOperationException("The framework kept no state of the ceremony.")),
            PersonSessions.Span(PeopleLimits.CeremonyLife)
        );
        await session.CommitAsync(ct);
        return id;
    }

    private async Task<string> TakeAsync(string kind, Guid id, PersonId? person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("passkey ceremony"), ct);
        var state = await session.FirstAsync(
            """
            delete from access.passkey_ceremony
            where id = $1 and kind = $2 and person_id is not distinct from $3 and expires_at > now()
            returning state
            """,
            row => row.GetString(0),
            ct,
            Sql.Uuid(id),
            Sql.Text(kind),
            Nullable(person)
        );
        await session.CommitAsync(ct);
        return state
            ?? throw PeopleProblems
                .PasskeyRefused.Because("The challenge was answered already, or waited for longer than 5 minutes.")
                .AsException();
    }

    private static NpgsqlParameter Nullable(PersonId? person) =>
        new() { Value = person is { } id ? id.Value : DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid };

    private static ProblemException TooMany() =>
        PeopleProblems.TooManyPasskeys.Because($"You have {PeopleLimits.Passkeys} passkeys.").AsException();
}

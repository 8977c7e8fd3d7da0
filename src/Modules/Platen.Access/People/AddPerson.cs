using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// A new person: by an operator of the platform, who names them and has a link mailed to them; or with a password at once, by
/// what has proved the mailbox already (an invitation, the setup link).
/// </summary>
internal sealed class AddPerson(PostgresPools pools, Passwords passwords)
{
    /// <summary>What is wrong with a name, or null.</summary>
    public static string? NameFault(string? displayName) =>
        displayName?.Trim() is { Length: >= 1 and <= Limits.DisplayNameLength } name && !name.Any(char.IsControl)
            ? null
            : $"A name has 1 to {Limits.DisplayNameLength} characters.";

    /// <summary>Adds a person who gets a link to choose a password.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>, <see cref="PeopleProblems.EmailTaken"/>.</exception>
    public async Task<PersonId> ByOperatorAsync(Actor by, string? displayName, string? email, CancellationToken ct)
    {
        var (name, address) = Check(displayName, email, password: null);
        await using var session = await pools.OpenAsync(Person.ByServer("add person"), ct);
        var id = await InsertAsync(session, name, address, passwordHash: null, confirmed: false, ct);
        await PersonAudit.RecordChangeAsync(session, "person.added", id, before: null, by, ct);
        var welcome = new SendPersonMail.Request(SendPersonMail.Whats.Welcome, Email: null, id.Value);
        await SendPersonMail.EnqueueAsync(session, welcome, ct);
        await session.CommitAsync(ct);
        return id;
    }

    /// <summary>Adds a person with a password, in a transaction that used up what let them in. From there on the server acts for them.</summary>
    /// <param name="session">The server's own session of the platform; the caller commits.</param>
    /// <param name="displayName">What others see.</param>
    /// <param name="email">Where they are reached.</param>
    /// <param name="password">By the rules.</param>
    /// <param name="confirmed">Whether a mailed link has proved the mailbox.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>, <see cref="PeopleProblems.EmailTaken"/>.</exception>
    public async Task<PersonId> WithPasswordAsync(
        Session session,
        string? displayName,
        string? email,
        string? password,
        bool confirmed,
        CancellationToken ct
    )
    {
        var (name, address) = Check(displayName, email, password ?? "");
        var person = await InsertAsync(session, name, address, passwords.Hash(password!), confirmed, ct);
        await PersonAudit.RecordChangeAsync(
            session,
            "person.added",
            person,
            before: null,
            new Actor(person.AsActor, name),
            ct
        );
        return person;
    }

    /// <summary>All that is wrong at once; null as the password means that none is asked for.</summary>
    public static (string Name, EmailAddress Email) Check(string? displayName, string? email, string? password)
    {
        var faults = new List<Fault>();
        if (NameFault(displayName) is { } wrongName)
            faults.Add(new Fault("/displayName", wrongName));
        if (!EmailAddress.TryParse(email, out var address))
            faults.Add(new Fault("/email", "Write an e-mail address such as ada@example.org."));
        if (password is not null && PasswordRules.Fault(password, displayName ?? "", email ?? "") is { } wrongPassword)
            faults.Add(new Fault("/password", wrongPassword));
        return faults.Count == 0
            ? (displayName!.Trim(), address!)
            : throw KernelProblems.Invalid.Because("Some of this cannot be used.", faults).AsException();
    }

    private static async Task<PersonId> InsertAsync(
        Session session,
        string name,
        EmailAddress address,
        string? passwordHash,
        bool confirmed,
        CancellationToken ct
    )
    {
        var person = new Person
        {
            Id = PersonId.New(),
            DisplayName = name,
            Email = address.Text,
            NormalizedEmail = address.Normalized,
            PasswordHash = passwordHash,
            SecurityStamp = Passwords.NewStamp(),
        };
        if (!await Person.TryAddAsync(session, person, ct))
            throw PeopleProblems.EmailTaken.Because($"'{address}' is somebody's already.").AsException();
        if (confirmed)
        {
            await session.ExecuteAsync(
                "update access.person set email_confirmed_at = now() where id = $1",
                ct,
                Sql.Uuid(person.Id.Value)
            );
        }
        return person.Id;
    }
}

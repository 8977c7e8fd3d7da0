using Microsoft.AspNetCore.Http;
using Platen.Access.Members;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// The link that makes the platform's first owner. Each start of a server that has none makes a new one, which is printed and
/// not kept; using it is for ever.
/// </summary>
internal sealed class SetupLink(PostgresPools pools, AddPerson people)
{
    /// <summary>A new link's path, such as <c>/setup/…</c>; null when an owner was made before.</summary>
    public static async Task<string?> RenewAsync(PostgresPools pools, CancellationToken ct)
    {
        var secret = Secret256.Generate();
        await using var session = await pools.OpenAsync(Person.ByServer("setup link"), ct);
        var made = await session.ExecuteAsync(
            """
            insert into access.setup_link as l (token_hash) values ($1)
            on conflict (only_row) do update set token_hash = excluded.token_hash, created_at = now()
            where l.used_at is null
            """,
            ct,
            Sql.Bytes(secret.Hash)
        );
        await session.CommitAsync(ct);
        return made == 1 ? "/setup/" + secret.Reveal() : null;
    }

    /// <summary>Whether the link would still make an owner.</summary>
    public async Task<bool> IsOpenAsync(string token, CancellationToken ct)
    {
        if (!Secret256.TryParse(token, out var secret))
            return false;
        await using var session = await pools.OpenAsync(Person.ByServer("setup link"), ct);
        return await session.FirstAsync(
            "select exists (select from access.setup_link where token_hash = $1 and used_at is null)",
            row => row.GetBoolean(0),
            ct,
            Sql.Bytes(secret.Hash)
        );
    }

    /// <summary>Makes the owner and signs them in. Of two at once one wins, and the other's person was never made.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.LinkSpent"/>; <see cref="KernelProblems.Invalid"/>, and then
    /// the link still works.</exception>
    public async Task UseAsync(
        HttpContext context,
        string token,
        string? displayName,
        string? email,
        string? password,
        CancellationToken ct
    )
    {
        if (!Secret256.TryParse(token, out var secret))
            throw Spent();
        await using var session = await pools.OpenAsync(Person.ByServer("set up"), ct);
        // Locked before the hashing: the second waits for the first and then finds the link used.
        var open = await session.FirstAsync(
            "select true from access.setup_link where token_hash = $1 and used_at is null for update",
            row => row.GetBoolean(0),
            ct,
            Sql.Bytes(secret.Hash)
        );
        if (!open)
            throw Spent();
        var person = await people.WithPasswordAsync(session, displayName, email, password, confirmed: false, ct);
        await session.ExecuteAsync(
            "update access.setup_link set used_at = now(), person_id = $1",
            ct,
            Sql.Uuid(person.Value)
        );
        await MemberRows.AddAsync(session, person, Role.Owner, ct);
        await PersonAudit.RecordAsync(
            session,
            "platform.set-up",
            person,
            by: null,
            ct,
            after: new { owner = person.Value }
        );
        var confirm = new SendPersonMail.Request(SendPersonMail.Whats.Confirm, email!.Trim(), person.Value);
        await SendPersonMail.EnqueueAsync(session, confirm, ct);
        var cookie = await PersonSessions.StartAsync(session, person, "setup", context.Request, ct);
        await session.CommitAsync(ct);
        PersonSessions.SendCookie(context, cookie);
    }

    private static ProblemException Spent() =>
        PeopleProblems.LinkSpent.Because("This link sets nothing up any more.").AsException();
}

using Platen.Access.Keys;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>The terminals that a person has signed in: each has a key that they lent their rights to.</summary>
internal sealed class Terminals(PostgresPools pools, RevokeKey revoke)
{
    /// <summary>A terminal as its person sees it.</summary>
    /// <param name="Id">Names it: its key's id.</param>
    /// <param name="Name">What it said that it is.</param>
    /// <param name="Owner">Where it may act: a workspace's id, or the platform's.</param>
    /// <param name="Workspace">Its name; null when the person is no member there any more, and then the key opens nothing.</param>
    /// <param name="Scopes">What was lent.</param>
    /// <param name="CreatedAt">When it was signed in.</param>
    /// <param name="ExpiresAt">When that ends by itself.</param>
    /// <param name="LastUsedAt">When it was used last, known to the half minute.</param>
    public sealed record Listed(
        Guid Id,
        string Name,
        Guid Owner,
        string? Workspace,
        IReadOnlyList<string> Scopes,
        DateTimeOffset CreatedAt,
        DateTimeOffset? ExpiresAt,
        DateTimeOffset? LastUsedAt
    );

    /// <summary>Those that stand, newest first.</summary>
    public async Task<List<Listed>> ListAsync(SignedIn person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("list terminals"), ct);
        return await session.ListAsync(
            """
            select id, name, owner, workspace, scopes, created_at, expires_at, last_used_at from access.list_terminals($1)
            """,
            row => new Listed(
                row.GetGuid(0),
                row.GetString(1),
                row.GetGuid(2),
                row.IsDBNull(3) ? null : row.GetString(3),
                row.GetFieldValue<string[]>(4),
                row.GetFieldValue<DateTimeOffset>(5),
                Person.TimeOrNull(row, 6),
                Person.TimeOrNull(row, 7)
            ),
            ct,
            Sql.Int(PeopleLimits.Terminals)
        );
    }

    /// <summary>Ends one of the person's terminals, at once and on every node; ending it again changes nothing.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>: they have no such terminal.</exception>
    public async Task EndAsync(SignedIn person, Guid id, CancellationToken ct)
    {
        OwnerId? owner;
        await using (var session = await pools.OpenAsync(person.Operation("end terminal"), ct))
        {
            owner = await session.FirstAsync<OwnerId?>(
                "select access.owner_of_terminal($1)",
                row => row.IsDBNull(0) ? null : new OwnerId(row.GetGuid(0)),
                ct,
                Sql.Uuid(id)
            );
        }
        if (owner is not { } whose)
            throw KernelProblems.NotFound.Because("You have no such terminal.").AsException();
        await revoke.OfLenderAsync(person.Actor, whose, id, ct);
    }
}

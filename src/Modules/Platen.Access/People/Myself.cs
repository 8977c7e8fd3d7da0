using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>A person reads and renames themself.</summary>
internal sealed class Myself(PostgresPools pools)
{
    public async Task<Person> ReadAsync(SignedIn signedIn, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(signedIn.Operation("read oneself"), ct);
        return await FindAsync(session, signedIn, ct);
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>.</exception>
    public async Task<Person> RenameAsync(SignedIn signedIn, string displayName, CancellationToken ct)
    {
        if (AddPerson.NameFault(displayName) is { } wrong)
            throw KernelProblems
                .Invalid.Because("The name cannot be used.", [new Fault("/displayName", wrong)])
                .AsException();
        await using var session = await pools.OpenAsync(signedIn.Operation("rename oneself"), ct);
        var before = await FindAsync(session, signedIn, ct);
        if (before.DisplayName == displayName.Trim())
            return before;
        await session.ExecuteAsync(
            "update access.person set display_name = $2 where id = $1",
            ct,
            Sql.Uuid(signedIn.Person.Value),
            Sql.Text(displayName.Trim())
        );
        var renamed = await FindAsync(session, signedIn, ct);
        await PersonAudit.RecordAsync(
            session,
            "person.renamed",
            signedIn.Person,
            signedIn.Actor,
            ct,
            before: before.Content,
            after: renamed.Content
        );
        await session.CommitAsync(ct);
        return renamed;
    }

    private static async Task<Person> FindAsync(Session session, SignedIn signedIn, CancellationToken ct) =>
        await Person.FindAsync(session, signedIn.Person, ct)
        ?? throw KernelProblems.Unauthenticated.Because("The session has ended.").AsException();
}

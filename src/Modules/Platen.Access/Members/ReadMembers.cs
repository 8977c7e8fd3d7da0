using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Members;

/// <summary>Reads who belongs to the workspace.</summary>
internal sealed class ReadMembers(PostgresPools pools)
{
    public sealed record Page(IReadOnlyList<Member> Items, string? NextCursor);

    public async Task<Page> PageAsync(Caller caller, string? cursor, int? limit, string? role, CancellationToken ct)
    {
        var after = Guid.Empty;
        if (!string.IsNullOrEmpty(cursor) && !Guid.TryParseExact(cursor, "D", out after))
            throw KernelProblems.UnknownCursor();
        if (role is not null && Roles.Parse(role) is null)
        {
            throw KernelProblems
                .Malformed.Because($"'{role}' is not a role: use {string.Join(", ", Roles.Names)}.")
                .AsException();
        }
        var size = AccessRequests.PageSize(limit);
        await using var session = await pools.OpenAsync(caller.Operation("list members"), ct);
        var items = await Member.ListAsync(session, new PersonId(after), role, size + 1, ct);
        return items.Count > size ? new Page(items[..size], items[size - 1].Person.ToString()) : new Page(items, null);
    }

    public async Task<Member> OneAsync(Caller caller, PersonId person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read member"), ct);
        return await Member.FindAsync(session, person, ct) ?? throw NotFound();
    }

    public static ProblemException NotFound() =>
        KernelProblems.NotFound.Because("There is no such member.").AsException();
}

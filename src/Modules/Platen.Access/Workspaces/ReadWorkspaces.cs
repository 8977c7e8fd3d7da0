using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>A line of the list.</summary>
internal sealed record WorkspaceLine(
    WorkspaceId Id,
    string Slug,
    string Name,
    string Plan,
    string Status,
    string? Role,
    DateTimeOffset CreatedAt,
    DateTimeOffset? PurgeAt
);

/// <summary>Reads one workspace, or a page of those that a caller can enter.</summary>
internal sealed class ReadWorkspaces(PostgresPools pools)
{
    public sealed record Page(IReadOnlyList<WorkspaceLine> Items, string? NextCursor);

    public sealed record Detail(Workspace Workspace, Role? Role, IReadOnlyList<Entitlement> Entitlements);

    /// <param name="caller">In the workspace.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Detail> OneAsync(Caller caller, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read workspace"), ct);
        return await OneAsync(session, caller.Role, ct);
    }

    public static async Task<Detail> OneAsync(Session session, Role? role, CancellationToken ct)
    {
        var workspace = await Workspace.FindAsync(session, ct) ?? throw WorkspaceProblems.NoSuchWorkspace();
        return new Detail(workspace, role, await Entitlements.ListAsync(session, ct));
    }

    /// <summary>
    /// A person sees the workspaces they belong to, a workspace's key that one, an operator all, or with <paramref name="mine"/> their
    /// own. By slug, so that a cursor is simply the last one seen.
    /// </summary>
    public async Task<Page> PageAsync(
        Caller caller,
        string? cursor,
        int? limit,
        string? search,
        string? status,
        bool mine,
        CancellationToken ct
    )
    {
        var after = string.IsNullOrEmpty(cursor) ? "" : cursor;
        if (after.Length > 0 && !Slug.TryParse(after, out _))
            throw KernelProblems.UnknownCursor();
        if (search is { Length: > AccessLimits.SearchLength })
        {
            throw KernelProblems
                .Malformed.Because($"'search' has at most {AccessLimits.SearchLength} characters.")
                .AsException();
        }
        if (status is not (null or "active" or "deleted"))
            throw KernelProblems.Malformed.Because("'status' is active or deleted.").AsException();
        search = string.IsNullOrWhiteSpace(search) ? null : search.Trim().ToLowerInvariant();
        var size = AccessRequests.PageSize(limit);
        await using var session = await pools.OpenAsync(caller.Operation("list workspaces"), ct);
        var items =
            caller.Person is null && !caller.Owner.IsPlatform
                ? await session.ListAsync(
                    """
                    select owner, slug, name, plan, status, null::text, created_at, purge_at from access.workspace
                    where owner = platform.current_owner() and slug > $1 and ($2::text is null or status = $2)
                        and ($3::text is null or position($3 in slug) > 0 or position($3 in lower(name)) > 0)
                    limit $4
                    """,
                    Read,
                    ct,
                    Sql.Text(after),
                    Sql.Text(status),
                    Sql.Text(search),
                    Sql.Int(size + 1)
                )
                : await session.ListAsync(
                    "select owner, slug, name, plan, status, role, created_at, purge_at from access.list_workspaces($1, $2, $3, $4, $5)",
                    Read,
                    ct,
                    Sql.Bool(caller.IsOperator && !mine),
                    Sql.Text(status),
                    Sql.Text(after),
                    Sql.Text(search),
                    Sql.Int(size + 1)
                );
        return items.Count > size ? new Page(items[..size], items[size - 1].Slug) : new Page(items, null);
    }

    private static WorkspaceLine Read(NpgsqlDataReader row) =>
        new(
            new WorkspaceId(row.GetGuid(0)),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetString(4),
            row.IsDBNull(5) ? null : row.GetString(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.IsDBNull(7) ? null : row.GetFieldValue<DateTimeOffset>(7)
        );
}

using Npgsql;
using Platen.Access.Members;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>
/// Makes a workspace. A person becomes its owner; one that an operator's key makes has no member until it invites one. The id is
/// known before the row is: the session is opened in the new workspace's own scope.
/// </summary>
internal sealed class CreateWorkspace(PostgresPools pools)
{
    private const string DefaultPlan = "pool";

    public sealed record Body(string Name, string? Slug = null, string? Plan = null);

    /// <param name="Workspace">As it is now.</param>
    /// <param name="Made">False when the same request had made it before.</param>
    public sealed record Outcome(Workspace Workspace, bool Made);

    public async Task<Outcome> RunAsync(Caller caller, Body body, IdempotencyKey? key, CancellationToken ct)
    {
        if (caller.Person is null && !caller.IsOperator)
        {
            throw KernelProblems
                .Forbidden.Because(
                    "Workspaces are made by people who are signed in, and by keys of the platform that have every scope."
                )
                .AsException();
        }
        var faults = new List<Fault>();
        var name = AccessRequests.Name(body.Name, "/name", faults);
        var slug = body.Slug is { } asked ? SlugRules.Read(asked, "/slug", faults) : null;
        if (body.Plan is not null && !caller.IsOperator)
            faults.Add(new Fault("/plan", "Only an operator of the platform chooses the plan."));
        AccessRequests.ThrowIfAny(faults);

        var owner = new OwnerId(key?.IdFor(caller.Actor.Id, caller.Owner, "workspace") ?? WorkspaceId.New().Value);
        var digest = AccessRequests.Asked(body);
        var candidate = slug?.Value ?? SlugRules.FromName(name) ?? SlugRules.WithSuffix(Slug.FromName(name)?.Value);
        for (var tries = 1; ; tries++)
        {
            var made = await TryAsync(caller, owner, name, candidate, body.Plan ?? DefaultPlan, digest, ct);
            if (made is not null)
                return made;
            if (slug is not null || tries == AccessLimits.SlugTries)
            {
                throw WorkspaceProblems
                    .SlugTaken.Because($"'{candidate}' belongs to a workspace, or did so lately.")
                    .With("suggestion", SlugRules.WithSuffix(candidate))
                    .AsException();
            }
            candidate = SlugRules.WithSuffix(Slug.FromName(name)?.Value);
        }
    }

    /// <summary>Null when the slug is not free.</summary>
    private async Task<Outcome?> TryAsync(
        Caller caller,
        OwnerId owner,
        string name,
        string slug,
        string plan,
        Digest digest,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(
            new OperationContext(caller.Actor, owner, "create workspace"),
            ct
        );
        if (await Workspace.FindAsync(session, ct) is { } former)
            return new Outcome(Same(former, digest), Made: false);
        await CheckOwnedAsync(session, caller, ct);
        Workspace? made;
        try
        {
            made = await session.FirstAsync(
                $"""
                insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
                select platform.current_owner(), $1, $2, p.name, $4, $5, $6
                from access.plan p where p.name = $3 and p.name <> 'platform'
                on conflict (slug) do nothing
                returning {Workspace.Columns}
                """,
                Workspace.Read,
                ct,
                Sql.Text(slug),
                Sql.Text(name),
                Sql.Text(plan),
                Sql.Uuid(caller.Actor.Id.Value),
                Sql.Text(caller.Actor.Name),
                Sql.Digest(digest)
            );
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // The same request, sent twice at once: the other one won, and has committed.
            return new Outcome(Same(await FormerAsync(caller, owner, ct), digest), Made: false);
        }
        if (made is null)
        {
            await CheckPlanAsync(session, plan, ct);
            // The same request sent twice at once meets its own slug before its own id.
            if (await Workspace.FindAsync(session, ct) is { } twin)
                return new Outcome(Same(twin, digest), Made: false);
            return null;
        }
        // Looked at after the insert: whoever gave the slug up a moment ago has committed both by now.
        if (await session.FirstAsync("select access.is_held_slug($1)", row => row.GetBoolean(0), ct, Sql.Text(slug)))
            return null;
        if (caller.Person is { } person)
            await MemberRows.AddAsync(session, person, Role.Owner, ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Workspace,
            AccessEvents.WorkspaceCreated,
            AccessRequests.Event(
                new
                {
                    id = made.Id.Value,
                    slug,
                    name,
                    plan,
                }
            ),
            ct,
            after: made.Content
        );
        await session.CommitAsync(ct);
        return new Outcome(made, Made: true);
    }

    private async Task<Workspace> FormerAsync(Caller caller, OwnerId owner, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(
            new OperationContext(caller.Actor, owner, "create workspace"),
            ct
        );
        return await Workspace.FindAsync(session, ct) ?? throw WorkspaceProblems.NoSuchWorkspace();
    }

    private static Workspace Same(Workspace former, Digest digest) =>
        former.Asked == digest
            ? former
            : throw WorkspaceProblems
                .IdempotencyKeyReused.Because(
                    $"This {IdempotencyKey.Field} made the workspace '{former.Slug}', and asked for something else."
                )
                .AsException();

    private static async Task CheckPlanAsync(Session session, string plan, CancellationToken ct)
    {
        var plans = await session.ListAsync(
            "select name from access.plan where name <> 'platform' order by name limit 100",
            row => row.GetString(0),
            ct
        );
        if (!plans.Contains(plan, StringComparer.Ordinal))
        {
            AccessRequests.ThrowIfAny([
                new Fault("/plan", $"There is no plan '{plan}'; the plans are {string.Join(", ", plans)}."),
            ]);
        }
    }

    // One person's requests wait for one another here, so that many at once do not pass the limit together.
    private static async Task CheckOwnedAsync(Session session, Caller caller, CancellationToken ct)
    {
        if (caller.Person is null || caller.IsOperator)
            return;
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended('access.owned-workspaces ' || $1, 0))",
            ct,
            Sql.Text(caller.Actor.Id.ToString())
        );
        var (owned, allowed) = await session.FirstAsync(
            """
            select access.count_owned_workspaces(),
                (select allowed from access.plan_entitlement where plan = 'platform' and name = 'owned-workspaces')
            """,
            row => (row.GetInt64(0), row.IsDBNull(1) ? (long?)null : row.GetInt64(1)),
            ct
        );
        if (owned >= allowed)
            throw Entitlements.Reached("owned-workspaces", owned, allowed.Value).AsException();
    }
}

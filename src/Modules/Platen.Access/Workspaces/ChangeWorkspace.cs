using System.Globalization;
using System.Text.Json;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>Renames a workspace, moves it to another plan, closes it, and opens it again.</summary>
internal sealed class ChangeWorkspace(PostgresPools pools, Invalidation invalidation, TimeProvider clock)
{
    /// <summary>What is to be different; what is left out stays.</summary>
    public sealed record Body(string? Name = null, string? Slug = null, string? Plan = null);

    public sealed record Allowance(long? Allowed);

    public async Task<ReadWorkspaces.Detail> ChangeAsync(
        Caller caller,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var faults = new List<Fault>();
        var name = body.Name is null ? null : AccessRequests.Name(body.Name, "/name", faults);
        var slug = body.Slug is null ? null : SlugRules.Read(body.Slug, "/slug", faults);
        if (body.Plan is not null && !caller.IsOperator)
            faults.Add(new Fault("/plan", "Only an operator of the platform chooses the plan."));
        AccessRequests.ThrowIfAny(faults);

        await using var session = await pools.OpenAsync(caller.Operation("change workspace"), ct);
        var current = await LockAsync(session, precondition, ct);
        if (body.Plan is { } plan)
            await CheckPlanAsync(session, plan, ct);
        var wanted = current with
        {
            Name = name ?? current.Name,
            Slug = slug?.Value ?? current.Slug,
            Plan = body.Plan ?? current.Plan,
        };
        if (wanted != current)
        {
            await MoveSlugAsync(session, current, wanted, ct);
            await session.ExecuteAsync(
                """
                update access.workspace set name = $1, slug = $2, plan = $3, revision = revision + 1, updated_at = clock_timestamp()
                where owner = platform.current_owner()
                """,
                ct,
                Sql.Text(wanted.Name),
                Sql.Text(wanted.Slug),
                Sql.Text(wanted.Plan)
            );
            await TellAsync(session, current, wanted, ct);
        }
        return await CommitAsync(session, caller, ct);
    }

    /// <summary>Closes it: nobody can use it any more, nothing of it is served, and after the grace it is purged. Closing it again changes nothing.</summary>
    public async Task<ReadWorkspaces.Detail> DeleteAsync(Caller caller, Precondition precondition, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("delete workspace"), ct);
        var current = await LockAsync(session, precondition, ct);
        if (!current.IsDeleted)
        {
            var now = clock.GetUtcNow();
            var purgeAt = now.AddDays(AccessLimits.GraceDays);
            await ClosedOwners.CloseAsync(session, ct);
            await session.ExecuteAsync(
                """
                update access.workspace set status = 'deleted', deleted_at = $1, purge_at = $2, revision = revision + 1,
                    updated_at = clock_timestamp()
                where owner = platform.current_owner()
                """,
                ct,
                Time(now),
                Time(purgeAt)
            );
            await JobQueue.EnqueueAsync(
                session,
                PurgeWorkspace.JobKind,
                string.Create(CultureInfo.InvariantCulture, $"{current.Id}/{current.Revision + 1}"),
                JsonSerializer.SerializeToUtf8Bytes(new { revision = current.Revision + 1 }),
                new JobOptions { Delay = purgeAt - now },
                ct
            );
            await AccessEvents.TellAsync(
                session,
                AccessEvents.Workspace,
                AccessEvents.WorkspaceDeleted,
                AccessRequests.Event(
                    new
                    {
                        id = current.Id.Value,
                        slug = current.Slug,
                        purgeAt,
                    }
                ),
                ct,
                before: current.Content,
                after: (current with { Status = "deleted" }).Content
            );
        }
        return await CommitAsync(session, caller, ct);
    }

    /// <summary>Opens a closed one again, as it was. The job that would have purged it finds another revision and does nothing.</summary>
    public async Task<ReadWorkspaces.Detail> RestoreAsync(
        Caller caller,
        Precondition precondition,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("restore workspace"), ct);
        var current = await LockAsync(session, precondition, ct);
        if (current.IsDeleted)
        {
            if (!await ClosedOwners.ReopenAsync(session, ct))
            {
                throw KernelProblems
                    .Conflict.Because(
                        "Its grace is over, and it is being removed: what is left of it cannot be had back."
                    )
                    .AsException();
            }
            await session.ExecuteAsync(
                """
                update access.workspace set status = 'active', deleted_at = null, purge_at = null, revision = revision + 1,
                    updated_at = clock_timestamp()
                where owner = platform.current_owner()
                """,
                ct
            );
            await AccessEvents.TellAsync(
                session,
                AccessEvents.Workspace,
                AccessEvents.WorkspaceRestored,
                AccessRequests.Event(new { id = current.Id.Value, slug = current.Slug }),
                ct,
                before: current.Content,
                after: (current with { Status = "active" }).Content
            );
        }
        return await CommitAsync(session, caller, ct);
    }

    /// <summary>Allows it another amount of something than its plan does; an operator's decision.</summary>
    public async Task<ReadWorkspaces.Detail> AllowAsync(
        Caller caller,
        string name,
        Allowance allowance,
        Precondition precondition,
        CancellationToken ct
    )
    {
        if (!caller.IsOperator)
        {
            throw KernelProblems
                .Forbidden.Because("Only an operator of the platform changes what a workspace may use.")
                .AsException();
        }
        if (!Slug.TryParse(name, out _) || name.Length > 40 || !char.IsAsciiLetter(name[0]))
            throw KernelProblems.NotFound.Because("That is not the name of an entitlement.").AsException();
        if (allowance.Allowed < 0)
            AccessRequests.ThrowIfAny([new Fault("/allowed", "Must be 0 or more, or null for no limit.")]);
        await using var session = await pools.OpenAsync(caller.Operation("change entitlement"), ct);
        var current = await LockAsync(session, precondition, ct);
        var former = await session.ListAsync(
            "select allowed from access.entitlement where owner = platform.current_owner() and name = $1",
            row => row.IsDBNull(0) ? (long?)null : row.GetInt64(0),
            ct,
            Sql.Text(name)
        );
        await session.ExecuteAsync(
            """
            insert into access.entitlement (owner, name, allowed) values (platform.current_owner(), $1, $2)
            on conflict (owner, name) do update set allowed = excluded.allowed
            """,
            ct,
            Sql.Text(name),
            Sql.Long(allowance.Allowed)
        );
        await session.ExecuteAsync(
            "update access.workspace set revision = revision + 1, updated_at = clock_timestamp() where owner = platform.current_owner()",
            ct
        );
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Workspace,
            AccessEvents.EntitlementChanged,
            AccessRequests.Event(
                new
                {
                    id = current.Id.Value,
                    name,
                    allowed = allowance.Allowed,
                }
            ),
            ct,
            before: former is [var had] ? new { name, allowed = had } : null,
            after: new { name, allowed = allowance.Allowed }
        );
        return await CommitAsync(session, caller, ct);
    }

    private async Task<ReadWorkspaces.Detail> CommitAsync(Session session, Caller caller, CancellationToken ct)
    {
        var detail = await ReadWorkspaces.OneAsync(session, caller.Role, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(caller.Owner);
        return detail;
    }

    private static async Task<Workspace> LockAsync(Session session, Precondition precondition, CancellationToken ct)
    {
        if (session.Context.Owner.IsPlatform)
            throw KernelProblems.Conflict.Because("The platform itself stays as it is.").AsException();
        var current = await Workspace.LockAsync(session, ct);
        precondition.Check(current.Tag);
        return current;
    }

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

    // The former slug stays with the workspace for a while: it can go back to it, and nobody else can take it over.
    private async Task MoveSlugAsync(Session session, Workspace current, Workspace wanted, CancellationToken ct)
    {
        if (wanted.Slug == current.Slug)
            return;
        await session.ExecuteAsync(
            """
            insert into access.held_slug (owner, slug, until) values (platform.current_owner(), $1, $2)
            on conflict (owner, slug) do update set until = excluded.until
            """,
            ct,
            Sql.Text(current.Slug),
            Time(clock.GetUtcNow().AddDays(AccessLimits.HeldSlugDays))
        );
        var free = true;
        try
        {
            await session.ExecuteAsync(
                "update access.workspace set slug = $1 where owner = platform.current_owner()",
                ct,
                Sql.Text(wanted.Slug)
            );
            free = !await session.FirstAsync(
                "select access.is_held_slug($1)",
                row => row.GetBoolean(0),
                ct,
                Sql.Text(wanted.Slug)
            );
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            free = false;
        }
        if (!free)
        {
            throw WorkspaceProblems
                .SlugTaken.Because($"'{wanted.Slug}' belongs to a workspace, or did so lately.")
                .With("suggestion", SlugRules.WithSuffix(wanted.Slug))
                .AsException();
        }
    }

    private static async Task TellAsync(Session session, Workspace current, Workspace wanted, CancellationToken ct)
    {
        if (wanted.Name != current.Name || wanted.Slug != current.Slug)
        {
            await AccessEvents.TellAsync(
                session,
                AccessEvents.Workspace,
                AccessEvents.WorkspaceRenamed,
                AccessRequests.Event(
                    new
                    {
                        id = current.Id.Value,
                        slug = wanted.Slug,
                        formerSlug = current.Slug,
                        name = wanted.Name,
                    }
                ),
                ct,
                before: current.Content,
                after: (current with { Name = wanted.Name, Slug = wanted.Slug }).Content
            );
        }
        if (wanted.Plan != current.Plan)
        {
            await AccessEvents.TellAsync(
                session,
                AccessEvents.Workspace,
                AccessEvents.PlanChanged,
                AccessRequests.Event(
                    new
                    {
                        id = current.Id.Value,
                        plan = wanted.Plan,
                        formerPlan = current.Plan,
                    }
                ),
                ct,
                before: (current with { Name = wanted.Name, Slug = wanted.Slug }).Content,
                after: wanted.Content
            );
        }
    }

    private static NpgsqlParameter Time(DateTimeOffset at) => new NpgsqlParameter<DateTimeOffset> { TypedValue = at };
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.Workspaces;

/// <summary>A workspace, as the API gives it.</summary>
/// <param name="Id">Its id, which is the owner of its rows.</param>
/// <param name="Slug">Its name in addresses.</param>
/// <param name="Name">For people.</param>
/// <param name="Domain">Where its site is.</param>
/// <param name="Plan">What it may use.</param>
/// <param name="Status"><c>active</c>, or <c>deleted</c> until it is purged.</param>
/// <param name="Role">What the caller is in it; null for keys.</param>
/// <param name="Revision">Its version, which is its ETag.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="UpdatedAt">When it was changed last.</param>
/// <param name="DeletedAt">When it was closed.</param>
/// <param name="PurgeAt">When there is no way back.</param>
/// <param name="Entitlements">What it uses, of what it may.</param>
internal sealed record WorkspaceView(
    Guid Id,
    string Slug,
    string Name,
    string Domain,
    string Plan,
    string Status,
    string? Role,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? DeletedAt,
    DateTimeOffset? PurgeAt,
    IReadOnlyList<Entitlement> Entitlements
)
{
    public static WorkspaceView Of(ReadWorkspaces.Detail detail, AccessOptions options)
    {
        var w = detail.Workspace;
        return new WorkspaceView(
            w.Id.Value,
            w.Slug,
            w.Name,
            $"{w.Slug}.{options.Domain}",
            w.Plan,
            w.Status,
            detail.Role?.Name(),
            w.Revision,
            w.CreatedAt,
            w.CreatedBy,
            w.UpdatedAt,
            w.DeletedAt,
            w.PurgeAt,
            detail.Entitlements
        );
    }
}

/// <summary>A line of the list of workspaces.</summary>
internal sealed record WorkspaceLineView(
    Guid Id,
    string Slug,
    string Name,
    string Domain,
    string Plan,
    string Status,
    string? Role,
    DateTimeOffset CreatedAt,
    DateTimeOffset? PurgeAt
);

/// <summary>A page of workspaces, by slug; the cursor is null on the last.</summary>
internal sealed record WorkspaceListView(IReadOnlyList<WorkspaceLineView> Items, string? NextCursor);

/// <summary>Routes of workspaces, and who may use each.</summary>
internal static class WorkspacesEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Everybody who is somebody sees their own workspaces, and people make new ones; the plan says how many.
        var all = app.MapGroup("/v1/workspaces").WithTags("workspaces");
        all.MapGet("", List).WithName("listWorkspaces").NeedsCaller();
        all.MapPost("", Create)
            .WithName("createWorkspace")
            .Refuses(WorkspaceProblems.SlugTaken)
            .Audited(AccessEvents.WorkspaceCreated, AccessEvents.MemberAdded)
            .LeavesNothing("the same Idempotency-Key made it before")
            .Accepts<CreateWorkspace.Body>("application/json")
            .WithMetadata(new TakesIdempotencyKey())
            .NeedsCaller();

        var one = app.MapGroup("/v1/workspaces/{ws}").WithTags("workspaces");
        one.MapGet("", Read)
            .WithName("getWorkspace")
            .NeedsWorkspace(Scopes.WorkspaceRead, deletedToo: true, platformToo: true);
        one.MapPatch("", Change)
            .WithName("changeWorkspace")
            .Refuses(KernelProblems.Conflict, WorkspaceProblems.SlugTaken)
            .Audited(AccessEvents.WorkspaceRenamed, AccessEvents.PlanChanged)
            .LeavesNothing("nothing of it is another")
            .Accepts<ChangeWorkspace.Body>("application/json")
            .NeedsWorkspace(Scopes.WorkspaceManage);
        one.MapDelete("", Delete)
            .WithName("deleteWorkspace")
            .Refuses(KernelProblems.Conflict)
            .Audited(AccessEvents.WorkspaceDeleted)
            .NeedsWorkspace(Scopes.WorkspaceManage, deletedToo: true);
        one.MapPost("/restore", Restore)
            .WithName("restoreWorkspace")
            .Refuses(KernelProblems.Conflict)
            .WithMetadata(new Versioned())
            .Audited(AccessEvents.WorkspaceRestored)
            .NeedsWorkspace(Scopes.WorkspaceManage, deletedToo: true);
        one.MapPut("/entitlements/{name}", Allow)
            .WithName("setEntitlement")
            .Audited(AccessEvents.EntitlementChanged)
            .Accepts<ChangeWorkspace.Allowance>("application/json")
            .NeedsWorkspace(Scopes.WorkspaceManage);
    }

    private static async Task<Ok<WorkspaceListView>> List(
        ReadWorkspaces read,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? search = null,
        string? status = null,
        bool mine = false
    )
    {
        var page = await read.PageAsync(context.Caller(), cursor, limit, search, status, mine, ct);
        return TypedResults.Ok(
            new WorkspaceListView(
                [
                    .. page.Items.Select(w => new WorkspaceLineView(
                        w.Id.Value,
                        w.Slug,
                        w.Name,
                        $"{w.Slug}.{options.Domain}",
                        w.Plan,
                        w.Status,
                        w.Role,
                        w.CreatedAt,
                        w.PurgeAt
                    )),
                ],
                page.NextCursor
            )
        );
    }

    private static async Task<Results<Created<WorkspaceView>, Ok<WorkspaceView>>> Create(
        CreateWorkspace create,
        WorkspaceDirectory directory,
        ReadWorkspaces read,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    )
    {
        var key = IdempotencyKey.Read(context);
        var body = await context.BodyAsync<CreateWorkspace.Body>(ct);
        var outcome = await create.RunAsync(context.Caller(), body, key, ct);
        // Seen as its maker sees it from now on. One who repeats a creation may have left since: then it is not theirs to see.
        var entered =
            await directory.EnterAsync(
                context.Caller(),
                outcome.Workspace.Id.ToString(),
                deletedToo: true,
                platformToo: false,
                ct
            ) ?? throw WorkspaceProblems.NoSuchWorkspace();
        var detail = await read.OneAsync(entered, ct);
        context.Response.Headers.ETag = detail.Workspace.Tag;
        var view = WorkspaceView.Of(detail, options);
        return outcome.Made ? TypedResults.Created($"/v1/workspaces/{view.Slug}", view) : TypedResults.Ok(view);
    }

    private static async Task<Ok<WorkspaceView>> Read(
        string ws,
        ReadWorkspaces read,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await read.OneAsync(context.Caller(), ct), options);

    private static async Task<Ok<WorkspaceView>> Change(
        string ws,
        ChangeWorkspace change,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await context.BodyAsync<ChangeWorkspace.Body>(ct);
        return Answer(context, await change.ChangeAsync(context.Caller(), body, precondition, ct), options);
    }

    private static async Task<Ok<WorkspaceView>> Delete(
        string ws,
        ChangeWorkspace change,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await change.DeleteAsync(context.Caller(), context.RequirePrecondition(), ct), options);

    private static async Task<Ok<WorkspaceView>> Restore(
        string ws,
        ChangeWorkspace change,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await change.RestoreAsync(context.Caller(), context.RequirePrecondition(), ct), options);

    private static async Task<Ok<WorkspaceView>> Allow(
        string ws,
        string name,
        ChangeWorkspace change,
        AccessOptions options,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await context.BodyAsync<ChangeWorkspace.Allowance>(ct);
        return Answer(context, await change.AllowAsync(context.Caller(), name, body, precondition, ct), options);
    }

    private static Ok<WorkspaceView> Answer(HttpContext context, ReadWorkspaces.Detail detail, AccessOptions options)
    {
        context.Response.Headers.ETag = detail.Workspace.Tag;
        context.Response.Headers.CacheControl = "private, no-cache";
        return TypedResults.Ok(WorkspaceView.Of(detail, options));
    }
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>The routes of the module, and who may use each.</summary>
internal static class WidgetsEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Anybody may know which widget types there are: embedders and editors read the schemas.
        app.MapGet("/widgets/manifest.json", Manifest)
            .WithName("listWidgetTypes")
            .WithTags("widget types")
            .AllowAnonymous();
        app.MapGet("/widgets/{type}/schema.json", Schema)
            .WithName("getWidgetSchema")
            .Produces(200, contentType: "application/schema+json")
            .WithTags("widget types")
            .AllowAnonymous();

        // What is live of the platform's own is public, and so is a list of it.
        app.MapGet("/widgets/gallery.json", Gallery).WithName("listGallery").WithTags("instances").AllowAnonymous();
        // Editors learn which of their modes this server has.
        app.MapGet("/v1/stage", ReadStage).WithName("getStage").WithTags("stages").NeedsCaller();

        // Drafts are not public: reading them takes a key.
        app.MapGet("/v1/curated-instances", List)
            .WithName("listCuratedInstances")
            .WithTags("instances")
            .NeedsScope(Scopes.InstancesRead);
        // A workspace's own instances are for its members and its keys.
        var own = app.MapGroup("/v1/workspaces/{ws}/instances").WithTags("instances");
        own.MapGet("", ListOwn).WithName("listInstances").NeedsWorkspace(Scopes.InstancesRead);
        own.MapPost("", Create)
            .WithName("createInstance")
            .Refuses(WidgetsProblems.IdTaken, KernelProblems.LimitReached)
            .Accepts<CreateInstance.Body>("application/json")
            .Audited(WidgetEvents.Saved, WidgetEvents.OverlayChanged)
            .LeavesNothing("the same Idempotency-Key made it before")
            .NeedsWorkspace(Scopes.InstancesWrite);

        // One address for every instance; who may use it depends on the kind that the id says.
        var one = app.MapGroup("/v1/instances/{publicId}").WithTags("instances");
        one.MapGet("", Read).WithName("getInstance").NeedsInstance();
        one.MapGet("/locales/{locale}", ReadOverlay)
            .WithName("getOverlay")
            .Refuses(KernelProblems.Invalid)
            .NeedsInstance();
        one.MapGet("/publication", ReadPublication).WithName("getPublication").NeedsInstance();
        one.MapGet("/publication:preview", Preview).WithName("previewPublication").NeedsInstance();
        one.MapGet("/versions", ListVersions).WithName("listVersions").NeedsInstance();
        one.MapGet("/versions/{revision:long}", ReadVersion).WithName("getVersion").NeedsInstance();
        one.MapGet("/versions/{revision:long}/difference", CompareVersions).WithName("compareVersions").NeedsInstance();

        one.MapPut("", Save)
            .WithName("saveInstance")
            .Refuses(KernelProblems.Conflict, KernelProblems.LimitReached)
            .Accepts<SaveInstance.Body>("application/json")
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .LeavesNothing("it is so already")
            .CreatesInstance();
        one.MapPatch("", Change)
            .WithName("changeInstance")
            .Refuses(KernelProblems.Conflict)
            .Accepts<ChangeInstance.Body>("application/json")
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .LeavesNothing("it is so already")
            .WritesInstance();
        one.MapDelete("", Delete)
            .WithName("deleteInstance")
            .Refuses(KernelProblems.Conflict)
            .Audited(WidgetEvents.Deleted, WidgetEvents.Unpublished)
            .WritesInstance();
        one.MapPost("/restore", UndoDeletion)
            .WithName("restoreInstance")
            .Refuses(KernelProblems.Conflict)
            .WithMetadata(new Versioned())
            .Audited(WidgetEvents.Restored)
            .WritesInstance();
        one.MapPost("/type", Switch)
            .WithName("switchType")
            .Refuses(KernelProblems.Conflict)
            .WithMetadata(new Versioned())
            .Accepts<SwitchType.Body>("application/json")
            .Audited(WidgetEvents.Saved, WidgetEvents.OverlayChanged)
            .LeavesNothing("it is of that version already")
            .WritesInstance();
        one.MapPost("/versions/{revision:long}/restore", RestoreVersion)
            .WithName("restoreVersion")
            .Refuses(KernelProblems.Conflict)
            .WithMetadata(new Versioned())
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .LeavesNothing("it is so already")
            .WritesInstance();
        one.MapPut("/locales/{locale}", WriteOverlay)
            .WithName("saveOverlay")
            .Refuses(KernelProblems.Conflict)
            .Accepts<SaveOverlay.Body>("application/json")
            .Audited(WidgetEvents.OverlayChanged)
            .LeavesNothing("it is so already")
            .WritesInstance();
        one.MapDelete("/locales/{locale}", RemoveOverlay)
            .WithName("removeOverlay")
            .Audited(WidgetEvents.OverlayChanged)
            .LeavesNothing("it is so already")
            .WritesInstance();
        // Going back among what was published is for every stage; the verb refuses the rest where it must.
        one.MapPut("/publication", Publish)
            .WithName("publishInstance")
            .Refuses(KernelProblems.Conflict, KernelProblems.LimitReached)
            .Accepts<PublishInstance.Body>("application/json")
            .Audited(WidgetEvents.Published, WidgetEvents.WentBack, WidgetEvents.GatesForced)
            .LeavesNothing("it is live already")
            .MovesInstance();
        // Whoever may read it and has this right shows it to others, for a while.
        one.MapPost("/embed-tokens", IssueToken)
            .WithName("issueEmbedToken")
            .Accepts<IssueEmbedToken.Body>("application/json")
            .RateLimited(RateLimitPolicies.Token)
            .NotAudited("a token is not kept: it shows one instance for a while to somebody who may see it")
            .NeedsInstance();
        one.MapDelete("/embed-tokens", RevokeTokens)
            .WithName("revokeEmbedTokens")
            .WithMetadata(new Unversioned())
            .Audited(WidgetEvents.TokensRevoked)
            .WithoutDigests("tokens are not kept, so there is nothing that changes", WidgetEvents.TokensRevoked)
            .NeedsInstance();
        one.MapDelete("/embed-tokens/{tokenId:guid}", RevokeToken)
            .WithName("revokeEmbedToken")
            .Refuses(KernelProblems.Conflict)
            .WithMetadata(new Unversioned())
            .Audited(WidgetEvents.TokensRevoked)
            .WithoutDigests("tokens are not kept, so there is nothing that changes", WidgetEvents.TokensRevoked)
            .NeedsInstance();
        one.MapDelete("/publication", EndPublication)
            .WithName("unpublishInstance")
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .LeavesNothing("it is so already")
            .WritesInstance();
    }

    private static Ok<WidgetTypesView> Manifest(WidgetRegistry registry, HttpContext context)
    {
        context.Response.Headers.CacheControl = "public, max-age=60";
        return TypedResults.Ok(
            new WidgetTypesView([
                .. registry.Packages.Select(p => new WidgetTypeView(
                    p.Type.Value,
                    p.Title,
                    p.Description,
                    p.Version,
                    p.Digest,
                    $"/widgets/{p.Type}/schema.json"
                )),
            ])
        );
    }

    private static async Task<Ok<ReadGallery.Page>> Gallery(
        ReadGallery gallery,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? type = null
    )
    {
        context.Response.Headers.CacheControl = "public, max-age=60";
        return TypedResults.Ok(await gallery.PageAsync(cursor, limit, type, ct));
    }

    private static Ok<StageView> ReadStage(Stage stage) =>
        TypedResults.Ok(
            new StageView(
                stage.Name,
                stage.Profile == StageProfile.Cloud ? "published" : "written",
                stage.Profile == StageProfile.Authoring ? "none" : "written"
            )
        );

    private static FileContentHttpResult Schema(string type, WidgetRegistry registry) =>
        registry.TryFind(type, out var package)
            ? TypedResults.Bytes(package.SchemaBytes.ToArray(), "application/schema+json")
            : throw KernelProblems.NotFound.Because("There is no such widget type.").AsException();

    private static async Task<Ok<InstanceListView>> List(
        ReadInstances read,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? type = null,
        string? status = null,
        string? q = null
    )
    {
        var filter = new ReadInstances.Filter(type, status, q);
        var page = await read.PageAsync(context.Caller(), InstanceHome.Curated, filter, cursor, limit, ct);
        return TypedResults.Ok(new InstanceListView(page.Items, page.NextCursor));
    }

    private static async Task<Ok<InstanceListView>> ListOwn(
        ReadInstances read,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? type = null,
        string? status = null,
        string? q = null,
        bool deleted = false
    )
    {
        var filter = new ReadInstances.Filter(type, status, q, deleted);
        var page = await read.PageAsync(context.Caller(), InstanceHome.User, filter, cursor, limit, ct);
        return TypedResults.Ok(new InstanceListView(page.Items, page.NextCursor));
    }

    private static async Task<Results<Ok<InstanceView>, Created<InstanceView>>> Create(
        CreateInstance create,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await JsonBody.ReadAsync<CreateInstance.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var made = await create.RunAsync(context.Caller(), body, IdempotencyKey.Read(context), ct);
        context.Response.Headers.ETag = made.Detail.Instance.Tag;
        return made.Created
            ? TypedResults.Created($"/v1/instances/{made.Detail.Instance.PublicId}", InstanceView.Of(made.Detail))
            : TypedResults.Ok(InstanceView.Of(made.Detail));
    }

    private static async Task<Ok<InstanceView>> Change(
        string publicId,
        ChangeInstance change,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<ChangeInstance.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var id = InstanceRequests.ParseId(publicId);
        return Tagged(context, await change.RunAsync(context.Caller(), id, body, precondition, ct));
    }

    private static async Task<Ok<DeletedView>> Delete(
        string publicId,
        DeleteInstance delete,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var gone = await delete.RunAsync(context.Caller(), id, context.RequirePrecondition(), ct);
        context.Response.Headers.ETag = gone.Instance.Tag;
        return TypedResults.Ok(new DeletedView(gone.Instance.PublicId, gone.Instance.Revision, gone.PurgeAt));
    }

    private static async Task<Ok<InstanceView>> UndoDeletion(
        string publicId,
        DeleteInstance delete,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        return Tagged(context, await delete.UndoAsync(context.Caller(), id, context.RequirePrecondition(), ct));
    }

    private static async Task<Ok<SwitchType.Outcome>> Switch(
        string publicId,
        SwitchType change,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<SwitchType.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var id = InstanceRequests.ParseId(publicId);
        return TypedResults.Ok(await change.RunAsync(context.Caller(), id, body, precondition, ct));
    }

    private static async Task<Ok<InstanceHistory.Page>> ListVersions(
        string publicId,
        InstanceHistory history,
        HttpContext context,
        CancellationToken ct,
        long? before = null,
        int? limit = null
    ) =>
        TypedResults.Ok(
            await history.PageAsync(context.Caller(), InstanceRequests.ParseId(publicId), before, limit, ct)
        );

    private static async Task<Ok<InstanceVersion>> ReadVersion(
        string publicId,
        long revision,
        InstanceHistory history,
        HttpContext context,
        CancellationToken ct
    ) => TypedResults.Ok(await history.OneAsync(context.Caller(), InstanceRequests.ParseId(publicId), revision, ct));

    private static async Task<Ok<InstanceHistory.Difference>> CompareVersions(
        string publicId,
        long revision,
        InstanceHistory history,
        HttpContext context,
        CancellationToken ct,
        long? to = null
    ) =>
        TypedResults.Ok(
            await history.CompareAsync(context.Caller(), InstanceRequests.ParseId(publicId), revision, to, ct)
        );

    private static async Task<Ok<InstanceView>> RestoreVersion(
        string publicId,
        long revision,
        InstanceHistory history,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var precondition = context.RequirePrecondition();
        return Tagged(context, await history.RestoreAsync(context.Caller(), id, revision, precondition, ct));
    }

    private static Ok<InstanceView> Tagged(HttpContext context, InstanceDetail detail)
    {
        context.Response.Headers.ETag = detail.Instance.Tag;
        return TypedResults.Ok(InstanceView.Of(detail));
    }

    private static async Task<Ok<InstanceView>> Read(
        string publicId,
        ReadInstances read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var detail = await read.OneAsync(context.Caller(), InstanceRequests.ParseId(publicId), ct);
        context.Response.Headers.ETag = detail.Instance.Tag;
        context.Response.Headers.CacheControl = "private, no-cache";
        return TypedResults.Ok(InstanceView.Of(detail));
    }

    private static async Task<Results<Ok<InstanceView>, Created<InstanceView>>> Save(
        string publicId,
        SaveInstance save,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<SaveInstance.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var saved = await save.RunAsync(context.Caller(), id, body, precondition, ct);
        context.Response.Headers.ETag = saved.Detail.Instance.Tag;
        return saved.Created
            ? TypedResults.Created($"/v1/instances/{id}", InstanceView.Of(saved.Detail))
            : TypedResults.Ok(InstanceView.Of(saved.Detail));
    }

    private static async Task<Ok<OverlayView>> ReadOverlay(
        string publicId,
        string locale,
        ReadInstances read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var overlay = await read.OverlayAsync(context.Caller(), id, locale, ct);
        context.Response.Headers.ETag = overlay.Tag;
        return TypedResults.Ok(OverlayView.Of(id, overlay));
    }

    private static async Task<Results<Ok<OverlayView>, Created<OverlayView>>> WriteOverlay(
        string publicId,
        string locale,
        SaveOverlay save,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<SaveOverlay.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var saved = await save.RunAsync(context.Caller(), id, locale, body, precondition, ct);
        context.Response.Headers.ETag = saved.Overlay.Tag;
        var view = OverlayView.Of(id, saved.Overlay);
        return saved.Created
            ? TypedResults.Created($"/v1/instances/{id}/locales/{saved.Overlay.Locale}", view)
            : TypedResults.Ok(view);
    }

    private static async Task<NoContent> RemoveOverlay(
        string publicId,
        string locale,
        SaveOverlay save,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        await save.RemoveAsync(context.Caller(), id, locale, context.RequirePrecondition(), ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<PublicationView>> ReadPublication(
        string publicId,
        ReadInstances read,
        HttpContext context,
        CancellationToken ct,
        long? before = null,
        int? limit = null
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var publication = await read.PublicationAsync(
            context.Caller(),
            id,
            before,
            limit ?? Limits.DefaultPageItems,
            ct
        );
        return TypedResults.Ok(PublicationView.Of(id, publication));
    }

    private static async Task<Ok<PreviewPublication.Outcome>> Preview(
        string publicId,
        PreviewPublication preview,
        HttpContext context,
        CancellationToken ct
    ) => TypedResults.Ok(await preview.RunAsync(context.Caller(), InstanceRequests.ParseId(publicId), ct));

    private static async Task<Ok<EmbedTokenView>> IssueToken(
        string publicId,
        IssueEmbedToken issue,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await JsonBody.ReadAsync<IssueEmbedToken.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(await issue.RunAsync(context.Caller(), InstanceRequests.ParseId(publicId), body, ct));
    }

    private static async Task<NoContent> RevokeTokens(
        string publicId,
        RevokeEmbedTokens revoke,
        HttpContext context,
        CancellationToken ct
    )
    {
        await revoke.RunAsync(context.Caller(), InstanceRequests.ParseId(publicId), token: null, ct);
        return TypedResults.NoContent();
    }

    private static async Task<NoContent> RevokeToken(
        string publicId,
        Guid tokenId,
        RevokeEmbedTokens revoke,
        HttpContext context,
        CancellationToken ct
    )
    {
        // To the database that one means all of them.
        if (tokenId == Guid.Empty)
            throw KernelProblems.NotFound.Because("That is no token's id.").AsException();
        await revoke.RunAsync(context.Caller(), InstanceRequests.ParseId(publicId), tokenId, ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<PublishedView>> Publish(
        string publicId,
        PublishInstance publish,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        var precondition = context.RequirePrecondition();
        var body =
            context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
            && context.Request.ContentLength != 0
                ? await JsonBody.ReadAsync<PublishInstance.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct)
                : new PublishInstance.Body();
        var outcome = await publish.RunAsync(context.Caller(), id, body, precondition, ct);
        context.Response.Headers.ETag = outcome.Instance.Tag;
        return TypedResults.Ok(PublishedView.Of(outcome));
    }

    private static async Task<NoContent> EndPublication(
        string publicId,
        Unpublish unpublish,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseId(publicId);
        await unpublish.RunAsync(context.Caller(), id, context.RequirePrecondition(), ct);
        return TypedResults.NoContent();
    }
}

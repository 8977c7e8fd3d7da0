using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;
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

        // Drafts are not public: reading them takes a key.
        app.MapGet("/v1/curated-instances", List)
            .WithName("listCuratedInstances")
            .WithTags("instances")
            .NeedsScope(Scopes.InstancesRead);
        var one = app.MapGroup("/v1/instances/{publicId}").WithTags("instances");
        one.MapGet("", Read).WithName("getInstance").NeedsScope(Scopes.InstancesRead);
        one.MapGet("/locales/{locale}", ReadOverlay).WithName("getOverlay").NeedsScope(Scopes.InstancesRead);
        one.MapGet("/publication", ReadPublication).WithName("getPublication").NeedsScope(Scopes.InstancesRead);
        one.MapGet("/publication:preview", Preview).WithName("previewPublication").NeedsScope(Scopes.InstancesRead);

        // The platform's content is written by publishers only; the database asks again.
        one.MapPut("", Save)
            .WithName("saveInstance")
            .Accepts<SaveInstance.Body>("application/json")
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .NeedsScope(Scopes.CuratedPublish);
        one.MapPut("/locales/{locale}", WriteOverlay)
            .WithName("saveOverlay")
            .Accepts<SaveOverlay.Body>("application/json")
            .Audited(WidgetEvents.OverlayChanged)
            .NeedsScope(Scopes.CuratedPublish);
        one.MapDelete("/locales/{locale}", RemoveOverlay)
            .WithName("removeOverlay")
            .Audited(WidgetEvents.OverlayChanged)
            .NeedsScope(Scopes.CuratedPublish);
        one.MapPut("/publication", Publish)
            .WithName("publishInstance")
            .Accepts<PublishInstance.Body>("application/json")
            .Audited(WidgetEvents.Published, WidgetEvents.WentBack)
            .NeedsScope(Scopes.CuratedPublish);
        one.MapDelete("/publication", EndPublication)
            .WithName("unpublishInstance")
            .Audited(WidgetEvents.Saved, WidgetEvents.Unpublished)
            .NeedsScope(Scopes.CuratedPublish);
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
        string? status = null
    )
    {
        var page = await read.PageAsync(context.Caller(), cursor, limit, type, status, ct);
        return TypedResults.Ok(new InstanceListView(page.Items, page.NextCursor));
    }

    private static async Task<Ok<InstanceView>> Read(
        string publicId,
        ReadInstances read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var detail = await read.OneAsync(context.Caller(), InstanceRequests.ParseCuratedId(publicId), ct);
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
        var id = InstanceRequests.ParseCuratedId(publicId);
        var precondition = RequirePrecondition(context);
        var body = await JsonBody.ReadAsync<SaveInstance.Body>(context, Limits.JsonBodyBytes, BodyJson, ct);
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
        var id = InstanceRequests.ParseCuratedId(publicId);
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
        var id = InstanceRequests.ParseCuratedId(publicId);
        var precondition = RequirePrecondition(context);
        var body = await JsonBody.ReadAsync<SaveOverlay.Body>(context, Limits.JsonBodyBytes, BodyJson, ct);
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
        var id = InstanceRequests.ParseCuratedId(publicId);
        await save.RemoveAsync(context.Caller(), id, locale, RequirePrecondition(context), ct);
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
        var id = InstanceRequests.ParseCuratedId(publicId);
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
    ) => TypedResults.Ok(await preview.RunAsync(context.Caller(), InstanceRequests.ParseCuratedId(publicId), ct));

    private static async Task<Ok<PublishedView>> Publish(
        string publicId,
        PublishInstance publish,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = InstanceRequests.ParseCuratedId(publicId);
        var precondition = RequirePrecondition(context);
        var body =
            context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
            && context.Request.ContentLength != 0
                ? await JsonBody.ReadAsync<PublishInstance.Body>(context, Limits.JsonBodyBytes, BodyJson, ct)
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
        var id = InstanceRequests.ParseCuratedId(publicId);
        await unpublish.RunAsync(context.Caller(), id, RequirePrecondition(context), ct);
        return TypedResults.NoContent();
    }

    private static Precondition RequirePrecondition(HttpContext context) =>
        Precondition.Require(Joined(context.Request.Headers.IfMatch), Joined(context.Request.Headers.IfNoneMatch));

    private static string? Joined(Microsoft.Extensions.Primitives.StringValues field) =>
        field.Count == 0 ? null : string.Join(", ", field.AsEnumerable());

    private static readonly JsonSerializerOptions BodyJson = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        PropertyNameCaseInsensitive = false,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.Strict,
    };
}

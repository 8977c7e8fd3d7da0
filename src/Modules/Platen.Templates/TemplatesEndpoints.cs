using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Http;

namespace Platen.Templates;

/// <summary>The routes of the module, and who may use each.</summary>
internal static class TemplatesEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Prompts are trade secrets more often than not: nothing of a template is public. A key asks for its owner's and, in reading, for
        // the platform's; whoever belongs to several workspaces says which one is meant.
        Map(app.MapGroup("/v1/templates").WithTags("templates"), "", (route, scope) => route.NeedsScope(scope));
        Map(
            app.MapGroup("/v1/workspaces/{ws}/templates").WithTags("templates"),
            "InWorkspace",
            (route, scope) => route.NeedsWorkspace(scope)
        );
        MapRetention(app, "/v1/template-retention", "", (route, scope) => route.NeedsScope(scope));
        MapRetention(
            app,
            "/v1/workspaces/{ws}/template-retention",
            "InWorkspace",
            (route, scope) => route.NeedsWorkspace(scope, platformToo: true)
        );
    }

    private static void MapRetention(
        IEndpointRouteBuilder app,
        string path,
        string where,
        Func<IEndpointConventionBuilder, string, IEndpointConventionBuilder> needs
    )
    {
        needs(
            app.MapGet(path, ReadRetention).WithName("getTemplateRetention" + where).WithTags("templates"),
            Scopes.TemplatesRead
        );
        // Whoever may remove versions may say when they go by themselves.
        needs(
            app.MapPut(path, ChangeRetention)
                .WithName("setTemplateRetention" + where)
                .WithTags("templates")
                .Audited(TemplateEvents.RetentionChanged)
                .LeavesNothing("it is so already")
                .Accepts<SetRetention.Body>("application/json"),
            Scopes.TemplatesPush
        );
    }

    private static void Map(
        RouteGroupBuilder all,
        string where,
        Func<IEndpointConventionBuilder, string, IEndpointConventionBuilder> needs
    )
    {
        needs(all.MapGet("", List).WithName("listTemplates" + where), Scopes.TemplatesRead);
        var one = all.MapGroup("/{name}");
        one.AddEndpointFilterFactory(ForgetAfterWrites);
        needs(one.MapGet("", Read).WithName("getTemplate" + where), Scopes.TemplatesRead);
        needs(
            one.MapGet("/resolve", Resolve)
                .WithName("resolveTemplate" + where)
                .Refuses(TemplatesProblems.TemplateDisabled, TemplatesProblems.AmbiguousArtifact)
                .Produces<ResolutionView>()
                .Produces(StatusCodes.Status304NotModified),
            Scopes.TemplatesRead
        );
        // Who may resolve may hear that what is resolved has changed: what an event tells, the routes here tell too.
        needs(one.MapEventStream("/events", FindStream).WithName("followTemplate" + where), Scopes.TemplatesRead);
        needs(one.MapGet("/versions", ListVersions).WithName("listTemplateVersions" + where), Scopes.TemplatesRead);
        needs(
            one.MapGet("/versions/{semver}", ReadVersion)
                .WithName("getTemplateVersion" + where)
                .Refuses(KernelProblems.Malformed),
            Scopes.TemplatesRead
        );
        needs(one.MapGet("/diff", Diff).WithName("diffTemplateVersions" + where), Scopes.TemplatesRead);
        needs(one.MapGet("/channels", ListChannels).WithName("listTemplateChannels" + where), Scopes.TemplatesRead);
        needs(
            one.MapGet("/channels/{channel}", ReadChannel).WithName("getTemplateChannel" + where),
            Scopes.TemplatesRead
        );
        needs(
            one.MapGet("/channels/{channel}/trials", ListTrials).WithName("listTrials" + where),
            Scopes.TemplatesRead
        );
        needs(one.MapGet("/pins", ListPins).WithName("listTemplatePins" + where), Scopes.TemplatesRead);
        needs(
            one.MapGet("/move-requests", ListMoveRequests).WithName("listMoveRequests" + where),
            Scopes.TemplatesRead
        );
        needs(
            one.MapGet("/move-requests/{id:guid}", ReadMoveRequest).WithName("getMoveRequest" + where),
            Scopes.TemplatesRead
        );
        needs(
            one.MapGet("/blobs/{digest}", ReadBlob)
                .WithName("getTemplateBlob" + where)
                .Refuses(KernelProblems.Malformed)
                .Produces(200, contentType: "application/octet-stream"),
            Scopes.TemplatesRead
        );

        // Whoever may push may also say what is live: a push without its channel is half a release.
        needs(
            one.MapPut("", Save)
                .WithName("saveTemplate" + where)
                .Refuses(KernelProblems.LimitReached)
                .Audited(TemplateEvents.Changed)
                .LeavesNothing("it is so already")
                .Accepts<SaveTemplate.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/blobs/{digest}", PutBlob)
                .WithName("putTemplateBlob" + where)
                .Refuses(KernelProblems.LimitReached)
                .NotAudited("bytes mean nothing until a version refers to them")
                .Accepts<byte[]>("application/octet-stream"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPost("/blobs:missing", Missing)
                .WithName("findMissingTemplateBlobs" + where)
                .NotAudited("it is a question, and writes nothing")
                .Accepts<StoreBlobs.MissingBody>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/versions/{semver}", Commit)
                .WithName("commitTemplateVersion" + where)
                .Refuses(KernelProblems.Conflict, TemplatesProblems.VersionIsImmutable, KernelProblems.LimitReached)
                .Audited(TemplateEvents.VersionPushed, TemplateEvents.Changed)
                .LeavesNothing("it is there already, with the same content")
                .Accepts<CommitVersion.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPatch("/versions/{semver}", Change)
                .WithName("changeTemplateVersion" + where)
                .Refuses(TemplatesProblems.StatusGoesForward)
                .Audited(TemplateEvents.VersionChanged)
                .Accepts<ChangeVersion.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPost("/versions:expire", Expire)
                .WithName("expireTemplateVersions" + where)
                .Audited(TemplateEvents.VersionRemoved)
                .LeavesNothing("it is a dry run, or nothing is past its time")
                .Accepts<ExpireVersions.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/channels/{channel}", Move)
                .WithName("moveTemplateChannel" + where)
                .Refuses(KernelProblems.Conflict, TemplatesProblems.ReservedChannel)
                .Audited(TemplateEvents.ChannelMoved, TemplateEvents.MoveRequested)
                .LeavesNothing("it points there already")
                .Accepts<ChannelOrder>("application/json")
                .Produces<ChannelView>()
                .Produces<MoveRequestView>(StatusCodes.Status202Accepted),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/channels/{channel}/protection", Protect)
                .WithName("protectTemplateChannel" + where)
                .Refuses(KernelProblems.Conflict, TemplatesProblems.ReservedChannel)
                .Audited(TemplateEvents.ChannelProtected)
                .LeavesNothing("it is protected already"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapDelete("/channels/{channel}/protection", EndProtection)
                .WithName("askToEndProtection" + where)
                .Refuses(KernelProblems.Conflict)
                .Audited(TemplateEvents.MoveRequested),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/move-requests/{id:guid}/decision", Decide)
                .WithName("decideMoveRequest" + where)
                .Refuses(KernelProblems.Conflict)
                .Audited(TemplateEvents.MoveRequested, TemplateEvents.ChannelMoved)
                .Accepts<DecideMove.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapPut("/pins/{environment}", SetPin)
                .WithName("pinTemplate" + where)
                .Audited(TemplateEvents.Pinned)
                .Accepts<PinTemplate.Body>("application/json"),
            Scopes.TemplatesPush
        );
        needs(
            one.MapDelete("/pins/{environment}", RemovePin)
                .WithName("unpinTemplate" + where)
                .Audited(TemplateEvents.Pinned),
            Scopes.TemplatesPush
        );

        // A program that uses templates tells how it fared; it need not be able to change any.
        needs(
            one.MapPost("/channels/{channel}/outcomes", Record)
                .WithName("recordOutcomes" + where)
                .Refuses(KernelProblems.Conflict)
                .NotAudited("outcomes are figures; the end of their trial is audited")
                .Accepts<RecordOutcomes.Body>("application/json"),
            Scopes.TemplatesReport
        );
    }

    /// <summary>Whoever wrote is answered by what it wrote: this node does not wait to hear of it.</summary>
    private static EndpointFilterDelegate ForgetAfterWrites(
        EndpointFilterFactoryContext made,
        EndpointFilterDelegate next
    )
    {
        var answers = made.ApplicationServices.GetRequiredService<ResolveAnswers>();
        return async invocation =>
        {
            var context = invocation.HttpContext;
            if (HttpMethods.IsGet(context.Request.Method))
                return await next(invocation);
            try
            {
                return await next(invocation);
            }
            finally
            {
                answers.Forget(context.Caller().Owner, (string)context.GetRouteValue("name")!);
            }
        };
    }

    private static async Task<Ok<TemplateListView>> List(
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct,
        string? q = null,
        bool? enabled = null,
        string? kind = null,
        string? cursor = null,
        int? limit = null
    )
    {
        var page = await read.PageAsync(context.Caller(), q, enabled, kind, cursor, limit, ct);
        return TypedResults.Ok(new TemplateListView(page.Items, page.NextCursor));
    }

    private static async Task<Ok<TemplateView>> Read(
        string name,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var state = await read.StateAsync(context.Caller(), TemplateRequests.ParseName(name), ct);
        context.StateVersion(state.Template.Tag);
        return TypedResults.Ok(TemplateView.Of(state));
    }

    private static async Task<Results<Ok<TemplateView>, Created<TemplateView>>> Save(
        string name,
        SaveTemplate save,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var precondition = context.RequirePrecondition();
        var body = await BodyOrAsync(context, () => new SaveTemplate.Body(), ct);
        var saved = await save.RunAsync(context.Caller(), id, body, precondition, ct);
        context.StateVersion(saved.Template.Tag);
        var view = TemplateView.Of(await read.StateAsync(context.Caller(), id, ct));
        return saved.Created ? TypedResults.Created(PlaceOf(context, id), view) : TypedResults.Ok(view);
    }

    private static async ValueTask<(OwnerId, StreamId)> FindStream(HttpContext context)
    {
        var name = TemplateRequests.ParseName((string)context.GetRouteValue("name")!);
        var read = context.RequestServices.GetRequiredService<ReadTemplates>();
        var owner = await read.OwnerAsync(context.Caller(), name, context.RequestAborted);
        context.RequestServices.GetRequiredService<LongRequests>().Watch(context, Scopes.TemplatesRead);
        return (owner, TemplateEvents.Stream(name));
    }

    private static async Task<Ok<VersionListView>> ListVersions(
        string name,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct,
        string? status = null,
        string? cursor = null,
        int? limit = null
    )
    {
        var state = await read.StateAsync(context.Caller(), TemplateRequests.ParseName(name), ct);
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        var versions = state.Versions.Reverse().Where(v => status is null || v.Status == status);
        if (!string.IsNullOrEmpty(cursor))
        {
            var last = TemplateRequests.ParseVersion(cursor);
            versions = versions.Where(v => v.Version < last);
        }
        var page = versions.Take(size + 1).Select(VersionSummaryView.Of).ToList();
        return TypedResults.Ok(
            page.Count > size
                ? new VersionListView(page[..size], page[size - 1].Version)
                : new VersionListView(page, null)
        );
    }

    private static async Task<Ok<VersionView>> ReadVersion(
        string name,
        string semver,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var detail = await read.VersionAsync(context.Caller(), id, TemplateRequests.ParseVersion(semver), ct);
        context.StateVersion(detail.Version.Tag);
        return TypedResults.Ok(VersionView.Of(PlaceOf(context, id), detail.Version, detail.Artifacts));
    }

    private static async Task<Results<Ok<CommittedView>, Created<CommittedView>>> Commit(
        string name,
        string semver,
        CommitVersion commit,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var version = TemplateRequests.ParseVersion(semver);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<CommitVersion.Body>(
            context,
            TemplateLimits.ManifestBytes,
            JsonBody.Shape,
            ct
        );
        var outcome = await commit.RunAsync(context.Caller(), id, version, body, precondition, ct);
        context.StateVersion(outcome.Version.Tag);
        var view = new CommittedView(
            outcome.Changed ? "committed" : "unchanged",
            VersionView.Of(PlaceOf(context, id), outcome.Version, outcome.Artifacts)
        );
        return outcome.Created
            ? TypedResults.Created($"{PlaceOf(context, id)}/versions/{version}", view)
            : TypedResults.Ok(view);
    }

    private static async Task<Ok<VersionView>> Change(
        string name,
        string semver,
        ChangeVersion change,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var version = TemplateRequests.ParseVersion(semver);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<ChangeVersion.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var changed = await change.RunAsync(context.Caller(), id, version, body, precondition, ct);
        context.StateVersion(changed.Tag);
        var detail = await read.VersionAsync(context.Caller(), id, version, ct);
        return TypedResults.Ok(VersionView.Of(PlaceOf(context, id), changed, detail.Artifacts));
    }

    private static async Task<Ok<ExpireVersions.View>> Expire(
        string name,
        ExpireVersions expire,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var body = await JsonBody.ReadAsync<ExpireVersions.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        return TypedResults.Ok(await expire.RunAsync(context.Caller(), id, body, ct));
    }

    private static async Task<Ok<Retention>> ReadRetention(
        SetRetention retention,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await retention.ReadAsync(context.Caller(), ct));

    private static async Task<Ok<Retention>> ChangeRetention(
        SetRetention retention,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<SetRetention.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        return Answer(context, await retention.RunAsync(context.Caller(), body, precondition, ct));
    }

    private static Ok<Retention> Answer(HttpContext context, Retention retention)
    {
        context.StateVersion(retention.Tag);
        return TypedResults.Ok(retention);
    }

    private static async Task<Ok<DifferenceView>> Diff(
        string name,
        string from,
        string to,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var difference = await read.DifferenceAsync(
            context.Caller(),
            id,
            TemplateRequests.ParseVersion(from),
            TemplateRequests.ParseVersion(to),
            ct
        );
        return TypedResults.Ok(new DifferenceView(id.Value, from, to, difference.Changes));
    }

    private static async Task<Ok<ChannelListView>> ListChannels(
        string name,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var channels = await read.ChannelsAsync(context.Caller(), id, ct);
        return TypedResults.Ok(new ChannelListView([.. channels.Select(c => ChannelView.Of(id, c, []))]));
    }

    private static async Task<Ok<ChannelView>> ReadChannel(
        string name,
        string channel,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var (detail, moves) = await read.ChannelAsync(context.Caller(), id, TemplateRequests.ParseChannel(channel), ct);
        if (detail.Tag is { } tag)
            context.StateVersion(tag);
        return TypedResults.Ok(ChannelView.Of(id, detail, moves));
    }

    private static async Task<Results<Ok<ChannelView>, Created<ChannelView>, Accepted<MoveRequestView>>> Move(
        string name,
        string channel,
        MoveChannel move,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        channel = TemplateRequests.ParseChannel(channel);
        var precondition = context.RequirePrecondition();
        var order = await JsonBody.ReadAsync<ChannelOrder>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        switch (await move.RunAsync(context.Caller(), id, channel, order, precondition, ct))
        {
            case MoveChannel.Outcome.Done done:
                context.StateVersion(done.Channel.Tag!);
                var view = ChannelView.Of(id, done.Channel, []);
                return done.Created
                    ? TypedResults.Created($"{PlaceOf(context, id)}/channels/{channel}", view)
                    : TypedResults.Ok(view);
            case MoveChannel.Outcome.Asked asked:
                return Accepted(context, id, asked.Request);
            default:
                throw new InvalidOperationException("The hierarchy is closed.");
        }
    }

    private static async Task<NoContent> Protect(
        string name,
        string channel,
        DecideMove decide,
        HttpContext context,
        CancellationToken ct
    )
    {
        await decide.ProtectAsync(
            context.Caller(),
            TemplateRequests.ParseName(name),
            TemplateRequests.ParseChannel(channel),
            context.RequirePrecondition(),
            ct
        );
        context.Response.Headers.ETag = "\"protected\"";
        return TypedResults.NoContent();
    }

    private static async Task<Accepted<MoveRequestView>> EndProtection(
        string name,
        string channel,
        DecideMove decide,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        channel = TemplateRequests.ParseChannel(channel);
        var request = await decide.AskToEndProtectionAsync(
            context.Caller(),
            id,
            channel,
            context.RequirePrecondition(),
            ct
        );
        return Accepted(context, id, request);
    }

    private static async Task<Ok<MoveRequestListView>> ListMoveRequests(
        string name,
        DecideMove decide,
        HttpContext context,
        CancellationToken ct,
        string? state = null
    )
    {
        var id = TemplateRequests.ParseName(name);
        var requests = await decide.ListAsync(context.Caller(), id, state, ct);
        return TypedResults.Ok(new MoveRequestListView([.. requests.Select(r => MoveRequestView.Of(id, r))]));
    }

    private static async Task<Ok<MoveRequestView>> ReadMoveRequest(
        string name,
        Guid id,
        DecideMove decide,
        HttpContext context,
        CancellationToken ct
    )
    {
        var template = TemplateRequests.ParseName(name);
        var request = await decide.OneAsync(context.Caller(), template, id, ct);
        context.StateVersion(request.Tag);
        return TypedResults.Ok(MoveRequestView.Of(template, request));
    }

    private static async Task<Ok<MoveRequestView>> Decide(
        string name,
        Guid id,
        DecideMove decide,
        HttpContext context,
        CancellationToken ct
    )
    {
        var template = TemplateRequests.ParseName(name);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<DecideMove.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var request = await decide.RunAsync(context.Caller(), template, id, body, precondition, ct);
        context.StateVersion(request.Tag);
        return TypedResults.Ok(MoveRequestView.Of(template, request));
    }

    private static async Task<Ok<TrialListView>> ListTrials(
        string name,
        string channel,
        ReadTemplates read,
        HttpContext context,
        CancellationToken ct
    )
    {
        var trials = await read.TrialsAsync(
            context.Caller(),
            TemplateRequests.ParseName(name),
            TemplateRequests.ParseChannel(channel),
            ct
        );
        return TypedResults.Ok(new TrialListView([.. trials.Select(t => TrialView.Of(t.Trial, t.Sums))]));
    }

    private static async Task<Ok<RecordOutcomes.View>> Record(
        string name,
        string channel,
        RecordOutcomes record,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        channel = TemplateRequests.ParseChannel(channel);
        var body = await JsonBody.ReadAsync<RecordOutcomes.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        return TypedResults.Ok(await record.RunAsync(context.Caller(), id, channel, body, ct));
    }

    private static async Task<Ok<PinListView>> ListPins(
        string name,
        PinTemplate pin,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var pins = await pin.ListAsync(context.Caller(), id, ct);
        return TypedResults.Ok(new PinListView([.. pins.Select(p => PinView.Of(id, p))]));
    }

    private static async Task<Results<Ok<PinView>, Created<PinView>>> SetPin(
        string name,
        string environment,
        PinTemplate pin,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<PinTemplate.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var set = await pin.RunAsync(context.Caller(), id, environment, body, precondition, ct);
        context.StateVersion(set.Tag);
        var view = PinView.Of(id, set);
        return set.Revision == 1
            ? TypedResults.Created($"{PlaceOf(context, id)}/pins/{Uri.EscapeDataString(environment)}", view)
            : TypedResults.Ok(view);
    }

    private static async Task<NoContent> RemovePin(
        string name,
        string environment,
        PinTemplate pin,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        await pin.RemoveAsync(context.Caller(), id, environment, context.RequirePrecondition(), ct);
        return TypedResults.NoContent();
    }

    private static async Task<Results<Created, NoContent>> PutBlob(
        string name,
        string digest,
        StoreBlobs store,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var parsed = ParseDigest(digest);
        // The bytes are their own precondition: the address says what they must be.
        var isNew = await store.PutAsync(
            context.Caller(),
            id,
            parsed,
            context.Request.ContentLength,
            context.Request.Body,
            ct
        );
        return isNew ? TypedResults.Created($"{PlaceOf(context, id)}/blobs/{parsed}") : TypedResults.NoContent();
    }

    private static async Task<Ok<StoreBlobs.MissingView>> Missing(
        string name,
        StoreBlobs store,
        HttpContext context,
        CancellationToken ct
    )
    {
        _ = TemplateRequests.ParseName(name);
        var body = await JsonBody.ReadAsync<StoreBlobs.MissingBody>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        return TypedResults.Ok(await store.MissingAsync(context.Caller(), body, ct));
    }

    private static async Task ReadBlob(
        string name,
        string digest,
        StoreBlobs store,
        HttpContext context,
        CancellationToken ct
    )
    {
        var id = TemplateRequests.ParseName(name);
        var parsed = ParseDigest(digest);
        // Who pushes asks with HEAD what is there already, before any version refers to it.
        if (
            context.WantsNoBody()
            && context.Caller().Has(Scopes.TemplatesPush)
            && await store.SizeAsync(context.Caller(), parsed, ct) is { } size
        )
        {
            context.Response.ContentLength = size;
            return;
        }
        var tag = $"\"{parsed.Hex}\"";
        var (found, contentType) = await store.OpenAsync(context.Caller(), id, parsed, ct);
        await using (found.Content)
        {
            var response = context.Response;
            response.Headers.ETag = tag;
            response.Headers.CacheControl = "private, max-age=31536000, immutable";
            if (context.Request.Headers.IfNoneMatch.Contains(tag))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }
            response.ContentType = contentType;
            response.ContentLength = found.SizeBytes;
            // A prompt is shown, never run: not as a page of this site either.
            response.Headers.ContentDisposition = "attachment";
            try
            {
                await found.Content.CopyToAsync(response.Body, ct);
            }
            catch (BlobCorruptException)
            {
                // Part of it is out; an answer that ends before its length is one that no client takes for whole.
                context.Abort();
            }
        }
    }

    private static async Task Resolve(
        string name,
        ResolveTemplate resolve,
        ResolveAnswers answers,
        ReadTemplates read,
        IOptions<JsonOptions> json,
        HttpContext context,
        CancellationToken ct,
        string? version = null,
        string? kind = null,
        string? role = null,
        string? path = null,
        string? locale = null,
        string? key = null,
        string? environment = null
    )
    {
        var id = TemplateRequests.ParseName(name);
        var query = new ArtifactQuery(kind, role, path, locale);
        var reading = answers.Begin(context.Caller().Owner, id);
        var answer = await resolve.RunAsync(
            context.Caller(),
            id,
            new ResolveQuestion(version, environment, key, query),
            ct
        );
        var view = await MakeViewAsync(PlaceOf(context, id), read, answer, query, ct);
        var made = new ResolveAnswer(
            JsonSerializer.SerializeToUtf8Bytes(view, json.Value.SerializerOptions),
            PlaceOf(context, id),
            view.Deprecation
        );
        // Who belongs to several workspaces is led into one anew with each request.
        if (context.GetRouteValue("ws") is null)
            answers.Keep(reading, context.Request, key, answer.Choice.Trial, made);
        await made.WriteAsync(context);
    }

    private static async Task<ResolutionView> MakeViewAsync(
        string place,
        ReadTemplates read,
        ResolveTemplate.Answer answer,
        ArtifactQuery query,
        CancellationToken ct
    )
    {
        var (state, choice) = answer;
        var name = state.Template.Name;
        var files = await read.FilesAsync(state, choice.Version, ct);
        var asksForOne = query.Kind is not null || query.Role is not null || query.Path is not null;
        var chosen = asksForOne ? Choose(files, query) : null;
        ResolvedTrialView? trial = null;
        if (choice.Trial is { } running)
        {
            trial = new ResolvedTrialView(
                running.Trial?.Id,
                choice.Channel!.Key.Name,
                running.Percent,
                running.Salt,
                running.Side,
                running.Candidate.Version.ToString(),
                running.Candidate.Release,
                running.Candidate.Status,
                DeprecationView.Of(running.Candidate),
                asksForOne || running.Side is not null
                    ? null
                    : ArtifactView.Of(place, await read.FilesAsync(state, running.Candidate, ct))
            );
        }
        return new ResolutionView(
            name.Value,
            state.Template.Owner.IsPlatform ? "platform" : "workspace",
            choice.Version.Version.ToString(),
            choice.Version.Status,
            choice.Version.Release,
            choice.Rule,
            chosen is null ? choice.Explanation : $"{choice.Explanation}; {chosen.Explanation}",
            choice.Channel?.Key.Name,
            choice.Channel?.Revision,
            DeprecationView.Of(choice.Version),
            chosen is null ? null : ArtifactView.Of(place, chosen.Artifact),
            asksForOne ? null : ArtifactView.Of(place, files),
            trial
        );
    }

    private static ArtifactChoice.Chosen Choose(IReadOnlyList<TemplateArtifact> files, ArtifactQuery query) =>
        ArtifactSelection.Choose(files, query) switch
        {
            ArtifactChoice.Chosen chosen => chosen,
            ArtifactChoice.Several several => throw TemplatesProblems
                .AmbiguousArtifact.Because(several.Explanation + ".")
                .With("paths", several.Paths)
                .AsException(),
            var nothing => throw TemplatesProblems
                .NoSuchArtifact.Because(char.ToUpperInvariant(nothing.Explanation[0]) + nothing.Explanation[1..] + ".")
                .AsException(),
        };

    private static Accepted<MoveRequestView> Accepted(HttpContext context, TemplateName name, MoveRequest request)
    {
        context.StateVersion(request.Tag);
        return TypedResults.Accepted(
            $"{PlaceOf(context, name)}/move-requests/{request.Id}",
            MoveRequestView.Of(name, request)
        );
    }

    private static Task<T> BodyOrAsync<T>(HttpContext context, Func<T> nothing, CancellationToken ct)
        where T : class =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
        && context.Request.ContentLength != 0
            ? JsonBody.ReadAsync<T>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct)
            : Task.FromResult(nothing());

    /// <summary>The template's address, as whoever asks wrote it.</summary>
    private static string PlaceOf(HttpContext context, TemplateName name) =>
        context.GetRouteValue("ws") is string workspace
            ? $"/v1/workspaces/{Uri.EscapeDataString(workspace)}/templates/{name}"
            : $"/v1/templates/{name}";

    private static Digest ParseDigest(string text) =>
        Digest.TryParse(text, out var digest)
            ? digest
            : throw KernelProblems
                .Malformed.Because("A digest is written 'sha256:' and 64 lower-case hexadecimal digits.")
                .AsException();
}

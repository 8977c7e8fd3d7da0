using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Http;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Widgets.Stages;

/// <summary>Publishing from one stage to another: what is compared, what travels, and the moment at which it is shown.</summary>
internal static class StagesEndpoints
{
    public static IServiceCollection AddStages(this IServiceCollection services, Stage stage)
    {
        services
            .AddSingleton<ReadSnapshots>()
            .AddSingleton<TypeStore>()
            .AddSingleton<CarryOutCutover>()
            .AddSingleton<PreviewLinks>()
            .AddSingleton<IJobHandler, ScheduledCutover>();
        // Content travels one way: an authoring server has nothing that takes it in.
        if (stage.Profile != StageProfile.Authoring)
        {
            services
                .AddSingleton<IReleaseIntake, SnapshotIntake>()
                .AddSingleton<IReleaseIntake, TypeIntake>()
                .AddHostedService<WatchTypes>();
        }
        return services;
    }

    public static void Map(IEndpointRouteBuilder app)
    {
        // Drafts, and where they came from, are the publishers' business.
        app.MapGet("/v1/snapshots", ListSnapshots)
            .WithName("listSnapshots")
            .WithTags("stages")
            .SpeaksStageProtocol()
            .NeedsScope(Scopes.CuratedPublish);
        app.MapGet("/v1/instances/{publicId}/snapshot", ReadSnapshot)
            .WithName("getSnapshot")
            .WithTags("stages")
            .SpeaksStageProtocol()
            .NeedsScope(Scopes.CuratedPublish);
        app.MapGet("/v1/widget-types", ListTypes)
            .WithName("listWidgetTypePackages")
            .WithTags("stages")
            .SpeaksStageProtocol()
            .NeedsScope(Scopes.CuratedPublish);
        app.MapGet("/v1/widget-types/{type}/package", ReadPackage)
            .WithName("getWidgetTypePackage")
            .Refuses(KernelProblems.Invalid)
            .WithTags("stages")
            .SpeaksStageProtocol()
            .NeedsScope(Scopes.CuratedPublish);

        // What is live of several instances is moved by publishers.
        var cutovers = app.MapGroup("/v1/cutovers").WithTags("stages").SpeaksStageProtocol();
        cutovers.MapGet("", List).WithName("listCutovers").NeedsScope(Scopes.CuratedPublish);
        cutovers.MapGet("/{id:guid}", Read).WithName("getCutover").NeedsScope(Scopes.CuratedPublish);
        cutovers
            .MapPut("/{id:guid}", Run)
            .WithName("cutOver")
            .Accepts<CutoverOrder>("application/json")
            .Audited(
                WidgetEvents.TakenIn,
                WidgetEvents.WentBack,
                WidgetEvents.Unpublished,
                WidgetEvents.GatesForced,
                WidgetEvents.CutoverScheduled
            )
            .LeavesNothing("it was carried out before, or all of it is live already")
            .NeedsScope(Scopes.CuratedPublish);
        cutovers
            .MapDelete("/{id:guid}", Cancel)
            .WithName("cancelCutover")
            .Audited(WidgetEvents.CutoverCancelled)
            .NeedsScope(Scopes.CuratedPublish);
        cutovers
            .MapPut("/{id:guid}/reversal/{reversal:guid}", Revert)
            .WithName("revertCutover")
            .Audited(WidgetEvents.WentBack, WidgetEvents.Unpublished)
            .NeedsScope(Scopes.CuratedPublish);
        cutovers
            .MapPost("/{id:guid}/preview-links", LinkCutover)
            .WithName("createCutoverPreviewLink")
            .Accepts<PreviewLinks.CutoverBody>("application/json")
            .Audited(WidgetEvents.PreviewLinked)
            .WithoutDigests("it shows several things that stay as they are", WidgetEvents.PreviewLinked)
            .NeedsScope(Scopes.CuratedPublish);

        // Who may write an instance may show it to others before it is live; they need nothing but the link.
        app.MapPost("/v1/instances/{publicId}/preview-links", Link)
            .WithName("createPreviewLink")
            .Refuses(KernelProblems.Conflict)
            .WithTags("instances")
            .Accepts<PreviewLinks.Body>("application/json")
            .Audited(WidgetEvents.PreviewLinked)
            .MovesInstance();
        app.MapGet("/preview/{token}", Show).ExcludeFromDescription().AllowAnonymous();
    }

    /// <summary>
    /// Refuses requests of a version of the stage protocol that this build does not speak, before anything is read or written by them.
    /// </summary>
    private static TBuilder SpeaksStageProtocol<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint
            .AddEndpointFilter(
                async (invocation, next) =>
                {
                    var stated = invocation.HttpContext.Request.Headers[StageProtocol.Field];
                    if (stated.Count == 0)
                        return await next(invocation);
                    if (
                        stated.Count != 1
                        || !int.TryParse(stated[0], NumberStyles.None, CultureInfo.InvariantCulture, out var version)
                        || version < StageProtocol.First
                    )
                    {
                        throw KernelProblems
                            .Malformed.Because(
                                $"{StageProtocol.Field} is one whole number, such as {StageProtocol.First}."
                            )
                            .AsException();
                    }
                    return StageProtocol.Spoken.Has(version)
                        ? await next(invocation)
                        : throw WidgetsProblems
                            .StageProtocolNotSpoken.Because(
                                $"The request is of version {version}; this server speaks {StageProtocol.Spoken}. Nothing was done."
                            )
                            .With("oldest", StageProtocol.Spoken.Oldest)
                            .With("newest", StageProtocol.Spoken.Newest)
                            .AsException();
                }
            )
            .Refuses(KernelProblems.Malformed, WidgetsProblems.StageProtocolNotSpoken);

    private static async Task<Ok<ReadSnapshots.Page>> ListSnapshots(
        ReadSnapshots read,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? ids = null,
        bool content = false
    ) =>
        TypedResults.Ok(
            await read.PageAsync(
                context.Caller(),
                cursor,
                limit,
                ids?.Split(',').Select(id => InstanceRequests.ParseId(id).ToString()).Distinct().ToList(),
                content,
                ct
            )
        );

    private static async Task<Ok<ReadSnapshots.Artifact>> ReadSnapshot(
        string publicId,
        ReadSnapshots read,
        HttpContext context,
        CancellationToken ct
    ) => TypedResults.Ok(await read.OneAsync(context.Caller(), InstanceRequests.ParseId(publicId), ct));

    private static Ok<IReadOnlyList<ReadSnapshots.TypeLine>> ListTypes(ReadSnapshots read) =>
        TypedResults.Ok(read.Types());

    private static Ok<ReadSnapshots.Artifact> ReadPackage(string type, ReadSnapshots read) =>
        TypedResults.Ok(read.Package(type));

    private static async Task<Ok<IReadOnlyList<CutoverView>>> List(
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct,
        string? state = null,
        int? limit = null
    )
    {
        await using var session = await pools.OpenAsync(context.Caller().Operation("list cut-overs"), ct);
        var found = await Cutover.ListAsync(
            session,
            state,
            Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems),
            ct
        );
        return TypedResults.Ok<IReadOnlyList<CutoverView>>([.. found.Select(CutoverView.Of)]);
    }

    private static async Task<Ok<CutoverView>> Read(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(context.Caller().Operation("read cut-over"), ct);
        return TypedResults.Ok(CutoverView.Of(await Cutover.FindAsync(session, id, ct) ?? throw Cutover.NotFound(id)));
    }

    private static async Task<Ok<CutoverView>> Run(
        Guid id,
        CarryOutCutover cutOver,
        HttpContext context,
        CancellationToken ct
    )
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = 4L * WidgetsLimits.CutoverBytes;
        var order = await JsonBody.ReadAsync<CutoverOrder>(context, WidgetsLimits.CutoverBytes, JsonBody.Shape, ct);
        return TypedResults.Ok(CutoverView.Of(await cutOver.RunAsync(context.Caller(), id, order, ct)));
    }

    private static async Task<Ok<CutoverView>> Cancel(
        Guid id,
        CarryOutCutover cutOver,
        HttpContext context,
        CancellationToken ct
    ) => TypedResults.Ok(CutoverView.Of(await cutOver.CancelAsync(context.Caller(), id, ct)));

    private static async Task<Ok<CutoverView>> Revert(
        Guid id,
        Guid reversal,
        CarryOutCutover cutOver,
        HttpContext context,
        CancellationToken ct,
        string? reason = null
    )
    {
        var order = await cutOver.RevertingAsync(context.Caller(), id, reason, ct);
        return TypedResults.Ok(CutoverView.Of(await cutOver.RunAsync(context.Caller(), reversal, order, ct)));
    }

    private static async Task<Ok<PreviewLinks.Link>> Link(
        string publicId,
        PreviewLinks links,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await ReadAsync(context, new PreviewLinks.Body(), ct);
        return TypedResults.Ok(await links.MakeAsync(context.Caller(), InstanceRequests.ParseId(publicId), body, ct));
    }

    private static async Task<Ok<PreviewLinks.CutoverLink>> LinkCutover(
        Guid id,
        PreviewLinks links,
        HttpContext context,
        CancellationToken ct
    ) =>
        TypedResults.Ok(
            await links.MakeAsync(
                context.Caller(),
                id,
                await ReadAsync(context, new PreviewLinks.CutoverBody(), ct),
                ct
            )
        );

    /// <summary>The body, which may be left out.</summary>
    private static async Task<T> ReadAsync<T>(HttpContext context, T leftOut, CancellationToken ct)
        where T : class =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
        && context.Request.ContentLength != 0
            ? await JsonBody.ReadAsync<T>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct)
            : leftOut;

    private static async Task<IResult> Show(
        string token,
        PreviewLinks links,
        HttpContext context,
        CancellationToken ct,
        string? id = null,
        string? after = null,
        string? locale = null,
        string theme = "auto"
    )
    {
        var sight =
            await links.ShowAsync(token, id, after, locale, theme, ct)
            ?? throw KernelProblems.NotFound.Because("The link does not hold, or not any more.").AsException();
        var result = sight switch
        {
            PreviewLinks.Page page => ShowPage(context, page),
            PreviewLinks.Choice choice => ShowChoice(context, choice),
            _ => throw new InvalidOperationException($"A sight of another kind: {sight}."),
        };
        context.Response.Headers.CacheControl = "private, no-store";
        context.Response.Headers["X-Robots-Tag"] = "noindex, nofollow";
        return result;
    }

    private static ContentHttpResult ShowPage(HttpContext context, PreviewLinks.Page page)
    {
        context.Response.Headers.ContentSecurityPolicy = page.Policy;
        if (page.Locale is not null)
            context.Response.Headers.ContentLanguage = page.Locale;
        return TypedResults.Text(System.Text.Encoding.UTF8.GetString(page.Html.Span), "text/html; charset=utf-8");
    }

    private static IResult ShowChoice(HttpContext context, PreviewLinks.Choice choice) =>
        HtmlPage.Of(
            context,
            "Before it is live",
            "<h1>Before it is live</h1><p class=\"soft\">These change together. Nothing of it is shown to visitors yet.</p>"
                + PlaceIn(choice)
                + "<dl>"
                + string.Concat(
                    choice.Items.Select(item =>
                        $"<div><dt><a href=\"?id={Uri.EscapeDataString(item.PublicId)}\">{HtmlPage.Text(item.PublicId)}</a></dt>"
                        + $"<dd><code>{HtmlPage.Text(item.Release.ToString())}</code></dd></div>"
                    )
                )
                + "</dl>"
                + Onwards(choice)
        );

    private static string PlaceIn(PreviewLinks.Choice choice) =>
        choice.Items.Count == choice.Total
            ? ""
            : string.Create(
                CultureInfo.InvariantCulture,
                $"<p>{choice.Before + 1:N0} to {choice.Before + choice.Items.Count:N0} of {choice.Total:N0}, in the order of their ids.</p>"
            );

    private static string Onwards(PreviewLinks.Choice choice)
    {
        var links = new List<string>();
        if (choice.Former is { } former)
            links.Add($"<a rel=\"prev\" href=\"?after={Uri.EscapeDataString(former)}\">Those before</a>");
        if (choice.Next is { } next)
            links.Add($"<a rel=\"next\" href=\"?after={Uri.EscapeDataString(next)}\">Those after</a>");
        return links.Count == 0 ? "" : $"<nav aria-label=\"More\"><p>{string.Concat(links)}</p></nav>";
    }
}

/// <summary>Loads the widget types that were published to this server, at start and whenever one arrives at another node.</summary>
internal sealed partial class WatchTypes(
    TypeStore types,
    EventHub events,
    ILogger<WatchTypes> logger,
    TimeProvider time
) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var after = 0L;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await types.RefreshAsync(stoppingToken);
                await foreach (
                    var arrived in events.SubscribeAsync(OwnerId.Platform, TypeStore.Stream, after, stoppingToken)
                )
                {
                    after = arrived.Revision;
                    await types.RefreshAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // What is there goes on being used; a publish looks by itself as well.
                LogFailed(logger, e);
            }
            using var timer = new PeriodicTimer(Pause, time);
            try
            {
                await timer.WaitForNextTickAsync(stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    [LoggerMessage(3004, LogLevel.Warning, "Widget types could not be loaded; they are tried again")]
    private static partial void LogFailed(ILogger logger, Exception reason);
}

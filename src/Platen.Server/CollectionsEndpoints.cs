using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Collections;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Server;

/// <summary>A collection, as the API gives it.</summary>
/// <param name="State"><c>requested</c> until its report is there, then <c>finished</c>.</param>
/// <param name="Report">What was removed, or in a dry run would have been; null until then.</param>
internal sealed record CollectionView(
    Guid Id,
    string State,
    bool DryRun,
    double GraceSeconds,
    double RetentionSeconds,
    int Keep,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    JsonElement? Report
)
{
    public static CollectionView Of(Collection c) =>
        new(
            c.Id,
            c.FinishedAt is null ? "requested" : "finished",
            c.DryRun,
            c.Rules.Grace.TotalSeconds,
            c.Rules.Retention.TotalSeconds,
            c.Rules.Keep,
            c.RequestedBy,
            c.RequestedAt,
            c.FinishedAt,
            c.ReportJson is { } report ? JsonElement.Parse(report.Span) : null
        );
}

/// <summary>A page of collections, latest first; the cursor is null on the last.</summary>
internal sealed record CollectionListView(IReadOnlyList<CollectionView> Items, string? NextCursor);

/// <summary>Garbage collections: asking for one, and what they did. They look at every owner's bytes, so they are the platform's.</summary>
internal static class CollectionsEndpoints
{
    private const string Requested = "collection.requested";

    /// <param name="DryRun">Whether to remove nothing and only report.</param>
    /// <param name="GraceSeconds">How long unreferenced bytes are spared; 24 hours when left out.</param>
    /// <param name="RetentionSeconds">How long releases outlive their publication; 30 days when left out.</param>
    /// <param name="Keep">How many of a channel's last moves keep their releases; 10 when left out.</param>
    public sealed record Body(
        bool DryRun = false,
        double? GraceSeconds = null,
        double? RetentionSeconds = null,
        int? Keep = null
    );

    public static void MapCollections(this IEndpointRouteBuilder app)
    {
        var collections = app.MapGroup("/v1/collections").WithTags("collections");
        collections
            .MapPost("", Request)
            .WithName("requestCollection")
            .Refuses(KernelProblems.Conflict)
            .Accepts<Body>("application/json")
            .Audited(Requested)
            .WithoutDigests("it is a wish; what it removed is in its report", Requested)
            .NeedsScope(Scopes.JobsManage);
        collections.MapGet("", List).WithName("listCollections").NeedsScope(Scopes.JobsManage);
        collections.MapGet("/{id:guid}", Get).WithName("getCollection").NeedsScope(Scopes.JobsManage);
    }

    private static async Task<Accepted<CollectionView>> Request(
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await JsonBody.ReadAsync<Body>(context, Limits.JsonBodyBytes, JsonSerializerOptions.Web, ct);
        var rules = new CollectionRules(
            Seconds(body.GraceSeconds) ?? CollectionRules.Default.Grace,
            Seconds(body.RetentionSeconds) ?? CollectionRules.Default.Retention,
            body.Keep ?? CollectionRules.Default.Keep
        );
        await using var session = await pools.OpenAsync(Operator(context, "request collection"), ct);
        var collection = await Collect.RequestAsync(session, body.DryRun, rules, ct);
        await AuditLog.RecordAsync(
            session,
            Requested,
            $"collection/{collection.Id}",
            before: null,
            after: null,
            new { collection.DryRun, collection.Rules },
            ct
        );
        await session.CommitAsync(ct);
        return TypedResults.Accepted($"/v1/collections/{collection.Id}", CollectionView.Of(collection));
    }

    private static async Task<Ok<CollectionListView>> List(
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null
    )
    {
        Guid? before = cursor switch
        {
            null or "" => null,
            _ when Guid.TryParseExact(cursor, "D", out var last) => last,
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(Operator(context, "list collections"), ct);
        var page = await Collection.ListAsync(session, before, size, ct);
        return TypedResults.Ok(
            new CollectionListView(
                [.. page.Select(CollectionView.Of)],
                page.Count == size ? page[^1].Id.ToString() : null
            )
        );
    }

    private static async Task<Ok<CollectionView>> Get(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(Operator(context, "read collection"), ct);
        var collection =
            await Collection.FindAsync(session, id, ct)
            ?? throw KernelProblems.NotFound.Because($"There is no collection '{id}'.").AsException();
        return TypedResults.Ok(CollectionView.Of(collection));
    }

    private static OperationContext Operator(HttpContext context, string reason)
    {
        var caller = context.Caller();
        return caller.Owner.IsPlatform
            ? caller.Operation(reason)
            : throw KernelProblems.Forbidden.Because("Collections are the platform's.").AsException();
    }

    // What no time span can hold is out of every range, and is told so by the rules.
    private static TimeSpan? Seconds(double? seconds) =>
        seconds switch
        {
            null => null,
            > 1e10 => TimeSpan.MaxValue,
            >= -1e10 and var given => TimeSpan.FromSeconds(given),
            _ => TimeSpan.MinValue,
        };
}

using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;

namespace Platen.Server;

/// <summary>A webhook, as the API gives it.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Url">Where messages are sent.</param>
/// <param name="Description">For people.</param>
/// <param name="Types">What it is told of.</param>
/// <param name="Status"><c>active</c>; <c>paused</c> by its owner; <c>disabled</c> by the server.</param>
/// <param name="DisabledReason">Why the server gave up on it.</param>
/// <param name="FailingSince">Since when nothing has arrived; null when the last message did.</param>
/// <param name="Revision">Its version, which is its ETag.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="UpdatedAt">When it was changed last.</param>
/// <param name="Secret">What its messages are signed with: told when it is made or changed, and never again.</param>
internal sealed record WebhookView(
    Guid Id,
    string Url,
    string Description,
    IReadOnlyList<string> Types,
    string Status,
    string? DisabledReason,
    DateTimeOffset? FailingSince,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Secret
)
{
    public static WebhookView Of(Webhook webhook, WebhookSecret? secret = null) =>
        new(
            webhook.Id.Value,
            webhook.Url,
            webhook.Description,
            webhook.Types,
            webhook.Status,
            webhook.DisabledReason,
            webhook.FailingSince,
            webhook.Revision,
            webhook.CreatedAt,
            webhook.CreatedBy,
            webhook.UpdatedAt,
            secret?.Reveal()
        );
}

/// <summary>All webhooks of an owner, and the types that they can ask for.</summary>
internal sealed record WebhookListView(IReadOnlyList<WebhookView> Items, IReadOnlyList<WebhookType> Types);

/// <summary>What became of one message.</summary>
/// <param name="Id">Names it here.</param>
/// <param name="MessageId">The field <c>webhook-id</c> of every attempt.</param>
/// <param name="Type">What it tells of.</param>
/// <param name="Status"><c>pending</c>, <c>delivered</c> or <c>dead</c>.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="ResponseCode">What the receiver answered last; null when it did not.</param>
/// <param name="Error">Why the last attempt failed.</param>
/// <param name="DurationMs">How long the last attempt took.</param>
/// <param name="CreatedAt">When it happened.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="NextAttemptAt">When it is sent again.</param>
/// <param name="FinishedAt">When it arrived, or was given up.</param>
/// <param name="Body">What is sent; with a single message only.</param>
internal sealed record WebhookDeliveryView(
    Guid Id,
    string MessageId,
    string Type,
    string Status,
    int Attempts,
    int? ResponseCode,
    string? Error,
    int? DurationMs,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastAttemptAt,
    DateTimeOffset? NextAttemptAt,
    DateTimeOffset? FinishedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Body
)
{
    public static WebhookDeliveryView Of(WebhookDelivery delivery, string? body = null) =>
        new(
            delivery.Id.Value,
            delivery.Id.Field,
            delivery.Type,
            delivery.Status,
            delivery.Attempts,
            delivery.ResponseCode,
            delivery.Error,
            delivery.DurationMs,
            delivery.CreatedAt,
            delivery.LastAttemptAt,
            delivery.NextAttemptAt,
            delivery.FinishedAt,
            body is null ? null : JsonElement.Parse(body)
        );
}

/// <summary>A page of messages, newest first; the cursor is null on the last.</summary>
internal sealed record WebhookDeliveryListView(IReadOnlyList<WebhookDeliveryView> Items, string? NextCursor);

/// <summary>The webhooks of a workspace, or of the platform as <c>platform</c>.</summary>
internal static class WebhooksEndpoints
{
    private const string Created = "webhook.created";
    private const string Changed = "webhook.changed";
    private const string Removed = "webhook.removed";
    private const string Rotated = "webhook.secret-rotated";
    private const string Pinged = "webhook.pinged";
    private const string Redelivered = "webhook.redelivered";

    public sealed record CreateBody(string Url, IReadOnlyList<string> Types, string Description = "");

    /// <summary>What is to be different; what is left out stays.</summary>
    /// <param name="Status"><c>active</c> or <c>paused</c>.</param>
    public sealed record ChangeBody(
        string? Url = null,
        IReadOnlyList<string>? Types = null,
        string? Description = null,
        string? Status = null
    );

    /// <param name="OverlapHours">How long the former secret goes on signing beside the new one.</param>
    public sealed record RotateBody(int OverlapHours = 24);

    public static void MapWebhooks(this IEndpointRouteBuilder app)
    {
        // Whoever makes one sends what happens here elsewhere: a scope of its own, which owners have.
        var all = app.MapGroup("/v1/workspaces/{ws}/webhooks").WithTags("webhooks");
        Needs(all.MapGet("", List).WithName("listWebhooks"));
        Needs(
            all.MapPost("", Create)
                .WithName("createWebhook")
                .Refuses(KernelProblems.Conflict)
                .Audited(Created)
                .Accepts<CreateBody>("application/json")
                .WithMetadata(new TakesIdempotencyKey())
        );
        Needs(all.MapGet("/{id:guid}", Read).WithName("getWebhook"));
        Needs(
            all.MapPatch("/{id:guid}", Change)
                .WithName("changeWebhook")
                .Audited(Changed)
                .Accepts<ChangeBody>("application/json")
        );
        Needs(all.MapDelete("/{id:guid}", Remove).WithName("removeWebhook").Audited(Removed));
        Needs(
            all.MapPost("/{id:guid}/rotate-secret", Rotate)
                .WithName("rotateWebhookSecret")
                .WithMetadata(new Versioned())
                .Audited(Rotated)
                .Accepts<RotateBody>("application/json")
        );
        Needs(
            all.MapPost("/{id:guid}/ping", Ping)
                .WithName("pingWebhook")
                .Audited(Pinged)
                .WithoutDigests("nothing of the webhook changes: a message is sent", Pinged)
                .RateLimited(RateLimitPolicies.Token)
        );
        Needs(all.MapGet("/{id:guid}/deliveries", Deliveries).WithName("listWebhookDeliveries"));
        Needs(all.MapGet("/{id:guid}/deliveries/{delivery:guid}", Delivery).WithName("getWebhookDelivery"));
        Needs(
            all.MapPost("/{id:guid}/deliveries/{delivery:guid}/redeliver", Redeliver)
                .WithName("redeliverWebhook")
                .Refuses(KernelProblems.Conflict)
                .Audited(Redelivered)
                .WithoutDigests("nothing of the webhook changes: a message is sent", Redelivered)
                .RateLimited(RateLimitPolicies.Token)
        );

        static void Needs(RouteHandlerBuilder endpoint) =>
            endpoint.NeedsWorkspace(Scopes.WebhooksManage, platformToo: true);
    }

    private static async Task<Ok<WebhookListView>> List(
        PostgresPools pools,
        WebhookTypes types,
        HttpContext context,
        CancellationToken ct
    )
    {
        await using var session = await OpenAsync(pools, context, "list webhooks", ct);
        var webhooks = await WebhookStore.ListAsync(session, ct);
        return TypedResults.Ok(new WebhookListView([.. webhooks.Select(w => WebhookView.Of(w))], types.All));
    }

    private static async Task<Created<WebhookView>> Create(
        PostgresPools pools,
        WebhookStore store,
        HttpContext context,
        CancellationToken ct
    )
    {
        var caller = context.Caller();
        var key = IdempotencyKey.Read(context);
        var body = await BodyAsync<CreateBody>(context, ct);
        var order = new WebhookOrder(body.Url, body.Types, body.Description);
        store.Check(order);
        var id = new WebhookId(key?.IdFor(caller.Actor.Id, caller.Owner, "webhook") ?? Guid.CreateVersion7());
        await using var session = await OpenAsync(pools, context, "create webhook", ct);
        var (webhook, secret) = await WebhookStore.AddAsync(session, id, order, ct);
        var detail = new { to = Receiver.Of(order.Url), types = order.Types };
        await RecordAsync(session, Created, id, before: null, webhook, detail, ct);
        await session.CommitAsync(ct);
        context.Response.Headers.ETag = webhook.Tag;
        // The answer holds a secret: nothing on its way may keep it.
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created(
            $"{context.Request.Path.Value!.TrimEnd('/')}/{id}",
            WebhookView.Of(webhook, secret)
        );
    }

    private static async Task<Ok<WebhookView>> Read(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        await using var session = await OpenAsync(pools, context, "read webhook", ct);
        var webhook =
            await WebhookStore.FindAsync(session, new WebhookId(id), ct)
            ?? throw WebhookStore.Missing(new WebhookId(id));
        return Answer(context, webhook);
    }

    private static async Task<Ok<WebhookView>> Change(
        Guid id,
        PostgresPools pools,
        WebhookStore store,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await BodyAsync<ChangeBody>(context, ct);
        if (body.Status is not (null or "active" or "paused"))
        {
            throw KernelProblems
                .Invalid.Because("There is no such status.", [new Fault("/status", "Must be active or paused.")])
                .AsException();
        }
        var which = new WebhookId(id);
        await using var session = await OpenAsync(pools, context, "change webhook", ct);
        var current = await WebhookStore.LockAsync(session, which, precondition, ct);
        var order = new WebhookOrder(
            body.Url ?? current.Url,
            body.Types ?? current.Types,
            body.Description ?? current.Description
        );
        store.Check(order);
        // Whoever changes one that was disabled has seen to it, unless they say otherwise.
        var isActive = (body.Status ?? current.Status) != "paused";
        var changed = await WebhookStore.ChangeAsync(session, which, order, isActive, ct);
        await RecordAsync(
            session,
            Changed,
            which,
            current,
            changed,
            new
            {
                to = Receiver.Of(order.Url),
                types = order.Types,
                changed.Status,
            },
            ct
        );
        await session.CommitAsync(ct);
        return Answer(context, changed);
    }

    private static async Task<NoContent> Remove(Guid id, PostgresPools pools, HttpContext context, CancellationToken ct)
    {
        var precondition = context.RequirePrecondition();
        var which = new WebhookId(id);
        await using var session = await OpenAsync(pools, context, "remove webhook", ct);
        var current = await WebhookStore.LockAsync(session, which, precondition, ct);
        await WebhookStore.RemoveAsync(session, which, ct);
        await RecordAsync(session, Removed, which, current, after: null, new { to = Receiver.Of(current.Url) }, ct);
        await session.CommitAsync(ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<WebhookView>> Rotate(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await BodyAsync<RotateBody>(context, ct);
        if (body.OverlapHours is < 0 or > WebhookLimits.OverlapHours)
        {
            throw KernelProblems
                .Invalid.Because(
                    "The former secret cannot sign for so long.",
                    [new Fault("/overlapHours", $"Must be 0 to {WebhookLimits.OverlapHours}.")]
                )
                .AsException();
        }
        var which = new WebhookId(id);
        await using var session = await OpenAsync(pools, context, "rotate webhook secret", ct);
        var before = await WebhookStore.LockAsync(session, which, precondition, ct);
        var secret = await WebhookStore.RotateAsync(session, which, TimeSpan.FromHours(body.OverlapHours), ct);
        var webhook = await WebhookStore.FindAsync(session, which, ct);
        await RecordAsync(session, Rotated, which, before, webhook, new { body.OverlapHours }, ct);
        await session.CommitAsync(ct);
        var answer = Answer(context, webhook!, secret);
        context.Response.Headers.CacheControl = "no-store";
        return answer;
    }

    private static async Task<Accepted<WebhookDeliveryView>> Ping(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        var which = new WebhookId(id);
        await using var session = await OpenAsync(pools, context, "ping webhook", ct);
        var delivery = await WebhookStore.PingAsync(session, which, ct);
        await RecordAsync(session, Pinged, which, before: null, after: null, detail: null, ct);
        await session.CommitAsync(ct);
        var place = context.Request.Path.Value!;
        return TypedResults.Accepted(
            $"{place[..place.LastIndexOf('/')]}/deliveries/{delivery.Id}",
            WebhookDeliveryView.Of(delivery)
        );
    }

    private static async Task<Ok<WebhookDeliveryListView>> Deliveries(
        Guid id,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct,
        string? status = null,
        string? cursor = null,
        int? limit = null
    )
    {
        if (status is not (null or "pending" or "delivered" or "dead"))
        {
            throw KernelProblems
                .Malformed.Because($"'{status}' is not a status: use pending, delivered or dead.")
                .AsException();
        }
        Guid? before = cursor switch
        {
            null or "" => null,
            _ when Guid.TryParseExact(cursor, "D", out var last) => last,
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await OpenAsync(pools, context, "list webhook deliveries", ct);
        var page = await WebhookStore.DeliveriesAsync(session, new WebhookId(id), status, before, size + 1, ct);
        return TypedResults.Ok(
            new WebhookDeliveryListView(
                [.. page.Take(size).Select(d => WebhookDeliveryView.Of(d))],
                page.Count > size ? page[size - 1].Id.ToString() : null
            )
        );
    }

    private static async Task<Ok<WebhookDeliveryView>> Delivery(
        Guid id,
        Guid delivery,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        await using var session = await OpenAsync(pools, context, "read webhook delivery", ct);
        var (found, body) = await WebhookStore.DeliveryAsync(
            session,
            new WebhookId(id),
            new WebhookDeliveryId(delivery),
            ct
        );
        return TypedResults.Ok(WebhookDeliveryView.Of(found, body));
    }

    private static async Task<Accepted<WebhookDeliveryView>> Redeliver(
        Guid id,
        Guid delivery,
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct
    )
    {
        var which = new WebhookId(id);
        await using var session = await OpenAsync(pools, context, "redeliver webhook", ct);
        var again = await WebhookStore.RedeliverAsync(session, which, new WebhookDeliveryId(delivery), ct);
        await RecordAsync(session, Redelivered, which, before: null, after: null, new { delivery }, ct);
        await session.CommitAsync(ct);
        var place = context.Request.Path.Value!;
        return TypedResults.Accepted(place[..place.LastIndexOf('/')], WebhookDeliveryView.Of(again));
    }

    private static ValueTask<Session> OpenAsync(
        PostgresPools pools,
        HttpContext context,
        string reason,
        CancellationToken ct
    ) => pools.OpenAsync(context.Caller().Operation(reason), ct);

    private static Task<T> BodyAsync<T>(HttpContext context, CancellationToken ct)
        where T : class => JsonBody.ReadAsync<T>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);

    /// <summary>
    /// Whom the audit names: the whole address of a receiver is often a secret itself, and whoever reads the audit need not have it. The
    /// digest tells two addresses of one host apart.
    /// </summary>
    private sealed record Receiver(string Host, Digest UrlDigest)
    {
        public static Receiver Of(string url) =>
            new(new Uri(url).GetLeftPart(UriPartial.Authority), Digest.Of(Encoding.UTF8.GetBytes(url)));
    }

    private static Task RecordAsync(
        Session session,
        string action,
        WebhookId id,
        Webhook? before,
        Webhook? after,
        object? detail,
        CancellationToken ct
    ) => AuditLog.RecordAsync(session, action, $"webhook/{id}", DigestOf(before), DigestOf(after), detail, ct);

    // A secret is in no digest: one that is replaced leaves the content as it was.
    private static Digest? DigestOf(Webhook? webhook) =>
        AuditLog.DigestOf(
            webhook is null
                ? null
                : new
                {
                    url = webhook.Url,
                    description = webhook.Description,
                    types = webhook.Types,
                    status = webhook.Status,
                }
        );

    private static Ok<WebhookView> Answer(HttpContext context, Webhook webhook, WebhookSecret? secret = null)
    {
        context.Response.Headers.ETag = webhook.Tag;
        context.Response.Headers.CacheControl = "private, no-cache";
        return TypedResults.Ok(WebhookView.Of(webhook, secret));
    }
}

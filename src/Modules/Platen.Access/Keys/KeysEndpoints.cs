using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.Keys;

/// <summary>A key, as the API gives it.</summary>
/// <param name="Id">Names it for revoking.</param>
/// <param name="Name">For people.</param>
/// <param name="Prefix">The secret's first characters.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Stage">The only stage that it is good on; null: wherever it is known.</param>
/// <param name="Status"><c>active</c>, <c>expired</c> or <c>revoked</c>.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="ExpiresAt">When it ends by itself; null: it does not.</param>
/// <param name="LastUsedAt">When it was used last, known to the half minute.</param>
/// <param name="RevokedAt">When it was revoked.</param>
/// <param name="RevokedBy">By whom.</param>
/// <param name="Secret">The key itself: told when it is made, and never again.</param>
internal sealed record KeyView(
    Guid Id,
    string Name,
    string Prefix,
    IReadOnlyList<string> Scopes,
    string? Stage,
    string Status,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset? LastUsedAt,
    DateTimeOffset? RevokedAt,
    string? RevokedBy,
    [property: System.Text.Json.Serialization.JsonIgnore(
        Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull
    )]
        string? Secret
)
{
    public static KeyView Of(StoredKey key, DateTimeOffset now, string? secret = null) =>
        new(
            key.Id,
            key.Name,
            key.Prefix,
            key.Scopes,
            key.Stage,
            key.StatusAt(now),
            key.CreatedAt,
            key.CreatedBy,
            key.ExpiresAt,
            key.LastUsedAt,
            key.RevokedAt,
            key.RevokedBy,
            secret
        );
}

/// <summary>A page of keys, newest first; the cursor is null on the last.</summary>
internal sealed record KeyListView(IReadOnlyList<KeyView> Items, string? NextCursor);

/// <summary>Routes of machine keys: of the caller's own owner, and of a workspace that the caller has entered.</summary>
internal static class KeysEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Whoever makes keys decides who acts for the owner: a scope of its own.
        Map(app.MapGroup("/v1/keys").WithTags("keys"), "", endpoint => endpoint.NeedsScope(Scopes.KeysManage));
        Map(
            app.MapGroup("/v1/workspaces/{ws}/keys").WithTags("keys"),
            "Workspace",
            endpoint => endpoint.NeedsWorkspace(Scopes.KeysManage, platformToo: true)
        );
    }

    private static void Map(RouteGroupBuilder keys, string whose, Action<RouteHandlerBuilder> guard)
    {
        guard(keys.MapGet("", List).WithName($"list{whose}Keys"));
        guard(
            keys.MapPost("", Create)
                .WithName($"create{whose}Key")
                .Refuses(KeyProblems.AlreadyMade, KernelProblems.LimitReached)
                .Audited(AccessEvents.KeyCreated)
                .Accepts<CreateKey.Body>("application/json")
                .WithMetadata(new TakesIdempotencyKey())
        );
        guard(keys.MapGet("/{id:guid}", Read).WithName($"get{whose}Key"));
        // Without a version: an urgent revocation is not held up by anything.
        guard(
            keys.MapDelete("/{id:guid}", Revoke)
                .WithName($"revoke{whose}Key")
                .Audited(AccessEvents.KeyRevoked, AccessEvents.InvitationRevoked)
                .LeavesNothing("it was revoked already")
                .WithMetadata(new Unversioned())
        );
        guard(
            keys.MapPost("/{id:guid}/rotate", Rotate)
                .WithName($"rotate{whose}Key")
                .Refuses(KernelProblems.Conflict, KernelProblems.LimitReached)
                .Audited(AccessEvents.KeyRevoked, AccessEvents.KeyCreated, AccessEvents.InvitationRevoked)
                .Accepts<RevokeKey.RotateBody>("application/json")
        );
    }

    private static async Task<Ok<KeyListView>> List(
        ReadKeys read,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        bool revoked = false
    )
    {
        var page = await read.PageAsync(context.Caller(), cursor, limit, revoked, ct);
        var now = clock.GetUtcNow();
        return TypedResults.Ok(new KeyListView([.. page.Items.Select(k => KeyView.Of(k, now))], page.NextCursor));
    }

    private static async Task<Ok<KeyView>> Read(
        Guid id,
        ReadKeys read,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    ) => TypedResults.Ok(KeyView.Of(await read.OneAsync(context.Caller(), id, ct), clock.GetUtcNow()));

    private static async Task<Created<KeyView>> Create(
        CreateKey create,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        var once = IdempotencyKey.Read(context);
        var body = await context.BodyAsync<CreateKey.Body>(ct);
        return Told(context, await create.RunAsync(context.Caller(), body, once, ct), clock);
    }

    private static async Task<NoContent> Revoke(Guid id, RevokeKey revoke, HttpContext context, CancellationToken ct)
    {
        await revoke.RunAsync(context.Caller(), id, ct);
        return TypedResults.NoContent();
    }

    private static async Task<Created<KeyView>> Rotate(
        Guid id,
        RevokeKey revoke,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        var hasBody =
            context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
            && context.Request.ContentLength != 0;
        var body = hasBody ? await context.BodyAsync<RevokeKey.RotateBody>(ct) : new RevokeKey.RotateBody();
        return Told(context, await revoke.RotateAsync(context.Caller(), id, body, ct), clock);
    }

    private static Created<KeyView> Told(HttpContext context, CreateKey.Outcome outcome, TimeProvider clock)
    {
        // The answer holds a secret: nothing on its way may keep it.
        context.Response.Headers.CacheControl = "no-store";
        var place = context.Request.Path.Value!;
        if (place.EndsWith("/rotate", StringComparison.Ordinal))
            place = place[..place[..^"/rotate".Length].LastIndexOf('/')];
        return TypedResults.Created(
            $"{place.TrimEnd('/')}/{outcome.Key.Id:D}",
            KeyView.Of(outcome.Key, clock.GetUtcNow(), outcome.Secret.Reveal())
        );
    }
}

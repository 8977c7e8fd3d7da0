using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Events;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access.Tokens;

/// <summary>A token that follows one stream.</summary>
/// <param name="Token">For <c>Authorization: Bearer</c> or <c>?access_token=</c>.</param>
/// <param name="Stream">The only stream that it opens.</param>
/// <param name="ExpiresAt">Until when.</param>
/// <param name="Url">Where the stream is.</param>
internal sealed record RealtimeTokenView(string Token, string Stream, DateTimeOffset ExpiresAt, string Url);

/// <summary>Routes that make short-lived tokens.</summary>
internal static class TokensEndpoints
{
    private const int DefaultSeconds = 900;
    private const int MostSeconds = 3600;

    /// <param name="Stream">Which stream.</param>
    /// <param name="LifeSeconds">How long it works, 10 to 3600; a quarter of an hour unless said.</param>
    public sealed record Body(string Stream, int LifeSeconds = DefaultSeconds);

    /// <param name="EndFormer">Whether every token made so far ends at once.</param>
    public sealed record RotateBody(bool EndFormer = false);

    public static void Map(IEndpointRouteBuilder app)
    {
        // Whoever may follow all streams may hand out the right to follow one.
        app.MapPost("/v1/realtime-tokens", Issue)
            .WithName("createRealtimeToken")
            .RateLimited(RateLimitPolicies.Token)
            .NotAudited("a token is not kept: it opens one stream for a while to somebody who may read it")
            .WithTags("events")
            .Accepts<Body>("application/json")
            .NeedsScope(Scopes.EventsRead);
        app.MapPost("/v1/workspaces/{ws}/realtime-tokens", Issue)
            .WithName("createWorkspaceRealtimeToken")
            .RateLimited(RateLimitPolicies.Token)
            .NotAudited("a token is not kept: it opens one stream for a while to somebody who may read it")
            .WithTags("events")
            .Accepts<Body>("application/json")
            .NeedsWorkspace(Scopes.EventsRead);
        app.MapPost("/v1/signing-keys/rotate", Rotate)
            .WithName("rotateSigningKey")
            .Audited(AccessEvents.SigningKeyMade)
            .WithTags("keys")
            .Accepts<RotateBody>("application/json")
            .NeedsScope(Scopes.KeysManage);
    }

    private static async Task<Ok<RealtimeTokenView>> Issue(
        TokenSigner signer,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await context.BodyAsync<Body>(ct);
        var faults = new List<Fault>();
        if (!StreamId.TryParse(body.Stream, out var stream) || AccessStreams.IsConfidential(stream))
            faults.Add(new Fault("/stream", "That is not the name of a stream, such as widget/wgt_main_content.faq."));
        if (body.LifeSeconds is < 10 or > MostSeconds)
            faults.Add(new Fault("/lifeSeconds", $"Must be 10 to {MostSeconds}."));
        AccessRequests.ThrowIfAny(faults);
        var caller = context.Caller();
        var life = TimeSpan.FromSeconds(body.LifeSeconds);
        var now = clock.GetUtcNow();
        if (caller.ExpiresAt is { } end && now + life > end)
            life = end - now;
        var token = signer.Issue(TokenPurpose.Realtime, caller.Owner, body.Stream, life, actor: caller.Actor);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(
            new RealtimeTokenView(
                token,
                body.Stream,
                DateTimeOffset.FromUnixTimeSeconds((now + life).ToUnixTimeSeconds()),
                "/v1/events/" + body.Stream
            )
        );
    }

    private static async Task<NoContent> Rotate(
        KeyRing ring,
        EmbedTokenVerifier embedTokens,
        HttpContext context,
        CancellationToken ct
    )
    {
        var caller = context.Caller();
        if (!caller.IsOperator)
        {
            throw KernelProblems
                .Forbidden.Because("Only an operator of the platform changes what tokens are signed with.")
                .AsException();
        }
        // A body may come in pieces, without a length.
        var body =
            context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
            && context.Request.ContentLength != 0
                ? await context.BodyAsync<RotateBody>(ct)
                : new RotateBody();
        await ring.RotateAsync(caller.Actor, body.EndFormer, ct);
        await embedTokens.RefreshAsync(ct);
        return TypedResults.NoContent();
    }
}

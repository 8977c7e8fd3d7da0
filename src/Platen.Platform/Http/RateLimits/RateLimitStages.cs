using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Http.RateLimits;

/// <summary>A further policy that an endpoint is under, besides those of every endpoint.</summary>
/// <param name="Policy">Its name.</param>
public sealed record RateLimitedBy(string Policy);

/// <summary>An endpoint that nobody is refused by: health and metrics are read most when there is too much of everything else.</summary>
public sealed record NotRateLimited;

/// <summary>Where requests meet their limits, and what they are told (draft-ietf-httpapi-ratelimit-headers-10).</summary>
public static class RateLimitStages
{
    private const string Remaining = "RateLimit";
    private const string Policies = "RateLimit-Policy";

    /// <summary>
    /// Adds the limiter: in memory, shared through Redis where there is one, else and when it is away through PostgreSQL. Arguments as
    /// <see cref="RateLimiter.Open"/>.
    /// </summary>
    public static IServiceCollection AddRateLimits(
        this IServiceCollection services,
        RateLimitPolicies policies,
        RedisAddress? redis,
        TimeSpan? patience = null
    )
    {
        services.AddSingleton(provider =>
            RateLimiter.Open(
                policies,
                redis,
                // Delivery alone may count nothing in the database: without Redis each node counts for itself.
                provider.GetRequiredService<PostgresPools>()
                    is { IsEdgeAlone: false } pools
                    ? pools
                    : null,
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILogger<RateLimiter>>(),
                patience
            )
        );
        return services.AddHostedService(provider => provider.GetRequiredService<RateLimiter>());
    }

    /// <summary>Puts the endpoint under a further policy, such as <see cref="RateLimitPolicies.SignIn"/>.</summary>
    public static TBuilder RateLimited<TBuilder>(this TBuilder endpoint, string policy)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new RateLimitedBy(policy));

    /// <summary>Refuses nobody at the endpoint.</summary>
    public static TBuilder NotRateLimited<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new NotRateLimited());

    /// <summary>
    /// Counts visitors of published content by address. Stands before delivery; the fields are left out, because the answers are
    /// kept by caches.
    /// </summary>
    public static IApplicationBuilder UseVisitorLimit(this IApplicationBuilder app)
    {
        var limiter = app.ApplicationServices.GetRequiredService<RateLimiter>();
        if (limiter.Policies.Find(RateLimitPolicies.Visitor) is not { } policy)
            return app;
        return app.Use(next =>
            context =>
            {
                if (!IsPublished(context.Request.Path.Value) || KeyOf(context) is not { } key)
                    return next(context);
                // Asking for the request's token makes the server allocate a source for it.
                if (limiter.TryTake(policy, key, out var decision))
                    return decision.Allowed ? next(context) : RefuseAsync(context, policy, decision);
                return AskAsync(key, context, next);
            }
        );

        async Task AskAsync(RateLimitKey key, HttpContext context, RequestDelegate next)
        {
            var decision = await limiter.TakeAsync(policy, key, context.RequestAborted);
            if (decision.Allowed)
                await next(context);
            else
                await RefuseAsync(context, policy, decision);
        }
    }

    /// <summary>Counts requests by address: before authentication, which is what is guessed at. Stands after routing.</summary>
    public static IApplicationBuilder UseAddressLimit(this IApplicationBuilder app)
    {
        var limiter = app.ApplicationServices.GetRequiredService<RateLimiter>();
        var policy = limiter.Policies.Find(RateLimitPolicies.Address);
        return app.Use(
            async (context, next) =>
            {
                if (
                    KeyOf(context) is not { } key
                    || await PassesAsync(limiter, policy, RateLimitSubject.Address, key, context)
                )
                    await next(context);
            }
        );
    }

    /// <summary>Counts requests by who acts and for which workspace. Stands after authentication.</summary>
    /// <param name="app">The pipeline.</param>
    /// <param name="caller">Says who acts for whom; null for nobody, and a null owner when that is not known yet.</param>
    public static IApplicationBuilder UseCallerLimits(
        this IApplicationBuilder app,
        Func<HttpContext, (ActorId Actor, OwnerId? Owner)?> caller
    )
    {
        var limiter = app.ApplicationServices.GetRequiredService<RateLimiter>();
        var byKey = limiter.Policies.Find(RateLimitPolicies.Key);
        var byWorkspace = limiter.Policies.Find(RateLimitPolicies.Workspace);
        return app.Use(
            async (context, next) =>
            {
                if (caller(context) is not var (actor, owner))
                {
                    await next(context);
                    return;
                }
                if (!await PassesAsync(limiter, byKey, RateLimitSubject.Actor, RateLimitKey.Of(actor.Value), context))
                    return;
                if (await PassesAsync(limiter, byWorkspace, owner, context))
                    await next(context);
            }
        );
    }

    /// <summary>Counts requests by the workspace that authorization has led into. Stands after authorization.</summary>
    /// <param name="app">The pipeline.</param>
    /// <param name="entered">Says which; null for none, or when it was counted before.</param>
    public static IApplicationBuilder UseOwnerLimit(this IApplicationBuilder app, Func<HttpContext, OwnerId?> entered)
    {
        var limiter = app.ApplicationServices.GetRequiredService<RateLimiter>();
        var byWorkspace = limiter.Policies.Find(RateLimitPolicies.Workspace);
        return app.Use(
            async (context, next) =>
            {
                if (await PassesAsync(limiter, byWorkspace, entered(context), context))
                    await next(context);
            }
        );
    }

    // The platform is not one tenant among others: its keys are limited each for itself.
    private static ValueTask<bool> PassesAsync(
        RateLimiter limiter,
        RateLimitPolicy? byWorkspace,
        OwnerId? owner,
        HttpContext context
    ) =>
        owner is { IsPlatform: false } workspace
            ? PassesAsync(limiter, byWorkspace, RateLimitSubject.Owner, RateLimitKey.Of(workspace.Value), context)
            : ValueTask.FromResult(true);

    /// <summary>
    /// Counts a request that is answered before routing, as <see cref="UseAddressLimit"/> and <see cref="UseCallerLimits"/> would:
    /// by address, by who acts, by workspace.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="limiter">The server's.</param>
    /// <param name="actor">Who acts.</param>
    /// <param name="owner">For whom.</param>
    /// <returns>Whether it may be answered; otherwise it has been refused.</returns>
    public static async ValueTask<bool> CountCallerAsync(
        this HttpContext context,
        RateLimiter limiter,
        ActorId actor,
        OwnerId owner
    )
    {
        var policies = limiter.Policies;
        return (
                policies.Find(RateLimitPolicies.Address) is not { } byAddress
                || KeyOf(context) is not { } address
                || await PassesAsync(limiter, byAddress, address, context)
            )
            && (
                policies.Find(RateLimitPolicies.Key) is not { } byKey
                || await PassesAsync(limiter, byKey, RateLimitKey.Of(actor.Value), context)
            )
            && (
                owner.IsPlatform
                || policies.Find(RateLimitPolicies.Workspace) is not { } byWorkspace
                || await PassesAsync(limiter, byWorkspace, RateLimitKey.Of(owner.Value), context)
            );
    }

    /// <summary>
    /// Counts one attempt of something by a subject of the caller's choice, such as an e-mail address that is signed in to.
    /// </summary>
    /// <exception cref="ProblemException"><see cref="HttpProblems.RateLimited"/>; Retry-After is set.</exception>
    public static async Task CountAsync(this HttpContext context, string policy, RateLimitKey key)
    {
        var limiter = context.RequestServices.GetRequiredService<RateLimiter>();
        if (limiter.Policies.Find(policy) is not { } found)
            return;
        var decision = await limiter.TakeAsync(found, key, context.RequestAborted);
        if (!decision.Allowed)
            throw Refusal(context, found, decision).AsException();
    }

    private static async ValueTask<bool> PassesAsync(
        RateLimiter limiter,
        RateLimitPolicy? policy,
        RateLimitSubject subject,
        RateLimitKey key,
        HttpContext context
    )
    {
        var metadata = context.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<NotRateLimited>() is not null)
            return true;
        if (policy is not null && !await PassesAsync(limiter, policy, key, context))
            return false;
        foreach (var further in metadata?.GetOrderedMetadata<RateLimitedBy>() ?? [])
        {
            if (
                limiter.Policies.Find(further.Policy) is { } stricter
                && stricter.Subject == subject
                && !await PassesAsync(limiter, stricter, key, context)
            )
                return false;
        }
        return true;
    }

    private static async ValueTask<bool> PassesAsync(
        RateLimiter limiter,
        RateLimitPolicy policy,
        RateLimitKey key,
        HttpContext context
    )
    {
        // Asking for the request's token makes the server allocate a source for it.
        if (!limiter.TryTake(policy, key, out var decision))
            decision = await limiter.TakeAsync(policy, key, context.RequestAborted);
        if (!decision.Allowed)
        {
            await RefuseAsync(context, policy, decision);
            return false;
        }
        Tell(context, policy, decision);
        return true;
    }

    private static void Tell(HttpContext context, RateLimitPolicy policy, RateLimitDecision decision)
    {
        var headers = context.Response.Headers;
        var left = string.Create(
            CultureInfo.InvariantCulture,
            $"\"{policy.Name}\";r={decision.Remaining};t={decision.ResetSeconds}"
        );
        headers[Policies] = Joined(headers[Policies], policy.Field);
        headers[Remaining] = Joined(headers[Remaining], left);
    }

    private static StringValues Joined(StringValues field, string item) => field.Count == 0 ? item : $"{field}, {item}";

    private static Task RefuseAsync(HttpContext context, RateLimitPolicy policy, RateLimitDecision decision) =>
        ProblemResponses.WriteAsync(context, Refusal(context, policy, decision));

    private static Problem Refusal(HttpContext context, RateLimitPolicy policy, RateLimitDecision decision)
    {
        Tell(context, policy, decision);
        context.Response.Headers.RetryAfter = decision.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        return HttpProblems
            .RateLimited.Because(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The policy '{policy.Name}' allows {policy.Quota} requests in {(long)policy.Window.TotalSeconds} seconds. Try again in {decision.RetryAfterSeconds} seconds."
                )
            )
            .With("policy", policy.Name)
            .With("retryAfter", decision.RetryAfterSeconds);
    }

    /// <summary>
    /// The client's address. Loopback is not counted: it is the operator, or a proxy that nobody has declared, and then everybody.
    /// </summary>
    private static RateLimitKey? KeyOf(HttpContext context) =>
        context.ClientAddress() is { } address && !IPAddress.IsLoopback(address) ? RateLimitKey.Of(address) : null;

    /// <summary>Pages, artifacts and the loader.</summary>
    private static bool IsPublished(string? path) =>
        path is { Length: > 2 }
        && ((path[2] == '/' && path[1] is ('e' or 'w' or 'p')) || path.StartsWith("/embed/", StringComparison.Ordinal));
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.Keys;
using Platen.Kernel;

namespace Platen.Access;

/// <summary>Who the caller is to the server.</summary>
/// <param name="Kind"><c>key</c> or <c>person</c>.</param>
/// <param name="Id">The key's or the person's id.</param>
/// <param name="Name">The key's or the person's name.</param>
/// <param name="Owner">Whose the key is: a workspace's id, or the platform's; null for a person outside every workspace.</param>
/// <param name="IsPlatform">Whether they act for the platform.</param>
/// <param name="Scopes">What they may do for <paramref name="Owner"/>.</param>
/// <param name="Stage">The stage that this server is.</param>
/// <param name="ExpiresAt">When the credential ends by itself.</param>
internal sealed record WhoAmIView(
    string Kind,
    Guid Id,
    string Name,
    Guid? Owner,
    bool IsPlatform,
    IReadOnlyList<string> Scopes,
    string Stage,
    DateTimeOffset? ExpiresAt
);

/// <summary>The route that tells callers who they are.</summary>
internal static class WhoAmI
{
    /// <param name="Id">The key's own id: whoever gives up a key says which.</param>
    public sealed record EndBody(Guid Id);

    public static void Map(IEndpointRouteBuilder app)
    {
        // Everybody may know who they are.
        app.MapGet("/v1/whoami", Tell).WithName("whoAmI").WithTags("keys").NeedsCaller();
        // And everybody may give up the key that they hold, whatever it may do.
        app.MapPost("/v1/whoami/end-key", End)
            .WithName("endMyKey")
            .Audited(AccessEvents.KeyRevoked, AccessEvents.InvitationRevoked)
            .WithTags("keys")
            .Accepts<EndBody>("application/json")
            .NeedsCaller("the key that makes the request, about itself");
    }

    private static async Task<NoContent> End(RevokeKey revoke, HttpContext context, CancellationToken ct)
    {
        var caller = context.Caller();
        var body = await context.BodyAsync<EndBody>(ct);
        if (caller.Person is not null || caller.Token is not null || body.Id != caller.Actor.Id.Value)
        {
            AccessRequests.ThrowIfAny([
                new Fault("/id", "Must be the id of the key that makes the request; a person ends a session instead."),
            ]);
        }
        await revoke.RunAsync(caller, body.Id, ct);
        return TypedResults.NoContent();
    }

    private static Ok<WhoAmIView> Tell(AccessOptions options, HttpContext context)
    {
        var caller = context.Caller();
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(
            new WhoAmIView(
                caller.Person is null ? "key" : "person",
                caller.Actor.Id.Value,
                caller.Actor.Name,
                caller.Person is not null && !caller.Owner.IsPlatform ? null : caller.Owner.Value,
                caller.Owner.IsPlatform,
                [.. caller.Scopes.Order(StringComparer.Ordinal)],
                options.Stage,
                caller.ExpiresAt
            )
        );
    }
}

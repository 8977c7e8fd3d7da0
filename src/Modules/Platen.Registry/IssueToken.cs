using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>
/// Exchanges a machine key for a token, as registry clients ask for it: GET with Basic credentials, or POST with a form
/// (<c>grant_type=password</c>, or <c>refresh_token</c> with the key as the token). By then <see cref="RegistryCredentials"/> has made the
/// key the request's credential, wherever it stood.
/// </summary>
internal static class IssueToken
{
    public sealed record Body(string Token, string AccessToken, int ExpiresIn, string IssuedAt, string Scope);

    public static async Task<JsonHttpResult<Body>> RunAsync(
        HttpContext context,
        RegistryTokens tokens,
        WorkspaceDirectory workspaces,
        TimeProvider clock,
        CancellationToken ct
    )
    {
        // A token for a token would be one without end, and with all that the key has.
        if (context.Features.Get<TokenGrant>() is not null)
            throw KernelProblems.Unauthenticated.Because("A token is issued to a key, not to a token.").AsException();
        var asked = context.Request.Query["scope"].AsEnumerable();
        if (context.Request.HasFormContentType)
            asked = asked.Concat((await context.Request.ReadFormAsync(ct))["scope"].AsEnumerable());
        var grant = await TokenGrant.OfAsync(workspaces, context.Caller(), asked.OfType<string>(), ct);
        var token = tokens.Issue(grant);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Json(
            new Body(
                token,
                token,
                (int)RegistryLimits.TokenLife.TotalSeconds,
                clock.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
                string.Join(' ', grant.Repositories.Select(r => $"repository:{r.Key}:{Text(r.Value)}"))
            ),
            Json
        );
    }

    private static string Text(RepositoryActions actions) =>
        actions.ToString().Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant();

    // The names of RFC 6749 section 5.1, and "token" for older clients.
    private static readonly System.Text.Json.JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.SnakeCaseLower,
    };
}

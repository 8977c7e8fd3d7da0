using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using Platen.Access.People;

namespace Platen.Server.Tests.People;

/// <summary>
/// A provider over HTTP, as RFC 6749, RFC 7636 and OpenID Connect's user info ask: it knows one client, asks for S256, hands out
/// codes that work once, and believes no token it did not give. Who is signed in there, the test says.
/// </summary>
internal sealed class OutsideProvider : IAsyncDisposable
{
    private const string ClientId = "platen";
    private const string ClientSecret = "provider-secret";
    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, Grant> codes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, User> tokens = new(StringComparer.Ordinal);

    private OutsideProvider(WebApplication app) => this.app = app;

    public sealed record User(string Sub, string Email, bool EmailVerified);

    private sealed record Grant(User User, string Challenge, string RedirectUri);

    /// <summary>Who is signed in there.</summary>
    public User Present { get; set; } = new("s1", "nobody@example.org", EmailVerified: true);

    /// <summary>Codes that were exchanged with the right verifier.</summary>
    public int Exchanged { get; private set; }

    /// <summary>What it refused, and why.</summary>
    public ConcurrentQueue<string> Refused { get; } = new();

    public ProviderSettings Settings =>
        new(
            "acme",
            "Acme",
            ClientId,
            ClientSecret,
            new Uri(app.Urls.Single() + "/authorize"),
            new Uri(app.Urls.Single() + "/token"),
            new Uri(app.Urls.Single() + "/userinfo"),
            "openid email profile"
        );

    public static async Task<OutsideProvider> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        var provider = new OutsideProvider(builder.Build());
        provider.app.MapGet("/authorize", provider.Authorize);
        provider.app.MapPost("/token", provider.TokenAsync);
        provider.app.MapGet("/userinfo", provider.UserInfo);
        await provider.app.StartAsync(TestContext.Current.CancellationToken);
        return provider;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private IResult Authorize(HttpRequest request)
    {
        var query = request.Query;
        if (
            query["client_id"] != ClientId
            || query["response_type"] != "code"
            || query["code_challenge_method"] != "S256"
            || query["state"].ToString().Length == 0
            || query["code_challenge"].ToString() is not { Length: 43 } challenge
            || !query["redirect_uri"].ToString().EndsWith("/sign-in/acme/callback", StringComparison.Ordinal)
        )
        {
            return Refuse("authorize: " + request.QueryString);
        }
        var code = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        codes[code] = new Grant(Present, challenge, query["redirect_uri"]!);
        return Results.Redirect(
            QueryHelpers.AddQueryString(
                query["redirect_uri"]!,
                new Dictionary<string, string?>(StringComparer.Ordinal) { ["code"] = code, ["state"] = query["state"] }
            )
        );
    }

    private async Task<IResult> TokenAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        if (form["client_id"] != ClientId || form["client_secret"] != ClientSecret)
            return Refuse("token: client");
        if (!codes.TryRemove(form["code"].ToString(), out var grant) || form["redirect_uri"] != grant.RedirectUri)
            return Refuse("token: code");
        var verifier = Encoding.ASCII.GetBytes(form["code_verifier"].ToString());
        if (Base64Url.EncodeToString(SHA256.HashData(verifier)) != grant.Challenge)
            return Refuse("token: verifier");
        Exchanged++;
        var token = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        tokens[token] = grant.User;
        return Results.Json(
            new
            {
                access_token = token,
                token_type = "Bearer",
                expires_in = 300,
            }
        );
    }

    private IResult UserInfo(HttpRequest request)
    {
        var sent = AuthenticationHeaderValue.TryParse(request.Headers.Authorization, out var header) ? header : null;
        return sent is { Scheme: "Bearer", Parameter: { } token } && tokens.TryGetValue(token, out var user)
            ? Results.Json(
                new
                {
                    sub = user.Sub,
                    email = user.Email,
                    email_verified = user.EmailVerified,
                    name = "Somebody",
                }
            )
            : Refuse("userinfo: token");
    }

    private IResult Refuse(string why)
    {
        Refused.Enqueue(why);
        return Results.BadRequest(new { error = "invalid_request" });
    }
}

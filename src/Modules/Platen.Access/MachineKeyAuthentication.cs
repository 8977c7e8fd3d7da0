using System.Collections.Frozen;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Platen.Access.Keys;
using Platen.Access.Tokens;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access;

/// <summary>Authenticates <c>Authorization: Bearer KEY</c> (RFC 6750 section 2.1) with a machine key, or with a short-lived token where the endpoint takes one.</summary>
internal sealed class MachineKeyAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    KeyVerifier keys,
    TokenSigner signer
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "machine-key";
    private const string Bearer = "Bearer ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // Health and metrics answer also while the database does not.
        var metadata = Context.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<IAllowAnonymous>() is not null)
            return AuthenticateResult.NoResult();
        var accepted = metadata?.GetMetadata<AcceptedToken>();
        var fields = Request.Headers.Authorization;
        // Two fields are two claims about who this is; a proxy in between may have seen the other one.
        if (fields.Count > 1)
            return AuthenticateResult.Fail("Authorization was sent more than once.");
        if (fields is not [{ } field])
        {
            return accepted is not null && Request.Query["access_token"] is [{ } inQuery]
                ? OfToken(inQuery, accepted)
                : AuthenticateResult.NoResult();
        }
        if (!field.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return AuthenticateResult.Fail("Only the Bearer scheme is accepted.");
        var credential = field[Bearer.Length..].Trim();
        if (
            !credential.StartsWith(MachineKey.Prefix, StringComparison.Ordinal)
            && credential.Contains('.', StringComparison.Ordinal)
        )
        {
            return accepted is not null
                ? OfToken(credential, accepted)
                : AuthenticateResult.Fail("A short-lived token opens only what it was made for.");
        }
        if (!MachineKey.TryParse(credential, out var key))
            return AuthenticateResult.Fail("The key is not well-formed: it was cut or mistyped.");
        var (caller, refusal) = await keys.VerifyAsync(key, Context.RequestAborted);
        return caller is null ? AuthenticateResult.Fail(refusal!) : Success(caller);
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var failure = (await HandleAuthenticateOnceSafeAsync()).Failure;
        Response.Headers.WWWAuthenticate = failure is null ? "Bearer" : "Bearer error=\"invalid_token\"";
        await ProblemResponses.WriteAsync(
            Context,
            KernelProblems.Unauthenticated.Because(failure?.Message ?? "No credential was sent.")
        );
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var needed = Context.GetEndpoint()?.Metadata.GetMetadata<NeededScope>()?.Scope;
        return ProblemResponses.WriteAsync(
            Context,
            KernelProblems.Forbidden.Because(
                needed is null ? "The credential does not allow this." : $"The credential lacks the scope '{needed}'."
            )
        );
    }

    private AuthenticateResult OfToken(string token, AcceptedToken accepted) =>
        signer.Verify(token, accepted.Purpose) switch
        {
            TokenCheck.Valid(var claims) => Success(
                new Caller(claims.Actor, claims.Owner, ScopesOf(Context.GetEndpoint()))
                {
                    Token = claims,
                    ExpiresAt = claims.ExpiresAt + TokenSigner.Skew,
                }
            ),
            TokenCheck.Refused(var why) => AuthenticateResult.Fail(why),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };

    // A token has no scopes: it opens the one thing that it names, at an endpoint that looks for itself.
    private static FrozenSet<string> ScopesOf(Endpoint? endpoint) =>
        endpoint?.Metadata.GetMetadata<NeededScope>() is { Scope: var scope }
            ? FrozenSet.Create(StringComparer.Ordinal, scope)
            : FrozenSet<string>.Empty;

    private static AuthenticateResult Success(Caller caller) =>
        AuthenticateResult.Success(
            new AuthenticationTicket(new ClaimsPrincipal(new CallerIdentity(caller, SchemeName)), SchemeName)
        );
}

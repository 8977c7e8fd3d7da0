using System.Collections.Frozen;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>Authenticates <c>Authorization: Bearer KEY</c> (RFC 6750 section 2.1) by one query for the key's hash.</summary>
internal sealed class MachineKeyAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    PostgresPools pools,
    TimeProvider clock
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "machine-key";
    private const string Bearer = "Bearer ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // Health and metrics answer also while the database does not.
        if (Context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            return AuthenticateResult.NoResult();
        if (Request.Headers.Authorization is not [{ } field])
            return AuthenticateResult.NoResult();
        if (!field.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return AuthenticateResult.Fail("Only the Bearer scheme is accepted.");
        if (!MachineKey.TryParse(field[Bearer.Length..].Trim(), out var key))
            return AuthenticateResult.Fail("The key is not well-formed: it was cut or mistyped.");
        var caller = await FindAsync(key);
        if (caller is null)
            return AuthenticateResult.Fail("The key is unknown, expired or revoked.");
        var principal = new ClaimsPrincipal(new CallerIdentity(caller, SchemeName));
        return AuthenticateResult.Success(new AuthenticationTicket(principal, SchemeName));
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

    private async Task<Caller?> FindAsync(MachineKey key)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "authenticate"),
            Context.RequestAborted
        );
        var found = await session.FirstAsync(
            "select owner, id, name, scopes, expires_at from access.find_key($1)",
            row => new
            {
                Owner = new OwnerId(row.GetGuid(0)),
                Actor = new Actor(new ActorId(row.GetGuid(1)), row.GetString(2)),
                Scopes = row.GetFieldValue<string[]>(3),
                ExpiresAt = row.IsDBNull(4) ? (DateTimeOffset?)null : row.GetFieldValue<DateTimeOffset>(4),
            },
            Context.RequestAborted,
            Sql.Bytes(key.Hash)
        );
        if (found is null || found.ExpiresAt <= clock.GetUtcNow())
            return null;
        return new Caller(found.Actor, found.Owner, found.Scopes.ToFrozenSet(StringComparer.Ordinal));
    }
}

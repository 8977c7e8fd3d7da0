using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.SignIn;

/// <summary>
/// Authenticates a browser by its session's cookie, by one query. A request that changes something must also show that this
/// site's own script made it: the cookie alone, which a browser sends whoever asks, does not authenticate it.
/// </summary>
internal sealed class SessionAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    PersonSessions sessions,
    WorkspaceDirectory directory
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "session";

    private bool isForged;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            return AuthenticateResult.NoResult();
        var person = await sessions.FindAsync(Request, Context.RequestAborted);
        if (person is null)
            return AuthenticateResult.Fail("The session has ended.");
        if (IsUnsafe(Request.Method) && (CrossSite.IsForeign(Request) || !CarriesToken(person)))
        {
            isForged = true;
            return AuthenticateResult.Fail($"A session's request that changes something carries {CrossSite.Header}.");
        }
        var caller = await directory.CallerOfAsync(person.Person, person.DisplayName, Context.RequestAborted);
        var principal = new ClaimsPrincipal(
            (ClaimsIdentity[])
                [
                    new CallerIdentity(caller with { ExpiresAt = person.ExpiresAt }, SchemeName),
                    new PersonIdentity(person, SchemeName),
                ]
        );
        return AuthenticateResult.Success(new AuthenticationTicket(principal, SchemeName));
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var failure = (await HandleAuthenticateOnceSafeAsync()).Failure?.Message ?? "Nobody is signed in.";
        // A cookie that stands for nothing is taken back, so that the browser stops sending it.
        if (!isForged)
            PersonSessions.RemoveCookie(Context);
        await ProblemResponses.WriteAsync(
            Context,
            (isForged ? PeopleProblems.CrossSite : KernelProblems.Unauthenticated).Because(failure)
        );
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var needed = Context.GetEndpoint()?.Metadata.GetMetadata<NeededScope>()?.Scope;
        return ProblemResponses.WriteAsync(
            Context,
            KernelProblems.Forbidden.Because(
                needed is null ? "You may not do this." : $"Your role does not include '{needed}'."
            )
        );
    }

    private bool CarriesToken(SignedIn person) =>
        CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Request.Headers[CrossSite.Header].ToString()),
            Encoding.UTF8.GetBytes(person.CsrfToken)
        );

    private static bool IsUnsafe(string method) =>
        !HttpMethods.IsGet(method) && !HttpMethods.IsHead(method) && !HttpMethods.IsOptions(method);
}

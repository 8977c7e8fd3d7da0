using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Access.Tokens;
using Platen.Kernel;

namespace Platen.Access;

/// <summary>
/// Who made a request, as the authentication handler found out. A key is its owner's everywhere. A person is nobody's until they
/// enter a workspace: then <paramref name="Owner"/> is that workspace and <paramref name="Scopes"/> what their role in it includes.
/// </summary>
/// <param name="Actor">Who acts.</param>
/// <param name="Owner">Whose rows the request is about: the platform or a workspace; for a person outside every workspace their
/// own id, which owns nothing.</param>
/// <param name="Scopes">What it may do.</param>
public sealed record Caller(Actor Actor, OwnerId Owner, IReadOnlySet<string> Scopes)
{
    /// <summary>The person; null for a key or a token.</summary>
    public PersonId? Person { get; init; }

    /// <summary>The person's role in <see cref="Owner"/>; null for a key, for a token and for an operator who is no member.</summary>
    public Role? Role { get; init; }

    /// <summary>The short-lived token that was presented; null otherwise. It opens only what it names.</summary>
    public TokenClaims? Token { get; init; }

    /// <summary>When the credential ends by itself; null when it does not.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Whether this is an operator: somebody of the platform who may do everything, in every workspace.</summary>
    public bool IsOperator => (Owner.IsPlatform || IsVisitingOperator) && Scopes.Contains(Access.Scopes.All);

    /// <summary>Whether an operator has entered a workspace: their scopes come from the platform, not from it.</summary>
    internal bool IsVisitingOperator { get; init; }

    /// <summary>Whether the credential has the scope, or all of them.</summary>
    public bool Has(string scope) => Scopes.Contains(Access.Scopes.All) || Scopes.Contains(scope);

    /// <summary>What a session for this caller is opened with.</summary>
    /// <param name="reason">Why, in a few words.</param>
    public OperationContext Operation(string reason) =>
        new(Actor, Owner, reason) { MayPublishCurated = Owner.IsPlatform && Has(Access.Scopes.CuratedPublish) };
}

/// <summary>A principal that carries its <see cref="Caller"/>.</summary>
internal sealed class CallerIdentity(Caller caller, string scheme) : ClaimsIdentity(scheme)
{
    public Caller Caller { get; } = caller;
}

public static class CallerOfRequest
{
    /// <summary>The authenticated caller; behind <see cref="WorkspaceAccess.NeedsWorkspace"/>, as they are in that workspace.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unauthenticated"/>.</exception>
    public static Caller Caller(this HttpContext context) =>
        (context.User.Identity as CallerIdentity)?.Caller
        ?? throw KernelProblems.Unauthenticated.Because("No valid credential was sent.").AsException();
}

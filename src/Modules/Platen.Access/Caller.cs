using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Access;

/// <summary>Who made a request, as the authentication handler found out.</summary>
/// <param name="Actor">Who acts.</param>
/// <param name="Owner">Whom the credential belongs to: the platform or a workspace.</param>
/// <param name="Scopes">What it may do.</param>
public sealed record Caller(Actor Actor, OwnerId Owner, IReadOnlySet<string> Scopes)
{
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
    /// <summary>The authenticated caller.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unauthenticated"/>.</exception>
    public static Caller Caller(this HttpContext context) =>
        (context.User.Identity as CallerIdentity)?.Caller
        ?? throw KernelProblems.Unauthenticated.Because("No valid credential was sent.").AsException();
}

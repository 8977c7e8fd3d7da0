using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Kernel;

namespace Platen.Access.SignIn;

/// <summary>A person who is signed in, as the session's cookie found them.</summary>
/// <param name="Person">Who.</param>
/// <param name="DisplayName">What others see.</param>
/// <param name="Email">Where they are reached.</param>
/// <param name="SessionId">Which of their sessions.</param>
/// <param name="Method">How it was begun: setup, password, passkey, provider or invitation.</param>
/// <param name="StartedAt">When it was begun.</param>
/// <param name="ExpiresAt">When it ends at the latest.</param>
/// <param name="IsFresh">Whether it was begun in the last minutes, which is needed to change what proves the person.</param>
/// <param name="CsrfToken">What requests that change something carry in <c>X-Platen-CSRF</c>.</param>
public sealed record SignedIn(
    PersonId Person,
    string DisplayName,
    string Email,
    Guid SessionId,
    string Method,
    DateTimeOffset StartedAt,
    DateTimeOffset ExpiresAt,
    bool IsFresh,
    string CsrfToken
)
{
    /// <summary>Who acts, as recorded with every change.</summary>
    public Actor Actor => new(Person.AsActor, DisplayName);

    /// <summary>What a session on the person's own rows is opened with.</summary>
    public OperationContext Operation(string reason) => new(Actor, OwnerId.Platform, reason);
}

/// <summary>A principal who is a person with a session.</summary>
internal sealed class PersonIdentity(SignedIn person, string scheme) : ClaimsIdentity(scheme)
{
    public SignedIn Person { get; } = person;
}

public static class SignedInOfRequest
{
    /// <summary>The person who is signed in.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unauthenticated"/>.</exception>
    public static SignedIn SignedIn(this HttpContext context) =>
        context.FindSignedIn() ?? throw KernelProblems.Unauthenticated.Because("Nobody is signed in.").AsException();

    /// <summary>The person who is signed in, or null: nobody, or a machine.</summary>
    public static SignedIn? FindSignedIn(this HttpContext context) =>
        context.User.Identities.OfType<PersonIdentity>().FirstOrDefault()?.Person;
}

/// <summary>The endpoint is for a signed-in person about themself; no scope is asked for.</summary>
public sealed record NeededPerson;

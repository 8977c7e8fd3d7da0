using Microsoft.AspNetCore.Builder;
using Platen.Kernel;

namespace Platen.Access.SignIn;

/// <summary>Problems that an endpoint answers with besides those that its kind has; read by the API's description.</summary>
/// <param name="Problems">Each with its own status.</param>
public sealed record Refusals(params ProblemType[] Problems);

/// <summary>The endpoint changes or removes something that has no versions: no precondition is asked for.</summary>
public sealed record Unversioned;

public static class EndpointsOfPeople
{
    internal const string Policy = "person";

    /// <summary>Only a signed-in person reaches the endpoint, which is about themself.</summary>
    public static TBuilder NeedsPerson<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(Policy).WithMetadata(new NeededPerson());

    /// <summary>Tells the API's description what else the endpoint answers with.</summary>
    public static TBuilder Refuses<TBuilder>(this TBuilder endpoint, params ProblemType[] problems)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Refusals(problems));
}

using Microsoft.AspNetCore.Builder;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>Problems that an endpoint answers with besides those that its kind has; read by the API's description.</summary>
/// <param name="Problems">Each with its own status.</param>
public sealed record Refusals(params ProblemType[] Problems);

/// <summary>The endpoint changes or removes something that has no versions: no precondition is asked for.</summary>
public sealed record Unversioned;

/// <summary>The endpoint asks for a precondition although its method does not say that it changes what its address names.</summary>
public sealed record Versioned;

/// <summary>What the API's description cannot see in a route.</summary>
public static class EndpointAnswers
{
    /// <summary>Tells the API's description what else the endpoint answers with.</summary>
    public static TBuilder Refuses<TBuilder>(this TBuilder endpoint, params ProblemType[] problems)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Refusals(problems));
}

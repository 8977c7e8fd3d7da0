using Microsoft.AspNetCore.Builder;

namespace Platen.Access.Audit;

/// <summary>What an endpoint leaves in the audit log when it changes something; read by the list of writes.</summary>
/// <param name="Actions">The actions it can record; empty when it records none.</param>
/// <param name="Reason">Why it records none; null when it does.</param>
public sealed record Audited(IReadOnlyList<string> Actions, string? Reason);

public static class AuditedEndpoints
{
    /// <summary>Says which actions the endpoint records. Every endpoint that writes says this or <see cref="NotAudited"/>.</summary>
    public static TBuilder Audited<TBuilder>(this TBuilder endpoint, params string[] actions)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Audited(actions, Reason: null));

    /// <summary>Says that the endpoint records nothing, and why: it changes nothing that anybody could ask about.</summary>
    public static TBuilder NotAudited<TBuilder>(this TBuilder endpoint, string reason)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Audited([], reason));
}

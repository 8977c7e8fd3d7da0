using Microsoft.AspNetCore.Builder;

namespace Platen.Access.Audit;

/// <summary>What an endpoint leaves in the audit log when it changes something; read by the list of writes, and held to by its tests.</summary>
/// <param name="Actions">The actions it can record; empty when it records none.</param>
/// <param name="Reason">Why it records none; null when it does.</param>
public sealed record Audited(IReadOnlyList<string> Actions, string? Reason);

/// <summary>When a request that succeeds leaves nothing all the same.</summary>
/// <param name="When">In a few words.</param>
public sealed record LeavesNothing(string When);

/// <summary>Which actions have the digest of no content.</summary>
/// <param name="Actions">Of this endpoint, or of what it sets going.</param>
/// <param name="Reason">Why.</param>
public sealed record WithoutDigests(IReadOnlyList<string> Actions, string Reason);

public static class AuditedEndpoints
{
    /// <summary>Says which actions the endpoint records. Every endpoint that writes says this or <see cref="NotAudited"/>.</summary>
    public static TBuilder Audited<TBuilder>(this TBuilder endpoint, params string[] actions)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Audited(actions, Reason: null));

    /// <summary>Says that the endpoint records nothing, and why: it changes nothing that anybody could ask about.</summary>
    public static TBuilder NotAudited<TBuilder>(this TBuilder endpoint, string reason)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Audited([], reason));

    /// <summary>Says when the endpoint succeeds and records nothing, because nothing changed. Every other success leaves an entry.</summary>
    public static TBuilder LeavesNothing<TBuilder>(this TBuilder endpoint, string when)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new LeavesNothing(when));

    /// <summary>Says which entries have no digests, and why: there is no content that was one thing before and is another after.</summary>
    public static TBuilder WithoutDigests<TBuilder>(this TBuilder endpoint, string reason, params string[] actions)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new WithoutDigests(actions, reason));
}

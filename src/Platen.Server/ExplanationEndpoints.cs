using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Platen.Access;
using Platen.Delivery;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Widgets;

namespace Platen.Server;

/// <summary>Which node said so.</summary>
/// <param name="Name">The machine.</param>
/// <param name="Process">Its process.</param>
/// <param name="Version">Of the server.</param>
/// <param name="Roles">Which parts it is.</param>
internal sealed record ExplainedNode(string Name, int Process, string Version, string Roles);

/// <summary>An explanation with who gave it.</summary>
/// <param name="Explanation">Why a visitor gets what they get.</param>
/// <param name="Node">The node that was asked: another may have other things in memory. Null but for operators: what the platform runs on
/// is no business of its tenants.</param>
/// <param name="TraceId">Finds the request in logs and traces.</param>
/// <param name="At">When.</param>
internal sealed record ExplanationView(
    Explanation Explanation,
    ExplainedNode? Node,
    string? TraceId,
    DateTimeOffset At
);

/// <summary>
/// Why a visitor gets what they get. <c>/e/…?explain</c> and <c>/w/…?explain</c> with a key lead here too. It tells what visitors are not
/// told, so it needs what reading the instance needs.
/// </summary>
internal static class ExplanationEndpoints
{
    public static void MapExplanations(this IEndpointRouteBuilder app) =>
        app.MapGet("/v1/instances/{publicId}/explanation", ExplainAsync)
            .WithName("explainInstance")
            .WithTags("widgets")
            .NeedsInstance();

    private static Task<Ok<ExplanationView>> ExplainAsync(
        string publicId,
        ExplainVisitor visitor,
        ServerSettings settings,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    ) =>
        TellAsync(
            PublicId.Parse(publicId),
            visitor,
            context.Caller().IsOperator
                ? new ExplainedNode(
                    Environment.MachineName,
                    Environment.ProcessId,
                    ServerProcess.Version,
                    settings.Roles.ToString().ToLowerInvariant()
                )
                : null,
            clock,
            context,
            ct
        );

    /// <summary>Explains to somebody who may know, which the caller of this has seen to.</summary>
    public static async Task<Ok<ExplanationView>> TellAsync(
        PublicId id,
        ExplainVisitor visitor,
        ExplainedNode? node,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        var began = clock.GetTimestamp();
        var explanation = await visitor.ExplainAsync(context.Request, id, ct);
        context.AddServerTiming("find", clock.GetElapsedTime(began), explanation.Cache.Level);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(
            new ExplanationView(explanation, node, Activity.Current?.TraceId.ToString(), clock.GetUtcNow())
        );
    }
}

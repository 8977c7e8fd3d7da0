using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Events;

namespace Platen.Server;

/// <summary>The event streams of the caller's owner, live.</summary>
internal static class StreamsEndpoints
{
    public static void MapStreams(this IEndpointRouteBuilder app) =>
        // A stream is read as its owner: another owner's stream of the same name is another stream.
        app.MapEventStream(
                "/v1/events/{**stream}",
                context =>
                    StreamId.TryParse(context.GetRouteValue("stream") as string, out var stream)
                        ? ValueTask.FromResult((context.Caller().Owner, stream))
                        : throw KernelProblems
                            .NotFound.Because("That is not the name of a stream, such as widget/wgt_main_content.faq.")
                            .AsException()
            )
            .WithName("followEvents")
            .WithTags("events")
            .NeedsScope(Scopes.EventsRead);
}

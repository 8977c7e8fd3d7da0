using Platen.Access;
using Platen.Access.Tokens;
using Platen.Kernel;
using Platen.Platform.Events;

namespace Platen.Server;

/// <summary>Event streams, live: of the caller's owner, and of a workspace that the caller has entered.</summary>
internal static class StreamsEndpoints
{
    public static void MapStreams(this IEndpointRouteBuilder app)
    {
        // A stream is read as its owner: another owner's stream of the same name is another stream.
        app.MapEventStream("/v1/events/{**stream}", Resolve)
            .WithName("followEvents")
            .WithTags("events")
            .NeedsScope(Scopes.EventsRead)
            .AcceptsToken(TokenPurpose.Realtime);
        app.MapEventStream("/v1/workspaces/{ws}/events/{**stream}", Resolve)
            .WithName("followWorkspaceEvents")
            .WithTags("events")
            .NeedsWorkspace(Scopes.EventsRead)
            .AcceptsToken(TokenPurpose.Realtime);
    }

    private static ValueTask<(OwnerId, StreamId)> Resolve(HttpContext context)
    {
        if (!StreamId.TryParse(context.GetRouteValue("stream") as string, out var stream))
        {
            throw KernelProblems
                .NotFound.Because("That is not the name of a stream, such as widget/wgt_main_content.faq.")
                .AsException();
        }
        var caller = context.Caller();
        AccessStreams.Check(caller, stream);
        if (caller.Token is { } token && token.Subject != stream.Value)
            throw KernelProblems.NotFound.Because("The token is for another stream.").AsException();
        context.RequestServices.GetRequiredService<LongRequests>().Watch(context, Scopes.EventsRead);
        return ValueTask.FromResult((caller.Owner, stream));
    }
}

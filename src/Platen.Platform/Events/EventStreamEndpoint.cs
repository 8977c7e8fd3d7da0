using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Platform.Events;

/// <summary>Serves streams as text/event-stream (WHATWG HTML section 9.2).</summary>
public static class EventStreamEndpoint
{
    private const string MediaType = "text/event-stream";
    private const string CursorField = "Last-Event-ID";
    private const string RevisionField = "Stream-Revision";
    private static readonly byte[] Opening = "retry: 1000\n\n"u8.ToArray();
    private static readonly byte[] Heartbeat = ": still here\n\n"u8.ToArray();

    /// <summary>
    /// Maps <c>GET</c> on a pattern: events after <c>Last-Event-ID</c> (or <c>?after=</c>; without either, from the beginning),
    /// then each as it is committed, with its revision as <c>id</c> and its type as <c>event</c>. A comment every 15 s shows
    /// that the connection lives. The field <c>Stream-Revision</c> says how far the stream has come: who wants the past only, leaves
    /// after that event. A reader that is too slow gets <c>event: platen.cut</c> with its cursor, one whose events
    /// were removed meanwhile <c>event: platen.gone</c>, and the response ends; it ends without either when the server stops.
    /// </summary>
    /// <param name="app">Where to map.</param>
    /// <param name="pattern">The route.</param>
    /// <param name="resolve">Says which stream of which owner is meant, after checking that the caller may read it; throws
    /// <see cref="ProblemException"/> otherwise.</param>
    /// <returns>For the policy and the name.</returns>
    public static IEndpointConventionBuilder MapEventStream(
        this IEndpointRouteBuilder app,
        string pattern,
        Func<HttpContext, ValueTask<(OwnerId Owner, StreamId Stream)>> resolve
    ) =>
        app.MapGet(
                pattern,
                async (
                    HttpContext http,
                    [FromQuery] string? after,
                    [FromHeader(Name = CursorField)] string? lastEventId
                ) =>
                {
                    var (owner, stream) = await resolve(http);
                    await ServeAsync(http, owner, stream, Cursor(lastEventId, after));
                }
            )
            .Produces(StatusCodes.Status200OK, contentType: MediaType)
            .Refuses(EventsProblems.CursorGone, EventsProblems.TooManySubscribers)
            // It is meant to stay open.
            .DisableRequestTimeout();

    // Until the reader leaves or the server stops.
    private static async Task ServeAsync(HttpContext http, OwnerId owner, StreamId stream, long cursor)
    {
        var ct = http.RequestAborted;
        var hub = http.RequestServices.GetRequiredService<EventHub>();
        await using var subscription = await hub.OpenAsync(owner, stream, cursor, resumesInline: true, ct);
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        http.Response.ContentType = MediaType;
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.ContentEncoding = "identity";
        http.Response.Headers["X-Accel-Buffering"] = "no";
        http.Response.Headers[RevisionField] = Text(subscription.Head);
        if (http.WantsNoBody())
            return;
        var body = http.Response.BodyWriter;
        try
        {
            await body.WriteAsync(Opening, ct);
            while (!ct.IsCancellationRequested)
            {
                var frames = await subscription.TakeFramesAsync(ct);
                if (!frames.IsEmpty)
                    await body.WriteAsync(frames, ct);
                switch (await subscription.WaitAsync())
                {
                    case Wake.Ended:
                        return;
                    case Wake.Idle:
                        await body.WriteAsync(Heartbeat, ct);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The reader left: there is nobody to tell.
        }
        catch (EventConsumerCutException cut)
        {
            await EndAsync(http, "platen.cut", $"{{\"cursor\": {Text(cut.Cursor)}}}");
        }
        catch (ProblemException gone) when (gone.Problem.Type == EventsProblems.CursorGone)
        {
            await EndAsync(http, "platen.gone", $"{{\"cursor\": {Text(subscription.Cursor)}}}");
        }
        catch (NpgsqlException lost)
        {
            // Headers are gone already; the reader comes back with its cursor.
            var logger = http.RequestServices.GetRequiredService<ILogger<EventHub>>();
            Log.ReadFailed(logger, TimeSpan.FromSeconds(1), lost);
        }
    }

    private static async Task EndAsync(HttpContext http, string type, string json) =>
        await http.Response.BodyWriter.WriteAsync(
            Encoding.UTF8.GetBytes($"event: {type}\ndata: {json}\n\n"),
            http.RequestAborted
        );

    private static long Cursor(string? lastEventId, string? after)
    {
        var (text, name) = lastEventId is null ? (after, nameof(after)) : (lastEventId, CursorField);
        if (text is null)
            return 0;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var cursor)
            ? cursor
            : throw KernelProblems
                .Malformed.Because($"'{name}' is the revision of the last event you have: a number from 0.")
                .AsException();
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}

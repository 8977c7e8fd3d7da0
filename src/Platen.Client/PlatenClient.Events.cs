using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Platen.Kernel.Templates;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>
    /// The events of a stream after a revision, as they happen, in order, each once. A connection that breaks or falls silent is
    /// opened again where it stopped (<c>Last-Event-ID</c>; WHATWG HTML, "Server-sent events"), after a growing random pause, until
    /// the token is cancelled. A refusal (401, 403, 404, …) ends it with <see cref="PlatenProblemException"/>.
    /// </summary>
    /// <param name="stream">Such as <c>channel/curated/wgt_main_content.faq/live</c>.</param>
    /// <param name="after">0 starts with the first event.</param>
    /// <param name="reconnecting">Told why, each time a connection is lost; may be null.</param>
    /// <param name="ct">Ends it, with <see cref="OperationCanceledException"/>.</param>
    public IAsyncEnumerable<StreamEvent> FollowEventsAsync(
        string stream,
        long after,
        Action<PlatenException>? reconnecting,
        CancellationToken ct
    ) => FollowAsync(EventsPath(stream), after, reconnecting, ct);

    /// <summary>
    /// The events of a template, of the caller's own or of the platform's when the caller has none of that name; else as
    /// <see cref="FollowEventsAsync"/>.
    /// </summary>
    /// <param name="name">The template.</param>
    /// <param name="after">0 starts with the first event.</param>
    /// <param name="reconnecting">Told why, each time a connection is lost; may be null.</param>
    /// <param name="ct">Ends it, with <see cref="OperationCanceledException"/>.</param>
    public IAsyncEnumerable<StreamEvent> FollowTemplateAsync(
        TemplateName name,
        long after,
        Action<PlatenException>? reconnecting,
        CancellationToken ct
    ) => FollowAsync(TemplatePath(name) + "/events", after, reconnecting, ct);

    private async IAsyncEnumerable<StreamEvent> FollowAsync(
        string path,
        long after,
        Action<PlatenException>? reconnecting,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var last = after;
        var pause = TimeSpan.Zero;
        for (var failures = 0; ; )
        {
            var connection = ReadEventsAsync(path, last, asked => pause = asked, ct).GetAsyncEnumerator(ct);
            await using (connection)
            {
                while (true)
                {
                    PlatenException? lost = null;
                    try
                    {
                        if (!await connection.MoveNextAsync())
                            lost = StreamEnded("Nothing: it is opened again.");
                    }
                    catch (PlatenException e) when (IsWorthReconnecting(e))
                    {
                        lost = e;
                    }
                    if (lost is not null)
                    {
                        failures++;
                        reconnecting?.Invoke(lost);
                        break;
                    }
                    failures = 0;
                    if (connection.Current.Revision <= last)
                        continue;
                    last = connection.Current.Revision;
                    yield return connection.Current;
                }
            }
            await PauseAsync(failures, pause > TimeSpan.Zero && pause <= options.LongestPause ? pause : null, ct);
        }
    }

    /// <summary>
    /// The events of a stream after a revision that had happened when this was asked, in order; it ends there, however long the
    /// server takes.
    /// </summary>
    /// <param name="stream">Such as <c>channel/curated/wgt_main_content.faq/live</c>.</param>
    /// <param name="after">0 starts with the first event.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="PlatenUnreachableException">While it is read: the connection was lost before the last of them came.</exception>
    /// <exception cref="PlatenAnswerException">While it is read: the server does not say how far the stream has come.</exception>
    public async IAsyncEnumerable<StreamEvent> ReadPastEventsAsync(
        string stream,
        long after,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        using var answer = await OpenEventsAsync(EventsPath(stream), after, ct);
        if (
            !answer.Headers.TryGetValues("Stream-Revision", out var fields)
            || !long.TryParse(fields.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var head)
        )
        {
            throw new PlatenAnswerException(
                $"{Server} does not say how far the stream has come.",
                "Check that server and client have the same version, and that no proxy removes the field Stream-Revision."
            );
        }
        if (after >= head)
            yield break;
        await foreach (var happened in ReadEventsAsync(answer, null, ct))
        {
            if (happened.Revision <= after)
                continue;
            yield return happened;
            if (happened.Revision >= head)
                yield break;
        }
        throw StreamEnded("Ask again after the last revision you saw (--after).");
    }

    private static string EventsPath(string stream)
    {
        ArgumentException.ThrowIfNullOrEmpty(stream);
        return "v1/events/" + string.Join('/', stream.Split('/').Select(Segment));
    }

    private async IAsyncEnumerable<StreamEvent> ReadEventsAsync(
        string path,
        long after,
        Action<TimeSpan>? pauseAsked,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        using var answer = await OpenEventsAsync(path, after, ct);
        await foreach (var happened in ReadEventsAsync(answer, pauseAsked, ct))
            yield return happened;
    }

    private async IAsyncEnumerable<StreamEvent> ReadEventsAsync(
        HttpResponseMessage answer,
        Action<TimeSpan>? pauseAsked,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var body = new WatchedStream(await answer.Content.ReadAsStreamAsync(ct), options.EventSilence, options.Time);
        var parser = SseParser.Create(body, static (_, data) => data.ToArray());
        await using var items = parser.EnumerateAsync(ct).GetAsyncEnumerator(ct);
        while (true)
        {
            StreamEvent? happened;
            try
            {
                if (!await items.MoveNextAsync())
                    yield break;
                happened = Understand(items.Current);
            }
            catch (Exception e) when (e is IOException or HttpRequestException or TimeoutException)
            {
                throw new PlatenUnreachableException(
                    Server,
                    "the event stream broke: " + e.Message,
                    "Follow it again after the last revision you saw (--after).",
                    e
                );
            }
            if (parser.ReconnectionInterval > TimeSpan.Zero)
                pauseAsked?.Invoke(parser.ReconnectionInterval);
            if (happened is not null)
                yield return happened;
        }
    }

    private async Task<HttpResponseMessage> OpenEventsAsync(string path, long after, CancellationToken ct)
    {
        using var request = NewRequest(HttpMethod.Get, path);
        request.Headers.Accept.Clear();
        request.Headers.Accept.ParseAdd("text/event-stream");
        request.Headers.Accept.ParseAdd("application/problem+json");
        request.Headers.Add("Last-Event-ID", after.ToString(CultureInfo.InvariantCulture));
        var answer = await OpenAsync(request, "the event stream did not open", ct);
        if (answer.Content.Headers.ContentType?.MediaType == "text/event-stream")
            return answer;
        using (answer)
        {
            throw new PlatenAnswerException(
                $"{request.RequestUri} answered with {answer.Content.Headers.ContentType} and not with an event stream.",
                "Check that the address is a Platen server's, and that server and client have the same version."
            );
        }
    }

    /// <summary>Asks once, for a body that is read as it comes.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="late">What did not happen, where the server does not answer in time.</param>
    /// <param name="ct">Cancels.</param>
    private async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, string late, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(options.AttemptTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        HttpResponseMessage? answer = null;
        try
        {
            answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (!answer.IsSuccessStatusCode)
                throw await RefusalAsync(answer, 1, either.Token);
            var result = answer;
            answer = null;
            return result;
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new PlatenUnreachableException(
                Server,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{late} within {options.AttemptTimeout.TotalSeconds:0.#} s."
                ),
                "See what the server is busy with ('platen doctor').",
                e
            );
        }
        finally
        {
            answer?.Dispose();
        }
    }

    /// <summary>An event without a revision as its id is the server's word about the connection, not of the stream.</summary>
    private static StreamEvent? Understand(SseItem<byte[]> item)
    {
        if (!long.TryParse(item.EventId, NumberStyles.None, CultureInfo.InvariantCulture, out var revision))
            return null;
        try
        {
            return new StreamEvent(
                revision,
                item.EventType,
                JsonSerializer.Deserialize(item.Data, ClientJson.Default.JsonElement)
            );
        }
        catch (JsonException e)
        {
            throw new PlatenAnswerException(
                string.Create(CultureInfo.InvariantCulture, $"Event {revision} of the stream is not JSON: {e.Message}"),
                "Check that server and client have the same version.",
                e
            );
        }
    }

    private static bool IsWorthReconnecting(PlatenException e) =>
        e is PlatenUnreachableException || (e is PlatenProblemException problem && IsPassing(problem.Status));

    private PlatenUnreachableException StreamEnded(string advice) =>
        new(Server, "the server ended the event stream.", advice, null);

    /// <summary>Ends reads with <see cref="TimeoutException"/> when nothing at all arrives: heartbeats count as something.</summary>
    private sealed class WatchedStream(Stream inner, TimeSpan silence, TimeProvider time) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            using var patience = new CancellationTokenSource(silence, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
            try
            {
                return await inner.ReadAsync(buffer, either.Token);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"not even a heartbeat for {silence.TotalSeconds:0.#} s."
                    ),
                    e
                );
            }
        }

        public override Task<int> ReadAsync(
            byte[] buffer,
            int offset,
            int count,
            CancellationToken cancellationToken
        ) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }
    }
}

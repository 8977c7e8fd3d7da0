using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text;

namespace Platen.Server.Tests;

/// <summary>A stream of events as the whole server sends it, with everything that stands before the endpoint.</summary>
public sealed class EventStreamTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_instance_is_followed_from_where_a_reader_was_and_nothing_is_held_back()
    {
        var id = "wgt_curated_followed-" + Guid.CreateVersion7().ToString("N");
        await SaveAsync(id, "first", seen: null);
        await SaveAsync(id, "second", "\"1\"");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/events/widget/" + id);
        request.Headers.Add("Last-Event-ID", "1");
        request.Headers.Add("Accept-Encoding", "br, gzip");
        using var response = await server.Owner.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        response.Content.Headers.ContentEncoding.ShouldBe(["identity"]);
        response.Headers.CacheControl!.NoStore.ShouldBeTrue();
        response.Headers.GetValues("X-Accel-Buffering").ShouldBe(["no"]);
        response.Headers.GetValues("Stream-Revision").ShouldBe(["2"]);

        await using var body = await response.Content.ReadAsStreamAsync(Ct);
        var opening = new byte["retry: 1000\n\n".Length];
        await body.ReadExactlyAsync(opening, Ct);
        Encoding.UTF8.GetString(opening).ShouldBe("retry: 1000\n\n");
        await using var events = SseParser.Create(body).EnumerateAsync(Ct).GetAsyncEnumerator(Ct);
        foreach (var revision in (int[])[2, 3, 4])
        {
            (await events.MoveNextAsync()).ShouldBeTrue();
            events.Current.EventId.ShouldBe(revision.ToString(CultureInfo.InvariantCulture));
            events.Current.EventType.ShouldBe("widget.saved");
            events.Current.Data.ShouldContain($"\"revision\": {revision}");
            if (revision < 4)
                await SaveAsync(id, "version " + revision, $"\"{revision}\"");
        }
    }

    [Theory]
    [InlineData("one", 400, "malformed")]
    [InlineData("99", 410, "event-cursor-gone")]
    public async Task A_place_that_is_none_is_a_problem(string cursor, int status, string problem)
    {
        var id = "wgt_curated_nowhere-" + Guid.CreateVersion7().ToString("N");
        await SaveAsync(id, "first", seen: null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/events/widget/" + id);
        request.Headers.Add("Last-Event-ID", cursor);
        using var response = await server.Owner.SendAsync(request, Ct);
        ((int)response.StatusCode).ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await response.Content.ReadAsStringAsync(Ct)).ShouldContain(problem);
    }

    private async Task SaveAsync(string id, string heading, string? seen)
    {
        var saved = await server.Owner.SendAsync(
            HttpMethod.Put,
            "/v1/instances/" + id,
            UserInstanceTests.Faq(heading),
            seen,
            create: seen is null
        );
        saved.Status.ShouldBeInRange(200, 201);
    }
}

using Microsoft.AspNetCore.Http;

namespace Platen.Client.Tests;

public sealed class FollowEventsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_broken_stream_goes_on_where_it_stopped_and_doubles_nothing()
    {
        await using var server = await ScriptedServer.StartAsync(
            Events(
                ": hello\n\nid: 4\nevent: a\ndata: {\"n\":4}\n\nid: 5\nevent: b\ndata: {\"n\":\ndata: 5}\n\n",
                abort: true
            ),
            ScriptedServer.Status(503),
            Events("id: 5\nevent: b\ndata: {}\n\nid: 6\nevent: c\ndata: {}\n\n")
        );
        using var client = server.Client();
        var lost = new List<PlatenException>();

        var seen = await client.FollowEventsAsync("widget/x", 3, lost.Add, Ct).Take(3).ToListAsync(Ct);

        seen.Select(e => e.Revision).ShouldBe([4, 5, 6]);
        seen.Select(e => e.Type).ShouldBe(["a", "b", "c"]);
        seen[1].Data.GetProperty("n").GetInt32().ShouldBe(5);
        server.Requests.Select(r => r.Headers["Last-Event-ID"]).ShouldBe(["3", "5", "5"]);
        server.Requests.First().Path.ShouldBe("/v1/events/widget/x");
        lost.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_refusal_ends_it()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Json(403, """{"type":"/problems/forbidden","status":403}""", "application/problem+json")
        );
        using var client = server.Client();

        var refused = await Should.ThrowAsync<PlatenProblemException>(async () =>
            await client.FollowEventsAsync("widget/x", 0, null, Ct).FirstAsync(Ct)
        );

        refused.Slug.ShouldBe("forbidden");
    }

    [Fact]
    public async Task Silence_without_heartbeats_is_a_dead_connection()
    {
        await using var server = await ScriptedServer.StartAsync(
            Events(": only a greeting\n\n", stayOpen: true),
            Events("id: 1\nevent: a\ndata: {}\n\n")
        );
        using var client = server.Client(
            new PlatenClientOptions
            {
                EventSilence = TimeSpan.FromSeconds(2),
                FirstPause = TimeSpan.FromMilliseconds(1),
            }
        );
        var lost = new List<PlatenException>();

        var first = await client.FollowEventsAsync("widget/x", 0, lost.Add, Ct).FirstAsync(Ct);

        first.Revision.ShouldBe(1);
        lost.Single().Message.ShouldContain("heartbeat");
    }

    [Fact]
    public async Task The_past_ends_where_the_stream_had_come_to()
    {
        const string three = "id: 1\nevent: a\ndata: {}\n\nid: 2\nevent: a\ndata: {}\n\nid: 3\nevent: a\ndata: {}\n\n";
        await using var server = await ScriptedServer.StartAsync(
            Events(three, stayOpen: true, head: "2"),
            Events("retry: 1000\n\n", stayOpen: true, head: "2"),
            Events("id: 1\nevent: a\ndata: {}\n\n", head: "2"),
            Events(three)
        );
        using var client = server.Client();

        (await PastAsync(0)).ShouldBe([1, 2]);
        (await PastAsync(2)).ShouldBeEmpty();
        // Half of the past is not the past.
        (await Should.ThrowAsync<PlatenUnreachableException>(() => PastAsync(0))).Message.ShouldContain("ended");
        (await Should.ThrowAsync<PlatenAnswerException>(() => PastAsync(0))).Message.ShouldContain("how far");

        async Task<List<long>> PastAsync(long after) =>
            await client.ReadPastEventsAsync("widget/x", after, Ct).Select(e => e.Revision).ToListAsync(Ct);
    }

    private static RequestDelegate Events(
        string text,
        bool abort = false,
        bool stayOpen = false,
        string? head = null
    ) =>
        async context =>
        {
            context.Response.ContentType = "text/event-stream";
            if (head is not null)
                context.Response.Headers["Stream-Revision"] = head;
            await context.Response.WriteAsync(text, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            if (abort)
                await context.Response.CompleteAsync();
            if (stayOpen)
                await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
        };
}

using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Events;

public sealed class EventStreamEndpointTests(PostgresFixture postgres)
{
    private static readonly StreamId Stream = new("project/sse");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stream_continues_after_the_last_event_id_and_ends_with_the_server()
    {
        var owner = TestOwner.New();
        await using var app = await ServeAsync(owner);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        await AppendAsync(owner);
        await AppendAsync(owner);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events");
        request.Headers.Add("Last-Event-ID", "1");
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Headers.CacheControl!.NoStore.ShouldBeTrue();
        response.Headers.GetValues("X-Accel-Buffering").ShouldBe(["no"]);
        response.Headers.GetValues("Stream-Revision").ShouldBe(["2"]);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        await using var body = await response.Content.ReadAsStreamAsync(Ct);
        var parser = SseParser.Create(body);
        await using var items = parser.EnumerateAsync(Ct).GetAsyncEnumerator(Ct);
        (await items.MoveNextAsync()).ShouldBeTrue();
        (items.Current.EventId, items.Current.EventType, items.Current.Data).ShouldBe(("2", "written", "{\"a\": 1}"));
        await AppendAsync(owner);
        (await items.MoveNextAsync()).ShouldBeTrue();
        items.Current.EventId.ShouldBe("3");
        var stopping = app.StopAsync(Ct);
        (await items.MoveNextAsync()).ShouldBeFalse();
        await stopping;
    }

    [Fact]
    public async Task A_stream_is_sent_as_it_is_also_where_everything_else_is_compressed()
    {
        var owner = TestOwner.New();
        await AppendAsync(owner);
        await using var app = await ServeAsync(owner, compressing: true);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        http.DefaultRequestHeaders.Add("Accept-Encoding", "br, gzip");
        using (var other = await http.GetAsync("/other", Ct))
            other.Content.Headers.ContentEncoding.ShouldBe(["br"]);

        using var response = await http.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Ct);
        response.Content.Headers.ContentEncoding.ShouldBe(["identity"]);
        await using var items = SseParser
            .Create(await response.Content.ReadAsStreamAsync(Ct))
            .EnumerateAsync(Ct)
            .GetAsyncEnumerator(Ct);
        // Nothing holds an event back until there is more to send with it.
        (await items.MoveNextAsync()).ShouldBeTrue();
        items.Current.Data.ShouldBe("{\"a\": 1}");
        await AppendAsync(owner);
        (await items.MoveNextAsync()).ShouldBeTrue();
        items.Current.EventId.ShouldBe("2");
    }

    [Theory]
    [InlineData("-1", 400)]
    [InlineData("one", 400)]
    [InlineData("99999999999999999999", 400)]
    [InlineData("7", 410)]
    public async Task A_bad_cursor_is_a_problem(string cursor, int status)
    {
        await using var app = await ServeAsync(TestOwner.New());
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        using var response = await http.GetAsync("/events?after=" + cursor, Ct);
        ((int)response.StatusCode).ShouldBe(status);
    }

    [Fact]
    public async Task A_quiet_stream_shows_that_it_lives()
    {
        var clock = new SteppedClock();
        await using var app = await ServeAsync(TestOwner.New(), clock);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        using var response = await http.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Ct);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(Ct));
        (await lines.ReadLineAsync(Ct)).ShouldBe("retry: 1000");
        (await lines.ReadLineAsync(Ct)).ShouldBe("");
        var heard = lines.ReadLineAsync(Ct).AsTask();
        while (!heard.IsCompleted)
        {
            clock.Step(TimeSpan.FromSeconds(15));
            await Task.WhenAny(heard, Task.Delay(TimeSpan.FromMilliseconds(20), Ct));
        }
        (await heard).ShouldBe(": still here");
    }

    [Fact]
    public async Task A_reader_that_is_too_slow_is_cut_and_continues_from_its_cursor()
    {
        var owner = TestOwner.New();
        await using var app = await ServeAsync(owner);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        await AppendAsync(owner);
        long cursor;
        using (var response = await http.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Ct))
        {
            await using var body = await response.Content.ReadAsStreamAsync(Ct);
            await using var items = SseParser.Create(body).EnumerateAsync(Ct).GetAsyncEnumerator(Ct);
            (await items.MoveNextAsync()).ShouldBeTrue();
            // More than the sockets between hold, several times what the window keeps.
            await FloodAsync(owner, events: 300);
            long last = 1;
            while (await items.MoveNextAsync() && items.Current.EventType != "platen.cut")
                last = long.Parse(items.Current.EventId!, CultureInfo.InvariantCulture);
            items.Current.EventType.ShouldBe("platen.cut");
            cursor = JsonDocument.Parse(items.Current.Data).RootElement.GetProperty("cursor").GetInt64();
            cursor.ShouldBe(last);
            (await items.MoveNextAsync()).ShouldBeFalse();
        }
        cursor.ShouldBeLessThan(301);
        using var again = await http.GetAsync($"/events?after={cursor}", HttpCompletionOption.ResponseHeadersRead, Ct);
        await using var rest = await again.Content.ReadAsStreamAsync(Ct);
        await foreach (var item in SseParser.Create(rest).EnumerateAsync(Ct))
        {
            item.EventId.ShouldBe((++cursor).ToString(CultureInfo.InvariantCulture));
            if (cursor == 301)
                break;
        }
    }

    [Fact]
    public async Task A_reader_whose_next_events_were_removed_is_told_that_they_are_gone()
    {
        var owner = TestOwner.New();
        await using var app = await ServeAsync(owner);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        await FloodAsync(owner, events: 2 * EventLimits.PageEvents);
        using var response = await http.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Ct);
        await using var body = await response.Content.ReadAsStreamAsync(Ct);
        await using var items = SseParser.Create(body).EnumerateAsync(Ct).GetAsyncEnumerator(Ct);
        (await items.MoveNextAsync()).ShouldBeTrue();
        // The first page is on its way and fills every buffer; meanwhile everything but the newest goes.
        await RemoveAsync(owner, through: (2 * EventLimits.PageEvents) - 1);
        var revision = 1;
        while (await items.MoveNextAsync() && items.Current.EventType == "flood")
            items.Current.EventId.ShouldBe((++revision).ToString(CultureInfo.InvariantCulture));
        (items.Current.EventType, items.Current.Data).ShouldBe(("platen.gone", $"{{\"cursor\": {revision}}}"));
        revision.ShouldBe(EventLimits.PageEvents);
        (await items.MoveNextAsync()).ShouldBeFalse();
    }

    private async Task<WebApplication> ServeAsync(TestOwner owner, TimeProvider? clock = null, bool compressing = false)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSingleton(clock ?? TimeProvider.System);
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(postgres.Pools);
        builder.Services.AddEvents();
        builder.Services.AddResponseCompression(options => options.MimeTypes = ["text/event-stream", "text/plain"]);
        var app = builder.Build();
        if (compressing)
            app.UseResponseCompression();
        app.Use(
            async (context, next) =>
            {
                try
                {
                    await next(context);
                }
                catch (ProblemException problem)
                {
                    context.Response.StatusCode = problem.Problem.Type.Status;
                }
            }
        );
        app.MapGet("/other", () => new string('x', 1000));
        app.MapEventStream("/events", _ => ValueTask.FromResult((owner.Id, Stream)));
        await app.StartAsync(Ct);
        return app;
    }

    /// <summary>Appends events of 100 KB in one transaction.</summary>
    private async Task FloodAsync(TestOwner owner, int events)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        await session.ExecuteAsync(
            $"""
            select platform.append_event('{Stream}', 'flood', to_jsonb(repeat('0123456789', 10000)))
            from generate_series(1, {events})
            """,
            Ct
        );
        await session.CommitAsync(Ct);
    }

    private async Task RemoveAsync(TestOwner owner, long through)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var remove = new NpgsqlCommand(
            """
            with gone as (delete from platform.event where owner = $1 and revision <= $2)
            update platform.stream set removed_through = $2 where owner = $1
            """,
            admin
        );
        remove.Parameters.Add(Sql.Owner(owner.Id));
        remove.Parameters.Add(Sql.Long(through));
        await remove.ExecuteNonQueryAsync(Ct);
    }

    private async Task AppendAsync(TestOwner owner)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        await EventLog.AppendAsync(session, Stream, "written", "{\"a\":1}"u8.ToArray(), Ct);
        await session.CommitAsync(Ct);
    }
}

using System.Net;
using System.Net.ServerSentEvents;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Platform.Events;
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

    private async Task<WebApplication> ServeAsync(TestOwner owner)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(postgres.Pools);
        builder.Services.AddEvents();
        var app = builder.Build();
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
        app.MapEventStream("/events", _ => ValueTask.FromResult((owner.Id, Stream)));
        await app.StartAsync(Ct);
        return app;
    }

    private async Task AppendAsync(TestOwner owner)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        await EventLog.AppendAsync(session, Stream, "written", "{\"a\":1}"u8.ToArray(), Ct);
        await session.CommitAsync(Ct);
    }
}

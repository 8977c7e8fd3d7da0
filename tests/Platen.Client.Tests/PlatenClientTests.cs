using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client.Tests;

public sealed class PlatenClientTests
{
    private const string InstanceBody = """
        { "publicId": "wgt_main_content.faq", "kind": "baseline", "widgetType": "content.faq", "status": "published",
          "baseLocale": "en", "config": { "a": 1 },
          "configDigest": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
          "revision": 7, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": "Ann",
          "locales": ["de"], "publication": null, "aMemberOfTomorrow": {} }
        """;

    private static readonly PublicId Faq = PublicId.Parse("wgt_main_content.faq");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static InstanceContent Content => new("content.faq", null, null, JsonElement.Parse("""{"a":1}"""));

    [Fact]
    public async Task An_instance_is_read_with_its_tag_and_the_key_is_sent()
    {
        await using var server = await ScriptedServer.StartAsync(ScriptedServer.Json(200, InstanceBody, etag: "\"7\""));
        using var client = server.Client();

        var found = await client.FindInstanceAsync(Faq, Ct);

        found.ShouldNotBeNull();
        found.Tag.ToString().ShouldBe("\"7\"");
        found.Value.Revision.ShouldBe(7);
        found.Value.UpdatedBy.ShouldBe("Ann");
        server.Requests.Single().Headers["Authorization"].ShouldBe("Bearer secret-key");
        server.Requests.Single().Path.ShouldBe("/v1/instances/wgt_main_content.faq");
    }

    [Fact]
    public async Task A_problem_that_says_not_found_is_null_and_a_bare_404_is_not()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Json(404, """{"type":"/problems/not-found","status":404}""", "application/problem+json"),
            ScriptedServer.Status(404)
        );
        using var client = server.Client();

        (await client.FindInstanceAsync(Faq, Ct)).ShouldBeNull();
        var refused = await Should.ThrowAsync<PlatenProblemException>(() => client.FindInstanceAsync(Faq, Ct));
        refused.Slug.ShouldBe(PlatenProblemException.NoProblemDocument);
    }

    [Fact]
    public async Task A_problem_carries_its_slug_faults_advice_and_further_members()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Json(
                422,
                """
                { "type": "/problems/unknown-widget-type", "title": "There is no such widget type", "status": 422,
                  "detail": "No 'x'.", "advice": "Use one of these.", "traceId": "abc", "validTypes": ["content.faq"],
                  "faults": [{ "pointer": "/widgetType", "message": "unknown" }] }
                """,
                "application/problem+json"
            )
        );
        using var client = server.Client();

        var refused = await Should.ThrowAsync<PlatenProblemException>(() =>
            client.PutInstanceAsync(Faq, Content, new Precondition.Absent(), Ct)
        );

        refused.Slug.ShouldBe("unknown-widget-type");
        refused.Message.ShouldBe("No 'x'.");
        refused.Advice.ShouldBe("Use one of these.");
        refused.TraceId.ShouldBe("abc");
        refused.Faults.ShouldBe([new Fault("/widgetType", "unknown")]);
        refused.ExtensionTexts("validTypes").ShouldBe(["content.faq"]);
        server.Requests.Single().Headers["If-None-Match"].ShouldBe("*");
    }

    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task An_idempotent_call_is_sent_again_after_a_passing_failure(int status)
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Status(status),
            ScriptedServer.Reset(),
            ScriptedServer.Json(200, InstanceBody, etag: "\"7\"")
        );
        using var client = server.Client();

        var written = await client.PutInstanceAsync(Faq, Content, new Precondition.OneOf(["\"6\""]), Ct);

        written.Tag.ToString().ShouldBe("\"7\"");
        server.Requests.Count.ShouldBe(3);
        server.Requests.ShouldAllBe(seen => seen.Headers["If-Match"] == "\"6\"" && seen.Body.Contains("content.faq"));
    }

    [Fact]
    public async Task A_call_is_sent_a_bounded_number_of_times()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Status(503),
            ScriptedServer.Status(503),
            ScriptedServer.Status(503)
        );
        using var client = server.Client(
            new PlatenClientOptions { Attempts = 3, FirstPause = TimeSpan.FromMilliseconds(1) }
        );

        var refused = await Should.ThrowAsync<PlatenProblemException>(() => client.GetWidgetManifestAsync(Ct));

        refused.Status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        refused.Attempts.ShouldBe(3);
        server.Requests.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Retry_After_is_honoured_and_one_that_is_too_long_is_an_answer()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Status(503, retryAfter: "1"),
            ScriptedServer.Status(503, retryAfter: "3600")
        );
        using var client = server.Client();
        var start = TimeProvider.System.GetTimestamp();

        var refused = await Should.ThrowAsync<PlatenProblemException>(() => client.GetWidgetManifestAsync(Ct));

        TimeProvider.System.GetElapsedTime(start).ShouldBeGreaterThan(TimeSpan.FromSeconds(0.9));
        refused.RetryAfter.ShouldBe(TimeSpan.FromHours(1));
        server.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_post_is_sent_once()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Status(503),
            ScriptedServer.Status(200)
        );
        using var client = server.Client();

        await Should.ThrowAsync<PlatenProblemException>(() => client.RetryJobAsync(JobId.New(), Ct));

        server.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_refused_connection_says_what_to_do_at_once()
    {
        using var client = new PlatenClient(new Uri($"http://127.0.0.1:{FreePort()}"), "secret-key");

        var lost = await Should.ThrowAsync<PlatenUnreachableException>(() => client.GetWidgetManifestAsync(Ct));

        lost.Message.ShouldContain("connection refused");
        lost.Advice.ShouldContain("Start the server");
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_time_is_unreachable()
    {
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await ScriptedServer.StartAsync(context =>
            never.Task.WaitAsync(context.RequestAborted)
        );
        using var client = server.Client(new PlatenClientOptions { AttemptTimeout = TimeSpan.FromMilliseconds(200) });

        var lost = await Should.ThrowAsync<PlatenUnreachableException>(() => client.GetWidgetManifestAsync(Ct));

        lost.Message.ShouldContain("0.2 s");
    }

    [Fact]
    public async Task Cancelling_is_not_an_unreachable_server()
    {
        using var stop = new CancellationTokenSource();
        await using var server = await ScriptedServer.StartAsync(async context =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
        });
        using var client = server.Client();

        await Should.ThrowAsync<OperationCanceledException>(() => client.GetWidgetManifestAsync(stop.Token));
    }

    [Theory]
    [InlineData("<html>hello</html>", "text/html")]
    [InlineData("null", "application/json")]
    [InlineData("{\"widgetTypes\":[],\"widgetTypes\":[]}", "application/json")]
    public async Task An_answer_that_is_not_Platens_is_told_apart(string body, string type)
    {
        await using var server = await ScriptedServer.StartAsync(ScriptedServer.Json(200, body, type));
        using var client = server.Client();

        await Should.ThrowAsync<PlatenAnswerException>(() => client.GetWidgetManifestAsync(Ct));
    }

    [Fact]
    public async Task A_redirect_is_not_followed_with_the_key()
    {
        await using var server = await ScriptedServer.StartAsync(context =>
        {
            context.Response.Redirect("https://example.org/");
            return Task.CompletedTask;
        });
        using var client = server.Client();

        var refused = await Should.ThrowAsync<PlatenAnswerException>(() => client.GetWidgetManifestAsync(Ct));

        refused.Message.ShouldContain("https://example.org/");
        server.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task An_answer_beyond_the_limit_is_refused()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Json(200, "{\"x\":\"" + new string('x', 100_000) + "\"}")
        );
        using var client = server.Client(new PlatenClientOptions { AnswerBytes = 10_000 });

        await Should.ThrowAsync<PlatenAnswerException>(() => client.GetWidgetManifestAsync(Ct));
    }

    [Fact]
    public async Task A_server_that_is_not_ready_answers_with_its_checks()
    {
        await using var server = await ScriptedServer.StartAsync(
            ScriptedServer.Json(
                503,
                """{"status":"notReady","checks":[{"name":"database","ok":false,"detail":"gone","durationMs":3}]}"""
            )
        );
        using var client = server.Client();

        var readiness = await client.GetReadinessAsync(Ct);

        readiness.IsReady.ShouldBeFalse();
        readiness.Checks.Single().Name.ShouldBe("database");
        readiness.ServerTime.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("two words")]
    [InlineData("")]
    [InlineData("line\nbreak")]
    public void A_text_that_is_no_key_is_refused_without_repeating_it(string key)
    {
        var refused = Should.Throw<ArgumentException>(() =>
            new PlatenClient(new Uri("http://127.0.0.1"), key).Dispose()
        );
        if (key.Length > 0)
            refused.Message.ShouldNotContain(key);
    }

    [Theory]
    [InlineData("\"7\"", true)]
    [InlineData("\"\"", true)]
    [InlineData("W/\"7\"", false)]
    [InlineData("7", false)]
    [InlineData("\"", false)]
    [InlineData("\"a\"b\"", false)]
    [InlineData(null, false)]
    public void Only_a_strong_tag_is_a_tag(string? text, bool expected)
    {
        EntityTag.TryParse(text, out var tag).ShouldBe(expected);
        tag.IsNone.ShouldBe(!expected);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Routing;

namespace Platen.Server.Tests;

/// <summary>Addresses that open something to whoever has them.</summary>
public sealed class WrittenPathTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_token_of_an_address_gets_into_a_span_or_is_told_back()
    {
        var secret = "secret" + Guid.CreateVersion7().ToString("N");
        var patterns = server
            .Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.GetParameter("token") is not null)
            .Select(endpoint => "/" + endpoint.RoutePattern.RawText!.TrimStart('/'))
            .Distinct()
            .ToList();
        patterns.ShouldContain("/snapshots/{token}.zip");
        patterns.ShouldContain("/preview/{token}");
        patterns.ShouldContain("/reset/{token}");

        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener();
        listener.ShouldListenTo = source => source.Name == "Microsoft.AspNetCore";
        listener.Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData;
        listener.ActivityStopped = spans.Enqueue;
        ActivitySource.AddActivityListener(listener);
        var traces = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pattern in patterns)
        {
            // As it is mapped, and as somebody mistypes it.
            foreach (var ending in (string[])["", ".rar", "/more"])
            {
                var trace = ActivityTraceId.CreateRandom().ToString();
                traces.Add(trace);
                using var request = new HttpRequestMessage(
                    HttpMethod.Get,
                    pattern.Replace("{token}", secret, StringComparison.Ordinal) + ending
                );
                request.Headers.TryAddWithoutValidation("traceparent", $"00-{trace}-00f067aa0ba902b7-01");
                using var answer = await server.Nobody.SendAsync(request, Ct);
                (await answer.Content.ReadAsStringAsync(Ct)).ShouldNotContain(secret, customMessage: pattern + ending);
            }
        }
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "every request's span",
            TimeSpan.FromSeconds(30),
            _ => Task.FromResult(Mine().Select(span => span.TraceId.ToString()).Distinct().Count() == traces.Count),
            Ct
        );
        foreach (var span in Mine())
        {
            span.TagObjects.ShouldContain(tag => tag.Key == "url.path");
            span.TagObjects.ShouldAllBe(tag => !$"{tag.Value}".Contains(secret));
            span.DisplayName.ShouldNotContain(secret);
        }

        IEnumerable<Activity> Mine() => spans.Where(span => traces.Contains(span.TraceId.ToString()));
    }
}

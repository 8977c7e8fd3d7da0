using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>What an operator sees and what the machine does to a running server.</summary>
public sealed class OperatingTests
{
    private const string Faq = "wgt_main_content.faq";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Traces_metrics_and_logs_arrive_at_a_collector()
    {
        var received = new ConcurrentDictionary<string, byte[]>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        await using var collector = builder.Build();
        collector.Urls.Add("http://127.0.0.1:0");
        collector.MapPost(
            "/v1/{signal}",
            async (string signal, HttpRequest request) =>
            {
                using var body = new MemoryStream();
                await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
                received.AddOrUpdate(signal, body.ToArray(), (_, former) => [.. former, .. body.ToArray()]);
            }
        );
        await collector.StartAsync(Ct);

        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Urls.Single()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        );
        using (var client = server.OpenClient())
            (await client.GetAsync("v1/curated-instances", Ct)).EnsureSuccessStatusCode();
        // What is not sent yet is sent before the end.
        (await server.InterruptAsync(Ct)).ShouldBe(0, server.Output);

        // Names are plain text in the protocol's encoding.
        Encoding.UTF8.GetString(received["traces"]).ShouldContain("curated-instances");
        Encoding.UTF8.GetString(received["metrics"]).ShouldContain("platen.");
        Encoding.UTF8.GetString(received["logs"]).ShouldContain("Listening for notifications");
    }

    [Fact]
    public async Task Logs_for_machines_are_one_json_object_a_line_and_hold_no_key()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_LOG", "json")
        );
        string trace;
        using (var client = server.OpenClient())
        {
            var problem = await server.FailForDatabaseAsync(client, "v1/curated-instances", Ct);
            trace = problem.GetProperty("traceId").GetString()!;
        }
        (await server.InterruptAsync(Ct)).ShouldBe(0, server.Output);
        var entries = server
            .Output.Split('\n')
            .Where(line => line.StartsWith('{'))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .ToList();
        entries.ShouldNotBeEmpty();
        foreach (var entry in entries)
        {
            DateTimeOffset.TryParse(entry.GetProperty("Timestamp").GetString(), out _).ShouldBeTrue();
            entry.GetProperty("LogLevel").GetString().ShouldNotBeNullOrEmpty();
            entry.GetProperty("Message").GetString().ShouldNotBeNullOrEmpty();
        }
        // Both in words and in the field that machines group by.
        var failed = entries.Single(entry => entry.GetProperty("EventId").GetInt32() == 1101 && Mentions(entry, trace));
        failed.GetProperty("Scopes").EnumerateArray().ShouldContain(scope => Mentions(scope, trace));
        server.Output.ShouldNotContain(server.OwnerKey);
    }

    private static bool Mentions(JsonElement json, string text) =>
        json.GetRawText().Contains(text, StringComparison.Ordinal);

    [Fact]
    public async Task A_clock_that_jumps_back_an_hour_stops_nothing()
    {
        const string Library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
        await AptPackages.EnsureAsync("faketime", Ct, "faketime");
        var folder = PostgresFixture.NewFolder();
        Directory.CreateDirectory(folder);
        var clock = Path.Combine(folder, "clock");
        await File.WriteAllTextAsync(clock, "+0", Ct);
        await using var server = await PlatenServer.StartAsync(
            folder,
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("LD_PRELOAD", Library),
            ("FAKETIME_TIMESTAMP_FILE", clock),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        );
        var sample = Path.Combine(Build.Repository, "samples", "widgets", Faq + ".json");
        var text = await File.ReadAllTextAsync(sample, Ct);
        var changed = Path.Combine(folder, Faq + ".json");
        using var visitor = new HttpClient { BaseAddress = server.Address };
        foreach (var (offset, heading) in new[] { ("+0", "Now"), ("-3600", "An hour ago"), ("+7200", "In two hours") })
        {
            await File.WriteAllTextAsync(clock, offset, Ct);
            var shift = TimeSpan.FromSeconds(int.Parse(offset, CultureInfo.InvariantCulture));
            // The server writes the date down once a second.
            await ServerProcess.WaitUntilAsync(
                $"the server's clock at {offset}",
                TimeSpan.FromSeconds(30),
                async ct =>
                    (
                        (await visitor.GetAsync("healthz", ct)).Headers.Date!.Value
                        - TimeProvider.System.GetUtcNow()
                        - shift
                    ).Duration() < TimeSpan.FromMinutes(10),
                Ct
            );
            await File.WriteAllTextAsync(
                changed,
                text.Replace("\"Questions about Platen\"", $"\"{heading}\"", StringComparison.Ordinal),
                Ct
            );
            var published = await server.RunCliAsync(Ct, "publish", changed);
            published.ExitCode.ShouldBe(0, published.Errors + published.Output);
            await ServerProcess.WaitUntilAsync(
                $"the page of the time {offset}",
                TimeSpan.FromSeconds(30),
                async ct =>
                    (await visitor.GetStringAsync("e/" + Faq, ct)).Contains(
                        $"<title>{heading}</title>",
                        StringComparison.Ordinal
                    ),
                Ct
            );
            // It waits for a job, whose lease and turn are times as well.
            var collected = await server.RunCliAsync(Ct, "gc", "--dry-run");
            collected.ExitCode.ShouldBe(0, collected.Errors + collected.Output);
        }
        var events = await server.RunCliAsync(Ct, "events", "widget/" + Faq, "--json");
        events.ExitCode.ShouldBe(0, events.Errors);
        events
            .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Count(line => line.Contains("widget.published", StringComparison.Ordinal))
            .ShouldBe(3);
    }
}

using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Testing.Servers;

namespace Platen.Server.Tests;

public sealed class OperatingTests(ServerFixture server)
{
    private const StringComparison Ordinal = StringComparison.Ordinal;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Readiness_names_each_part()
    {
        JsonNode? report = null;
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "a server that is ready",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var ready = await server.Nobody.SendAsync(HttpMethod.Get, "/readyz");
                report = ready.Json;
                return ready.Status == 200 && report["status"]!.GetValue<string>() == "ready";
            },
            Ct
        );
        report!["checks"]!
            .AsArray()
            .Select(c => c!["name"]!.GetValue<string>())
            .ShouldBe(["database", "blobs", "schema-validator", "widget-types", "events", "jobs", "delivery"]);
        (await server.Nobody.SendAsync(HttpMethod.Get, "/healthz")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_server_whose_schema_validator_fails_is_not_ready_and_says_no_more_than_that()
    {
        await using var node = await server.StartAsync(readiness: services =>
            [
                .. ReadinessParts.Of(services).Where(part => part.Name != "schema-validator"),
                new ReadinessPart(
                    "schema-validator",
                    _ => throw new InvalidDataException("of host db-7.internal, with secret"),
                    "Install it anew."
                ),
            ]
        );
        using var nobody = ServerFixture.ClientOf(node);
        var report = await nobody.SendAsync(HttpMethod.Get, "/readyz");
        report.Status.ShouldBe(503);
        report.Json["status"]!.GetValue<string>().ShouldBe("notReady");
        var check = report.Json["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "schema-validator")!;
        check["ok"]!.GetValue<bool>().ShouldBeFalse();
        check["detail"]!.GetValue<string>().ShouldBe("InvalidDataException; the log has the rest.");
        check["advice"]!.GetValue<string>().ShouldBe("Install it anew.");
        report.Text.ShouldNotContain("db-7");
        report.Json["checks"]!.AsArray().Count(c => !c!["ok"]!.GetValue<bool>()).ShouldBe(1);
        // It is alive all the same: what it serves needs no validator.
        (await nobody.SendAsync(HttpMethod.Get, "/healthz")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task What_is_amiss_is_said_in_the_words_of_the_part_and_its_advice()
    {
        await using var node = await server.StartAsync(readiness: services =>
            [
                .. ReadinessParts.Of(services),
                new ReadinessPart(
                    "spare",
                    _ => throw new ReadinessException("There is none left."),
                    "Buy one.",
                    IsNeeded: false
                ),
            ]
        );
        using var nobody = ServerFixture.ClientOf(node);
        var (report, check) = await IsDegradedByAsync(nobody, "spare");
        check["detail"]!.GetValue<string>().ShouldBe("There is none left.");
        check["advice"]!.GetValue<string>().ShouldBe("Buy one.");
        var works = report["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == "schema-validator")!;
        works["ok"]!.GetValue<bool>().ShouldBeTrue();
        works["advice"].ShouldBeNull();
    }

    [Fact]
    public async Task Delivery_that_may_not_know_the_latest_still_serves_and_says_why()
    {
        const string stale = "A later release cannot be loaded (1 stale).";
        await using var node = await server.StartAsync(parts: services =>
            services.AddHealthChecks().AddCheck("of-a-test", () => HealthCheckResult.Degraded(stale))
        );
        using var nobody = ServerFixture.ClientOf(node);
        var (_, check) = await IsDegradedByAsync(nobody, "delivery", stale);
        check["advice"]!.GetValue<string>().ShouldContain("blob store");
    }

    [Fact]
    public async Task What_a_look_at_delivery_was_thrown_is_not_shown()
    {
        await using var node = await server.StartAsync(parts: services =>
            services
                .AddHealthChecks()
                .AddCheck("of-a-test", () => throw new InvalidDataException("of host db-7.internal, with secret"))
        );
        using var nobody = ServerFixture.ClientOf(node);
        var report = await nobody.SendAsync(HttpMethod.Get, "/readyz");
        report.Status.ShouldBe(503);
        report.Text.ShouldNotContain("db-7");
    }

    [Fact]
    public async Task A_redis_that_is_away_is_a_part_that_the_server_goes_on_without()
    {
        await using var redis = await RedisServer.StartAsync(Ct);
        // Patient: a busy machine is no reason to leave a Redis that is there.
        await using var node = await server.StartAsync(
            new HttpGuards { Redis = RedisAddress.Parse(redis.Url), CountingPatience = TimeSpan.FromSeconds(60) }
        );
        using var nobody = ServerFixture.ClientOf(node);
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "Redis to be named among the parts that work",
            TimeSpan.FromSeconds(60),
            async _ =>
                (await nobody.SendAsync(HttpMethod.Get, "/readyz")).Json["checks"]!
                    .AsArray()
                    .Any(c => c!["name"]!.GetValue<string>() == "redis" && c["ok"]!.GetValue<bool>()),
            Ct
        );
        await redis.KillAsync();
        // Who is counted next learns of it.
        using (var owner = ServerFixture.ClientOf(node, server.OwnerKeyText))
            (await owner.SendAsync(HttpMethod.Get, "/v1/curated-instances")).Status.ShouldBe(200);
        var (_, check) = await IsDegradedByAsync(nobody, "redis");
        check["detail"]!.GetValue<string>().ShouldBe("Redis does not count: requests are counted in PostgreSQL.");
        check["advice"]!.GetValue<string>().ShouldContain("PLATEN_REDIS");
    }

    [Fact]
    public async Task Metrics_are_prometheus_text_with_units_in_their_names()
    {
        await server.Owner.SendAsync(HttpMethod.Get, "/v1/curated-instances");
        var text = (await server.Nobody.SendAsync(HttpMethod.Get, "/metrics")).Text;
        text.ShouldContain("# TYPE http_server_request_duration_seconds histogram");
        text.ShouldContain("platen_");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            line.ShouldMatch(
                """^(# (HELP|TYPE) [a-z_]\w* .*|[a-z_]\w*(\{.*\})? (-?[0-9.]+(E[+-]?[0-9]+)?|NaN|[+-]Inf))$"""
            );
        var counts = text.Split('\n').Where(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)).ToList();
        counts.ShouldBeUnique();
        var listed = await File.ReadAllTextAsync(Path.Combine(Build.Repository, "docs", "operating", "metrics.md"), Ct);
        foreach (var family in counts.Select(line => line.Split(' ')).Where(f => f[2].StartsWith("platen_", Ordinal)))
        {
            var (name, type) = (family[2], family[3]);
            var help = $"# HELP {name} ";
            var says = text.Split('\n').Single(line => line.StartsWith(help, Ordinal))[help.Length..];
            listed.ShouldContain($"| `{name}` | {type} | {says} |\n");
            name.EndsWith("_total", Ordinal).ShouldBe(type == "counter", name);
            if (name.Split('_').Intersect(["duration", "lag", "age", "delay"]).Any())
                name.ShouldEndWith("_seconds");
            if (name.Split('_').Intersect(["size", "memory"]).Any())
                name.ShouldEndWith("_bytes");
            if (type == "histogram")
                CheckHistogram(text, name);
        }
    }

    [Fact]
    public async Task Servers_in_one_process_tell_no_series_twice()
    {
        await using var node = await server.StartAsync();
        using var other = ServerFixture.ClientOf(node);
        // Each has meters of its own, of the same names.
        foreach (var client in new[] { server.Nobody, other })
            (await client.SendAsync(HttpMethod.Get, "/healthz")).Status.ShouldBe(200);
        var text = (await other.SendAsync(HttpMethod.Get, "/metrics")).Text;
        var series = SeriesOf(text);
        series.ShouldContain(one => one.StartsWith("http_server_request_duration_seconds_count{", Ordinal));
        series.ShouldBeUnique();
    }

    private static List<string> SeriesOf(string text) =>
        [
            .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Where(line => line[0] != '#')
                .Select(line => line[..line.LastIndexOf(' ')]),
        ];

    /// <summary>Each series: its buckets do not go down, and the last one holds all.</summary>
    private static void CheckHistogram(string text, string name)
    {
        var last = 0L;
        var series = 0;
        foreach (var line in text.Split('\n').Where(line => line.StartsWith(name, Ordinal)))
        {
            if (line.StartsWith(name + "_bucket{", Ordinal))
            {
                var count = long.Parse(line.Split(' ')[^1]);
                count.ShouldBeGreaterThanOrEqualTo(last, line);
                last = count;
            }
            else if (line.StartsWith(name + "_count", Ordinal))
            {
                long.Parse(line.Split(' ')[^1]).ShouldBe(last, line);
                last = 0;
                series++;
            }
        }
        text.Split('\n')
            .Count(line => line.StartsWith(name + "_bucket{", Ordinal) && line.Contains("le=\"+Inf\"", Ordinal))
            .ShouldBe(series);
    }

    [Fact]
    public async Task Every_answer_of_the_api_can_be_found_in_the_traces()
    {
        using var response = await server.Owner.GetAsync("/v1/curated-instances", Ct);
        response.Headers.GetValues("traceparent").Single().ShouldMatch("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$");
        response.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        var missing = await server.Owner.SendAsync(HttpMethod.Get, "/v1/instances/wgt_curated_missing");
        missing.Json["traceId"]!.GetValue<string>().Length.ShouldBe(32);
    }

    [Theory]
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true)]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    [InlineData("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false)]
    [InlineData("nonsense", false)]
    public async Task A_callers_trace_goes_on_when_it_is_one(string stated, bool goesOn)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/instances/wgt_curated_missing");
        request.Headers.TryAddWithoutValidation("traceparent", stated);
        using var response = await server.Owner.SendAsync(request, Ct);
        var named = response.Headers.GetValues("traceparent").Single();
        named.ShouldMatch("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$");
        (named[3..35] == "4bf92f3577b34da6a3ce929d0e0e4736").ShouldBe(goesOn, named);
        named[36..52].ShouldNotBe("00f067aa0ba902b7");
        (await response.Content.ReadAsStringAsync(Ct)).ShouldContain($"\"traceId\":\"{named[3..35]}\"");
    }

    [Fact]
    public async Task An_address_that_nothing_is_at_is_a_problem_and_each_problem_has_a_page()
    {
        var missing = await server.Nobody.SendAsync(HttpMethod.Get, "/v2000/nothing");
        (missing.Status, missing.Problem).ShouldBe((404, "not-found"));
        var page = await server.Nobody.SendAsync(HttpMethod.Get, "/problems/not-found");
        (page.Status, page.MediaType).ShouldBe((200, "text/html"));
        var wrong = await server.Owner.SendAsync(HttpMethod.Post, "/v1/curated-instances");
        (wrong.Status, wrong.Problem).ShouldBe((405, "method-not-allowed"));
    }

    [Fact]
    public async Task The_hourly_maintenance_is_a_job_that_can_be_seen()
    {
        JsonNode? job = null;
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "the maintenance",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var jobs = await server.Owner.SendAsync(
                    HttpMethod.Get,
                    "/v1/jobs?state=succeeded&kind=platform.maintain"
                );
                jobs.Json["items"]!.AsArray().ShouldAllBe(j => j!["kind"]!.GetValue<string>() == "platform.maintain");
                job = jobs.Json["items"]!.AsArray().FirstOrDefault();
                return job is not null;
            },
            Ct
        );
        job!["progress"]!.GetValue<double>().ShouldBe(1);
        var retried = await server.Owner.SendAsync(HttpMethod.Post, $"/v1/jobs/{job["id"]}/retry");
        (retried.Status, retried.Problem).ShouldBe((409, "conflict"));
        var next = await server.Owner.SendAsync(HttpMethod.Get, "/v1/jobs?state=queued");
        next.Json["items"]!.AsArray().ShouldContain(j => j!["kind"]!.GetValue<string>() == "platform.maintain");
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/jobs?state=lost")).Problem.ShouldBe("malformed");
    }

    /// <summary>Waits until the server says that it goes on without the part, or with less of it; the report and the part.</summary>
    private static async Task<(JsonNode Report, JsonNode Check)> IsDegradedByAsync(
        HttpClient client,
        string part,
        string? detail = null
    )
    {
        JsonNode? report = null;
        JsonNode? check = null;
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            $"degraded by {part}",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var answer = await client.SendAsync(HttpMethod.Get, "/readyz");
                report = answer.Json;
                check = report["checks"]!.AsArray().Single(c => c!["name"]!.GetValue<string>() == part)!;
                return answer.Status == 200
                    && report["status"]!.GetValue<string>() == "degraded"
                    && !check["ok"]!.GetValue<bool>()
                    && (detail is null || check["detail"]!.GetValue<string>() == detail);
            },
            Ct
        );
        return (report!, check!);
    }
}

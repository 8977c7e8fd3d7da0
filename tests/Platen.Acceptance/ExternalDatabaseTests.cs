using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Client;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

public sealed class ExternalDatabase : IAsyncLifetime
{
    public ExternalPostgres Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await ExternalPostgres.StartAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    public async Task<string> CreateAsync(string name, CancellationToken ct)
    {
        await Server.ExecuteAsync($"create database {name} template template0 encoding 'UTF8'", ct);
        return Server.Superuser(name);
    }
}

/// <summary>Servers over a PostgreSQL that is somebody else's: behind a pooler, as one part each, and cut off.</summary>
public sealed class ExternalDatabaseTests(ExternalDatabase external) : IClassFixture<ExternalDatabase>
{
    private const int Messages = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(16)]
    [InlineData(17)]
    public async Task The_whole_server_runs_on_every_version_between_the_oldest_and_the_newest(int major)
    {
        await using var database = await ExternalPostgres.StartAsync(major, Ct);
        await database.ExecuteAsync("create database platen template template0 encoding 'UTF8'", Ct);
        await using var server = await PlatenServer.StartWithSamplesAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("ConnectionStrings__Platen", database.Superuser("platen"))
        );
        server.Output.ShouldContain($"PostgreSQL {major}.");
        using var client = server.OpenClient();
        var page = new NumberedPage("wgt_curated_versions");
        (await page.NextAsync(client, Ct)).ShouldBeTrue();
        (await page.NextAsync(client, Ct)).ShouldBeTrue();
        using var ready = await client.GetAsync("readyz", Ct);
        ready.StatusCode.ShouldBe(HttpStatusCode.OK);
        var doctor = await server.RunCliAsync(Ct, "doctor");
        doctor.ExitCode.ShouldBe(0, doctor.Output + doctor.Errors);
    }

    [Fact]
    public async Task A_server_behind_a_transaction_pooler_publishes_works_and_tells()
    {
        var direct = await external.CreateAsync("behind_pooler", Ct);
        var port = await external.Server.StartBouncerAsync(Ct);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("ConnectionStrings__Platen", ExternalPostgres.Login("postgres", "behind_pooler", port)),
            ("ConnectionStrings__PlatenDirect", direct)
        );
        using var client = server.OpenClient();
        var pages = Enumerable.Range(0, 4).Select(n => new NumberedPage($"wgt_curated_pooled-{n}")).ToList();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        stop.CancelAfter(Patience);
        using var follower = new PlatenClient(server.Address, server.OwnerKey);
        var told = FollowAsync(follower, pages[0].Id, after: 0, published: 5, [], stop.Token);
        await Task.WhenAll(
            pages.Select(async page =>
            {
                for (var n = 0; n < 5; n++)
                    (await page.NextAsync(client, stop.Token)).ShouldBeTrue();
            })
        );
        foreach (var page in pages)
        {
            await page.MovesAreWholeAsync(client, Ct);
            await ServerProcess.WaitUntilAsync(
                "the last page",
                Patience,
                async ct => await page.ReadAsync(client, ct) == 4,
                Ct
            );
        }
        await told;

        var collected = await server.RunCliAsync(stop.Token, "gc", "--dry-run", "--json");
        collected.ExitCode.ShouldBe(0, collected.Errors);
        JsonNode.Parse(collected.Output)!["state"]!.GetValue<string>().ShouldBe("finished");
    }

    [Fact]
    public async Task Each_part_alone_and_twice_loses_nothing_when_one_of_each_is_killed()
    {
        var database = await external.CreateAsync("parts", Ct);
        var blobs = Path.Combine(PostgresFixture.NewFolder(), "blobs");
        await using var apiA = await StartAsync("api");
        // The others find a database that is there; both workers and the second api at once.
        var starting = new[] { "api", "worker", "worker", "delivery", "delivery" }.Select(StartAsync).ToArray();
        var others = await Task.WhenAll(starting);
        await using var apiB = others[0];
        await using var workerA = others[1];
        await using var workerB = others[2];
        await using var deliveryA = others[3];
        await using var deliveryB = others[4];
        using var clientA = apiA.OpenClient();
        using var clientB = new HttpClient { BaseAddress = apiB.Address };
        clientB.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiA.OwnerKey);
        using var visitor = new HttpClient { BaseAddress = deliveryA.Address };
        using var neighbour = new HttpClient { BaseAddress = deliveryB.Address };
        List<HttpClient> visitors = [visitor, neighbour];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        stop.CancelAfter(TimeSpan.FromMinutes(8));

        // What an api or a worker is not, it does not answer.
        (await visitor.GetAsync("v1/instances/x", Ct)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        var pages = Enumerable.Range(0, 3).Select(n => new NumberedPage($"wgt_curated_parts-{n}")).ToList();
        var seen = new List<long>();
        using var followA = new PlatenClient(apiA.Address, apiA.OwnerKey);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        var followed = FollowAsync(followA, pages[0].Id, after: 0, published: int.MaxValue, seen, leaving.Token);

        var first = new CountdownEvent(pages.Count);
        var writing = pages
            .Select(page =>
            {
                var signalled = false;
                return page.UntilKilledAsync(
                    clientA,
                    () =>
                    {
                        if (page.Acknowledged == 3 && !signalled)
                            signalled = first.Signal() || true;
                    },
                    stop.Token
                );
            })
            .ToArray();
        await ServerProcess.WaitUntilAsync("some publishes", Patience, _ => Task.FromResult(first.IsSet), stop.Token);
        await apiA.KillAsync(Ct);
        await Task.WhenAll(writing);
        await leaving.CancelAsync();
        await followed;

        // The clients go on with the other api, where they were. Both deliveries show it, until one dies amid the second page's publishes.
        foreach (var (at, page) in pages.Index())
        {
            for (var n = 0; n < 3; n++)
            {
                (await page.NextAsync(clientB, stop.Token)).ShouldBeTrue();
                if (at == 1 && n == 1)
                {
                    await deliveryB.KillAsync(Ct);
                    visitors.Remove(neighbour).ShouldBeTrue();
                }
            }
            page.Refusals.ShouldBeEmpty();
            await page.MovesAreWholeAsync(clientB, stop.Token);
            foreach (var reader in visitors)
            {
                await ServerProcess.WaitUntilAsync(
                    $"{page.Id} on the delivery node at {reader.BaseAddress}",
                    Patience,
                    async ct => await page.ReadAsync(reader, ct) == page.Acknowledged,
                    stop.Token
                );
            }
        }
        using var followB = new PlatenClient(apiB.Address, apiA.OwnerKey);
        var last = (await PastAsync(clientB, pages[0].Id, stop.Token)).Count;
        await FollowAsync(followB, pages[0].Id, after: seen.Count, published: 3, seen, stop.Token, last);
        seen.ShouldBe(Enumerable.Range(1, last).Select(n => (long)n));

        // Jobs are messages. The first is held until the worker that sends it is dead; the others go through the one that is left.
        var never = new TaskCompletionSource();
        await using var receiver = await WebhookReceiver.StartAsync(
            async (context, number) =>
            {
                if (number == 1)
                    await never.Task.WaitAsync(context.RequestAborted);
            }
        );
        using var added = await clientB.PostAsJsonAsync(
            "v1/workspaces/platform/webhooks",
            new { url = receiver.Url, types = new[] { "*" } },
            stop.Token
        );
        added.StatusCode.ShouldBe(HttpStatusCode.Created);
        var hook = JsonNode.Parse(await added.Content.ReadAsStringAsync(Ct))!["id"]!.GetValue<string>();
        await PingAsync();
        await receiver.HasAsync(1, stop.Token);
        var holder = (
            await RowsAsync(
                database,
                "select split_part(worker, ':', 2)::int from platform.job where kind = 'platform.webhook' and state = 'running'",
                row => row.GetInt32(0)
            )
        ).Single();
        var victim = new[] { workerA, workerB }.Single(worker => worker.ProcessId == holder);
        await victim.KillAsync(Ct);
        for (var n = 1; n < Messages; n++)
            await PingAsync();
        await ServerProcess.WaitUntilAsync(
            "every message has arrived",
            Patience,
            async ct =>
                JsonNode.Parse(
                    await clientB.GetStringAsync($"v1/workspaces/platform/webhooks/{hook}/deliveries?limit=50", ct)
                )!["items"]!
                    .AsArray()
                    .Count(d => d!["status"]!.GetValue<string>() == "delivered") == Messages,
            stop.Token
        );
        var jobs = await RowsAsync(
            database,
            // An attempt that only waited for its turn is forgiven.
            "select state, attempt - attempts_forgiven from platform.job where kind = 'platform.webhook'",
            row => (State: row.GetString(0), Attempt: row.GetInt32(1))
        );
        jobs.ShouldAllBe(job => job.State == "succeeded");
        jobs.ShouldAllBe(job => job.Attempt <= 2);
        receiver.Messages.Select(m => m.Id).Distinct().Count().ShouldBe(Messages);
        receiver.Messages.Count.ShouldBe(Messages + 1);

        async Task PingAsync()
        {
            using var ping = await clientB.PostAsync($"v1/workspaces/platform/webhooks/{hook}/ping", null, stop.Token);
            ping.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        }

        Task<PlatenServer> StartAsync(string role) =>
            PlatenServer.StartAsync(
                PostgresFixture.NewFolder(),
                Ct,
                ("PLATEN_ROLES", role),
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_DEMO_URL", "off"),
                ("PLATEN_WEBHOOK_NETWORKS", "127.0.0.0/8"),
                ("PLATEN_BLOBS", "file:" + blobs),
                ("ConnectionStrings__Platen", database)
            );
    }

    [Fact]
    public async Task Ctrl_C_ends_open_streams_at_once_answers_the_publish_that_is_under_way_and_is_clean()
    {
        var database = await external.CreateAsync("interrupted", Ct);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("ConnectionStrings__Platen", database)
        );
        using var client = server.OpenClient();
        var page = new NumberedPage("wgt_curated_interrupted");
        (await page.NextAsync(client, Ct)).ShouldBeTrue();
        var readers = new List<Task<string>>();
        for (var i = 0; i < 5; i++)
        {
            var opened = await client.GetAsync(
                "v1/events/widget/" + page.Id,
                HttpCompletionOption.ResponseHeadersRead,
                Ct
            );
            opened.EnsureSuccessStatusCode();
            readers.Add(opened.Content.ReadAsStringAsync(Ct));
        }

        Task<HttpResponseMessage> publishing;
        Task<int> ending;
        await using (var holder = new NpgsqlConnection(database + ";Pooling=false"))
        {
            // The publish comes as far as the move of its channel, and waits there.
            await holder.OpenAsync(Ct);
            await using var transaction = await holder.BeginTransactionAsync(Ct);
            var tag = await page.SaveAsync(client, 1, Ct);
            await using (var hold = new NpgsqlCommand("lock table platform.channel_move in exclusive mode", holder))
                await hold.ExecuteNonQueryAsync(Ct);
            publishing = page.PublishAsync(client, tag!, Ct);
            await ServerProcess.WaitUntilAsync(
                "a publish that waits",
                Patience,
                async _ =>
                    (
                        await RowsAsync(
                            database,
                            "select 1 from pg_stat_activity where datname = 'interrupted' and wait_event_type = 'Lock'",
                            row => row.GetInt32(0)
                        )
                    ).Count > 0,
                Ct
            );
            ending = server.InterruptAsync(Ct);
            foreach (var reader in readers)
                (await reader.WaitAsync(TimeSpan.FromSeconds(8), Ct)).ShouldContain("event: widget.published");
            publishing.IsCompleted.ShouldBeFalse();
            await transaction.RollbackAsync(Ct);
        }
        using var published = await publishing;
        published.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await ending.WaitAsync(TimeSpan.FromSeconds(30), Ct)).ShouldBe(0, server.Output);
        server.Output.ShouldNotContain("   at ");
        (await RowsAsync(database, "select max(revision) from platform.channel_move", row => row.GetInt64(0)))
            .Single()
            .ShouldBe(2);
    }

    [Fact]
    public async Task The_doctor_tells_a_database_that_is_gone_from_a_server_that_is()
    {
        await external.CreateAsync("examined", Ct);
        PlatenServer server;
        await using (var way = new CuttingProxy(new Uri($"http://127.0.0.1:{external.Server.Port}")))
        {
            server = await PlatenServer.StartAsync(
                PostgresFixture.NewFolder(),
                Ct,
                ("PLATEN_SAMPLES", "off"),
                ("ConnectionStrings__Platen", ExternalPostgres.Login("postgres", "examined", way.Address.Port)),
                // Nobody is there: the server goes on without.
                (
                    "PLATEN_REDIS",
                    string.Create(CultureInfo.InvariantCulture, $"redis://127.0.0.1:{ServerProcess.FreePort()}")
                )
            );
            var healthy = await server.RunCliAsync(Ct, "doctor", "--json");
            healthy.ExitCode.ShouldBe(0, healthy.Output);
            var warned = JsonNode.Parse(healthy.Output)!["findings"]!.AsArray();
            Verdict(warned, "ready: redis").ShouldBe("warn");
            Verdict(warned, "ready").ShouldBe("warn");
            Verdict(warned, "ready: database").ShouldBe("ok");
        }
        await using (server)
        {
            // The server looks again after a second.
            using (var visitor = new HttpClient { BaseAddress = server.Address })
            {
                await ServerProcess.WaitUntilAsync(
                    "a server that knows",
                    Patience,
                    async ct => (await visitor.GetAsync("readyz", ct)).StatusCode == HttpStatusCode.ServiceUnavailable,
                    Ct
                );
            }
            var cut = await server.RunCliAsync(Ct, "doctor", "--json");
            cut.ExitCode.ShouldBe(1, cut.Output);
            var findings = JsonNode.Parse(cut.Output)!["findings"]!.AsArray();
            Verdict(findings, "server").ShouldBe("ok");
            Verdict(findings, "ready: database").ShouldBe("fail");
            Verdict(findings, "ready: schema-validator").ShouldBe("ok");

            await server.KillAsync(Ct);
            var gone = await server.RunCliAsync(Ct, "doctor", "--json");
            gone.ExitCode.ShouldBe(3, gone.Output);
            Verdict(JsonNode.Parse(gone.Output)!["findings"]!.AsArray(), "server").ShouldBe("fail");
        }

        static string? Verdict(JsonArray findings, string about) =>
            findings
                .SingleOrDefault(finding => finding!["about"]!.GetValue<string>() == about)
                ?["verdict"]?.GetValue<string>();
    }

    private static async Task FollowAsync(
        PlatenClient client,
        string id,
        long after,
        int published,
        List<long> seen,
        CancellationToken ct,
        long through = long.MaxValue
    )
    {
        var untilLeft = published == int.MaxValue;
        try
        {
            await foreach (var e in client.FollowEventsAsync("widget/" + id, after, reconnecting: null, ct))
            {
                seen.Add(e.Revision);
                if ((e.Type == "widget.published" && --published == 0) || e.Revision == through)
                    return;
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested && untilLeft)
        {
            // It was to follow until told to leave.
        }
    }

    private static async Task<List<long>> PastAsync(HttpClient client, string id, CancellationToken ct)
    {
        using var reader = new PlatenClient(client.BaseAddress!, client.DefaultRequestHeaders.Authorization!.Parameter);
        var past = new List<long>();
        await foreach (var e in reader.ReadPastEventsAsync("widget/" + id, 0, ct))
            past.Add(e.Revision);
        return past;
    }

    private static async Task<List<T>> RowsAsync<T>(string database, string sql, Func<NpgsqlDataReader, T> read)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Ct);
        var rows = new List<T>();
        while (await reader.ReadAsync(Ct))
            rows.Add(read(reader));
        return rows;
    }
}

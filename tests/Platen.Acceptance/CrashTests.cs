using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>The worst moments: the server or its database is killed, or the disk is full, while somebody publishes.</summary>
public sealed class CrashTests
{
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(90);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_kill_9_in_the_middle_of_publishing_everything_acknowledged_is_there_and_whole()
    {
        var folder = PostgresFixture.NewFolder();
        await KilledWhilePublishingAsync(
            rounds: 4,
            () => PlatenServer.StartAsync(folder, Ct, ("PLATEN_SAMPLES", "off"))
        );
    }

    [Fact]
    public async Task Over_a_store_in_S3_nothing_acknowledged_is_lost_when_the_server_or_the_store_is_killed()
    {
        await using var ceph = await CephFixture.StartAsync(Ct);
        var bucket = await ceph.CreateBucketAsync(Ct);
        var folder = PostgresFixture.NewFolder();
        // Which region a bucket is in is what the store says, and not what the setting does.
        var (exitCode, output) = await PlatenServer.RunToEndAsync(folder, Ct, Settings("ca-central-1"));
        exitCode.ShouldNotBe(0, output);
        output.ShouldContain("ca-central-1");
        output.ShouldContain(CephFixture.Region);
        await KilledWhilePublishingAsync(rounds: 3, StartAsync);
        await using (var server = await StartAsync())
            await StoreKilledUnderAsync(server, ceph);

        Directory.Exists(Path.Combine(folder, "blobs")).ShouldBeFalse("the bytes are in the bucket");

        Task<PlatenServer> StartAsync() => PlatenServer.StartAsync(folder, Ct, Settings(CephFixture.Region));

        (string, string)[] Settings(string region) =>
            [
                ("PLATEN_SAMPLES", "off"),
                (
                    "PLATEN_BLOBS",
                    $"s3://{bucket}/blobs?endpoint={ceph.Endpoint}&region={CephFixture.Region}&pathStyle=true"
                ),
                ("PLATEN_BLOBS_REGION", region),
                ("AWS_ACCESS_KEY_ID", ceph.AccessKey),
                ("AWS_SECRET_ACCESS_KEY", ceph.SecretKey),
            ];
    }

    [Fact]
    public async Task When_the_database_is_killed_again_and_again_under_publishes_what_was_acknowledged_is_there()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        using var client = server.OpenClient();
        var pages = Enumerable.Range(0, 3).Select(n => new NumberedPage($"wgt_curated_killed-{n}")).ToList();
        foreach (var page in pages)
        {
            (await page.NextAsync(client, Ct)).ShouldBeTrue();
            (await page.ReadAsync(client, Ct)).ShouldBe(0);
        }
        var random = new Random(12);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var writers = pages.Select(page => WriteAsync(page)).ToArray();
        for (var round = 0; round < 4; round++)
        {
            var before = pages.Select(page => page.Acknowledged).ToList();
            await ServerProcess.WaitUntilAsync(
                "every writer's next publish",
                Recovery,
                _ => Task.FromResult(pages.Zip(before).All(p => p.First.Acknowledged > p.Second)),
                Ct
            );
            // At a random moment of the publishes that are under way.
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(0, 250)), Ct);
            var pid = int.Parse(
                (await File.ReadAllLinesAsync(Path.Combine(server.DataFolder, "postgres", "postmaster.pid"), Ct))[0],
                CultureInfo.InvariantCulture
            );
            using (var database = Process.GetProcessById(pid))
                database.Kill();
            // Who only reads notices nothing.
            foreach (var page in pages)
                (await page.ReadAsync(client, Ct)).ShouldBeInRange(0, page.Tried);
        }
        await ServerProcess.WaitUntilAsync(
            "publishes after the last kill",
            Recovery,
            async ct => await IsReadyAsync(client, ct),
            Ct
        );
        await enough.CancelAsync();
        await Task.WhenAll(writers);

        foreach (var page in pages)
        {
            // What was refused is said to be for a while, and never to be the server's fault.
            page.Refusals.Distinct().ShouldBeSubsetOf([HttpStatusCode.ServiceUnavailable]);
            (await page.NextAsync(client, Ct)).ShouldBeTrue();
            await ServerProcess.WaitUntilAsync(
                "the last page",
                Recovery,
                async ct => await page.ReadAsync(client, ct) == page.Acknowledged,
                Ct
            );
            await page.MovesAreWholeAsync(client, Ct);
        }

        async Task WriteAsync(NumberedPage page)
        {
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!enough.IsCancellationRequested)
            {
                await page.NextAsync(client, Ct);
                await pause.WaitForNextTickAsync(Ct);
            }
        }
    }

    [Fact]
    public async Task When_the_store_is_full_a_publish_is_refused_whole_and_the_old_page_stays()
    {
        await using var disk = await SmallDisk.MountAsync("2m", Ct);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_BLOBS", "file:" + Path.Combine(disk.Folder, "blobs"))
        );
        using var client = server.OpenClient();
        var page = new NumberedPage("wgt_curated_full");
        (await page.NextAsync(client, Ct)).ShouldBeTrue();
        (await page.ReadAsync(client, Ct)).ShouldBe(0);

        await disk.FillAsync(Ct);
        var tag = await page.SaveAsync(client, 1, Ct);
        using var refused = await page.PublishAsync(client, tag!, Ct);
        ((int)refused.StatusCode).ShouldBe(507);
        JsonNode.Parse(await refused.Content.ReadAsStringAsync(Ct))!["type"]!
            .GetValue<string>()
            .ShouldBe("/problems/storage-full");
        (await page.ReadAsync(client, Ct)).ShouldBe(0);

        disk.Free();
        using var accepted = await page.PublishAsync(client, tag!, Ct);
        accepted.IsSuccessStatusCode.ShouldBeTrue();
    }

    [Fact]
    public async Task When_the_disk_with_everything_on_it_is_full_pages_are_served_and_it_recovers_by_itself()
    {
        await using var disk = await SmallDisk.MountAsync("192m", Ct);
        await using var server = await PlatenServer.StartAsync(
            Path.Combine(disk.Folder, "data"),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        using var client = server.OpenClient();
        var page = new NumberedPage("wgt_curated_full");
        (await page.NextAsync(client, Ct)).ShouldBeTrue();
        (await page.ReadAsync(client, Ct)).ShouldBe(0);

        await disk.FillAsync(Ct);
        // Until the database has used up what it had in reserve, too.
        var refusals = 0;
        for (var n = 1; n <= 200 && refusals < 20; n++)
        {
            var tag = await page.SaveAsync(client, n, Ct, randomBytes: 36_000);
            if (tag is not null)
            {
                using var published = await page.PublishAsync(client, tag, Ct);
                published.IsSuccessStatusCode.ShouldBeFalse();
            }
            refusals = page.Refusals.Count;
            (await page.ReadAsync(client, Ct)).ShouldBe(0);
        }
        refusals.ShouldBe(20);
        page.Refusals.Distinct()
            .ShouldBeSubsetOf([HttpStatusCode.InsufficientStorage, HttpStatusCode.ServiceUnavailable]);
        page.Refusals.ShouldContain(HttpStatusCode.InsufficientStorage);
        using (var looked = await client.GetAsync("readyz", Ct))
        {
            looked.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            var checks = JsonNode.Parse(await looked.Content.ReadAsStringAsync(Ct))!["checks"]!.AsArray();
            checks
                .Where(check => !check!["ok"]!.GetValue<bool>())
                .Select(check => check!["name"]!.GetValue<string>())
                .ShouldContain("blobs");
        }

        disk.Free();
        await ServerProcess.WaitUntilAsync("readiness", Recovery, ct => IsReadyAsync(client, ct), Ct);
        await ServerProcess.WaitUntilAsync("a publish", Recovery, ct => page.NextAsync(client, ct), Ct);
        await ServerProcess.WaitUntilAsync(
            "the new page",
            Recovery,
            async ct => await page.ReadAsync(client, ct) == page.Acknowledged,
            Ct
        );
        await page.MovesAreWholeAsync(client, Ct);
    }

    /// <summary>Visitors notice nothing, a publish is refused whole, and when the store is back everything goes on by itself.</summary>
    private static async Task StoreKilledUnderAsync(PlatenServer server, CephFixture ceph)
    {
        using var client = server.OpenClient();
        var (asked, unasked) = (new NumberedPage("wgt_curated_asked"), new NumberedPage("wgt_curated_unasked"));
        foreach (var page in (NumberedPage[])[asked, unasked])
            (await page.NextAsync(client, Ct)).ShouldBeTrue();
        (await asked.ReadAsync(client, Ct)).ShouldBe(0);
        var artifact = JsonNode.Parse(await client.GetStringAsync($"w/{asked.Id}/manifest.json", Ct))!["locales"]![
            "en"
        ]!["artifact"]!.GetValue<string>();

        await ceph.KillGatewayAsync();
        using (var unknown = await client.GetAsync("e/" + unasked.Id, Ct))
        {
            unknown.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            unknown.Headers.RetryAfter.ShouldNotBeNull();
        }
        (await asked.NextAsync(client, Ct)).ShouldBeFalse();
        asked.Refusals.ShouldBe([HttpStatusCode.ServiceUnavailable]);
        await ServerProcess.WaitUntilAsync(
            "the server's word on its store",
            Recovery,
            async ct => (await FailingAsync(client, ct)).Contains("blobs"),
            Ct
        );
        (await asked.ReadAsync(client, Ct)).ShouldBe(0);
        foreach (var path in (string[])[$"w/{asked.Id}/manifest.json", artifact])
        {
            using var served = await client.GetAsync(path, Ct);
            served.StatusCode.ShouldBe(HttpStatusCode.OK, path);
        }

        await ceph.RestartGatewayAsync(Ct);
        await ServerProcess.WaitUntilAsync("a publish", Recovery, ct => asked.NextAsync(client, ct), Ct);
        await ServerProcess.WaitUntilAsync(
            "the new page",
            Recovery,
            async ct => await asked.ReadAsync(client, ct) == asked.Acknowledged,
            Ct
        );
        await ServerProcess.WaitUntilAsync(
            "the page that nobody had asked for",
            Recovery,
            async ct =>
            {
                using var answer = await client.GetAsync("e/" + unasked.Id, ct);
                return answer.IsSuccessStatusCode;
            },
            Ct
        );
        (await unasked.ReadAsync(client, Ct)).ShouldBe(0);
        await ServerProcess.WaitUntilAsync("readiness", Recovery, ct => IsReadyAsync(client, ct), Ct);
        await asked.MovesAreWholeAsync(client, Ct);
    }

    private static async Task<List<string>> FailingAsync(HttpClient client, CancellationToken ct)
    {
        using var looked = await client.GetAsync("readyz", ct);
        return
        [
            .. JsonNode.Parse(await looked.Content.ReadAsStringAsync(ct))!["checks"]!
                .AsArray()
                .Where(check => !check!["ok"]!.GetValue<bool>())
                .Select(check => check!["name"]!.GetValue<string>()),
        ];
    }

    private static async Task KilledWhilePublishingAsync(int rounds, Func<Task<PlatenServer>> start)
    {
        var random = new Random(11);
        var page = new NumberedPage("wgt_curated_crash");
        for (var round = 0; round <= rounds; round++)
        {
            await using var server = await start();
            using var client = server.OpenClient();
            if (round > 0)
            {
                // What is served is what was acknowledged, or the one publish that was under way.
                (await page.ReadAsync(client, Ct)).ShouldBeInRange(page.Acknowledged, page.Tried);
                await page.MovesAreWholeAsync(client, Ct);
            }
            if (round == rounds)
                break;
            var first = new TaskCompletionSource();
            var writing = page.UntilKilledAsync(client, () => first.TrySetResult(), Ct);
            await first.Task.WaitAsync(TimeSpan.FromSeconds(60), Ct);
            // At a random moment of one of the next publishes.
            var soon = Task.Delay(TimeSpan.FromMilliseconds(random.Next(20, 400)), Ct);
            await Task.WhenAny(writing, soon);
            await server.KillAsync(Ct);
            await writing;
        }
        page.Refusals.ShouldBeEmpty();
        page.Acknowledged.ShouldBeGreaterThan(rounds - 1);
    }

    private static async Task<bool> IsReadyAsync(HttpClient client, CancellationToken ct)
    {
        using var looked = await client.GetAsync("readyz", ct);
        return looked.IsSuccessStatusCode;
    }

    /// <summary>A disk of its own for a test, in memory.</summary>
    private sealed class SmallDisk : IAsyncDisposable
    {
        public string Folder { get; } = PostgresFixture.NewFolder();

        private string Filler => Path.Combine(Folder, "filler");

        public static async Task<SmallDisk> MountAsync(string size, CancellationToken ct)
        {
            var disk = new SmallDisk();
            await ServerProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=" + size, "tmpfs", disk.Folder], ct);
            return disk;
        }

        public async Task FillAsync(CancellationToken ct)
        {
            await using var file = File.Create(Filler);
            var block = new byte[4096];
            try
            {
                while (true)
                    await file.WriteAsync(block, ct);
            }
            catch (IOException)
            {
                // That was the purpose: no block is left.
            }
        }

        public void Free() => File.Delete(Filler);

        public async ValueTask DisposeAsync() =>
            await ServerProcess.RunAsync("umount", ["-l", Folder], CancellationToken.None);
    }
}

using System.Net;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using Platen.Testing;

namespace Platen.Delivery.Tests;

public sealed class LifeTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_thousand_misses_at_once_are_one_load()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        // A load that is under way when listening begins is repeated, as what was announced before is unknown.
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");
        using var counter = new LoadCounter(host);
        var texts = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => host.TextAsync($"/e/{id}")));
        texts.ShouldAllBe(text => text == Publisher.PageText(id, "1", "en", "auto"));
        counter.Loads.ShouldBe(1);
    }

    [Fact]
    public async Task A_move_is_seen_at_once_and_never_mixed()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "v0");
        await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");
        for (var i = 1; i <= 20; i++)
        {
            await host.Publisher.PublishAsync(id, $"v{i}");
            await DeliveryHost.UntilAsync(
                async () =>
                {
                    var page = await host.TextAsync($"/e/{id}");
                    page.ShouldBeOneOf(
                        Publisher.PageText(id, $"v{i - 1}", "en", "auto"),
                        Publisher.PageText(id, $"v{i}", "en", "auto")
                    );
                    return page.Contains($"v{i} ");
                },
                "the move was not seen"
            );
        }
    }

    [Fact]
    public async Task Unpublished_is_never_served_and_its_artifacts_neither()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        await host.Publisher.UnpublishAsync(id);
        await DeliveryHost.UntilAsync(
            async () => (await host.GetAsync($"/e/{id}")).StatusCode == HttpStatusCode.NotFound,
            "still served"
        );
        foreach (var path in new[] { $"/w/{id}/manifest.json", $"/w/{id}/{Publisher.ArtifactName("1", "en")}" })
            (await host.GetAsync(path)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task An_artifact_given_out_once_keeps_resolving()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        await host.Publisher.PublishAsync(id, "2");
        await host.Publisher.PublishAsync(id, "3");
        foreach (var version in new[] { "1", "2", "3" })
        {
            (await host.TextAsync($"/w/{id}/{Publisher.ArtifactName(version, "en")}")).ShouldBe(
                Publisher.ConfigText(version, "en")
            );
        }
        var never = await host.GetAsync($"/w/{id}/{Publisher.ArtifactName("never", "en")}");
        never.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Without_database_and_store_what_is_in_memory_is_served_and_what_was_missed_is_made_up_for()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var database = await postgres.CreateDatabaseAsync(ct);
        await using var runtime = await database.StartAsync(postgres.Modules, ct);
        await using var host = await DeliveryHost.StartAsync(runtime.Pools);
        string moved = Publisher.NewId(),
            gone = Publisher.NewId();
        await host.Publisher.PublishAsync(moved, "1");
        await host.Publisher.PublishAsync(gone, "1");
        await host.TextAsync($"/e/{moved}");
        await host.TextAsync($"/e/{gone}");
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");

        // Opened before the cut, which spares it: what it writes is written while nobody can listen.
        await using var quiet = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await quiet.OpenAsync(ct);
        await CutAsync(database.Name, quiet.ProcessID);
        await DeliveryHost.UntilAsync(
            async () => await host.HealthAsync() == HealthStatus.Degraded,
            "the loss was not noticed"
        );
        Directory.Move(host.BlobFolder, host.BlobFolder + ".away");
        (await host.TextAsync($"/e/{moved}")).ShouldContain("1 en");
        (await host.TextAsync($"/e/{moved}?theme=dark", ("Accept-Encoding", "identity"))).ShouldContain("1 en dark");
        using (var unknown = await host.GetAsync($"/e/{Publisher.NewId()}"))
        {
            unknown.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            unknown.Headers.RetryAfter.ShouldNotBeNull();
        }
        Directory.Move(host.BlobFolder + ".away", host.BlobFolder);

        await RunAsync(
            quiet,
            $"update platform.channel set release_digest = null, revision = revision + 1 where subject = 'curated/{gone}'"
        );
        await using (var admin = await postgres.OpenAdminAsync(ct))
            await RunAsync(admin, $"alter database {database.Name} allow_connections true");
        await host.Publisher.PublishAsync(moved, "2");
        await DeliveryHost.UntilAsync(
            async () => (await host.TextAsync($"/e/{moved}")).Contains("2 en"),
            "the move was missed"
        );
        await DeliveryHost.UntilAsync(
            async () => (await host.GetAsync($"/e/{gone}")).StatusCode == HttpStatusCode.NotFound,
            "the withdrawal was missed"
        );
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never recovered");
    }

    [Fact]
    public async Task A_release_whose_bytes_cannot_be_read_leaves_the_former_one_in_place()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");
        await using (var other = await DeliveryHost.StartAsync(postgres.Pools))
        {
            // Its bytes go into another store: this host hears of a release that it cannot read.
            await other.Publisher.PublishAsync(id, "2");
        }
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Cache.StaleCount == 1), "the failure was not noticed");
        (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
        (await host.HealthAsync()).ShouldBe(HealthStatus.Degraded);
        host.Metrics.CountOf(CacheLevel.Stale).ShouldBeGreaterThan(0);
        await host.Publisher.PublishAsync(id, "2");
        await DeliveryHost.UntilAsync(async () => (await host.TextAsync($"/e/{id}")).Contains("2 en"), "never healed");
    }

    [Fact]
    public async Task Broken_releases_keep_no_other_from_healing()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        string[] ids = [.. Enumerable.Range(0, 9).Select(_ => Publisher.NewId())];
        var healing = ids[4];
        foreach (var id in ids)
        {
            await host.Publisher.PublishAsync(id, "1");
            await host.TextAsync($"/e/{id}");
        }
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");
        await using var broken = await DeliveryHost.StartAsync(postgres.Pools);
        await using var healed = await DeliveryHost.StartAsync(postgres.Pools);
        foreach (var id in ids)
            await (id == healing ? healed : broken).Publisher.PublishAsync(id, "2");
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(host.Cache.StaleCount == 9),
            "the failures were not noticed"
        );

        foreach (var file in Directory.EnumerateFiles(healed.BlobFolder, "*", SearchOption.AllDirectories))
        {
            var there = Path.Combine(host.BlobFolder, Path.GetRelativePath(healed.BlobFolder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(there)!);
            File.Copy(file, there, overwrite: true);
        }
        await DeliveryHost.UntilAsync(
            async () => (await host.TextAsync($"/e/{healing}")).Contains("2 en"),
            "it did not heal"
        );
    }

    [Fact]
    public async Task Memory_stays_in_its_budget()
    {
        const long budget = 64 * 1024;
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.MemoryBytes = budget);
        for (var i = 0; i < 40; i++)
        {
            var id = Publisher.NewId();
            await host.Publisher.PublishAsync(id, "1");
            (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
            await host.GetAsync($"/e/{Publisher.NewId()}");
            host.Cache.Bytes.ShouldBeLessThanOrEqualTo(budget);
        }
        host.Cache.Count.ShouldBeLessThan(80);
    }

    private async Task CutAsync(string database, int sparedProcess)
    {
        await using var admin = await postgres.OpenAdminAsync(TestContext.Current.CancellationToken);
        await RunAsync(admin, $"alter database {database} allow_connections false");
        await RunAsync(
            admin,
            $"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}' and pid <> {sparedProcess}"
        );
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}

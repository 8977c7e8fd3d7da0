using System.Net;
using System.Text;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Delivery.Tests;

/// <summary>What a node keeps on its disk, and what it is good for when nothing else is there.</summary>
public sealed class DiskTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_served_is_served_after_a_restart_without_database_and_store()
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewId();
        var former = $"/w/{id}/{Publisher.ArtifactName("1", "en")}";
        using (var before = await ServeAsync(folder, id, former))
        {
            await using var node = await WithoutAnythingAsync(folder);
            await ShowsWhatWasServedAsync(node, id, former, before);
            node.Metrics.CountOf(CacheLevel.Stale).ShouldBeGreaterThan(0);
            using var unknown = await node.GetAsync($"/e/{Publisher.NewId()}");
            unknown.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        }
    }

    /// <summary>A node that has noticed that everything is gone, and shows the page and the former release that were served before.</summary>
    private static async Task ShowsWhatWasServedAsync(
        DeliveryHost node,
        string id,
        string former,
        HttpResponseMessage before
    )
    {
        await DeliveryHost.UntilAsync(
            async () => await node.HealthAsync() == HealthStatus.Degraded,
            "the loss was not noticed"
        );

        using var page = await node.GetAsync($"/e/{id}?theme=dark");
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await page.Content.ReadAsStringAsync(Ct)).ShouldBe(Publisher.PageText(id, "2", "en", "dark"));
        page.Headers.ETag.ShouldBe(before.Headers.ETag);
        (await node.TextAsync(former)).ShouldBe(Publisher.ConfigText("1", "en"));
    }

    [Fact]
    public async Task Of_an_instance_too_large_to_be_loaded_whole_what_was_asked_for_is_served_after_a_restart()
    {
        const long tooLarge = 1;
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewId();
        var former = $"/w/{id}/{Publisher.ArtifactName("1", "en")}";
        using var before = await ServeAsync(folder, id, former, tooLarge);
        await using var node = await WithoutAnythingAsync(folder, tooLarge);
        await ShowsWhatWasServedAsync(node, id, former, before);
        // It is known that there is more, and that it cannot be read now: nobody is told that it is not there.
        foreach (var other in new[] { $"/e/{id}?theme=light", $"/w/{id}/manifest.json" })
        {
            using var unread = await node.GetAsync(other);
            unread.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, other);
            unread.Headers.RetryAfter.ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task An_instance_too_large_to_be_loaded_whole_is_read_as_it_is_asked_for()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.EagerInstanceBytes = 1);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1", locales: ["en", "de"]);
        var empty = host.Cache.Bytes;
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 40).Select(_ => host.TextAsync($"/e/{id}?locale=de&theme=dark"))
        );
        answers.ShouldAllBe(text => text == Publisher.PageText(id, "1", "de", "dark"));
        var one = host.Cache.Bytes;
        one.ShouldBeGreaterThan(empty);
        foreach (var locale in new[] { "en", "de" })
        foreach (var theme in new[] { "auto", "light", "dark" })
            (await host.TextAsync($"/e/{id}?locale={locale}&theme={theme}")).ShouldBe(
                Publisher.PageText(id, "1", locale, theme)
            );
        // What was read is counted.
        host.Cache.Bytes.ShouldBeGreaterThan(one + (5 * 600));
        // And the next release shows at once what the former had read.
        await host.Publisher.PublishAsync(id, "2", locales: ["en", "de"]);
        await DeliveryHost.UntilAsync(
            async () =>
                await host.TextAsync($"/e/{id}?locale=de&theme=dark") == Publisher.PageText(id, "2", "de", "dark"),
            "the move was not seen"
        );
    }

    [Fact]
    public async Task A_node_with_nothing_at_all_is_not_ready()
    {
        await using var node = await WithoutAnythingAsync(PostgresFixture.NewFolder());
        await DeliveryHost.UntilAsync(
            async () => await node.HealthAsync() == HealthStatus.Unhealthy,
            "it says that it can serve"
        );
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(60)]
    [InlineData(600)]
    [InlineData(-1)]
    public async Task An_entry_with_one_other_bit_drops_out(int position)
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewId();
        (await ServeAsync(folder, id, $"/w/{id}/manifest.json")).Dispose();
        var file = Entries(folder).Single();
        var bytes = await File.ReadAllBytesAsync(file, Ct);
        bytes[position < 0 ? bytes.Length + position : position] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Ct);

        await using var node = await WithoutAnythingAsync(folder);
        using var page = await node.GetAsync($"/e/{id}");
        page.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 0), "it is still there");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(900)]
    public async Task An_entry_that_was_cut_off_drops_out_and_is_made_anew_where_it_can_be(int length)
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewId();
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Entries == 1), "nothing was written");
        var file = Entries(folder).Single();
        await using (var cut = File.OpenWrite(file))
            cut.SetLength(length);
        await File.WriteAllBytesAsync(file + ".new", [1, 2, 3], Ct);

        await using var other = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = folder,
            host.BlobFolder
        );
        (await other.TextAsync($"/e/{id}")).ShouldBe(Publisher.PageText(id, "1", "en", "auto"));
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(Entries(folder) is [var one] && new FileInfo(one).Length > 900),
            "it was not made anew"
        );
    }

    [Fact]
    public async Task A_file_that_was_kept_for_another_owner_is_not_shown()
    {
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = PostgresFixture.NewFolder()
        );
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        var file = Publisher.ArtifactName("of another", "en");
        var bytes = Encoding.UTF8.GetBytes(Publisher.ConfigText("of another", "en"));
        host.Disk.Store(DiskEntry.OfFile($"{id}/{file}", TestOwner.New().Id, Digest.Of(bytes), bytes), replaced: false);
        using var answer = await host.GetAsync($"/w/{id}/{file}");
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task What_is_withdrawn_leaves_the_disk()
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewId();
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 1), "nothing was written");
        await host.Publisher.UnpublishAsync(id);
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(Entries(folder).Count == 0 && host.Disk.Bytes == 0),
            "it is still there"
        );
    }

    [Fact]
    public async Task A_node_that_comes_back_learns_what_it_missed()
    {
        var folder = PostgresFixture.NewFolder();
        string moved = Publisher.NewId(),
            gone = Publisher.NewId();
        (await ServeAsync(folder, moved, $"/e/{moved}")).Dispose();
        (await ServeAsync(folder, gone, $"/e/{gone}")).Dispose();
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        await publishing.Publisher.PublishAsync(moved, "3");
        await publishing.Publisher.UnpublishAsync(gone);

        await using var node = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = folder,
            publishing.BlobFolder
        );
        (await node.TextAsync($"/e/{moved}")).ShouldContain("3 en");
        (await node.GetAsync($"/e/{gone}")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task What_was_withdrawn_while_it_was_not_in_memory_leaves_the_disk()
    {
        var folder = PostgresFixture.NewFolder();
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options =>
            {
                options.DiskFolder = folder;
                options.MemoryBytes = 1;
            }
        );
        string[] ids = [Publisher.NewId(), Publisher.NewId(), Publisher.NewId()];
        foreach (var id in ids)
            await host.Publisher.PublishAsync(id, "1");
        foreach (var id in ids)
            await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 3), "nothing was written");
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");

        await host.Publisher.UnpublishAsync(ids[0]);
        await host.Publisher.PublishAsync(ids[1], "2");
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 2), "it is still there");
        await DeliveryHost.UntilAsync(
            async () => await host.Disk.ReadAsync(ids[1], Ct) is { Revision: 2 },
            "what was moved was not fetched"
        );
        host.Disk.Entries.ShouldBe(2);
    }

    [Fact]
    public async Task What_was_withdrawn_while_the_node_was_away_leaves_the_disk_before_anybody_asks()
    {
        var folder = PostgresFixture.NewFolder();
        string gone = Publisher.NewId(),
            kept = Publisher.NewId();
        (await ServeAsync(folder, gone, $"/w/{gone}/{Publisher.ArtifactName("1", "en")}")).Dispose();
        (await ServeAsync(folder, kept, $"/e/{kept}")).Dispose();
        Entries(folder).Count.ShouldBe(3);
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        await publishing.Publisher.UnpublishAsync(gone);

        await using var node = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = folder,
            publishing.BlobFolder
        );
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(Entries(folder).Count == 1),
            "it, or a file of it, is still there"
        );
        (await node.Disk.ReadAsync(kept, Ct)).ShouldNotBeNull();
    }

    [Fact]
    public async Task What_belongs_to_an_owner_that_was_closed_leaves_the_disk()
    {
        var folder = PostgresFixture.NewFolder();
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options =>
            {
                options.DiskFolder = folder;
                options.MemoryBytes = 1;
            }
        );
        OwnerId closing = new(Guid.CreateVersion7()),
            other = new(Guid.CreateVersion7());
        string first = Publisher.NewUserId(),
            second = Publisher.NewUserId();
        await host.Publisher.As(closing).PublishAsync(first, "1");
        await host.Publisher.As(other).PublishAsync(second, "1");
        foreach (var id in new[] { first, second })
            (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 2), "nothing was written");
        await DeliveryHost.UntilAsync(async () => await host.HealthAsync() == HealthStatus.Healthy, "never listened");

        await host.Publisher.As(closing).CloseAsync();
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 1), "it is still there");
        (await host.Disk.ReadAsync(second, Ct)).ShouldNotBeNull();
    }

    [Fact]
    public async Task What_two_owners_claim_is_not_shown_from_the_disk_either()
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewUserId();
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        await publishing.Publisher.As(new OwnerId(Guid.CreateVersion7())).PublishAsync(id, "1");
        await using (
            var before = await DeliveryHost.StartAsync(
                postgres.Pools,
                options => options.DiskFolder = folder,
                publishing.BlobFolder
            )
        )
        {
            (await before.TextAsync($"/e/{id}")).ShouldContain("1 en");
            await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 1), "nothing was written");
        }
        await publishing.Publisher.As(new OwnerId(Guid.CreateVersion7())).PublishAsync(id, "other");

        await using var node = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = folder,
            publishing.BlobFolder
        );
        await DeliveryHost.UntilAsync(async () => await node.HealthAsync() != HealthStatus.Degraded, "never listened");
        (await node.GetAsync($"/e/{id}")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task A_file_of_a_former_owner_is_not_the_next_one_s()
    {
        var folder = PostgresFixture.NewFolder();
        var id = Publisher.NewUserId();
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        var first = host.Publisher.As(new OwnerId(Guid.CreateVersion7()));
        await first.PublishAsync(id, "1");
        await first.PublishAsync(id, "2");
        var former = $"/w/{id}/{Publisher.ArtifactName("1", "en")}";
        (await host.TextAsync(former)).ShouldBe(Publisher.ConfigText("1", "en"));
        await DeliveryHost.UntilAsync(() => Task.FromResult(Entries(folder).Count == 2), "nothing was written");
        await first.UnpublishAsync(id);
        await host.Publisher.As(new OwnerId(Guid.CreateVersion7())).PublishAsync(id, "3");
        await DeliveryHost.UntilAsync(async () => (await host.TextAsync($"/e/{id}")).Contains("3 en"), "not seen");
        (await host.GetAsync(former)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_disk_stays_in_its_budget_and_keeps_what_is_asked_for_most()
    {
        const long budget = 400 * 1024;
        var folder = PostgresFixture.NewFolder();
        var hot = Publisher.NewId();
        await using (
            var host = await DeliveryHost.StartAsync(
                postgres.Pools,
                options =>
                {
                    options.DiskFolder = folder;
                    options.DiskBytes = budget;
                    // Nothing stays in memory, so that each request is one of the disk's.
                    options.MemoryBytes = 1;
                }
            )
        )
        {
            await host.Publisher.PublishAsync(hot, "1");
            for (var i = 0; i < 10; i++)
                await host.TextAsync($"/e/{hot}");
            for (var i = 0; i < 120; i++)
            {
                // What was asked for long ago is worth no more than what was never asked for.
                await host.TextAsync($"/e/{hot}");
                var id = Publisher.NewId();
                await host.Publisher.PublishAsync(id, "1");
                (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
                host.Disk.Bytes.ShouldBeLessThanOrEqualTo(budget);
            }
        }
        Entries(folder).Sum(file => new FileInfo(file).Length).ShouldBeLessThanOrEqualTo(budget);
        Entries(folder).Count.ShouldBeInRange(5, 119);
        await using var node = await WithoutAnythingAsync(folder);
        (await node.TextAsync($"/e/{hot}")).ShouldContain("1 en");
    }

    [Theory]
    [InlineData(DeliveryLimits.EagerInstanceBytes)]
    [InlineData(1)]
    public async Task What_nobody_asked_for_is_there_when_the_node_was_warmed(long eager)
    {
        // More than may wait to be written: the warming waits for the disk.
        const int Warm = DeliveryLimits.PendingWrites + 16;
        var ct = Ct;
        await using var database = await postgres.CreateDatabaseAsync(ct);
        await using var runtime = await database.StartAsync(postgres.Modules, ct);
        await using var publishing = await DeliveryHost.StartAsync(runtime.Pools);
        var ids = Enumerable.Range(0, Warm + 2).Select(_ => Publisher.NewId()).ToArray();
        foreach (var id in ids)
            await publishing.Publisher.PublishAsync(id, "1");
        var folder = PostgresFixture.NewFolder();
        await using (
            var warmed = await DeliveryHost.StartAsync(
                runtime.Pools,
                options =>
                {
                    options.DiskFolder = folder;
                    options.WarmInstances = Warm;
                    options.EagerInstanceBytes = eager;
                },
                publishing.BlobFolder
            )
        )
            await DeliveryHost.UntilAsync(() => Task.FromResult(warmed.Disk.Entries == Warm), "it was not warmed");

        await using var node = await WithoutAnythingAsync(folder, eager);
        foreach (var id in ids[^3..])
        {
            if (eager > 1)
            {
                (await node.TextAsync($"/e/{id}")).ShouldContain("1 en");
                continue;
            }
            // Of one that is too large to be loaded whole the node knows what there is, and has read nothing.
            using var unread = await node.GetAsync($"/e/{id}");
            unread.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        }
        (await node.GetAsync($"/e/{ids[0]}")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task A_disk_that_fails_stops_nobody()
    {
        var folder = PostgresFixture.NewFolder();
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        // A file where each of the cache's folders would be.
        for (var i = 0; i < 4_096; i++)
            await File.WriteAllBytesAsync(Path.Combine(folder, i.ToString("x3")), [], Ct);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
        await host.Publisher.PublishAsync(id, "2");
        await DeliveryHost.UntilAsync(async () => (await host.TextAsync($"/e/{id}")).Contains("2 en"), "not seen");
        host.Disk.Entries.ShouldBe(0);
    }

    // Publishes 1 and 2, asks for the page and another address, and leaves what came of it in the folder.
    private async Task<HttpResponseMessage> ServeAsync(
        string folder,
        string id,
        string other,
        long eager = DeliveryLimits.EagerInstanceBytes
    )
    {
        var already = Entries(folder).Count;
        var isFormer = other.Contains(Publisher.ArtifactName("1", "en"), StringComparison.Ordinal);
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options =>
            {
                options.DiskFolder = folder;
                options.EagerInstanceBytes = eager;
            }
        );
        await host.Publisher.PublishAsync(id, "1");
        await host.Publisher.PublishAsync(id, "2");
        var page = await host.GetAsync($"/e/{id}?theme=dark");
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await host.GetAsync(other)).StatusCode.ShouldBe(HttpStatusCode.OK);
        // Of what is loaded whole there is one; else there is one of each file that was asked for beside it.
        var isWhole = eager == DeliveryLimits.EagerInstanceBytes;
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(Entries(folder).Count == already + (isFormer ? 2 : 1) + (isWhole ? 0 : 1)),
            "nothing was written"
        );
        return page;
    }

    /// <summary>A node whose database does not answer and whose store is empty.</summary>
    private static Task<DeliveryHost> WithoutAnythingAsync(
        string folder,
        long eager = DeliveryLimits.EagerInstanceBytes
    )
    {
        var nowhere = PostgresPools.OpenEdgeAlone(
            new PostgresOptions
            {
                DataFolder = "/nonexistent",
                EdgeConnectionString = "Host=127.0.0.1;Port=1;Username=nobody;Database=none",
            }
        );
        return DeliveryHost.StartAsync(
            nowhere,
            options =>
            {
                options.DiskFolder = folder;
                options.EagerInstanceBytes = eager;
            }
        );
    }

    private static List<string> Entries(string folder) =>
        [
            .. Directory
                .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(file => !file.EndsWith(".new") && Path.GetFileName(file) != DeliveryModule.EmbedTokensFile),
        ];
}

using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Platform.Blobs;
using Platen.Platform.Collections;
using Platen.Testing;

namespace Platen.Delivery.Tests;

/// <summary>
/// A page or a manifest that a browser holds names artifacts of its own release: they resolve for the retention time, whatever was
/// published and collected since. In a database of its own, because a collection looks at everybody's bytes.
/// </summary>
public sealed class SkewTests : IAsyncLifetime
{
    private const int Versions = 40;

    // As short as a publish allows, so that every round finds something to do.
    private static readonly CollectionRules Rules = new(TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), Keep: 1);

    private readonly PostgresFixture postgres = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => postgres.InitializeAsync();

    public ValueTask DisposeAsync() => postgres.DisposeAsync();

    [Fact]
    public async Task What_was_given_out_resolves_while_others_publish_and_collect()
    {
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await publishing.Publisher.PublishAsync(id, "0");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var collecting = CollectUntilAsync(publishing.BlobFolder, stop.Token);
        for (var version = 1; version <= Versions; version++)
        {
            await publishing.Publisher.PublishAsync(id, $"{version}");
            // Releases without anybody on them, for the collector to take.
            await publishing.Publisher.PublishAsync(Publisher.NewId(), $"{version}");
            if (version % 8 == 0)
                await AgeAsync("2 minutes");
            if (version % 10 == 0)
                await AllResolveAsync(publishing, id, version);
        }
        await stop.CancelAsync();
        (await collecting).ShouldBeGreaterThan(0);
        await AllResolveAsync(publishing, id, Versions);
    }

    [Fact]
    public async Task After_the_retention_time_it_is_gone_and_what_is_live_or_was_lately_is_not()
    {
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await publishing.Publisher.PublishAsync(id, "old");
        await publishing.Publisher.PublishAsync(id, "former");
        await AgeAsync("2 hours");
        await publishing.Publisher.PublishAsync(id, "live");
        (await CollectAsync(publishing.BlobFolder)).Missing.ShouldBe(0);

        await using var fresh = await DeliveryHost.StartAsync(postgres.Pools, null, publishing.BlobFolder);
        foreach (var version in new[] { "former", "live" })
            (await fresh.TextAsync(Address(id, version))).ShouldBe(Publisher.ConfigText(version, "en"));
        using var gone = await fresh.GetAsync(Address(id, "old"));
        gone.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    // A node that has nothing in memory, so that each of them is looked up and read.
    private async Task AllResolveAsync(DeliveryHost publishing, string id, int latest)
    {
        await using var fresh = await DeliveryHost.StartAsync(postgres.Pools, null, publishing.BlobFolder);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, latest + 1),
            Ct,
            async (version, _) =>
            {
                using var artifact = await fresh.GetAsync(Address(id, $"{version}"));
                artifact.StatusCode.ShouldBe(HttpStatusCode.OK, $"version {version} of {latest}");
                artifact.Headers.CacheControl!.ToString().ShouldContain("immutable");
            }
        );
    }

    private async Task<int> CollectUntilAsync(string folder, CancellationToken stop)
    {
        var rounds = 0;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await Of(folder).RunAsync(Rules, dryRun: false, (_, _) => Task.CompletedTask, stop);
                rounds++;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The last round was cut short.
        }
        return rounds;
    }

    private Task<CollectionReport> CollectAsync(string folder) =>
        Of(folder).RunAsync(Rules, dryRun: false, (_, _) => Task.CompletedTask, Ct);

    private Collector Of(string folder) =>
        new(
            postgres.Pools,
            new FileBlobStore(folder, TimeProvider.System, NullLogger<FileBlobStore>.Instance),
            TimeProvider.System
        );

    private static string Address(string id, string version) => $"/w/{id}/{Publisher.ArtifactName(version, "en")}";

    // As if so much time had passed.
    private async Task AgeAsync(string time)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var shift = new NpgsqlCommand(
            $"""
            update platform.blob set created_at = created_at - interval '{time}';
            update platform.release set created_at = created_at - interval '{time}';
            update platform.channel_move set at = at - interval '{time}';
            """,
            admin
        );
        await shift.ExecuteNonQueryAsync(Ct);
    }
}

using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Channels;
using Platen.Platform.Collections;
using Platen.Platform.Releases;
using Platen.Platform.Tests.Blobs;
using Platen.Testing;

namespace Platen.Platform.Tests.Releases;

/// <summary>A database of its own: a collection looks at everybody's bytes.</summary>
public sealed class CollectorTests : IAsyncLifetime
{
    private static readonly TimeSpan Hours = TimeSpan.FromHours(2);
    private static readonly CollectionRules Rules = new(TimeSpan.FromHours(1), TimeSpan.FromHours(1), Keep: 1);

    /// <summary>Of twenty rounds: 10,000 publishes with PLATEN_LONG_FAULTS, a fifth of them otherwise.</summary>
    private static readonly int PublishesARound = Environment.GetEnvironmentVariable("PLATEN_LONG_FAULTS") is null
        ? 100
        : 500;

    private readonly PostgresFixture postgres = new();
    private readonly string folder = PostgresFixture.NewFolder();
    private readonly ManualClock clock = new();
    private FileBlobStore store = null!;
    private Collector collector = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await postgres.InitializeAsync();
        store = new FileBlobStore(folder, clock, NullLogger<FileBlobStore>.Instance);
        collector = new Collector(postgres.Pools, store, clock);
    }

    public async ValueTask DisposeAsync()
    {
        await postgres.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_is_live_or_recent_or_young_stays_and_the_rest_goes()
    {
        var owner = TestOwner.New();
        var first = await PublishAsync(owner, "curated/a", "first");
        var second = await PublishAsync(owner, "curated/a", "second");
        await PassAsync();
        var third = await PublishAsync(owner, "curated/a", "third");

        var planned = await CollectAsync(dryRun: true);
        (planned.Releases, planned.Blobs).ShouldBe((1, 2));
        planned.Items.ShouldContain(item => item.What == "release" && item.Digest == first.Digest);
        (await StoredAsync(owner, first)).ShouldBeTrue("a dry run removes nothing");

        var done = await CollectAsync();
        // The manifest's copy goes with the files.
        (done.Releases, done.Blobs, done.Orphans, done.Missing).ShouldBe((1, 2, 1, 0));
        done.RemovedBytes.ShouldBe(planned.RemovedBytes);
        (await StoredAsync(owner, first)).ShouldBeFalse();
        // The channel left the second only now.
        (await StoredAsync(owner, second)).ShouldBeTrue();
        (await StoredAsync(owner, third)).ShouldBeTrue();
        (await CollectAsync()).Releases.ShouldBe(0);

        await using var session = await postgres.OpenAsync(owner, Ct);
        (await ReleaseStore.FindAsync(session, "curated/a", first.Digest, Ct)).ShouldBeNull();
        (await ChannelStore.MoveAsync(session, new ChannelKey("curated/a", "live"), 3, first.Digest, Ct)).ShouldBe(
            new ChannelMove.NoSuchRelease(first.Digest)
        );
    }

    [Fact]
    public async Task A_collected_release_that_is_published_again_is_whole()
    {
        var owner = TestOwner.New();
        var first = await PublishAsync(owner, "curated/a", "first");
        await PublishAsync(owner, "curated/a", "second");
        await PassAsync();
        (await CollectAsync()).Releases.ShouldBe(1);
        await PublishAsync(owner, "curated/a", "first");
        (await CollectAsync()).Missing.ShouldBe(0);
        (await StoredAsync(owner, first)).ShouldBeTrue();
        await PassAsync();
        (await CollectAsync()).Missing.ShouldBe(0);
        (await StoredAsync(owner, first)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_release_that_was_recorded_again_is_as_young_as_a_new_one()
    {
        var owner = TestOwner.New();
        var draft = Drafts.Of("curated/a", ("own", "never shown"));
        await RecordAsync(owner, draft);
        await PassAsync();
        await RecordAsync(owner, draft);
        (await CollectAsync()).Releases.ShouldBe(0);
        (await StoredAsync(owner, draft)).ShouldBeTrue();
        await PassAsync();
        // The retention is of what was live.
        var kept = Rules with
        {
            Retention = TimeSpan.FromDays(30),
        };
        (await collector.RunAsync(kept, dryRun: false, (_, _) => Task.CompletedTask, Ct)).Releases.ShouldBe(1);
        (await StoredAsync(owner, draft)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_snapshot_goes_after_the_grace_period_unless_something_waits_for_it()
    {
        const string Snapshot = "application/vnd.platen.widget-snapshot.v1";
        var owner = TestOwner.New();
        var young = await RecordAsync(owner, Draft("curated/a", "young", Snapshot));
        var taken = await RecordAsync(owner, Draft("curated/b", "taken in", Snapshot));
        var awaited = await RecordAsync(owner, Draft("curated/c", "scheduled", Snapshot));
        await PointAsync(owner, new ChannelKey("curated/c", "scheduled-1"), awaited, 0);
        (await CollectAsync()).Releases.ShouldBe(0);
        await PassAsync();
        await PushAgainAsync("curated/a");

        var planned = await CollectAsync(dryRun: true);
        planned.Items.Where(i => i.What == "release").ShouldHaveSingleItem().Digest.ShouldBe(taken.Digest);
        (await CollectAsync()).Releases.ShouldBe(1);
        (await StoredAsync(owner, taken)).ShouldBeFalse();
        (await StoredAsync(owner, young)).ShouldBeTrue();
        (await StoredAsync(owner, awaited)).ShouldBeTrue();

        // It was carried out, or called off.
        await PointAsync(owner, new ChannelKey("curated/c", "scheduled-1"), null, 1);
        await PassAsync();
        (await CollectAsync()).Missing.ShouldBe(0);
        (await StoredAsync(owner, awaited)).ShouldBeFalse();
        (await StoredAsync(owner, young)).ShouldBeFalse();

        // Pushed again it is whole.
        await RecordAsync(owner, Draft("curated/b", "taken in", Snapshot));
        await PushAgainAsync("curated/b");
        (await CollectAsync()).Missing.ShouldBe(0);
        (await StoredAsync(owner, taken)).ShouldBeTrue();
    }

    [Fact]
    public async Task Bytes_that_no_row_knows_go_after_the_grace_period()
    {
        var owner = TestOwner.New();
        var orphan = await store.PutBytesAsync(owner.Id, "half a publish"u8.ToArray(), Ct);
        (await CollectAsync()).Orphans.ShouldBe(0);
        await PassAsync();
        (await CollectAsync()).Orphans.ShouldBe(1);
        (await store.StatAsync(owner.Id, orphan, Ct)).ShouldBeNull();
    }

    [Fact]
    public async Task A_manifest_that_is_also_a_layer_stays_as_the_layer()
    {
        var owner = TestOwner.New();
        var first = await PublishAsync(owner, "curated/a", "first");
        await PublishAsync(owner, "curated/a", "second");
        var manifest = new DraftFile(
            "first.json",
            "application/json",
            first.ManifestBytes,
            System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty
        );
        var kept = await RecordAsync(
            owner,
            new ReleaseDraft(
                "backups/a",
                "application/vnd.example.backup",
                [manifest],
                System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty
            )
        );
        await PassAsync();

        var planned = await CollectAsync(dryRun: true);
        (planned.Releases, planned.Orphans).ShouldBe((1, 0));
        var done = await CollectAsync();
        (done.Releases, done.Orphans, done.Missing).ShouldBe((1, 0, 0));
        (await StoredAsync(owner, kept)).ShouldBeTrue();
    }

    [Fact]
    public async Task What_is_beyond_one_transaction_is_found_and_counted_and_a_report_names_the_first()
    {
        var owner = TestOwner.New();
        await MakeReleasesAsync(owner, withdrawn: false, 3 * CollectionLimits.RowsATransaction);
        await MakeReleasesAsync(owner, withdrawn: true, CollectionLimits.RowsATransaction + 1);
        await PassAsync();

        var planned = await CollectAsync(dryRun: true);
        planned.Items.Count.ShouldBe(CollectionLimits.Items);
        var done = await CollectAsync();
        foreach (var report in (CollectionReport[])[planned, done])
        {
            (report.Releases, report.Blobs).ShouldBe(
                (CollectionLimits.RowsATransaction + 1, CollectionLimits.RowsATransaction + 1)
            );
            (report.KeptReleases, report.KeptBlobs, report.KeptBytes).ShouldBe(
                (
                    3 * CollectionLimits.RowsATransaction,
                    3 * CollectionLimits.RowsATransaction,
                    3 * CollectionLimits.RowsATransaction * 10
                )
            );
        }
        (await CollectAsync()).Releases.ShouldBe(0);
    }

    [Fact]
    public async Task What_an_index_listed_goes_in_the_same_collection_whichever_comes_first()
    {
        var owner = TestOwner.New();
        var drafts = new List<ReleaseDraft>();
        for (var i = 0; i < 8; i++)
            drafts.Add(await RecordAsync(owner, Drafts.Of("curated/listed", ("own", $"{i}"))));
        // Each is listed by the one before it in the order of the pass, or by the one after it.
        drafts.Sort((a, b) => b.Digest.CompareTo(a.Digest));
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            for (var i = 1; i < drafts.Count; i++)
            {
                await using var list = new NpgsqlCommand(
                    "insert into platform.release_child (owner, subject, release_digest, child_digest) values ($1, 'curated/listed', $2, $3)",
                    admin
                );
                list.Parameters.Add(new NpgsqlParameter { Value = owner.Id.Value });
                list.Parameters.Add(new NpgsqlParameter { Value = drafts[i - 1].Digest.ToString() });
                list.Parameters.Add(new NpgsqlParameter { Value = drafts[i].Digest.ToString() });
                await list.ExecuteNonQueryAsync(Ct);
            }
        }
        await PassAsync();

        (await CollectAsync()).Releases.ShouldBe(drafts.Count);
    }

    [Fact]
    public async Task Publishes_beside_collections_lose_no_blob()
    {
        const int Rounds = 20;
        var owner = TestOwner.New();
        var random = new Random(3);
        for (var round = 0; round < Rounds; round++)
        {
            // A few contents over and over: what one round leaves behind, the next puts again while it is being removed.
            var plan = Enumerable.Range(0, PublishesARound).Select(_ => (random.Next(8), random.Next(12))).ToArray();
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            var collecting = Enumerable.Range(0, 2).Select(_ => CollectUntilAsync(stop.Token)).ToArray();
            await Parallel.ForEachAsync(
                plan,
                new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Ct },
                async (step, _) =>
                    await PublishAsync(
                        owner,
                        "curated/race" + step.Item1.ToString(CultureInfo.InvariantCulture),
                        "content " + step.Item2.ToString(CultureInfo.InvariantCulture),
                        // As one publishes, and as many are published together.
                        recordsBefore: step.Item2 % 2 == 0
                    )
            );
            await stop.CancelAsync();
            await Task.WhenAll(collecting);
            (await MissingOfLiveAsync(owner)).ShouldBeEmpty();
            await PassAsync();
        }
        (await CollectAsync()).Missing.ShouldBe(0);
        (await MissingOfLiveAsync(owner)).ShouldBeEmpty();
    }

    private async Task CollectUntilAsync(CancellationToken stop)
    {
        try
        {
            while (!stop.IsCancellationRequested)
                await collector.RunAsync(Rules, dryRun: false, (_, _) => Task.CompletedTask, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The round is over.
        }
    }

    private Task<CollectionReport> CollectAsync(bool dryRun = false) =>
        collector.RunAsync(Rules, dryRun, (_, _) => Task.CompletedTask, Ct);

    private async Task<ReleaseDraft> PublishAsync(
        TestOwner owner,
        string subject,
        string text,
        bool recordsBefore = false
    )
    {
        var draft = Drafts.Of(subject, ("shared", text), ("own", subject + text));
        if (recordsBefore)
            await RecordAsync(owner, draft);
        else
            await ReleaseStore.StoreBytesAsync(store, owner.Id, draft, Ct);
        await using var session = await postgres.OpenAsync(owner, Ct);
        if (!recordsBefore)
            await ReleaseStore.RecordAsync(session, draft, Ct);
        var key = new ChannelKey(subject, "live");
        var seen = (await ChannelStore.FindAsync(session, key, Ct))?.Revision ?? 0;
        while (await ChannelStore.MoveAsync(session, key, seen, draft.Digest, Ct) is ChannelMove.Conflict(var now, _))
            seen = now;
        await session.CommitAsync(Ct);
        return draft;
    }

    private static ReleaseDraft Draft(string subject, string text, string artifactType) =>
        new(
            subject,
            artifactType,
            Drafts.Of(subject, ("own", subject + text)).Files,
            System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty
        );

    private async Task<ReleaseDraft> RecordAsync(TestOwner owner, ReleaseDraft draft)
    {
        await ReleaseStore.StoreBytesAsync(store, owner.Id, draft, Ct);
        await using var session = await postgres.OpenAsync(owner, Ct);
        await ReleaseStore.RecordAsync(session, draft, Ct);
        await session.CommitAsync(Ct);
        return draft;
    }

    private async Task PointAsync(TestOwner owner, ChannelKey key, ReleaseDraft? to, long seen)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        (await ChannelStore.MoveAsync(session, key, seen, to?.Digest, Ct)).ShouldBeOfType<ChannelMove.Moved>();
        await session.CommitAsync(Ct);
    }

    /// <summary>Releases with a file of ten bytes each, whose rows only are there.</summary>
    private async Task MakeReleasesAsync(TestOwner owner, bool withdrawn, int count)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var make = new NpgsqlCommand(
            """
            with made as (
                select 'many/' || $2::text || i as subject, convert_to(format('{"n":"%s %s"}', $2::text, i), 'UTF8') as manifest
                from generate_series(1, $3::integer) i
            ), named as (
                select subject, manifest, 'sha256:' || encode(sha256(manifest), 'hex') as digest,
                    'sha256:' || encode(sha256(manifest || 'file'::bytea), 'hex') as file
                from made
            ), blobs as (
                insert into platform.blob (owner, digest, size_bytes, media_type)
                select $1, file, 10, 'text/plain' from named
            ), releases as (
                insert into platform.release (
                    owner, subject, digest, artifact_type, manifest, created_by, created_by_name, withdrawn_at
                )
                select $1, subject, digest, 'application/vnd.example.kept', manifest, $1, 'test', case when $2 = 'withdrawn' then now() end
                from named
            )
            insert into platform.release_blob (owner, subject, release_digest, path, blob_digest)
            select $1, subject, digest, 'file', file from named
            """,
            admin
        );
        make.Parameters.Add(new NpgsqlParameter { Value = owner.Id.Value });
        make.Parameters.Add(new NpgsqlParameter { Value = withdrawn ? "withdrawn" : "kept" });
        make.Parameters.Add(new NpgsqlParameter { Value = count });
        await make.ExecuteNonQueryAsync(Ct);
    }

    /// <summary>As the registry notes a push.</summary>
    private async Task PushAgainAsync(string subject)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var pushed = new NpgsqlCommand(
            "update platform.release set pushed_at = clock_timestamp() where subject = $1",
            admin
        );
        pushed.Parameters.Add(new NpgsqlParameter { Value = subject });
        await pushed.ExecuteNonQueryAsync(Ct);
    }

    private async Task<bool> StoredAsync(TestOwner owner, ReleaseDraft draft)
    {
        foreach (var file in draft.Files)
        {
            if (await store.StatAsync(owner.Id, file.Digest, Ct) is null)
                return false;
        }
        return true;
    }

    private async Task<List<Digest>> MissingOfLiveAsync(TestOwner owner)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var needed = await session.ListAsync(
            """
            select c.subject, c.release_digest, f.blob_digest from platform.channel c
            left join platform.release_blob f on f.subject = c.subject and f.release_digest = c.release_digest
            """,
            row => row.IsDBNull(2) ? (Digest?)null : Digest.Parse(row.GetString(2)),
            Ct
        );
        var missing = new List<Digest>();
        foreach (var digest in needed)
        {
            digest.ShouldNotBeNull("a live release has its files");
            if (await store.ReadAllAsync(owner.Id, digest.Value, 1_000_000, Ct) is not ReadOutcome.Read)
                missing.Add(digest.Value);
        }
        return missing;
    }

    /// <summary>Two hours pass, for the store and for the database.</summary>
    private async Task PassAsync()
    {
        clock.Advance(Hours);
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var shift = new NpgsqlCommand(
            """
            update platform.blob set created_at = created_at - interval '2 hours';
            update platform.release set created_at = created_at - interval '2 hours',
                pushed_at = pushed_at - interval '2 hours', withdrawn_at = withdrawn_at - interval '2 hours';
            update platform.channel_move set at = at - interval '2 hours';
            """,
            admin
        );
        await shift.ExecuteNonQueryAsync(Ct);
    }
}

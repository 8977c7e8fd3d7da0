using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Collections;

/// <summary>
/// Removes what nobody can come back to, while everything runs. First releases let go of their files, then blobs that no
/// release refers to lose their rows, then their bytes go, and last bytes that no row knows. Each step is committed before the
/// next, so that a crash leaves at most bytes without a row, which the next collection finds. Thread-safe.
/// </summary>
/// <remarks>
/// It is safe beside a publish because bytes are put before they are referred to, and a put refreshes their age: bytes put within
/// the grace period stay, whether a row knows them yet or not; and because whoever refers to a blob's row holds it.
/// </remarks>
public sealed class Collector(PostgresPools pools, IBlobStore blobs, TimeProvider clock)
{
    /// <summary>Collects, or only finds out what would be.</summary>
    /// <param name="rules">What may go.</param>
    /// <param name="dryRun">Whether to leave everything as it is: the same rules are asked, and no row is held.</param>
    /// <param name="progress">Told how far it is, 0 to 1, and at what.</param>
    /// <param name="ct">Cancels between two steps.</param>
    /// <exception cref="ProblemException">The blob store does not work; what was committed stays so.</exception>
    public async Task<CollectionReport> RunAsync(
        CollectionRules rules,
        bool dryRun,
        Func<double, string, Task> progress,
        CancellationToken ct
    )
    {
        var tally = new Tally();
        var cutoff = clock.GetUtcNow() - rules.Grace;
        await progress(0.1, "letting go of releases nobody can come back to");
        // What an index lists can go once the index is gone, which may come after it.
        while (await PassReleasesAsync(rules, dryRun, tally, ct) && !dryRun) { }
        await progress(0.3, "removing blobs that nothing refers to");
        await PassBlobsAsync(rules, dryRun, cutoff, tally, ct);
        await progress(0.6, "comparing the store with the database");
        await CollectOrphansAsync(rules, cutoff, dryRun, tally, ct);
        await progress(0.8, "checking that everything kept is there");
        tally.Missing = await CountMissingAsync(ct);
        return tally.ToReport();
    }

    /// <summary>Goes through all releases once, so many a transaction.</summary>
    /// <returns>Whether one that lists others was let go of.</returns>
    private async Task<bool> PassReleasesAsync(CollectionRules rules, bool dryRun, Tally tally, CancellationToken ct)
    {
        var function = dryRun ? "preview_releases" : "collect_releases";
        var (after, lists) = (new ReleasePage(Guid.Empty, "", "", 0), false);
        tally.KeptReleases = 0;
        while (true)
        {
            await using var session = await pools.OpenWorkerAsync("collection", ct);
            NpgsqlParameter[] from =
            [
                Sql.Uuid(after.Owner),
                Sql.Text(after.Subject),
                Sql.Text(after.Digest),
                Sql.Int(CollectionLimits.RowsATransaction),
            ];
            var page = await session.FirstAsync(
                """
                select owner, subject, digest, count(*) filter (where withdrawn_at is null) over ()
                from (
                    select owner, subject, digest, withdrawn_at from platform.release
                    where (owner, subject, digest) > ($1, $2, $3)
                    order by owner, subject, digest
                    limit $4
                ) looked_at
                order by owner desc, subject desc, digest desc
                limit 1
                """,
                row => new ReleasePage(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt64(3)),
                ct,
                from
            );
            if (page is null)
                return lists;
            var gone = await session.ListAsync(
                $"select owner, subject, digest, created_at, was_withdrawn, lists from platform.{function}($1, $2, $3, $4, $5, $6, $7)",
                row =>
                    (
                        Item: new CollectedItem(
                            row.GetGuid(0),
                            "release",
                            Digest.Parse(row.GetString(2)),
                            row.GetString(1),
                            0,
                            row.GetBoolean(4)
                                ? "It was withdrawn before the grace period."
                                : $"Made {Day(row, 3)}; no channel points at it, and none did within the retention."
                        ),
                        WasWithdrawn: row.GetBoolean(4),
                        Lists: row.GetBoolean(5)
                    ),
                ct,
                [.. Parameters(rules), .. from.Select(p => p.Clone())]
            );
            if (!dryRun)
                await session.CommitAsync(ct);
            tally.Releases += gone.Count;
            tally.KeptReleases += page.Live - gone.Count(g => !g.WasWithdrawn);
            tally.Add(gone.Select(g => g.Item));
            lists |= gone.Any(g => g.Lists);
            after = page;
        }
    }

    /// <summary>Goes through all blobs once, so many a transaction, and removes the bytes of those that were forgotten.</summary>
    private async Task PassBlobsAsync(
        CollectionRules rules,
        bool dryRun,
        DateTimeOffset cutoff,
        Tally tally,
        CancellationToken ct
    )
    {
        var function = dryRun ? "preview_blobs($1, $2, $3, $4, $5, $6)" : "collect_blobs($1, $2, $3, $4)";
        var after = new BlobPage(Guid.Empty, "", 0, 0);
        while (true)
        {
            List<CollectedItem> gone;
            await using (var session = await pools.OpenWorkerAsync("collection", ct))
            {
                NpgsqlParameter[] from =
                [
                    Sql.Uuid(after.Owner),
                    Sql.Text(after.Digest),
                    Sql.Int(CollectionLimits.RowsATransaction),
                ];
                var page = await session.FirstAsync(
                    """
                    select owner, digest, count(*) over (), (sum(size_bytes) over ())::bigint
                    from (
                        select owner, digest, size_bytes from platform.blob
                        where (owner, digest) > ($1, $2)
                        order by owner, digest
                        limit $3
                    ) looked_at
                    order by owner desc, digest desc
                    limit 1
                    """,
                    row => new BlobPage(row.GetGuid(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3)),
                    ct,
                    from
                );
                if (page is null)
                    return;
                gone = await session.ListAsync(
                    $"select owner, digest, size_bytes, created_at from platform.{function}",
                    row => new CollectedItem(
                        row.GetGuid(0),
                        "blob",
                        Digest.Parse(row.GetString(1)),
                        null,
                        row.GetInt64(2),
                        $"Known since {Day(row, 3)}; no release refers to it."
                    ),
                    ct,
                    [.. dryRun ? Parameters(rules) : [Collection.Interval(rules.Grace)], .. from.Select(p => p.Clone())]
                );
                if (!dryRun)
                    await session.CommitAsync(ct);
                tally.Blobs += gone.Count;
                tally.KeptBlobs += page.Blobs - gone.Count;
                tally.KeptBytes += page.SizeBytes - gone.Sum(item => item.SizeBytes);
                tally.Add(gone);
                after = page;
            }
            foreach (var item in dryRun ? [] : gone)
            {
                if (!await blobs.DeleteAsync(new OwnerId(item.Owner), item.Digest, cutoff, ct))
                    tally.Spared++;
            }
        }
    }

    private static IEnumerable<NpgsqlParameter> Parameters(CollectionRules rules) =>
        [Collection.Interval(rules.Retention), Sql.Int(rules.Keep), Collection.Interval(rules.Grace)];

    private async Task CollectOrphansAsync(
        CollectionRules rules,
        DateTimeOffset cutoff,
        bool dryRun,
        Tally tally,
        CancellationToken ct
    )
    {
        await foreach (var owner in blobs.ListOwnersAsync(ct))
        {
            await foreach (
                var page in blobs
                    .ListAsync(owner, ct)
                    .Where(b => b.StoredAt < cutoff)
                    .Chunk(CollectionLimits.DigestsAQuery)
                    .WithCancellation(ct)
            )
            {
                var unknown = await UnknownAsync(rules, dryRun, owner, page, ct);
                foreach (var blob in page.Where(b => unknown.Contains(b.Digest)))
                {
                    if (!dryRun && !await blobs.DeleteAsync(owner, blob.Digest, cutoff, ct))
                        continue;
                    tally.Orphans++;
                    tally.Add([
                        new CollectedItem(
                            owner.Value,
                            "orphan",
                            blob.Digest,
                            null,
                            blob.SizeBytes,
                            string.Create(
                                CultureInfo.InvariantCulture,
                                $"Stored {blob.StoredAt:yyyy-MM-dd}; nothing in the database knows it."
                            )
                        ),
                    ]);
                }
            }
        }
    }

    private async Task<HashSet<Digest>> UnknownAsync(
        CollectionRules rules,
        bool dryRun,
        OwnerId owner,
        StoredBlob[] page,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenWorkerAsync("collection, orphans", ct);
        var unknown = await session.ListAsync(
            dryRun
                ? "select * from platform.preview_unknown_digests($1, $2, $3, $4, $5)"
                : "select * from platform.unknown_digests($1, $2)",
            row => Digest.Parse(row.GetString(0)),
            ct,
            [
                Sql.Owner(owner),
                new NpgsqlParameter
                {
                    Value = page.Select(b => b.Digest.ToString()).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
                },
                .. dryRun ? Parameters(rules) : [],
            ]
        );
        return [.. unknown];
    }

    // The proof that it did no harm: every blob that a row knows can be found.
    private async Task<long> CountMissingAsync(CancellationToken ct)
    {
        var missing = 0L;
        var (owner, digest) = (Guid.Empty, "");
        while (true)
        {
            List<(Guid Owner, string Digest)> page;
            await using (var session = await pools.OpenWorkerAsync("collection, proof", ct))
            {
                page = await session.ListAsync(
                    """
                    select owner, digest from platform.blob where (owner, digest) > ($1, $2)
                    order by owner, digest limit $3
                    """,
                    row => (row.GetGuid(0), row.GetString(1)),
                    ct,
                    Sql.Uuid(owner),
                    Sql.Text(digest),
                    Sql.Int(CollectionLimits.DigestsAQuery)
                );
            }
            if (page.Count == 0)
                return missing;
            foreach (var known in page)
            {
                if (await blobs.StatAsync(new OwnerId(known.Owner), Digest.Parse(known.Digest), ct) is null)
                    missing++;
            }
            (owner, digest) = page[^1];
        }
    }

    private static string Day(NpgsqlDataReader row, int column) =>
        row.GetFieldValue<DateTimeOffset>(column).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>The last release of a page, and how many of the page are not withdrawn.</summary>
    private sealed record ReleasePage(Guid Owner, string Subject, string Digest, long Live);

    /// <summary>The last blob of a page, and how many and how large those of the page are.</summary>
    private sealed record BlobPage(Guid Owner, string Digest, long Blobs, long SizeBytes);

    private sealed class Tally
    {
        private readonly List<CollectedItem> items = [];
        private long removedBytes;

        public long Releases { get; set; }

        public long Blobs { get; set; }

        public long Orphans { get; set; }
        public long Spared { get; set; }
        public long KeptReleases { get; set; }
        public long KeptBlobs { get; set; }
        public long KeptBytes { get; set; }
        public long Missing { get; set; }

        public void Add(IEnumerable<CollectedItem> more)
        {
            foreach (var item in more)
            {
                removedBytes += item.SizeBytes;
                if (items.Count < CollectionLimits.Items)
                    items.Add(item);
            }
        }

        public CollectionReport ToReport() =>
            new(Releases, Blobs, Orphans, removedBytes, Spared, KeptReleases, KeptBlobs, KeptBytes, Missing, items);
    }
}

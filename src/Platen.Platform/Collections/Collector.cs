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
        if (dryRun)
        {
            await using var session = await pools.OpenWorkerAsync("collection, dry run", ct);
            await progress(0.1, "looking for releases nobody can come back to");
            await AddReleasesAsync(session, "platform.preview_releases($1, $2, $3)", tally, [.. Parameters(rules)], ct);
            await progress(0.3, "looking for blobs that nothing refers to");
            await AddBlobsAsync(session, "platform.preview_blobs($1, $2, $3)", tally, [.. Parameters(rules)], ct);
            await CountKeptAsync(session, tally, ct);
            tally.LeaveOut();
        }
        else
        {
            await progress(0.1, "letting go of releases nobody can come back to");
            while (await InTransactionAsync(s => CollectReleasesAsync(s, rules, tally, ct), ct)) { }
            await progress(0.3, "removing blobs that nothing refers to");
            while (
                await InTransactionAsync(s => CollectBlobsAsync(s, rules, tally, ct), ct) is { Count: > 0 } forgotten
            )
            {
                foreach (var (owner, digest) in forgotten)
                {
                    if (!await blobs.DeleteAsync(owner, digest, cutoff, ct))
                        tally.Spared++;
                }
            }
        }
        await progress(0.6, "comparing the store with the database");
        await CollectOrphansAsync(cutoff, dryRun, tally, ct);
        if (!dryRun)
        {
            await using var session = await pools.OpenWorkerAsync("collection, count", ct);
            await CountKeptAsync(session, tally, ct);
        }
        await progress(0.8, "checking that everything kept is there");
        tally.Missing = await CountMissingAsync(ct);
        return tally.ToReport();
    }

    private async Task<T> InTransactionAsync<T>(Func<Session, Task<T>> step, CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("collection", ct);
        var result = await step(session);
        await session.CommitAsync(ct);
        return result;
    }

    /// <returns>Whether there may be more.</returns>
    private static async Task<bool> CollectReleasesAsync(
        Session session,
        CollectionRules rules,
        Tally tally,
        CancellationToken ct
    ) =>
        await AddReleasesAsync(
            session,
            "platform.collect_releases($1, $2, $3, $4)",
            tally,
            [.. Parameters(rules), Sql.Int(CollectionLimits.RowsATransaction)],
            ct
        ) > 0;

    private static Task<List<(OwnerId Owner, Digest Digest)>> CollectBlobsAsync(
        Session session,
        CollectionRules rules,
        Tally tally,
        CancellationToken ct
    ) =>
        AddBlobsAsync(
            session,
            "platform.collect_blobs($1, $2)",
            tally,
            [Collection.Interval(rules.Grace), Sql.Int(CollectionLimits.RowsATransaction)],
            ct
        );

    private const string WasWithdrawn = "It was withdrawn before the grace period.";

    private static IEnumerable<NpgsqlParameter> Parameters(CollectionRules rules) =>
        [Collection.Interval(rules.Retention), Sql.Int(rules.Keep), Collection.Interval(rules.Grace)];

    private static async Task<int> AddReleasesAsync(
        Session session,
        string function,
        Tally tally,
        NpgsqlParameter[] parameters,
        CancellationToken ct
    )
    {
        var items = await session.ListAsync(
            $"select owner, subject, digest, created_at, was_withdrawn from {function}",
            row => new CollectedItem(
                row.GetGuid(0),
                "release",
                Digest.Parse(row.GetString(2)),
                row.GetString(1),
                0,
                row.GetBoolean(4)
                    ? WasWithdrawn
                    : $"Made {Day(row, 3)}; no channel points at it, and none did within the retention."
            ),
            ct,
            parameters
        );
        tally.Releases += items.Count;
        tally.Withdrawn += items.Count(item => item.Why == WasWithdrawn);
        tally.Add(items);
        return items.Count;
    }

    private static async Task<List<(OwnerId Owner, Digest Digest)>> AddBlobsAsync(
        Session session,
        string function,
        Tally tally,
        NpgsqlParameter[] parameters,
        CancellationToken ct
    )
    {
        var items = await session.ListAsync(
            $"select owner, digest, size_bytes, created_at from {function}",
            row => new CollectedItem(
                row.GetGuid(0),
                "blob",
                Digest.Parse(row.GetString(1)),
                null,
                row.GetInt64(2),
                $"Known since {Day(row, 3)}; no release refers to it."
            ),
            ct,
            parameters
        );
        tally.Blobs += items.Count;
        tally.BlobBytes += items.Sum(item => item.SizeBytes);
        tally.Add(items);
        return [.. items.Select(item => (new OwnerId(item.Owner), item.Digest))];
    }

    private async Task CollectOrphansAsync(DateTimeOffset cutoff, bool dryRun, Tally tally, CancellationToken ct)
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
                var unknown = await UnknownAsync(owner, page, ct);
                foreach (var blob in page.Where(b => unknown.Contains(b.Digest) || tally.Withdrew(owner, b.Digest)))
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

    private async Task<HashSet<Digest>> UnknownAsync(OwnerId owner, StoredBlob[] page, CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("collection, orphans", ct);
        var unknown = await session.ListAsync(
            "select unknown_digests from platform.unknown_digests($1, $2)",
            row => Digest.Parse(row.GetString(0)),
            ct,
            Sql.Owner(owner),
            new NpgsqlParameter
            {
                Value = page.Select(b => b.Digest.ToString()).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
            }
        );
        return [.. unknown];
    }

    private static async Task CountKeptAsync(Session session, Tally tally, CancellationToken ct) =>
        (tally.KeptReleases, tally.KeptBlobs, tally.KeptBytes) = await session.FirstAsync(
            """
            select (select count(*) from platform.release where withdrawn_at is null), count(*), coalesce(sum(size_bytes), 0)
            from platform.blob
            """,
            row => (row.GetInt64(0), row.GetInt64(1), (long)row.GetDecimal(2)),
            ct
        );

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

    private sealed class Tally
    {
        private readonly List<CollectedItem> items = [];
        private readonly HashSet<(Guid, Digest)> withdrawn = [];
        private long removedBytes;

        public long Releases { get; set; }

        /// <summary>Of the releases, those that nobody could read any more.</summary>
        public long Withdrawn { get; set; }

        public long Blobs { get; set; }

        public long BlobBytes { get; set; }
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
                if (item.What == "release")
                    withdrawn.Add((item.Owner, item.Digest));
                if (items.Count < CollectionLimits.Items)
                    items.Add(item);
            }
        }

        /// <summary>After a dry run, counted as if it had been done.</summary>
        public void LeaveOut()
        {
            KeptReleases -= Releases - Withdrawn;
            KeptBlobs -= Blobs;
            KeptBytes -= BlobBytes;
        }

        /// <summary>Whether it is a release that was let go: after a dry run the database still knows its manifest.</summary>
        public bool Withdrew(OwnerId owner, Digest digest) => withdrawn.Contains((owner.Value, digest));

        public CollectionReport ToReport() =>
            new(Releases, Blobs, Orphans, removedBytes, Spared, KeptReleases, KeptBlobs, KeptBytes, Missing, items);
    }
}

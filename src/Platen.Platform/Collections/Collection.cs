using Npgsql;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Collections;

/// <summary>What a garbage collection may remove.</summary>
/// <param name="Grace">How long bytes that nothing refers to are spared after they were last put: longer than any upload or
/// publish takes between its first byte and its commit. 2 hours to 365 days; 24 hours by default.</param>
/// <param name="Retention">How long a release is kept after its channel left it, so that addresses once given out keep
/// resolving and going back is possible. Up to 3,650 days; 30 days by default.</param>
/// <param name="Keep">How many of a channel's last moves keep their releases whatever their age. 1 to 1,000; 10 by default.</param>
public sealed record CollectionRules(TimeSpan Grace, TimeSpan Retention, int Keep)
{
    public static readonly CollectionRules Default = new(TimeSpan.FromHours(24), TimeSpan.FromDays(30), 10);

    /// <summary>What cannot be accepted of them, in the fields' API names; empty when all can.</summary>
    public IEnumerable<Fault> Faults()
    {
        // An S3 store refreshes the age of what is put again only once an hour.
        if (Grace < 2 * BlobLimits.RefreshAge || Grace > TimeSpan.FromDays(365))
            yield return new Fault("/graceSeconds", "7200 to 31536000: longer than any upload or publish takes.");
        if (Retention < TimeSpan.Zero || Retention > TimeSpan.FromDays(3_650))
            yield return new Fault("/retentionSeconds", "0 to 315360000.");
        if (Keep is < 1 or > 1_000)
            yield return new Fault("/keep", "1 to 1000 moves of each channel.");
    }
}

/// <summary>Something a collection removed, or would have.</summary>
/// <param name="Owner">Whose.</param>
/// <param name="What"><c>release</c>, <c>blob</c> or <c>orphan</c> (bytes that nothing in the database knows).</param>
/// <param name="Digest">Its digest.</param>
/// <param name="Subject">The release's subject; null for bytes.</param>
/// <param name="SizeBytes">The bytes; 0 for a release, whose files are listed by themselves.</param>
/// <param name="Why">One sentence.</param>
public sealed record CollectedItem(Guid Owner, string What, Digest Digest, string? Subject, long SizeBytes, string Why);

/// <summary>How a collection went.</summary>
/// <param name="Releases">Releases whose files were let go; their manifests stay, as history.</param>
/// <param name="Blobs">Blobs that nothing refers to any more.</param>
/// <param name="Orphans">Stored bytes that nothing in the database knew: left by a crash between the bytes and their row.</param>
/// <param name="RemovedBytes">Bytes of the blobs and orphans.</param>
/// <param name="Spared">Of these, blobs whose bytes stayed because they were put again within the grace period.</param>
/// <param name="KeptReleases">Releases that keep their files.</param>
/// <param name="KeptBlobs">Blobs that are kept.</param>
/// <param name="KeptBytes">Their bytes.</param>
/// <param name="Missing">Kept blobs whose bytes were not in the store when it had finished: 0 unless something else lost them.</param>
/// <param name="Items">The first <see cref="CollectionLimits.Items"/> of what was removed.</param>
public sealed record CollectionReport(
    long Releases,
    long Blobs,
    long Orphans,
    long RemovedBytes,
    long Spared,
    long KeptReleases,
    long KeptBlobs,
    long KeptBytes,
    long Missing,
    IReadOnlyList<CollectedItem> Items
);

/// <summary>What a collection does at most at a time, each with its reason.</summary>
public static class CollectionLimits
{
    /// <summary>Rows in one transaction: some ten milliseconds, so that nobody who publishes notices.</summary>
    public const int RowsATransaction = 2_000;

    /// <summary>Stored digests compared with the database in one query.</summary>
    public const int DigestsAQuery = 1_000;

    /// <summary>Items in a report: enough to see what is going on, and a document that can be read.</summary>
    public const int Items = 1_000;
}

/// <summary>A collection that was asked for, with its report once it has run.</summary>
public sealed record Collection(
    Guid Id,
    bool DryRun,
    CollectionRules Rules,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    ReadOnlyMemory<byte>? ReportJson
)
{
    private const string Columns =
        "id, dry_run, grace, retention, keep, requested_by, requested_at, finished_at, report";

    /// <summary>The collection, or null. Only the platform's sessions see any.</summary>
    public static Task<Collection?> FindAsync(Session session, Guid id, CancellationToken ct) =>
        session.FirstAsync($"select {Columns} from platform.collection where id = $1", Read, ct, Sql.Uuid(id));

    /// <summary>The latest first.</summary>
    /// <param name="session">A session of the platform.</param>
    /// <param name="before">Only those asked for before this one; null from the latest.</param>
    /// <param name="limit">At most this many.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<List<Collection>> ListAsync(Session session, Guid? before, int limit, CancellationToken ct) =>
        session.ListAsync(
            $"""
            select {Columns} from platform.collection c
            where $1::uuid is null
                or (c.requested_at, c.id) < (select b.requested_at, b.id from platform.collection b where b.id = $1)
            order by c.requested_at desc, c.id desc
            limit $2
            """,
            Read,
            ct,
            new NpgsqlParameter
            {
                Value = (object?)before ?? DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid,
            },
            Sql.Int(limit)
        );

    /// <summary>Keeps what was asked for, in the caller's transaction.</summary>
    public static Task<Collection?> AddAsync(
        Session session,
        Guid id,
        bool dryRun,
        CollectionRules rules,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            $"""
            insert into platform.collection (id, dry_run, grace, retention, keep, requested_by)
            values ($1, $2, $3, $4, $5, $6)
            returning {Columns}
            """,
            Read,
            ct,
            Sql.Uuid(id),
            Sql.Bool(dryRun),
            Interval(rules.Grace),
            Interval(rules.Retention),
            Sql.Int(rules.Keep),
            Sql.Text(session.Context.Actor.Name)
        );

    internal static NpgsqlParameter Interval(TimeSpan value) => new NpgsqlParameter<TimeSpan> { TypedValue = value };

    private static Collection Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetBoolean(1),
            new CollectionRules(row.GetFieldValue<TimeSpan>(2), row.GetFieldValue<TimeSpan>(3), row.GetInt32(4)),
            row.GetString(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.IsDBNull(7) ? null : row.GetFieldValue<DateTimeOffset>(7),
            row.IsDBNull(8) ? (ReadOnlyMemory<byte>?)null : new ReadOnlyMemory<byte>(row.GetFieldValue<byte[]>(8))
        );
}

using System.Collections.Immutable;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Releases;

/// <summary>A file that is to go into a release, with its bytes.</summary>
public sealed record DraftFile(
    string Path,
    string MediaType,
    ReadOnlyMemory<byte> Bytes,
    ImmutableSortedDictionary<string, string> Annotations
)
{
    /// <summary>The digest of <see cref="Bytes"/>.</summary>
    public Digest Digest { get; } = Digest.Of(Bytes.Span);
}

/// <summary>
/// Content about to be frozen. Its digest is known before anything is written, so that a caller can see that nothing would
/// change, or show what would.
/// </summary>
public sealed class ReleaseDraft
{
    /// <summary>Makes the manifest and its digest from the files' bytes.</summary>
    /// <param name="subject">Such as <c>curated/wgt_main_content.faq</c>.</param>
    /// <param name="artifactType">Such as <c>application/vnd.platen.widget.v1</c>.</param>
    /// <param name="files">With unique paths.</param>
    /// <param name="annotations">About the release as a whole.</param>
    public ReleaseDraft(
        string subject,
        string artifactType,
        ImmutableArray<DraftFile> files,
        ImmutableSortedDictionary<string, string> annotations
    )
    {
        Subject = subject;
        Files = files;
        Manifest = new ReleaseManifest(
            artifactType,
            [.. files.Select(f => new ReleaseFile(f.Path, f.Digest, f.MediaType, f.Bytes.Length, f.Annotations))],
            annotations
        );
        ManifestBytes = Manifest.ToCanonicalBytes();
        Digest = Digest.Of(ManifestBytes.Span);
    }

    public string Subject { get; }

    public ImmutableArray<DraftFile> Files { get; }

    public ReleaseManifest Manifest { get; }

    /// <summary>The canonical bytes of <see cref="Manifest"/>.</summary>
    public ReadOnlyMemory<byte> ManifestBytes { get; }

    /// <summary>The identity the release will have.</summary>
    public Digest Digest { get; }
}

/// <summary>A release as it is stored.</summary>
public sealed record Release(
    string Subject,
    Digest Digest,
    ReleaseManifest Manifest,
    Actor CreatedBy,
    DateTimeOffset CreatedAt
);

/// <summary>
/// Freezes content: bytes first, into the blob store, then the rows that make them reachable, in the caller's transaction. A
/// crash between the two leaves unreachable bytes and nothing else.
/// </summary>
public static class ReleaseStore
{
    /// <summary>
    /// Stores the bytes of a draft that the store does not have yet, and the manifest itself. Call it before the
    /// transaction that records the release: no lock is held while bytes travel. Safe to repeat.
    /// </summary>
    public static Task StoreBytesAsync(IBlobStore blobs, OwnerId owner, ReleaseDraft draft, CancellationToken ct) =>
        StoreBytesAsync(blobs, owner, [draft], ct);

    /// <summary>As <see cref="StoreBytesAsync(IBlobStore, OwnerId, ReleaseDraft, CancellationToken)"/>, for several drafts in one go.</summary>
    public static Task StoreBytesAsync(
        IBlobStore blobs,
        OwnerId owner,
        IReadOnlyCollection<ReleaseDraft> drafts,
        CancellationToken ct
    )
    {
        var distinct = drafts
            .SelectMany(draft =>
                draft
                    .Files.Select(f => new BlobBytes(f.Digest, f.Bytes))
                    .Append(new BlobBytes(draft.Digest, draft.ManifestBytes))
            )
            .Append(new BlobBytes(ReleaseManifest.EmptyConfigDigest, ReleaseManifest.EmptyConfig))
            .DistinctBy(f => f.Digest)
            .ToList();
        return drafts.Count == 0 ? Task.CompletedTask : blobs.PutAllAsync(owner, distinct, ct);
    }

    /// <summary>
    /// Records a draft whose bytes are stored. One that is there already keeps its bytes and its maker, is back when it was withdrawn or
    /// collected, and has the grace period of a new one.
    /// </summary>
    public static Task RecordAsync(Session session, ReleaseDraft draft, CancellationToken ct) =>
        RecordAsync(session, [draft], ct);

    /// <summary>As <see cref="RecordAsync(Session, ReleaseDraft, CancellationToken)"/>, for several drafts in one statement.</summary>
    public static Task RecordAsync(Session session, IReadOnlyCollection<ReleaseDraft> drafts, CancellationToken ct) =>
        drafts.Count == 0
            ? Task.CompletedTask
            : session.FirstAsync(Record(session.Context, drafts.Select(Recording)), ct);

    /// <summary>As <see cref="RecordAsync(Session, ReleaseDraft, CancellationToken)"/>, to go with another statement.</summary>
    /// <returns>How many are recorded: one.</returns>
    public static Query<long> Record(Session session, ReleaseDraft draft) =>
        Record(session.Context, [Recording(draft)]);

    /// <summary>Records a manifest whose files are stored, as <see cref="RecordAsync(Session, ReleaseDraft, CancellationToken)"/>.</summary>
    /// <param name="session">Open for the release's owner; the caller commits.</param>
    /// <param name="subject">Such as <c>templates/section7</c>.</param>
    /// <param name="manifest">What the release holds.</param>
    /// <param name="manifestBytes">Its canonical bytes, which are stored as a blob too.</param>
    /// <param name="ct">Cancels.</param>
    public static Task RecordAsync(
        Session session,
        string subject,
        ReleaseManifest manifest,
        ReadOnlyMemory<byte> manifestBytes,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            Record(session.Context, [new Recorded(subject, Digest.Of(manifestBytes.Span), manifest, manifestBytes)]),
            ct
        );

    private sealed record Recorded(
        string Subject,
        Digest Digest,
        ReleaseManifest Manifest,
        ReadOnlyMemory<byte> ManifestBytes
    );

    private static Recorded Recording(ReleaseDraft draft) =>
        new(draft.Subject, draft.Digest, draft.Manifest, draft.ManifestBytes);

    private static Query<long> Record(OperationContext context, IEnumerable<Recorded> all)
    {
        // One order for every writer: two that share blobs or releases cannot deadlock.
        var releases = all.DistinctBy(r => (r.Subject, r.Digest))
            .OrderBy(r => r.Subject, StringComparer.Ordinal)
            .ThenBy(r => r.Digest)
            .ToList();
        var blobs = releases
            .SelectMany(r => r.Manifest.Files)
            .Select(f => (f.Digest, f.SizeBytes, f.MediaType))
            .Append(
                (
                    Digest: ReleaseManifest.EmptyConfigDigest,
                    SizeBytes: (long)ReleaseManifest.EmptyConfig.Length,
                    MediaType: "application/vnd.oci.empty.v1+json"
                )
            )
            .DistinctBy(b => b.Digest)
            .OrderBy(b => b.Digest)
            .ToList();
        var files = releases
            .SelectMany((r, index) => r.Manifest.Files.Select(f => (Release: index + 1, f.Path, f.Digest)))
            .ToList();
        return new Query<long>(
            """
            with held as materialized (
                -- A collection that removes one of them now is waited for, and none does before this commits.
                select digest from platform.blob where owner = $1 and digest = any ($2) order by digest for key share
            ), given as (
                insert into platform.blob (owner, digest, size_bytes, media_type)
                select $1, b.digest, b.size_bytes, b.media_type
                from unnest($2::text[], $3::bigint[], $4::text[]) as b (digest, size_bytes, media_type)
                where b.digest not in (select digest from held)
                on conflict do nothing
            ), wanted as materialized (
                select w.subject, w.digest, w.artifact_type, w.manifest, w.place
                from unnest($5::text[], $6::text[], $7::text[], $8::bytea[])
                    with ordinality as w (subject, digest, artifact_type, manifest, place)
            ), made as (
                insert into platform.release (
                    owner, subject, digest, artifact_type, manifest, created_by, created_by_name
                )
                select $1, w.subject, w.digest, w.artifact_type, w.manifest, $9, $10 from wanted w order by w.place
                -- What was withdrawn is back, and whoever is about to point at it has the grace period to do so.
                on conflict (owner, subject, digest) do update set withdrawn_at = null, pushed_at = clock_timestamp()
                returning subject, digest
            ), listed as (
                insert into platform.release_blob (owner, subject, release_digest, path, blob_digest)
                select $1, w.subject, w.digest, f.path, f.digest
                from made m
                join wanted w on w.subject = m.subject and w.digest = m.digest
                join unnest($11::integer[], $12::text[], $13::text[]) as f (place, path, digest) on f.place = w.place
                on conflict do nothing
            )
            select count(*) from made
            """,
            row => row.GetInt64(0),
            Sql.Owner(context.Owner),
            Texts(blobs.Select(b => b.Digest.ToString())),
            new NpgsqlParameter<long[]> { TypedValue = [.. blobs.Select(b => b.SizeBytes)] },
            Texts(blobs.Select(b => b.MediaType)),
            Texts(releases.Select(r => r.Subject)),
            Texts(releases.Select(r => r.Digest.ToString())),
            Texts(releases.Select(r => r.Manifest.ArtifactType)),
            new NpgsqlParameter
            {
                Value = releases.Select(r => r.ManifestBytes.ToArray()).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea,
            },
            Sql.Uuid(context.Actor.Id.Value),
            Sql.Text(context.Actor.Name),
            new NpgsqlParameter<int[]> { TypedValue = [.. files.Select(f => f.Release)] },
            Texts(files.Select(f => f.Path)),
            Texts(files.Select(f => f.Digest.ToString()))
        );
    }

    /// <summary>The release of a subject with this digest; null when there is none, or it was withdrawn.</summary>
    public static Task<Release?> FindAsync(Session session, string subject, Digest digest, CancellationToken ct) =>
        session.FirstAsync(
            """
            select subject, digest, manifest, created_by, created_by_name, created_at
            from platform.release
            where subject = $1 and digest = $2 and withdrawn_at is null
            """,
            Read,
            ct,
            Sql.Text(subject),
            Sql.Digest(digest)
        );

    private static Release Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            Digest.Parse(row.GetString(1)),
            ReleaseManifest.Parse(row.GetFieldValue<byte[]>(2)),
            new Actor(new ActorId(row.GetGuid(3)), row.GetString(4)),
            row.GetFieldValue<DateTimeOffset>(5)
        );

    private static NpgsqlParameter Texts(IEnumerable<string> values) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}

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

    /// <summary>Records a draft whose bytes are stored. Recording the same content again changes nothing.</summary>
    /// <returns>Whether the release is new in its subject, or was withdrawn before.</returns>
    public static Task<bool> RecordAsync(Session session, ReleaseDraft draft, CancellationToken ct) =>
        session.FirstAsync(Record(session, draft), ct);

    /// <summary>As <see cref="RecordAsync(Session, ReleaseDraft, CancellationToken)"/>, to go with another statement.</summary>
    public static Query<bool> Record(Session session, ReleaseDraft draft) =>
        Record(session.Context, draft.Subject, draft.Manifest, draft.ManifestBytes);

    /// <summary>Records a manifest whose files are stored. Recording the same content again changes nothing.</summary>
    /// <param name="session">Open for the release's owner; the caller commits.</param>
    /// <param name="subject">Such as <c>templates/section7</c>.</param>
    /// <param name="manifest">What the release holds.</param>
    /// <param name="manifestBytes">Its canonical bytes, which are stored as a blob too.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Whether the release is new in its subject, or was withdrawn before.</returns>
    public static Task<bool> RecordAsync(
        Session session,
        string subject,
        ReleaseManifest manifest,
        ReadOnlyMemory<byte> manifestBytes,
        CancellationToken ct
    ) => session.FirstAsync(Record(session.Context, subject, manifest, manifestBytes), ct);

    private static Query<bool> Record(
        OperationContext context,
        string subject,
        ReleaseManifest manifest,
        ReadOnlyMemory<byte> manifestBytes
    )
    {
        var files = manifest.Files;
        var blobs = files
            .Select(f => (f.Digest, f.SizeBytes, f.MediaType))
            .Append(
                (
                    Digest: ReleaseManifest.EmptyConfigDigest,
                    SizeBytes: (long)ReleaseManifest.EmptyConfig.Length,
                    MediaType: "application/vnd.oci.empty.v1+json"
                )
            )
            .DistinctBy(b => b.Digest)
            // One order for every writer: two releases that share blobs cannot deadlock.
            .OrderBy(b => b.Digest)
            .ToList();
        return new Query<bool>(
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
            ), made as (
                insert into platform.release as r (
                    owner, subject, digest, artifact_type, manifest, created_by, created_by_name
                )
                values ($1, $5, $6, $7, $8, $9, $10)
                on conflict (owner, subject, digest) do update set withdrawn_at = null where r.withdrawn_at is not null
                returning digest
            ), listed as (
                insert into platform.release_blob (owner, subject, release_digest, path, blob_digest)
                select $1, $5, made.digest, f.path, f.digest
                from made, unnest($11::text[], $12::text[]) as f (path, digest)
                on conflict do nothing
            )
            select count(*) = 1 from made
            """,
            row => row.GetBoolean(0),
            Sql.Owner(context.Owner),
            Texts(blobs.Select(b => b.Digest.ToString())),
            new NpgsqlParameter<long[]> { TypedValue = [.. blobs.Select(b => b.SizeBytes)] },
            Texts(blobs.Select(b => b.MediaType)),
            Sql.Text(subject),
            Sql.Digest(Digest.Of(manifestBytes.Span)),
            Sql.Text(manifest.ArtifactType),
            Sql.Bytes(manifestBytes),
            Sql.Uuid(context.Actor.Id.Value),
            Sql.Text(context.Actor.Name),
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

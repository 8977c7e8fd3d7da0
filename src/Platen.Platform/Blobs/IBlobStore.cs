using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>
/// Keeps bytes by owner and digest: immutable, verified when written and when read, never shared between owners. Knows no
/// database: who may read what is decided by the caller. Thread-safe; several processes may use one location at once.
/// </summary>
/// <remarks>
/// Every member can end with a <see cref="ProblemException"/>: <see cref="KernelProblems.StorageFull"/> when there is no room
/// (nothing is left behind), <see cref="KernelProblems.Unavailable"/> when the disk or the S3 server fails, refuses or does not
/// answer; the cause is logged, never shown. An exception of the caller's own stream passes through unchanged.
/// <para>A blob's content is not held in memory: 1 GiB goes through, either way, in a few megabytes.</para>
/// </remarks>
public interface IBlobStore
{
    /// <summary>Where the bytes are, for logs and <c>/readyz</c>; holds no credential.</summary>
    string Location { get; }

    /// <summary>
    /// Stores the rest of <paramref name="content"/> under its digest. When it returns <see cref="PutOutcome.Stored"/> or
    /// <see cref="PutOutcome.AlreadyStored"/> the bytes are durable and whole; otherwise, and when it throws, nothing
    /// readable was left. Concurrent puts of the same blob end as one: exactly one says Stored.
    /// </summary>
    /// <param name="owner">Whose blob it is.</param>
    /// <param name="digest">What the bytes must hash to.</param>
    /// <param name="sizeBytes">How many bytes there must be, or null when it is not known; at most
    /// <see cref="BlobLimits.BlobBytes"/>.</param>
    /// <param name="content">Read to its end and not disposed; always read, also when the blob is there already.</param>
    Task<PutOutcome> PutAsync(OwnerId owner, Digest digest, long? sizeBytes, Stream content, CancellationToken ct);

    /// <summary>
    /// Stores blobs that are in memory, as so many puts would, and sooner: what is slow about a put is waited for once. When it returns all of
    /// them are durable and whole; when it throws, each of them is or is not.
    /// </summary>
    /// <param name="owner">Whose blobs they are.</param>
    /// <param name="blobs">Each digest once; at most <see cref="BlobLimits.BlobBytes"/> each.</param>
    /// <param name="ct">Ends the operation.</param>
    /// <exception cref="ArgumentException">Bytes do not hash to their digest.</exception>
    Task PutAllAsync(OwnerId owner, IReadOnlyCollection<BlobBytes> blobs, CancellationToken ct);

    /// <summary>
    /// Opens a whole blob. Its stream hashes what it hands out and keeps the last bytes back until the digest is proven, so
    /// a wrong blob never arrives complete: reading then ends with <see cref="BlobCorruptException"/> and the stored bytes are
    /// set aside.
    /// </summary>
    Task<OpenOutcome> OpenAsync(OwnerId owner, Digest digest, CancellationToken ct);

    /// <summary>
    /// Opens a part of a blob. A part cannot be held against the digest of the whole: where that matters, read the
    /// whole with <see cref="OpenAsync"/> or <see cref="BlobStoreExtensions.ReadAllAsync"/>.
    /// </summary>
    /// <param name="owner">Whose blob it is.</param>
    /// <param name="digest">Its digest.</param>
    /// <param name="offset">The first byte, from 0.</param>
    /// <param name="lengthBytes">How many bytes at most, from 1; fewer come when the blob ends before.</param>
    /// <param name="ct">Ends the operation.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative or the length below 1.</exception>
    Task<OpenOutcome> OpenRangeAsync(OwnerId owner, Digest digest, long offset, long lengthBytes, CancellationToken ct);

    /// <summary>The blob's size and age, or null when there is none to read (missing, or set aside as corrupt).</summary>
    Task<BlobStat?> StatAsync(OwnerId owner, Digest digest, CancellationToken ct);

    /// <summary>
    /// Says that a blob which is there is about to be referred to, as a put of it would: no collection takes it within its grace
    /// period.
    /// </summary>
    /// <returns>Whether it is there.</returns>
    Task<bool> RefreshAsync(OwnerId owner, Digest digest, CancellationToken ct);

    /// <summary>
    /// Removes a blob, and what was set aside under its digest, unless it was put at or after
    /// <paramref name="unlessStoredSince"/>. Open readers finish.
    /// </summary>
    /// <returns>Whether there was a blob and it was removed.</returns>
    Task<bool> DeleteAsync(OwnerId owner, Digest digest, DateTimeOffset? unlessStoredSince, CancellationToken ct);

    /// <summary>An owner's blobs in the order of their digests. What is added or removed meanwhile may or may not be seen.</summary>
    IAsyncEnumerable<StoredBlob> ListAsync(OwnerId owner, CancellationToken ct);

    /// <summary>Every owner that the store holds anything for, in the order of their printed ids.</summary>
    IAsyncEnumerable<OwnerId> ListOwnersAsync(CancellationToken ct);

    /// <summary>Begins a resumable upload, which survives restarts and may continue on another node.</summary>
    Task<BeginUploadOutcome> BeginUploadAsync(OwnerId owner, CancellationToken ct);

    /// <summary>
    /// Appends the rest of <paramref name="content"/> at <paramref name="offset"/>, which must be where the upload stands. When the
    /// content breaks off, what was received before may count: ask <see cref="GetUploadOffsetAsync"/> where to go on.
    /// </summary>
    Task<AppendOutcome> AppendAsync(OwnerId owner, UploadId id, long offset, Stream content, CancellationToken ct);

    /// <summary>How many bytes an upload holds, or null when this owner has no such upload.</summary>
    Task<long?> GetUploadOffsetAsync(OwnerId owner, UploadId id, CancellationToken ct);

    /// <summary>
    /// Makes an upload's bytes a blob. They are read back and hashed; when they are not what <paramref name="digest"/> says,
    /// the upload is removed. When it throws, the upload is still there and completing can be repeated.
    /// </summary>
    Task<CompleteUploadOutcome> CompleteUploadAsync(OwnerId owner, UploadId id, Digest digest, CancellationToken ct);

    /// <summary>Gives an upload up.</summary>
    /// <returns>Whether there was one.</returns>
    Task<bool> AbortUploadAsync(OwnerId owner, UploadId id, CancellationToken ct);

    /// <summary>
    /// Removes uploads older than <see cref="BlobLimits.UploadAge"/>, what crashed puts left, and quarantined bytes older than
    /// <see cref="BlobLimits.QuarantineAge"/>, of every owner. Safe to run on several nodes at once.
    /// </summary>
    Task<SweepCount> SweepAsync(CancellationToken ct);

    /// <summary>
    /// The region in which the store says its bytes rest, such as <c>eu-central-1</c>; null when it cannot say, as a folder
    /// cannot.
    /// </summary>
    Task<string?> GetRegionAsync(CancellationToken ct);

    /// <summary>Writes, reads and deletes a few bytes: returns when the store works and throws as every member does.</summary>
    Task CheckAsync(CancellationToken ct);
}

/// <summary>A blob in memory.</summary>
/// <param name="Digest">What the bytes hash to.</param>
/// <param name="Bytes">Not changed by anybody any more.</param>
public readonly record struct BlobBytes(Digest Digest, ReadOnlyMemory<byte> Bytes);

/// <summary>Names a resumable upload. New ones are version-7 UUIDs (RFC 9562 section 5.7).</summary>
public readonly record struct UploadId(Guid Value) : IParsable<UploadId>
{
    /// <summary>A new id at the time that <paramref name="clock"/> shows.</summary>
    public static UploadId New(TimeProvider clock) => new(Guid.CreateVersion7(clock.GetUtcNow()));

    public static UploadId Parse(string s, IFormatProvider? provider) => new(UuidText.Parse(s));

    public static bool TryParse(string? s, IFormatProvider? provider, out UploadId result)
    {
        var parsed = UuidText.TryParse(s, out var value);
        result = new UploadId(value);
        return parsed;
    }

    /// <summary>The id in its 36-character form.</summary>
    public override string ToString() => Value.ToString("D");
}

/// <summary>A stored blob's size, and when it was last put: garbage collection spares what is young.</summary>
public sealed record BlobStat(long SizeBytes, DateTimeOffset StoredAt);

/// <summary>One entry of a listing.</summary>
public sealed record StoredBlob(Digest Digest, long SizeBytes, DateTimeOffset StoredAt);

/// <summary>What a sweep removed.</summary>
/// <param name="Uploads">Resumable uploads that were never completed.</param>
/// <param name="Incoming">Remains of puts that a crash cut off.</param>
/// <param name="Quarantined">Corrupt bytes kept long enough.</param>
public sealed record SweepCount(int Uploads, int Incoming, int Quarantined);

/// <summary>How a put ended.</summary>
public abstract record PutOutcome
{
    private PutOutcome() { }

    /// <summary>The blob is there, by this put.</summary>
    public sealed record Stored : PutOutcome;

    /// <summary>The blob was there already; the content was the same.</summary>
    public sealed record AlreadyStored : PutOutcome;

    /// <summary>The content has another digest. Nothing was stored.</summary>
    public sealed record WrongDigest(Digest Actual) : PutOutcome;

    /// <summary>The content is shorter or longer than declared. Nothing was stored.</summary>
    /// <param name="ReadBytes">How much was read: all of a short content, just more than declared of a long one.</param>
    public sealed record WrongSize(long ReadBytes) : PutOutcome;

    /// <summary>The blob would be larger than <paramref name="LimitBytes"/>. Nothing was stored.</summary>
    public sealed record TooLarge(long LimitBytes) : PutOutcome;
}

/// <summary>How opening a blob ended.</summary>
public abstract record OpenOutcome
{
    private OpenOutcome() { }

    /// <summary>The blob is there.</summary>
    /// <param name="Content">Read asynchronously (synchronous reads are refused) and disposed by the caller. Reading can end with
    /// <see cref="BlobCorruptException"/>, or <see cref="ProblemException"/> with <see cref="KernelProblems.Unavailable"/>.</param>
    /// <param name="LengthBytes">How many bytes <paramref name="Content"/> gives: the blob's size, or the range's.</param>
    /// <param name="SizeBytes">The whole blob's size.</param>
    public sealed record Found(Stream Content, long LengthBytes, long SizeBytes) : OpenOutcome;

    /// <summary>The owner has no such blob.</summary>
    public sealed record Missing : OpenOutcome;

    /// <summary>The blob was found corrupt before and set aside; putting it again heals it.</summary>
    public sealed record Corrupt : OpenOutcome;

    /// <summary>The range begins at or after the blob's end.</summary>
    public sealed record OutOfRange(long SizeBytes) : OpenOutcome;
}

/// <summary>How reading a whole, verified blob into memory ended.</summary>
public abstract record ReadOutcome
{
    private ReadOutcome() { }

    /// <summary>The blob; its bytes have the digest that was asked for.</summary>
    public sealed record Read(ReadOnlyMemory<byte> Bytes) : ReadOutcome;

    /// <summary>The owner has no such blob.</summary>
    public sealed record Missing : ReadOutcome;

    /// <summary>The stored bytes do not have the digest; they were set aside, and putting the blob again heals it.</summary>
    public sealed record Corrupt : ReadOutcome;

    /// <summary>The blob is larger than asked for; nothing was read.</summary>
    public sealed record TooLarge(long SizeBytes) : ReadOutcome;
}

/// <summary>How beginning an upload ended.</summary>
public abstract record BeginUploadOutcome
{
    private BeginUploadOutcome() { }

    /// <summary>The upload stands at offset 0.</summary>
    public sealed record Begun(UploadId Id) : BeginUploadOutcome;

    /// <summary>The owner has <see cref="BlobLimits.OpenUploads"/> uploads open: complete or abort one first.</summary>
    public sealed record TooMany(int Limit) : BeginUploadOutcome;
}

/// <summary>How appending to an upload ended.</summary>
public abstract record AppendOutcome
{
    private AppendOutcome() { }

    /// <summary>The content was appended and the upload stands at <paramref name="Offset"/>.</summary>
    public sealed record Appended(long Offset) : AppendOutcome;

    /// <summary>Nothing was appended: the upload stands at <paramref name="Offset"/>.</summary>
    public sealed record WrongOffset(long Offset) : AppendOutcome;

    /// <summary>The upload would exceed its limits; what was received up to there counts.</summary>
    /// <param name="LimitBytes">The most bytes a blob can have.</param>
    public sealed record TooLarge(long LimitBytes) : AppendOutcome;

    /// <summary>Another append or completion of this upload is running; nothing was appended.</summary>
    public sealed record Busy : AppendOutcome;

    /// <summary>The owner has no such upload: it ended, was swept, or never began.</summary>
    public sealed record Missing : AppendOutcome;
}

/// <summary>How completing an upload ended.</summary>
public abstract record CompleteUploadOutcome
{
    private CompleteUploadOutcome() { }

    /// <summary>The blob is there; <paramref name="New"/> tells whether it was not before.</summary>
    public sealed record Completed(long SizeBytes, bool New) : CompleteUploadOutcome;

    /// <summary>The bytes have another digest. The upload was removed.</summary>
    public sealed record WrongDigest(Digest Actual) : CompleteUploadOutcome;

    /// <summary>An append or another completion of this upload is running.</summary>
    public sealed record Busy : CompleteUploadOutcome;

    /// <summary>The owner has no such upload.</summary>
    public sealed record Missing : CompleteUploadOutcome;
}

/// <summary>
/// The stored bytes of a blob do not have its digest. Thrown while reading, before the last bytes are handed out; whatever
/// was read must be thrown away. The store has set the bytes aside: putting the blob again heals it.
/// </summary>
public sealed class BlobCorruptException(OwnerId owner, Digest digest, string reason)
    : IOException($"The stored bytes of {digest} are corrupt: {reason}.")
{
    public OwnerId Owner { get; } = owner;

    public Digest Digest { get; } = digest;
}

namespace Platen.Platform.Blobs;

/// <summary>The blob stores' limits, each with its reason.</summary>
public static class BlobLimits
{
    /// <summary>Bytes of one blob: 5 GiB is what S3 copies in one request, which moving a blob aside needs.</summary>
    public const long BlobBytes = 5L * 1024 * 1024 * 1024;

    /// <summary>Resumable uploads an owner may have open at once: a push uses one a layer, a few at a time.</summary>
    public const int OpenUploads = 100;

    /// <summary>
    /// Segments of one upload in the S3 store: at 8 MiB each, 640 hold the largest blob; the rest is room for clients that
    /// append less at a time, bounded because the offset is found by listing them.
    /// </summary>
    public const int UploadSegments = 10_000;

    /// <summary>How long an upload may stay unfinished before it is swept: a night and a working day.</summary>
    public static readonly TimeSpan UploadAge = TimeSpan.FromHours(24);

    /// <summary>How long corrupt bytes are kept for whoever looks into them.</summary>
    public static readonly TimeSpan QuarantineAge = TimeSpan.FromDays(30);

    /// <summary>
    /// Bytes of a part of a multipart upload, and of a segment. S3 wants at least 5 MiB; a put holds two of them, which keeps a
    /// put below 20 MiB of memory while the next part is read during the sending of the last.
    /// </summary>
    internal const int PartBytes = 8 * 1024 * 1024;

    /// <summary>
    /// Puts and appends that hold part buffers at once in the S3 store, of content that is at hand, and again of content that clients
    /// send: bounds each to 256 MiB.
    /// </summary>
    internal const int ConcurrentParts = 16;

    /// <summary>Puts of one batch that the S3 store has under way at once: each waits for an answer more than it works.</summary>
    internal const int PutsAtOnce = 8;

    /// <summary>How many of those an owner's clients may have; more wait. A push sends a few layers at a time.</summary>
    internal const int ConcurrentArrivals = 4;

    /// <summary>How long a client may take for a part while others wait for its place: 70 KB a second.</summary>
    internal static readonly TimeSpan PartPatience = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Times that S3 may tell of another write or removal of an object before its write fails: each is over by the next look, unless
    /// there are many.
    /// </summary>
    internal const int WriteConflicts = 5;

    /// <summary>Bytes moved at a time between a stream and a file: larger gains nothing on a local disk.</summary>
    internal const int CopyBytes = 128 * 1024;

    /// <summary>
    /// A put of what is there already refreshes its <see cref="BlobStat.StoredAt"/> at this age in the S3 store, where that costs a
    /// request. Garbage collection must spare anything younger than well beyond it.
    /// </summary>
    internal static readonly TimeSpan RefreshAge = TimeSpan.FromHours(1);
}

using System.Globalization;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>
/// Every key of a blob store, drawn and built here and nowhere else. A key is made of typed ids only, so no input can name
/// anything outside the tree; it is a relative path with '/' in both stores.
/// </summary>
/// <remarks>
/// <code>
/// {owner}/                                 a UUID; owners share nothing, or a tenant could ask what another one has
/// ├── blobs/sha256/{ab}/{hex}              the bytes; immutable; {ab} is the first two digits of {hex}
/// ├── uploads/{id}/                        a resumable upload; swept 24 hours after it began
/// │   ├── started_at                       when it began, RFC 3339
/// │   └── data                             file store: the bytes so far
/// │       data/{offset}                    S3 store: a segment each, named by its 13-digit offset
/// ├── incoming/{id}                        file store: a put under way; left by a crash, swept after 24 hours
/// │                                        (the S3 store's equivalent is an unfinished multipart upload of the blob's key)
/// ├── removing/{hex}                       file store: a blob on its way out; put back by the next sweep after a crash
/// └── quarantine/sha256/{ab}/{hex}         bytes found not to have this digest; swept after 30 days
/// probe/{id}                               what a health check wrote; gone when it ends
/// </code>
/// </remarks>
internal static class BlobPaths
{
    /// <summary>The folder that health checks write in, beside the owners' folders.</summary>
    public const string Probes = "probe";

    private const string Blobs = "blobs/sha256";
    private const string Quarantined = "quarantine/sha256";

    public static string Blob(OwnerId owner, Digest digest) => Fanned(owner, Blobs, digest);

    public static string BlobsOf(OwnerId owner) => $"{owner}/{Blobs}";

    public static string Quarantine(OwnerId owner, Digest digest) => Fanned(owner, Quarantined, digest);

    public static string QuarantineOf(OwnerId owner) => $"{owner}/{Quarantined}";

    public static string UploadsOf(OwnerId owner) => $"{owner}/uploads";

    public static string Upload(OwnerId owner, UploadId id) => $"{owner}/uploads/{id}";

    public static string UploadStartedAt(OwnerId owner, UploadId id) => $"{owner}/uploads/{id}/started_at";

    public static string UploadBytes(OwnerId owner, UploadId id) => $"{owner}/uploads/{id}/data";

    public static string UploadSegment(OwnerId owner, UploadId id, long offset) =>
        string.Create(CultureInfo.InvariantCulture, $"{owner}/uploads/{id}/data/{offset:D13}");

    public static string IncomingOf(OwnerId owner) => $"{owner}/incoming";

    public static string Incoming(OwnerId owner, UploadId id) => $"{owner}/incoming/{id}";

    public static string RemovingOf(OwnerId owner) => $"{owner}/removing";

    public static string Removing(OwnerId owner, Digest digest) => $"{owner}/removing/{digest.Hex}";

    public static string Probe(UploadId id) => $"{Probes}/{id}";

    private static string Fanned(OwnerId owner, string folder, Digest digest)
    {
        var hex = digest.Hex;
        return $"{owner}/{folder}/{hex.AsSpan(0, 2)}/{hex}";
    }
}

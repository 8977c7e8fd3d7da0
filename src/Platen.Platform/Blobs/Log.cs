using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>Blob store log lines: event ids 1300 to 1399.</summary>
internal static partial class Log
{
    [LoggerMessage(
        1300,
        LogLevel.Error,
        "Blob {Digest} of {Owner} is corrupt: {Reason}. It was moved to {Aside}; put it again to heal it."
    )]
    public static partial void BlobQuarantined(
        this ILogger logger,
        Digest digest,
        OwnerId owner,
        string reason,
        string aside
    );

    [LoggerMessage(
        1301,
        LogLevel.Warning,
        "Reading blob {Digest} of {Owner} gave wrong bytes ({Reason}), but reading it again gave the right ones"
    )]
    public static partial void BlobReadFlaky(this ILogger logger, Digest digest, OwnerId owner, string reason);

    [LoggerMessage(1302, LogLevel.Error, "The blob store {Location} has no room left")]
    public static partial void StoreFull(this ILogger logger, string location, Exception cause);

    [LoggerMessage(1303, LogLevel.Error, "The blob store {Location} failed: {Reason}")]
    public static partial void StoreFailed(this ILogger logger, string location, string reason, Exception cause);

    [LoggerMessage(
        1304,
        LogLevel.Information,
        "Swept {Uploads} unfinished uploads, {Incoming} unfinished puts and {Quarantined} quarantined blobs from {Location}"
    )]
    public static partial void Swept(this ILogger logger, string location, int uploads, int incoming, int quarantined);

    [LoggerMessage(1305, LogLevel.Information, "Blobs are kept in {Location}")]
    public static partial void StoreOpened(this ILogger logger, string location);

    [LoggerMessage(
        1306,
        LogLevel.Information,
        "The S3 server of {Location} does not know conditional writes: concurrent appends are told apart by digest only"
    )]
    public static partial void ConditionalWritesUnknown(this ILogger logger, string location);
}

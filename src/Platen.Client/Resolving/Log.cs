using Microsoft.Extensions.Logging;

namespace Platen.Client.Resolving;

/// <summary>What the resolver says, 4000 to 4099.</summary>
internal static partial class Log
{
    [LoggerMessage(
        4000,
        LogLevel.Information,
        "{Template}@{Version} {Path} resolved from {Source} ({Rule}; {Digest}; pointer from {PointerSource}, {AgeSeconds:0.0} s old)"
    )]
    public static partial void Resolved(
        ILogger logger,
        string template,
        string version,
        string path,
        ByteSource source,
        string rule,
        string digest,
        PointerSource pointerSource,
        double ageSeconds
    );

    // As Resolved, for what a busy program does thousands of times a second.
    [LoggerMessage(
        4001,
        LogLevel.Debug,
        "{Template}@{Version} {Path} resolved from {Source} ({Rule}; {Digest}; pointer from {PointerSource}, {AgeSeconds:0.0} s old)"
    )]
    public static partial void ResolvedAgain(
        ILogger logger,
        string template,
        string version,
        string path,
        ByteSource source,
        string rule,
        string digest,
        PointerSource pointerSource,
        double ageSeconds
    );

    [LoggerMessage(
        4002,
        LogLevel.Warning,
        "{Template}: the registry cannot be asked, so what is known is used: {Reason}"
    )]
    public static partial void RegistryFailed(ILogger logger, string template, string reason);

    [LoggerMessage(
        4008,
        LogLevel.Warning,
        "{Template}: the store cannot be asked for a file, so the next source is tried: {Reason}"
    )]
    public static partial void StoreFailed(ILogger logger, string template, string reason);

    [LoggerMessage(
        4003,
        LogLevel.Error,
        "{Place} holds {Actual} instead of {Expected}: dropped, and the next source is tried"
    )]
    public static partial void WrongBytes(ILogger logger, string place, string actual, string expected);

    [LoggerMessage(
        4004,
        LogLevel.Warning,
        "The cache folder cannot be written: {Reason}. It is only read until that is mended"
    )]
    public static partial void CacheNotWritable(ILogger logger, string reason);

    [LoggerMessage(4005, LogLevel.Warning, "{Template}@{Version} is deprecated: {Reason} (successor: {Successor})")]
    public static partial void Deprecated(
        ILogger logger,
        string template,
        string version,
        string? reason,
        string? successor
    );

    [LoggerMessage(
        4006,
        LogLevel.Warning,
        "{Template}: bytes other than the pinned {Expected} are served, as AllowUnpinnedFallback allows"
    )]
    public static partial void Unpinned(ILogger logger, string template, string expected);

    [LoggerMessage(4007, LogLevel.Warning, "{Place} in the cache is broken and was dropped: {Reason}")]
    public static partial void BrokenEntry(ILogger logger, string place, string reason);
}

using Microsoft.Extensions.Logging;

namespace Platen.Delivery;

/// <summary>Event ids 7000–7099.</summary>
internal static partial class Log
{
    [LoggerMessage(7000, LogLevel.Information, "Hearing of channel moves; {Cached} keys in memory are up to date.")]
    public static partial void Listening(this ILogger logger, int cached);

    [LoggerMessage(
        7001,
        LogLevel.Warning,
        "Channel moves are not heard of: serving what is in memory and reconnecting."
    )]
    public static partial void ListeningLost(this ILogger logger, Exception cause);

    [LoggerMessage(7002, LogLevel.Warning, "Loading {Key} failed; an earlier release is served on: {ServedOn}.")]
    public static partial void LoadFailed(this ILogger logger, string key, bool servedOn, Exception cause);

    [LoggerMessage(7003, LogLevel.Error, "Answering {Path} failed (trace {Trace}).")]
    public static partial void AnswerFailed(this ILogger logger, string? path, string trace, Exception cause);

    [LoggerMessage(7004, LogLevel.Warning, "The disk cache's entry of {Key} is not as it was written, and is removed.")]
    public static partial void DiskEntryBroken(this ILogger logger, string key);

    [LoggerMessage(7005, LogLevel.Warning, "The disk cache cannot be read or written: going on without it.")]
    public static partial void DiskFailed(this ILogger logger, Exception cause);

    [LoggerMessage(
        7006,
        LogLevel.Information,
        "Warmed {Instances} instances in {Seconds:0.0} s; {Failed} could not be loaded."
    )]
    public static partial void Warmed(this ILogger logger, int instances, double seconds, int failed);

    [LoggerMessage(
        7007,
        LogLevel.Warning,
        "Warming could not read what is live, and begins again when the database is back."
    )]
    public static partial void WarmingFailed(this ILogger logger, Exception cause);

    [LoggerMessage(
        7008,
        LogLevel.Warning,
        "What is on the disk could not be compared with the database, and is compared again in a while."
    )]
    public static partial void DiskReviewFailed(this ILogger logger, Exception cause);
}

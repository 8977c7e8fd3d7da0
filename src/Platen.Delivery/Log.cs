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

    [LoggerMessage(7003, LogLevel.Error, "Answering {Path} failed.")]
    public static partial void AnswerFailed(this ILogger logger, string? path, Exception cause);
}

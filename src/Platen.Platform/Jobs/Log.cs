using Microsoft.Extensions.Logging;

namespace Platen.Platform.Jobs;

// Event ids 2450 to 2499.
internal static partial class Log
{
    [LoggerMessage(2450, LogLevel.Warning, "Job {Job} ({Kind}) failed at attempt {Attempt}")]
    public static partial void Failed(ILogger logger, string kind, Guid job, int attempt, Exception exception);

    [LoggerMessage(
        2454,
        LogLevel.Error,
        "Job {Job} ({Kind}) is dead after attempt {Attempt}: platen jobs list --state dead shows it, platen jobs retry {Job} puts it back"
    )]
    public static partial void Died(ILogger logger, string kind, Guid job, int attempt);

    [LoggerMessage(
        2451,
        LogLevel.Warning,
        "Job {Job} ({Kind}) lost its lease at attempt {Attempt}; nothing was recorded"
    )]
    public static partial void Lost(ILogger logger, string kind, Guid job, int attempt);

    [LoggerMessage(2452, LogLevel.Warning, "The job queue does not answer; trying again in {Delay}")]
    public static partial void QueueFailed(ILogger logger, TimeSpan delay, Exception exception);

    [LoggerMessage(
        2453,
        LogLevel.Information,
        "Removed {Uploads} abandoned uploads, {Events} old events, {Jobs} old jobs"
    )]
    public static partial void Maintained(ILogger logger, int uploads, int events, int jobs);
}

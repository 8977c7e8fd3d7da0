using Microsoft.Extensions.Logging;

namespace Platen.Platform.Events;

// Event ids 2400 to 2449.
internal static partial class Log
{
    [LoggerMessage(2400, LogLevel.Warning, "Listening for notifications failed; trying again in {Delay}")]
    public static partial void ListenFailed(ILogger logger, TimeSpan delay, Exception exception);

    [LoggerMessage(2401, LogLevel.Information, "Listening for notifications")]
    public static partial void Listening(ILogger logger);

    [LoggerMessage(2402, LogLevel.Warning, "Reading events for subscribers failed; trying again in {Delay}")]
    public static partial void ReadFailed(ILogger logger, TimeSpan delay, Exception exception);

    [LoggerMessage(2403, LogLevel.Error, "The consumer {Consumer} failed; trying again in {Delay}")]
    public static partial void ConsumerFailed(ILogger logger, string consumer, TimeSpan delay, Exception exception);
}

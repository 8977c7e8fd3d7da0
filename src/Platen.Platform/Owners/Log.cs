using Microsoft.Extensions.Logging;

namespace Platen.Platform.Owners;

// Event ids 2480 to 2489.
internal static partial class Log
{
    [LoggerMessage(
        2480,
        LogLevel.Warning,
        "Which owners are closed could not be read; what was known before stands until it can."
    )]
    public static partial void ClosedOwnersUnread(ILogger logger, Exception exception);
}

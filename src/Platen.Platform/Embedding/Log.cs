using Microsoft.Extensions.Logging;

namespace Platen.Platform.Embedding;

// Event ids 2490 to 2499.
internal static partial class Log
{
    [LoggerMessage(
        2490,
        LogLevel.Warning,
        "What embed tokens are verified with could not be read; what was known before stands until it can."
    )]
    public static partial void Unread(ILogger logger, Exception exception);

    [LoggerMessage(
        2491,
        LogLevel.Warning,
        "What embed tokens are verified with could not be kept in {File}: a restart without the database will not know it."
    )]
    public static partial void NotKept(ILogger logger, string file, Exception exception);
}

namespace Platen.Server;

/// <summary>What the composition root says, 1000 to 1099.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Platen {Version} is ready at {Urls} after {Seconds:0.00} s")]
    public static partial void Ready(ILogger logger, string version, string urls, double seconds);

    [LoggerMessage(1001, LogLevel.Information, "Stopping: finishing requests, then jobs, then the database")]
    public static partial void Stopping(ILogger logger);

    [LoggerMessage(1002, LogLevel.Warning, "Not ready: {Check} failed")]
    public static partial void CheckFailed(ILogger logger, string check, Exception failure);

    [LoggerMessage(
        1003,
        LogLevel.Warning,
        "No demo page: {Url} cannot be listened at ({Reason}). PLATEN_DEMO_URL names another address, or off"
    )]
    public static partial void NoDemo(ILogger logger, Uri url, string reason);
}

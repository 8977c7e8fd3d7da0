using Microsoft.Extensions.Logging;

namespace Platen.Access;

/// <summary>What the module logs. Event ids 5000 to 5049.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Warning, "When keys were last used could not be written down")]
    public static partial void LastUseLost(ILogger logger, Exception failure);

    [LoggerMessage(5001, LogLevel.Information, "Short-lived tokens are signed with the key {KeyId} from {From:O}")]
    public static partial void SigningKeyMade(ILogger logger, string keyId, DateTimeOffset from);

    [LoggerMessage(5002, LogLevel.Warning, "The signing keys could not be read; the ones at hand stay in use")]
    public static partial void SigningKeysUnread(ILogger logger, Exception failure);

    [LoggerMessage(5003, LogLevel.Warning, "An invitation could not be mailed; it can be sent again")]
    public static partial void InvitationUnsent(ILogger logger, Exception failure);

    [LoggerMessage(5004, LogLevel.Warning, "Whether callers may go on could not be asked; their requests were ended")]
    public static partial void CallerUnknown(ILogger logger, Exception failure);

    [LoggerMessage(
        5005,
        LogLevel.Error,
        "The download of the release {Release} was cut off: its bytes could not be read"
    )]
    public static partial void SnapshotCut(ILogger logger, Kernel.Digest release, Exception failure);

    [LoggerMessage(
        5006,
        LogLevel.Warning,
        "Whether a key holds could not be told in time; its holder was answered as everybody is"
    )]
    public static partial void KeyHolderUnknown(ILogger logger, Exception failure);
}

using Microsoft.Extensions.Logging;

namespace Platen.Platform.Webhooks;

// Event ids 2500 to 2519.
internal static partial class Log
{
    [LoggerMessage(2500, LogLevel.Warning, "Webhook {Webhook} of {Owner} is disabled: {Reason}")]
    public static partial void Disabled(ILogger logger, Guid webhook, Guid owner, string reason);
}

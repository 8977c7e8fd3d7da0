using System.Text.Json;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;

namespace Platen.Templates;

/// <summary>Tells the owner's webhooks that a channel moved, in the transaction of the move.</summary>
internal static class TellOfMove
{
    /// <summary>The type that webhooks ask for.</summary>
    public const string Type = "template.channel.moved";

    public const string Description =
        "A channel of a template moved, by hand, by its guard or with a new version: template, channel, version, previousVersion, candidate, percentage, revision and where its moves can be read.";

    /// <param name="session">The transaction of the move.</param>
    /// <param name="name">The template.</param>
    /// <param name="channel">The channel.</param>
    /// <param name="version">Live from now on.</param>
    /// <param name="previous">Live before; null when the channel is new.</param>
    /// <param name="candidate">Tried beside it from now on, or null.</param>
    /// <param name="percentage">On what share of the keys.</param>
    /// <param name="revision">The channel's.</param>
    /// <param name="ct">Cancels.</param>
    public static Task RunAsync(
        Session session,
        TemplateName name,
        string channel,
        string? version,
        string? previous,
        string? candidate,
        int percentage,
        long revision,
        CancellationToken ct
    ) =>
        WebhookQueue.EnqueueAsync(
            session,
            Type,
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    template = name.Value,
                    channel,
                    version,
                    previousVersion = previous,
                    candidate,
                    percentage,
                    revision,
                    path = $"/v1/templates/{name}/channels/{channel}",
                },
                JsonSerializerOptions.Web
            ),
            ct
        );
}

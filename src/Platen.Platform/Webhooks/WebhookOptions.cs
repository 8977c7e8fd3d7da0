using System.Net;
using Platen.Platform.Http;

namespace Platen.Platform.Webhooks;

/// <summary>How messages are sent. Immutable.</summary>
public sealed record WebhookOptions
{
    /// <summary>
    /// <c>PLATEN_WEBHOOK_NETWORKS</c>: networks that are not public and may be sent to all the same, there also without TLS. None unless set.
    /// </summary>
    public IReadOnlyList<IPNetwork> Networks { get; init; } = [];

    /// <summary>How long a receiver may take to answer, from the look-up of its name on.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The waits after each failed attempt; after one more failure the message is dead. About three days altogether.</summary>
    public IReadOnlyList<TimeSpan> Waits { get; init; } =
    [
        TimeSpan.FromSeconds(5),
        TimeSpan.FromMinutes(1),
        TimeSpan.FromMinutes(5),
        TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2),
        TimeSpan.FromHours(5),
        TimeSpan.FromHours(10),
        TimeSpan.FromHours(14),
        TimeSpan.FromHours(20),
        TimeSpan.FromHours(24),
    ];

    /// <summary>
    /// How long a message first waits when as many are being sent as may be to its webhook, or of its owner; it doubles each time, to
    /// <see cref="MostTurnWait"/>.
    /// </summary>
    public TimeSpan TurnWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait for a turn.</summary>
    public TimeSpan MostTurnWait { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long nothing may have arrived before a webhook is disabled.</summary>
    public TimeSpan DisabledAfter { get; init; } = TimeSpan.FromDays(5);

    /// <param name="setting">Gives the value of a setting by its name, null when it is not set.</param>
    /// <exception cref="FormatException">A setting has a value that means nothing; the message names it.</exception>
    public static WebhookOptions Read(Func<string, string?> setting) =>
        new() { Networks = HttpGuards.ReadNetworks("PLATEN_WEBHOOK_NETWORKS", setting("PLATEN_WEBHOOK_NETWORKS")) };

    /// <summary>Whether a message may be sent to an address.</summary>
    internal bool Permits(IPAddress address) => OutboundAddress.IsPublic(address) || IsOwn(address);

    /// <summary>Whether the operator listed the address.</summary>
    internal bool IsOwn(IPAddress address)
    {
        var plain = OutboundAddress.Plain(address);
        return Networks.Any(network =>
            network.BaseAddress.AddressFamily == plain.AddressFamily && network.Contains(plain)
        );
    }
}

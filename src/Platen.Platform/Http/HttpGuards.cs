using System.Globalization;
using System.Net;
using Platen.Platform.Http.RateLimits;

namespace Platen.Platform.Http;

/// <summary>What the operator says about who may reach the server and how: read once at start. Immutable.</summary>
public sealed record HttpGuards
{
    /// <summary>Seconds a request may take unless its endpoint says otherwise.</summary>
    public static readonly TimeSpan DefaultRequestTimeout = TimeSpan.FromSeconds(60);

    /// <summary>
    /// <c>PLATEN_TRUSTED_PROXIES</c>: the networks whose hosts may say for whom they ask, with <c>X-Forwarded-For</c>,
    /// <c>X-Forwarded-Proto</c> and <c>X-Forwarded-Host</c>. None unless set.
    /// </summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>PLATEN_CORS_ORIGINS</c>: origins whose pages may call the API, besides the server's own. None unless set.</summary>
    public AllowedOrigins CorsOrigins { get; init; } = AllowedOrigins.None;

    /// <summary><c>PLATEN_REQUEST_TIMEOUT</c>: see <see cref="DefaultRequestTimeout"/>.</summary>
    public TimeSpan RequestTimeout { get; init; } = DefaultRequestTimeout;

    /// <summary><c>PLATEN_LIMITS</c>: how much of the server one client gets.</summary>
    public RateLimitPolicies Limits { get; init; } = RateLimitPolicies.Default;

    /// <summary><c>PLATEN_REDIS</c>: where nodes count together. Without it they do so in PostgreSQL.</summary>
    public RedisAddress? Redis { get; init; }

    /// <summary>How long a store of the shared count may take before the next is asked; null for the store's own.</summary>
    public TimeSpan? CountingPatience { get; init; }

    /// <summary>How long the request line and fields may take to arrive; 15 seconds.</summary>
    public TimeSpan HeaderTime { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a body may pause before its pace counts (<see cref="ServerLimits.BytesASecond"/>); 5 seconds, more than 1.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    /// <param name="setting">Gives the value of a setting by its name, null when it is not set.</param>
    /// <exception cref="FormatException">A setting has a value that means nothing; the message names it.</exception>
    public static HttpGuards Read(Func<string, string?> setting) =>
        new()
        {
            TrustedProxies = ReadNetworks("PLATEN_TRUSTED_PROXIES", setting("PLATEN_TRUSTED_PROXIES")),
            CorsOrigins = AllowedOrigins.Parse(setting("PLATEN_CORS_ORIGINS")),
            RequestTimeout = ReadSeconds(setting("PLATEN_REQUEST_TIMEOUT")),
            Limits = RateLimitPolicies.Parse(setting("PLATEN_LIMITS")),
            Redis = RedisAddress.Parse(setting("PLATEN_REDIS")),
        };

    internal static List<IPNetwork> ReadNetworks(string name, string? text)
    {
        var networks = new List<IPNetwork>();
        foreach (var part in Parts(text))
        {
            // An address alone is the network of that one host.
            if (IPAddress.TryParse(part, out var host))
                networks.Add(new IPNetwork(host, host.GetAddressBytes().Length * 8));
            else if (IPNetwork.TryParse(part, out var network))
                networks.Add(network);
            else
                throw new FormatException($"{name} has '{part}'; write networks such as 10.0.0.0/8 or addresses.");
        }
        return networks;
    }

    private static TimeSpan ReadSeconds(string? text) =>
        text switch
        {
            null or "" => DefaultRequestTimeout,
            _ when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                    && seconds is >= 1 and <= 3600 => TimeSpan.FromSeconds(seconds),
            _ => throw new FormatException($"PLATEN_REQUEST_TIMEOUT is '{text}'; write seconds, 1 to 3600."),
        };

    internal static string[] Parts(string? text) =>
        text?.Split([',', ';', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}

using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Platen.Delivery;

/// <summary>
/// Healthy while moves are heard of and every instance in memory is current; degraded, and still serving, otherwise.
/// </summary>
internal sealed class DeliveryHealth(ChannelListener listener, InstanceCache cache) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        var held = string.Create(
            CultureInfo.InvariantCulture,
            $"{cache.Count} keys, {cache.Bytes} bytes in memory, {cache.StaleCount} stale"
        );
        if (listener.Trouble is { } trouble)
            return Task.FromResult(HealthCheckResult.Degraded($"Serving from memory ({held}). {trouble}"));
        return Task.FromResult(
            cache.StaleCount > 0
                ? HealthCheckResult.Degraded($"A later release cannot be loaded ({held}).")
                : HealthCheckResult.Healthy(held)
        );
    }
}

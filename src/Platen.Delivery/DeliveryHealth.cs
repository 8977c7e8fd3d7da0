using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Platen.Delivery;

/// <summary>
/// Healthy while moves are heard of and every instance in memory is current; degraded, and still serving, otherwise. Unhealthy only
/// when there is nothing to serve.
/// </summary>
internal sealed class DeliveryHealth(DatabaseReach database, InstanceCache cache, DiskCache disk) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        var held = string.Create(
            CultureInfo.InvariantCulture,
            $"{cache.Count} keys, {cache.Bytes} bytes in memory, {disk.Entries} entries, {disk.Bytes} bytes on disk, {cache.StaleCount} stale"
        );
        if (database.Trouble is not null)
        {
            return Task.FromResult(
                cache.Count == 0 && disk.Entries == 0
                    ? HealthCheckResult.Unhealthy(
                        $"The database does not answer, and there is nothing to serve ({held})."
                    )
                    : HealthCheckResult.Degraded(
                        $"The database does not answer; serving what is here, which may not be the latest ({held})."
                    )
            );
        }
        return Task.FromResult(
            cache.StaleCount > 0
                ? HealthCheckResult.Degraded($"A later release cannot be loaded ({held}).")
                : HealthCheckResult.Healthy(held)
        );
    }
}

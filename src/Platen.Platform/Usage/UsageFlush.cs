using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Platen.Platform.Usage;

/// <summary>Writes down what was counted, every few seconds and when the process ends.</summary>
internal sealed class UsageFlush(UsageCounters counters, TimeProvider time, ILogger<UsageFlush> logger)
    : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryFlushAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await TryFlushAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The last writing is StopAsync's.
        }
    }

    private async Task TryFlushAsync(CancellationToken ct)
    {
        try
        {
            await counters.FlushAsync(ct);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            Log.Waiting(logger, e);
        }
    }
}

/// <summary>Wires the counting into a host.</summary>
public static class UsageServices
{
    /// <summary>Adds the counters, and what writes them down. Needs <see cref="Postgres.PostgresPools"/>. Calling it again changes nothing.</summary>
    public static IServiceCollection AddUsage(this IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(UsageCounters)))
            return services;
        services.TryAddSingleton(TimeProvider.System);
        return services.AddSingleton<UsageCounters>().AddHostedService<UsageFlush>();
    }
}

// Event ids 2520 to 2529.
internal static partial class Log
{
    [LoggerMessage(2520, LogLevel.Warning, "What was counted cannot be written down yet, and is kept")]
    public static partial void Waiting(ILogger logger, Exception exception);
}

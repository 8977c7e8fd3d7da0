using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Platform.Events;

/// <summary>Wires events into a host.</summary>
public static class EventsServices
{
    /// <summary>
    /// Adds the process's LISTEN connection and the hub of live streams. Needs <see cref="PostgresPools"/>. Calling it
    /// again changes nothing.
    /// </summary>
    public static IServiceCollection AddEvents(this IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(EventHub)))
            return services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<NotificationListener>();
        services.AddSingleton(provider => new EventHub(
            provider.GetRequiredService<PostgresPools>(),
            provider.GetRequiredService<NotificationListener>(),
            provider.GetService<IHostApplicationLifetime>(),
            provider.GetRequiredService<ILogger<EventHub>>(),
            provider.GetRequiredService<TimeProvider>()
        ));
        services.AddHostedService(provider => provider.GetRequiredService<EventHub>());
        services.AddHostedService(provider => provider.GetRequiredService<NotificationListener>());
        services.AddSingleton<ClosedOwners>();
        services.AddHostedService(provider => provider.GetRequiredService<ClosedOwners>());
        return services;
    }

    /// <summary>Adds the dispatcher, which serves each registered <see cref="IEventConsumer"/>.</summary>
    public static IServiceCollection AddEventDispatcher(this IServiceCollection services) =>
        services.AddEvents().AddHostedService<EventDispatcher>();
}

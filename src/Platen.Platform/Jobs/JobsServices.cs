using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Platen.Platform.Collections;
using Platen.Platform.Events;

namespace Platen.Platform.Jobs;

/// <summary>Wires the worker into a host.</summary>
public static class JobsServices
{
    /// <summary>Adds the runner, which serves each registered <see cref="IJobHandler"/>.</summary>
    public static IServiceCollection AddJobRunner(this IServiceCollection services, JobRunnerOptions? options = null)
    {
        services.AddEvents();
        services.TryAddSingleton(options ?? new JobRunnerOptions());
        services.TryAddSingleton<JobRunner>();
        return services.AddHostedService(provider => provider.GetRequiredService<JobRunner>());
    }

    /// <summary>Adds the hourly housekeeping and the garbage collection; they need an <see cref="Blobs.IBlobStore"/>.</summary>
    public static IServiceCollection AddMaintenance(this IServiceCollection services)
    {
        services.AddSingleton<Maintain>();
        services.AddSingleton<IJobHandler>(provider => provider.GetRequiredService<Maintain>());
        services.AddSingleton<Collector>().AddSingleton<IJobHandler, Collect>();
        return services.AddHostedService(provider => provider.GetRequiredService<Maintain>());
    }
}

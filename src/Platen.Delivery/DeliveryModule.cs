using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Platen.Delivery;

/// <summary>The one setting of delivery.</summary>
public sealed class DeliveryOptions
{
    /// <summary>Bytes of published content kept in memory; 256 MiB unless set.</summary>
    public long MemoryBytes { get; set; } = 256L * 1024 * 1024;
}

/// <summary>Wires the public read path.</summary>
public static class DeliveryModule
{
    /// <summary>
    /// Adds delivery and its health check <c>delivery</c>. It needs <see cref="Platform.Postgres.PostgresPools"/>, an
    /// <see cref="Platform.Blobs.IBlobStore"/> and logging.
    /// </summary>
    public static IServiceCollection AddDelivery(
        this IServiceCollection services,
        Action<DeliveryOptions>? configure = null
    )
    {
        var options = new DeliveryOptions();
        configure?.Invoke(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton<DeliveryMetrics>();
        services.AddSingleton<ChannelLookup>();
        services.AddSingleton<InstanceLoader>();
        services.AddSingleton<InstanceCache>();
        services.AddSingleton<AnswerVisitor>();
        services.AddSingleton<ChannelListener>();
        services.AddHostedService(provider => provider.GetRequiredService<ChannelListener>());
        services.AddHealthChecks().AddCheck<DeliveryHealth>("delivery");
        return services;
    }

    /// <summary>
    /// Answers <c>/e/…</c>, <c>/w/…</c> and <c>/embed/…</c> here, and hands everything else on. Stands first in the pipeline: what follows,
    /// routing included, costs these requests nothing.
    /// </summary>
    public static IApplicationBuilder UseDelivery(this IApplicationBuilder app)
    {
        var visitor = app.ApplicationServices.GetRequiredService<AnswerVisitor>();
        var metrics = app.ApplicationServices.GetRequiredService<DeliveryMetrics>();
        return app.Use(next =>
            context =>
            {
                var path = context.Request.Path.Value;
                if (DeliveryPath.Owns(path))
                    return visitor.AnswerAsync(context);
                return EmbedVisitor.Owns(path) ? EmbedVisitor.AnswerAsync(context, metrics) : next(context);
            }
        );
    }
}

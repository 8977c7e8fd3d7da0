using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Platen.Platform.Embedding;
using Platen.Platform.Usage;

namespace Platen.Delivery;

/// <summary>The settings of delivery.</summary>
public sealed class DeliveryOptions
{
    /// <summary>Bytes of published content kept in memory; 256 MiB unless set.</summary>
    public long MemoryBytes { get; set; } = 256L * 1024 * 1024;

    /// <summary>
    /// Where what was served is kept, for when database and store are away; a folder that no other process uses. Null for nowhere.
    /// </summary>
    public string? DiskFolder { get; set; }

    /// <summary>Bytes kept in <see cref="DiskFolder"/>; 4 GiB unless set, 0 for none.</summary>
    public long DiskBytes { get; set; } = 4L * 1024 * 1024 * 1024;

    /// <summary>
    /// How many instances are loaded at start without being asked for, those that changed last first; at most 100,000. None unless set.
    /// </summary>
    public int WarmInstances { get; set; }

    /// <summary>See <see cref="DeliveryLimits.EagerInstanceBytes"/>.</summary>
    internal long EagerInstanceBytes { get; set; } = DeliveryLimits.EagerInstanceBytes;
}

/// <summary>Wires the public read path.</summary>
public static class DeliveryModule
{
    internal const string EmbedTokensFile = "embed-tokens.json";

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
        services.AddSingleton<FrequencySketch>();
        services.AddSingleton<DatabaseReach>();
        services.AddSingleton<DiskCache>();
        services.AddHostedService(provider => provider.GetRequiredService<DiskCache>());
        services.AddUsage();
        // Beside the folders of the disk cache, whose names are other ones: what a node needs for a start without the database.
        services.AddEmbedTokens(
            options is { DiskFolder: { } folder, DiskBytes: > 0 } ? Path.Combine(folder, EmbedTokensFile) : null
        );
        services.AddSingleton<PixelVisitor>();
        services.AddSingleton<ChannelLookup>();
        services.AddSingleton<InstanceLoader>();
        services.AddSingleton<InstanceCache>();
        services.AddSingleton<AnswerVisitor>();
        services.AddSingleton(provider => new ExplainVisitor(
            provider.GetRequiredService<AnswerVisitor>(),
            provider.GetRequiredService<InstanceCache>(),
            provider.GetRequiredService<DiskCache>(),
            provider.GetRequiredService<DatabaseReach>()
        ));
        services.AddSingleton<DiskReview>();
        services.AddHostedService(provider => provider.GetRequiredService<DiskReview>());
        services.AddSingleton<ChannelListener>();
        services.AddHostedService(provider => provider.GetRequiredService<ChannelListener>());
        if (options.WarmInstances > 0)
            services.AddHostedService<Warming>();
        services.AddHealthChecks().AddCheck<DeliveryHealth>("delivery");
        return services;
    }

    /// <summary>
    /// Answers <c>/e/…</c>, <c>/w/…</c>, <c>/p/…</c> and <c>/embed/…</c> here, and hands everything else on. Stands first in the pipeline: what follows,
    /// routing included, costs these requests nothing. A request with a credential that asks <see cref="ExplainVisitor">why</see> is
    /// handed on to where credentials are looked at, if there is such a place.
    /// </summary>
    /// <param name="app">The pipeline.</param>
    /// <param name="explains">Whether what follows has credentials looked at.</param>
    public static IApplicationBuilder UseDelivery(this IApplicationBuilder app, bool explains = true)
    {
        var visitor = app.ApplicationServices.GetRequiredService<AnswerVisitor>();
        var pixel = app.ApplicationServices.GetRequiredService<PixelVisitor>();
        var metrics = app.ApplicationServices.GetRequiredService<DeliveryMetrics>();
        return app.Use(next =>
            context =>
            {
                var path = context.Request.Path.Value;
                if (DeliveryPath.Owns(path))
                {
                    if (context.Request.Headers.Authorization.Count == 0)
                        return visitor.AnswerAsync(context);
                    return explains && ExplainVisitor.IsAsked(context.Request) && ExplainVisitor.TryRedirect(context)
                        ? next(context)
                        : visitor.AnswerToCredentialAsync(context);
                }
                if (PixelVisitor.Owns(path))
                    return pixel.AnswerAsync(context);
                return EmbedVisitor.Owns(path) ? EmbedVisitor.AnswerAsync(context, metrics) : next(context);
            }
        );
    }
}

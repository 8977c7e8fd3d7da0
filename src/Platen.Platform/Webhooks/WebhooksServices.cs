using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Jobs;

namespace Platen.Platform.Webhooks;

/// <summary>Wires webhooks into a host.</summary>
public static class WebhooksServices
{
    /// <summary>Adds what sends messages. The runner of jobs sends them, where there is one.</summary>
    public static IServiceCollection AddWebhooks(this IServiceCollection services, WebhookOptions options) =>
        services
            .AddSingleton(options)
            .AddSingleton<WebhookTypes>()
            .AddSingleton<WebhookStore>()
            .AddSingleton<WebhookSender>()
            .AddSingleton<IJobHandler, DeliverWebhook>();

    /// <summary>Adds a type that webhooks can ask for.</summary>
    public static IServiceCollection AddWebhookType(
        this IServiceCollection services,
        string name,
        string description
    ) => services.AddSingleton(new WebhookType(name, description));
}

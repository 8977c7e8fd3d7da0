using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;
using Platen.Widgets.Stages;

namespace Platen.Widgets;

/// <summary>Widget types, the platform's own instances of them, and their publication.</summary>
public static class WidgetsModule
{
    /// <summary>The module's SQL.</summary>
    public static readonly SqlModule Sql = new("widgets", typeof(WidgetsModule).Assembly);

    /// <param name="services">Where to register.</param>
    /// <param name="widgetsFolder">Holds the widget packages.</param>
    /// <param name="stage">What this server is for.</param>
    public static IServiceCollection AddWidgets(this IServiceCollection services, string widgetsFolder, Stage stage) =>
        services
            .AddSingleton(stage)
            .AddSingleton<InstanceAccess>()
            .AddSingleton<ChangeInstance>()
            .AddSingleton<CreateInstance>()
            .AddSingleton<ReadGallery>()
            .AddSingleton<InstanceHistory>()
            .AddSingleton<SwitchType>()
            .AddSingleton<DeleteInstance>()
            .AddSingleton<IJobHandler, PurgeInstance>()
            .AddSingleton(s => new WidgetRegistry(widgetsFolder, s.GetRequiredService<ILogger<WidgetRegistry>>()))
            .AddSingleton<SaveInstance>()
            .AddSingleton<SaveOverlay>()
            .AddSingleton<ReadInstances>()
            .AddSingleton<PreviewPublication>()
            .AddSingleton<IssueEmbedToken>()
            .AddSingleton<RevokeEmbedTokens>()
            .AddSingleton<PublishInstance>()
            .AddSingleton<Unpublish>()
            .AddStages(stage);

    /// <summary>Publishes the samples of a folder when the server starts without any instance.</summary>
    public static IServiceCollection AddSampleWidgets(this IServiceCollection services, string samplesFolder) =>
        services.AddHostedService(s => ActivatorUtilities.CreateInstance<SampleContent>(s, samplesFolder));

    /// <summary>Maps the module's routes.</summary>
    public static void MapWidgets(this IEndpointRouteBuilder app)
    {
        WidgetsEndpoints.Map(app);
        StagesEndpoints.Map(app);
    }
}

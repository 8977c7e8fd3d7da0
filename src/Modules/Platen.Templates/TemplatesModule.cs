using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Templates;

/// <summary>Versioned bundles of prompts and their like, and which version each caller gets.</summary>
public static class TemplatesModule
{
    /// <summary>The module's SQL.</summary>
    public static readonly SqlModule Sql = new("templates", typeof(TemplatesModule).Assembly);

    public static IServiceCollection AddTemplates(this IServiceCollection services) =>
        services
            .AddSingleton<TemplateStates>()
            .AddSingleton<StoreBlobs>()
            .AddSingleton<SaveTemplate>()
            .AddSingleton<CommitVersion>()
            .AddSingleton<ChangeVersion>()
            .AddSingleton<MoveChannel>()
            .AddSingleton<DecideMove>()
            .AddSingleton<PinTemplate>()
            .AddSingleton<ReadTemplates>()
            .AddSingleton<ResolveTemplate>()
            .AddSingleton<RecordOutcomes>()
            .AddSingleton<IReleaseIntake, TakeInRelease>()
            .AddSingleton<IJobHandler, GuardTrials>();

    /// <summary>Maps the module's routes.</summary>
    public static void MapTemplates(this IEndpointRouteBuilder app) => TemplatesEndpoints.Map(app);
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Platform.Webhooks;

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
            .AddSingleton<ExpireVersions>()
            .AddSingleton<SetRetention>()
            .AddSingleton<MoveChannel>()
            .AddSingleton<DecideMove>()
            .AddSingleton<PinTemplate>()
            .AddSingleton<ReadTemplates>()
            .AddSingleton<ResolveTemplate>()
            .AddSingleton<ResolveAnswers>()
            .AddSingleton<RecordOutcomes>()
            .AddSingleton<IReleaseIntake, TakeInRelease>()
            .AddSingleton<IJobHandler, GuardTrials>()
            .AddSingleton<IJobHandler, ForgetOutcomes>()
            .AddSingleton<IJobHandler, RunRetention>()
            .AddWebhookType(TellOfMove.Type, TellOfMove.Description);

    /// <summary>
    /// Answers resolves that this node has answered before and that still hold; hands everything else on. Stands before traces, routing
    /// and authentication.
    /// </summary>
    public static IApplicationBuilder UseTemplates(this IApplicationBuilder app)
    {
        var answers = app.ApplicationServices.GetRequiredService<ResolveAnswers>();
        return app.Use(next => context => answers.TryAnswer(context, out var answering) ? answering : next(context));
    }

    /// <summary>Maps the module's routes.</summary>
    public static void MapTemplates(this IEndpointRouteBuilder app) => TemplatesEndpoints.Map(app);
}

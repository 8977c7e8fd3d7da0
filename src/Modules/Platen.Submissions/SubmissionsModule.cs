using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;

namespace Platen.Submissions;

/// <summary>What visitors send with the forms of published instances.</summary>
public static class SubmissionsModule
{
    /// <summary>The module's SQL.</summary>
    public static readonly SqlModule Sql = new("submissions", typeof(SubmissionsModule).Assembly);

    public static IServiceCollection AddSubmissions(this IServiceCollection services) =>
        services
            .AddSingleton<PublishedForms>()
            .AddSingleton<ReceiveSubmission>()
            .AddSingleton<ReadSubmissions>()
            .AddSingleton<ReadUsage>()
            .AddSingleton<EraseSubmissions>()
            .AddSingleton<SetRetention>()
            .AddSingleton<IJobHandler, ExpireSubmissions>()
            .AddSingleton<IJobHandler, EraseInSteps>()
            .AddSingleton<SubmissionsAccess>()
            .AddWebhookType(
                SubmissionEvents.Arrived,
                "A visitor sent a form: id, publicId, widgetType, locale, receivedAt and where it can be read. Never what was written."
            );

    /// <summary>Maps the module's routes.</summary>
    public static void MapSubmissions(this IEndpointRouteBuilder app) => SubmissionsEndpoints.Map(app);
}

using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Postgres;

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
            .AddSingleton<EraseSubmissions>()
            .AddSingleton<SubmissionsAccess>();

    /// <summary>Maps the module's routes.</summary>
    public static void MapSubmissions(this IEndpointRouteBuilder app) => SubmissionsEndpoints.Map(app);
}

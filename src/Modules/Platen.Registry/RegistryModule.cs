using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Platen.Registry;

/// <summary>What the operator says about the registry.</summary>
/// <param name="MaxBlobBytes">Bytes of one blob at most; 1 to <see cref="RegistryLimits.BlobBytes"/>.</param>
/// <param name="ProtectedTags">Channels that a client of the registry cannot end.</param>
public sealed record RegistryOptions(long MaxBlobBytes, FrozenSet<string> ProtectedTags)
{
    /// <summary>Blobs as large as the store takes, and <c>live</c> protected.</summary>
    public static RegistryOptions Default { get; } =
        new(RegistryLimits.BlobBytes, FrozenSet.Create(StringComparer.Ordinal, "live"));
}

/// <summary>OCI Distribution 1.1 over blobs, releases and channels.</summary>
public static class RegistryModule
{
    internal const string RootPath = "/v2";
    internal const string TokenPath = "/v2/token";

    /// <summary>Whether it is a token that is asked for; routing takes upper case and a slash at the end for the same.</summary>
    internal static bool IsTokenRequest(HttpRequest request) =>
        string.Equals(request.Path.Value?.TrimEnd('/'), TokenPath, StringComparison.OrdinalIgnoreCase);

    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static IServiceCollection AddRegistry(this IServiceCollection services, RegistryOptions options) =>
        services
            .AddSingleton(options)
            .AddSingleton<RegistryTokens>()
            .AddSingleton<PullBlob>()
            .AddSingleton<PushBlob>()
            .AddSingleton<DeleteBlob>()
            .AddSingleton<PullManifest>()
            .AddSingleton<PushManifest>()
            .AddSingleton<DeleteManifest>()
            .AddSingleton<ListTags>()
            .AddSingleton<ListReferrers>()
            .AddSingleton<ListRepositories>();

    /// <summary>
    /// Reads the registry's credentials and sets the form of its errors. Within the problem handling, before routing and
    /// authentication.
    /// </summary>
    public static void UseRegistry(this IApplicationBuilder app) => app.UseMiddleware<RegistryCredentials>();

    /// <summary>Maps the module's routes.</summary>
    public static void MapRegistry(this IEndpointRouteBuilder app) => RegistryEndpoints.Map(app);
}

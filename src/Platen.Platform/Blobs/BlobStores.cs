using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Platen.Platform.Blobs;

/// <summary>What a blob store in S3 signs its requests with. Printing it shows nothing.</summary>
/// <param name="AccessKey">The key's name.</param>
/// <param name="SecretKey">The key.</param>
/// <param name="SessionToken">For temporary keys; otherwise null.</param>
public sealed record BlobCredentials(string AccessKey, string SecretKey, string? SessionToken = null)
{
    public override string ToString() => nameof(BlobCredentials);
}

/// <summary>Makes the blob store that a location names.</summary>
public static class BlobStores
{
    /// <summary>Whether a location can be read; nothing is opened.</summary>
    /// <exception cref="BlobLocationException">It cannot; the message says what to write.</exception>
    public static void CheckLocation(string location) => _ = BlobLocation.Parse(location);

    /// <summary>
    /// Registers the one <see cref="IBlobStore"/> of this process. Credentials for S3 are <c>PLATEN_BLOBS_ACCESS_KEY</c> and
    /// <c>PLATEN_BLOBS_SECRET_KEY</c> (and <c>PLATEN_BLOBS_SESSION_TOKEN</c>) of the configuration or environment, or else whatever the
    /// AWS SDK finds (<c>AWS_ACCESS_KEY_ID</c>, profiles, the machine's role).
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="location"><c>file:PATH</c>, or <c>s3://BUCKET/PREFIX?endpoint=URL&amp;region=NAME&amp;pathStyle=true</c>.</param>
    /// <param name="requiredRegion">The region the bytes must rest in: the host then refuses to start on a store elsewhere. Null
    /// for any.</param>
    /// <exception cref="BlobLocationException">The location cannot be read. That it cannot be used shows when the store is first
    /// resolved, or when the host starts.</exception>
    public static IServiceCollection AddBlobStore(
        this IServiceCollection services,
        string location,
        string? requiredRegion = null
    )
    {
        _ = BlobLocation.Parse(location);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider =>
            Open(
                location,
                ReadCredentials(provider.GetService<IConfiguration>()),
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILoggerFactory>()
            )
        );
        services.AddHostedService(provider => new BlobStoreStartup(
            provider.GetRequiredService<IBlobStore>(),
            requiredRegion,
            provider.GetRequiredService<ILogger<BlobStoreStartup>>()
        ));
        return services;
    }

    /// <summary>Opens a store without a host: commands and tests.</summary>
    /// <param name="location">As for <see cref="AddBlobStore"/>.</param>
    /// <param name="credentials">For S3; null: whatever the AWS SDK finds.</param>
    /// <param name="clock">Tells the age of blobs and uploads.</param>
    /// <param name="loggers">Where failures and corruptions are told.</param>
    /// <exception cref="BlobLocationException">The location cannot be read or used.</exception>
    public static IBlobStore Open(
        string location,
        BlobCredentials? credentials,
        TimeProvider clock,
        ILoggerFactory loggers
    ) =>
        BlobLocation.Parse(location) switch
        {
            BlobLocation.Folder folder => new FileBlobStore(folder.Path, clock, loggers.CreateLogger<FileBlobStore>()),
            BlobLocation.S3 bucket => new S3BlobStore(
                bucket,
                SignWith(credentials),
                clock,
                loggers.CreateLogger<S3BlobStore>()
            ),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };

    private static BlobCredentials? ReadCredentials(IConfiguration? configuration)
    {
        var accessKey = Setting("PLATEN_BLOBS_ACCESS_KEY");
        var secretKey = Setting("PLATEN_BLOBS_SECRET_KEY");
        return (accessKey, secretKey) switch
        {
            (null, null) => null,
            ({ } access, { } secret) => new BlobCredentials(access, secret, Setting("PLATEN_BLOBS_SESSION_TOKEN")),
            _ => throw new BlobLocationException(
                "PLATEN_BLOBS_ACCESS_KEY and PLATEN_BLOBS_SECRET_KEY are set together or not at all."
            ),
        };

        string? Setting(string name) =>
            (configuration?[name] ?? Environment.GetEnvironmentVariable(name)) is { Length: > 0 } value ? value : null;
    }

    private static AWSCredentials SignWith(BlobCredentials? credentials)
    {
        if (credentials is { SessionToken: { } token })
            return new SessionAWSCredentials(credentials.AccessKey, credentials.SecretKey, token);
        if (credentials is not null)
            return new BasicAWSCredentials(credentials.AccessKey, credentials.SecretKey);
        try
        {
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        }
        catch (AmazonClientException e)
        {
            throw new BlobLocationException(
                "There are no S3 credentials: set PLATEN_BLOBS_ACCESS_KEY and PLATEN_BLOBS_SECRET_KEY.",
                e
            );
        }
    }
}

/// <summary>Holds the store against the required region before anything is served.</summary>
internal sealed class BlobStoreStartup(IBlobStore store, string? requiredRegion, ILogger<BlobStoreStartup> logger)
    : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (requiredRegion is not null)
            await store.RequireRegionAsync(requiredRegion, cancellationToken);
        logger.StoreOpened(store.Location);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Blobs;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Delivery.Tests;

/// <summary>Delivery on a free port of a real Kestrel.</summary>
internal sealed class DeliveryHost : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly bool ownsBlobs;

    private DeliveryHost(WebApplication app, string folder, bool ownsBlobs, Publisher publisher)
    {
        this.app = app;
        this.ownsBlobs = ownsBlobs;
        BlobFolder = folder;
        Publisher = publisher;
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false })
        {
            BaseAddress = new Uri(app.Urls.First()),
        };
    }

    public HttpClient Client { get; }
    public Publisher Publisher { get; }
    public string BlobFolder { get; }
    public InstanceCache Cache => app.Services.GetRequiredService<InstanceCache>();
    public DiskCache Disk => app.Services.GetRequiredService<DiskCache>();
    public DeliveryMetrics Metrics => app.Services.GetRequiredService<DeliveryMetrics>();
    public HealthCheckService Health => app.Services.GetRequiredService<HealthCheckService>();

    /// <param name="pools">The database.</param>
    /// <param name="configure">Delivery's settings.</param>
    /// <param name="blobFolder">A store that is not this host's; null for one that goes with it.</param>
    /// <param name="asServed">Whether connections have the limits of the server.</param>
    public static async Task<DeliveryHost> StartAsync(
        PostgresPools pools,
        Action<DeliveryOptions>? configure = null,
        string? blobFolder = null,
        bool asServed = false
    )
    {
        var folder = blobFolder ?? PostgresFixture.NewFolder();
        var blobs = new FileBlobStore(folder, TimeProvider.System, NullLogger<FileBlobStore>.Instance);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        if (asServed)
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.UsePlatenLimits(new HttpGuards()));
        builder.Services.AddSingleton(pools);
        builder.Services.AddSingleton<IBlobStore>(blobs);
        builder.Services.AddDelivery(configure);
        var built = builder.Build();
        built.UseDelivery();
        built.Run(context =>
        {
            context.Response.StatusCode = StatusCodes.Status418ImATeapot;
            return Task.CompletedTask;
        });
        await built.StartAsync(TestContext.Current.CancellationToken);
        return new DeliveryHost(built, folder, blobFolder is null, new Publisher(pools, blobs));
    }

    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, headers);

    public Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        params (string Name, string Value)[] headers
    )
    {
        var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    public async Task<string> TextAsync(string path, params (string Name, string Value)[] headers)
    {
        using var response = await GetAsync(path, headers);
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Repeats a request until it answers as expected; the test's own limit ends it otherwise.</summary>
    public static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!await holds())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException(what);
            await Task.Yield();
        }
    }

    public async Task<HealthStatus> HealthAsync() =>
        (await Health.CheckHealthAsync(TestContext.Current.CancellationToken)).Status;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
        if (ownsBlobs && Directory.Exists(BlobFolder))
            Directory.Delete(BlobFolder, recursive: true);
    }
}

using System.Diagnostics;
using Platen.Delivery;
using Platen.Platform;
using Platen.Platform.Blobs;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Postgres;

namespace Platen.Server;

/// <summary>
/// A process that is delivery and nothing else. It has a login that selects on a few views, writes to nothing but its own cache, and
/// starts and serves whether or not database and store answer.
/// </summary>
internal static class DeliveryNode
{
    public static async Task ServeAsync(ServerSettings settings, long started, CancellationToken ct)
    {
        using var folder = DataFolderLock.Take(settings.DataFolder, settings.Urls);
        await using var pools = PostgresPools.OpenEdgeAlone(settings.Postgres);
        await using var app = Build(settings, pools);
        await app.StartAsync(ct);
        var urls = app.Urls.ToList();
        Log.Ready(
            app.Logger,
            ServerProcess.Version,
            string.Join(' ', urls),
            Stopwatch.GetElapsedTime(started).TotalSeconds
        );
        var url = Banner.LocalAddress(urls[0]);
        await Console.Out.WriteLineAsync(
            $"""

            Platen {ServerProcess.Version} · delivery alone

              open       {url}/
              health     {url}/readyz
              metrics    {url}/metrics
              cache      {settings.Delivery.CacheFolder ?? "none"}
              forms      {settings.Api?.ToString() ?? "not taken: PLATEN_API is not set"}

            Stop with Ctrl-C.

            """
        );
        await app.WaitForShutdownAsync(ct);
        Log.Stopping(app.Logger);
    }

    public static WebApplication Build(ServerSettings settings, PostgresPools pools)
    {
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory }
        );
        ServerHost.ConfigureLogging(builder.Logging, settings);
        builder.Logging.AddTelemetryExport();
        builder.WebHost.UseUrls(settings.Urls.Split(';', StringSplitOptions.TrimEntries));
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.UsePlatenLimits(settings.Guards));
        var services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(10));
        services.AddSingleton(settings);
        services.AddSingleton(pools);
        services.AddSingleton(TimeProvider.System);
        // Where the bytes rest is for those to prove who write them.
        services.AddBlobStore(settings.Blobs);
        services.AddRateLimits(settings.Guards.Limits, settings.Guards.Redis, settings.Guards.CountingPatience);
        services.AddDelivery(settings.Delivery.Apply);
        services.AddSingleton(provider => new ApiRelay(settings.Api, provider.GetRequiredService<ILogger<ApiRelay>>()));
        services.AddReadiness(ReadinessParts.OfDelivery);
        services.AddSingleton(_ => new PrometheusText(ServerHost.Meters));
        services.AddTelemetryExport(ServerHost.Meters);
        services.AddHostedService<StartupMemory>();
        services.AddPlatenTimeouts(settings.Guards.RequestTimeout);

        var app = builder.Build();
        _ = app.Services.GetRequiredService<PrometheusText>();
        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Platen.Http");
        app.UseTrustedProxies(settings.Guards.TrustedProxies, log);
        app.UseTransportSecurity();
        app.UseStrictFraming();
        app.UseVisitorLimit();
        app.UseDelivery(explains: settings.Api is not null);
        app.UseRequestSpans();
        app.UseSafetyHeaders();
        app.UseRequestTrace();
        app.UseProblems(log);
        app.UseApiRelay();
        app.UseHeadRequests();
        app.UseRouting();
        app.UsePlatenTimeouts("/v2");
        app.UseAddressLimit();
        app.MapHealth();
        if (settings.Api is not null)
            app.MapRelayedExplanations();
        return app;
    }
}

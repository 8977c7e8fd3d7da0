using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Logging.Console;
using Platen.Access;
using Platen.Access.People;
using Platen.Delivery;
using Platen.Platform;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Usage;
using Platen.Platform.Webhooks;
using Platen.Registry;
using Platen.Submissions;
using Platen.Templates;
using Platen.Widgets;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>The composition root: which parts this process is, and the order in which a request meets them.</summary>
public static class ServerHost
{
    /// <summary>Meters whose instruments are exported.</summary>
    internal static readonly string[] Meters =
    [
        "Platen.",
        "Microsoft.AspNetCore.Hosting",
        "Microsoft.AspNetCore.Server.Kestrel",
        "System.Runtime",
        "Npgsql",
    ];

    /// <summary>Puts the process together; the caller starts it. Listens where <see cref="ServerSettings.Urls"/> says.</summary>
    /// <param name="settings">What it is to be.</param>
    /// <param name="postgres">Its database.</param>
    /// <param name="parts">Adds parts that do not come with Platen, such as who follows a publish; null for none.</param>
    /// <exception cref="WidgetPackageException">A widget package breaks a rule.</exception>
    /// <exception cref="BlobLocationException"><see cref="ServerSettings.Blobs"/> cannot be read.</exception>
    public static WebApplication Build(
        ServerSettings settings,
        PostgresRuntime postgres,
        Action<IServiceCollection>? parts = null
    )
    {
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory }
        );
        ConfigureLogging(builder.Logging, settings);
        builder.Logging.AddTelemetryExport();
        builder.WebHost.UseUrls(settings.Urls.Split(';', StringSplitOptions.TrimEntries));
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.UsePlatenLimits(settings.Guards));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(10));
        AddServices(builder.Services, settings, postgres);
        parts?.Invoke(builder.Services);

        var app = builder.Build();
        app.Services.GetRequiredService<WidgetRegistry>().Reload();
        Use(app, settings);
        return app;
    }

    internal static void AddReadiness(
        this IServiceCollection services,
        Func<IServiceProvider, IReadOnlyList<ReadinessPart>> parts
    ) =>
        services.AddSingleton(provider => new Readiness(
            parts(provider),
            provider.GetRequiredService<ServerSettings>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<Readiness>>()
        ));

    internal static void ConfigureLogging(ILoggingBuilder logging, ServerSettings settings)
    {
        logging.ClearProviders();
        logging.Configure(options =>
            options.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId
        );
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Npgsql", LogLevel.Warning);
        // It begins a trace for each request as soon as it may log anything: RequestTrace says where ours begins.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        // Refused credentials are answered and counted; a line for each would let anybody fill the log.
        logging.AddFilter("Platen.Access.MachineKeyAuthentication", LogLevel.Warning);
        logging.AddFilter("Microsoft.AspNetCore.Http.Timeouts", LogLevel.Error);
        logging.AddFilter("Platen.Access.SignIn.SessionAuthentication", LogLevel.Warning);
        // It warns that the key ring is not encrypted at rest; ADR 0513 says why it stands beside what it protects.
        logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        if (settings.LogsJson)
        {
            logging.AddJsonConsole(json =>
            {
                json.IncludeScopes = true;
                json.UseUtcTimestamp = true;
                json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
                console.ColorBehavior = LoggerColorBehavior.Default;
            });
        }
    }

    private static void AddServices(IServiceCollection services, ServerSettings settings, PostgresRuntime postgres)
    {
        services.AddSingleton(settings);
        services.AddSingleton(postgres.Pools);
        services.AddSingleton(TimeProvider.System);
        services.AddBlobStore(settings.Blobs, settings.BlobsRegion);
        services.AddEvents();
        if (settings.Roles.HasFlag(ServerRoles.Worker))
            services.AddJobRunner().AddMaintenance();
        services.AddAccess(new AccessOptions { Domain = settings.Domain, Stage = settings.Profile });
        services.AddPlatenTimeouts(settings.Guards.RequestTimeout);
        services.AddRateLimits(settings.Guards.Limits, settings.Guards.Redis, settings.Guards.CountingPatience);
        services.AddPeople(settings.People ?? PeopleSettings.In(settings.DataFolder));
        services.AddWidgets(settings.WidgetsFolder, Stage.Named(settings.Profile));
        services.AddRegistry(settings.Registry);
        services.AddTemplates();
        services.AddUsage();
        services.AddWebhooks(settings.Webhooks);
        services.AddSubmissions();
        if (settings.Roles.HasFlag(ServerRoles.Delivery))
            services.AddDelivery(settings.Delivery.Apply);
        if (settings.Roles.HasFlag(ServerRoles.Api) && settings is { Profile: "standalone", Samples: true })
            services.AddSampleWidgets(ServerSettings.SamplesFolder);
        services.AddHealthChecks();
        services.AddReadiness(ReadinessParts.Of);
        services.AddSingleton<DemoAddress>();
        services.AddSingleton(_ => new PrometheusText(Meters));
        services.AddPlatenOpenApi();
        services.AddTelemetryExport(Meters);
        services.AddHostedService<StartupMemory>();
        services.Configure<JsonOptions>(json =>
        {
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.Never;
            json.SerializerOptions.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        });
    }

    private static void Use(WebApplication app, ServerSettings settings)
    {
        // Made now, so that nothing that happens from here on is missing from the metrics.
        _ = app.Services.GetRequiredService<PrometheusText>();

        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Platen.Http");
        app.UseTrustedProxies(settings.Guards.TrustedProxies, log);
        app.UseTransportSecurity();
        app.UseStrictFraming();
        app.UseVisitorLimit();

        // Published pages come first: no routing, no authentication, no problem handling of the API on that path.
        if (settings.Roles.HasFlag(ServerRoles.Delivery))
            app.UseDelivery();

        app.UseRequestSpans();
        app.UseSafetyHeaders();
        // Programs resolve with every request of theirs: what was answered before and still holds costs no trace and no routing either.
        if (settings.Roles.HasFlag(ServerRoles.Api))
            app.UseTemplates();
        app.UseRequestTrace();
        app.UseProblems(log);
        if (settings.Roles.HasFlag(ServerRoles.Api))
            app.UseRegistry();
        app.UseServerTiming();
        app.UseHeadRequests();
        app.UsePreflightRouting();
        app.UseRouting();
        app.UseCrossOrigin(settings.Guards.CorsOrigins);
        // Images are pushed and pulled below /v2.
        app.UsePlatenTimeouts("/v2");
        app.UseRequestOrigin();
        app.UseAddressLimit();
        app.UseAuthentication();
        app.UseCallerLimits();
        app.UseAuthorization();
        app.UseWorkspaceLimit();

        app.MapOperating();
        if (settings.Roles.HasFlag(ServerRoles.Api))
        {
            app.MapAccess();
            app.MapPeople();
            app.MapWidgets();
            app.MapRegistry();
            app.MapTemplates();
            app.MapSubmissions();
            app.MapStreams();
            app.MapJobs();
            app.MapWebhooks();
            app.MapCollections();
            app.MapAudit();
            if (settings.Roles.HasFlag(ServerRoles.Delivery))
                app.MapExplanations();
        }
    }
}

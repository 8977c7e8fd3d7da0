using System.Diagnostics;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Platen.Access;
using Platen.Access.People;
using Platen.Platform;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Submissions;
using Platen.Templates;
using Platen.Widgets;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>
/// One run of the server, in order: settings, data folder, database, migrations, owner key, widget types, listening; and back again in
/// the opposite order. Anything that stops it from starting is one sentence on standard error and exit code 1.
/// </summary>
internal static class ServerProcess
{
    /// <summary>The product's version.</summary>
    public static readonly string Version =
        typeof(ServerProcess).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
        ?? "0";

    /// <summary>The modules' SQL, those that others refer to first.</summary>
    public static readonly IReadOnlyList<SqlModule> Modules =
    [
        PlatformModule.Sql,
        AccessModule.Sql,
        WidgetsModule.Sql,
        TemplatesModule.Sql,
        SubmissionsModule.Sql,
    ];

    internal const string Usage = """
        platen-server: one server that is the API, delivery, the workers and the studio.

        It takes no arguments but --help and --version. Settings are environment variables:

          PLATEN_DATA                  data folder                           platen-data in this folder
          PLATEN_URLS                  where to listen                       http://127.0.0.1:5080
          PLATEN_PROFILE               standalone, authoring or cloud        standalone
          PLATEN_ROLES                 api,delivery,worker,studio            all of them
          PLATEN_BLOBS                 file:PATH or s3://BUCKET?…            file:$PLATEN_DATA/blobs
          PLATEN_BLOBS_REGION          where the bytes must rest             anywhere
          PLATEN_BLOBS_ACCESS_KEY, PLATEN_BLOBS_SECRET_KEY, PLATEN_BLOBS_SESSION_TOKEN
                                       credentials for S3                    as the AWS SDK finds them
          PLATEN_DOMAIN                domain of the workspaces' sites       localhost
          PLATEN_PUBLIC_URL            address that people use               where it listens
          PLATEN_MAIL                  file:PATH or smtp://…?from=ADDRESS    file:$PLATEN_DATA/mail
          SignIn__Providers__NAME__…   a provider that people sign in with   none
          PLATEN_DELIVERY_MEMORY       MiB of published content in memory    256
          PLATEN_DELIVERY_CACHE        folder of delivery's disk cache       delivery alone: $PLATEN_DATA/delivery-cache
          PLATEN_DELIVERY_DISK         MiB of it; 0 for none                 4096
          PLATEN_DELIVERY_WARM         instances loaded at start             delivery alone: 1000
          PLATEN_API                   delivery alone: where forms go        nowhere
          PLATEN_WIDGETS               folder of widget packages             the one that comes with the server
          PLATEN_SAMPLES               on or off: publish samples when empty on
          PLATEN_DEMO_URL              where the demo page is, or off        standalone: the next port
          PLATEN_REGISTRY_MAX_BLOB     bytes of one blob pushed to /v2/      5368709120
          PLATEN_REGISTRY_PROTECTED    tags that /v2/ does not delete        live
          PLATEN_TRUSTED_PROXIES       networks that may send X-Forwarded-*  none
          PLATEN_CORS_ORIGINS          origins whose pages may use the API   its own
          PLATEN_WEBHOOK_NETWORKS      private networks webhooks may reach   none
          PLATEN_REQUEST_TIMEOUT       seconds a request may take            60
          PLATEN_LIMITS                off, or POLICY=REQUESTS/SECONDS,…     see docs/operating/limits.md
          PLATEN_REDIS                 redis://… to count requests in        PostgreSQL counts them
          PLATEN_LOG                   text or json                          text
          PLATEN_POSTGRES              folder of a PostgreSQL 18 to embed    the one that was built with the server
          ConnectionStrings__Platen    an external PostgreSQL 15 to 18       an embedded one in the data folder
          ConnectionStrings__PlatenDirect  past a pooler                     as ConnectionStrings__Platen
          ConnectionStrings__PlatenEdge  delivery's own login                as ConnectionStrings__Platen
          ConnectionStrings__PlatenEdgeDirect  delivery's past a pooler      as PlatenEdge, else as PlatenDirect
          OTEL_EXPORTER_OTLP_ENDPOINT  where to send traces and metrics      nowhere

        docs/operating explains each.
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        switch (args)
        {
            case []:
                break;
            case ["--help" or "-h"]:
                await Console.Out.WriteLineAsync(Usage);
                return 0;
            case ["--version"]:
                await Console.Out.WriteLineAsync(Version);
                return 0;
            default:
                await Console.Error.WriteLineAsync($"platen-server does not know '{args[0]}'. Try --help.");
                return 2;
        }

        using var stop = new CancellationTokenSource();
        // Until the host listens for signals itself, a signal ends the start.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
        try
        {
            await ServeAsync(stop.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 0;
        }
        catch (Exception e) when (Explain(e) is { } sentence)
        {
            await Console.Error.WriteLineAsync($"platen-server cannot start: {sentence}");
            return 1;
        }

        void Cancel(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task ServeAsync(CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        var settings = ServerSettings.Read(new ConfigurationBuilder().AddEnvironmentVariables().Build());
        BlobStores.CheckLocation(settings.Blobs);
        if (!Directory.Exists(settings.WidgetsFolder))
            throw new SettingException($"PLATEN_WIDGETS is {settings.WidgetsFolder}, which is not a folder.");
        CreateDataFolder(settings.DataFolder);
        if (settings.Roles == ServerRoles.Delivery)
        {
            await DeliveryNode.ServeAsync(settings, started, ct);
            return;
        }
        using var logging = LoggerFactory.Create(builder => ServerHost.ConfigureLogging(builder, settings));

        await using var postgres = await PostgresSetup.StartAsync(
            settings.Postgres,
            Modules,
            logging.CreateLogger("Platen.Postgres"),
            ct
        );
        await Stage.BindDatabaseAsync(postgres.Pools, settings.Profile, ct);
        var ownerKeyPath = await OwnerKey.EnsureAsync(postgres.Pools, settings.DataFolder, ct);
        await using var app = ServerHost.Build(settings, postgres);
        await app.StartAsync(ct);

        var urls = app.Urls.ToList();
        await using var demo = await DemoSite.StartAsync(app, settings.DemoUrl, urls[0], ct);
        Log.Ready(app.Logger, Version, string.Join(' ', urls), Stopwatch.GetElapsedTime(started).TotalSeconds);
        var setupPath =
            settings.Profile == "standalone" && settings.Roles.HasFlag(ServerRoles.Api)
                ? await PeopleModule.RenewSetupLinkAsync(postgres.Pools, ct)
                : null;
        var address = app.Services.GetRequiredService<PublicAddress>();
        await Banner.WriteAsync(
            Console.Out,
            settings,
            postgres,
            urls,
            demo?.Url,
            ownerKeyPath,
            address.Link("/sign-in"),
            setupPath is null ? null : address.Link(setupPath)
        );
        await app.WaitForShutdownAsync(ct);
        Log.Stopping(app.Logger);
    }

    private static void CreateDataFolder(string path)
    {
        if (Directory.Exists(path))
            return;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>A sentence for the operator; null for a failure that is ours, which keeps its stack trace.</summary>
    private static string? Explain(Exception failure) =>
        failure switch
        {
            BlobLocationException => $"PLATEN_BLOBS cannot be used. {failure.Message}",
            SettingException
            or PeopleSettingsException
            or StageException
            or PostgresStartException
            or MigrationException
            or WidgetPackageException
            or InvalidDataException => failure.Message,
            IOException { InnerException: AddressInUseException or SocketException } inUse =>
                $"{inUse.Message} Stop what listens there, or set PLATEN_URLS to another address.",
            UnauthorizedAccessException or IOException => failure.Message,
            _ => null,
        };
}

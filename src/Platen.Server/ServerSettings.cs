using System.Collections.Frozen;
using System.Globalization;
using Platen.Access.People;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;
using Platen.Registry;

namespace Platen.Server;

/// <summary>The parts of Platen that one process can be. A process is all of them unless told otherwise.</summary>
[Flags]
public enum ServerRoles
{
    None = 0,

    /// <summary>The HTTP API under <c>/v1</c>.</summary>
    Api = 1,

    /// <summary>Published pages and artifacts.</summary>
    Delivery = 2,

    /// <summary>Background jobs.</summary>
    Worker = 4,

    /// <summary>The web application for people.</summary>
    Studio = 8,

    All = Api | Delivery | Worker | Studio,
}

/// <summary>A setting that cannot be used; the message names it and says what to write instead.</summary>
public sealed class SettingException(string message) : Exception(message);

/// <summary>What the environment says about this process. Read once, at start.</summary>
public sealed record ServerSettings
{
    /// <summary>Where it listens when <c>PLATEN_URLS</c> says nothing, and where the command line looks for it.</summary>
    public const string DefaultUrl = "http://127.0.0.1:5080";

    /// <summary><c>PLATEN_DATA</c>: where everything this machine keeps is.</summary>
    public required string DataFolder { get; init; }

    /// <summary><c>PLATEN_URLS</c>: where to listen, separated by semicolons.</summary>
    public required string Urls { get; init; }

    /// <summary><c>PLATEN_PROFILE</c>: standalone, authoring or cloud.</summary>
    public required string Profile { get; init; }

    /// <summary><c>PLATEN_ROLES</c>, separated by commas.</summary>
    public required ServerRoles Roles { get; init; }

    /// <summary><c>PLATEN_BLOBS</c>: <c>file:PATH</c> or <c>s3://BUCKET…</c>.</summary>
    public required string Blobs { get; init; }

    /// <summary>
    /// <c>PLATEN_BLOBS_REGION</c>: where the bytes must rest, such as <c>ca-central-1</c>; the server does not start on a store that is
    /// elsewhere, or cannot say where it is. Null for anywhere.
    /// </summary>
    public string? BlobsRegion { get; init; }

    /// <summary><c>PLATEN_WIDGETS</c>: the folder of widget packages; by default the one that comes with the server.</summary>
    public required string WidgetsFolder { get; init; }

    /// <summary><c>PLATEN_SAMPLES</c>: whether an empty standalone server publishes the sample content.</summary>
    public required bool Samples { get; init; }

    /// <summary><c>PLATEN_LOG</c>: whether each line of the log is a JSON object, for machines.</summary>
    public bool LogsJson { get; init; }

    /// <summary><c>PLATEN_DOMAIN</c>: the domain that workspaces' sites live under.</summary>
    public string Domain { get; init; } = "localhost";

    /// <summary><c>PLATEN_REGISTRY_MAX_BLOB</c> and <c>PLATEN_REGISTRY_PROTECTED</c>.</summary>
    public RegistryOptions Registry { get; init; } = RegistryOptions.Default;

    /// <summary><c>PLATEN_DEMO_URL</c>: where the demo page is, on an origin that is not the server's; null for nowhere.</summary>
    public Uri? DemoUrl { get; init; }

    /// <summary>What concerns people: <c>PLATEN_MAIL</c>, <c>PLATEN_PUBLIC_URL</c>, <c>SignIn__Providers__*</c>; null for a folder of
    /// mail and nothing else.</summary>
    public PeopleSettings? People { get; init; }

    /// <summary><c>ConnectionStrings__Platen*</c> and what else concerns the database.</summary>
    public required PostgresOptions Postgres { get; init; }

    /// <summary><c>PLATEN_DELIVERY_*</c>: what delivery keeps in memory and on the disk.</summary>
    public DeliverySettings Delivery { get; init; } = new();

    /// <summary>
    /// <c>PLATEN_API</c>: where a process that is delivery alone hands on what visitors send; null for nowhere.
    /// </summary>
    public Uri? Api { get; init; }

    /// <summary>Trusted proxies, allowed origins, limits.</summary>
    public HttpGuards Guards { get; init; } = new();

    /// <summary><c>PLATEN_WEBHOOK_NETWORKS</c>: where messages of webhooks may go besides the public internet.</summary>
    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>The folder of sample content that comes with the server.</summary>
    public static string SamplesFolder => Path.Combine(AppContext.BaseDirectory, "samples", "widgets");

    /// <exception cref="SettingException">A setting has a value that means nothing.</exception>
    public static ServerSettings Read(IConfiguration configuration)
    {
        var data = Path.GetFullPath(
            configuration["PLATEN_DATA"] is { Length: > 0 } given ? given : DefaultDataFolder()
        );
        var profile = configuration["PLATEN_PROFILE"] is { Length: > 0 } p ? p : "standalone";
        if (profile is not ("standalone" or "authoring" or "cloud"))
            throw new SettingException($"PLATEN_PROFILE is '{profile}'; write standalone, authoring or cloud.");
        var urls = configuration["PLATEN_URLS"] is { Length: > 0 } u ? u : DefaultUrl;
        foreach (var url in urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (
                !Uri.TryCreate(
                    url.Replace("*", "localhost").Replace("+", "localhost"),
                    UriKind.Absolute,
                    out var parsed
                ) || parsed.Scheme is not ("http" or "https")
            )
            {
                throw new SettingException($"PLATEN_URLS has '{url}'; write addresses such as http://127.0.0.1:5080.");
            }
        }
        var roles = ReadRoles(configuration["PLATEN_ROLES"]);
        return new ServerSettings
        {
            DataFolder = data,
            Urls = urls,
            Profile = profile,
            Roles = roles,
            Delivery = DeliverySettings.Read(configuration, data, isAlone: roles == ServerRoles.Delivery),
            BlobsRegion = configuration["PLATEN_BLOBS_REGION"] is { Length: > 0 } region ? region : null,
            Blobs = configuration["PLATEN_BLOBS"] is { Length: > 0 } blobs
                ? blobs
                : "file:" + Path.Combine(data, "blobs"),
            WidgetsFolder = configuration["PLATEN_WIDGETS"] is { Length: > 0 } widgets
                ? Path.GetFullPath(widgets)
                : Path.Combine(AppContext.BaseDirectory, "widgets"),
            Samples = configuration["PLATEN_SAMPLES"] switch
            {
                null or "" or "on" => true,
                "off" => false,
                var other => throw new SettingException($"PLATEN_SAMPLES is '{other}'; write on or off."),
            },
            LogsJson = configuration["PLATEN_LOG"] switch
            {
                null or "" or "text" => false,
                "json" => true,
                var other => throw new SettingException($"PLATEN_LOG is '{other}'; write text or json."),
            },
            Registry = ReadRegistry(configuration),
            DemoUrl = ReadDemoUrl(configuration["PLATEN_DEMO_URL"], profile, urls),
            Domain = ReadDomain(configuration["PLATEN_DOMAIN"]),
            Api = ReadApi(configuration["PLATEN_API"], roles),
            Guards = ReadGuards(configuration),
            Webhooks = ReadWebhooks(configuration),
            People = PeopleSettings.Read(configuration, data),
            Postgres = PostgresOptions.From(configuration, data) with { Url = urls },
        };
    }

    private static string ReadDomain(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return "localhost";
        var domain = text.Trim().ToLowerInvariant();
        return Uri.CheckHostName(domain) == UriHostNameType.Dns && domain.Length <= 180
            ? domain
            : throw new SettingException($"PLATEN_DOMAIN is '{text}'; write a domain such as example.org.");
    }

    private static Uri? ReadApi(string? text, ServerRoles roles)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        if (
            !Uri.TryCreate(text, UriKind.Absolute, out var api)
            || api is not { Scheme: "http" or "https", AbsolutePath: "/", Query: "", Fragment: "", UserInfo: "" }
        )
            throw new SettingException(
                $"PLATEN_API is '{text}'; write the address of a server, such as http://10.0.0.5:5080."
            );
        return roles == ServerRoles.Delivery
            ? api
            : throw new SettingException(
                "PLATEN_API is for processes that are delivery alone; others are the API themselves."
            );
    }

    private static RegistryOptions ReadRegistry(IConfiguration configuration)
    {
        var options = RegistryOptions.Default;
        if (configuration["PLATEN_REGISTRY_MAX_BLOB"] is { Length: > 0 } text)
        {
            options =
                long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
                && bytes is > 0 and <= RegistryLimits.BlobBytes
                    ? options with
                    {
                        MaxBlobBytes = bytes,
                    }
                    : throw new SettingException(
                        $"PLATEN_REGISTRY_MAX_BLOB is '{text}'; write a number of bytes from 1 to {RegistryLimits.BlobBytes}."
                    );
        }
        if (configuration["PLATEN_REGISTRY_PROTECTED"] is { } names)
        {
            options = options with
            {
                ProtectedTags = names
                    .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                    .ToFrozenSet(StringComparer.Ordinal),
            };
        }
        return options;
    }

    /// <summary>
    /// By default the next port, with a name of this machine that is not the server's: to a browser that is another site. Only on the
    /// machine itself, and only where somebody tries things out.
    /// </summary>
    private static Uri? ReadDemoUrl(string? text, string profile, string urls)
    {
        if (text == "off")
            return null;
        if (!string.IsNullOrEmpty(text))
        {
            return
                Uri.TryCreate(text, UriKind.Absolute, out var given)
                && given is { Scheme: "http", IsLoopback: true, AbsolutePath: "/" }
                ? given
                : throw new SettingException(
                    $"PLATEN_DEMO_URL is '{text}'; write off, or an address of this machine such as http://localhost:5081."
                );
        }
        var first = new Uri(urls.Split(';')[0].Replace("*", "localhost").Replace("+", "localhost"));
        if (profile != "standalone" || first.Port is 0 or > 65_534)
            return null;
        var host = first.Host == "localhost" ? "127.0.0.1" : "localhost";
        return new UriBuilder(Uri.UriSchemeHttp, host, first.Port + 1).Uri;
    }

    private static HttpGuards ReadGuards(IConfiguration configuration)
    {
        try
        {
            return HttpGuards.Read(name => configuration[name]);
        }
        catch (FormatException e)
        {
            throw new SettingException(e.Message);
        }
    }

    private static WebhookOptions ReadWebhooks(IConfiguration configuration)
    {
        try
        {
            return WebhookOptions.Read(name => configuration[name]);
        }
        catch (FormatException e)
        {
            throw new SettingException(e.Message);
        }
    }

    private static ServerRoles ReadRoles(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return ServerRoles.All;
        var roles = ServerRoles.None;
        foreach (var name in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            roles |= name switch
            {
                "api" => ServerRoles.Api,
                "delivery" => ServerRoles.Delivery,
                "worker" => ServerRoles.Worker,
                "studio" => ServerRoles.Studio,
                _ => throw new SettingException(
                    $"PLATEN_ROLES has '{name}'; the roles are api, delivery, worker and studio."
                ),
            };
        }
        return roles;
    }

    /// <summary>
    /// <c>platen-data</c> in the current folder. The embedded database does not run as root, so where root starts the server in a
    /// folder that only root may enter, it is <c>/var/lib/platen</c>.
    /// </summary>
    internal static string DefaultDataFolder()
    {
        var here = Path.GetFullPath("platen-data");
        return
            Environment.IsPrivilegedProcess
            && OperatingSystem.IsLinux()
            && !OthersMayEnter(Path.GetDirectoryName(here)!)
            ? "/var/lib/platen"
            : here;
    }

    private static bool OthersMayEnter(string folder)
    {
        for (var at = folder; at is not null; at = Path.GetDirectoryName(at))
        {
            if (!OperatingSystem.IsWindows() && !File.GetUnixFileMode(at).HasFlag(UnixFileMode.OtherExecute))
                return false;
        }
        return true;
    }
}

using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Amazon.S3;
using Amazon.S3.Model;

namespace Platen.Testing.Servers;

/// <summary>
/// An S3 server that really checks signatures: Ceph's gateway over a cluster of one monitor, one manager and one storage
/// daemon that keeps everything in memory. Starts in about fifteen seconds; listens on the loopback address only.
/// </summary>
public sealed class CephFixture : IAsyncDisposable
{
    /// <summary>The region that the gateway says its buckets are in.</summary>
    public const string Region = "eu-test-1";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90);

    private readonly string folder;
    private readonly List<ServerProcess> servers = [];
    private readonly string configuration;

    private CephFixture()
    {
        folder = Directory.CreateTempSubdirectory("platen-ceph-").FullName;
        configuration = Path.Combine(folder, "ceph.conf");
        Endpoint = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ServerProcess.FreePort()}"));
    }

    /// <summary>Where the gateway listens.</summary>
    public Uri Endpoint { get; }

    /// <summary>The key of the user that owns the buckets.</summary>
    public string AccessKey { get; private set; } = "";

    /// <summary>The user's secret, new for each start.</summary>
    public string SecretKey { get; private set; } = "";

    /// <summary>Starts a cluster with its gateway and one user.</summary>
    /// <exception cref="InvalidOperationException">Ceph cannot be had here; the message says what to install.</exception>
    /// <exception cref="TimeoutException">It did not become ready.</exception>
    public static async Task<CephFixture> StartAsync(CancellationToken ct)
    {
        await AptPackages.EnsureAsync("radosgw", ct, "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common", "radosgw");
        var ceph = new CephFixture();
        try
        {
            await ceph.StartClusterAsync(ct);
            await ceph.StartGatewayAsync(ct);
            return ceph;
        }
        catch
        {
            await ceph.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client that speaks to the gateway as its user.</summary>
    public AmazonS3Client Client() => Client(AccessKey, SecretKey);

    /// <summary>Makes a bucket and returns its name.</summary>
    public async Task<string> CreateBucketAsync(CancellationToken ct)
    {
        using var client = Client();
        return await CreateBucketAsync(client, ct);
    }

    /// <summary>Makes another user, whose objects together may have so many bytes, with a bucket of its own.</summary>
    public async Task<(string AccessKey, string SecretKey, string Bucket)> CreateLimitedUserAsync(
        long quotaBytes,
        CancellationToken ct
    )
    {
        var name = "u" + RandomNumberGenerator.GetHexString(12, lowercase: true);
        var (accessKey, secretKey) = await CreateUserAsync(name, ct);
        var bytes = quotaBytes.ToString(CultureInfo.InvariantCulture);
        await AdminAsync(ct, "quota", "set", "--quota-scope=user", "--uid", name, "--max-size", bytes);
        await AdminAsync(ct, "quota", "enable", "--quota-scope=user", "--uid", name);
        using var client = Client(accessKey, secretKey);
        return (accessKey, secretKey, await CreateBucketAsync(client, ct));
    }

    /// <summary>Kills the gateway: from now on nobody answers at <see cref="Endpoint"/>. What it kept is kept.</summary>
    public async Task KillGatewayAsync()
    {
        // It was started last, and again after each kill.
        var gateway = servers[^1];
        servers.Remove(gateway);
        await gateway.DisposeAsync();
    }

    /// <summary>Starts the gateway again after <see cref="KillGatewayAsync"/>.</summary>
    /// <exception cref="TimeoutException">It did not become ready.</exception>
    public Task RestartGatewayAsync(CancellationToken ct) => OpenGatewayAsync(ct);

    public async ValueTask DisposeAsync()
    {
        foreach (var server in Enumerable.Reverse(servers))
            await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task StartClusterAsync(CancellationToken ct)
    {
        var fsid = Guid.CreateVersion7().ToString();
        var monitor = string.Create(CultureInfo.InvariantCulture, $"[v2:127.0.0.1:{ServerProcess.FreePort()}]");
        var keyring = Path.Combine(folder, "keyring");
        var map = Path.Combine(folder, "monmap");
        foreach (var name in (string[])["mon", "mgr", "osd", "run"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        await File.WriteAllTextAsync(configuration, Settings(fsid, monitor), ct);

        await KeyAsync(keyring, "mon.", ct, "mon", "allow *");
        await KeyAsync(keyring, "client.admin", ct, "mon", "allow *", "osd", "allow *", "mgr", "allow *");
        await KeyAsync(keyring, "mgr.x", ct, "mon", "allow profile mgr", "osd", "allow *");
        await KeyAsync(keyring, "osd.0", ct, "mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd");
        await KeyAsync(keyring, "client.rgw", ct, "mon", "allow rwx", "osd", "allow rwx");
        await ServerProcess.RunAsync("monmaptool", ["--create", "--addv", "a", monitor, "--fsid", fsid, map], ct);
        string[] makeMonitor = ["-c", configuration, "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring];
        await ServerProcess.RunAsync("ceph-mon", makeMonitor, ct);
        Start("ceph-mon", "a");

        var disk = Guid.CreateVersion7().ToString();
        await CephAsync(ct, "auth", "import", "-i", keyring);
        await CephAsync(ct, "osd", "new", disk, "0");
        await ServerProcess.RunAsync("ceph-osd", ["-c", configuration, "-i", "0", "--mkfs", "--osd-uuid", disk], ct);
        Start("ceph-mgr", "x");
        Start("ceph-osd", "0");
        await ServerProcess.WaitUntilAsync(
            "Ceph's storage daemon",
            StartLimit,
            async c =>
                JsonNode.Parse(await CephAsync(c, "osd", "stat", "-f", "json"))?["num_up_osds"]?.GetValue<int>() == 1,
            ct
        );
    }

    private async Task StartGatewayAsync(CancellationToken ct)
    {
        // The first command makes the gateway's pools and its zone group, which is then given a region.
        (AccessKey, SecretKey) = await CreateUserAsync("platen", ct);
        var group = JsonNode.Parse(await AdminAsync(ct, "zonegroup", "get"))!;
        group["api_name"] = Region;
        var file = Path.Combine(folder, "zonegroup.json");
        await File.WriteAllTextAsync(file, group.ToJsonString(), ct);
        await AdminAsync(ct, "zonegroup", "set", "--infile", file);
        await OpenGatewayAsync(ct);
    }

    private async Task OpenGatewayAsync(CancellationToken ct)
    {
        Start("radosgw", "-n", "client.rgw");
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        await ServerProcess.WaitUntilAsync("Ceph's gateway", StartLimit, AnswersAsync, ct);

        async Task<bool> AnswersAsync(CancellationToken c)
        {
            try
            {
                using var answer = await http.GetAsync(Endpoint, c);
                return answer.StatusCode == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }

    private string Settings(string fsid, string monitor) =>
        $"""
            [global]
            fsid = {fsid}
            mon host = {monitor}
            mon initial members = a
            auth cluster required = cephx
            auth service required = cephx
            auth client required = cephx
            public addr = 127.0.0.1
            ms bind ipv6 = false
            keyring = {folder}/keyring
            run dir = {folder}/run
            pid file = {folder}/run/$name.pid
            admin socket = {folder}/run/$name.$pid.asok
            log file = {folder}/$name.log
            mon data = {folder}/mon
            mgr data = {folder}/mgr
            osd data = {folder}/osd
            osd objectstore = memstore
            memstore device bytes = 6442450944
            osd pool default size = 1
            osd pool default min size = 1
            osd pool default pg num = 1
            osd pool default pgp num = 1
            osd pool default pg autoscale mode = off
            osd crush chooseleaf type = 0
            mon allow pool size one = true
            mon max pg per osd = 1000
            mon data avail warn = 1
            mon data avail crit = 1
            rgw dynamic resharding = false
            rgw user quota bucket sync interval = 0
            rgw bucket quota ttl = 0
            rgw frontends = beast endpoint={Endpoint.Authority} tcp_nodelay=1

            """;

    private static async Task KeyAsync(string keyring, string name, CancellationToken ct, params string[] capabilities)
    {
        List<string> arguments = [keyring, "--gen-key", "-n", name];
        if (!File.Exists(keyring))
            arguments.Insert(0, "--create-keyring");
        foreach (var pair in capabilities.Chunk(2))
            arguments.AddRange(["--cap", .. pair]);
        await ServerProcess.RunAsync("ceph-authtool", arguments, ct);
    }

    private void Start(string program, string id) => Start(program, "-i", id);

    private void Start(string program, string option, string name) =>
        servers.Add(
            ServerProcess.Start(
                program,
                ["-c", configuration, option, name, "-f"],
                Path.Combine(folder, program + ".out")
            )
        );

    private async Task<(string AccessKey, string SecretKey)> CreateUserAsync(string name, CancellationToken ct)
    {
        var accessKey = RandomNumberGenerator.GetHexString(20);
        var secretKey = RandomNumberGenerator.GetHexString(40);
        await AdminAsync(
            ct,
            "user",
            "create",
            $"--uid={name}",
            $"--display-name={name}",
            $"--access-key={accessKey}",
            $"--secret-key={secretKey}"
        );
        return (accessKey, secretKey);
    }

    private AmazonS3Client Client(string accessKey, string secretKey) =>
        new(
            accessKey,
            secretKey,
            new AmazonS3Config
            {
                ServiceURL = Endpoint.ToString(),
                AuthenticationRegion = Region,
                ForcePathStyle = true,
                RequestChecksumCalculation = Amazon.Runtime.RequestChecksumCalculation.WHEN_REQUIRED,
                ResponseChecksumValidation = Amazon.Runtime.ResponseChecksumValidation.WHEN_REQUIRED,
            }
        );

    private static async Task<string> CreateBucketAsync(AmazonS3Client client, CancellationToken ct)
    {
        var name = "b" + RandomNumberGenerator.GetHexString(16, lowercase: true);
        await client.PutBucketAsync(new PutBucketRequest { BucketName = name }, ct);
        return name;
    }

    private Task<string> CephAsync(CancellationToken ct, params string[] arguments) =>
        ServerProcess.RunAsync(
            "ceph",
            ["-c", configuration, "-n", "client.admin", "--connect-timeout", "30", .. arguments],
            ct
        );

    private Task<string> AdminAsync(CancellationToken ct, params string[] arguments) =>
        ServerProcess.RunAsync("radosgw-admin", ["-c", configuration, "-n", "client.admin", .. arguments], ct);
}

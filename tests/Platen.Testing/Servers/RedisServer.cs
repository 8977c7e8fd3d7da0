using System.Globalization;
using System.Net.Sockets;

namespace Platen.Testing.Servers;

/// <summary>A Redis on a port of its own that keeps nothing on disk. It can be killed and started again on the same port.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private readonly string folder;
    private readonly string? password;
    private ServerProcess? process;

    private RedisServer(string folder, string? password)
    {
        this.folder = folder;
        this.password = password;
        Port = ServerProcess.FreePort();
    }

    /// <summary>Where it listens on the loopback address.</summary>
    public int Port { get; }

    /// <summary>As <c>PLATEN_REDIS</c> has it.</summary>
    public string Url =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"redis://{(password is null ? "" : $":{password}@")}127.0.0.1:{Port}"
        );

    /// <summary>Starts one, installing it if need be.</summary>
    /// <exception cref="InvalidOperationException">It cannot be had here; the message says what to install.</exception>
    public static async Task<RedisServer> StartAsync(CancellationToken ct, string? password = null)
    {
        await AptPackages.EnsureAsync("redis-server", ct, "redis-server");
        var server = new RedisServer(Directory.CreateTempSubdirectory("platen-redis-").FullName, password);
        await server.StartAgainAsync(ct);
        return server;
    }

    /// <summary>Starts it on its port, empty.</summary>
    public async Task StartAgainAsync(CancellationToken ct)
    {
        process = ServerProcess.Start(
            "redis-server",
            [
                "--port",
                Port.ToString(CultureInfo.InvariantCulture),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                folder,
                "--pidfile",
                PidFile,
                .. password is null ? (string[])[] : ["--requirepass", password],
            ],
            Path.Combine(folder, "log")
        );
        await ServerProcess.WaitUntilAsync("Redis", TimeSpan.FromSeconds(30), AnswersAsync, ct);
    }

    /// <summary>Makes it stand still: connections are made and nothing is answered, as of a machine that hangs.</summary>
    public Task StandStillAsync(CancellationToken ct) => SignalAsync("STOP", ct);

    /// <summary>Lets it go on.</summary>
    public Task GoOnAsync(CancellationToken ct) => SignalAsync("CONT", ct);

    /// <summary>Kills it with everything it knew.</summary>
    public async Task KillAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
        process = null;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(folder, recursive: true);
    }

    private string PidFile => Path.Combine(folder, "pid");

    private async Task SignalAsync(string signal, CancellationToken ct)
    {
        var pid = (await File.ReadAllTextAsync(PidFile, ct)).Trim();
        await ServerProcess.RunAsync("/bin/sh", ["-c", $"kill -{signal} {pid}"], ct);
    }

    private async Task<bool> AnswersAsync(CancellationToken ct)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", Port, ct);
            await client.GetStream().WriteAsync("PING\r\n"u8.ToArray(), ct);
            return await client.GetStream().ReadAsync(new byte[16], ct) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

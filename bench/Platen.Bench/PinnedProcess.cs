using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>Another bench of this program as a server of its own on the first processor.</summary>
internal sealed class PinnedProcess(string name, int port, Process process) : IAsyncDisposable
{
    /// <summary>The environment variable that tells it where to listen.</summary>
    public const string PortSetting = "PLATEN_BENCH_PORT";

    public string Name => name;
    public IPEndPoint Address => new(IPAddress.Loopback, port);
    public int ProcessId => process.Id;

    /// <summary>Starts it and waits until it answers.</summary>
    public static async Task<PinnedProcess> StartAsync(string name, CancellationToken ct)
    {
        var port = ServerProcess.FreePort();
        var start = new ProcessStartInfo("taskset", ["-c", "0", Environment.ProcessPath!, name]);
        start.Environment[PortSetting] = port.ToString(CultureInfo.InvariantCulture);
        // taskset becomes the command it runs: the id is the server's.
        var pinned = new PinnedProcess(name, port, Process.Start(start)!);
        await pinned.ReadyAsync(ct);
        return pinned;
    }

    /// <summary>Moves this process to the second processor, away from the servers it measures.</summary>
    public static async Task PinSelfAsync(CancellationToken ct)
    {
        var self = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo("taskset", ["-a", "-c", "-p", "1", self])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var taskset = Process.Start(start)!;
        await taskset.StandardOutput.ReadToEndAsync(ct);
        await taskset.WaitForExitAsync(ct);
    }

    public async ValueTask DisposeAsync()
    {
        using (var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private async Task ReadyAsync(CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await pause.WaitForNextTickAsync(ct))
        {
            if (process.HasExited || Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(60))
                throw new InvalidOperationException($"{name} did not start.");
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(Address, ct);
                return;
            }
            catch (SocketException)
            {
                continue;
            }
        }
    }
}

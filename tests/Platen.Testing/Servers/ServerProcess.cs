using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Platen.Testing.Servers;

/// <summary>
/// A server that a test started. It ends with this object, and also when the test run is killed: a shell between the two
/// waits for its input to close, which the system does for a dead process.
/// </summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private const string EndWithParent =
        """ "$@" </dev/null >>"$0" 2>&1 & child=$!; read -r _; kill -9 $child; wait $child """;

    private readonly Process shell;

    private ServerProcess(Process shell) => this.shell = shell;

    /// <summary>Starts a server in the foreground; its output goes to <paramref name="log"/>.</summary>
    public static ServerProcess Start(string program, IEnumerable<string> arguments, string log)
    {
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, RedirectStandardInput = true };
        foreach (var argument in (string[])["-c", EndWithParent, log, program, .. arguments])
            start.ArgumentList.Add(argument);
        return new ServerProcess(Process.Start(start)!);
    }

    /// <summary>Runs a command to its end and returns its output.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has what it said.</exception>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, CancellationToken ct)
    {
        var start = new ProcessStartInfo(program)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DEBIAN_FRONTEND"] = "noninteractive" },
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(ct);
        var errors = process.StandardError.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await errors}"
            );
    }

    /// <summary>Asks again and again until the answer is yes.</summary>
    /// <exception cref="TimeoutException">It was not within <paramref name="limit"/>.</exception>
    public static async Task WaitUntilAsync(
        string what,
        TimeSpan limit,
        Func<CancellationToken, Task<bool>> isReady,
        CancellationToken ct
    )
    {
        var started = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await isReady(ct))
        {
            if (Stopwatch.GetElapsedTime(started) > limit)
                throw new TimeoutException($"{what} was not ready within {limit.TotalSeconds} s.");
            await timer.WaitForNextTickAsync(ct);
        }
    }

    /// <summary>A TCP port of the loopback address that nobody uses now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Ends the server.</summary>
    public async ValueTask DisposeAsync()
    {
        shell.StandardInput.Close();
        await shell.WaitForExitAsync();
        shell.Dispose();
    }
}

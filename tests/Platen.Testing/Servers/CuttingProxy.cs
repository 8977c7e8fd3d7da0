using System.Net;
using System.Net.Sockets;

namespace Platen.Testing.Servers;

/// <summary>
/// Stands between a client and a server, and cuts the connection each time that so many bytes have passed from the client: without
/// a farewell, as a network does. Or lets nothing more through, so that what was on its way stays there.
/// </summary>
public sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stop = new();
    private readonly Uri target;
    private readonly Task accepting;
    private long untilCut;
    private int cuts;
    private long untilSwallow;
    private TaskCompletionSource? swallowing;

    /// <param name="target">Where it leads.</param>
    /// <param name="port">Where it listens, such as where a former one did; 0 for a free port.</param>
    public CuttingProxy(Uri target, int port = 0)
    {
        this.target = target;
        listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        accepting = AcceptAsync();
    }

    /// <summary>Its own address.</summary>
    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");

    /// <summary>How often it has cut.</summary>
    public int Cuts => Volatile.Read(ref cuts);

    /// <summary>Cuts once after so many bytes from now on.</summary>
    public void CutAfter(long bytes) => Volatile.Write(ref untilCut, bytes);

    /// <summary>Lets nothing of any client through after so many bytes from now on; who sends goes on sending. Ends when that begins.</summary>
    public Task SwallowAfter(long bytes)
    {
        var begins = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref untilSwallow, bytes);
        Volatile.Write(ref swallowing, begins);
        return begins.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
                open.Add(CarryAsync(await listener.AcceptTcpClientAsync(stop.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
        {
            try
            {
                await server.ConnectAsync(target.Host, target.Port, stop.Token);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
                var there = CopyAsync(client, server, counts: true, both);
                var back = CopyAsync(server, client, counts: false, both);
                await Task.WhenAll(there, back);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
            {
                // One side is gone, and now so is the other.
            }
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to, bool counts, CancellationTokenSource both)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, both.Token) is > 0 and var count)
            {
                if (
                    counts
                    && Volatile.Read(ref swallowing) is { } begins
                    && Interlocked.Add(ref untilSwallow, -count) <= 0
                )
                {
                    begins.TrySetResult();
                    continue;
                }
                await to.GetStream().WriteAsync(buffer.AsMemory(0, count), both.Token);
                if (counts && Volatile.Read(ref untilCut) > 0 && Interlocked.Add(ref untilCut, -count) <= 0)
                {
                    Interlocked.Increment(ref cuts);
                    // Closed with data on its way: the other side gets a reset.
                    from.LingerState = new LingerOption(true, 0);
                    to.LingerState = new LingerOption(true, 0);
                    from.Close();
                    to.Close();
                    return;
                }
            }
            to.Client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e)
            when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await both.CancelAsync();
        }
    }
}

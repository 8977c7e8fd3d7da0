using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Platen.Testing.Servers;

/// <summary>
/// Stands between a client and a server, and cuts the connection each time that so many bytes have passed from the client: without
/// a farewell, as a network does. Or lets nothing more through, so that what was on its way stays there. Or loses an answer.
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
    private long untilDead;
    private byte[]? unanswered;
    private int lost;

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

    /// <summary>How many connections died or lost an answer.</summary>
    public int Lost => Volatile.Read(ref lost);

    /// <summary>
    /// After so many bytes from now on, lets one connection die without either side hearing of it: nothing passes any more, and the server
    /// does not learn that the client is gone.
    /// </summary>
    public void DieAfter(long bytes) => Volatile.Write(ref untilDead, bytes);

    /// <summary>Loses the answer to the next request with this text in it: the server has answered, and the client is cut.</summary>
    public void LoseAnswerTo(string text) => Volatile.Write(ref unanswered, Encoding.ASCII.GetBytes(text));

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
                var carried = new Carried();
                var there = CopyAsync(client, server, counts: true, carried, both);
                var back = CopyAsync(server, client, counts: false, carried, both);
                await Task.WhenAll(there, back);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
            {
                // One side is gone, and now so is the other.
            }
        }
    }

    /// <summary>What is wrong with a connection.</summary>
    private sealed class Carried
    {
        public volatile bool IsDead;
        public volatile bool LosesAnswer;
    }

    private async Task CopyAsync(
        TcpClient from,
        TcpClient to,
        bool counts,
        Carried carried,
        CancellationTokenSource both
    )
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, both.Token) is > 0 and var count)
            {
                if (
                    counts
                    && !carried.IsDead
                    && Volatile.Read(ref untilDead) > 0
                    && Interlocked.Add(ref untilDead, -count) <= 0
                )
                {
                    carried.IsDead = true;
                    Interlocked.Increment(ref lost);
                }
                if (carried.IsDead)
                    continue;
                if (
                    counts
                    && Volatile.Read(ref unanswered) is { } request
                    && buffer.AsSpan(0, count).IndexOf(request) >= 0
                )
                {
                    Volatile.Write(ref unanswered, null);
                    carried.LosesAnswer = true;
                }
                if (!counts && carried.LosesAnswer)
                {
                    Interlocked.Increment(ref lost);
                    to.LingerState = new LingerOption(true, 0);
                    to.Close();
                    return;
                }
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
            if (!carried.IsDead)
                to.Client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e)
            when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await both.CancelAsync();
        }
    }
}

using System.Net.Sockets;

namespace Platen.Testing;

/// <summary>
/// Stands between a client and a PostgreSQL socket and counts round trips: the times the client spoke after the server
/// had. One client connection at a time.
/// </summary>
public sealed class RoundTrips : IAsyncDisposable
{
    private readonly Socket listener;
    private readonly string target;
    private readonly CancellationTokenSource closing = new();
    private readonly Task serving;
    private readonly Lock gate = new();
    private bool clientSpokeLast;
    private int count;

    private RoundTrips(string folder, string target)
    {
        Folder = folder;
        this.target = target;
        listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, ".s.PGSQL.5432")));
        listener.Listen();
        serving = ServeAsync();
    }

    /// <summary>The socket's folder: the Host of a connection string.</summary>
    public string Folder { get; }

    /// <summary>Round trips since the start.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return count;
        }
    }

    /// <summary>Listens in a folder and passes on to the server whose socket is in <paramref name="targetFolder"/>.</summary>
    public static RoundTrips Before(string targetFolder, string folder) =>
        new(folder, Path.Combine(targetFolder, ".s.PGSQL.5432"));

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Dispose();
        await serving;
        closing.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptAsync(closing.Token);
                using var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await server.ConnectAsync(new UnixDomainSocketEndPoint(target), closing.Token);
                await Task.WhenAny(
                    PassAsync(client, server, fromClient: true),
                    PassAsync(server, client, fromClient: false)
                );
            }
        }
        catch (Exception exception)
            when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            if (!closing.IsCancellationRequested)
                throw;
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool fromClient)
    {
        var buffer = new byte[16 * 1024];
        while (await from.ReceiveAsync(buffer, closing.Token) is > 0 and var read)
        {
            lock (gate)
            {
                if (fromClient && !clientSpokeLast)
                    count++;
                clientSpokeLast = fromClient;
            }
            await to.SendAsync(buffer.AsMemory(0, read), closing.Token);
        }
    }
}

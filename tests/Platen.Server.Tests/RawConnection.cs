using System.Net.Sockets;
using System.Text;

namespace Platen.Server.Tests;

/// <summary>A connection that says exactly the bytes it is told to, as no HTTP client would.</summary>
internal sealed class RawConnection : IDisposable
{
    /// <summary>Far above every limit of the server: only a server that hangs meets it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TcpClient client;
    private readonly NetworkStream stream;

    private RawConnection(TcpClient client)
    {
        this.client = client;
        stream = client.GetStream();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<RawConnection> OpenAsync(Uri address)
    {
        var opened = new TcpClient { NoDelay = true };
        await opened.ConnectAsync(address.Host, address.Port, Ct);
        return new RawConnection(opened);
    }

    public async Task SayAsync(string text) => await stream.WriteAsync(Encoding.Latin1.GetBytes(text), Ct);

    /// <summary>What the server says up to and with a text.</summary>
    public async Task<string> HearAsync(string text)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(Patience);
        var heard = new StringBuilder();
        var buffer = new byte[1];
        while (!heard.ToString().EndsWith(text, StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(buffer, patience.Token) == 0)
                throw new EndOfStreamException($"The server said only: {heard}");
            heard.Append((char)buffer[0]);
        }
        return heard.ToString();
    }

    /// <summary>Everything the server says until it closes the connection.</summary>
    public async Task<string> HearAllAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(Patience);
        var heard = new StringBuilder();
        var buffer = new byte[16 * 1024];
        try
        {
            while (await stream.ReadAsync(buffer, patience.Token) is > 0 and var read)
                heard.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
        catch (IOException e)
            when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
        {
            // Closed with our bytes unread: closed is what counts.
        }
        return heard.ToString();
    }

    public void Dispose()
    {
        stream.Dispose();
        client.Dispose();
    }
}

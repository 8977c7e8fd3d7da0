using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Platen.Bench;

/// <summary>
/// Many open event streams of one server, read in turn by one thread without waking anything: every reader gets every event,
/// so waiting for the first and then for the next is as good as waiting for all, and costs one call a delivery.
/// </summary>
internal sealed class EventReaders : IDisposable
{
    private static readonly byte[] Mark = "\nevent: "u8.ToArray();
    private readonly List<Reader> readers = [];
    private readonly Socket control;
    private readonly byte[] buffer = new byte[64 * 1024];

    private EventReaders(IPEndPoint address) => control = Open(address);

    /// <summary>Events that every reader has.</summary>
    public int Received { get; private set; }

    /// <summary>Bytes that all readers together got, the transfer coding included.</summary>
    public long ReceivedBytes { get; private set; }

    /// <summary>Opens <c>GET /events</c> that often, each when the one before answers, from a revision on.</summary>
    public static EventReaders Connect(IPEndPoint address, int count, int after = 0)
    {
        var made = new EventReaders(address);
        for (var i = 0; i < count; i++)
        {
            var socket = Open(address);
            made.readers.Add(new Reader(socket));
            socket.Send(Encoding.ASCII.GetBytes($"GET /events?after={after} HTTP/1.1\r\nHost: bench\r\n\r\n"));
            made.ReadUntil(socket, "retry: 1000\n\n"u8);
        }
        return made;
    }

    /// <summary>Has the server push events and waits until every reader has them all.</summary>
    public TimeSpan Push(int events)
    {
        var started = Stopwatch.GetTimestamp();
        control.Send(
            Encoding.ASCII.GetBytes($"POST /push?events={events} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n")
        );
        Received += events;
        foreach (var reader in readers)
        {
            while (reader.Events < Received)
            {
                var read = Receive(reader.Socket);
                ReceivedBytes += read;
                reader.Count(buffer.AsSpan(0, read));
            }
        }
        var elapsed = Stopwatch.GetElapsedTime(started);
        ReadUntil(control, "\r\n\r\n"u8);
        return elapsed;
    }

    public void Dispose()
    {
        control.Dispose();
        foreach (var reader in readers)
            reader.Socket.Dispose();
    }

    private static Socket Open(IPEndPoint address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000 };
        socket.Connect(address);
        return socket;
    }

    private int Receive(Socket socket)
    {
        var read = socket.Receive(buffer);
        return read > 0 ? read : throw new InvalidOperationException("The server closed a stream.");
    }

    private void ReadUntil(Socket socket, ReadOnlySpan<byte> end)
    {
        var answer = new List<byte>();
        while (
            answer.Count < end.Length
            || System.Runtime.InteropServices.CollectionsMarshal.AsSpan(answer).IndexOf(end) < 0
        )
            answer.AddRange(buffer.AsSpan(0, Receive(socket)));
        if (!Encoding.ASCII.GetString([.. answer]).Contains(" 200 OK", StringComparison.Ordinal))
            throw new InvalidOperationException(Encoding.ASCII.GetString([.. answer]));
    }

    private sealed class Reader(Socket socket)
    {
        private int matched;

        public Socket Socket => socket;
        public int Events { get; private set; }

        public void Count(ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                if (matched == 0)
                {
                    var start = bytes.IndexOf(Mark[0]);
                    if (start < 0)
                        return;
                    bytes = bytes[start..];
                }
                // The mark begins with a character that is nowhere else in it: a mismatch never hides another beginning.
                if (bytes[0] != Mark[matched])
                {
                    matched = 0;
                    if (bytes[0] != Mark[0])
                        bytes = bytes[1..];
                    continue;
                }
                bytes = bytes[1..];
                if (++matched < Mark.Length)
                    continue;
                matched = 0;
                Events++;
            }
        }
    }
}

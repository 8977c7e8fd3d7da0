using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Platen.Platform.Http.RateLimits;

/// <summary>What Redis answered to one command.</summary>
/// <param name="Number">Of an integer.</param>
/// <param name="Text">Of a simple or bulk string, or of an error; null for a null.</param>
/// <param name="Items">Of an array.</param>
internal sealed record RespReply(long Number, string? Text, IReadOnlyList<RespReply>? Items, bool IsError);

/// <summary>Redis answered a command with an error; the connection is still good.</summary>
internal sealed class RespErrorException(string message) : Exception(message);

/// <summary>
/// One connection to Redis (RESP2, redis.io/docs/latest/develop/reference/protocol-spec), shared by all: commands of many callers are
/// under way at once and their answers come in order. When anything goes wrong it is broken for good, and every caller that
/// waits learns it. Thread-safe.
/// </summary>
/// <remarks>
/// <code>
/// command   *3 CRLF $3 CRLF GET CRLF …      an array of bulk strings
/// reply     +text | -error | :number | $length CRLF bytes | *count CRLF replies, each ended by CRLF; $-1 and *-1 are null
/// </code>
/// </remarks>
internal sealed class RespConnection : IAsyncDisposable
{
    /// <summary>Bytes of one bulk string that are accepted: our replies are two numbers.</summary>
    private const int MostBytes = 64 * 1024;

    /// <summary>Items of one array, and arrays within arrays, that are accepted.</summary>
    private const int MostItems = 1024;
    private const int MostDepth = 4;

    private readonly Stream stream;
    private readonly PipeReader reader;
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly ConcurrentQueue<TaskCompletionSource<RespReply>> waiting = new();
    private readonly Task reading;
    private volatile Exception? broken;

    private RespConnection(Stream stream)
    {
        this.stream = stream;
        reader = PipeReader.Create(stream);
        reading = ReadAsync();
    }

    /// <summary>Whether it can be used no more.</summary>
    public bool IsBroken => broken is not null;

    /// <summary>Connects, and presents the credential and chooses the database where the address has them.</summary>
    public static async Task<RespConnection> OpenAsync(RedisAddress address, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? opened = null;
        RespConnection connection;
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, ct);
            opened = new NetworkStream(socket, ownsSocket: true);
            if (address.Tls)
            {
                var tls = new SslStream(opened);
                opened = tls;
                await tls.AuthenticateAsClientAsync(
                    new SslClientAuthenticationOptions { TargetHost = address.Host },
                    ct
                );
            }
            connection = new RespConnection(opened);
        }
        catch
        {
            if (opened is not null)
                await opened.DisposeAsync();
            socket.Dispose();
            throw;
        }
        try
        {
            if (address.Password is { } password)
            {
                await connection.SendAsync(
                    address.User is { } user ? ["AUTH", user, password] : ["AUTH", password],
                    ct
                );
            }
            if (address.Database != 0)
                await connection.SendAsync(["SELECT", address.Database.ToString(CultureInfo.InvariantCulture)], ct);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends one command and returns its answer.</summary>
    /// <exception cref="RespErrorException">Redis refuses the command.</exception>
    /// <exception cref="IOException">The connection is broken.</exception>
    public async Task<RespReply> SendAsync(IReadOnlyList<string> command, CancellationToken ct)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        Write(buffer, command);
        return (await SendAsync(buffer.WrittenMemory, 1, ct))[0];
    }

    /// <summary>Sends commands in one go and returns their answers in order.</summary>
    /// <param name="commands">As <see cref="Write"/> writes them.</param>
    /// <param name="count">How many.</param>
    /// <param name="ct">Stops waiting; the answers then come to nobody.</param>
    public async Task<RespReply[]> SendAsync(ReadOnlyMemory<byte> commands, int count, CancellationToken ct)
    {
        var replies = new TaskCompletionSource<RespReply>[count];
        await writing.WaitAsync(ct);
        try
        {
            if (broken is { } reason)
                throw new IOException("The connection to Redis is broken.", reason);
            for (var i = 0; i < count; i++)
            {
                replies[i] = new TaskCompletionSource<RespReply>(TaskCreationOptions.RunContinuationsAsynchronously);
                waiting.Enqueue(replies[i]);
            }
            // Not cancelled: half a command would break the connection for everybody.
            await stream.WriteAsync(commands, CancellationToken.None);
        }
        catch (Exception e)
        {
            Break(e);
            throw;
        }
        finally
        {
            writing.Release();
        }
        // Between the look at the state and the queue the reader may have given up.
        if (broken is { } since)
            Break(since);
        var answers = new RespReply[count];
        for (var i = 0; i < count; i++)
            answers[i] = await replies[i].Task.WaitAsync(ct);
        return answers.FirstOrDefault(answer => answer.IsError) is { } error
            ? throw new RespErrorException(error.Text!)
            : answers;
    }

    /// <summary>Writes a command as Redis reads it.</summary>
    public static void Write(IBufferWriter<byte> buffer, IReadOnlyList<string> command)
    {
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"*{command.Count}\r\n"), buffer);
        foreach (var part in command)
        {
            var length = Encoding.UTF8.GetByteCount(part);
            Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"${length}\r\n{part}\r\n"), buffer);
        }
    }

    /// <summary>Ends it: whoever waits fails.</summary>
    public void Break(Exception reason)
    {
        broken ??= reason;
        stream.Dispose();
        while (waiting.TryDequeue(out var one))
            one.TrySetException(new IOException("The connection to Redis broke.", reason));
    }

    public async ValueTask DisposeAsync()
    {
        Break(new ObjectDisposedException(nameof(RespConnection)));
        await reading;
        writing.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync();
                var left = read.Buffer;
                while (TryParse(ref left, 0, out var reply))
                {
                    if (!waiting.TryDequeue(out var asked))
                        throw new InvalidDataException("Redis answered what nobody asked.");
                    asked.TrySetResult(reply);
                }
                reader.AdvanceTo(left.Start, left.End);
                if (read.IsCompleted)
                    throw new EndOfStreamException("Redis closed the connection.");
            }
        }
        catch (Exception e)
        {
            Break(e);
        }
    }

    /// <summary>Reads one reply from the front, or nothing when it has not arrived whole.</summary>
    /// <exception cref="InvalidDataException">It is no reply, or too large.</exception>
    internal static bool TryParse(ref ReadOnlySequence<byte> buffer, int depth, out RespReply reply)
    {
        reply = null!;
        var sequence = new SequenceReader<byte>(buffer);
        if (!sequence.TryReadTo(out ReadOnlySequence<byte> line, "\r\n"u8))
        {
            return buffer.Length <= MostBytes ? false : throw new InvalidDataException("A line of Redis does not end.");
        }
        if (line.IsEmpty)
            throw new InvalidDataException("Redis sent an empty line.");
        var kind = (char)line.FirstSpan[0];
        var text = Encoding.UTF8.GetString(line.Slice(1));
        switch (kind)
        {
            case '+':
            case '-':
                reply = new RespReply(0, text, null, IsError: kind == '-');
                break;
            case ':':
                reply = new RespReply(Number(text), null, null, false);
                break;
            case '$':
                var length = Number(text);
                if (length > MostBytes)
                    throw new InvalidDataException("Redis sent a text that is too large.");
                if (length < 0)
                {
                    reply = new RespReply(0, null, null, false);
                    break;
                }
                if (sequence.Remaining < length + 2)
                    return false;
                reply = new RespReply(
                    0,
                    Encoding.UTF8.GetString(sequence.UnreadSequence.Slice(0, length)),
                    null,
                    false
                );
                sequence.Advance(length + 2);
                break;
            case '*':
                var count = Number(text);
                if (count > MostItems || depth >= MostDepth)
                    throw new InvalidDataException("Redis sent a list that is too large.");
                var items = new List<RespReply>();
                var rest = sequence.UnreadSequence;
                for (var i = 0; i < count; i++)
                {
                    if (!TryParse(ref rest, depth + 1, out var item))
                        return false;
                    items.Add(item);
                }
                reply = new RespReply(0, null, items, false);
                buffer = rest;
                return true;
            default:
                throw new InvalidDataException("Redis sent something that is no reply.");
        }
        buffer = sequence.UnreadSequence;
        return true;
    }

    private static long Number(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new InvalidDataException("Redis sent a number that is none.");
}

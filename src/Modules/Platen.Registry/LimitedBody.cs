using System.Globalization;
using Platen.Platform.Http;

namespace Platen.Registry;

/// <summary>
/// A request's body that asks, each time it is longer than it may be, how long it may be now; the answer is no less than came so far, or
/// a problem, which ends it. So does a sender who is silent (<see cref="RegistryLimits.Silence"/>). Read forward and asynchronously.
/// </summary>
internal sealed class LimitedBody(
    Stream body,
    long limitBytes,
    TimeProvider clock,
    Func<long, CancellationToken, ValueTask<long>> raise
) : Stream
{
    private long limit = limitBytes;
    private long readBytes;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => readBytes;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // One around another leaves the waiting to that.
        var read =
            body is LimitedBody
                ? await body.ReadAsync(buffer, cancellationToken)
                : await ReadInTimeAsync(buffer, cancellationToken);
        readBytes += read;
        if (readBytes > limit)
            limit = await raise(readBytes, cancellationToken);
        return read;
    }

    private async ValueTask<int> ReadInTimeAsync(Memory<byte> buffer, CancellationToken ct)
    {
        using var silence = new CancellationTokenSource(RegistryLimits.Silence, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token);
        try
        {
            return await body.ReadAsync(buffer, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw HttpProblems
                .SlowRequest.Because(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"Nothing came for {RegistryLimits.Silence.TotalSeconds:0} seconds. What came before is kept."
                    )
                )
                .AsException();
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A request's body is read asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() { }
}

using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>A stream that is only read, forward and asynchronously.</summary>
internal abstract class ReadingStream : Stream
{
    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override ValueTask<int> ReadAsync(
        Memory<byte> buffer,
        CancellationToken cancellationToken = default
    );

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A blob is read asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() { }
}

/// <summary>
/// The innermost stream of every blob that is read: gives at most so many bytes, counts them, and turns the store's
/// failures into the documented ones.
/// </summary>
/// <param name="inner">The stored bytes, at the first to give; disposed with this stream.</param>
/// <param name="limitBytes">How many bytes to give at most.</param>
/// <param name="store">The store's name, for the metrics.</param>
/// <param name="isFailure">Whether an exception that reading threw is a failure of the store.</param>
/// <param name="translate">Makes the documented exception of such a failure.</param>
/// <param name="patience">How long one read may take.</param>
internal sealed class StoredStream(
    Stream inner,
    long limitBytes,
    string store,
    Func<Exception, bool> isFailure,
    Func<Exception, ProblemException> translate,
    TimeSpan patience
) : ReadingStream
{
    private long remaining = limitBytes;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (remaining == 0)
            return 0;
        if (buffer.Length > remaining)
            buffer = buffer[..(int)remaining];
        try
        {
            var read = await ReadPatientlyAsync(buffer, cancellationToken);
            remaining -= read;
            BlobMetrics.BytesRead(store, read);
            return read;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && isFailure(e))
        {
            throw translate(e);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await inner.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadPatientlyAsync(Memory<byte> buffer, CancellationToken ct)
    {
        if (patience == Timeout.InfiniteTimeSpan)
            return await inner.ReadAsync(buffer, ct);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limited.CancelAfter(patience);
        return await inner.ReadAsync(buffer, limited.Token);
    }
}

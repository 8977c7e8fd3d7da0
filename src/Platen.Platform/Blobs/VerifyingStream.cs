using System.Buffers;
using System.Security.Cryptography;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>
/// Reads a blob and hashes it on the way. The read that would hand out the last byte compares the digest first, so that a
/// reader never has a whole wrong blob: it gets an exception in place of the end.
/// </summary>
/// <param name="inner">The stored bytes, at their beginning; disposed with this stream.</param>
/// <param name="sizeBytes">How many bytes the store says there are.</param>
/// <param name="owner">Whose blob it is.</param>
/// <param name="digest">What the bytes must hash to.</param>
/// <param name="corrupt">Told once when they do not; sets the bytes aside.</param>
internal sealed class VerifyingStream(
    Stream inner,
    long sizeBytes,
    OwnerId owner,
    Digest digest,
    Func<string, Task> corrupt
) : ReadingStream
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long readBytes;
    private bool proven;
    private BlobCorruptException? failure;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (failure is not null)
            throw failure;
        if (buffer.Length == 0 || proven)
            return 0;
        var read = await inner.ReadAsync(buffer, cancellationToken);
        hash.AppendData(buffer.Span[..read]);
        readBytes += read;
        if (read > 0 && readBytes < sizeBytes)
            return read;
        var reason = readBytes == sizeBytes ? Compare() : $"{readBytes} bytes where {sizeBytes} were stored";
        if (reason is null)
        {
            proven = true;
            return read;
        }
        buffer.Span[..read].Clear();
        failure = new BlobCorruptException(owner, digest, reason);
        await corrupt(reason);
        throw failure;
    }

    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlobLimits.CopyBytes);
        try
        {
            int read;
            while ((read = await ReadAsync(buffer, cancellationToken)) > 0)
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        hash.Dispose();
        await inner.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            hash.Dispose();
            inner.Dispose();
        }
        base.Dispose(disposing);
    }

    private string? Compare()
    {
        Span<byte> actual = stackalloc byte[Digest.SizeBytes];
        hash.GetCurrentHash(actual);
        return actual.SequenceEqual(digest.Bytes) ? null : $"they hash to {new Digest(actual)}";
    }
}

using System.Security.Cryptography;
using Platen.Kernel;

namespace Platen.Testing.Child;

/// <summary>So many bytes that follow from a seed, made while they are read; tells when half of them were.</summary>
public sealed class PatternStream(int seed, long sizeBytes, Action? atHalf = null) : Stream
{
    private readonly Random random = new(seed);
    private long given;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => sizeBytes;

    public override long Position
    {
        get => given;
        set => throw new NotSupportedException();
    }

    /// <summary>The digest of all of them.</summary>
    public static Digest DigestOf(int seed, long sizeBytes)
    {
        using var bytes = new PatternStream(seed, sizeBytes);
        return new Digest(SHA256.HashData(bytes));
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        var length = (int)Math.Min(count, sizeBytes - given);
        // A seeded Random draws once a byte, so the bytes do not depend on how they are asked for.
        random.NextBytes(buffer.AsSpan(offset, length));
        if (given < sizeBytes / 2 && given + length >= sizeBytes / 2)
            atHalf?.Invoke();
        given += length;
        return length;
    }

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

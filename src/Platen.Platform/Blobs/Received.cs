using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>What came out of the stream of a put.</summary>
/// <param name="SizeBytes">How many bytes were read: more than allowed when reading stopped for that.</param>
/// <param name="Digest">The digest of what was read, when all of it was.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Received(long SizeBytes, Digest Digest)
{
    /// <summary>Bytes that may be read of a content of which <paramref name="declaredBytes"/> were declared.</summary>
    public static long Limit(long? declaredBytes) => declaredBytes ?? BlobLimits.BlobBytes;

    public static Received Of(long sizeBytes, IncrementalHash hash)
    {
        Span<byte> sha256 = stackalloc byte[Digest.SizeBytes];
        hash.GetHashAndReset(sha256);
        return new Received(sizeBytes, new Digest(sha256));
    }

    /// <summary>Why the content is not the blob it was declared to be, or null when it is.</summary>
    public PutOutcome? Refusal(Digest declared, long? declaredBytes)
    {
        if (declaredBytes is null && SizeBytes > BlobLimits.BlobBytes)
            return new PutOutcome.TooLarge(BlobLimits.BlobBytes);
        if (declaredBytes is { } bytes && SizeBytes != bytes)
            return new PutOutcome.WrongSize(SizeBytes);
        return Digest == declared ? null : new PutOutcome.WrongDigest(Digest);
    }
}

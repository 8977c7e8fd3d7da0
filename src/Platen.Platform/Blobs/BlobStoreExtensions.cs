using System.Runtime.InteropServices;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>What can be said with any store's members, for blobs that fit into memory.</summary>
public static class BlobStoreExtensions
{
    /// <summary>Reads a whole blob and proves its digest before returning any of it.</summary>
    /// <param name="store">The store.</param>
    /// <param name="owner">Whose blob it is.</param>
    /// <param name="digest">Its digest.</param>
    /// <param name="maxBytes">The largest blob to read, in bytes; a larger one is not read.</param>
    /// <param name="ct">Ends the operation.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unavailable"/>: the store does not work.</exception>
    public static async Task<ReadOutcome> ReadAllAsync(
        this IBlobStore store,
        OwnerId owner,
        Digest digest,
        int maxBytes,
        CancellationToken ct
    )
    {
        switch (await store.OpenAsync(owner, digest, ct))
        {
            case OpenOutcome.Missing:
                return new ReadOutcome.Missing();
            case OpenOutcome.Corrupt:
                return new ReadOutcome.Corrupt();
            case OpenOutcome.Found found:
                await using (found.Content)
                {
                    if (found.SizeBytes > maxBytes)
                        return new ReadOutcome.TooLarge(found.SizeBytes);
                    try
                    {
                        var bytes = new byte[found.SizeBytes];
                        await found.Content.ReadExactlyAsync(bytes, ct);
                        // An empty blob is proven by reading its end.
                        if (bytes.Length == 0)
                            await found.Content.CopyToAsync(Stream.Null, ct);
                        return new ReadOutcome.Read(bytes);
                    }
                    catch (BlobCorruptException)
                    {
                        return new ReadOutcome.Corrupt();
                    }
                }
            default:
                throw new InvalidOperationException("Opening a whole blob has no other outcome.");
        }
    }

    /// <summary>Stores bytes that are in memory and returns their digest.</summary>
    /// <exception cref="ArgumentException">There are more than <see cref="BlobLimits.BlobBytes"/>.</exception>
    /// <exception cref="ProblemException"><see cref="KernelProblems.StorageFull"/> or <see cref="KernelProblems.Unavailable"/>.</exception>
    public static async Task<Digest> PutBytesAsync(
        this IBlobStore store,
        OwnerId owner,
        ReadOnlyMemory<byte> bytes,
        CancellationToken ct
    )
    {
        var digest = Digest.Of(bytes.Span);
        var array = MemoryMarshal.TryGetArray(bytes, out var segment)
            ? segment
            : new ArraySegment<byte>(bytes.ToArray());
        using var content = new MemoryStream(array.Array!, array.Offset, array.Count, writable: false);
        return await store.PutAsync(owner, digest, bytes.Length, content, ct) switch
        {
            PutOutcome.Stored or PutOutcome.AlreadyStored => digest,
            var refused => throw new ArgumentException(
                $"The bytes changed while they were stored: {refused}.",
                nameof(bytes)
            ),
        };
    }

    /// <summary>Refuses a store whose bytes do not rest in <paramref name="region"/>, or that cannot prove it.</summary>
    /// <exception cref="BlobLocationException">The store is elsewhere, or has no region.</exception>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unavailable"/>: the store does not answer.</exception>
    public static async Task RequireRegionAsync(this IBlobStore store, string region, CancellationToken ct)
    {
        var actual = await store.GetRegionAsync(ct);
        if (actual is null)
        {
            throw new BlobLocationException(
                $"Blobs must rest in region '{region}', but {store.Location} cannot prove a region: use an s3: location."
            );
        }
        if (!string.Equals(actual, region, StringComparison.Ordinal))
        {
            throw new BlobLocationException(
                $"Blobs must rest in region '{region}', but the bucket of {store.Location} is in '{actual}'."
            );
        }
    }
}

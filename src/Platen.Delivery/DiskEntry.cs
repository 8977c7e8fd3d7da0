using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>
/// What the disk cache holds for a key: an instance as its channel showed it, with its manifest and its bytes, or the bytes of a single
/// file. One file, so that an instance is there whole or not at all:
/// <code>
/// "PLATENC1"                          8 bytes
/// length of the header                4 bytes, little-endian
/// SHA-256 of the header              32 bytes
/// header                              JSON: Head
/// manifest, then each blob            as long as the header says; each verified against its digest
/// </code>
/// </summary>
/// <param name="Key">The cache's key.</param>
/// <param name="Owner">Whose it is.</param>
/// <param name="Revision">Of the channel; 0 for a file.</param>
/// <param name="Release">The digest of the manifest; for a file, of its bytes.</param>
/// <param name="MovedAt">When the channel moved.</param>
/// <param name="Manifest">The release's manifest; empty for a file.</param>
/// <param name="Blobs">The bytes by digest.</param>
internal sealed record DiskEntry(
    string Key,
    OwnerId Owner,
    long Revision,
    Digest Release,
    DateTimeOffset MovedAt,
    ReadOnlyMemory<byte> Manifest,
    IReadOnlyDictionary<Digest, ReadOnlyMemory<byte>> Blobs
)
{
    private const int HashLength = SHA256.HashSizeInBytes;
    private const int Prefix = 8 + sizeof(int) + HashLength;
    private static readonly byte[] Magic = "PLATENC1"u8.ToArray();

    /// <summary>The key of one file of an instance: a former artifact by its name, a variant by its digest.</summary>
    public static string FileKey(OwnerId owner, string instance, string name) => $"{owner}/{instance}/{name}";

    /// <summary>An entry of one file.</summary>
    public static DiskEntry OfFile(string key, OwnerId owner, Digest digest, ReadOnlyMemory<byte> bytes) =>
        new(
            key,
            owner,
            0,
            digest,
            DateTimeOffset.UnixEpoch,
            default,
            new Dictionary<Digest, ReadOnlyMemory<byte>> { [digest] = bytes }
        );

    /// <summary>An instance with those of its bytes that are in memory.</summary>
    public static DiskEntry Of(PublishedInstance instance, ReadOnlyMemory<byte> manifest)
    {
        var blobs = new Dictionary<Digest, ReadOnlyMemory<byte>>();
        foreach (var variant in instance.Variants)
        {
            if (variant.Bytes is { } bytes)
                blobs[variant.Digest] = bytes;
        }
        return new DiskEntry(
            instance.Id.ToString(),
            instance.Owner,
            instance.Revision,
            instance.Release,
            instance.MovedAt,
            manifest,
            blobs
        );
    }

    /// <summary>As it is written.</summary>
    public byte[] ToBytes()
    {
        var head = JsonSerializer.SerializeToUtf8Bytes(
            new Head(
                Key,
                Owner.Value,
                Revision,
                Release.ToString(),
                MovedAt,
                Manifest.Length,
                [.. Blobs.Select(blob => new HeadBlob(blob.Key.ToString(), blob.Value.Length))]
            ),
            DiskJson.Default.Head
        );
        var bytes = new byte[Prefix + head.Length + Manifest.Length + Blobs.Values.Sum(blob => blob.Length)];
        Magic.CopyTo(bytes, 0);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), head.Length);
        SHA256.HashData(head, bytes.AsSpan(8 + sizeof(int)));
        var at = Prefix;
        Append(head);
        Append(Manifest.Span);
        foreach (var blob in Blobs.Values)
            Append(blob.Span);
        return bytes;

        void Append(ReadOnlySpan<byte> part)
        {
            part.CopyTo(bytes.AsSpan(at));
            at += part.Length;
        }
    }

    /// <summary>Reads whose entry a file is, and of which revision; false when it does not say, or cannot be read.</summary>
    public static bool TryReadHead(string path, out DiskHead head)
    {
        head = default;
        try
        {
            using var file = File.OpenRead(path);
            var prefix = new byte[Prefix];
            if (
                file.ReadAtLeast(prefix, Prefix, throwOnEndOfStream: false) < Prefix
                || !prefix.AsSpan().StartsWith(Magic)
            )
                return false;
            var length = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(8));
            if (length < 0 || length > file.Length - Prefix)
                return false;
            var bytes = new byte[length];
            file.ReadExactly(bytes);
            if (!SHA256.HashData(bytes).AsSpan().SequenceEqual(prefix.AsSpan(8 + sizeof(int), HashLength)))
                return false;
            var read = JsonSerializer.Deserialize(bytes, DiskJson.Default.Head)!;
            head = new DiskHead(read.Key, new OwnerId(read.Owner), read.Revision);
            return true;
        }
        // Whoever asks for it next finds out, and removes it.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads what was written for <paramref name="key"/>; false when one bit of it is not as it was.</summary>
    public static bool TryRead(string key, ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out DiskEntry? entry)
    {
        entry = null;
        var span = bytes.Span;
        if (span.Length < Prefix || !span.StartsWith(Magic))
            return false;
        var length = BinaryPrimitives.ReadInt32LittleEndian(span[8..]);
        if (length < 0 || length > span.Length - Prefix)
            return false;
        var head = span.Slice(Prefix, length);
        if (!SHA256.HashData(head).AsSpan().SequenceEqual(span.Slice(8 + sizeof(int), HashLength)))
            return false;
        // The hash vouches for what follows: this program wrote it.
        var read = JsonSerializer.Deserialize(head, DiskJson.Default.Head)!;
        var at = Prefix + length;
        if (read.Key != key || span.Length != at + read.ManifestBytes + read.Blobs.Sum(blob => (long)blob.SizeBytes))
            return false;
        var manifest = bytes.Slice(at, read.ManifestBytes);
        at += read.ManifestBytes;
        var release = Digest.Parse(read.Release);
        if (read.ManifestBytes > 0 && Digest.Of(manifest.Span) != release)
            return false;
        var blobs = new Dictionary<Digest, ReadOnlyMemory<byte>>(read.Blobs.Length);
        foreach (var blob in read.Blobs)
        {
            var part = bytes.Slice(at, blob.SizeBytes);
            at += blob.SizeBytes;
            var digest = Digest.Parse(blob.Digest);
            if (Digest.Of(part.Span) != digest)
                return false;
            blobs[digest] = part;
        }
        entry = new DiskEntry(key, new OwnerId(read.Owner), read.Revision, release, read.MovedAt, manifest, blobs);
        return true;
    }
}

/// <summary>Whose an entry is.</summary>
/// <param name="Key">Its key: a public id, or <see cref="DiskEntry.FileKey"/>.</param>
/// <param name="Owner">The owner.</param>
/// <param name="Revision">Of the channel; 0 for a file.</param>
internal readonly record struct DiskHead(string Key, OwnerId Owner, long Revision)
{
    /// <summary>The public id, also of a file's key.</summary>
    public string Instance => Key.Split('/') is [_, var instance, ..] ? instance : Key;

    /// <summary>Whether it is a file of an instance.</summary>
    public bool IsFile => Key.Contains('/', StringComparison.Ordinal);
}

internal sealed record Head(
    string Key,
    Guid Owner,
    long Revision,
    string Release,
    DateTimeOffset MovedAt,
    int ManifestBytes,
    HeadBlob[] Blobs
);

internal sealed record HeadBlob(string Digest, int SizeBytes);

[JsonSerializable(typeof(Head))]
internal sealed partial class DiskJson : JsonSerializerContext;

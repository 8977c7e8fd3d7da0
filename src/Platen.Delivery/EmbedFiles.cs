using System.Collections.Frozen;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>
/// What pages elsewhere load to show a widget, as the build made it:
/// <code>
/// /embed/v1/loader.js       the loader of this server; a page that is to stay current names this
/// /embed/{hash}/loader.js   the loader with that SHA-256, of this server or of a former one; never another
/// /embed/v1/manifest.json   where the second is, and its integrity value
/// </code>
/// </summary>
internal static class EmbedFiles
{
    public const string Prefix = "/embed/";

    /// <summary>Of the messages between a loader and a page; <c>web/loader/src/protocol.ts</c>.</summary>
    private const int Protocol = 1;

    private const string JavaScript = "text/javascript; charset=utf-8";
    private const string Kept = "embed/kept/";

    /// <summary>Every address, and whether what is there can ever be something else.</summary>
    private static readonly FrozenDictionary<string, EmbedFile> Files = Read();

    /// <summary>What is at an address, or null.</summary>
    public static EmbedFile? Find(string path) => Files.GetValueOrDefault(path);

    private static FrozenDictionary<string, EmbedFile> Read()
    {
        var files = new Dictionary<string, EmbedFile>(StringComparer.Ordinal);
        var source = Resource("embed/loader.js");
        var loader = Asset(JavaScript, source, Resource("embed/loader.js.br"), Resource("embed/loader.js.gz"));
        var pinned = PinnedPath(source);
        files.Add("/embed/v1/loader.js", new EmbedFile(loader, Immutable: false));
        files.Add(pinned, new EmbedFile(loader, Immutable: true));
        foreach (var name in typeof(EmbedFiles).Assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(Kept, StringComparison.Ordinal))
                continue;
            var former = Resource(name);
            // The file of the current one may be kept already.
            files.TryAdd(PinnedPath(former), new EmbedFile(Compressed(JavaScript, former), Immutable: true));
        }
        var manifest = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                protocol = Protocol,
                loader = new
                {
                    current = "/embed/v1/loader.js",
                    pinned,
                    integrity = "sha384-" + Convert.ToBase64String(SHA384.HashData(source)),
                    sizeBytes = source.Length,
                    brotliBytes = loader.Brotli!.SizeBytes,
                    gzipBytes = loader.Gzip!.SizeBytes,
                },
            }
        );
        files.Add("/embed/v1/manifest.json", new EmbedFile(Compressed("application/json", manifest), Immutable: false));
        return files.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static string PinnedPath(byte[] source) => $"{Prefix}{Digest.Of(source).Hex}/loader.js";

    private static Asset Asset(string contentType, byte[] identity, byte[] brotli, byte[] gzip) =>
        new()
        {
            Identity = Variant(contentType, identity, ContentCoding.Identity),
            Brotli = Variant(contentType, brotli, ContentCoding.Brotli),
            Gzip = Variant(contentType, gzip, ContentCoding.Gzip),
        };

    private static Asset Compressed(string contentType, byte[] bytes) =>
        Asset(
            contentType,
            bytes,
            Compress(bytes, packed => new BrotliStream(packed, CompressionLevel.SmallestSize)),
            Compress(bytes, packed => new GZipStream(packed, CompressionLevel.SmallestSize))
        );

    private static Variant Variant(string contentType, byte[] bytes, ContentCoding coding) =>
        new(OwnerId.Platform, Digest.Of(bytes), bytes.Length, coding) { ContentType = contentType, Bytes = bytes };

    private static byte[] Compress(byte[] bytes, Func<Stream, Stream> coding)
    {
        using var packed = new MemoryStream();
        using (var stream = coding(packed))
            stream.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Resource(string name)
    {
        using var stream = typeof(EmbedFiles).Assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

/// <param name="Asset">In each coding, in memory.</param>
/// <param name="Immutable">Whether its address names its bytes.</param>
internal sealed record EmbedFile(Asset Asset, bool Immutable);

using System.Buffers;
using System.Formats.Tar;
using System.IO.Compression;
using Platen.Kernel;
using Platen.Platform.Blobs;

namespace Platen.Platform.Releases;

/// <summary>
/// A release's files as one archive, written as they are read: nothing is gathered in memory or on disk. The same release gives the same
/// entries in the same order, with the time of the release.
/// </summary>
public static class ReleaseArchive
{
    // Permissions of what a release holds: no program of it starts by itself.
    private const UnixFileMode Mode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>
    /// A path that leads out of the folder an archive is unpacked into, or that some system cannot have; null when there is none. What was
    /// pushed by an OCI client names its files as it likes.
    /// </summary>
    public static string? UnsafePath(ReleaseManifest manifest) =>
        manifest.Files.Select(file => file.Path).FirstOrDefault(path => !IsSafe(path));

    /// <summary>Writes a zip archive (PKWARE APPNOTE 6.3.10), to a stream that need not seek.</summary>
    /// <param name="target">Where to; left open.</param>
    /// <param name="blobs">Where the bytes are.</param>
    /// <param name="owner">Whose release it is.</param>
    /// <param name="manifest">The release; its paths are safe.</param>
    /// <param name="at">The time of every entry.</param>
    /// <param name="ct">Cancels; what was written is no archive then.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unavailable"/>: bytes of the release cannot be read.</exception>
    public static async Task WriteZipAsync(
        Stream target,
        IBlobStore blobs,
        OwnerId owner,
        ReleaseManifest manifest,
        DateTimeOffset at,
        CancellationToken ct
    )
    {
        await using var late = new LateStream(target);
        await using (var zip = await ZipArchive.CreateAsync(late, ZipArchiveMode.Create, leaveOpen: true, null, ct))
        {
            foreach (var file in manifest.Files)
            {
                await using var content = await OpenAsync(blobs, owner, file, ct);
                var entry = zip.CreateEntry(file.Path, CompressionLevel.Fastest);
                entry.LastWriteTime = at;
                entry.ExternalAttributes = (int)Mode << 16;
                await using var to = await entry.OpenAsync(ct);
                await content.CopyToAsync(to, ct);
            }
        }
        await late.FlushAsync(ct);
    }

    /// <summary>Writes a tar archive (POSIX.1-2001 pax), to a stream that need not seek.</summary>
    /// <remarks>Parameters and exceptions are those of <see cref="WriteZipAsync"/>.</remarks>
    public static async Task WriteTarAsync(
        Stream target,
        IBlobStore blobs,
        OwnerId owner,
        ReleaseManifest manifest,
        DateTimeOffset at,
        CancellationToken ct
    )
    {
        await using var tar = new TarWriter(target, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var file in manifest.Files)
        {
            await using var content = await OpenAsync(blobs, owner, file, ct);
            var entry = new PaxTarEntry(TarEntryType.RegularFile, file.Path)
            {
                ModificationTime = at,
                Mode = Mode,
                DataStream = new SizedStream(content, file.SizeBytes),
            };
            await tar.WriteEntryAsync(entry, ct);
        }
    }

    private static async Task<Stream> OpenAsync(
        IBlobStore blobs,
        OwnerId owner,
        ReleaseFile file,
        CancellationToken ct
    ) =>
        await blobs.OpenAsync(owner, file.Digest, ct) is OpenOutcome.Found found && found.SizeBytes == file.SizeBytes
            ? found.Content
            : throw KernelProblems
                .Unavailable.Because($"The bytes of '{file.Path}' ({file.Digest}) are not in the store.")
                .AsException();

    private static bool IsSafe(string path) =>
        path.Length > 0
        && path[0] != '/'
        && !path.Contains('\\', StringComparison.Ordinal)
        && !path.Any(char.IsControl)
        && !(path.Length > 1 && path[1] == ':')
        && path.Split('/').All(part => part is not ("" or "." or ".."));

    /// <summary>
    /// Lets the end of an entry, some kilobytes that the framework writes synchronously, wait for the next write that does not.
    /// </summary>
    private sealed class LateStream(Stream inner) : Stream
    {
        private readonly ArrayBufferWriter<byte> late = new();

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => late.Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer) => late.Write(buffer);

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            await FlushAsync(cancellationToken);
            await inner.WriteAsync(buffer, cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() { }

        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            if (late.WrittenCount == 0)
                return;
            await inner.WriteAsync(late.WrittenMemory, cancellationToken);
            late.ResetWrittenCount();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }

    /// <summary>A stream of known length: an entry's header says it before the bytes are read.</summary>
    private sealed class SizedStream(Stream inner, long lengthBytes) : Stream
    {
        private long position;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => lengthBytes;

        public override long Position
        {
            get => position;
            set => throw new NotSupportedException("It is read once, from the beginning.");
        }

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            position += read;
            return read;
        }

        public override Task<int> ReadAsync(
            byte[] buffer,
            int offset,
            int count,
            CancellationToken cancellationToken
        ) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) =>
            throw new NotSupportedException("It is read asynchronously.");

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) =>
            throw new NotSupportedException("It is read once, from the beginning.");

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

using Platen.Kernel;

namespace Platen.Platform.Blobs;

public sealed partial class FileBlobStore
{
    /// <summary>Files that are open at once: a process may have a thousand, and several batches are under way.</summary>
    private const int BatchFiles = 128;

    public Task PutAllAsync(OwnerId owner, IReadOnlyCollection<BlobBytes> blobs, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "put_all",
            async () =>
            {
                foreach (var some in blobs.Chunk(BatchFiles))
                    await PutBatchAsync(owner, some, ct);
                return true;
            }
        );

    /// <summary>
    /// As <see cref="PutBlobAsync"/> for each, step by step for all of them: the disk has begun with the last before the first is waited
    /// for, so that they share two commits of its journal and do not take two each.
    /// </summary>
    private async Task PutBatchAsync(OwnerId owner, BlobBytes[] blobs, CancellationToken ct)
    {
        var coming = new List<(Digest Digest, string Temporary, FileStream File)>();
        try
        {
            foreach (var (digest, bytes) in blobs)
            {
                if (Digest.Of(bytes.Span) != digest)
                    throw new ArgumentException($"The bytes are {Digest.Of(bytes.Span)}, not {digest}.", nameof(blobs));
                if (await IsIntactAsync(owner, digest, ct))
                    continue;
                var temporary = At(BlobPaths.Incoming(owner, UploadId.New(clock)));
                var file = OnDisk(() => Create(temporary));
                coming.Add((digest, temporary, file));
                await WriteAsync(file, bytes, ct);
            }
            await WaitForDiskAsync(() =>
            {
                foreach (var one in coming)
                    DurableFolder.BeginWriting(one.File.SafeFileHandle);
                foreach (var one in coming)
                    MakeDurable(one.File);
            });
            var folders = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (digest, temporary, file) in coming)
            {
                await file.DisposeAsync();
                await MoveIntoPlaceAsync(temporary, owner, digest, ct);
                folders.Add(Path.GetDirectoryName(At(BlobPaths.Blob(owner, digest)))!);
            }
            await WaitForDiskAsync(() =>
            {
                foreach (var folder in folders)
                    DurableFolder.Sync(folder);
            });
        }
        finally
        {
            foreach (var (_, temporary, file) in coming)
            {
                await file.DisposeAsync();
                OnDisk(() => DeleteFile(temporary));
            }
        }
    }
}

using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

// Resumable uploads. Whoever appends or completes holds the file's advisory lock, which ends with the process, so two
// nodes on one folder exclude each other as two requests do.
public sealed partial class FileBlobStore
{
    public Task<BeginUploadOutcome> BeginUploadAsync(OwnerId owner, CancellationToken ct) =>
        BlobMetrics.MeasureAsync<BeginUploadOutcome>(
            Name,
            "begin_upload",
            async () =>
            {
                if (SubfoldersOf(At(BlobPaths.UploadsOf(owner))).Length >= BlobLimits.OpenUploads)
                    return new BeginUploadOutcome.TooMany(BlobLimits.OpenUploads);
                var id = UploadId.New(clock);
                var startedAt = Encoding.ASCII.GetBytes(clock.GetUtcNow().ToString("O", CultureInfo.InvariantCulture));
                await using (var file = OnDisk(() => Create(At(BlobPaths.UploadStartedAt(owner, id)))))
                    await WriteAsync(file, startedAt, ct);
                await using (OnDisk(() => Create(At(BlobPaths.UploadBytes(owner, id)))))
                    return new BeginUploadOutcome.Begun(id);
            }
        );

    public Task<AppendOutcome> AppendAsync(
        OwnerId owner,
        UploadId id,
        long offset,
        Stream content,
        CancellationToken ct
    ) =>
        BlobMetrics.MeasureAsync<AppendOutcome>(
            Name,
            "append",
            async () =>
            {
                var (state, opened) = Lock(owner, id);
                if (opened is null)
                    return state == UploadState.Busy ? new AppendOutcome.Busy() : new AppendOutcome.Missing();
                await using var file = opened;
                if (file.Length != offset)
                    return new AppendOutcome.WrongOffset(file.Length);
                file.Position = offset;
                if (!await AppendContentAsync(file, content, ct))
                    return new AppendOutcome.TooLarge(BlobLimits.BlobBytes);
                return OnDisk(() => File.Exists(file.Name))
                    ? new AppendOutcome.Appended(file.Length)
                    : new AppendOutcome.Missing();
            }
        );

    public Task<long?> GetUploadOffsetAsync(OwnerId owner, UploadId id, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "get_upload",
            () =>
                Task.FromResult(
                    OnDisk(() =>
                    {
                        var file = new FileInfo(At(BlobPaths.UploadBytes(owner, id)));
                        return file.Exists ? file.Length : (long?)null;
                    })
                )
        );

    public Task<CompleteUploadOutcome> CompleteUploadAsync(
        OwnerId owner,
        UploadId id,
        Digest digest,
        CancellationToken ct
    ) =>
        BlobMetrics.MeasureAsync<CompleteUploadOutcome>(
            Name,
            "complete_upload",
            async () =>
            {
                var (state, opened) = Lock(owner, id);
                if (opened is null)
                {
                    return state == UploadState.Busy
                        ? new CompleteUploadOutcome.Busy()
                        : new CompleteUploadOutcome.Missing();
                }
                var received = At(BlobPaths.Incoming(owner, UploadId.New(clock)));
                long size;
                await using (opened)
                {
                    var actual = await OnDiskAsync(async () => new Digest(await SHA256.HashDataAsync(opened, ct)));
                    if (actual != digest)
                    {
                        RemoveUpload(owner, id);
                        return new CompleteUploadOutcome.WrongDigest(actual);
                    }
                    size = opened.Length;
                    if (await IsIntactAsync(owner, digest, ct))
                    {
                        RemoveUpload(owner, id);
                        return new CompleteUploadOutcome.Completed(size, New: false);
                    }
                    await WaitForDiskAsync(() => MakeDurable(opened));
                    // The lock is the file's, wherever it is: it ends before readers can find the file, and nobody can append any more.
                    OnDisk(() => Rename(opened.Name, received));
                }
                try
                {
                    var isNew = await PublishAsync(received, owner, digest, ct);
                    RemoveUpload(owner, id);
                    return new CompleteUploadOutcome.Completed(size, isNew);
                }
                catch
                {
                    OnDisk(() => PutBack(received, At(BlobPaths.UploadBytes(owner, id))));
                    throw;
                }
            }
        );

    public Task<bool> AbortUploadAsync(OwnerId owner, UploadId id, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "abort_upload",
            () =>
            {
                var isThere = OnDisk(() => File.Exists(At(BlobPaths.UploadBytes(owner, id))));
                RemoveUpload(owner, id);
                return Task.FromResult(isThere);
            }
        );

    /// <summary>Appends until the content ends (true) or the blob would become too large (false).</summary>
    private async Task<bool> AppendContentAsync(FileStream file, Stream content, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlobLimits.CopyBytes);
        try
        {
            int read;
            while ((read = await content.ReadAsync(buffer, ct)) > 0)
            {
                if (file.Position + read > BlobLimits.BlobBytes)
                    return false;
                await WriteAsync(file, buffer.AsMemory(0, read), ct);
            }
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private (UploadState State, FileStream? File) Lock(OwnerId owner, UploadId id) =>
        OnDisk(() =>
        {
            try
            {
                var file = new FileStream(
                    At(BlobPaths.UploadBytes(owner, id)),
                    new FileStreamOptions
                    {
                        Mode = FileMode.Open,
                        Access = FileAccess.ReadWrite,
                        Share = FileShare.None,
                        BufferSize = 0,
                        Options = FileOptions.Asynchronous,
                    }
                );
                // A completion has taken it away between the opening and the lock.
                if (!File.Exists(file.Name))
                {
                    file.Dispose();
                    return (UploadState.Missing, null);
                }
                return (UploadState.Open, (FileStream?)file);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return (UploadState.Missing, null);
            }
            catch (IOException e) when (DiskErrors.IsLocked(e))
            {
                return (UploadState.Busy, null);
            }
        });

    private static void Rename(string from, string to)
    {
        DurableFolder.Ensure(Path.GetDirectoryName(to)!);
        File.Move(from, to);
    }

    private static void PutBack(string from, string to)
    {
        if (File.Exists(from) && Directory.Exists(Path.GetDirectoryName(to)))
            File.Move(from, to);
    }

    private void RemoveUpload(OwnerId owner, UploadId id) =>
        OnDisk(() =>
        {
            try
            {
                Directory.Delete(At(BlobPaths.Upload(owner, id)), recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
                // Another node removed it first.
            }
        });

    private int SweepUploads(OwnerId owner)
    {
        var swept = 0;
        foreach (var folder in SubfoldersOf(At(BlobPaths.UploadsOf(owner))))
        {
            if (!UploadId.TryParse(Path.GetFileName(folder), null, out var id))
                continue;
            if (clock.GetUtcNow() - StartOf(owner, id) <= BlobLimits.UploadAge)
                continue;
            RemoveUpload(owner, id);
            swept++;
        }
        return swept;
    }

    // A crash between making the folder and writing the time leaves an empty file: the id knows the time as well.
    private DateTimeOffset StartOf(OwnerId owner, UploadId id) =>
        OnDisk(() =>
        {
            try
            {
                var text = File.ReadAllText(At(BlobPaths.UploadStartedAt(owner, id)));
                return UploadTime.Parse(text) ?? UploadTime.Of(id);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return UploadTime.Of(id);
            }
        });

    private int SweepIncoming(OwnerId owner) =>
        DeleteOld(
            At(BlobPaths.IncomingOf(owner)),
            file => UploadId.TryParse(file.Name, null, out var id) ? UploadTime.Of(id) : null,
            BlobLimits.UploadAge
        );

    /// <summary>What a crash caught on its way out goes back, where no other has taken its place: the next removal decides.</summary>
    private void PutBackRemoving(OwnerId owner) =>
        OnDisk(() =>
        {
            var folder = new DirectoryInfo(At(BlobPaths.RemovingOf(owner)));
            if (!folder.Exists)
                return;
            foreach (var file in folder.EnumerateFiles())
            {
                if (!Digest.TryParseHex(file.Name, out var digest))
                    continue;
                var place = At(BlobPaths.Blob(owner, digest));
                DurableFolder.Ensure(Path.GetDirectoryName(place)!);
                if (File.Exists(place))
                    DeleteFile(file.FullName);
                else
                    File.Move(file.FullName, place);
            }
        });

    private int SweepQuarantine(OwnerId owner)
    {
        var swept = 0;
        foreach (var folder in SubfoldersOf(At(BlobPaths.QuarantineOf(owner))))
            swept += DeleteOld(folder, file => TimeOf(file), BlobLimits.QuarantineAge);
        return swept;
    }

    private int DeleteOld(string folder, Func<FileInfo, DateTimeOffset?> timeOf, TimeSpan age) =>
        OnDisk(() =>
        {
            var swept = 0;
            if (!Directory.Exists(folder))
                return swept;
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
            {
                if (timeOf(file) is not { } time || clock.GetUtcNow() - time <= age)
                    continue;
                DeleteFile(file.FullName);
                swept++;
            }
            return swept;
        });

    private enum UploadState
    {
        Open,
        Busy,
        Missing,
    }
}

using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

/// <summary>
/// Keeps blobs as files in one folder, laid out as <see cref="BlobPaths"/> draws. A blob is written beside its place, hashed on
/// the way, synced, renamed into place, and its folder synced: what can be found is whole. Needs a file system with
/// atomic rename and advisory locks (any local one; NFS 4 or later).
/// </summary>
public sealed partial class FileBlobStore : IBlobStore
{
    private const string Name = "file";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string root;
    private readonly TimeProvider clock;
    private readonly ILogger<FileBlobStore> logger;

    // One for each digest, by its first bits: "is it there" and "put it there" (or "remove it") are one step under it.
    private readonly SemaphoreSlim[] gates = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1, 1))];

    /// <summary>A store in <paramref name="folder"/>, which is made when it is not there.</summary>
    /// <exception cref="BlobLocationException">The folder cannot be made.</exception>
    public FileBlobStore(string folder, TimeProvider clock, ILogger<FileBlobStore> logger)
    {
        root = Path.GetFullPath(folder);
        this.clock = clock;
        this.logger = logger;
        try
        {
            DurableFolder.Ensure(root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BlobLocationException($"The blob folder {root} cannot be made: {e.Message}", e);
        }
    }

    public string Location => "file:" + root;

    public Task<PutOutcome> PutAsync(
        OwnerId owner,
        Digest digest,
        long? sizeBytes,
        Stream content,
        CancellationToken ct
    ) => BlobMetrics.MeasureAsync(Name, "put", () => PutBlobAsync(owner, digest, sizeBytes, content, ct));

    public Task<OpenOutcome> OpenAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "open",
            () =>
                OpenFileAsync(
                    owner,
                    digest,
                    file =>
                    {
                        var stored = new StoredStream(
                            file,
                            long.MaxValue,
                            Name,
                            IsDiskFailure,
                            Translate,
                            Timeout.InfiniteTimeSpan
                        );
                        var verifying = new VerifyingStream(
                            stored,
                            file.Length,
                            owner,
                            digest,
                            reason => QuarantineAsync(owner, digest, reason)
                        );
                        return new OpenOutcome.Found(verifying, file.Length, file.Length);
                    }
                )
        );

    public Task<OpenOutcome> OpenRangeAsync(
        OwnerId owner,
        Digest digest,
        long offset,
        long lengthBytes,
        CancellationToken ct
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        return BlobMetrics.MeasureAsync(
            Name,
            "open_range",
            () =>
                OpenFileAsync(
                    owner,
                    digest,
                    file =>
                    {
                        var size = file.Length;
                        if (offset >= size)
                        {
                            file.Dispose();
                            return new OpenOutcome.OutOfRange(size);
                        }
                        file.Position = offset;
                        var length = Math.Min(lengthBytes, size - offset);
                        var stored = new StoredStream(
                            file,
                            length,
                            Name,
                            IsDiskFailure,
                            Translate,
                            Timeout.InfiniteTimeSpan
                        );
                        return new OpenOutcome.Found(stored, length, size);
                    }
                )
        );
    }

    public Task<BlobStat?> StatAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "stat",
            () =>
                Task.FromResult(
                    OnDisk(() =>
                    {
                        var file = new FileInfo(At(BlobPaths.Blob(owner, digest)));
                        return file.Exists ? new BlobStat(file.Length, TimeOf(file)) : null;
                    })
                )
        );

    public Task<bool> RefreshAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "refresh",
            async () =>
            {
                using var gate = await EnterAsync(digest, ct);
                return OnDisk(() => Refresh(At(BlobPaths.Blob(owner, digest))));
            }
        );

    private bool Refresh(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, clock.GetUtcNow().UtcDateTime);
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }

    public Task<bool> DeleteAsync(
        OwnerId owner,
        Digest digest,
        DateTimeOffset? unlessStoredSince,
        CancellationToken ct
    ) =>
        BlobMetrics.MeasureAsync(
            Name,
            "delete",
            async () =>
            {
                using var gate = await EnterAsync(digest, ct);
                return OnDisk(() =>
                {
                    var file = new FileInfo(At(BlobPaths.Blob(owner, digest)));
                    if (file.Exists && unlessStoredSince is { } since && TimeOf(file) >= since)
                        return false;
                    DeleteFile(At(BlobPaths.Quarantine(owner, digest)));
                    return file.Exists && RemoveUnlessPut(file.FullName, owner, digest, unlessStoredSince);
                });
            }
        );

    /// <summary>
    /// Takes the blob away and only then looks at its age again: another process may have found it, and refreshed it, between
    /// the first look and now. It goes back if so; whoever missed it meanwhile has put it anew.
    /// </summary>
    private bool RemoveUnlessPut(string path, OwnerId owner, Digest digest, DateTimeOffset? since)
    {
        var aside = At(BlobPaths.Removing(owner, digest));
        DurableFolder.Ensure(Path.GetDirectoryName(aside)!);
        try
        {
            File.Move(path, aside, overwrite: true);
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        if (since is { } young && TimeOf(new FileInfo(aside)) >= young)
        {
            File.Move(aside, path, overwrite: true);
            DurableFolder.Sync(Path.GetDirectoryName(path)!);
            return false;
        }
        File.Delete(aside);
        return true;
    }

    public async IAsyncEnumerable<StoredBlob> ListAsync(OwnerId owner, [EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var folder in SubfoldersOf(At(BlobPaths.BlobsOf(owner))))
        {
            ct.ThrowIfCancellationRequested();
            foreach (var blob in await Task.Run(() => OnDisk(() => BlobsIn(folder)), ct))
                yield return blob;
        }
    }

    public async IAsyncEnumerable<OwnerId> ListOwnersAsync([EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var owner in await Task.Run(Owners, ct))
            yield return owner;
    }

    public Task<SweepCount> SweepAsync(CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "sweep",
            () =>
                Task.Run(
                    () =>
                    {
                        var (uploads, incoming, quarantined) = (0, 0, 0);
                        foreach (var owner in Owners())
                        {
                            ct.ThrowIfCancellationRequested();
                            uploads += SweepUploads(owner);
                            incoming += SweepIncoming(owner);
                            quarantined += SweepQuarantine(owner);
                            PutBackRemoving(owner);
                        }
                        logger.Swept(Location, uploads, incoming, quarantined);
                        return new SweepCount(uploads, incoming, quarantined);
                    },
                    ct
                )
        );

    public Task<string?> GetRegionAsync(CancellationToken ct) => Task.FromResult<string?>(null);

    public Task CheckAsync(CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "check",
            async () =>
            {
                var path = At(BlobPaths.Probe(UploadId.New(clock)));
                var expected = RandomNumberGenerator.GetBytes(64);
                try
                {
                    await OnDiskAsync(async () =>
                    {
                        await using (var probe = Create(path))
                        {
                            await probe.WriteAsync(expected, ct);
                            probe.Flush(flushToDisk: true);
                        }
                        var actual = await File.ReadAllBytesAsync(path, ct);
                        return actual.AsSpan().SequenceEqual(expected)
                            ? true
                            : throw new IOException($"The probe {path} does not read as it was written.");
                    });
                }
                finally
                {
                    OnDisk(() => DeleteFile(path));
                }
                return true;
            }
        );

    private async Task<PutOutcome> PutBlobAsync(
        OwnerId owner,
        Digest digest,
        long? sizeBytes,
        Stream content,
        CancellationToken ct
    )
    {
        if (sizeBytes > BlobLimits.BlobBytes)
            return new PutOutcome.TooLarge(BlobLimits.BlobBytes);
        if (await IsIntactAsync(owner, digest, ct))
        {
            var repeated = await ReceiveAsync(content, file: null, sizeBytes, ct);
            return repeated.Refusal(digest, sizeBytes) ?? new PutOutcome.AlreadyStored();
        }
        var temporary = At(BlobPaths.Incoming(owner, UploadId.New(clock)));
        try
        {
            await using (var file = OnDisk(() => Create(temporary)))
            {
                var received = await ReceiveAsync(content, file, sizeBytes, ct);
                if (received.Refusal(digest, sizeBytes) is { } refusal)
                    return refusal;
                await WaitForDiskAsync(() => MakeDurable(file));
            }
            return await PublishAsync(temporary, owner, digest, ct)
                ? new PutOutcome.Stored()
                : new PutOutcome.AlreadyStored();
        }
        finally
        {
            OnDisk(() => DeleteFile(temporary));
        }
    }

    /// <summary>Hashes the content on its way into <paramref name="file"/> (null: nowhere), up to what is allowed.</summary>
    private async Task<Received> ReceiveAsync(Stream content, FileStream? file, long? sizeBytes, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(BlobLimits.CopyBytes);
        try
        {
            var total = 0L;
            int read;
            while ((read = await content.ReadAtLeastAsync(buffer, buffer.Length, false, ct)) > 0)
            {
                total += read;
                if (total > Received.Limit(sizeBytes))
                    return new Received(total, default);
                hash.AppendData(buffer, 0, read);
                if (file is not null)
                    await WriteAsync(file, buffer.AsMemory(0, read), ct);
            }
            return Received.Of(total, hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask WriteAsync(FileStream file, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        try
        {
            await file.WriteAsync(bytes, ct);
        }
        catch (Exception e) when (IsDiskFailure(e))
        {
            throw Translate(e);
        }
        BlobMetrics.BytesWritten(Name, bytes.Length);
    }

    // The time is set by our clock, not the disk's: garbage collection compares it with our clock.
    private void MakeDurable(FileStream file)
    {
        File.SetLastWriteTimeUtc(file.SafeFileHandle, clock.GetUtcNow().UtcDateTime);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Renames a synced file into its place and tells whether there was none before.</summary>
    private async Task<bool> PublishAsync(string temporary, OwnerId owner, Digest digest, CancellationToken ct)
    {
        var isNew = await MoveIntoPlaceAsync(temporary, owner, digest, ct);
        await WaitForDiskAsync(() => DurableFolder.Sync(Path.GetDirectoryName(At(BlobPaths.Blob(owner, digest)))!));
        return isNew;
    }

    /// <summary>As <see cref="PublishAsync"/>; that it is there is durable once its folder is synced.</summary>
    private async Task<bool> MoveIntoPlaceAsync(string temporary, OwnerId owner, Digest digest, CancellationToken ct)
    {
        var target = At(BlobPaths.Blob(owner, digest));
        using var gate = await EnterAsync(digest, ct);
        return OnDisk(() =>
        {
            DurableFolder.Ensure(Path.GetDirectoryName(target)!);
            var isFirst = !File.Exists(target);
            File.Move(temporary, target, overwrite: true);
            return isFirst;
        });
    }

    /// <summary>
    /// Whether the blob is there with the right bytes. Refreshes its age first, so that no collection takes it
    /// while its put is being answered; sets wrong bytes aside.
    /// </summary>
    private async Task<bool> IsIntactAsync(OwnerId owner, Digest digest, CancellationToken ct)
    {
        var path = At(BlobPaths.Blob(owner, digest));
        using (await EnterAsync(digest, ct))
        {
            var isThere = OnDisk(() =>
            {
                if (!Refresh(path))
                    return false;
                DurableFolder.Sync(Path.GetDirectoryName(path)!);
                return true;
            });
            if (!isThere)
                return false;
        }
        var actual = await HashAsync(path, ct);
        if (actual is null || actual == digest)
            return actual is not null;
        await QuarantineAsync(owner, digest, $"they hash to {actual}");
        return false;
    }

    /// <summary>
    /// Sets wrong bytes aside, unless a second look finds the right ones: they were healed meanwhile, or memory or a cable
    /// is at fault and not the disk.
    /// </summary>
    private async Task QuarantineAsync(OwnerId owner, Digest digest, string reason)
    {
        BlobMetrics.Corrupted(Name);
        var path = At(BlobPaths.Blob(owner, digest));
        var aside = At(BlobPaths.Quarantine(owner, digest));
        try
        {
            using var gate = await EnterAsync(digest, CancellationToken.None);
            var actual = await HashAsync(path, CancellationToken.None);
            if (actual is null)
                return;
            if (actual == digest)
            {
                logger.BlobReadFlaky(digest, owner, reason);
                return;
            }
            OnDisk(() =>
            {
                DurableFolder.Ensure(Path.GetDirectoryName(aside)!);
                File.Move(path, aside, overwrite: true);
                File.SetLastWriteTimeUtc(aside, clock.GetUtcNow().UtcDateTime);
                DurableFolder.Sync(Path.GetDirectoryName(path)!);
                DurableFolder.Sync(Path.GetDirectoryName(aside)!);
            });
            logger.BlobQuarantined(digest, owner, reason, aside);
        }
        catch (ProblemException)
        {
            // Logged where it arose. The reader is told of the corruption all the same, and the next one tries again.
        }
    }

    /// <summary>The digest of a file, or null when there is none.</summary>
    private Task<Digest?> HashAsync(string path, CancellationToken ct) =>
        OnDiskAsync<Digest?>(async () =>
        {
            try
            {
                await using var file = OpenForReading(path);
                return new Digest(await SHA256.HashDataAsync(file, ct));
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }
        });

    private Task<OpenOutcome> OpenFileAsync(OwnerId owner, Digest digest, Func<FileStream, OpenOutcome> found) =>
        Task.FromResult(
            OnDisk(() =>
            {
                try
                {
                    return found(OpenForReading(At(BlobPaths.Blob(owner, digest))));
                }
                catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
                {
                    return File.Exists(At(BlobPaths.Quarantine(owner, digest)))
                        ? new OpenOutcome.Corrupt()
                        : new OpenOutcome.Missing();
                }
            })
        );

    private static FileStream OpenForReading(string path) =>
        new(
            path,
            new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
                Options = FileOptions.Asynchronous,
            }
        );

    private static FileStream Create(string path)
    {
        DurableFolder.Ensure(Path.GetDirectoryName(path)!);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            BufferSize = 0,
            Options = FileOptions.Asynchronous,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        return new FileStream(path, options);
    }

    private List<OwnerId> Owners() =>
        [
            .. SubfoldersOf(root)
                .Select(folder => OwnerId.TryParse(Path.GetFileName(folder), null, out var owner) ? owner : default)
                .Where(owner => owner != default),
        ];

    private string[] SubfoldersOf(string folder) =>
        OnDisk(() =>
        {
            try
            {
                var folders = Directory.GetDirectories(folder);
                Array.Sort(folders, StringComparer.Ordinal);
                return folders;
            }
            catch (DirectoryNotFoundException)
            {
                return [];
            }
        });

    private static List<StoredBlob> BlobsIn(string folder)
    {
        var blobs = new List<StoredBlob>();
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            if (Digest.TryParseHex(file.Name, out var digest) && file.Exists)
                blobs.Add(new StoredBlob(digest, file.Length, TimeOf(file)));
        }
        blobs.Sort((a, b) => a.Digest.CompareTo(b.Digest));
        return blobs;
    }

    private static DateTimeOffset TimeOf(FileInfo file) => new(file.LastWriteTimeUtc, TimeSpan.Zero);

    private static void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Then the file is not there either.
        }
    }

    private string At(string key) => Path.Combine(root, key);

    private async Task<Gate> EnterAsync(Digest digest, CancellationToken ct)
    {
        var gate = gates[digest.Bytes[0] % gates.Length];
        await gate.WaitAsync(ct);
        return new Gate(gate);
    }

    private void OnDisk(Action act) =>
        OnDisk(() =>
        {
            act();
            return true;
        });

    private T OnDisk<T>(Func<T> act)
    {
        try
        {
            return act();
        }
        catch (Exception e) when (IsDiskFailure(e))
        {
            throw Translate(e);
        }
    }

    private Task WaitForDiskAsync(Action act) =>
        OnDiskAsync(async () =>
        {
            await DiskThreads.RunAsync(act);
            return true;
        });

    private async Task<T> OnDiskAsync<T>(Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (Exception e) when (IsDiskFailure(e))
        {
            throw Translate(e);
        }
    }

    private static bool IsDiskFailure(Exception e) => e is IOException or UnauthorizedAccessException;

    /// <summary>The documented problem that a failure of the disk is; the cause goes into the log.</summary>
    private ProblemException Translate(Exception e)
    {
        if (DiskErrors.IsFull(e))
        {
            logger.StoreFull(Location, e);
            return KernelProblems.StorageFull.Because("The blob store has no room for these bytes.").AsException();
        }
        logger.StoreFailed(Location, e.Message, e);
        return KernelProblems.Unavailable.Because("The blob store cannot read or write its folder.").AsException();
    }

    private readonly struct Gate(SemaphoreSlim entered) : IDisposable
    {
        public void Dispose() => entered.Release();
    }
}

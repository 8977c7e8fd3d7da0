using System.Buffers;
using System.Globalization;
using System.Text;
using Amazon.S3.Model;
using Platen.Kernel;

namespace Platen.Platform.Blobs;

// Resumable uploads. An object cannot be appended to, so an upload is a run of segments, each named by its offset and
// written only where none is: of two appends at one offset, the server lets one win. Completing reads them in order into
// an ordinary put, which proves the digest.
internal sealed partial class S3BlobStore
{
    public Task<BeginUploadOutcome> BeginUploadAsync(OwnerId owner, CancellationToken ct) =>
        BlobMetrics.MeasureAsync<BeginUploadOutcome>(
            Name,
            "begin_upload",
            async () =>
            {
                var open = 0;
                await foreach (var _ in ListFoldersAsync(Key(BlobPaths.UploadsOf(owner)) + "/", ct))
                {
                    if (++open >= BlobLimits.OpenUploads)
                        return new BeginUploadOutcome.TooMany(BlobLimits.OpenUploads);
                }
                var id = UploadId.New(clock);
                var startedAt = Encoding.ASCII.GetBytes(clock.GetUtcNow().ToString("O", CultureInfo.InvariantCulture));
                await PutObjectAsync(
                    Key(BlobPaths.UploadStartedAt(owner, id)),
                    startedAt,
                    startedAt.Length,
                    onlyNew: false,
                    ct
                );
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
                if (await ReadUploadAsync(owner, id, ct) is not { } upload)
                    return new AppendOutcome.Missing();
                if (upload.Offset != offset)
                    return new AppendOutcome.WrongOffset(upload.Offset);
                return await AppendSegmentsAsync(owner, id, upload, content, ct);
            }
        );

    public Task<long?> GetUploadOffsetAsync(OwnerId owner, UploadId id, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(Name, "get_upload", async () => (await ReadUploadAsync(owner, id, ct))?.Offset);

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
                if (await ReadUploadAsync(owner, id, ct) is not { } upload)
                    return new CompleteUploadOutcome.Missing();
                await using var content = new SegmentsStream(upload.Keys, key => OpenKeyAsync(key, ct));
                switch (await PutBlobAsync(owner, digest, upload.Offset, content, isAtHand: true, ct))
                {
                    case PutOutcome.Stored:
                        await RemoveUploadAsync(owner, id, ct);
                        return new CompleteUploadOutcome.Completed(upload.Offset, New: true);
                    case PutOutcome.AlreadyStored:
                        await RemoveUploadAsync(owner, id, ct);
                        return new CompleteUploadOutcome.Completed(upload.Offset, New: false);
                    case PutOutcome.WrongDigest wrong:
                        await RemoveUploadAsync(owner, id, ct);
                        return new CompleteUploadOutcome.WrongDigest(wrong.Actual);
                    case var other:
                        throw new InvalidOperationException($"The segments do not add up: {other}.");
                }
            }
        );

    public Task<bool> AbortUploadAsync(OwnerId owner, UploadId id, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "abort_upload",
            async () =>
            {
                var isThere = await StatKeyAsync(Key(BlobPaths.UploadStartedAt(owner, id)), ct) is not null;
                await RemoveUploadAsync(owner, id, ct);
                return isThere;
            }
        );

    public Task<SweepCount> SweepAsync(CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "sweep",
            async () =>
            {
                var (uploads, quarantined) = (0, 0);
                await foreach (var owner in ListOwnersAsync(ct))
                {
                    uploads += await SweepUploadsAsync(owner, ct);
                    quarantined += await SweepQuarantineAsync(owner, ct);
                }
                var incoming = await SweepPartsAsync(ct);
                logger.Swept(Location, uploads, incoming, quarantined);
                return new SweepCount(uploads, incoming, quarantined);
            }
        );

    private async Task<AppendOutcome> AppendSegmentsAsync(
        OwnerId owner,
        UploadId id,
        OpenUpload upload,
        Stream content,
        CancellationToken ct
    )
    {
        var isAtHand = content.CanSeek;
        using var slot = await EnterAsync(owner, isAtHand, ct);
        var (offset, segments) = (upload.Offset, upload.Keys.Count);
        var buffer = ArrayPool<byte>.Shared.Rent(BlobLimits.PartBytes);
        try
        {
            var whole = buffer.AsMemory(0, BlobLimits.PartBytes);
            while (true)
            {
                var (read, isLate) = await ReadPartAsync(content, whole, isAtHand, ct);
                if (read == 0 && !isLate)
                    break;
                if (offset + read > BlobLimits.BlobBytes || ++segments > BlobLimits.UploadSegments)
                    return new AppendOutcome.TooLarge(BlobLimits.BlobBytes);
                // What came before the time was out counts.
                if (
                    read > 0
                    && !await PutObjectAsync(Key(BlobPaths.UploadSegment(owner, id, offset)), buffer, read, true, ct)
                )
                {
                    return await ReadUploadAsync(owner, id, ct) is { } now
                        ? new AppendOutcome.WrongOffset(now.Offset)
                        : new AppendOutcome.Missing();
                }
                if (isLate)
                    throw TooSlow();
                offset += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        if (await StatKeyAsync(Key(BlobPaths.UploadStartedAt(owner, id)), ct) is not null)
            return new AppendOutcome.Appended(offset);
        // It was ended meanwhile: take the segments back that came after.
        await RemoveUploadAsync(owner, id, ct);
        return new AppendOutcome.Missing();
    }

    /// <summary>Where an upload stands: its segments from 0 up to the first gap; null when there is none.</summary>
    private async Task<OpenUpload?> ReadUploadAsync(OwnerId owner, UploadId id, CancellationToken ct)
    {
        var keys = new List<string>();
        var offset = 0L;
        var isThere = false;
        var startedAt = Key(BlobPaths.UploadStartedAt(owner, id));
        await foreach (var stored in ListKeysAsync(Key(BlobPaths.Upload(owner, id)) + "/", ct))
        {
            if (stored.Key == startedAt)
            {
                isThere = true;
            }
            else if (stored.Key == Key(BlobPaths.UploadSegment(owner, id, offset)))
            {
                keys.Add(stored.Key);
                offset += stored.Size ?? 0;
            }
        }
        return isThere ? new OpenUpload(offset, keys) : null;
    }

    // The time goes first: without it, the upload is over for everybody, whatever happens to the rest.
    private async Task RemoveUploadAsync(OwnerId owner, UploadId id, CancellationToken ct)
    {
        await DeleteKeyAsync(Key(BlobPaths.UploadStartedAt(owner, id)), ct);
        var keys = new List<string>();
        await foreach (var stored in ListKeysAsync(Key(BlobPaths.Upload(owner, id)) + "/", ct))
            keys.Add(stored.Key);
        foreach (var key in keys)
            await DeleteKeyAsync(key, ct);
    }

    private async Task<int> SweepUploadsAsync(OwnerId owner, CancellationToken ct)
    {
        var old = new List<UploadId>();
        await foreach (var name in ListFoldersAsync(Key(BlobPaths.UploadsOf(owner)) + "/", ct))
        {
            if (!UploadId.TryParse(name, null, out var id))
                continue;
            if (clock.GetUtcNow() - await StartOfAsync(owner, id, ct) > BlobLimits.UploadAge)
                old.Add(id);
        }
        foreach (var id in old)
            await RemoveUploadAsync(owner, id, ct);
        return old.Count;
    }

    private async Task<DateTimeOffset> StartOfAsync(OwnerId owner, UploadId id, CancellationToken ct)
    {
        if (await GetAsync(Key(BlobPaths.UploadStartedAt(owner, id)), range: null, ct) is not { } got)
            return UploadTime.Of(id);
        using var reader = new StreamReader(
            Guarded(got.ResponseStream, Math.Min(got.ContentLength, 64)),
            Encoding.ASCII
        );
        return UploadTime.Parse(await reader.ReadToEndAsync(ct)) ?? UploadTime.Of(id);
    }

    private async Task<int> SweepQuarantineAsync(OwnerId owner, CancellationToken ct)
    {
        var old = new List<string>();
        await foreach (var stored in ListKeysAsync(Key(BlobPaths.QuarantineOf(owner)) + "/", ct))
        {
            if (clock.GetUtcNow() - TimeOf(stored.LastModified) > BlobLimits.QuarantineAge)
                old.Add(stored.Key);
        }
        foreach (var key in old)
            await DeleteKeyAsync(key, ct);
        return old.Count;
    }

    /// <summary>Gives back the parts of puts that a crash cut off.</summary>
    private async Task<int> SweepPartsAsync(CancellationToken ct)
    {
        var old = new List<(string Key, string UploadId)>();
        var request = new ListMultipartUploadsRequest { BucketName = location.Bucket, Prefix = location.Prefix };
        bool isMore;
        do
        {
            var page = await CallAsync(() => client.ListMultipartUploadsAsync(request, ct), ct);
            foreach (var upload in page.MultipartUploads ?? [])
            {
                if (clock.GetUtcNow() - TimeOf(upload.Initiated) > BlobLimits.UploadAge)
                    old.Add((upload.Key, upload.UploadId));
            }
            isMore = page.IsTruncated == true;
            request.KeyMarker = page.NextKeyMarker;
            request.UploadIdMarker = page.NextUploadIdMarker;
        } while (isMore);
        foreach (var (key, uploadId) in old)
            await AbortPartsAsync(key, uploadId);
        return old.Count;
    }

    private sealed record OpenUpload(long Offset, List<string> Keys);

    /// <summary>Objects read one after the other, each opened when it is reached.</summary>
    private sealed class SegmentsStream(IReadOnlyList<string> keys, Func<string, Task<Stream>> open) : ReadingStream
    {
        private int next;
        private Stream? current;

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            if (buffer.Length == 0)
                return 0;
            while (true)
            {
                if (current is null)
                {
                    if (next == keys.Count)
                        return 0;
                    current = await open(keys[next++]);
                }
                var read = await current.ReadAsync(buffer, cancellationToken);
                if (read > 0)
                    return read;
                await current.DisposeAsync();
                current = null;
            }
        }

        public override async ValueTask DisposeAsync()
        {
            if (current is not null)
                await current.DisposeAsync();
            await base.DisposeAsync();
        }
    }
}

using System.Buffers;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Platform.Blobs;

/// <summary>
/// Keeps blobs as objects of an S3 bucket, laid out as <see cref="BlobPaths"/> draws. A small blob is hashed before it is sent; a
/// large one is sent in parts that only become an object when the digest is proven. Every request's body is signed, so
/// what a network or proxy damages is refused by the server, and what it gives back is hashed again.
/// </summary>
/// <remarks>
/// Where the server knows <c>If-None-Match: *</c> on writes, concurrent identical puts are told apart; where it does not, two of
/// them can both say Stored, of the same bytes. A put of what is there already trusts the server's copy, which costs no
/// transfer; a copy found wrong by a reader was set aside, and the next put replaces it.
/// </remarks>
internal sealed partial class S3BlobStore : IBlobStore, IDisposable
{
    private const string Name = "s3";
    private static readonly TimeSpan RequestPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);

    private readonly BlobLocation.S3 location;
    private readonly AmazonS3Client client;
    private readonly TimeProvider clock;
    private readonly ILogger<S3BlobStore> logger;

    // For content that is at hand, and for content that a client sends at its own pace: the one never waits for the other.
    private readonly SemaphoreSlim slots = new(BlobLimits.ConcurrentParts, BlobLimits.ConcurrentParts);
    private readonly SemaphoreSlim arrivals = new(BlobLimits.ConcurrentParts, BlobLimits.ConcurrentParts);

    // One for each owner, by its hash: how many of the arrivals it may have.
    private readonly SemaphoreSlim[] turns =
    [
        .. Enumerable
            .Range(0, 256)
            .Select(_ => new SemaphoreSlim(BlobLimits.ConcurrentArrivals, BlobLimits.ConcurrentArrivals)),
    ];
    private volatile bool conditionalWrites = true;

    public S3BlobStore(
        BlobLocation.S3 location,
        AWSCredentials credentials,
        TimeProvider clock,
        ILogger<S3BlobStore> logger
    )
    {
        this.location = location;
        this.clock = clock;
        this.logger = logger;
        var config = new AmazonS3Config
        {
            ForcePathStyle = location.PathStyle,
            Timeout = RequestPatience,
            ConnectTimeout = ConnectPatience,
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = 3,
            // Signed bodies already prove themselves; the newer checksum trailers are unknown to many servers.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (location.Endpoint is null)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(location.Region);
        }
        else
        {
            config.ServiceURL = location.Endpoint.ToString();
            config.AuthenticationRegion = location.Region;
        }
        client = new AmazonS3Client(credentials, config);
    }

    public string Location => location.ToString();

    public void Dispose()
    {
        client.Dispose();
        slots.Dispose();
        arrivals.Dispose();
        foreach (var turn in turns)
            turn.Dispose();
    }

    public Task PutAllAsync(OwnerId owner, IReadOnlyCollection<BlobBytes> blobs, CancellationToken ct) =>
        Parallel.ForEachAsync(
            blobs,
            new ParallelOptions { MaxDegreeOfParallelism = BlobLimits.PutsAtOnce, CancellationToken = ct },
            async (one, each) =>
            {
                if (Digest.Of(one.Bytes.Span) is var actual && actual != one.Digest)
                    throw new ArgumentException($"The bytes are {actual}, not {one.Digest}.", nameof(blobs));
                await this.PutBytesAsync(owner, one.Bytes, each);
            }
        );

    public Task<PutOutcome> PutAsync(
        OwnerId owner,
        Digest digest,
        long? sizeBytes,
        Stream content,
        CancellationToken ct
    ) =>
        BlobMetrics.MeasureAsync(
            Name,
            "put",
            // What can be sought in is in memory or on a disk; what cannot comes from somewhere.
            () => PutBlobAsync(owner, digest, sizeBytes, content, isAtHand: content.CanSeek, ct)
        );

    public Task<OpenOutcome> OpenAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "open",
            async () =>
            {
                if (await GetAsync(Key(BlobPaths.Blob(owner, digest)), range: null, ct) is not { } got)
                    return await WhyMissingAsync(owner, digest, ct);
                var size = got.ContentLength;
                var verifying = new VerifyingStream(
                    Guarded(got.ResponseStream, size),
                    size,
                    owner,
                    digest,
                    reason => QuarantineAsync(owner, digest, reason)
                );
                return new OpenOutcome.Found(verifying, size, size);
            }
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
            async () =>
            {
                if (await StatKeyAsync(Key(BlobPaths.Blob(owner, digest)), ct) is not { } stat)
                    return await WhyMissingAsync(owner, digest, ct);
                if (offset >= stat.SizeBytes)
                    return new OpenOutcome.OutOfRange(stat.SizeBytes);
                var length = Math.Min(lengthBytes, stat.SizeBytes - offset);
                var range = new ByteRange(offset, offset + length - 1);
                return await GetAsync(Key(BlobPaths.Blob(owner, digest)), range, ct) is { } got
                    ? new OpenOutcome.Found(Guarded(got.ResponseStream, length), length, stat.SizeBytes)
                    : await WhyMissingAsync(owner, digest, ct);
            }
        );
    }

    public Task<BlobStat?> StatAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(Name, "stat", () => StatKeyAsync(Key(BlobPaths.Blob(owner, digest)), ct));

    public Task<bool> RefreshAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "refresh",
            async () =>
            {
                var key = Key(BlobPaths.Blob(owner, digest));
                if (await StatKeyAsync(key, ct) is not { } stat)
                    return false;
                await RefreshAsync(key, stat, ct);
                return true;
            }
        );

    private async Task RefreshAsync(string key, BlobStat stat, CancellationToken ct)
    {
        if (clock.GetUtcNow() - stat.StoredAt > BlobLimits.RefreshAge)
            await CopyAsync(key, key, ct);
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
                var key = Key(BlobPaths.Blob(owner, digest));
                var stat = await StatKeyAsync(key, ct);
                if (unlessStoredSince is { } since && stat?.StoredAt >= since)
                    return false;
                await DeleteKeyAsync(Key(BlobPaths.Quarantine(owner, digest)), ct);
                if (stat is null)
                    return false;
                await DeleteKeyAsync(key, ct);
                return true;
            }
        );

    public async IAsyncEnumerable<StoredBlob> ListAsync(OwnerId owner, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var stored in ListKeysAsync(Key(BlobPaths.BlobsOf(owner)) + "/", ct))
        {
            if (Digest.TryParseHex(stored.Key.AsSpan(stored.Key.LastIndexOf('/') + 1), out var digest))
                yield return new StoredBlob(digest, stored.Size ?? 0, TimeOf(stored.LastModified));
        }
    }

    public async IAsyncEnumerable<OwnerId> ListOwnersAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var name in ListFoldersAsync(location.Prefix, ct))
        {
            if (OwnerId.TryParse(name, null, out var owner))
                yield return owner;
        }
    }

    public Task<string?> GetRegionAsync(CancellationToken ct) =>
        BlobMetrics.MeasureAsync<string?>(
            Name,
            "get_region",
            async () =>
            {
                var request = new GetBucketLocationRequest { BucketName = location.Bucket };
                var found = await CallAsync(() => client.GetBucketLocationAsync(request, ct), ct);
                // The oldest region is named by nothing, and one by an older name (S3 API, GetBucketLocation).
                return found.Location?.Value switch
                {
                    null or "" => "us-east-1",
                    "EU" => "eu-west-1",
                    var region => region,
                };
            }
        );

    public Task CheckAsync(CancellationToken ct) =>
        BlobMetrics.MeasureAsync(
            Name,
            "check",
            async () =>
            {
                var key = Key(BlobPaths.Probe(UploadId.New(clock)));
                var expected = RandomNumberGenerator.GetBytes(64);
                await PutObjectAsync(key, expected, expected.Length, onlyNew: false, ct);
                try
                {
                    var actual = new byte[expected.Length];
                    await using (var content = await OpenKeyAsync(key, ct))
                        await content.ReadExactlyAsync(actual, ct);
                    if (!actual.AsSpan().SequenceEqual(expected))
                        throw Translate(new IOException($"The probe {key} does not read as it was written."));
                }
                finally
                {
                    await DeleteKeyAsync(key, ct);
                }
                return true;
            }
        );

    private async Task<PutOutcome> PutBlobAsync(
        OwnerId owner,
        Digest digest,
        long? sizeBytes,
        Stream content,
        bool isAtHand,
        CancellationToken ct
    )
    {
        if (sizeBytes > BlobLimits.BlobBytes)
            return new PutOutcome.TooLarge(BlobLimits.BlobBytes);
        var key = Key(BlobPaths.Blob(owner, digest));
        var stat = await StatKeyAsync(key, ct);
        if (stat is not null && (sizeBytes is null || sizeBytes == stat.SizeBytes))
            return await RepeatAsync(owner, digest, stat, sizeBytes, content, ct);
        using var slot = await EnterAsync(owner, isAtHand, ct);
        // One byte more than declared, so that a longer content shows in the first read.
        var firstBytes = (int)Math.Min(BlobLimits.PartBytes, (sizeBytes ?? BlobLimits.PartBytes) + 1);
        var buffer = ArrayPool<byte>.Shared.Rent(firstBytes);
        try
        {
            var (read, isLate) = await ReadPartAsync(content, buffer.AsMemory(0, firstBytes), isAtHand, ct);
            if (isLate)
                throw TooSlow();
            if (read == BlobLimits.PartBytes)
            {
                var parts = new S3PartsUpload(this, key, Blob: (digest, sizeBytes), OnlyNew: stat is null, isAtHand);
                return await parts.SendAsync(buffer, content, ct);
            }
            var received = new Received(read, Digest.Of(buffer.AsSpan(0, read)));
            if (received.Refusal(digest, sizeBytes) is { } refusal)
                return refusal;
            return await PutObjectAsync(key, buffer, read, onlyNew: stat is null, ct)
                ? new PutOutcome.Stored()
                : new PutOutcome.AlreadyStored();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A put of what is there already: the content is held against its digest, and the object's age refreshed.</summary>
    private async Task<PutOutcome> RepeatAsync(
        OwnerId owner,
        Digest digest,
        BlobStat stat,
        long? sizeBytes,
        Stream content,
        CancellationToken ct
    )
    {
        await RefreshAsync(Key(BlobPaths.Blob(owner, digest)), stat, ct);
        var received = await DrainAsync(content, sizeBytes, ct);
        if (received.Refusal(digest, sizeBytes) is { } refusal)
            return refusal;
        if (received.SizeBytes == stat.SizeBytes)
            return new PutOutcome.AlreadyStored();
        await QuarantineAsync(owner, digest, $"{stat.SizeBytes} bytes are stored of {received.SizeBytes}");
        throw KernelProblems
            .Unavailable.Because("The stored copy was damaged and has been set aside: send the content again.")
            .AsException();
    }

    private static async Task<Received> DrainAsync(Stream content, long? sizeBytes, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(BlobLimits.CopyBytes);
        try
        {
            var total = 0L;
            int read;
            while ((read = await content.ReadAsync(buffer, ct)) > 0)
            {
                total += read;
                if (total > Received.Limit(sizeBytes))
                    return new Received(total, default);
                hash.AppendData(buffer, 0, read);
            }
            return Received.Of(total, hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Sets wrong bytes aside, unless a second look finds the right ones: they were healed meanwhile, or the way here is at
    /// fault and not the store.
    /// </summary>
    private async Task QuarantineAsync(OwnerId owner, Digest digest, string reason)
    {
        BlobMetrics.Corrupted(Name);
        var key = Key(BlobPaths.Blob(owner, digest));
        var aside = Key(BlobPaths.Quarantine(owner, digest));
        try
        {
            if (await GetAsync(key, range: null, CancellationToken.None) is not { } got)
                return;
            Digest actual;
            await using (var content = Guarded(got.ResponseStream, got.ContentLength))
                actual = new Digest(await SHA256.HashDataAsync(content, CancellationToken.None));
            if (actual == digest)
            {
                logger.BlobReadFlaky(digest, owner, reason);
                return;
            }
            await CopyAsync(key, aside, CancellationToken.None);
            await DeleteKeyAsync(key, CancellationToken.None);
            logger.BlobQuarantined(digest, owner, reason, aside);
        }
        catch (ProblemException)
        {
            // Logged where it arose. The reader is told of the corruption all the same, and the next one tries again.
        }
    }

    private async Task<OpenOutcome> WhyMissingAsync(OwnerId owner, Digest digest, CancellationToken ct) =>
        await StatKeyAsync(Key(BlobPaths.Quarantine(owner, digest)), ct) is null
            ? new OpenOutcome.Missing()
            : new OpenOutcome.Corrupt();

    private string Key(string path) => location.Prefix + path;

    private StoredStream Guarded(Stream response, long lengthBytes) =>
        new(response, lengthBytes, Name, IsFailure, Translate, RequestPatience);

    private async Task<GetObjectResponse?> GetAsync(string key, ByteRange? range, CancellationToken ct)
    {
        var request = new GetObjectRequest
        {
            BucketName = location.Bucket,
            Key = key,
            ByteRange = range,
        };
        return await FindAsync(() => client.GetObjectAsync(request, ct), ct);
    }

    /// <summary>The bytes of an object that is there unless somebody removes it right now.</summary>
    private async Task<Stream> OpenKeyAsync(string key, CancellationToken ct) =>
        await GetAsync(key, range: null, ct) is { } got
            ? Guarded(got.ResponseStream, got.ContentLength)
            : throw Translate(new IOException($"The object {key} was removed while it was read."));

    private async Task<BlobStat?> StatKeyAsync(string key, CancellationToken ct)
    {
        var request = new GetObjectMetadataRequest { BucketName = location.Bucket, Key = key };
        return await FindAsync(() => client.GetObjectMetadataAsync(request, ct), ct) is { } found
            ? new BlobStat(found.ContentLength, TimeOf(found.LastModified))
            : null;
    }

    /// <summary>Writes an object in one request. False when <paramref name="onlyNew"/> and there is one.</summary>
    private async Task<bool> PutObjectAsync(string key, byte[] bytes, int count, bool onlyNew, CancellationToken ct)
    {
        var written = await WriteNewAsync(
            key,
            onlyNew,
            condition =>
                client.PutObjectAsync(
                    new PutObjectRequest
                    {
                        BucketName = location.Bucket,
                        Key = key,
                        InputStream = new MemoryStream(bytes, 0, count, writable: false),
                        ContentType = "application/octet-stream",
                        UseChunkEncoding = false,
                        IfNoneMatch = condition,
                    },
                    ct
                ),
            ct
        );
        if (written)
            BlobMetrics.BytesWritten(Name, count);
        return written;
    }

    /// <summary>
    /// Runs a write that must not replace anything. Servers that do not know the condition answer 501: then it is run
    /// without, which is safe because equal keys hold equal bytes. Servers that have another write or a removal of it under way
    /// answer 409: then it is there by now, or the write is run again.
    /// </summary>
    private async Task<bool> WriteNewAsync<T>(
        string key,
        bool onlyNew,
        Func<string?, Task<T>> write,
        CancellationToken ct
    )
    {
        for (var conflicts = 0; conflicts < BlobLimits.WriteConflicts; conflicts++)
        {
            if (await TryWriteNewAsync(onlyNew, write, ct) is { } written)
                return written;
            if (await StatKeyAsync(key, ct) is not null)
                return false;
        }
        throw Translate(new IOException($"Others write or remove the object {key} all the time."));
    }

    /// <returns>Null when something else was under way with the object.</returns>
    private async Task<bool?> TryWriteNewAsync<T>(bool onlyNew, Func<string?, Task<T>> write, CancellationToken ct)
    {
        try
        {
            await write(onlyNew && conditionalWrites ? "*" : null);
            return true;
        }
        catch (AmazonS3Exception e) when (onlyNew && e.StatusCode == HttpStatusCode.PreconditionFailed)
        {
            return false;
        }
        catch (AmazonS3Exception e)
            when (onlyNew && e is { StatusCode: HttpStatusCode.Conflict, ErrorCode: "ConditionalRequestConflict" })
        {
            return null;
        }
        catch (AmazonS3Exception e) when (onlyNew && conditionalWrites && e.StatusCode == HttpStatusCode.NotImplemented)
        {
            conditionalWrites = false;
            logger.ConditionalWritesUnknown(Location);
            await CallAsync(() => write(null), ct);
            return true;
        }
        catch (Exception e) when (!ct.IsCancellationRequested && IsFailure(e))
        {
            throw Translate(e);
        }
    }

    private async Task CopyAsync(string from, string to, CancellationToken ct) =>
        await CallAsync(
            () =>
                client.CopyObjectAsync(
                    new CopyObjectRequest
                    {
                        SourceBucket = location.Bucket,
                        SourceKey = from,
                        DestinationBucket = location.Bucket,
                        DestinationKey = to,
                        // S3 copies an object onto itself only when something about it is replaced.
                        MetadataDirective = S3MetadataDirective.REPLACE,
                        ContentType = "application/octet-stream",
                    },
                    ct
                ),
            ct
        );

    private async Task DeleteKeyAsync(string key, CancellationToken ct) =>
        await FindAsync(
            () => client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = location.Bucket, Key = key }, ct),
            ct
        );

    private async IAsyncEnumerable<S3Object> ListKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken ct)
    {
        var request = new ListObjectsV2Request { BucketName = location.Bucket, Prefix = prefix };
        do
        {
            var page = await CallAsync(() => client.ListObjectsV2Async(request, ct), ct);
            foreach (var stored in page.S3Objects ?? [])
                yield return stored;
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        } while (request.ContinuationToken is not null);
    }

    /// <summary>The names between <paramref name="prefix"/> and the next '/'.</summary>
    private async IAsyncEnumerable<string> ListFoldersAsync(
        string prefix,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var request = new ListObjectsV2Request
        {
            BucketName = location.Bucket,
            Prefix = prefix,
            Delimiter = "/",
        };
        do
        {
            var page = await CallAsync(() => client.ListObjectsV2Async(request, ct), ct);
            foreach (var folder in page.CommonPrefixes ?? [])
                yield return folder[prefix.Length..].TrimEnd('/');
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        } while (request.ContinuationToken is not null);
    }

    private async Task<Slot> EnterAsync(OwnerId owner, bool isAtHand, CancellationToken ct)
    {
        if (isAtHand)
        {
            await slots.WaitAsync(ct);
            return new Slot(slots, null);
        }
        var turn = turns[(uint)owner.GetHashCode() % turns.Length];
        await turn.WaitAsync(ct);
        try
        {
            await arrivals.WaitAsync(ct);
        }
        catch
        {
            turn.Release();
            throw;
        }
        return new Slot(arrivals, turn);
    }

    /// <summary>Reads until the part is full, the content ends, or its time is out: it holds a place that others wait for.</summary>
    private async ValueTask<(int Count, bool IsLate)> ReadPartAsync(
        Stream content,
        Memory<byte> part,
        bool isAtHand,
        CancellationToken ct
    )
    {
        if (isAtHand)
            return (await content.ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, ct), false);
        using var late = new CancellationTokenSource(BlobLimits.PartPatience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, late.Token);
        var count = 0;
        try
        {
            int read;
            while (count < part.Length && (read = await content.ReadAsync(part[count..], either.Token)) > 0)
                count += read;
            return (count, false);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            return (count, true);
        }
    }

    private static ProblemException TooSlow() =>
        HttpProblems
            .SlowRequest.Because(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{BlobLimits.PartBytes:N0} bytes took longer than {BlobLimits.PartPatience.TotalSeconds:N0} seconds. An upload can go on from where it stands."
                )
            )
            .AsException();

    private static DateTimeOffset TimeOf(DateTime? time) =>
        time is { } known ? new DateTimeOffset(known.ToUniversalTime(), TimeSpan.Zero) : DateTimeOffset.UnixEpoch;

    /// <summary>Runs a request that answers 404 when there is nothing: null then.</summary>
    private async Task<T?> FindAsync<T>(Func<Task<T>> call, CancellationToken ct)
        where T : class
    {
        try
        {
            return await call();
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            return null;
        }
        catch (Exception e) when (!ct.IsCancellationRequested && IsFailure(e))
        {
            throw Translate(e);
        }
    }

    private async Task<T> CallAsync<T>(Func<Task<T>> call, CancellationToken ct)
    {
        try
        {
            return await call();
        }
        catch (Exception e) when (!ct.IsCancellationRequested && IsFailure(e))
        {
            throw Translate(e);
        }
    }

    // A cancellation that the caller did not ask for is a request that took too long.
    private static bool IsFailure(Exception e) =>
        e
            is AmazonServiceException
                or AmazonClientException
                or HttpRequestException
                or IOException
                or TimeoutException
                or OperationCanceledException;

    /// <summary>The documented problem that a failure of the server or the way to it is; the cause goes into the log.</summary>
    private ProblemException Translate(Exception e)
    {
        if (
            e
            is AmazonServiceException
                {
                    ErrorCode: "QuotaExceeded"
                        or "EntityTooLarge"
                        or "XMinioStorageFull"
                        or "InsufficientStorage"
                        or "InsufficientCapacity"
                }
                or AmazonServiceException { StatusCode: HttpStatusCode.InsufficientStorage }
        )
        {
            logger.StoreFull(Location, e);
            return KernelProblems.StorageFull.Because("The blob store has no room for these bytes.").AsException();
        }
        logger.StoreFailed(
            Location,
            e is AmazonServiceException s ? $"{s.ErrorCode} ({(int)s.StatusCode})" : e.Message,
            e
        );
        return KernelProblems.Unavailable.Because("The blob store's S3 server failed or refused.").AsException();
    }

    private readonly struct Slot(SemaphoreSlim entered, SemaphoreSlim? turn) : IDisposable
    {
        public void Dispose()
        {
            entered.Release();
            turn?.Release();
        }
    }

    /// <summary>
    /// Sends a blob in parts: while one is sent, the next is read and hashed. The object comes to be with the last request,
    /// which is only made when the digest is proven.
    /// </summary>
    private sealed record S3PartsUpload(
        S3BlobStore Store,
        string Key,
        (Digest Digest, long? SizeBytes) Blob,
        bool OnlyNew,
        bool IsAtHand
    )
    {
        /// <param name="first">A full first part.</param>
        /// <param name="content">The rest.</param>
        public async Task<PutOutcome> SendAsync(byte[] first, Stream content, CancellationToken ct)
        {
            var begin = new InitiateMultipartUploadRequest
            {
                BucketName = Store.location.Bucket,
                Key = Key,
                ContentType = "application/octet-stream",
            };
            var begun = await Store.CallAsync(() => Store.client.InitiateMultipartUploadAsync(begin, ct), ct);
            var isComplete = false;
            var second = ArrayPool<byte>.Shared.Rent(BlobLimits.PartBytes);
            try
            {
                var (received, parts) = await SendPartsAsync(begun.UploadId, first, second, content, ct);
                if (received.Refusal(Blob.Digest, Blob.SizeBytes) is { } refusal)
                    return refusal;
                if (OnlyNew && await Store.StatKeyAsync(Key, ct) is not null)
                    return new PutOutcome.AlreadyStored();
                isComplete = await CompleteAsync(begun.UploadId, parts, ct);
                return isComplete ? new PutOutcome.Stored() : new PutOutcome.AlreadyStored();
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(second);
                if (!isComplete)
                    await Store.AbortPartsAsync(Key, begun.UploadId);
            }
        }

        private async Task<(Received Received, List<PartETag> Parts)> SendPartsAsync(
            string uploadId,
            byte[] first,
            byte[] second,
            Stream content,
            CancellationToken ct
        )
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var parts = new List<PartETag>();
            var (sending, reading) = (first, second);
            var count = BlobLimits.PartBytes;
            var total = 0L;
            while (count > 0)
            {
                total += count;
                if (total > Received.Limit(Blob.SizeBytes))
                    return (new Received(total, default), parts);
                var sent = SendPartAsync(uploadId, parts.Count + 1, sending, count, ct);
                try
                {
                    hash.AppendData(sending, 0, count);
                    var whole = reading.AsMemory(0, BlobLimits.PartBytes);
                    (count, var isLate) = await Store.ReadPartAsync(content, whole, IsAtHand, ct);
                    if (isLate)
                        throw TooSlow();
                }
                finally
                {
                    // The buffer is the request's until it ends, also when the content broke off.
                    parts.Add(await sent);
                }
                (sending, reading) = (reading, sending);
            }
            return (Received.Of(total, hash), parts);
        }

        private async Task<PartETag> SendPartAsync(
            string uploadId,
            int number,
            byte[] bytes,
            int count,
            CancellationToken ct
        )
        {
            var request = new UploadPartRequest
            {
                BucketName = Store.location.Bucket,
                Key = Key,
                UploadId = uploadId,
                PartNumber = number,
                PartSize = count,
                InputStream = new MemoryStream(bytes, 0, count, writable: false),
                UseChunkEncoding = false,
            };
            var sent = await Store.CallAsync(() => Store.client.UploadPartAsync(request, ct), ct);
            BlobMetrics.BytesWritten(Name, count);
            return new PartETag(number, sent.ETag);
        }

        private Task<bool> CompleteAsync(string uploadId, List<PartETag> parts, CancellationToken ct) =>
            Store.WriteNewAsync(
                Key,
                OnlyNew,
                condition =>
                    Store.client.CompleteMultipartUploadAsync(
                        new CompleteMultipartUploadRequest
                        {
                            BucketName = Store.location.Bucket,
                            Key = Key,
                            UploadId = uploadId,
                            PartETags = parts,
                            IfNoneMatch = condition,
                        },
                        ct
                    ),
                ct
            );
    }

    /// <summary>Gives the parts of an upload back. Should that fail, a sweep does it a day later.</summary>
    private async Task AbortPartsAsync(string key, string uploadId)
    {
        var request = new AbortMultipartUploadRequest
        {
            BucketName = location.Bucket,
            Key = key,
            UploadId = uploadId,
        };
        try
        {
            await FindAsync(
                () => client.AbortMultipartUploadAsync(request, CancellationToken.None),
                CancellationToken.None
            );
        }
        catch (ProblemException)
        {
            // Logged where it arose; what the put itself met is what its caller must hear of.
        }
    }
}

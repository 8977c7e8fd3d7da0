using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Testing.Child;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>1 GiB into and out of each store: memory, and the file store's time beside a plain copy that also hashes.</summary>
internal static class BlobsBench
{
    private const long GiB = 1024L * 1024 * 1024;
    private const int CopyBytes = 128 * 1024;

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        try
        {
            var source = Path.Combine(folder, "source");
            await WriteSourceAsync(source, ct);
            var digest = new Digest(await HashAsync(source, ct));
            using (
                var store = new Opened(
                    BlobStores.Open("file:" + folder, null, TimeProvider.System, NullLoggerFactory.Instance)
                )
            )
            {
                await ReportGrowthAsync("file", store.Blobs, source, digest, ct);
                await ReportRatiosAsync(store.Blobs, folder, source, digest, ct);
            }
            await using var ceph = await CephFixture.StartAsync(ct);
            var bucket = await ceph.CreateBucketAsync(ct);
            var location = $"s3://{bucket}?endpoint={ceph.Endpoint}&region={CephFixture.Region}";
            var credentials = new BlobCredentials(ceph.AccessKey, ceph.SecretKey);
            using var s3 = new Opened(
                BlobStores.Open(location, credentials, TimeProvider.System, NullLoggerFactory.Instance)
            );
            await ReportGrowthAsync("s3", s3.Blobs, source, digest, ct);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task ReportGrowthAsync(
        string name,
        IBlobStore store,
        string source,
        Digest digest,
        CancellationToken ct
    )
    {
        var warm = await store.PutBytesAsync(OwnerId.Platform, new byte[20_000_000], ct);
        await ReadAsync(store, OwnerId.Platform, warm, ct);
        var owner = new OwnerId(Guid.CreateVersion7());
        var put = await ResidentMemory.GrowthAsync(() => PutAsync(store, owner, source, digest, ct));
        var read = await ResidentMemory.GrowthAsync(() => ReadAsync(store, owner, digest, ct));
        Rounds.Report($"{name}: 1 GiB put, growth of resident memory", MiB(put), "< 64 MiB", put < 64L << 20);
        Rounds.Report($"{name}: 1 GiB read, growth of resident memory", MiB(read), "< 64 MiB", read < 64L << 20);
        await store.DeleteAsync(owner, digest, null, ct);
    }

    private static async Task ReportRatiosAsync(
        IBlobStore store,
        string folder,
        string source,
        Digest digest,
        CancellationToken ct
    )
    {
        var puts = new List<double>();
        var reads = new List<double>();
        for (var round = 0; round < 3; round++)
        {
            var owner = new OwnerId(Guid.CreateVersion7());
            var second = new OwnerId(Guid.CreateVersion7());
            var a1 = await TimeAsync(() => PutAsync(store, owner, source, digest, ct));
            var b1 = await TimeAsync(() => CopyAsync(source, Path.Combine(folder, "copy"), ct));
            var b2 = await TimeAsync(() => CopyAsync(source, Path.Combine(folder, "copy"), ct));
            var a2 = await TimeAsync(() => PutAsync(store, second, source, digest, ct));
            puts.Add((b1 + b2) / (a1 + a2));
            var r1 = await TimeAsync(() => ReadAsync(store, owner, digest, ct));
            var h1 = await TimeAsync(() => HashAsync(source, ct));
            var h2 = await TimeAsync(() => HashAsync(source, ct));
            var r2 = await TimeAsync(() => ReadAsync(store, owner, digest, ct));
            reads.Add((h1 + h2) / (r1 + r2));
            await store.DeleteAsync(owner, digest, null, ct);
            await store.DeleteAsync(second, digest, null, ct);
        }
        Rounds.Report("file: put / plain copy + SHA-256 + fsync, throughput", Ratio(puts), ">= 0.9");
        Rounds.Report("file: read / plain read + SHA-256, throughput", Ratio(reads), ">= 0.9");
    }

    private static async Task PutAsync(
        IBlobStore store,
        OwnerId owner,
        string source,
        Digest digest,
        CancellationToken ct
    )
    {
        await using var content = Open(source);
        if (await store.PutAsync(owner, digest, GiB, content, ct) is not PutOutcome.Stored)
            throw new InvalidOperationException("The blob was not stored.");
    }

    private static async Task ReadAsync(IBlobStore store, OwnerId owner, Digest digest, CancellationToken ct)
    {
        var found = (OpenOutcome.Found)await store.OpenAsync(owner, digest, ct);
        await using (found.Content)
            await found.Content.CopyToAsync(Stream.Null, ct);
    }

    private static async Task CopyAsync(string source, string target, CancellationToken ct)
    {
        await using var from = Open(source);
        await using var to = new FileStream(target, FileMode.Create, FileAccess.Write, FileShare.None, 0, true);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[CopyBytes];
        int read;
        while ((read = await from.ReadAsync(buffer, ct)) > 0)
        {
            hash.AppendData(buffer, 0, read);
            await to.WriteAsync(buffer.AsMemory(0, read), ct);
        }
        to.Flush(flushToDisk: true);
    }

    private static async Task<byte[]> HashAsync(string source, CancellationToken ct)
    {
        await using var from = Open(source);
        return await SHA256.HashDataAsync(from, ct);
    }

    private static async Task WriteSourceAsync(string path, CancellationToken ct)
    {
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 0, true);
        for (var written = 0L; written < GiB; written += 1024 * 1024)
            await file.WriteAsync(RandomNumberGenerator.GetBytes(1024 * 1024), ct);
    }

    private static FileStream Open(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0, useAsync: true);

    private static async Task<double> TimeAsync(Func<Task> run)
    {
        var started = Stopwatch.GetTimestamp();
        await run();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static string MiB(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:F1} MiB");

    private static string Ratio(List<double> ratios) =>
        string.Create(CultureInfo.InvariantCulture, $"{Rounds.Median(ratios):F2}");

    private sealed class Opened(IBlobStore blobs) : IDisposable
    {
        public IBlobStore Blobs { get; } = blobs;

        public void Dispose() => (Blobs as IDisposable)?.Dispose();
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform.Blobs;

namespace Platen.Bench;

/// <summary>The files of releases into the file store, a few releases at once as a cut-over stores them: in one go, beside one by one.</summary>
internal static class ReleasesBench
{
    private const int Releases = 60;
    private const int Files = 15;
    private const int FileBytes = 8 * 1024;
    private const int AtOnce = 4;
    private const int FilesAtOnce = 8;
    private const int RoundCount = 4;

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        var store = BlobStores.Open("file:" + folder, null, TimeProvider.System, NullLoggerFactory.Instance);
        try
        {
            Func<OwnerId, BlobBytes[], Task> together = (owner, files) => store.PutAllAsync(owner, files, ct);
            Func<OwnerId, BlobBytes[], Task> each = (owner, files) =>
                Parallel.ForEachAsync(
                    files,
                    new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = ct },
                    async (file, token) => await store.PutBytesAsync(owner, file.Bytes, token)
                );
            await StoreAsync(together, ct);
            await StoreAsync(each, ct);
            List<double> ratios = [],
                rates = [];
            for (var round = 0; round < RoundCount; round++)
            {
                var a1 = await StoreAsync(together, ct);
                var b1 = await StoreAsync(each, ct);
                var b2 = await StoreAsync(each, ct);
                var a2 = await StoreAsync(together, ct);
                ratios.Add((b1 + b2) / (a1 + a2));
                rates.AddRange([Releases / a1, Releases / a2]);
            }
            Rounds.Report(
                $"releases of {Files} files of {FileBytes / 1024} KiB, {AtOnce} at once, in one go",
                string.Create(CultureInfo.InvariantCulture, $"{Rounds.Median(rates):F0} releases/s"),
                "told"
            );
            Rounds.Report(
                "  beside one by one",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
                ),
                ">= 1 x"
            );
        }
        finally
        {
            (store as IDisposable)?.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> StoreAsync(Func<OwnerId, BlobBytes[], Task> put, CancellationToken ct)
    {
        var owner = new OwnerId(Guid.CreateVersion7());
        var releases = Enumerable
            .Range(0, Releases)
            .Select(_ =>
                Enumerable
                    .Range(0, Files)
                    .Select(_ => RandomNumberGenerator.GetBytes(FileBytes))
                    .Select(bytes => new BlobBytes(Digest.Of(bytes), bytes))
                    .ToArray()
            )
            .ToList();
        var started = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            releases,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (files, _) => await put(owner, files)
        );
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}

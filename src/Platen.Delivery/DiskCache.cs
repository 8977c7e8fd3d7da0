using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Platen.Delivery;

/// <summary>
/// What was served, on this machine's disk, within a budget of bytes: what a node shows when it has neither database nor store, also
/// after it was started anew. A cache and not a store: nothing waits for the disk, whatever is not exactly as it was written is
/// removed, and a disk that fails costs speed and nothing else.
/// <code>
/// {folder}/{abc}/{hex}       one <see cref="DiskEntry"/>; hex = SHA-256 of its key, abc its first three digits
/// {folder}/{abc}/{hex}.new   being written
/// </code>
/// No list of the entries is kept: their names follow from their keys, and room is made by looking into folders at random.
/// </summary>
internal sealed class DiskCache : BackgroundService
{
    private const string Unfinished = ".new";
    private const int Folders = 1 << 12;

    private readonly Channel<(string Key, DiskEntry? Entry)> writes = Channel.CreateBounded<(string, DiskEntry?)>(
        new BoundedChannelOptions(DeliveryLimits.PendingWrites) { SingleReader = true }
    );
    private readonly bool[] made = new bool[Folders];
    private readonly string? folder;
    private readonly long budget;
    private readonly FrequencySketch uses;
    private readonly DeliveryMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<DiskCache> logger;
    private long bytes;
    private long entries;
    private volatile bool failing;

    public DiskCache(
        DeliveryOptions options,
        FrequencySketch uses,
        DeliveryMetrics metrics,
        TimeProvider time,
        ILogger<DiskCache> logger
    )
    {
        folder = options.DiskBytes > 0 ? options.DiskFolder : null;
        budget = options.DiskBytes;
        this.uses = uses;
        this.metrics = metrics;
        this.time = time;
        this.logger = logger;
        metrics.Observe(this);
        if (folder is not null)
            Count(folder);
    }

    /// <summary>Whether there is one.</summary>
    public bool IsOn => folder is not null;

    /// <summary>Bytes of its files.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Its files.</summary>
    public long Entries => Interlocked.Read(ref entries);

    /// <summary>A piece of the hash of a key, for <see cref="FrequencySketch"/>.</summary>
    public static ulong HashOf(string key) => BinaryPrimitives.ReadUInt64LittleEndian(NameOf(key));

    /// <summary>What is there for a key, every byte verified; null when nothing is, or nothing that is whole.</summary>
    public async Task<DiskEntry?> ReadAsync(string key, CancellationToken ct)
    {
        if (folder is null)
            return null;
        var path = PathOf(key);
        byte[] content;
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
                return null;
            content = await File.ReadAllBytesAsync(path, ct);
            file.LastWriteTimeUtc = time.GetUtcNow().UtcDateTime;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // It was removed to make room.
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return null;
        }
        if (DiskEntry.TryRead(key, content, out var entry))
            return entry;
        logger.DiskEntryBroken(key);
        metrics.DiskEntryBroken();
        Delete(path);
        return null;
    }

    /// <summary>
    /// Takes an entry to be written, after those before it. Waits only while <see cref="DeliveryLimits.PendingWrites"/> others wait.
    /// </summary>
    public Task StoreAsync(DiskEntry entry, CancellationToken ct) => PutAsync(entry.Key, entry, ct);

    /// <summary>Takes the removal of a key's entry, after those writes that came before it.</summary>
    public Task RemoveAsync(string key, CancellationToken ct) => PutAsync(key, null, ct);

    private async Task PutAsync(string key, DiskEntry? entry, CancellationToken ct)
    {
        if (folder is null)
            return;
        // The process is stopping when nothing more is taken: what is lost is one entry of a cache.
        while (!writes.Writer.TryWrite((key, entry)) && await writes.Writer.WaitToWriteAsync(ct))
            continue;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not the caller's token: what was taken before the stop is written.
        await using var end = stoppingToken.Register(() => writes.Writer.TryComplete());
        await foreach (var (key, entry) in writes.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                if (entry is null)
                    Delete(PathOf(key));
                else
                    Write(entry);
                failing = false;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Fail(e);
            }
        }
    }

    private void Write(DiskEntry entry)
    {
        var path = PathOf(entry.Key);
        var content = entry.ToBytes();
        var former = new FileInfo(path) is { Exists: true } there ? there.Length : -1;
        var more = content.Length - Math.Max(former, 0);
        if (content.Length > budget / DeliveryLimits.LargestShare || !MakeRoom(more, HashOf(entry.Key)))
        {
            // A former release must not come back when the database is away.
            if (former >= 0)
                Delete(path);
            metrics.DiskEntryRefused();
            return;
        }
        var index = IndexOf(path);
        if (!made[index])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            made[index] = true;
        }
        // Without waiting for the disk: a machine that stops in between leaves a file that does not verify.
        File.WriteAllBytes(path + Unfinished, content);
        File.Move(path + Unfinished, path, overwrite: true);
        Interlocked.Add(ref bytes, more);
        if (former < 0)
            Interlocked.Increment(ref entries);
    }

    // Of the entries of some folders, those go first that take the most room for the longest time unused. What was used lately and more
    // often than the newcomer stays, and then the newcomer does not come in.
    private bool MakeRoom(long more, ulong newcomer)
    {
        for (var tries = 0; Bytes + more > budget; tries++)
        {
            if (tries == DeliveryLimits.EvictionTries)
                return false;
            var now = time.GetUtcNow().UtcDateTime;
            var candidates = Candidates()
                .Select(file => (File: file, Age: now - file.LastWriteTimeUtc, Uses: uses.Of(HashOfName(file.Name))))
                .OrderByDescending(c => (c.Age.TotalSeconds + 1) * c.File.Length / (1 + c.Uses))
                .ToList();
            if (candidates.Count == 0)
                continue;
            if (candidates[0].Age < DeliveryLimits.ContestedAge && candidates[0].Uses > uses.Of(newcomer))
                return false;
            foreach (var (file, _, _) in candidates.Take(Math.Max(1, candidates.Count / 8)))
            {
                if (Bytes + more <= budget)
                    break;
                Delete(file.FullName);
                metrics.DiskEntryEvicted();
            }
        }
        return true;
    }

    private List<FileInfo> Candidates()
    {
        const int enough = 32;
        var found = new List<FileInfo>();
        var start = Random.Shared.Next(Folders);
        for (var i = 0; i < Folders && found.Count < enough; i++)
        {
            var index = (start + i) % Folders;
            if (made[index])
                found.AddRange(new DirectoryInfo(Path.Combine(folder!, NameOfFolder(index))).EnumerateFiles());
        }
        return found;
    }

    private void Delete(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
            return;
        var length = file.Length;
        file.Delete();
        Interlocked.Add(ref bytes, -length);
        Interlocked.Decrement(ref entries);
    }

    // What a former run left: its size, and what it had not finished, which goes.
    private void Count(string root)
    {
        Directory.CreateDirectory(root);
        foreach (var one in new DirectoryInfo(root).EnumerateDirectories())
        {
            if (
                one.Name.Length != 3
                || !int.TryParse(one.Name, System.Globalization.NumberStyles.HexNumber, null, out var index)
            )
                continue;
            made[index] = true;
            foreach (var file in one.EnumerateFiles())
            {
                if (file.Name.EndsWith(Unfinished, StringComparison.Ordinal))
                {
                    file.Delete();
                    continue;
                }
                bytes += file.Length;
                entries++;
            }
        }
    }

    private void Fail(Exception e)
    {
        metrics.DiskFailed();
        // Told once until it works again: a full disk fails at every request.
        if (!failing)
            logger.DiskFailed(e);
        failing = true;
    }

    private string PathOf(string key)
    {
        var hex = Convert.ToHexStringLower(NameOf(key));
        return Path.Combine(folder!, hex[..3], hex);
    }

    private static byte[] NameOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static ulong HashOfName(string name) =>
        name.Length == 2 * SHA256.HashSizeInBytes
            ? BinaryPrimitives.ReadUInt64LittleEndian(Convert.FromHexString(name))
            : 0;

    private static int IndexOf(string path) =>
        int.Parse(
            Path.GetFileName(path).AsSpan(0, 3),
            System.Globalization.NumberStyles.HexNumber,
            System.Globalization.CultureInfo.InvariantCulture
        );

    private static string NameOfFolder(int index) =>
        index.ToString("x3", System.Globalization.CultureInfo.InvariantCulture);
}

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
/// removed, and a disk that fails or does not answer costs speed and nothing else.
/// <code>
/// {folder}/{abc}/{hex}       one <see cref="DiskEntry"/>; hex = SHA-256 of its key, abc its first three digits
/// {folder}/{abc}/{hex}.new   being written
/// </code>
/// No list of the entries is kept: their names follow from their keys, and room is made by looking into folders at random. Whatever changes
/// the folder is done by one task, one after the other.
/// </summary>
internal sealed class DiskCache : BackgroundService
{
    private const string Unfinished = ".new";
    private const int Folders = 1 << 12;

    private readonly Channel<string> changes = Channel.CreateUnbounded<string>(
        new UnboundedChannelOptions { SingleReader = true }
    );
    private readonly SemaphoreSlim patient = new(DeliveryLimits.ConcurrentLoads);
    private readonly Lock gate = new();

    // What is to be done for a key, the latest only: an entry to write, or null to remove. Readers look here first. Guarded by the gate.
    private readonly Dictionary<string, DiskEntry?> waiting = new(StringComparer.Ordinal);

    // Removals that the disk refused: their keys stay in waiting, so that nobody reads what is still there. Guarded by the gate.
    private readonly HashSet<string> refused = new(StringComparer.Ordinal);
    private readonly bool[] made = new bool[Folders];
    private readonly string? folder;
    private readonly long budget;
    private readonly FrequencySketch uses;
    private readonly DeliveryMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<DiskCache> logger;
    private TaskCompletionSource? settled;
    private long bytes;
    private long entries;
    private int entriesWaiting;
    private int hanging;
    private long busySince = long.MaxValue;
    private long countAgain;
    private bool counted;
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
    }

    /// <summary>The disk answers again after it did not: what was to be read meanwhile was not compared with anything.</summary>
    public event EventHandler? CameBack;

    /// <summary>Whether there is one.</summary>
    public bool IsOn => folder is not null;

    /// <summary>Bytes of its files.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Its files.</summary>
    public long Entries => Interlocked.Read(ref entries);

    /// <summary>A piece of the hash of a key, for <see cref="FrequencySketch"/>.</summary>
    public static ulong HashOf(string key) => BinaryPrimitives.ReadUInt64LittleEndian(NameOf(key));

    /// <summary>
    /// What is there for a key, every byte verified; null when nothing is, or nothing that is whole, or the disk does not answer within
    /// <see cref="DeliveryLimits.DiskPatience"/>. From then on it is not asked until it does.
    /// </summary>
    public async Task<DiskEntry?> ReadAsync(string key, CancellationToken ct)
    {
        if (folder is null)
            return null;
        lock (gate)
        {
            if (waiting.TryGetValue(key, out var latest))
                return latest;
        }
        if (IsHanging)
            return null;
        var reading = Task.Run(() => Read(key), CancellationToken.None);
        try
        {
            return await reading.WaitAsync(DeliveryLimits.DiskPatience, time, ct);
        }
        catch (TimeoutException e)
        {
            Interlocked.Increment(ref hanging);
            Fail(e);
            _ = AwaitReturnAsync(reading);
            return null;
        }
    }

    /// <summary>Whether a read took longer than <see cref="DeliveryLimits.DiskPatience"/> and has not returned.</summary>
    public bool IsHanging => Volatile.Read(ref hanging) > 0;

    /// <summary>As <see cref="ReadAsync"/> for as long as it takes: for whoever has nothing else to show.</summary>
    public async Task<DiskEntry?> ReadPatientlyAsync(string key, CancellationToken ct)
    {
        if (folder is null)
            return null;
        // As many threads as may hang with the disk, and no more.
        await patient.WaitAsync(ct);
        var reading = Task.Run(() => Read(key), CancellationToken.None);
        _ = ReleaseAsync(reading);
        return await reading.WaitAsync(ct);
    }

    /// <summary>
    /// Takes an entry to be written when those before it are. Waits for nothing: with <see cref="DeliveryLimits.PendingWrites"/>
    /// waiting it is not kept, and what it would have <paramref name="replaced"/> goes, so that no former release comes back.
    /// </summary>
    public void Store(DiskEntry entry, bool replaced)
    {
        if (folder is null)
            return;
        lock (gate)
        {
            if (entriesWaiting < DeliveryLimits.PendingWrites || waiting.GetValueOrDefault(entry.Key) is not null)
            {
                Put(entry.Key, entry);
                return;
            }
            if (replaced || waiting.ContainsKey(entry.Key))
                Put(entry.Key, null);
        }
        metrics.DiskEntryRefused();
        if (time.GetElapsedTime(Interlocked.Read(ref busySince)) > DeliveryLimits.DiskPatience)
            Fail(new TimeoutException("The disk does not finish what it was given to write."));
    }

    /// <summary>Takes the removal of a key's entry; from now on it is not read.</summary>
    /// <param name="key">The key.</param>
    /// <param name="mayBeThere">False when it was looked for and not found: then only what waits to be written is taken back.</param>
    public void Remove(string key, bool mayBeThere)
    {
        if (folder is null)
            return;
        lock (gate)
        {
            if (mayBeThere || waiting.ContainsKey(key))
                Put(key, null);
        }
    }

    /// <summary>
    /// Waits until at most so many entries wait to be written, for whoever makes them faster than the disk takes them and would see them
    /// dropped. A disk that finishes none of them within <see cref="DeliveryLimits.DiskPatience"/> is not waited for.
    /// </summary>
    public async Task WaitForRoomAsync(int most, CancellationToken ct)
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (entriesWaiting <= most)
                    return;
                settled ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                next = settled.Task;
            }
            try
            {
                await next.WaitAsync(DeliveryLimits.DiskPatience, time, ct);
            }
            catch (TimeoutException)
            {
                return;
            }
        }
    }

    /// <summary>Whether there may be an entry for a key.</summary>
    public bool Has(string key)
    {
        if (folder is null)
            return false;
        lock (gate)
        {
            if (waiting.TryGetValue(key, out var latest))
                return latest is not null;
        }
        return File.Exists(PathOf(key));
    }

    /// <summary>What is on the disk, without its bytes, in no order. What is written or removed meanwhile may or may not be seen.</summary>
    public IEnumerable<DiskHead> Heads()
    {
        for (var index = 0; folder is not null && index < Folders; index++)
        {
            foreach (var file in FilesOf(index))
            {
                if (DiskEntry.TryReadHead(file.FullName, out var head))
                    yield return head;
            }
        }
    }

    public override void Dispose()
    {
        patient.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not the caller's token: what was taken before the stop is written.
        await using var end = stoppingToken.Register(() => changes.Writer.TryComplete());
        Interlocked.Exchange(ref busySince, time.GetTimestamp());
        if (folder is not null)
            Attempt(EnsureCounted);
        Interlocked.Exchange(ref busySince, long.MaxValue);
        await foreach (var key in changes.Reader.ReadAllAsync(CancellationToken.None))
        {
            DiskEntry? entry;
            lock (gate)
            {
                if (!waiting.TryGetValue(key, out entry))
                    continue;
            }
            Interlocked.Exchange(ref busySince, time.GetTimestamp());
            var done = Attempt(() => Apply(key, entry));
            // Written or not, the former must go.
            if (!done && entry is not null)
                done = Attempt(() => Delete(PathOf(key)));
            Settle(key, entry, done);
            Interlocked.Exchange(ref busySince, long.MaxValue);
        }
    }

    private void Apply(string key, DiskEntry? entry)
    {
        EnsureCounted();
        if (entry is null)
            Delete(PathOf(key));
        else
            Write(entry);
        failing = false;
    }

    private void Settle(string key, DiskEntry? entry, bool done)
    {
        lock (gate)
        {
            settled?.SetResult();
            settled = null;
            // Another change of this key came meanwhile: its turn comes.
            if (!ReferenceEquals(waiting.GetValueOrDefault(key), entry))
                return;
            if (done)
            {
                waiting.Remove(key);
                refused.Remove(key);
            }
            else
            {
                waiting[key] = null;
                refused.Add(key);
            }
            if (entry is not null)
                entriesWaiting--;
            if (!done || failing || refused.Count == 0)
                return;
            // It works again.
            foreach (var other in refused)
                changes.Writer.TryWrite(other);
            refused.Clear();
        }
    }

    // Under the gate.
    private void Put(string key, DiskEntry? entry)
    {
        entriesWaiting += (entry is null ? 0 : 1) - (waiting.GetValueOrDefault(key) is null ? 0 : 1);
        waiting[key] = entry;
        refused.Remove(key);
        // False when the process is stopping: what is lost is one entry of a cache, or a removal that the next start makes up for.
        changes.Writer.TryWrite(key);
    }

    private bool Attempt(Action change)
    {
        try
        {
            change();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return false;
        }
    }

    private DiskEntry? Read(string key)
    {
        var path = PathOf(key);
        byte[] content;
        try
        {
            content = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return null;
        }
        if (DiskEntry.TryRead(key, content, out var entry))
        {
            Touch(path);
            return entry;
        }
        logger.DiskEntryBroken(key);
        metrics.DiskEntryBroken();
        Remove(key, mayBeThere: true);
        return null;
    }

    // When it was used last decides who goes first. A disk that can only be read makes no room either.
    private void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
        }
    }

    private async Task ReleaseAsync(Task<DiskEntry?> reading)
    {
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        patient.Release();
    }

    private async Task AwaitReturnAsync(Task<DiskEntry?> reading)
    {
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (Interlocked.Decrement(ref hanging) > 0)
            return;
        failing = false;
        CameBack?.Invoke(this, EventArgs.Empty);
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
            Delete(path);
            metrics.DiskEntryRefused();
            return;
        }
        var index = IndexOf(path);
        if (!made[index])
            Make(index);
        try
        {
            WriteWhole(path, content);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody removed the folder, and maybe all of them.
            Count();
            former = -1;
            more = content.Length;
            Make(index);
            WriteWhole(path, content);
        }
        Interlocked.Add(ref bytes, more);
        if (former < 0)
            Interlocked.Increment(ref entries);
    }

    private static void WriteWhole(string path, byte[] content)
    {
        var whole = false;
        try
        {
            // Without waiting for the disk: a machine that stops in between leaves a file that does not verify.
            File.WriteAllBytes(path + Unfinished, content);
            File.Move(path + Unfinished, path, overwrite: true);
            whole = true;
        }
        finally
        {
            if (!whole && File.Exists(path + Unfinished))
                File.Delete(path + Unfinished);
        }
    }

    private void Make(int index)
    {
        Directory.CreateDirectory(Path.Combine(folder!, NameOfFolder(index)));
        made[index] = true;
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
            {
                // What takes the room is not there any more.
                Count();
                continue;
            }
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
                found.AddRange(FilesOf(index).Where(file => file.Exists));
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

    private void EnsureCounted()
    {
        if (counted)
            return;
        if (countAgain > time.GetTimestamp())
            throw new IOException("The folder of the disk cache could not be read a moment ago.");
        countAgain = time.GetTimestamp() + (long)(DeliveryLimits.DiskRetry.TotalSeconds * time.TimestampFrequency);
        Count();
        counted = true;
    }

    // What is there: its size, and what a former run had not finished, which goes.
    private void Count()
    {
        Directory.CreateDirectory(folder!);
        var (size, number) = (0L, 0L);
        for (var index = 0; index < Folders; index++)
        {
            var one = new DirectoryInfo(Path.Combine(folder!, NameOfFolder(index)));
            made[index] = one.Exists;
            if (!one.Exists)
                continue;
            foreach (var file in one.EnumerateFiles("*" + Unfinished))
                file.Delete();
            foreach (var file in FilesOf(index))
            {
                size += file.Length;
                number++;
            }
        }
        Interlocked.Exchange(ref bytes, size);
        Interlocked.Exchange(ref entries, number);
    }

    private FileInfo[] FilesOf(int index)
    {
        var one = new DirectoryInfo(Path.Combine(folder!, NameOfFolder(index)));
        try
        {
            return one.Exists
                ? [.. one.EnumerateFiles().Where(file => file.Name.Length == 2 * SHA256.HashSizeInBytes)]
                : [];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
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
        BinaryPrimitives.ReadUInt64LittleEndian(Convert.FromHexString(name));

    private static int IndexOf(string path) =>
        int.Parse(
            Path.GetFileName(path).AsSpan(0, 3),
            System.Globalization.NumberStyles.HexNumber,
            System.Globalization.CultureInfo.InvariantCulture
        );

    private static string NameOfFolder(int index) =>
        index.ToString("x3", System.Globalization.CultureInfo.InvariantCulture);
}

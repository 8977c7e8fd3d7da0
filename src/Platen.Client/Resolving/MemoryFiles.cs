using System.Collections.Concurrent;
using Platen.Kernel;

namespace Platen.Client.Resolving;

/// <summary>Files in memory, by digest, up to a number of bytes; those that were not used for longest go first.</summary>
internal sealed class MemoryFiles(long mostBytes, TimeProvider time)
{
    private readonly ConcurrentDictionary<Digest, Entry> entries = new();
    private long bytes;

    public byte[]? Find(Digest digest)
    {
        if (!entries.TryGetValue(digest, out var entry))
            return null;
        entry.UsedAt = time.GetTimestamp();
        return entry.Bytes;
    }

    /// <summary>Keeps a file whose digest was checked, and gives the one that is kept.</summary>
    public byte[] Keep(Digest digest, byte[] content)
    {
        var entry = new Entry(content) { UsedAt = time.GetTimestamp() };
        if (entries.TryAdd(digest, entry))
            Interlocked.Add(ref bytes, content.Length);
        else
            entries[digest] = entry;
        if (Interlocked.Read(ref bytes) > mostBytes)
            Shrink();
        return content;
    }

    public void Remove(Digest digest)
    {
        if (entries.TryRemove(digest, out var gone))
            Interlocked.Add(ref bytes, -gone.Bytes.Length);
    }

    private void Shrink()
    {
        foreach (var (digest, _) in entries.OrderBy(entry => entry.Value.UsedAt).ToList())
        {
            if (Interlocked.Read(ref bytes) <= mostBytes / 2)
                return;
            Remove(digest);
        }
    }

    private sealed class Entry(byte[] content)
    {
        public byte[] Bytes => content;

        public long UsedAt { get; set; }
    }
}

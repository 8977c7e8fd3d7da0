using System.Collections.Concurrent;
using System.Text;
using Platen.Kernel;

namespace Platen.Client.Resolving;

/// <summary>Files in memory, by digest, up to a number of bytes, their texts included; those that were not used for longest go first.</summary>
internal sealed class MemoryFiles(long mostBytes, TimeProvider time)
{
    private readonly ConcurrentDictionary<Digest, MemoryPlace> places = new();
    private long bytes;

    public MemoryFile? Find(Digest digest) => places.TryGetValue(digest, out var place) ? place.Use(time) : null;

    /// <summary>Keeps a file whose digest was checked, instead of what was kept of that digest.</summary>
    public MemoryFile Keep(Digest digest, byte[] content)
    {
        var place = new MemoryPlace(this, content);
        var file = place.Use(time)!;
        while (!places.TryAdd(digest, place))
            Remove(digest);
        Grow(content.Length);
        return file;
    }

    public void Remove(Digest digest)
    {
        if (places.TryRemove(digest, out var gone))
            Interlocked.Add(ref bytes, -gone.Clear());
    }

    /// <summary>Counts bytes that a place has taken, and makes room when they are too many.</summary>
    public void Grow(long by)
    {
        if (Interlocked.Add(ref bytes, by) <= mostBytes)
            return;
        foreach (var (digest, _) in places.OrderBy(place => place.Value.UsedAt).ToList())
        {
            if (Interlocked.Read(ref bytes) <= mostBytes / 2)
                return;
            Remove(digest);
        }
    }
}

/// <summary>Where a file is kept until there is no room. What is remembered for long remembers this, and not the file.</summary>
internal sealed class MemoryPlace
{
    private readonly Lock counting = new();
    private readonly MemoryFiles memory;
    private MemoryFile? file;
    private long sizeBytes;

    public MemoryPlace(MemoryFiles memory, byte[] content)
    {
        this.memory = memory;
        file = new MemoryFile(content, this);
        sizeBytes = content.Length;
    }

    public long UsedAt { get; private set; }

    /// <summary>The file, or null when it went.</summary>
    public MemoryFile? Use(TimeProvider time)
    {
        UsedAt = time.GetTimestamp();
        return Volatile.Read(ref file);
    }

    /// <summary>Counts what the file has become larger by, unless it went.</summary>
    public void Grow(long by)
    {
        lock (counting)
        {
            if (file is null)
                return;
            sizeBytes += by;
        }
        memory.Grow(by);
    }

    /// <summary>Lets the file go.</summary>
    /// <returns>The bytes that were counted for it.</returns>
    public long Clear()
    {
        lock (counting)
        {
            Volatile.Write(ref file, null);
            return sizeBytes;
        }
    }
}

/// <summary>A file's bytes, and its text once somebody has asked for it.</summary>
internal sealed class MemoryFile(byte[] bytes, MemoryPlace place)
{
    private string? text;

    public byte[] Bytes => bytes;

    public MemoryPlace Place => place;

    public string Text
    {
        get
        {
            if (Volatile.Read(ref text) is { } known)
                return known;
            var made = Encoding.UTF8.GetString(bytes);
            if (Interlocked.CompareExchange(ref text, made, null) is { } first)
                return first;
            place.Grow(sizeof(char) * (long)made.Length);
            return made;
        }
    }
}

using System.Buffers.Binary;
using System.Numerics;

namespace Platen.Kernel.Schemas;

/// <summary>A fixed set of names, looked up by their UTF-8 bytes without making a string. Immutable.</summary>
internal sealed class NameTable
{
    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64() | 1;

    private readonly byte[][] names;
    private readonly ulong[] hashes;
    private readonly int[] slots;
    private readonly int mask;

    public NameTable(IReadOnlyList<byte[]> names)
    {
        this.names = [.. names];
        hashes = new ulong[names.Count];
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, names.Count * 2));
        slots = new int[size];
        mask = size - 1;
        for (var i = 0; i < this.names.Length; i++)
        {
            hashes[i] = Hash(this.names[i]);
            var slot = (int)hashes[i] & mask;
            while (slots[slot] != 0)
                slot = (slot + 1) & mask;
            slots[slot] = i + 1;
        }
    }

    public int Count => names.Length;

    /// <summary>The place of <paramref name="name"/> in the list given at construction, or -1.</summary>
    public int IndexOf(ReadOnlySpan<byte> name)
    {
        var hash = Hash(name);
        for (var slot = (int)hash & mask; slots[slot] != 0; slot = (slot + 1) & mask)
        {
            var index = slots[slot] - 1;
            if (hashes[index] == hash && name.SequenceEqual(names[index]))
                return index;
        }
        return -1;
    }

    private static ulong Hash(ReadOnlySpan<byte> name)
    {
        var hash = Seed ^ ((ulong)name.Length * 0x9E3779B97F4A7C15);
        while (name.Length >= 8)
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(name));
            name = name[8..];
        }
        ulong rest = 0;
        foreach (var unit in name)
            rest = (rest << 8) | unit;
        return Mix(hash ^ rest);
    }

    private static ulong Mix(ulong value)
    {
        var high = Math.BigMul(value, 0xD6E8FEB86659FD93, out var low);
        return high ^ low;
    }
}

namespace Platen.Delivery;

/// <summary>
/// How often keys were asked for lately, near enough and in bounded memory: a count-min sketch of four-bit counters that halves
/// itself now and then (Einziger, Friedman, Manes: TinyLFU, 2017). Thread-safe; a lost increment costs nothing.
/// </summary>
internal sealed class FrequencySketch
{
    private const int Rows = 4;
    private const int Width = 1 << 18;
    private const byte Most = 15;

    // A key's counters are halved when this many were counted, so what was popular last month is forgotten.
    private const int Period = 10 * Width;

    private readonly byte[] counters = new byte[Rows * Width];
    private int counted;

    /// <summary>Counts one use of the key with this hash.</summary>
    public void Count(ulong hash)
    {
        for (var row = 0; row < Rows; row++)
        {
            ref var counter = ref counters[Index(hash, row)];
            if (counter < Most)
                counter++;
        }
        if (Interlocked.Increment(ref counted) == Period)
            Halve();
    }

    /// <summary>Uses lately, 0 to 15; rather too many than too few.</summary>
    public int Of(ulong hash)
    {
        var least = Most;
        for (var row = 0; row < Rows; row++)
            least = Math.Min(least, counters[Index(hash, row)]);
        return least;
    }

    private void Halve()
    {
        for (var i = 0; i < counters.Length; i++)
            counters[i] >>= 1;
        Interlocked.Exchange(ref counted, 0);
    }

    // The hash is a piece of a SHA-256: its bits are independent, so each row takes others of them.
    private static int Index(ulong hash, int row) => row * Width + (int)((hash >> (row * 15)) & (Width - 1));
}

using System.Globalization;

namespace Platen.Registry;

/// <summary>One range of bytes of a blob (RFC 9110 section 14.1.2).</summary>
/// <param name="From">The first byte; null for the last <paramref name="To"/> bytes.</param>
/// <param name="To">The last byte, inclusive; null for the end.</param>
internal readonly record struct BlobRange(long? From, long? To)
{
    /// <summary>
    /// Reads a Range field. Null when it is not one range of bytes: a server may then answer with the whole, and with a malformed one
    /// it must (section 14.2).
    /// </summary>
    public static BlobRange? Parse(string? field)
    {
        if (field is null || !field.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase))
            return null;
        var dash = field.IndexOf('-', StringComparison.Ordinal);
        if (dash < 0 || field.Contains(',', StringComparison.Ordinal))
            return null;
        var first = field["bytes=".Length..dash].Trim();
        var last = field[(dash + 1)..].Trim();
        var from = Number(first);
        var to = Number(last);
        if ((first.Length > 0 && from is null) || (last.Length > 0 && to is null) || (from is null && to is null))
            return null;
        return from > to ? null : new BlobRange(from, to);
    }

    /// <summary>Where it begins in content of this size and how long it is; null when there is nothing of it.</summary>
    public (long Offset, long LengthBytes)? In(long sizeBytes)
    {
        var (offset, last) = From is { } from
            ? (from, Math.Min(To ?? long.MaxValue, sizeBytes - 1))
            : (Math.Max(0, sizeBytes - To!.Value), sizeBytes - 1);
        return offset > last ? null : (offset, last - offset + 1);
    }

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}

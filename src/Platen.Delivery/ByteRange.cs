using System.Globalization;

namespace Platen.Delivery;

/// <summary>What a Range field asks of a representation (RFC 9110 section 14.2).</summary>
internal enum RangeOutcome
{
    /// <summary>No range, several, another unit, or not well-formed: the whole is sent.</summary>
    Whole,

    /// <summary>One range that can be sent.</summary>
    Part,

    /// <summary>A range that starts beyond the end: 416.</summary>
    Unsatisfiable,
}

/// <summary>One range of bytes.</summary>
internal static class ByteRange
{
    public static RangeOutcome Read(ReadOnlySpan<char> field, long size, out long first, out long length)
    {
        (first, length) = (0, size);
        if (!field.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase))
            return RangeOutcome.Whole;
        var range = field["bytes=".Length..].Trim(" \t");
        var dash = range.IndexOf('-');
        if (dash < 0 || range.Contains(','))
            return RangeOutcome.Whole;
        var from = range[..dash];
        var to = range[(dash + 1)..];

        if (from.IsEmpty)
        {
            if (!TryReadPosition(to, out var suffix))
                return RangeOutcome.Whole;
            if (suffix == 0 || size == 0)
                return RangeOutcome.Unsatisfiable;
            length = Math.Min(suffix, size);
            first = size - length;
            return RangeOutcome.Part;
        }
        if (!TryReadPosition(from, out first))
            return RangeOutcome.Whole;
        var last = size - 1;
        if (!to.IsEmpty)
        {
            if (!TryReadPosition(to, out var asked) || asked < first)
                return RangeOutcome.Whole;
            last = Math.Min(asked, last);
        }
        if (first >= size)
            return RangeOutcome.Unsatisfiable;
        length = last - first + 1;
        return RangeOutcome.Part;
    }

    // A position too large for a long is still a number: it lies beyond every end.
    private static bool TryReadPosition(ReadOnlySpan<char> digits, out long position)
    {
        position = 0;
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            return false;
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out position))
            position = long.MaxValue;
        return true;
    }
}

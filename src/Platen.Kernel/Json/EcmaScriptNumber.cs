using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;

namespace Platen.Kernel.Json;

/// <summary>Numbers as ECMAScript prints them: ECMA-262, Number::toString with radix 10.</summary>
internal static class EcmaScriptNumber
{
    /// <summary>The longest text, in bytes: <c>-2.2250738585072014e-308</c>, or a sign, <c>0.00000</c> and 17 digits.</summary>
    public const int MaxBytes = 32;

    private const double MaxSafeInteger = 9007199254740991;
    private const long MantissaMask = (1L << 52) - 1;

    /// <summary>Writes a finite number and returns how many bytes were written.</summary>
    public static int Format(double value, Span<byte> destination)
    {
        Debug.Assert(double.IsFinite(value));
        if (Math.Abs(value) <= MaxSafeInteger && Math.Truncate(value) == value)
        {
            // Negative zero is printed as zero, which the conversion does by itself.
            Utf8Formatter.TryFormat((long)value, destination, out var integerBytes);
            return integerBytes;
        }

        Span<byte> shortest = stackalloc byte[MaxBytes];
        value.TryFormat(shortest, out var written, "R", CultureInfo.InvariantCulture);
        // For a few powers of two (2^-25, 2^-958) the framework's text is one digit short of naming the same double.
        if ((BitConverter.DoubleToInt64Bits(value) & MantissaMask) == 0 && !Names(shortest[..written], value))
            value.TryFormat(shortest, out written, "E16", CultureInfo.InvariantCulture);
        shortest = shortest[..written];
        var mark = shortest.IndexOf((byte)'E');
        if (mark < 0)
        {
            // Without an exponent the framework's text lies within the range where ECMAScript has none either.
            shortest.CopyTo(destination);
            return written;
        }

        var exponent = Exponent(shortest[(mark + 1)..]);
        Span<byte> digits = stackalloc byte[MaxBytes];
        var count = 0;
        foreach (var b in shortest[..mark])
        {
            if (b is >= (byte)'0' and <= (byte)'9')
                digits[count++] = b;
        }
        digits = digits[..count];

        // The names of the specification: value = digits × 10^(n - k), with k digits.
        var (k, n) = (count, exponent + 1);
        var to = 0;
        if (value < 0)
            destination[to++] = (byte)'-';
        if (k <= n && n <= 21)
        {
            Put(digits, destination, ref to);
            destination.Slice(to, n - k).Fill((byte)'0');
            return to + n - k;
        }
        if (0 < n && n <= 21)
        {
            Put(digits[..n], destination, ref to);
            destination[to++] = (byte)'.';
            Put(digits[n..], destination, ref to);
            return to;
        }
        if (-6 < n && n <= 0)
        {
            Put("0."u8, destination, ref to);
            destination.Slice(to, -n).Fill((byte)'0');
            to -= n;
            Put(digits, destination, ref to);
            return to;
        }
        destination[to++] = digits[0];
        if (k > 1)
        {
            destination[to++] = (byte)'.';
            Put(digits[1..], destination, ref to);
        }
        destination[to++] = (byte)'e';
        destination[to++] = (byte)(n > 0 ? '+' : '-');
        Utf8Formatter.TryFormat(Math.Abs(n - 1), destination[to..], out var exponentBytes);
        return to + exponentBytes;

        static void Put(ReadOnlySpan<byte> part, Span<byte> destination, ref int to)
        {
            part.CopyTo(destination[to..]);
            to += part.Length;
        }
    }

    /// <summary>
    /// Whether the text of an integer (no fraction, no exponent) and the printed form of its double are the same integer.
    /// Comparing texts and not values keeps canonical output acceptable as input: 2^68 prints as 295147905179352830000.
    /// </summary>
    public static bool KeepsDigits(ReadOnlySpan<byte> integer, double value)
    {
        Span<byte> printed = stackalloc byte[MaxBytes];
        printed = printed[..Format(value, printed)];
        var exponent = 0;
        var mark = printed.IndexOf((byte)'e');
        if (mark >= 0)
        {
            exponent = Exponent(printed[(mark + 1)..]);
            printed = printed[..mark];
        }

        integer = integer.TrimStart((byte)'-');
        printed = printed.TrimStart((byte)'-');
        var integerExponent = integer.Length - 1;
        if (mark < 0)
            exponent = printed.Length - 1;
        if (integerExponent != exponent)
            return false;
        Span<byte> digits = stackalloc byte[MaxBytes];
        var count = 0;
        foreach (var b in printed)
        {
            if (b != '.')
                digits[count++] = b;
        }
        return integer.TrimEnd((byte)'0').SequenceEqual(digits[..count].TrimEnd((byte)'0'));
    }

    private static bool Names(ReadOnlySpan<byte> text, double value) =>
        double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture).Equals(value);

    private static int Exponent(ReadOnlySpan<byte> text) =>
        int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
}

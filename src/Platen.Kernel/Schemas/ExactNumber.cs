using System.Numerics;

namespace Platen.Kernel.Schemas;

/// <summary>
/// A JSON number as it was written: an integer of significant digits times a power of ten, never a binary fraction, and
/// never expanded (<c>1e1000000000</c> is one digit and an exponent). Up to 18 significant digits need no allocation.
/// Exponents beyond ±10^17 are held at that bound.
/// </summary>
internal readonly struct ExactNumber : IEquatable<ExactNumber>, IComparable<ExactNumber>
{
    private const int SmallDigits = 18;
    private const long ExponentBound = 100_000_000_000_000_000;

    private readonly bool negative;

    // Significant digits without leading or trailing zeros, when at most 18; otherwise `digits` holds them (0 to 9).
    private readonly ulong mantissa;
    private readonly byte[]? digits;
    private readonly long exponent;

    private ExactNumber(bool negative, ulong mantissa, byte[]? digits, long exponent)
    {
        this.negative = negative;
        this.mantissa = mantissa;
        this.digits = digits;
        this.exponent = exponent;
    }

    public bool IsInteger => exponent >= 0;

    public bool IsPositive => !negative && (mantissa != 0 || digits is not null);

    public bool IsNegative => negative;

    /// <summary>Significant digits of the number as written, zeros at both ends left out.</summary>
    public int Precision => digits?.Length ?? DigitCount(mantissa);

    /// <param name="token">A number token by RFC 8259, which the JSON reader has already checked.</param>
    public static ExactNumber Parse(ReadOnlySpan<byte> token)
    {
        var isNegative = token[0] == (byte)'-';
        var at = isNegative ? 1 : 0;
        var significant = 0;
        var pendingZeros = 0L;
        var fraction = 0L;
        var inFraction = false;
        ulong small = 0;
        var start = at;
        for (; at < token.Length; at++)
        {
            var unit = token[at];
            if (unit == (byte)'.')
            {
                inFraction = true;
                continue;
            }
            if (unit is (byte)'e' or (byte)'E')
                break;
            if (inFraction)
                fraction++;
            if (unit == (byte)'0')
            {
                if (significant > 0)
                    pendingZeros++;
                continue;
            }
            var added = pendingZeros + 1;
            if (significant + added <= SmallDigits)
            {
                for (; pendingZeros > 0; pendingZeros--)
                    small *= 10;
                small = small * 10 + (ulong)(unit - '0');
            }
            pendingZeros = 0;
            significant += (int)added;
        }
        if (significant == 0)
            return default;

        var written = at < token.Length ? ParseExponent(token[(at + 1)..]) : 0;
        var scale = Math.Clamp(written - fraction + pendingZeros, -ExponentBound, ExponentBound);
        return significant <= SmallDigits
            ? new ExactNumber(isNegative, small, null, scale)
            : new ExactNumber(isNegative, 0, Digits(token[start..at], significant), scale);
    }

    public static bool operator <(ExactNumber left, ExactNumber right) => left.CompareTo(right) < 0;

    public static bool operator >(ExactNumber left, ExactNumber right) => left.CompareTo(right) > 0;

    public static bool operator <=(ExactNumber left, ExactNumber right) => left.CompareTo(right) <= 0;

    public static bool operator >=(ExactNumber left, ExactNumber right) => left.CompareTo(right) >= 0;

    public static bool operator ==(ExactNumber left, ExactNumber right) => left.CompareTo(right) == 0;

    public static bool operator !=(ExactNumber left, ExactNumber right) => left.CompareTo(right) != 0;

    public int CompareTo(ExactNumber other)
    {
        var sign = Sign;
        if (sign != other.Sign)
            return sign.CompareTo(other.Sign);
        return sign == 0 ? 0 : sign * CompareMagnitude(other);
    }

    public bool Equals(ExactNumber other) => CompareTo(other) == 0;

    public override bool Equals(object? obj) => obj is ExactNumber other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(negative);
        hash.Add(mantissa);
        hash.Add(exponent);
        if (digits is not null)
            hash.AddBytes(digits);
        return hash.ToHashCode();
    }

    /// <summary>Whether this is <paramref name="divisor"/> (above zero) times an integer, exactly.</summary>
    public bool IsMultipleOf(in ExactNumber divisor)
    {
        if (Sign == 0)
            return true;

        // a·10^p / b·10^q with neither a nor b ending in zero: a smaller p leaves a fraction that nothing cancels.
        var shift = exponent - divisor.exponent;
        if (shift < 0)
            return false;
        if (divisor.digits is not null)
            return IsMultipleOf(divisor.digits, shift);

        var modulus = divisor.mantissa;
        UInt128 remainder = 0;
        if (digits is null)
        {
            remainder = mantissa % modulus;
        }
        else
        {
            foreach (var digit in digits)
                remainder = (remainder * 10 + digit) % modulus;
        }
        UInt128 power = 10 % modulus;
        UInt128 scale = 1 % modulus;
        for (; shift > 0; shift >>= 1)
        {
            if ((shift & 1) == 1)
                scale = scale * power % modulus;
            power = power * power % modulus;
        }
        return remainder * scale % modulus == 0;
    }

    /// <summary>The value as a count, held at <see cref="long.MaxValue"/>; null when it is negative or not an integer.</summary>
    public long? ToCount()
    {
        if (negative || !IsInteger)
            return null;
        if (mantissa == 0 && digits is null)
            return 0;
        if (digits is not null || exponent > SmallDigits)
            return long.MaxValue;
        UInt128 value = mantissa;
        for (var i = 0; i < exponent; i++)
            value *= 10;
        return value > long.MaxValue ? long.MaxValue : (long)value;
    }

    private int Sign =>
        mantissa == 0 && digits is null ? 0
        : negative ? -1
        : 1;

    private bool IsMultipleOf(byte[] divisorDigits, long shift)
    {
        var modulus = BigInteger.Zero;
        foreach (var digit in divisorDigits)
            modulus = modulus * 10 + digit;
        BigInteger remainder = mantissa;
        if (digits is not null)
        {
            foreach (var digit in digits)
                remainder = (remainder * 10 + digit) % modulus;
        }
        return (remainder * BigInteger.ModPow(10, shift, modulus) % modulus).IsZero;
    }

    private int CompareMagnitude(in ExactNumber other)
    {
        var top = Precision + exponent;
        var otherTop = other.Precision + other.exponent;
        if (top != otherTop)
            return top.CompareTo(otherTop);
        if (digits is null && other.digits is null)
            return Aligned(mantissa).CompareTo(Aligned(other.mantissa));
        return Expanded().SequenceCompareTo(other.Expanded());
    }

    private ReadOnlySpan<byte> Expanded()
    {
        if (digits is not null)
            return digits;
        var expanded = new byte[DigitCount(mantissa)];
        var rest = mantissa;
        for (var i = expanded.Length - 1; i >= 0; i--, rest /= 10)
            expanded[i] = (byte)(rest % 10);
        return expanded;
    }

    private static ulong Aligned(ulong value)
    {
        for (var missing = SmallDigits - DigitCount(value); missing > 0; missing--)
            value *= 10;
        return value;
    }

    private static int DigitCount(ulong value)
    {
        var count = 0;
        for (; value > 0; value /= 10)
            count++;
        return count;
    }

    private static byte[] Digits(ReadOnlySpan<byte> text, int significant)
    {
        var found = new byte[significant];
        var written = 0;
        foreach (var unit in text)
        {
            if (unit == (byte)'.' || (written == 0 && unit == (byte)'0'))
                continue;
            if (written == significant)
                break;
            found[written++] = (byte)(unit - '0');
        }
        return found;
    }

    private static long ParseExponent(ReadOnlySpan<byte> text)
    {
        var isNegative = text[0] == (byte)'-';
        if (text[0] is (byte)'-' or (byte)'+')
            text = text[1..];
        var value = 0L;
        foreach (var unit in text)
            value = Math.Min(value * 10 + (unit - '0'), ExponentBound);
        return isNegative ? -value : value;
    }
}

using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>
/// Reads the bytes between the quotes of a JSON string token. A lone surrogate escape (<c>\ud800</c>) is legal JSON and
/// no Unicode text; it is kept as the three bytes UTF-8 would give it, so that two such strings still compare by value.
/// </summary>
internal static class JsonText
{
    public static bool IsEscaped(ReadOnlySpan<byte> raw) => raw.Contains((byte)'\\');

    /// <summary>Writes the text of <paramref name="raw"/> to <paramref name="output"/>, which is at least as long.</summary>
    /// <returns>The count of bytes written.</returns>
    public static int Unescape(ReadOnlySpan<byte> raw, Span<byte> output)
    {
        var written = 0;
        while (true)
        {
            var plain = raw.IndexOf((byte)'\\');
            if (plain < 0)
            {
                raw.CopyTo(output[written..]);
                return written + raw.Length;
            }
            raw[..plain].CopyTo(output[written..]);
            written += plain;
            var escape = raw[plain + 1];
            raw = raw[(plain + 2)..];
            if (escape != (byte)'u')
            {
                output[written++] = escape switch
                {
                    (byte)'b' => (byte)'\b',
                    (byte)'f' => (byte)'\f',
                    (byte)'n' => (byte)'\n',
                    (byte)'r' => (byte)'\r',
                    (byte)'t' => (byte)'\t',
                    _ => escape,
                };
                continue;
            }
            var unit = Hex4(raw);
            raw = raw[4..];
            var scalar = unit;
            if (
                unit is >= 0xD800 and <= 0xDBFF
                && raw.Length >= 6
                && raw[0] == (byte)'\\'
                && raw[1] == (byte)'u'
                && Hex4(raw[2..]) is var low and >= 0xDC00 and <= 0xDFFF
            )
            {
                scalar = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                raw = raw[6..];
            }
            written += Encode(scalar, output[written..]);
        }
    }

    /// <summary>Code points in well-formed UTF-8: the bytes that do not continue another.</summary>
    public static int CountCodePoints(ReadOnlySpan<byte> utf8)
    {
        var count = 0;
        if (Vector.IsHardwareAccelerated && utf8.Length >= Vector<sbyte>.Count)
        {
            var vectors = MemoryMarshal.Cast<byte, Vector<sbyte>>(utf8);
            var limit = new Vector<sbyte>(-65);
            foreach (var vector in vectors)
                count -= Vector.Sum(Vector.GreaterThan(vector, limit));
            utf8 = utf8[(vectors.Length * Vector<sbyte>.Count)..];
        }
        foreach (var unit in utf8)
        {
            if ((sbyte)unit > -65)
                count++;
        }
        return count;
    }

    /// <summary>Whether two raw strings say the same text, whatever their escapes.</summary>
    public static bool SameText(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (!IsEscaped(left) && !IsEscaped(right))
            return left.SequenceEqual(right);
        var pool = ArrayPool<byte>.Shared;
        var leftText = pool.Rent(left.Length);
        var rightText = pool.Rent(right.Length);
        try
        {
            return leftText
                .AsSpan(0, Unescape(left, leftText))
                .SequenceEqual(rightText.AsSpan(0, Unescape(right, rightText)));
        }
        finally
        {
            pool.Return(leftText);
            pool.Return(rightText);
        }
    }

    /// <summary>The text as UTF-8 bytes of its own.</summary>
    public static byte[] ToBytes(ReadOnlySpan<byte> raw)
    {
        var text = new byte[raw.Length];
        return text.AsSpan(0, Unescape(raw, text)).ToArray();
    }

    /// <summary>The text as a .NET string; a lone surrogate reads as U+FFFD.</summary>
    public static string ToText(ReadOnlySpan<byte> raw) =>
        IsEscaped(raw) ? Encoding.UTF8.GetString(ToBytes(raw)) : Encoding.UTF8.GetString(raw);

    private static int Hex4(ReadOnlySpan<byte> digits) =>
        Utf8Parser.TryParse(digits[..4], out ushort value, out var used, 'x') && used == 4
            ? value
            : throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"Bad \\u escape of {digits.Length}")
            );

    private static int Encode(int scalar, Span<byte> output)
    {
        switch (scalar)
        {
            case < 0x80:
                output[0] = (byte)scalar;
                return 1;
            case < 0x800:
                output[0] = (byte)(0xC0 | (scalar >> 6));
                output[1] = (byte)(0x80 | (scalar & 0x3F));
                return 2;
            case < 0x10000:
                output[0] = (byte)(0xE0 | (scalar >> 12));
                output[1] = (byte)(0x80 | ((scalar >> 6) & 0x3F));
                output[2] = (byte)(0x80 | (scalar & 0x3F));
                return 3;
            default:
                output[0] = (byte)(0xF0 | (scalar >> 18));
                output[1] = (byte)(0x80 | ((scalar >> 12) & 0x3F));
                output[2] = (byte)(0x80 | ((scalar >> 6) & 0x3F));
                output[3] = (byte)(0x80 | (scalar & 0x3F));
                return 4;
        }
    }
}

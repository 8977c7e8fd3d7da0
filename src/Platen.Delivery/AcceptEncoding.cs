using System.Runtime.InteropServices;
using Microsoft.Extensions.Primitives;

namespace Platen.Delivery;

/// <summary>The content codings a release holds.</summary>
internal enum ContentCoding
{
    Identity,
    Brotli,
    Gzip,
}

/// <summary>
/// The weights a client gives the codings (RFC 9110 section 12.5.3), in thousandths; 0 is refused. Reading allocates nothing.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct AcceptEncoding(int Identity, int Brotli, int Gzip)
{
    private const int Unlisted = -1;

    /// <summary>No field was sent: only the identity is safe.</summary>
    public static readonly AcceptEncoding Absent = new(1, 0, 0);

    /// <summary>Reads all lines of the field. An element that cannot be read is as if it were not there.</summary>
    public static AcceptEncoding Read(in StringValues field)
    {
        if (field.Count == 0)
            return Absent;
        int identity = Unlisted,
            brotli = Unlisted,
            gzip = Unlisted,
            any = Unlisted;
        for (var i = 0; i < field.Count; i++)
        {
            ReadOnlySpan<char> line = field[i];
            while (!line.IsEmpty)
            {
                var element = WeightedList.Next(ref line, out var weight);
                if (weight < 0)
                    continue;
                if (element.Equals("br", StringComparison.OrdinalIgnoreCase))
                    brotli = weight;
                else if (
                    element.Equals("gzip", StringComparison.OrdinalIgnoreCase)
                    || element.Equals("x-gzip", StringComparison.OrdinalIgnoreCase)
                )
                    gzip = weight;
                else if (element.Equals("identity", StringComparison.OrdinalIgnoreCase))
                    identity = weight;
                else if (element is "*")
                    any = weight;
            }
        }
        // The identity is acceptable unless refused by name or by '*', but any coding that was asked for goes before it.
        return new(
            identity != Unlisted ? identity
                : any != Unlisted ? any
                : 1,
            brotli != Unlisted ? brotli : Math.Max(any, 0),
            gzip != Unlisted ? gzip : Math.Max(any, 0)
        );
    }

    /// <summary>The best of the variants there are, or null when the client refuses each. Equal weights: the smaller one.</summary>
    public Variant? Choose(Asset asset)
    {
        Variant? best = null;
        var weight = 0;
        Consider(asset.Brotli, Brotli, ref best, ref weight);
        Consider(asset.Gzip, Gzip, ref best, ref weight);
        Consider(asset.Identity, Identity, ref best, ref weight);
        return best;
    }

    private static void Consider(Variant? variant, int offered, ref Variant? best, ref int weight)
    {
        if (variant is null || offered <= weight)
            return;
        best = variant;
        weight = offered;
    }
}

/// <summary>Lists of names with weights: <c>name;q=0.5, name</c> (RFC 9110 sections 5.6.1 and 12.4.2).</summary>
internal static class WeightedList
{
    /// <summary>
    /// Takes the next element off <paramref name="rest"/>. The weight is in thousandths, 1000 when none is given, and -1
    /// when the element is empty or its weight is not well-formed.
    /// </summary>
    public static ReadOnlySpan<char> Next(ref ReadOnlySpan<char> rest, out int weight)
    {
        var comma = rest.IndexOf(',');
        var element = (comma < 0 ? rest : rest[..comma]).Trim(" \t");
        rest = comma < 0 ? [] : rest[(comma + 1)..];

        var semicolon = element.IndexOf(';');
        if (semicolon < 0)
        {
            weight = element.IsEmpty ? -1 : 1000;
            return element;
        }
        var parameters = element[(semicolon + 1)..];
        element = element[..semicolon].TrimEnd(" \t");
        weight = element.IsEmpty ? -1 : ReadWeight(parameters);
        return element;
    }

    private static int ReadWeight(ReadOnlySpan<char> parameters)
    {
        while (!parameters.IsEmpty)
        {
            var semicolon = parameters.IndexOf(';');
            var parameter = (semicolon < 0 ? parameters : parameters[..semicolon]).Trim(" \t");
            parameters = semicolon < 0 ? [] : parameters[(semicolon + 1)..];
            if (parameter.StartsWith("q=", StringComparison.OrdinalIgnoreCase))
                return Thousandths(parameter[2..]);
        }
        return 1000;
    }

    // qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
    private static int Thousandths(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text.Length > 5 || text[0] is not ('0' or '1'))
            return -1;
        var value = (text[0] - '0') * 1000;
        if (text.Length > 1 && text[1] != '.')
            return -1;
        var unit = 100;
        for (var i = 2; i < text.Length; i++, unit /= 10)
        {
            if (!char.IsAsciiDigit(text[i]))
                return -1;
            value += (text[i] - '0') * unit;
        }
        return value <= 1000 ? value : -1;
    }
}

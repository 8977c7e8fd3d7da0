using System.Globalization;
using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>A set of Unicode code points as sorted, disjoint ranges. Immutable.</summary>
internal sealed class CodePointSet
{
    public const int Last = 0x10FFFF;

    private readonly (int From, int To)[] ranges;

    private CodePointSet((int, int)[] ranges) => this.ranges = ranges;

    public static CodePointSet Empty { get; } = new([]);

    public IReadOnlyList<(int From, int To)> Ranges => ranges;

    public static CodePointSet Of(params IEnumerable<(int From, int To)> ranges)
    {
        var merged = new List<(int From, int To)>();
        foreach (var range in ranges.OrderBy(range => range.From))
        {
            if (merged.Count > 0 && range.From <= merged[^1].To + 1)
                merged[^1] = (merged[^1].From, Math.Max(merged[^1].To, range.To));
            else
                merged.Add(range);
        }
        return new CodePointSet([.. merged]);
    }

    public CodePointSet Union(CodePointSet other) => Of(ranges.Concat(other.ranges));

    public CodePointSet Complement()
    {
        var rest = new List<(int, int)>();
        var next = 0;
        foreach (var (from, to) in ranges)
        {
            if (from > next)
                rest.Add((next, from - 1));
            next = to + 1;
        }
        if (next <= Last)
            rest.Add((next, Last));
        return new CodePointSet([.. rest]);
    }

    public bool Contains(int codePoint)
    {
        var low = 0;
        var high = ranges.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (codePoint < ranges[middle].From)
                high = middle - 1;
            else if (codePoint > ranges[middle].To)
                low = middle + 1;
            else
                return true;
        }
        return false;
    }

    /// <summary>A .NET expression for one member, in text without surrogates.</summary>
    public string ToPlainExpression()
    {
        var text = new StringBuilder();
        AppendUnits(text, 0, 0xFFFF);
        return text.Length == 0 ? NoneExpression : $"[{text}]";
    }

    /// <summary>A .NET expression for one member, in text where pairs of surrogates stand for higher code points.</summary>
    public string ToPairExpression()
    {
        var alternatives = new List<string>();
        var text = new StringBuilder();
        AppendUnits(text, 0, 0xD7FF);
        AppendUnits(text, 0xE000, 0xFFFF);
        if (text.Length > 0)
            alternatives.Add($"[{text}]");
        foreach (var (from, to) in ranges)
        {
            if (to >= 0x10000)
                AppendPairs(alternatives, Math.Max(from, 0x10000) - 0x10000, to - 0x10000);
        }
        return alternatives.Count switch
        {
            0 => NoneExpression,
            1 when text.Length > 0 => alternatives[0],
            _ => $"(?:{string.Join('|', alternatives)})",
        };
    }

    private const string NoneExpression = @"[^\s\S]";

    private void AppendUnits(StringBuilder text, int first, int last)
    {
        foreach (var (from, to) in ranges)
        {
            var start = Math.Max(from, first);
            var end = Math.Min(to, last);
            if (start > end)
                continue;
            AppendUnit(text, start);
            if (end > start)
            {
                text.Append('-');
                AppendUnit(text, end);
            }
        }
    }

    private static void AppendPairs(List<string> alternatives, int from, int to)
    {
        while (from <= to)
        {
            var high = from >> 10;
            var lastHigh = to >> 10;
            var low = from & 0x3FF;
            if (low == 0 && ((to & 0x3FF) == 0x3FF || lastHigh > high))
            {
                // Whole rows of 1,024 share one alternative.
                var end = (to & 0x3FF) == 0x3FF ? lastHigh : lastHigh - 1;
                alternatives.Add(Pair(high, end, 0, 0x3FF));
                from = (end + 1) << 10;
                continue;
            }
            var endLow = lastHigh > high ? 0x3FF : to & 0x3FF;
            alternatives.Add(Pair(high, high, low, endLow));
            from = (high + 1) << 10;
        }
    }

    private static string Pair(int high, int highEnd, int low, int lowEnd)
    {
        var text = new StringBuilder("[");
        AppendUnit(text, 0xD800 + high);
        text.Append('-');
        AppendUnit(text, 0xD800 + highEnd);
        text.Append("][");
        AppendUnit(text, 0xDC00 + low);
        text.Append('-');
        AppendUnit(text, 0xDC00 + lowEnd);
        return text.Append(']').ToString();
    }

    private static void AppendUnit(StringBuilder text, int unit) =>
        text.Append(CultureInfo.InvariantCulture, $"\\u{unit:X4}");
}

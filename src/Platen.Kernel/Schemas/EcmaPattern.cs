using System.Globalization;
using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>What a pattern became.</summary>
/// <param name="Plain">For text without surrogates.</param>
/// <param name="Paired">For text in which pairs of surrogates are single code points.</param>
/// <param name="NeedsBacktracking">Uses lookaround, word boundaries or back references.</param>
internal readonly record struct TranslatedPattern(string Plain, string Paired, bool NeedsBacktracking);

/// <summary>
/// Parses ECMA-262 (2024) patterns with the <c>u</c> flag and writes each construct as .NET constructs of the same meaning:
/// <c>\d</c>, <c>\w</c> and <c>\b</c> are ASCII, <c>$</c> is only the very end, a back reference to a group that took no
/// part matches nothing. When not strict, escapes of punctuation that need none are accepted as in Annex B.
/// </summary>
internal sealed class EcmaPattern
{
    private const string WordBoundary = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))";
    private const string NotWordBoundary = "(?:(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<![0-9A-Za-z_])(?![0-9A-Za-z_]))";

    private static readonly CodePointSet Digits = CodePointSet.Of(('0', '9'));
    private static readonly CodePointSet Words = CodePointSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));
    private static readonly CodePointSet LineEnds = CodePointSet.Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));
    private static readonly CodePointSet Spaces = CodePointSet.Of(
        (0x09, 0x0D),
        (0x20, 0x20),
        (0xA0, 0xA0),
        (0x1680, 0x1680),
        (0x2000, 0x200A),
        (0x2028, 0x2029),
        (0x202F, 0x202F),
        (0x205F, 0x205F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF)
    );

    private readonly string source;
    private readonly bool isStrict;
    private readonly bool hasBackReferences;
    private readonly int groupCount;
    private readonly Dictionary<string, int> groupNames = new(StringComparer.Ordinal);
    private readonly StringBuilder plain = new();
    private readonly StringBuilder paired = new();
    private int at;
    private int depth;
    private int opened;
    private bool needsBacktracking;

    private EcmaPattern(string source, bool isStrict)
    {
        this.source = source;
        this.isStrict = isStrict;
        (groupCount, hasBackReferences) = ScanGroups();
    }

    /// <exception cref="PatternException">The source is no pattern.</exception>
    public static TranslatedPattern Translate(string source, bool isStrict)
    {
        if (source.Length > SchemaLimits.PatternLength)
        {
            throw new PatternException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"a pattern has at most {SchemaLimits.PatternLength} characters"
                )
            );
        }
        var pattern = new EcmaPattern(source, isStrict);
        pattern.Disjunction();
        if (pattern.at < source.Length)
            throw pattern.Fault("an unmatched )");
        return new TranslatedPattern(
            pattern.plain.ToString(),
            pattern.paired.ToString(),
            pattern.needsBacktracking || pattern.hasBackReferences
        );
    }

    private void Disjunction()
    {
        if (++depth > SchemaLimits.PatternDepth)
            throw Fault("groups nested too deep");
        while (at < source.Length && source[at] != ')')
        {
            if (source[at] == '|')
            {
                Append("|");
                at++;
                continue;
            }
            Term();
        }
        depth--;
    }

    private void Term()
    {
        var plainStart = plain.Length;
        var pairedStart = paired.Length;
        var canRepeat = Atom();
        if (at >= source.Length)
            return;
        var quantifier = Quantifier();
        if (quantifier is null)
            return;
        if (!canRepeat)
            throw Fault("nothing to repeat");

        // An expression of several .NET parts repeats as a whole.
        plain.Insert(plainStart, "(?:").Append(')').Append(quantifier);
        paired.Insert(pairedStart, "(?:").Append(')').Append(quantifier);
    }

    private string? Quantifier()
    {
        var start = at;
        switch (source[at])
        {
            case '*' or '+' or '?':
                at++;
                break;
            case '{':
                if (!TryBraces())
                {
                    if (isStrict)
                        throw Fault("a { that repeats nothing");
                    return null;
                }
                break;
            default:
                return null;
        }
        if (at < source.Length && source[at] == '?')
            at++;
        var text = source[start..at];
        return text[0] == '{' ? Braces(text) : text;
    }

    private bool TryBraces()
    {
        var i = at + 1;
        var digits = i;
        while (i < source.Length && char.IsAsciiDigit(source[i]))
            i++;
        if (i == digits)
            return false;
        if (i < source.Length && source[i] == ',')
        {
            i++;
            while (i < source.Length && char.IsAsciiDigit(source[i]))
                i++;
        }
        if (i >= source.Length || source[i] != '}')
            return false;
        at = i + 1;
        return true;
    }

    private string Braces(string text)
    {
        var close = text.IndexOf('}');
        var bounds = text[1..close].Split(',');
        var least = Bounded(bounds[0]);
        if (bounds.Length == 1)
            return string.Create(CultureInfo.InvariantCulture, $"{{{least}}}{text[(close + 1)..]}");
        if (bounds[1].Length == 0)
            return string.Create(CultureInfo.InvariantCulture, $"{{{least},}}{text[(close + 1)..]}");
        var most = Bounded(bounds[1]);
        if (most < least)
            throw Fault("a repeat whose bounds are out of order");
        return string.Create(CultureInfo.InvariantCulture, $"{{{least},{most}}}{text[(close + 1)..]}");
    }

    private static int Bounded(string digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : int.MaxValue;

    /// <returns>Whether the construct may be repeated.</returns>
    private bool Atom()
    {
        var c = source[at];
        switch (c)
        {
            case '^':
                at++;
                Append(@"\A");
                return false;
            case '$':
                at++;
                Append(@"\z");
                return false;
            case '(':
                return Group();
            case '.':
                at++;
                Append(LineEnds.Complement());
                return true;
            case '[':
                Append(Class());
                return true;
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Fault("nothing to repeat");
            case '{' when isStrict || TryPeekBraces():
                throw Fault("nothing to repeat");
            case '}' or ']' when isStrict:
                throw Fault($"an unmatched {c}");
            default:
                Append(CodePointSet.Of(Single(CodePoint())));
                return true;
        }
    }

    private bool TryPeekBraces()
    {
        var start = at;
        var found = TryBraces();
        at = start;
        return found;
    }

    private bool Group()
    {
        at++;
        if (!Take("?"))
        {
            opened++;
            Open(opened);
            Disjunction();
            Close();
            return true;
        }
        if (Take(":"))
        {
            Append("(?:");
            Disjunction();
            Close();
            return true;
        }
        foreach (var look in (ReadOnlySpan<string>)["<=", "<!", "=", "!"])
        {
            if (!Take(look))
                continue;
            needsBacktracking = true;
            Append("(?" + look);
            Disjunction();
            Close();
            return false;
        }
        if (!Take("<"))
            throw Fault("an unknown kind of group");
        GroupName();
        opened++;
        Open(opened);
        Disjunction();
        Close();
        return true;
    }

    private void Open(int number) =>
        Append(hasBackReferences ? string.Create(CultureInfo.InvariantCulture, $"(?<g{number}>") : "(?:");

    private void Close()
    {
        if (!Take(")"))
            throw Fault("a group without its end");
        Append(")");
    }

    private string GroupName()
    {
        var name = new StringBuilder();
        while (at < source.Length && source[at] != '>')
        {
            var point =
                source[at] == '\\' && at + 1 < source.Length && source[at + 1] == 'u' ? EscapedName() : CodePoint();
            var text = char.ConvertFromUtf32(point);
            var isFirst = name.Length == 0;
            if (!IsNamePart(point, isFirst))
                throw Fault("a group name with other than letters and digits");
            name.Append(text);
        }
        if (!Take(">") || name.Length == 0)
            throw Fault("a group name without its end");
        return name.ToString();

        int EscapedName()
        {
            at += 2;
            return UnicodeEscape();
        }
    }

    private static bool IsNamePart(int point, bool isFirst)
    {
        if (point is '$' or '_')
            return true;
        return CharUnicodeInfo.GetUnicodeCategory(point) switch
        {
            UnicodeCategory.UppercaseLetter
            or UnicodeCategory.LowercaseLetter
            or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter
            or UnicodeCategory.LetterNumber => true,
            UnicodeCategory.DecimalDigitNumber
            or UnicodeCategory.NonSpacingMark
            or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.ConnectorPunctuation => !isFirst,
            _ => false,
        };
    }

    private bool Escape()
    {
        at++;
        if (at >= source.Length)
            throw Fault("a \\ at the end");
        var c = source[at];
        switch (c)
        {
            case 'b' or 'B':
                at++;
                needsBacktracking = true;
                Append(c == 'b' ? WordBoundary : NotWordBoundary);
                return false;
            case >= '1' and <= '9':
                BackReference();
                return true;
            case 'k' when isStrict || groupNames.Count > 0:
                at++;
                if (!Take("<"))
                    throw Fault("a \\k without a name");
                if (!groupNames.TryGetValue(GroupName(), out var number))
                    throw Fault("a reference to a group that is not there");
                AppendReference(number);
                return true;
            default:
                Append(EscapedSet(inClass: false));
                return true;
        }
    }

    private void BackReference()
    {
        var start = at;
        while (at < source.Length && char.IsAsciiDigit(source[at]))
            at++;
        var number = Bounded(source[start..at]);
        if (number > groupCount)
            throw Fault("a reference to a group that is not there");
        AppendReference(number);
    }

    // A group that has not matched yet is the empty text in ECMA-262 and a failure in .NET.
    private void AppendReference(int number) =>
        Append(string.Create(CultureInfo.InvariantCulture, $"(?(g{number})\\k<g{number}>)"));

    private CodePointSet Class()
    {
        at++;
        var isNegated = Take("^");
        var ranges = new List<(int, int)>();
        while (true)
        {
            if (at >= source.Length)
                throw Fault("a [ without its end");
            if (Take("]"))
                break;
            var first = ClassAtom();
            if (at + 1 < source.Length && source[at] == '-' && source[at + 1] != ']')
            {
                var dash = at;
                at++;
                var second = ClassAtom();
                if (Point(first) is { } from && Point(second) is { } to)
                {
                    if (from > to)
                        throw Fault("a range that is out of order");
                    ranges.Add((from, to));
                    continue;
                }
                if (isStrict)
                {
                    at = dash;
                    throw Fault("a range between more than characters");
                }
                ranges.Add(('-', '-'));
                ranges.AddRange(second.Ranges);
            }
            ranges.AddRange(first.Ranges);
        }
        var set = CodePointSet.Of(ranges);
        return isNegated ? set.Complement() : set;
    }

    private static int? Point(CodePointSet set) => set.Ranges is [var (from, to)] && from == to ? from : null;

    private CodePointSet ClassAtom()
    {
        if (source[at] != '\\')
            return CodePointSet.Of(Single(CodePoint()));
        at++;
        if (at >= source.Length)
            throw Fault("a \\ at the end");
        return EscapedSet(inClass: true);
    }

    private CodePointSet EscapedSet(bool inClass)
    {
        var c = source[at++];
        switch (c)
        {
            case 'd':
                return Digits;
            case 'D':
                return Digits.Complement();
            case 'w':
                return Words;
            case 'W':
                return Words.Complement();
            case 's':
                return Spaces;
            case 'S':
                return Spaces.Complement();
            case 'p' or 'P':
                return Property(isNegated: c == 'P');
            default:
                return CodePointSet.Of(Single(EscapedPoint(c, inClass)));
        }
    }

    private int EscapedPoint(char c, bool inClass)
    {
        switch (c)
        {
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'v':
                return '\v';
            case 'f':
                return '\f';
            case 'r':
                return '\r';
            case 'b' when inClass:
                return '\b';
            case '0' when at >= source.Length || !char.IsAsciiDigit(source[at]):
                return 0;
            case 'c' when at < source.Length && char.IsAsciiLetter(source[at]):
                return source[at++] % 32;
            case 'x':
                return Hex(2) ?? throw Fault("a \\x without two hexadecimal digits");
            case 'u':
                return UnicodeEscape();
            case '-' when inClass:
                return c;
        }
        if ("^$\\.*+?()[]{}|/".Contains(c, StringComparison.Ordinal))
            return c;
        if (isStrict || char.IsAsciiLetterOrDigit(c))
            throw Fault($"the unknown escape \\{c}");
        at--;
        return CodePoint();
    }

    private int UnicodeEscape()
    {
        if (Take("{"))
        {
            var end = source.IndexOf('}', at);
            if (
                end <= at
                || !IsHex(source.AsSpan(at, end - at))
                || !int.TryParse(
                    source.AsSpan(at, end - at).TrimStart('0') is { Length: > 0 } digits ? digits : "0",
                    NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture,
                    out var point
                )
                || point is < 0 or > CodePointSet.Last
            )
                throw Fault("a \\u{…} that is no code point");
            at = end + 1;
            return point;
        }
        var high = Hex(4) ?? throw Fault("a \\u without four hexadecimal digits");
        if (high is < 0xD800 or > 0xDBFF)
            return high;
        var start = at;
        if (Take("\\u") && Hex(4) is { } low && low is >= 0xDC00 and <= 0xDFFF)
            return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        at = start;
        return high;
    }

    private CodePointSet Property(bool isNegated)
    {
        if (!Take("{"))
            throw Fault("a \\p without a property");
        var end = source.IndexOf('}', at);
        if (end < 0)
            throw Fault("a \\p without its end");
        var name = source[at..end];
        at = end + 1;
        var set = UnicodeProperties.Find(name) ?? throw Fault($"the unknown property {Messages.Show(name)}");
        return isNegated ? set.Complement() : set;
    }

    private int? Hex(int length)
    {
        if (at + length > source.Length || !IsHex(source.AsSpan(at, length)))
            return null;
        var value = int.Parse(source.AsSpan(at, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        at += length;
        return value;
    }

    private static bool IsHex(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiHexDigit(c))
                return false;
        }
        return text.Length > 0;
    }

    private int CodePoint()
    {
        var point =
            char.IsHighSurrogate(source[at]) && at + 1 < source.Length && char.IsLowSurrogate(source[at + 1])
                ? char.ConvertToUtf32(source, at)
                : source[at];
        at += point > 0xFFFF ? 2 : 1;
        return point;
    }

    private bool Take(string text)
    {
        if (string.CompareOrdinal(source, at, text, 0, text.Length) != 0)
            return false;
        at += text.Length;
        return true;
    }

    private void Append(string expression)
    {
        plain.Append(expression);
        paired.Append(expression);
    }

    private void Append(CodePointSet set)
    {
        plain.Append(set.ToPlainExpression());
        paired.Append(set.ToPairExpression());
    }

    private static (int, int) Single(int point) => (point, point);

    // Back references may precede their groups, so the groups are counted first.
    private (int Groups, bool HasBackReferences) ScanGroups()
    {
        var groups = 0;
        var references = false;
        var inClass = false;
        for (at = 0; at < source.Length; at++)
        {
            switch (source[at])
            {
                case '\\':
                    at++;
                    references |=
                        !inClass && at < source.Length && (source[at] is >= '1' and <= '9' || source[at] == 'k');
                    break;
                case '[':
                    inClass = true;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '(' when !inClass:
                    if (at + 1 >= source.Length || source[at + 1] != '?')
                    {
                        groups++;
                    }
                    else if (at + 3 < source.Length && source[at + 2] == '<' && source[at + 3] is not ('=' or '!'))
                    {
                        groups++;
                        at += 3;
                        if (!groupNames.TryAdd(GroupName(), groups))
                            throw Fault("a group name used twice");
                        at--;
                    }
                    break;
            }
        }
        at = 0;
        return (groups, references);
    }

    private PatternException Fault(string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{what}, at character {at + 1}"));
}

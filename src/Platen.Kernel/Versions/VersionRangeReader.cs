using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Platen.Kernel.Versions;

/// <summary>
/// Reads npm's notation for ranges. What node-semver accepts is defined by the text that each of its steps leaves for the
/// next one, so the same steps are taken here:
/// <code>
/// white space becomes one space, and || parts the alternatives      "1.2 -  2 || ^ 3"   → "1.2 - 2", "^ 3"
/// builds are cut out                                                "1.2.3+5 &lt;2"        → "1.2.3 &lt;2"
/// two partial versions with a dash between them become two bounds   "1.2 - 2"           → "&gt;=1.2.0 &lt;3.0.0-0"
/// the space after an operator goes                                  "&gt;= 1  ~&gt; 2"       → "&gt;=1 ~2"
/// each word becomes the bounds that it stands for                   "^1.2"              → &gt;=1.2.0, &lt;2.0.0-0
/// </code>
/// </summary>
internal static class VersionRangeReader
{
    // A number that is not there, or is x, X or *.
    private const long Wild = -1;

    public static bool TryRead(string text, [NotNullWhen(true)] out VersionComparator[][]? alternatives)
    {
        alternatives = null;
        List<VersionComparator[]> read = [];
        foreach (var part in WithSingleSpaces(text).Split("||"))
        {
            if (!TryReadAlternative(part.Trim(' '), out var comparators))
                return false;
            read.Add(comparators);
        }
        alternatives = Simplified(read);
        return true;
    }

    // One that accepts nothing adds nothing, and one that accepts every release stands for all: with it, prereleases that
    // other alternatives name are out.
    private static VersionComparator[][] Simplified(List<VersionComparator[]> alternatives)
    {
        var possible = alternatives.FindAll(all => all is not [var only] || only != VersionComparator.Nothing);
        if (possible.Count == 0)
            return [alternatives[0]];
        return possible.Find(all => all.Length == 0) is { } any ? [any] : [.. possible];
    }

    private static bool TryReadAlternative(string text, [NotNullWhen(true)] out VersionComparator[]? comparators)
    {
        comparators = null;
        List<VersionComparator> read = [];
        text = WithoutSpaceAfterTildesAndCarets(WithoutSpaceAfterOperators(WithoutHyphen(WithoutBuilds(text))));
        foreach (var word in text.Split(' '))
        {
            if (!TryReadWord(word, read))
                return false;
        }
        comparators = read.Contains(VersionComparator.Nothing)
            ? [VersionComparator.Nothing]
            : [.. read.DistinctBy(comparator => comparator.ToString())];
        return true;
    }

    private static bool TryReadWord(ReadOnlySpan<char> word, List<VersionComparator> to)
    {
        if (word.IsEmpty)
            return true;
        if (word[0] == '^')
            return TryReadPartial(word[1..], out var caret) && TryAddCaret(caret, to);
        if (word[0] == '~')
        {
            var rest = word.Length > 1 && word[1] == '>' ? word[2..] : word[1..];
            return TryReadPartial(rest, out var tilde) && TryAddTilde(tilde, to);
        }
        var (op, length) = ReadOperator(word);
        if (!TryReadPartial(word[length..], out var partial))
        {
            // Elsewhere a star, and an operator before it, is no more than a stain: 1.2.3* is 1.2.3.
            var star = word.IndexOf('*');
            if (star < 0)
                return TryAddFull(op, word[length..], to);
            var start = star > 0 && word[star - 1] == '=' ? star - 1 : star;
            start = start > 0 && word[start - 1] is '<' or '>' ? start - 1 : start;
            var cleaned = string.Concat(word[..start], word[(star + 1)..]);
            (op, length) = ReadOperator(cleaned);
            return cleaned.Length == 0 || TryAddFull(op, cleaned.AsSpan(length), to);
        }
        if (partial.Patch != Wild && partial.Minor != Wild && partial.Major != Wild)
            return TryAddFull(op, word[length..], to);
        if ((partial.Major == Wild && partial.Minor != Wild) || (partial.Minor == Wild && partial.Patch != Wild))
            return false;
        return TryAddPartial(op, partial, to);
    }

    private static bool TryAddCaret(in Partial at, List<VersionComparator> to)
    {
        if (at.Major == Wild)
            return true;
        if (at.Major > 0 || at.Minor == Wild)
            return TryAddBounds(at, at.Major + 1, 0, 0, to);
        return at.Minor > 0 || at.Patch == Wild
            ? TryAddBounds(at, 0, at.Minor + 1, 0, to)
            : TryAddBounds(at, 0, 0, at.Patch + 1, to);
    }

    private static bool TryAddTilde(in Partial at, List<VersionComparator> to)
    {
        if (at.Major == Wild)
            return true;
        return at.Minor == Wild
            ? TryAddBounds(at, at.Major + 1, 0, 0, to)
            : TryAddBounds(at, at.Major, at.Minor + 1, 0, to);
    }

    private static bool TryAddPartial(VersionOperator op, in Partial at, List<VersionComparator> to)
    {
        if (at.Major == Wild)
        {
            if (op is VersionOperator.Above or VersionOperator.Below)
                to.Add(VersionComparator.Nothing);
            return true;
        }
        var (major, minor) = at.Minor == Wild ? (at.Major + 1, 0) : (at.Major, at.Minor + 1);
        return op switch
        {
            VersionOperator.Above => TryAddLowest(VersionOperator.AtLeast, major, minor, 0, prerelease: false, to),
            VersionOperator.AtLeast => TryAddStart(at, to),
            VersionOperator.Below => TryAddLowest(op, at.Major, at.Minor == Wild ? 0 : at.Minor, 0, true, to),
            VersionOperator.AtMost => TryAddLowest(VersionOperator.Below, major, minor, 0, true, to),
            _ => TryAddBounds(at, major, minor, 0, to),
        };
    }

    private static bool TryAddBounds(in Partial from, long major, long minor, long patch, List<VersionComparator> to) =>
        TryAddStart(from, to) && TryAddLowest(VersionOperator.Below, major, minor, patch, prerelease: true, to);

    private static bool TryAddStart(in Partial at, List<VersionComparator> to)
    {
        if (at.Minor != Wild && at.Patch != Wild)
            return TryAddFull(VersionOperator.AtLeast, at.Text, to);
        return TryAddLowest(
            VersionOperator.AtLeast,
            at.Major,
            at.Minor == Wild ? 0 : at.Minor,
            0,
            prerelease: false,
            to
        );
    }

    private static bool TryAddLowest(
        VersionOperator op,
        long major,
        long minor,
        long patch,
        bool prerelease,
        List<VersionComparator> to
    )
    {
        if (Math.Max(major, Math.Max(minor, patch)) > SemVer.MaxNumber)
            return false;
        var version = prerelease ? SemVer.LowestOf(major, minor, patch) : new SemVer(major, minor, patch);
        if (op != VersionOperator.AtLeast || version != default)
            to.Add(new VersionComparator(op, version));
        return true;
    }

    private static bool TryAddFull(VersionOperator op, ReadOnlySpan<char> text, List<VersionComparator> to)
    {
        if (text.Length > SemVer.MaxLength)
            return false;
        var marked = !text.IsEmpty && text[0] == 'v';
        if (!SemVer.TryParse(marked ? text[1..] : text, out var version))
            return false;
        // From the first release on is every release; npm does not see that where a v stands before it.
        if (marked || op != VersionOperator.AtLeast || version != default)
            to.Add(new VersionComparator(op, version.WithoutBuild()));
        return true;
    }

    private static (VersionOperator Operator, int Length) ReadOperator(ReadOnlySpan<char> word) =>
        word switch
        {
            ['>', '=', ..] => (VersionOperator.AtLeast, 2),
            ['<', '=', ..] => (VersionOperator.AtMost, 2),
            ['>', ..] => (VersionOperator.Above, 1),
            ['<', ..] => (VersionOperator.Below, 1),
            ['=', ..] => (VersionOperator.Equal, 1),
            _ => (VersionOperator.Equal, 0),
        };

    /// <summary>Reads <c>1</c>, <c>1.x</c>, <c>v1.2</c>, <c>1.2.3-rc.1</c>, each number being one or a wildcard.</summary>
    private static bool TryReadPartial(ReadOnlySpan<char> text, out Partial partial)
    {
        partial = new Partial { Minor = Wild, Patch = Wild };
        var rest = text.TrimStart("v= ");
        partial.Text = rest;
        if (!TryTakeNumber(ref rest, out partial.Major))
            return false;
        if (rest.IsEmpty)
            return true;
        if (!TryTakeDottedNumber(ref rest, out partial.Minor))
            return false;
        if (rest.IsEmpty)
            return true;
        if (!TryTakeDottedNumber(ref rest, out partial.Patch))
            return false;
        if (rest.IsEmpty)
            return true;
        partial.HasPrerelease = rest[0] == '-' && SemVer.AreIdentifiers(rest[1..], leadingZeros: false);
        return partial.HasPrerelease;
    }

    private static bool TryTakeDottedNumber(ref ReadOnlySpan<char> text, out long number)
    {
        number = Wild;
        if (text[0] != '.')
            return false;
        text = text[1..];
        return TryTakeNumber(ref text, out number);
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<char> text, out long number)
    {
        number = Wild;
        if (text.IsEmpty)
            return false;
        if (text[0] is 'x' or 'X' or '*')
        {
            text = text[1..];
            return true;
        }
        var length = 0;
        number = 0;
        for (; length < text.Length && char.IsAsciiDigit(text[length]); length++)
        {
            // Too large a number matters only where it is used, and is refused there.
            number = Math.Min(number * 10 + (text[length] - '0'), SemVer.MaxNumber + 1);
        }
        if (length == 0 || (length > 1 && text[0] == '0'))
            return false;
        text = text[length..];
        return true;
    }

    private static string WithSingleSpaces(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (!IsWhiteSpace(c))
                result.Append(c);
            else if (result.Length > 0 && result[^1] != ' ')
                result.Append(' ');
        }
        return result.ToString().TrimEnd(' ');
    }

    // ECMA-262, WhiteSpace and LineTerminator: not what .NET counts as such.
    private static bool IsWhiteSpace(char c) => c != '\u0085' && (c == '\uFEFF' || char.IsWhiteSpace(c));

    private static string WithoutBuilds(string text)
    {
        if (!text.Contains('+', StringComparison.Ordinal))
            return text;
        var result = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; )
        {
            var end = at + 1;
            if (text[at] == '+' && IdentifierLength(text, end) > 0)
            {
                end += IdentifierLength(text, end);
                while (end < text.Length && text[end] == '.' && IdentifierLength(text, end + 1) > 0)
                    end += 1 + IdentifierLength(text, end + 1);
            }
            else
            {
                result.Append(text[at]);
            }
            at = end;
        }
        return result.ToString();
    }

    private static int IdentifierLength(string text, int start)
    {
        var end = start;
        while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '-'))
            end++;
        return end - start;
    }

    private static string WithoutHyphen(string text)
    {
        var dash = text.IndexOf(" - ", StringComparison.Ordinal);
        if (dash < 0)
            return text;
        // One space may stand at either end, where a build was cut out; more belong to the version's own prefix.
        var left = text.AsSpan(0, dash);
        left = left.StartsWith(' ') ? left[1..] : left;
        var right = text.AsSpan(dash + 3);
        right = right.EndsWith(' ') ? right[..^1] : right;
        if (!TryReadPartial(left, out var from) || !TryReadPartial(right, out var until))
            return text;
        return $"{Lower(from, left)} {Upper(until, right)}".Trim(' ');
    }

    private static string Lower(in Partial at, ReadOnlySpan<char> text)
    {
        if (at.Major == Wild)
            return "";
        if (at.Minor == Wild)
            return string.Create(CultureInfo.InvariantCulture, $">={at.Major}.0.0");
        return at.Patch == Wild
            ? string.Create(CultureInfo.InvariantCulture, $">={at.Major}.{at.Minor}.0")
            : $">={text}";
    }

    private static string Upper(in Partial at, ReadOnlySpan<char> text)
    {
        if (at.Major == Wild)
            return "";
        if (at.Minor == Wild)
            return string.Create(CultureInfo.InvariantCulture, $"<{at.Major + 1}.0.0-0");
        if (at.Patch == Wild)
            return string.Create(CultureInfo.InvariantCulture, $"<{at.Major}.{at.Minor + 1}.0-0");
        return at.HasPrerelease ? $"<={at.Text}" : $"<={text}";
    }

    /// <summary>Takes out one space between an operator, which may be none, and the version after it.</summary>
    private static string WithoutSpaceAfterOperators(string text)
    {
        var result = new StringBuilder(text.Length);
        var copied = 0;
        for (var at = 0; at < text.Length; )
        {
            var start = at;
            if (text[at] is '<' or '>')
                at++;
            else if (text[at] is not ('v' or '=' or ' ') && !StartsVersion(text, at))
            {
                at++;
                continue;
            }
            while (at < text.Length && text[at] is 'v' or '=' or ' ')
                at++;
            if (!StartsVersion(text, at))
                continue;
            var space = start;
            space += text[space] == ' ' ? 1 : 0;
            space += text[space] is '<' or '>' ? 1 : 0;
            space += text[space] == '=' ? 1 : 0;
            if (text[space] == ' ')
            {
                result.Append(text, copied, space - copied);
                copied = space + 1;
            }
            at += VersionLength(text.AsSpan(at));
        }
        return result.Append(text, copied, text.Length - copied).ToString();
    }

    private static bool StartsVersion(string text, int at) =>
        at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] is 'x' or 'X' or '*');

    // How far a version reaches decides only where the next operator is looked for: everything that may stand in one.
    private static int VersionLength(ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAny(" <>=");
        return end < 0 ? text.Length : Math.Max(1, end);
    }

    private static string WithoutSpaceAfterTildesAndCarets(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            result.Append(text[at]);
            if (text[at] is not ('~' or '^'))
                continue;
            var next = at + 1;
            if (text[at] == '~' && next < text.Length && text[next] == '>')
                next++;
            if (next < text.Length && text[next] == ' ')
                at = next;
        }
        return result.ToString();
    }

    [StructLayout(LayoutKind.Auto)]
    private ref struct Partial
    {
        public long Major;
        public long Minor;
        public long Patch;
        public bool HasPrerelease;

        /// <summary>The version without what stands before its first number.</summary>
        public ReadOnlySpan<char> Text;
    }
}

using System.Globalization;
using System.Text;

namespace Platen.Facts;

/// <summary>A string literal's text as written between its quotes, and the line it begins on.</summary>
internal sealed record StringLiteral(int Line, string Text);

/// <summary>
/// Finds the string literals of a C# file: regular, verbatim, interpolated and raw ones. Holes of interpolated strings stay in
/// the text; comments and character literals are passed over.
/// </summary>
internal static class CSharpStrings
{
    public static IEnumerable<StringLiteral> Find(string source)
    {
        var line = 1;
        for (var at = 0; at < source.Length; at++)
        {
            var letter = source[at];
            if (letter == '\n')
            {
                line++;
            }
            else if (letter == '/' && Next(at) == '/')
            {
                at = Math.Max(at, IndexOrEnd(source, '\n', at) - 1);
            }
            else if (letter == '/' && Next(at) == '*')
            {
                var end = source.IndexOf("*/", at + 2, StringComparison.Ordinal);
                end = end < 0 ? source.Length : end + 1;
                line += source.AsSpan(at, Math.Min(end, source.Length - 1) - at).Count('\n');
                at = end;
            }
            else if (letter == '\'')
            {
                at = EndOfCharacter(source, at);
            }
            else if (letter == '"')
            {
                var (text, end) = Read(source, at);
                yield return new StringLiteral(line, text);
                line += source.AsSpan(at, Math.Min(end, source.Length - 1) - at).Count('\n');
                at = end;
            }
        }

        char Next(int at) => at + 1 < source.Length ? source[at + 1] : '\0';
    }

    /// <summary>The literal whose first quote is at <paramref name="start"/>, and where its last quote is.</summary>
    private static (string Text, int End) Read(string source, int start)
    {
        var quotes = 1;
        while (start + quotes < source.Length && source[start + quotes] == '"')
            quotes++;
        if (quotes >= 3)
        {
            var close = new string('"', quotes);
            var end = source.IndexOf(close, start + quotes, StringComparison.Ordinal);
            return end < 0 ? throw Unended(source, start) : (source[(start + quotes)..end], end + quotes - 1);
        }

        var (verbatim, interpolated) = Prefix(source, start);
        var text = new StringBuilder();
        var depth = 0;
        for (var at = start + 1; at < source.Length; at++)
        {
            var letter = source[at];
            if (
                interpolated
                && letter is '{' or '}'
                && at + 1 < source.Length
                && source[at + 1] == letter
                && depth == 0
            )
            {
                text.Append(letter);
                at++;
            }
            else if (interpolated && letter == '{')
            {
                depth++;
                text.Append(letter);
            }
            else if (interpolated && letter == '}')
            {
                depth--;
                text.Append(letter);
            }
            else if (depth > 0 && letter == '"')
            {
                var (inner, end) = Read(source, at);
                text.Append(inner);
                at = end;
            }
            else if (!verbatim && letter == '\\' && depth == 0)
            {
                text.Append(letter).Append(at + 1 < source.Length ? source[at + 1] : ' ');
                at++;
            }
            else if (verbatim && letter == '"' && at + 1 < source.Length && source[at + 1] == '"')
            {
                text.Append('"');
                at++;
            }
            else if (letter == '"')
            {
                return (text.ToString(), at);
            }
            else
            {
                text.Append(letter);
            }
        }
        throw Unended(source, start);
    }

    private static (bool Verbatim, bool Interpolated) Prefix(string source, int start)
    {
        var (verbatim, interpolated) = (false, false);
        for (var at = start - 1; at >= 0 && source[at] is '@' or '$'; at--)
        {
            verbatim |= source[at] == '@';
            interpolated |= source[at] == '$';
        }
        return (verbatim, interpolated);
    }

    private static int EndOfCharacter(string source, int start)
    {
        var at = start + 1;
        if (at < source.Length && source[at] == '\\')
            at++;
        return IndexOrEnd(source, '\'', at + 1);
    }

    private static int IndexOrEnd(string source, char letter, int from)
    {
        var found = from < source.Length ? source.IndexOf(letter, from) : -1;
        return found < 0 ? source.Length : found;
    }

    private static FormatException Unended(string source, int start) =>
        new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"A string that begins in line {source.AsSpan(0, start).Count('\n') + 1} does not end."
            )
        );
}

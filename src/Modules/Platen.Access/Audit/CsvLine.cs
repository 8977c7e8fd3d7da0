using System.Buffers;
using System.Text;

namespace Platen.Access.Audit;

/// <summary>
/// A line of a CSV file (RFC 4180) that does no harm in a spreadsheet, which takes a field that begins like a formula for one and runs it, quoted
/// or not; an apostrophe makes it a text. Names, user agents and answers are chosen by whom the file is about.
/// </summary>
public static class CsvLine
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    /// <summary>Appends the fields and the end of the line.</summary>
    /// <param name="line">The file, or a part of it.</param>
    /// <param name="fields">In the order of the columns; null is an empty field.</param>
    public static void Append(StringBuilder line, IEnumerable<string?> fields)
    {
        var isFirst = true;
        foreach (var field in fields)
        {
            if (!isFirst)
                line.Append(',');
            isFirst = false;
            Append(line, Harmless(field ?? ""));
        }
        line.Append("\r\n");
    }

    private static string Harmless(string field) =>
        field is ['=' or '+' or '-' or '@' or '\t' or '\r' or '\n' or '＝' or '＋' or '－' or '＠', ..]
            ? "'" + field
            : field;

    private static void Append(StringBuilder line, string field)
    {
        if (field.AsSpan().ContainsAny(Special))
            line.Append('"').Append(field.Replace("\"", "\"\"")).Append('"');
        else
            line.Append(field);
    }
}

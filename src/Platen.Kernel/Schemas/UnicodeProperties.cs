using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;

namespace Platen.Kernel.Schemas;

/// <summary>
/// The properties of <c>\p{…}</c> (ECMA-262 section 22.2.2.8): general categories as .NET knows them, scripts and binary
/// properties from the table in <c>Unicode/properties.txt</c> (Unicode 17).
/// </summary>
internal static class UnicodeProperties
{
    private static readonly Lazy<CodePointSet[]> Categories = new(ReadCategories);
    private static readonly Lazy<Dictionary<string, string>> Table = new(ReadTable);
    private static readonly ConcurrentDictionary<string, CodePointSet> Known = new(StringComparer.Ordinal);

    /// <summary>What stands between the braces, or null when it is no property.</summary>
    public static CodePointSet? Find(string name)
    {
        var parts = name.Split('=');
        return parts switch
        {
            ["General_Category" or "gc", var value] => Category(value),
            ["Script" or "sc", var value] => FromTable("script", value),
            ["Script_Extensions" or "scx", var value] => FromTable("extensions", value),
            [var value] => Category(value) ?? FromTable("binary", value),
            _ => null,
        };
    }

    private static CodePointSet? FromTable(string kind, string name)
    {
        var key = kind + " " + name;
        if (!Table.Value.TryGetValue(key, out var ranges))
            return null;
        return Known.GetOrAdd(key, static (_, text) => Decode(text), ranges);
    }

    private static CodePointSet Decode(string text)
    {
        var ranges = new List<(int, int)>();
        var next = 0;
        var numbers = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < numbers.Length; i += 2)
        {
            var from = next + Number(numbers[i]);
            var to = from + Number(numbers[i + 1]);
            ranges.Add((from, to));
            next = to + 1;
        }
        return CodePointSet.Of(ranges);
    }

    private static int Number(string base36)
    {
        var value = 0;
        foreach (var c in base36)
            value = value * 36 + (char.IsAsciiDigit(c) ? c - '0' : c - 'a' + 10);
        return value;
    }

    private static Dictionary<string, string> ReadTable()
    {
        using var stream =
            Assembly.GetExecutingAssembly().GetManifestResourceStream("unicode/properties")
            ?? throw new InvalidOperationException("The table of Unicode properties is missing from this assembly.");
        using var reader = new StreamReader(stream);
        var table = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ', 3);
            foreach (var name in fields[1].Split('/'))
                table[$"{fields[0]} {name}"] = fields[2];
        }
        return table;
    }

    private static CodePointSet[] ReadCategories()
    {
        var ranges = new List<(int, int)>[30];
        for (var i = 0; i < ranges.Length; i++)
            ranges[i] = [];
        var start = 0;
        var current = CharUnicodeInfo.GetUnicodeCategory(0);
        for (var point = 1; point <= CodePointSet.Last + 1; point++)
        {
            var category =
                point <= CodePointSet.Last ? CharUnicodeInfo.GetUnicodeCategory(point) : (UnicodeCategory)(-1);
            if (category == current)
                continue;
            ranges[(int)current].Add((start, point - 1));
            start = point;
            current = category;
        }
        return [.. ranges.Select(list => CodePointSet.Of(list))];
    }

    private static CodePointSet? Category(string name)
    {
        UnicodeCategory[]? members = name switch
        {
            "L" or "Letter" =>
            [
                UnicodeCategory.UppercaseLetter,
                UnicodeCategory.LowercaseLetter,
                UnicodeCategory.TitlecaseLetter,
                UnicodeCategory.ModifierLetter,
                UnicodeCategory.OtherLetter,
            ],
            "LC" or "Cased_Letter" =>
            [
                UnicodeCategory.UppercaseLetter,
                UnicodeCategory.LowercaseLetter,
                UnicodeCategory.TitlecaseLetter,
            ],
            "Lu" or "Uppercase_Letter" => [UnicodeCategory.UppercaseLetter],
            "Ll" or "Lowercase_Letter" => [UnicodeCategory.LowercaseLetter],
            "Lt" or "Titlecase_Letter" => [UnicodeCategory.TitlecaseLetter],
            "Lm" or "Modifier_Letter" => [UnicodeCategory.ModifierLetter],
            "Lo" or "Other_Letter" => [UnicodeCategory.OtherLetter],
            "M" or "Mark" or "Combining_Mark" =>
            [
                UnicodeCategory.NonSpacingMark,
                UnicodeCategory.SpacingCombiningMark,
                UnicodeCategory.EnclosingMark,
            ],
            "Mn" or "Nonspacing_Mark" => [UnicodeCategory.NonSpacingMark],
            "Mc" or "Spacing_Mark" => [UnicodeCategory.SpacingCombiningMark],
            "Me" or "Enclosing_Mark" => [UnicodeCategory.EnclosingMark],
            "N" or "Number" =>
            [
                UnicodeCategory.DecimalDigitNumber,
                UnicodeCategory.LetterNumber,
                UnicodeCategory.OtherNumber,
            ],
            "Nd" or "Decimal_Number" or "digit" => [UnicodeCategory.DecimalDigitNumber],
            "Nl" or "Letter_Number" => [UnicodeCategory.LetterNumber],
            "No" or "Other_Number" => [UnicodeCategory.OtherNumber],
            "P" or "Punctuation" or "punct" =>
            [
                UnicodeCategory.ConnectorPunctuation,
                UnicodeCategory.DashPunctuation,
                UnicodeCategory.OpenPunctuation,
                UnicodeCategory.ClosePunctuation,
                UnicodeCategory.InitialQuotePunctuation,
                UnicodeCategory.FinalQuotePunctuation,
                UnicodeCategory.OtherPunctuation,
            ],
            "Pc" or "Connector_Punctuation" => [UnicodeCategory.ConnectorPunctuation],
            "Pd" or "Dash_Punctuation" => [UnicodeCategory.DashPunctuation],
            "Ps" or "Open_Punctuation" => [UnicodeCategory.OpenPunctuation],
            "Pe" or "Close_Punctuation" => [UnicodeCategory.ClosePunctuation],
            "Pi" or "Initial_Punctuation" => [UnicodeCategory.InitialQuotePunctuation],
            "Pf" or "Final_Punctuation" => [UnicodeCategory.FinalQuotePunctuation],
            "Po" or "Other_Punctuation" => [UnicodeCategory.OtherPunctuation],
            "S" or "Symbol" =>
            [
                UnicodeCategory.MathSymbol,
                UnicodeCategory.CurrencySymbol,
                UnicodeCategory.ModifierSymbol,
                UnicodeCategory.OtherSymbol,
            ],
            "Sm" or "Math_Symbol" => [UnicodeCategory.MathSymbol],
            "Sc" or "Currency_Symbol" => [UnicodeCategory.CurrencySymbol],
            "Sk" or "Modifier_Symbol" => [UnicodeCategory.ModifierSymbol],
            "So" or "Other_Symbol" => [UnicodeCategory.OtherSymbol],
            "Z" or "Separator" =>
            [
                UnicodeCategory.SpaceSeparator,
                UnicodeCategory.LineSeparator,
                UnicodeCategory.ParagraphSeparator,
            ],
            "Zs" or "Space_Separator" => [UnicodeCategory.SpaceSeparator],
            "Zl" or "Line_Separator" => [UnicodeCategory.LineSeparator],
            "Zp" or "Paragraph_Separator" => [UnicodeCategory.ParagraphSeparator],
            "C" or "Other" =>
            [
                UnicodeCategory.Control,
                UnicodeCategory.Format,
                UnicodeCategory.Surrogate,
                UnicodeCategory.PrivateUse,
                UnicodeCategory.OtherNotAssigned,
            ],
            "Cc" or "Control" or "cntrl" => [UnicodeCategory.Control],
            "Cf" or "Format" => [UnicodeCategory.Format],
            "Cs" or "Surrogate" => [UnicodeCategory.Surrogate],
            "Co" or "Private_Use" => [UnicodeCategory.PrivateUse],
            "Cn" or "Unassigned" => [UnicodeCategory.OtherNotAssigned],
            _ => null,
        };
        return members is null
            ? null
            : Known.GetOrAdd(
                "category " + name,
                static (_, chosen) =>
                    CodePointSet.Of(chosen.SelectMany(category => Categories.Value[(int)category].Ranges)),
                members
            );
    }
}

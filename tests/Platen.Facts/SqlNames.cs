using System.Globalization;
using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>
/// Finds SQL that names another module's schema, in <c>.sql</c> files and in C# string literals. A module's SQL names its own schema
/// and <c>platform</c>; what it needs of another module it asks that module for.
/// </summary>
internal static partial class SqlNames
{
    private const string Shared = "platform";

    /// <summary>What may be named all the same: file, schema, and why.</summary>
    private static readonly Dictionary<(string Path, string Schema), string> Exceptions = [];

    /// <summary>The schemas that the SQL files of these projects create.</summary>
    public static HashSet<string> Schemas(IEnumerable<SourceFile> files) =>
        files
            .Where(file => file.Extension == ".sql")
            .SelectMany(file => CreateSchema().Matches(file.Text))
            .Select(match => match.Groups["name"].Value)
            .ToHashSet(StringComparer.Ordinal);

    public static IEnumerable<string> Faults(IReadOnlyList<SourceFile> files)
    {
        var schemas = Schemas(files);
        foreach (var file in files)
        {
            var own = SchemaOf(file);
            foreach (var (line, sql) in SqlOf(file))
            {
                foreach (Match match in Qualified().Matches(sql))
                {
                    var schema = match.Groups["schema"].Value;
                    if (
                        schema == own
                        || schema == Shared
                        || !schemas.Contains(schema)
                        || Exceptions.ContainsKey((file.Path, schema))
                    )
                        continue;
                    var at = line + sql.AsSpan(0, match.Groups["name"].Index).Count('\n');
                    yield return string.Create(
                        CultureInfo.InvariantCulture,
                        $"{file.Path}:{at} names {match.Groups["name"].Value}, but its SQL may name {own} and {Shared} only."
                    );
                }
            }
        }
        foreach (var (path, schema) in Exceptions.Keys)
        {
            if (files.All(file => file.Path != path))
                yield return $"The exception for {schema} in {path} excuses nothing: there is no such file.";
        }
    }

    // Platen.Widgets in src/Modules/Platen.Widgets/… has the schema widgets.
    private static string SchemaOf(SourceFile file) =>
        file
            .Path.Split('/')
            .First(part => part.StartsWith("Platen.", StringComparison.Ordinal))["Platen.".Length..]
            .ToLowerInvariant();

    private static IEnumerable<(int Line, string Sql)> SqlOf(SourceFile file) =>
        file.Extension switch
        {
            ".sql" => [(1, WithoutComments(file.Text))],
            ".cs" => CSharpStrings
                .Find(file.Text)
                .Where(literal => Statement().IsMatch(literal.Text))
                .Select(literal => (literal.Line, WithoutComments(literal.Text))),
            _ => [],
        };

    // Comments may speak of anybody. Their line breaks stay, so that places stay.
    private static string WithoutComments(string sql) =>
        Comment().Replace(sql, match => new string('\n', match.Value.Count(letter => letter == '\n')));

    [GeneratedRegex(
        @"create\s+schema\s+(if\s+not\s+exists\s+)?(?<name>[a-z_]+)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex CreateSchema();

    [GeneratedRegex(
        @"(^|[^\w.'/-])(?<name>""?(?<schema>[a-z_]+)""?\s*\.\s*""?[a-z_]+""?)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Qualified();

    // A whole statement, or a piece of one that names a relation.
    [GeneratedRegex(
        @"^\s*(select|insert|update|delete|with|merge|call|create|alter|drop|grant|revoke|truncate|copy|lock)\b"
            + @"|\b(from|join|into|update|table|perform|using)\s+""?[a-z_]+""?\s*\.",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Statement();

    [GeneratedRegex(@"--[^\n]*|/\*.*?\*/", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex Comment();
}

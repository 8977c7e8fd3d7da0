using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Platen.Kernel;

namespace Platen.Facts;

/// <summary>The reference of problems, as the catalogue says it.</summary>
internal static partial class ProblemList
{
    public static string Draw(IReadOnlyList<ProblemType> problems)
    {
        var text = new StringBuilder(
            """
            # Problems

            Every error an HTTP client can meet, as an RFC 9457 body (`application/problem+json`). `type` is `/problems/{name}`, and the
            server has a page there. The name never changes. `detail` says what happened this time, `faults` lists everything that is
            wrong with an input, each with a JSON Pointer, and `traceId` finds the request in the log.

            This file is generated from the code; `PLATEN_UPDATE_FACTS=1 dotnet test tests/Platen.Facts` writes it.

            | name | status | what it means | what to do |
            |---|---|---|---|

            """
        );
        foreach (var problem in problems)
            text.Append(
                CultureInfo.InvariantCulture,
                $"| `{problem.Slug}` | {problem.Status} | {Cell(problem.Title)} | {Cell(problem.Advice)} |\n"
            );
        return text.ToString();
    }

    public static IEnumerable<string> Faults(IReadOnlyList<ProblemType> problems)
    {
        foreach (
            var twins in problems.GroupBy(problem => problem.Slug, StringComparer.Ordinal).Where(g => g.Count() > 1)
        )
            yield return $"Several problems are named {twins.Key}.";
        foreach (var problem in problems)
        {
            if (!Name().IsMatch(problem.Slug))
                yield return $"{problem.Slug} is no name for a problem: write lower-case words with dashes.";
            if (problem.Status is < 400 or > 599)
                yield return $"{problem.Slug} has the status {problem.Status}, which is no error.";
            if (!Sentence(problem.Title, ends: false) || !Sentence(problem.Advice, ends: true))
                yield return $"{problem.Slug}: a title is a phrase without a full stop, advice is a sentence with one.";
        }
    }

    /// <summary>The problems that sources declare, and where.</summary>
    public static IEnumerable<(string Path, string Slug)> Declared(IEnumerable<SourceFile> sources) =>
        sources.SelectMany(file =>
            Declaration().Matches(file.Text).Select(match => (file.Path, match.Groups["slug"].Value))
        );

    /// <summary>Declared problems that a catalogue does not have.</summary>
    public static IEnumerable<string> Uncollected(IEnumerable<SourceFile> sources, IReadOnlyList<ProblemType> catalogue)
    {
        var listed = catalogue.Select(problem => problem.Slug).ToHashSet(StringComparer.Ordinal);
        return Declared(sources)
            .Where(problem => !listed.Contains(problem.Slug))
            .Select(problem => $"{problem.Path} declares {problem.Slug}, which the catalogue does not collect.");
    }

    private static bool Sentence(string text, bool ends) =>
        text.Length > 5 && !char.IsLower(text[0]) && text.EndsWith('.') == ends;

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    [GeneratedRegex(
        @"\b(ProblemType\s+\w+\s*=\s*new|new\s+ProblemType)\(\s*""(?<slug>[^""]+)""",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Declaration();

    [GeneratedRegex("^[a-z]+(-[a-z0-9]+)*$", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Name();
}

using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>Tests that a document names as what holds the server to a demand: each is there, under that name.</summary>
internal static partial class NamedTests
{
    /// <param name="document">Names tests as <c>`SomeTests.A_sentence`</c>.</param>
    /// <param name="files">The test classes' sources.</param>
    /// <returns>How many are named, and what is wrong with which.</returns>
    public static (int Named, List<string> Faults) Check(SourceFile document, IReadOnlyCollection<SourceFile> files)
    {
        var named = Name()
            .Matches(document.Text)
            .Select(m => (Class: m.Groups["class"].Value, Test: m.Groups["test"].Value))
            .ToList();
        var faults = named
            .Distinct()
            .Where(name =>
                !files.Any(file =>
                    Path.GetFileNameWithoutExtension(file.Path) == name.Class
                    && file.Text.Contains($" {name.Test}(", StringComparison.Ordinal)
                )
            )
            .Select(name => $"{document.Path} names {name.Class}.{name.Test}, which is no test.")
            .ToList();
        return (named.Count, faults);
    }

    [GeneratedRegex(@"`(?<class>\w+Tests)\.(?<test>\w+)`", RegexOptions.NonBacktracking)]
    private static partial Regex Name();
}

using System.Globalization;
using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>Links of our Markdown files to each other.</summary>
internal static partial class Links
{
    /// <summary>Links that lead to nothing. Addresses elsewhere are not asked.</summary>
    public static IEnumerable<string> Faults(IEnumerable<SourceFile> files, string root)
    {
        foreach (var file in files.Where(file => file.Extension == ".md"))
        {
            var text = Code()
                .Replace(file.Text, match => new string('\n', match.Value.Count(letter => letter == '\n')));
            foreach (Match match in Link().Matches(text))
            {
                var target = match.Groups["target"].Value.Split('#')[0];
                if (target.Length == 0 || target.Contains(':', StringComparison.Ordinal))
                    continue;
                var path = Path.GetFullPath(Path.Combine(root, Path.GetDirectoryName(file.Path) ?? "", target));
                if (!Path.Exists(path))
                    yield return string.Create(
                        CultureInfo.InvariantCulture,
                        $"{file.Path}:{text.AsSpan(0, match.Index).Count('\n') + 1} links to {target}, which is not there."
                    );
            }
        }
    }

    /// <summary>Files of a folder that its README.md does not link to.</summary>
    public static IEnumerable<string> Unlisted(IReadOnlyCollection<SourceFile> files)
    {
        var readme = files.Single(file => Path.GetFileName(file.Path) == "README.md");
        var index = readme.Text;
        return files
            .Where(file => file != readme)
            .Select(file => Path.GetFileName(file.Path))
            .Where(name => !index.Contains($"]({name})", StringComparison.Ordinal))
            .Select(name => $"{readme.Path} does not list {name}.");
    }

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.NonBacktracking)]
    private static partial Regex Link();

    [GeneratedRegex(@"```.*?```|`[^`\n]*`", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex Code();
}

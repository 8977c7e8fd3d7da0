using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>Text that has no place in the repository. The words are put together here, so that this file does not hold them either.</summary>
internal static partial class ForbiddenText
{
    private static readonly string[] CodeFolders = ["src/", "tests/", "bench/"];

    private static readonly HashSet<string> Binary = new(StringComparer.OrdinalIgnoreCase) { ".ico", ".png", ".woff2" };

    private static readonly (Regex Pattern, string Why)[] InCode =
    [
        (Words("TO" + "DO", "FIX" + "ME", "HA" + "CK"), "unfinished work is finished or not begun"),
        (Literally("NotImplemented" + "Exception"), "what is not there is not called"),
        (Literally("Thread." + "Sleep"), "wait for the condition, not for the clock"),
        (Pattern(@"Task\.Delay\" + @"(\s*[\d(]"), "wait for the condition, not for the clock"),
        (Pattern(@"\bTimeSpan\.From\w+\(\d+\)\)\.Wait"), "wait for the condition, not for the clock"),
        (Pattern(@"\bSkip(Unless|When)?\s*=\s*[""\w]"), "a test runs or fails"),
        (Pattern(@"\bAssert\." + "Skip"), "a test runs or fails"),
        (Pattern(@"\bAssert\.True\(\s*true\b"), "a test tests something"),
        (Pattern(@"catch(\s*\([^)]*\))?\s*\{\s*\}"), "an error is answered, not swallowed"),
        (
            Pattern(
                @"\b(class|record|struct|interface|enum)\s+(\w*(Manager|Helpers?|Utils?|Utilities|Common|Impl|Base)|Data|Core)\b"
            ),
            "a name says what the thing is"
        ),
    ];

    private static readonly (Regex Pattern, string Why)[] Anywhere =
    [
        (
            Words(
                @"registry\." + @"npmjs\.\w+",
                @"registry\." + @"yarnpkg\.\w+",
                @"\w+\." + @"nuget\.org",
                @"\w+\." + @"debian\.org",
                @"\w+\." + @"docker\.io",
                @"\w+\." + @"pypi\.org"
            ),
            "which registry is used is decided by the machine, not by the project"
        ),
        (Literally("<<<<" + "<<< "), "a merge is finished before it is committed"),
    ];

    public static bool IsText(SourceFile file) => !Binary.Contains(file.Extension);

    public static IEnumerable<string> Faults(IEnumerable<SourceFile> files)
    {
        foreach (var file in files.Where(IsText))
        {
            var text = file.Text;
            var rules =
                file.Extension == ".cs"
                && CodeFolders.Any(folder => file.Path.StartsWith(folder, StringComparison.Ordinal))
                    ? Anywhere.Concat(InCode)
                    : Anywhere;
            foreach (var (pattern, why) in rules)
            {
                foreach (Match match in pattern.Matches(text))
                    yield return string.Create(
                        CultureInfo.InvariantCulture,
                        $"{file.Path}:{text.AsSpan(0, match.Index).Count('\n') + 1} '{match.Value.ReplaceLineEndings(" ")}': {why}"
                    );
            }
        }
    }

    /// <summary>Addresses that a lock file says its packages came from.</summary>
    public static IEnumerable<string> LockFaults(IEnumerable<SourceFile> files)
    {
        foreach (var file in files.Where(file => LockFile().IsMatch(Path.GetFileName(file.Path))))
        {
            using var document = JsonDocument.Parse(file.Text);
            foreach (var address in Resolved(document.RootElement))
                yield return $"{file.Path} says that a package came from {address}: leave addresses out of lock files.";
        }
    }

    private static IEnumerable<string> Resolved(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Object => element
                .EnumerateObject()
                .SelectMany(member =>
                    member is { Name: "resolved", Value.ValueKind: JsonValueKind.String }
                    && member.Value.GetString()!.Contains("://", StringComparison.Ordinal)
                        ? [member.Value.GetString()!]
                        : Resolved(member.Value)
                ),
            JsonValueKind.Array => element.EnumerateArray().SelectMany(Resolved),
            _ => [],
        };

    private static Regex Words(params string[] words) => Pattern(@"\b(" + string.Join('|', words) + @")\b");

    private static Regex Literally(string text) => Pattern(Regex.Escape(text));

    private static Regex Pattern(string pattern) => new(pattern, RegexOptions.NonBacktracking);

    [GeneratedRegex(
        @"^(packages\.lock|package-lock|npm-shrinkwrap)\.json$",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex LockFile();
}

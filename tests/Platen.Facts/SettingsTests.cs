using System.Text.RegularExpressions;
using Platen.Server;

namespace Platen.Facts;

/// <summary>A setting that the server reads is one that its users are told of: in <c>--help</c> and in the table for operators.</summary>
public sealed partial class SettingsTests
{
    [Fact]
    public void Every_setting_is_in_the_help_and_in_the_operators_table()
    {
        var sources = Repository
            .Files("src")
            .Where(file =>
                file.Extension == ".cs"
                && !file.Path.StartsWith("src/Platen.Cli/", StringComparison.Ordinal)
                && !file.Path.StartsWith("src/Platen.Client/", StringComparison.Ordinal)
            )
            .ToList();
        var table = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operating", "README.md"));

        Read(sources).Count().ShouldBeGreaterThan(20);
        Expected.NoFaults(Untold(sources, "docs/operating/README.md", table));
        Expected.NoFaults(Untold(sources, "platen-server --help", ServerProcess.Usage));
    }

    [Fact]
    public void A_setting_that_nobody_is_told_of_is_found() =>
        Untold(
                [
                    new SourceFile(
                        "src/New.cs",
                        () => """var a = configuration["PLATEN_TOLD"]; var b = configuration["PLATEN_TOLD_NOT"];"""
                    ),
                ],
                "the help",
                "PLATEN_TOLD  what it is"
            )
            .ShouldBe(["src/New.cs reads PLATEN_TOLD_NOT, which the help does not name."]);

    private static IEnumerable<(string Path, string Name)> Read(IEnumerable<SourceFile> sources) =>
        sources.SelectMany(file =>
            Setting().Matches(file.Text).Select(match => (file.Path, match.Groups["name"].Value))
        );

    private static IEnumerable<string> Untold(IEnumerable<SourceFile> sources, string where, string text)
    {
        var told = Named().Matches(text).Select(match => match.Value).ToHashSet(StringComparer.Ordinal);
        return Read(sources)
            .Where(setting => !told.Contains(setting.Name))
            .Select(setting => $"{setting.Path} reads {setting.Name}, which {where} does not name.");
    }

    [GeneratedRegex(
        @"""(?<name>PLATEN_[A-Z_]+|ConnectionStrings__\w+)""",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Setting();

    [GeneratedRegex(
        @"\b(PLATEN_[A-Z_]+|ConnectionStrings__\w+)\b",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Named();
}

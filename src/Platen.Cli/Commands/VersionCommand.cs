using System.CommandLine;
using System.Text.Json.Nodes;
using Platen.Kernel.Versions;

namespace Platen.Cli.Commands;

/// <summary><c>platen version</c>: versions (SemVer 2.0) and ranges (npm's), with no server.</summary>
internal static class VersionCommand
{
    private static readonly Argument<string> Range = new("range")
    {
        Description = "A range as npm writes it, such as ^1.2, 1.x or '>=1.2 <3 || 5'.",
        HelpName = "RANGE",
    };

    private static readonly Argument<string[]> Versions = new("version")
    {
        Description = "Versions (SemVer 2.0), such as 1.4.0 or 2.0.0-rc.1.",
        HelpName = "VERSION",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Create() =>
        new Command("version", "Compare versions (SemVer 2.0), also with ranges as npm reads them.")
        {
            new Command("satisfies", "Say of each version whether it is in the range. Exit code 1 when one is not.")
            {
                Range,
                Versions,
            }.Runs(SatisfiesAsync),
            new Command("sort", "Print the versions from the lowest to the highest.") { Versions }.Runs(SortAsync),
            new Command("max", "Print the highest version that is in the range. Exit code 1 when none is.")
            {
                Range,
                Versions,
            }.Runs(MaxAsync),
        };

    private static Task<int> SatisfiesAsync(Invocation run, CancellationToken ct)
    {
        var range = ReadRange(run);
        var results = ReadVersions(run).Select(version => (Version: version, IsIn: range.Satisfies(version))).ToList();
        foreach (var (version, isIn) in results)
            run.Output.Line($"{version}: {(isIn ? "yes" : "no")}");
        var all = results.TrueForAll(result => result.IsIn);
        run.Output.Document(
            new JsonObject
            {
                ["range"] = range.ToString(),
                ["satisfied"] = all,
                ["versions"] = new JsonArray([
                    .. results.Select(result => new JsonObject
                    {
                        ["version"] = result.Version.ToString(),
                        ["satisfies"] = result.IsIn,
                    }),
                ]),
            }
        );
        return Task.FromResult(all ? ExitCode.Ok : ExitCode.No);
    }

    private static Task<int> SortAsync(Invocation run, CancellationToken ct)
    {
        var versions = ReadVersions(run);
        Array.Sort(versions);
        foreach (var version in versions)
            run.Output.Line(version.ToString());
        run.Output.Document(
            new JsonObject
            {
                ["versions"] = new JsonArray([.. versions.Select(version => JsonValue.Create(version.ToString()))]),
            }
        );
        return Task.FromResult(ExitCode.Ok);
    }

    private static Task<int> MaxAsync(Invocation run, CancellationToken ct)
    {
        var range = ReadRange(run);
        var highest = range.MaxSatisfying(ReadVersions(run));
        if (highest is { } version)
            run.Output.Line(version.ToString());
        else
            run.Output.Progress($"No version is in {range}.");
        run.Output.Document(new JsonObject { ["range"] = range.ToString(), ["version"] = highest?.ToString() });
        return Task.FromResult(highest is null ? ExitCode.No : ExitCode.Ok);
    }

    private static VersionRange ReadRange(Invocation run)
    {
        var text = run.Value(Range);
        return VersionRange.TryParse(text, out var range)
            ? range
            : throw new CliException(
                ExitCode.Usage,
                "malformed-range",
                $"'{text}' is not a range of versions.",
                "Write it as npm does, such as ^1.2, ~1.2.3, 1.x or '>=1.2 <3'."
            );
    }

    private static SemVer[] ReadVersions(Invocation run)
    {
        var texts = run.Value(Versions);
        var versions = new SemVer[texts.Length];
        var faults = new List<InputFault>();
        for (var i = 0; i < texts.Length; i++)
        {
            if (!SemVer.TryParse(texts[i], out versions[i]))
                faults.Add(new InputFault("", $"'{texts[i]}' is not a version."));
        }
        return faults.Count == 0
            ? versions
            : throw new CliException(
                ExitCode.Usage,
                "malformed-version",
                "Not every version can be read.",
                "Write versions as SemVer 2.0 does, such as 1.4.0 or 2.0.0-rc.1."
            )
            {
                Faults = faults,
            };
    }
}

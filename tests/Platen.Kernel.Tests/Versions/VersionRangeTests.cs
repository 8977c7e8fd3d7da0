using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Versions;

namespace Platen.Kernel.Tests.Versions;

public sealed class VersionRangeTests
{
    [Theory]
    [InlineData("", "*")]
    [InlineData("*", "*")]
    [InlineData("x.X", "*")]
    [InlineData(">=0", "*")]
    [InlineData("1.2.3", "1.2.3")]
    [InlineData("=v1.2.3+build", "1.2.3")]
    [InlineData("1", ">=1.0.0 <2.0.0-0")]
    [InlineData("1.2.x", ">=1.2.0 <1.3.0-0")]
    [InlineData("^1.2.3", ">=1.2.3 <2.0.0-0")]
    [InlineData("^ 0.2", ">=0.2.0 <0.3.0-0")]
    [InlineData("^0.0.3-rc.1", ">=0.0.3-rc.1 <0.0.4-0")]
    [InlineData("^0.x", "<1.0.0-0")]
    [InlineData("~1.2.3", ">=1.2.3 <1.3.0-0")]
    [InlineData("~> 1", ">=1.0.0 <2.0.0-0")]
    [InlineData("> 1.2", ">=1.3.0")]
    [InlineData("<=1", "<2.0.0-0")]
    [InlineData("<1.2", "<1.2.0-0")]
    [InlineData(">1 <2 >1", ">=2.0.0 <2.0.0-0")]
    [InlineData("1.2 - 2.3.4", ">=1.2.0 <=2.3.4")]
    [InlineData("1.2.3 - 2.3", ">=1.2.3 <2.4.0-0")]
    [InlineData("1 || 3.0.0", ">=1.0.0 <2.0.0-0||3.0.0")]
    [InlineData("1 || <0 || *", "*")]
    [InlineData("<* || >x", "<0.0.0-0")]
    public void A_range_comes_down_to_its_comparators(string text, string comparators) =>
        VersionRange.Parse(text).ToString().ShouldBe(comparators);

    [Theory]
    [InlineData("latest")]
    [InlineData("1.2.3.4")]
    [InlineData("^^1")]
    [InlineData("1.x.3")]
    [InlineData("01")]
    [InlineData("v 1.2.3")]
    [InlineData("1 - 2 - 3")]
    [InlineData(">=1,<2")]
    [InlineData("1 | 2")]
    [InlineData("1 || a")]
    [InlineData("^9007199254740991")]
    [InlineData("1.2.3-01")]
    [InlineData("\u00851")]
    public void What_is_no_range_is_refused(string text)
    {
        VersionRange.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => VersionRange.Parse(text)).Message.ShouldContain("'^1.2'");
    }

    [Fact]
    public void Length_has_a_limit()
    {
        var longest = "1" + new string(' ', VersionRange.MaxLength - 2) + "1";
        VersionRange.Parse(longest).ToString().ShouldBe(">=1.0.0 <2.0.0-0");
        VersionRange.TryParse(longest + " ", out _).ShouldBeFalse();
        VersionRange.TryParse(null, out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData("^1.2.3", "1.2.3", true)]
    [InlineData("^1.2.3", "1.9.0", true)]
    [InlineData("^1.2.3", "2.0.0", false)]
    [InlineData("^1.2.3", "2.0.0-rc.1", false)]
    [InlineData("^1.2.3", "1.3.0-rc.1", false)]
    [InlineData("^1.2.3-rc.1", "1.2.3-rc.2", true)]
    [InlineData("^1.2.3-rc.1", "1.2.3-beta", false)]
    [InlineData("^1.2.3-rc.1", "1.3.0-rc.1", false)]
    [InlineData("*", "1.0.0-rc.1", false)]
    [InlineData("* || 1.0.0-rc.1", "1.0.0-rc.1", false)]
    [InlineData("2 || 1.0.0-rc.1", "1.0.0-rc.1", true)]
    [InlineData("1.2.3", "1.2.3+build", true)]
    [InlineData("<2.0.0-0", "2.0.0-0", false)]
    public void A_prerelease_is_in_a_range_that_names_one_of_its_numbers(string range, string version, bool within) =>
        VersionRange.Parse(range).Satisfies(SemVer.Parse(version)).ShouldBe(within);

    [Fact]
    public void The_highest_of_ten_thousand_is_found_without_allocation()
    {
        var versions = Enumerable
            .Range(0, 10_000)
            .Select(i => SemVer.Parse($"{i % 7}.{i % 100}.{i}{(i % 3 == 0 ? "-rc." + i : "")}"))
            .ToArray();
        var range = VersionRange.Parse("^3.2 || ~2.1 || 1.0.0 - 1.4");
        range.MaxSatisfying(versions);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var highest = range.MaxSatisfying(versions);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);

        var expected = versions.Where(range.Satisfies).Max();
        highest.ShouldBe(expected);
        range.MaxSatisfying(versions.AsEnumerable().Reverse()).ShouldBe(expected);
        VersionRange.Parse("9").MaxSatisfying(versions).ShouldBeNull();
        VersionRange.Any.MaxSatisfying([SemVer.Parse("1.0.0+b"), SemVer.Parse("1.0.0+c")])!.Value.Build.ShouldBe("b");
    }

    [Fact]
    public void A_printed_range_reads_back_to_one_with_the_same_versions() =>
        Prop.ForAll(
                VersionTexts.DamagedRange.Zip(VersionTexts.Version).ToArbitrary(),
                sample =>
                {
                    var (text, version) = sample;
                    if (!VersionRange.TryParse(text, out var range))
                        return true;
                    // Not always an equal one: npm prints >=v0.0.0 as >=0.0.0, which it reads as *.
                    var again = VersionRange.Parse(range.ToString());
                    return again.Satisfies(SemVer.Parse(version)) == range.Satisfies(SemVer.Parse(version));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(10_000));

    [Fact]
    public void Alternatives_are_united() =>
        Prop.ForAll(
                VersionTexts.Range.Two().Zip(VersionTexts.Version).ToArbitrary(),
                sample =>
                {
                    var ((left, right), text) = sample;
                    var version = SemVer.Parse(text);
                    if (
                        !VersionRange.TryParse(left, out var a)
                        || !VersionRange.TryParse(right, out var b)
                        || !VersionRange.TryParse($"{left} || {right}", out var both)
                    )
                        return true;
                    // Except that * takes the place of alternatives which name a prerelease.
                    return both.Satisfies(version) == (a.Satisfies(version) || b.Satisfies(version))
                        || (version.IsPrerelease && both.Equals(VersionRange.Any));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void Garbage_is_refused_and_nothing_is_thrown() =>
        Prop.ForAll<string>(text => VersionRange.TryParse(text, out _) || true)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    /// <summary>Every answer of the npm package <c>semver</c>, on ranges of which half are damaged.</summary>
    [Fact]
    public async Task Ranges_mean_what_they_mean_to_npm()
    {
        var ct = TestContext.Current.CancellationToken;
        string[] ranges =
        [
            .. Sample(VersionTexts.Range, 6_000).Concat(Sample(VersionTexts.DamagedRange, 6_000)).Distinct(),
        ];
        string[] versions = [.. Sample(VersionTexts.Version, 400).Distinct()];
        string[] damaged = [.. Sample(VersionTexts.DamagedVersion, 4_000).Distinct()];

        using var answers = await AskNpmAsync(
            """
            const semver = require('semver')
            const { ranges, versions, damaged } = JSON.parse(require('fs').readFileSync('questions.json', 'utf8'))
            const parsed = versions.map(text => new semver.SemVer(text))
            process.stdout.write(JSON.stringify({
              ranges: ranges.map(text => {
                const range = semver.validRange(text)
                if (range === null) return null
                const compiled = new semver.Range(text)
                return {
                  range: compiled.range || '*',
                  within: parsed.map(version => compiled.test(version) ? '1' : '0').join(''),
                  highest: semver.maxSatisfying(versions, text),
                }
              }),
              sorted: semver.sort([...versions]),
              valid: damaged.map(text => semver.valid(text) !== null),
            }))
            """,
            new
            {
                ranges,
                versions,
                damaged,
            },
            ct
        );

        var differences = new List<string>();
        var parsed = versions.Select(text => SemVer.Parse(text)).ToArray();
        var accepted = 0;
        foreach (var (text, answer) in ranges.Zip(answers.RootElement.GetProperty("ranges").EnumerateArray()))
        {
            var known = VersionRange.TryParse(text, out var range);
            if (known != (answer.ValueKind != JsonValueKind.Null))
                differences.Add($"'{text}' is {(known ? "" : "not ")}read");
            if (!known || answer.ValueKind == JsonValueKind.Null)
                continue;
            accepted++;
            var expected = answer.GetProperty("range").GetString();
            if (range!.ToString() != expected)
                differences.Add($"'{text}' is {range} and not {expected}");
            var within = string.Concat(parsed.Select(version => range.Satisfies(version) ? '1' : '0'));
            if (within != answer.GetProperty("within").GetString())
                differences.Add($"'{text}' takes other versions");
            if (range.MaxSatisfying(parsed)?.ToString() != answer.GetProperty("highest").GetString())
                differences.Add($"'{text}' has another highest version");
        }
        differences.Take(50).ShouldBeEmpty($"{differences.Count} differences");
        // Neither side of the question is a handful.
        accepted.ShouldBeInRange(ranges.Length / 5, ranges.Length / 2);

        // npm sorts stably where builds differ in leading zeros only, so those are left out here.
        string[] Ordered(IEnumerable<string> texts) =>
            [.. texts.Where(text => !text.Contains("+0", StringComparison.Ordinal))];
        Ordered(parsed.Order().Select(version => version.ToString()))
            .ShouldBe(
                Ordered(answers.RootElement.GetProperty("sorted").EnumerateArray().Select(item => item.GetString()!))
            );

        var valid = answers.RootElement.GetProperty("valid").EnumerateArray().Select(item => item.GetBoolean());
        foreach (var (text, isValid) in damaged.Zip(valid))
        {
            // npm also takes a v before a version, and space around it.
            SemVer.TryParse(text.Trim(' ').TrimStart('v'), out _).ShouldBe(isValid, text);
        }
    }

    // The same ones in every run.
    private static IReadOnlyList<string> Sample(Gen<string> texts, int count) =>
        texts.Sample(count, new Rnd(20_261_121), 50);

    private static async Task<JsonDocument> AskNpmAsync(string script, object questions, CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-semver-").FullName;
        try
        {
            await NodeProcess.InstallAsync(folder, "semver@7.8.6", ct);
            await File.WriteAllTextAsync(
                Path.Combine(folder, "questions.json"),
                JsonSerializer.Serialize(questions),
                ct
            );
            return JsonDocument.Parse(await NodeProcess.RunScriptAsync(folder, script, ct));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

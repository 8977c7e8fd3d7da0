using System.Globalization;
using System.Text.RegularExpressions;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Web.Tests;

/// <summary>What runs in browsers: its own tests, its types, and its build. The build of the server has installed what they need.</summary>
public sealed partial class WebTests
{
    private static readonly string Web = Path.Combine(Build.Repository, "web");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_passes_its_own_tests()
    {
        var result = await CommandResult.RunAsync(["node", Path.Combine(Web, "test.mjs")], Ct);

        result.ExitCode.ShouldBe(0, result.Output + result.Errors);
        Figure(result.Output, "pass").ShouldBeGreaterThan(10, result.Output);
        Figure(result.Output, "fail").ShouldBe(0);
        Figure(result.Output, "skipped").ShouldBe(0);
    }

    [Theory]
    [InlineData("")]
    [InlineData("resolver")]
    public async Task Its_types_hold(string part)
    {
        var compiler = Path.Combine(Web, "node_modules", "typescript", "bin", "tsc");
        var result = await CommandResult.RunAsync(["node", compiler, "--project", Path.Combine(Web, part)], Ct);

        result.ExitCode.ShouldBe(0, result.Output);
    }

    [Fact]
    public async Task Builds_at_one_time_and_place_make_the_bytes_that_are_served()
    {
        var target = PostgresFixture.NewFolder();
        var builds = await Task.WhenAll(
            Enumerable
                .Range(0, 3)
                .Select(_ => CommandResult.RunAsync(["node", Path.Combine(Web, "build.mjs"), target], Ct))
        );

        builds.ShouldAllBe(build => build.ExitCode == 0, string.Concat(builds.Select(build => build.Errors)));
        foreach (var file in (string[])["loader.js", "loader.js.br", "loader.js.gz", "demo.js", "demo.css"])
        {
            var served = Path.Combine(Build.Repository, "artifacts", "web", file);
            // An integrity value that a page pins must be that of every build of this source.
            (await File.ReadAllBytesAsync(Path.Combine(target, file), Ct)).ShouldBe(
                await File.ReadAllBytesAsync(served, Ct),
                file
            );
        }
        Directory.EnumerateFileSystemEntries(target).Count().ShouldBe(5, "nothing half-made and no lock is left");
    }

    [Fact]
    public async Task The_resolver_is_packed_as_one_file_with_its_types_and_runs_alone()
    {
        var target = PostgresFixture.NewFolder();
        var packed = await CommandResult.RunAsync(["node", Path.Combine(Web, "resolver", "pack.mjs"), target], Ct);
        packed.ExitCode.ShouldBe(0, packed.Output + packed.Errors);
        File.Exists(Path.Combine(target, "index.d.ts")).ShouldBeTrue();

        var program = Path.Combine(target, "program.mjs");
        var files = Path.Combine(target, "files");
        Directory.CreateDirectory(files);
        await File.WriteAllTextAsync(Path.Combine(files, "p.md"), "Be brief.", Ct);
        await File.WriteAllTextAsync(
            Path.Combine(files, "manifest.json"),
            """{ "template": "tone", "artifacts": [ { "kind": "master_prompt", "path": "p.md" } ] }""",
            Ct
        );
        await File.WriteAllTextAsync(
            program,
            """
            import { TemplateResolver } from './index.js';
            const resolver = new TemplateResolver({ filesFolder: process.argv[2] });
            console.log((await resolver.resolve({ template: 'tone', kind: 'master_prompt' })).text);
            """,
            Ct
        );
        var ran = await CommandResult.RunAsync(["node", program, files], Ct);
        ran.Output.Trim().ShouldBe("Be brief.", ran.Errors);
    }

    private static int Figure(string output, string name) =>
        int.Parse(
            Figures().Matches(output).Single(match => match.Groups["name"].Value == name).Groups["value"].Value,
            CultureInfo.InvariantCulture
        );

    [GeneratedRegex("^# (?<name>[a-z]+) (?<value>[0-9]+)$", RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex Figures();
}

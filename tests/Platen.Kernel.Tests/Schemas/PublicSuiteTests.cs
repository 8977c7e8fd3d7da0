using Platen.Kernel.Schemas;

namespace Platen.Kernel.Tests.Schemas;

/// <summary>The public JSON-Schema-Test-Suite, where a copy of it lies beside the repository.</summary>
public sealed class PublicSuiteTests
{
    private static readonly string? Folder = FindFolder();

    private static readonly Lazy<SchemaRegistry> Remotes = new(LoadRemotes);

    public static TheoryData<string> Files
    {
        get
        {
            var files = new TheoryData<string>();
            foreach (var file in SuiteFiles())
                files.Add(file);
            return files;
        }
    }

    [Theory]
    [MemberData(nameof(Files), DisableDiscoveryEnumeration = true)]
    public async Task Every_test_of_the_file_passes(string file)
    {
        if (file == NoSuite)
            return;
        var result = await Run(file, TestContext.Current.CancellationToken);
        result.Failures.ShouldBeEmpty();
        result.Passed.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task The_reference_states_the_figures_of_this_run()
    {
        if (Folder is null)
            return;
        var (passed, failed) = (0, 0);
        foreach (var file in SuiteFiles())
        {
            var result = await Run(file, TestContext.Current.CancellationToken);
            passed += result.Passed;
            failed += result.Failures.Count;
        }
        var reference = Path.Combine(Repository(), "docs", "reference", "json-schema.md");
        var text = await File.ReadAllTextAsync(reference, TestContext.Current.CancellationToken);
        text.ShouldContain($"**{passed} passed, {failed} failed**");
    }

    private const string NoSuite = "(the suite is not here)";

    private static async Task<SchemaSuiteResult> Run(string file, CancellationToken cancellationToken)
    {
        var bytes = await File.ReadAllBytesAsync(Path.Combine(Folder!, file), cancellationToken);
        var options = new SchemaOptions
        {
            AssertFormat = file.StartsWith("format" + Path.DirectorySeparatorChar, StringComparison.Ordinal),
        };
        return SchemaSuite.Run(file, bytes, options, Remotes.Value);
    }

    private static IEnumerable<string> SuiteFiles() =>
        Folder is null
            ? [NoSuite]
            : Directory
                .EnumerateFiles(Folder, "*.json", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(Folder, path))
                .Where(path => !path.StartsWith("remotes", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal);

    private static SchemaRegistry LoadRemotes()
    {
        var registry = new SchemaRegistry();
        var remotes = Path.Combine(Folder!, "remotes");
        foreach (var path in Directory.EnumerateFiles(remotes, "*.json", SearchOption.AllDirectories))
        {
            var address = SchemaSuite.RemoteRoot + Path.GetRelativePath(remotes, path).Replace('\\', '/');
            registry.Add(address, File.ReadAllBytes(path));
        }
        return registry;
    }

    private static string Repository()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at!.FullName, "Platen.slnx")))
            at = at.Parent;
        return at.FullName;
    }

    private static string? FindFolder()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (!File.Exists(Path.Combine(at.FullName, "Platen.slnx")) || at.Parent is null)
                continue;
            var folder = Path.Combine(at.Parent.FullName, "shared", "judges", "json-schema-2020-12");
            return Directory.Exists(folder) ? folder : null;
        }
        return null;
    }
}

using System.Reflection;

namespace Platen.Facts;

/// <summary>The working copy: what is in it, without what builds and runs leave behind.</summary>
internal static class Repository
{
    private static readonly HashSet<string> Made = new(StringComparer.Ordinal)
    {
        ".git",
        ".vs",
        ".idea",
        "artifacts",
        "bin",
        "node_modules",
        "obj",
        "platen-data",
        "TestResults",
    };

    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Broken inputs: every checker is shown to refuse one.</summary>
    public static string Fixtures { get; } = Path.Combine(Root, "tests", "Platen.Facts", "Fixtures");

    public static IEnumerable<SourceFile> Files(params string[] folders) =>
        folders.SelectMany(folder => FilesBelow(Path.Combine(Root, folder), Root));

    /// <summary>The files below a folder in a fixed order, named from <paramref name="root"/> with forward slashes.</summary>
    public static IEnumerable<SourceFile> FilesBelow(string folder, string root)
    {
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
            yield return new SourceFile(
                Path.GetRelativePath(root, file).Replace('\\', '/'),
                () => File.ReadAllText(file)
            );
        foreach (var below in Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal))
        {
            if (Made.Contains(Path.GetFileName(below)) || below == Fixtures)
                continue;
            foreach (var file in FilesBelow(below, root))
                yield return file;
        }
    }

    /// <summary>A broken input of a checker, as the text of the file it stands for.</summary>
    public static string Fixture(string name) => File.ReadAllText(Path.Combine(Fixtures, name));

    private static string FindRoot()
    {
        var root = typeof(Repository)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(one => one.Key == "RepositoryRoot")
            .Value!;
        return Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
    }
}

/// <param name="Path">From the root, with forward slashes.</param>
/// <param name="Read">Yields its text.</param>
internal sealed record SourceFile(string Path, Func<string> Read)
{
    public string Extension => System.IO.Path.GetExtension(Path);

    public string Text => Read();

    public override string ToString() => Path;
}

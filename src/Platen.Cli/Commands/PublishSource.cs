using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary>One thing to publish: a file, or an instance that the server has.</summary>
/// <param name="Name">As a person gave it.</param>
/// <param name="File">Its path; null for an instance that the server has.</param>
/// <param name="Id">Its id; null for a file, which says so itself.</param>
internal sealed record PublishSource(string Name, string? File, PublicId? Id)
{
    /// <summary>The things that arguments name; a folder is every <c>*.json</c> in it, by name.</summary>
    /// <exception cref="CliException">An argument names nothing, or a folder is empty.</exception>
    public static IReadOnlyList<PublishSource> Expand(IReadOnlyList<string> arguments, string workingFolder)
    {
        var sources = new List<PublishSource>();
        foreach (var argument in arguments)
        {
            var path = Path.GetFullPath(argument, workingFolder);
            if (Directory.Exists(path))
                sources.AddRange(FilesOf(path, argument));
            else if (System.IO.File.Exists(path))
                sources.Add(new PublishSource(argument, path, null));
            else if (PublicId.TryParse(argument, out var id) && !argument.EndsWith(".json", StringComparison.Ordinal))
                sources.Add(new PublishSource(id.ToString(), null, id));
            else
                throw Nothing(argument);
        }
        return [.. sources.DistinctBy(source => source.File ?? source.Name)];
    }

    private static List<PublishSource> FilesOf(string folder, string given)
    {
        List<PublishSource> files =
        [
            .. Directory
                .EnumerateFiles(folder, "*.json")
                .Order(StringComparer.Ordinal)
                .Select(file => new PublishSource(Path.Combine(given, Path.GetFileName(file)), file, null)),
        ];
        return files.Count > 0
            ? files
            : throw new CliException(
                ExitCode.Usage,
                "nothing-to-publish",
                $"The folder '{given}' has no *.json file.",
                "Name a folder with files such as wgt_main_content.faq.json, or the files themselves."
            );
    }

    private static CliException Nothing(string argument) =>
        new(
            ExitCode.Usage,
            "nothing-to-publish",
            $"'{argument}' is no file, no folder and no public id.",
            "Check the spelling and the folder you are in; a public id starts with wgt_."
        );
}

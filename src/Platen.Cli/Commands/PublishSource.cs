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

/// <summary>A thing to publish after it was looked at: a file that was read, an id, or why neither.</summary>
/// <param name="Name">As a person gave it.</param>
/// <param name="File">The file's content; null for an id or a refusal.</param>
/// <param name="Id">What is to be published; null for a refusal.</param>
/// <param name="Refusal">Why it cannot be; null when it can.</param>
internal sealed record PublishItem(string Name, InstanceFile? File, PublicId? Id, Refusal? Refusal)
{
    /// <summary>Reads every file before anything is written; of several that claim one id none is published.</summary>
    public static async Task<IReadOnlyList<PublishItem>> ReadAsync(
        IReadOnlyList<PublishSource> sources,
        CancellationToken ct
    )
    {
        var items = new List<PublishItem>();
        foreach (var source in sources)
            items.Add(await ReadAsync(source, ct));
        return [.. items.Select(item => Sole(item, items))];
    }

    private static async Task<PublishItem> ReadAsync(PublishSource source, CancellationToken ct)
    {
        if (source.File is null)
            return new PublishItem(source.Name, null, source.Id, null);
        try
        {
            var file = await InstanceFile.ReadAsync(source.File, source.Name, ct);
            return new PublishItem(source.Name, file, file.Id, null);
        }
        catch (CliException e)
        {
            return new PublishItem(source.Name, null, null, Cli.Refusal.Of(e));
        }
    }

    private static PublishItem Sole(PublishItem item, List<PublishItem> all)
    {
        var others = all.Where(other => other != item && other.Id is not null && other.Id == item.Id).ToList();
        if (others.Count == 0)
            return item;
        var refusal = new Refusal(
            ExitCode.Usage,
            "same-id-twice",
            null,
            $"{item.Id} is also what {string.Join(" and ", others.Select(other => other.Name))} would publish.",
            "Name one of them only.",
            []
        );
        return new PublishItem(item.Name, null, null, refusal);
    }
}

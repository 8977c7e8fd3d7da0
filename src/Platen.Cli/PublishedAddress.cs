using Platen.Kernel;

namespace Platen.Cli;

/// <summary>What a person calls published content by: its public id, a path, or a whole address as a browser shows it.</summary>
/// <param name="Server">The server of a whole address; null when none is named.</param>
/// <param name="Path">Below <c>/e/</c> or <c>/w/</c>, with its query.</param>
internal sealed record PublishedAddress(string? Server, string Path)
{
    /// <exception cref="CliException">It is none of the three.</exception>
    public static PublishedAddress Read(string text)
    {
        if (PublicId.TryParse(text, out var id))
            return new(null, $"/e/{id}");
        if (text.StartsWith('/'))
            return new(null, Checked(text));
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? new(address.GetLeftPart(UriPartial.Authority), Checked(address.PathAndQuery))
            : throw NotPublished(text);
    }

    /// <summary>The instance whose content it is.</summary>
    /// <exception cref="CliException">The path names none.</exception>
    public PublicId Instance()
    {
        var segment = Path.Split('/', 4)[2].Split('?', '#')[0];
        return PublicId.TryParse(Uri.UnescapeDataString(segment), out var id) ? id : throw NotPublished(Path);
    }

    private static string Checked(string path) =>
        path.StartsWith("/e/", StringComparison.Ordinal) || path.StartsWith("/w/", StringComparison.Ordinal)
            ? path
            : throw NotPublished(path);

    private static CliException NotPublished(string text) =>
        new(
            ExitCode.Usage,
            "usage",
            $"'{text}' is not the address of published content.",
            "Give /e/{publicId}, something below /w/{publicId}/, or a public id."
        );
}

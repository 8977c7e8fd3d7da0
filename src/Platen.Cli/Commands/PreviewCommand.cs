using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen preview</c>: a link that shows an instance before it is live, to whoever has the link.</summary>
internal static class PreviewCommand
{
    private static readonly Argument<string> Id = new("id")
    {
        Description = "The instance's public id.",
        HelpName = "ID",
    };

    private static readonly Option<string?> Release = new("--release")
    {
        Description = "A release of it, as 'platen status ID' names them; else what it is now.",
        HelpName = "DIGEST",
    };

    private static readonly Option<int?> Minutes = new("--minutes")
    {
        Description = "How long the link holds; else an hour, at most a day.",
        HelpName = "N",
    };

    public static Command Create() =>
        new Command("preview", "Make a private link that shows an instance before it is live.")
        {
            Id,
            Release,
            Minutes,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        Digest? release = null;
        if (run.Value(Release) is { } text)
        {
            release = Digest.TryParse(text, out var digest)
                ? digest
                : throw new CliException(
                    ExitCode.Usage,
                    "usage",
                    $"'{text}' is not a digest.",
                    "It begins with sha256:."
                );
        }
        var order = new PreviewOrder(release, run.Value(Minutes));
        var link = await run.Client.CreatePreviewLinkAsync(run.PublicId(Id), order, ct);
        var address = run.Client.AddressOf(link.Url);
        run.Output.Document(
            new JsonObject
            {
                ["url"] = address.ToString(),
                ["release"] = link.Release.ToString(),
                ["expiresAt"] = link.ExpiresAt.ToString("O", CultureInfo.InvariantCulture),
            }
        );
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{address} (until {link.ExpiresAt:u})"));
        return ExitCode.Ok;
    }
}

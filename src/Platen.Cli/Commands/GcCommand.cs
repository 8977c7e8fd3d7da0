using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen gc</c>: removes what nobody can come back to, or shows what that would be.</summary>
internal static class GcCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(300);

    private static readonly Option<bool> DryRun = new("--dry-run")
    {
        Description = "Remove nothing; show what would be removed.",
    };

    private static readonly Option<double?> GraceHours = new("--grace-hours")
    {
        Description = "Spare bytes that were stored in the last H hours; 24 unless told otherwise.",
        HelpName = "H",
    };

    private static readonly Option<double?> RetentionDays = new("--retention-days")
    {
        Description = "Keep releases for D days after their channel left them; 30 unless told otherwise.",
        HelpName = "D",
    };

    private static readonly Option<int?> Keep = new("--keep")
    {
        Description = "Keep the releases of the last N moves of each channel; 10 unless told otherwise.",
        HelpName = "N",
    };

    public static Command Create() =>
        new Command(
            "gc",
            "Remove releases nobody can come back to and bytes that nothing refers to, while everything runs. Exit code 1 when "
                + "bytes are missing that should be there."
        )
        {
            DryRun,
            GraceHours,
            RetentionDays,
            Keep,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var requested = await run.Client.RequestCollectionAsync(
            new CollectionRequest(
                run.Value(DryRun),
                run.Value(GraceHours) * 3_600,
                run.Value(RetentionDays) * 86_400,
                run.Value(Keep)
            ),
            ct
        );
        run.Output.Progress($"collection {requested.Id:D} is asked for");
        var collection = requested;
        while (collection.Report is null)
        {
            await Task.Delay(Poll, run.Terminal.Time, ct);
            collection =
                await run.Client.FindCollectionAsync(requested.Id, ct)
                ?? throw new CliException(
                    ExitCode.No,
                    "not-found",
                    $"The collection {requested.Id:D} is gone.",
                    "Ask for another."
                );
        }
        var report = collection.Report;
        run.Output.Document(JsonSerializer.SerializeToNode(collection, JsonSerializerOptions.Web)!);
        run.Output.Table(
            ["what", "digest", "subject", "bytes", "why"],
            [
                .. report.Items.Select(item =>
                    (string[])
                        [
                            item.What,
                            item.Digest.ToString(),
                            item.Subject ?? "",
                            item.SizeBytes.ToString(CultureInfo.InvariantCulture),
                            item.Why,
                        ]
                ),
            ]
        );
        var verb = collection.DryRun ? "would remove" : "removed";
        run.Output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{verb} {report.Releases} releases, {report.Blobs} blobs and {report.Orphans} orphans: {report.RemovedBytes:N0} bytes"
            )
        );
        run.Output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"kept {report.KeptReleases} releases and {report.KeptBlobs} blobs: {report.KeptBytes:N0} bytes"
            )
        );
        if (report.Missing == 0)
            return ExitCode.Ok;
        run.Output.Verdict(
            "fail",
            "red",
            string.Create(CultureInfo.InvariantCulture, $"{report.Missing} blobs that are kept are not in the store")
        );
        return ExitCode.No;
    }
}

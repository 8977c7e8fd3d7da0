using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen list</c>: the curated instances.</summary>
internal static class ListCommand
{
    private static readonly Option<string?> Type = new("--type")
    {
        Description = "Only instances of this widget type.",
        HelpName = "TYPE",
    };

    private static readonly Option<string?> Status = new("--status") { Description = "Only instances of this status." };

    static ListCommand() => Status.AcceptOnlyFromAmong("published", "unpublished", "deprecated");

    public static Command Create() =>
        new Command("list", "List the curated instances.") { Type, Status }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        WidgetType? type = null;
        if (run.Value(Type) is { } text)
        {
            type = WidgetType.TryParse(text, out var parsed)
                ? parsed
                : throw new CliException(
                    ExitCode.Usage,
                    "usage",
                    $"'{text}' is not a widget type.",
                    "'platen types' shows what there is."
                );
        }
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var instance in run.Client.ListCuratedInstancesAsync(type, run.Value(Status), ct))
        {
            documents.Add(InstanceJson.Summary(instance));
            rows.Add([
                instance.PublicId,
                instance.WidgetType,
                instance.Status,
                instance.Revision.ToString(CultureInfo.InvariantCulture),
                instance.UpdatedAt?.ToString("u", CultureInfo.InvariantCulture) ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["instance", "type", "status", "revision", "changed"], rows);
        return ExitCode.Ok;
    }
}

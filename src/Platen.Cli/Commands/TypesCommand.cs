using System.CommandLine;
using System.Text.Json.Nodes;

namespace Platen.Cli.Commands;

/// <summary><c>platen types</c>: the widget types that the server knows.</summary>
internal static class TypesCommand
{
    public static Command Create() =>
        new Command("types", "List the widget types that the server knows.").Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var manifest = await run.Client.GetWidgetManifestAsync(ct);
        var types = manifest.WidgetTypes.IsDefault ? [] : manifest.WidgetTypes;
        run.Output.Document(
            new JsonObject
            {
                ["widgetTypes"] = new JsonArray([
                    .. types.Select(type => new JsonObject
                    {
                        ["type"] = type.Type,
                        ["title"] = type.Title,
                        ["description"] = type.Description,
                        ["version"] = type.Version,
                        ["digest"] = type.Digest,
                        ["schema"] = type.Schema,
                    }),
                ]),
            }
        );
        run.Output.Table(
            ["type", "version", "title", "schema"],
            [
                .. types.Select(type =>
                    new[]
                    {
                        type.Type,
                        type.Version ?? "",
                        type.Title ?? "",
                        type.Schema is null ? "" : run.Client.AddressOf(type.Schema).ToString(),
                    }
                ),
            ]
        );
        return ExitCode.Ok;
    }
}

using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Platen.Cli.Commands;

/// <summary><c>platen get</c>: an instance with its locales, in the form that <c>platen publish</c> reads.</summary>
internal static class GetCommand
{
    private static readonly Argument<string> Id = new("id")
    {
        Description = "The instance's public id, or an address of what is published of it.",
        HelpName = "ID|URL",
    };

    private static readonly JsonSerializerOptions FileStyle = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create() =>
        new Command("get", "Print an instance with its locales, in the form that 'platen publish' reads.") { Id }.Runs(
            RunAsync
        );

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var id = run.Locate(run.Value(Id));
        var instance = (await run.Client.FindInstanceAsync(id, ct) ?? throw Invocation.NoSuchInstance(id)).Value;
        var file = new JsonObject
        {
            ["publicId"] = instance.PublicId,
            ["widgetType"] = instance.WidgetType,
            ["status"] = instance.Status,
            ["baseLocale"] = instance.BaseLocale,
        };
        if (!instance.AllowedOrigins.IsDefaultOrEmpty)
            file["allowedOrigins"] = new JsonArray([.. instance.AllowedOrigins.Select(o => JsonValue.Create(o))]);
        file["config"] = JsonNode.Parse(instance.Config.GetRawText());
        if (!instance.Locales.IsDefaultOrEmpty)
        {
            var locales = new JsonObject();
            foreach (var locale in instance.Locales)
            {
                if (await run.Client.FindOverlayAsync(id, locale, ct) is not { } overlay)
                    continue;
                var ops = new JsonArray();
                foreach (var op in overlay.Value.Ops.IsDefault ? [] : overlay.Value.Ops)
                {
                    var json = new JsonObject { ["op"] = op.Op, ["path"] = op.Path };
                    if (op.Value is { } value)
                        json["value"] = JsonNode.Parse(value.GetRawText());
                    if (op.Base is { } made)
                        json["base"] = JsonNode.Parse(made.GetRawText());
                    ops.Add(json);
                }
                locales[locale] = ops;
            }
            file["locales"] = locales;
        }
        if (run.Output.Json)
            run.Output.Document(file);
        else
            await run.Terminal.Out.WriteLineAsync(file.ToJsonString(FileStyle).AsMemory(), ct);
        return ExitCode.Ok;
    }
}

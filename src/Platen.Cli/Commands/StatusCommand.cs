using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen status</c>: what is live, and whether what is live is the latest.</summary>
internal static class StatusCommand
{
    private static readonly Argument<string?> Id = new("id")
    {
        Description = "The instance's public id. Without one: every curated instance.",
        HelpName = "ID",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Create() =>
        new Command("status", "Show what is live, and how it came to be. Exit code 1 when ID is not live.") { Id }.Runs(
            RunAsync
        );

    private static Task<int> RunAsync(Invocation run, CancellationToken ct) =>
        run.Value(Id) is { } text ? ShowOneAsync(run, Invocation.ReadPublicId(text), ct) : ShowAllAsync(run, ct);

    private static async Task<int> ShowAllAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var instance in run.Client.ListCuratedInstancesAsync(null, null, ct))
        {
            documents.Add(InstanceJson.Summary(instance));
            rows.Add([
                instance.PublicId,
                StateOf(instance),
                instance.Publication?.Release.ToString() ?? "",
                Moment(instance.Publication?.PublishedAt),
                instance.Publication?.PublishedBy ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["instance", "state", "release", "published", "by"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ShowOneAsync(Invocation run, PublicId id, CancellationToken ct)
    {
        var instance = (await run.Client.FindInstanceAsync(id, ct) ?? throw Invocation.NoSuchInstance(id)).Value;
        var moves = (await run.Client.FindPublicationAsync(id, null, ct))?.Moves is { IsDefault: false } known
            ? known
            : [];
        var document = InstanceJson.Summary(instance);
        document["moves"] = new JsonArray([.. moves.Select(InstanceJson.Of)]);
        run.Output.Document(document);

        run.Output.Line($"{instance.PublicId}  {instance.WidgetType}  {StateOf(instance)}");
        run.Output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"revision {instance.Revision}, changed {Moment(instance.UpdatedAt)} by {instance.UpdatedBy}"
            )
        );
        if (instance.Publication is { } live)
        {
            run.Output.Line(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"live at {run.Client.AddressOf(live.Url ?? "/e/" + instance.PublicId)}: {live.Release} of revision {live.SourceRevision}"
                )
            );
        }
        if (moves.Length > 0)
        {
            run.Output.Table(
                ["move", "release", "at", "by", "reason"],
                [
                    .. moves.Select(move =>
                        new[]
                        {
                            move.Revision.ToString(CultureInfo.InvariantCulture),
                            move.To?.ToString() ?? "(taken off)",
                            Moment(move.At),
                            move.By ?? "",
                            move.Reason ?? "",
                        }
                    ),
                ]
            );
        }
        return instance.Publication is null ? ExitCode.No : ExitCode.Ok;
    }

    private static string StateOf(Instance instance) =>
        instance.Publication is not { } live ? "not live"
        : live.SourceRevision < instance.Revision ? "live, changed since"
        : "live";

    private static string Moment(DateTimeOffset? at) => at?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}

/// <summary>Instances as the commands print them under --json.</summary>
internal static class InstanceJson
{
    /// <summary>Everything but the config.</summary>
    public static JsonObject Summary(Instance instance)
    {
        var json = new JsonObject
        {
            ["publicId"] = instance.PublicId,
            ["kind"] = instance.Kind,
            ["widgetType"] = instance.WidgetType,
            ["status"] = instance.Status,
            ["baseLocale"] = instance.BaseLocale,
            ["configDigest"] = instance.ConfigDigest?.ToString(),
            ["revision"] = instance.Revision,
            ["createdAt"] = instance.CreatedAt,
            ["updatedAt"] = instance.UpdatedAt,
            ["updatedBy"] = instance.UpdatedBy,
            ["publication"] = instance.Publication is { } live
                ? new JsonObject
                {
                    ["release"] = live.Release.ToString(),
                    ["channelRevision"] = live.ChannelRevision,
                    ["sourceRevision"] = live.SourceRevision,
                    ["publishedAt"] = live.PublishedAt,
                    ["publishedBy"] = live.PublishedBy,
                    ["url"] = live.Url,
                }
                : null,
        };
        return json;
    }

    public static JsonObject Of(Move move) =>
        new()
        {
            ["revision"] = move.Revision,
            ["from"] = move.From?.ToString(),
            ["to"] = move.To?.ToString(),
            ["by"] = move.By,
            ["reason"] = move.Reason,
            ["at"] = move.At,
        };
}

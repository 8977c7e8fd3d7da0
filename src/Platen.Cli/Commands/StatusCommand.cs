using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen status</c>: what is live, and whether what is live is the latest.</summary>
internal static class StatusCommand
{
    private const string Live = "live";
    private const string NotLive = "not live";
    private const string ChangedSince = "live, changed since";
    private const string Older = "live, an older release";

    private static readonly Argument<string?> Id = new("id")
    {
        Description =
            "The instance's public id, or an address of what is published of it. Without one: every curated instance.",
        HelpName = "ID|URL",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Create() =>
        new Command("status", "Show what is live, and how it came to be. Exit code 1 when ID is not live.") { Id }.Runs(
            RunAsync
        );

    private static Task<int> RunAsync(Invocation run, CancellationToken ct) =>
        run.Optional(Id) is { } text ? ShowOneAsync(run, run.Locate(text), ct) : ShowAllAsync(run, ct);

    private static async Task<int> ShowAllAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var instance in run.Client.ListCuratedInstancesAsync(null, null, ct))
        {
            var state = await StateOfAsync(run, instance, ct);
            var document = InstanceJson.Summary(instance);
            document["state"] = state;
            documents.Add(document);
            rows.Add([
                instance.PublicId,
                state,
                instance.Revision.ToString(CultureInfo.InvariantCulture),
                Moment(instance.UpdatedAt),
                instance.UpdatedBy ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["instance", "state", "revision", "changed", "by"], rows);
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
                    $"live at {run.Client.AddressOf(live.Url ?? "/e/" + instance.PublicId)}: {live.Release}{(live.SourceRevision is { } source ? $" of revision {source}" : "")}"
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
                            move.Actor ?? "",
                            move.Reason ?? "",
                        }
                    ),
                ]
            );
        }
        return instance.Publication is null ? ExitCode.No : ExitCode.Ok;
    }

    /// <summary>The list does not tell what was never published from what went back to an older release: then it is asked.</summary>
    private static async Task<string> StateOfAsync(Invocation run, InstanceSummary instance, CancellationToken ct)
    {
        if (instance.PublishedRevision is { } published)
            return published < instance.Revision ? ChangedSince : Live;
        var whole = PublicId.TryParse(instance.PublicId, out var id)
            ? await run.Client.FindInstanceAsync(id, ct)
            : null;
        return whole is null ? NotLive : StateOf(whole.Value);
    }

    private static string StateOf(Instance instance) =>
        instance.Publication is not { } live ? NotLive
        : live.SourceRevision is not { } source ? Older
        : source < instance.Revision ? ChangedSince
        : Live;

    private static string Moment(DateTimeOffset? at) => at?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}

/// <summary>Instances as the commands print them under --json.</summary>
internal static class InstanceJson
{
    /// <summary>An instance of a list.</summary>
    public static JsonObject Summary(InstanceSummary instance) =>
        new()
        {
            ["publicId"] = instance.PublicId,
            ["kind"] = instance.Kind,
            ["widgetType"] = instance.WidgetType,
            ["status"] = instance.Status,
            ["revision"] = instance.Revision,
            ["publishedRevision"] = instance.PublishedRevision,
            ["updatedAt"] = instance.UpdatedAt,
            ["updatedBy"] = instance.UpdatedBy,
        };

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
            ["actor"] = move.Actor,
            ["reason"] = move.Reason,
            ["at"] = move.At,
        };
}

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen rollback</c>: makes a former release live again, by one more move of the channel.</summary>
internal static class RollbackCommand
{
    private static readonly Argument<string> Id = new("id")
    {
        Description = "The instance's public id.",
        HelpName = "ID",
    };

    private static readonly Option<long?> To = new("--to")
    {
        Description =
            "The move whose release to return to, as 'platen status ID' numbers them. Else the latest move is undone.",
        HelpName = "N",
    };

    private static readonly Option<string?> Reason = new("--reason")
    {
        Description = "Why, in a few words; kept with the publication.",
        HelpName = "TEXT",
    };

    public static Command Create() =>
        new Command("rollback", "Make a former release live again.") { Id, To, Reason }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var id = run.PublicId(Id);
        var instance = await run.Client.FindInstanceAsync(id, ct) ?? throw Invocation.NoSuchInstance(id);
        var target = await TargetAsync(run, id, run.Value(To), ct);
        var outcome = await run.Client.PublishAsync(
            id,
            new PublicationOrder(run.Value(Reason) ?? "rollback", target),
            instance.Tag.StillCurrent(),
            ct
        );
        var address = run.Client.AddressOf(outcome.Url);
        run.Output.Document(
            new JsonObject
            {
                ["publicId"] = id.ToString(),
                ["outcome"] = outcome.Outcome == PublicationOutcome.AlreadyLive ? "already live" : "rolled back",
                ["release"] = outcome.Release.ToString(),
                ["channelRevision"] = outcome.ChannelRevision,
                ["url"] = address.ToString(),
            }
        );
        run.Output.Line(
            outcome.Outcome == PublicationOutcome.AlreadyLive
                ? $"{outcome.Release} is already live at {address}"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{outcome.Release} is live again at {address} (move {outcome.ChannelRevision})"
                )
        );
        return ExitCode.Ok;
    }

    private static async Task<Digest> TargetAsync(Invocation run, PublicId id, long? to, CancellationToken ct)
    {
        long? before = null;
        do
        {
            var history = await run.Client.FindPublicationAsync(id, before, ct);
            if (history is null || history.Moves.IsDefaultOrEmpty)
                break;
            if (to is null)
                return history.Moves[0].From ?? throw Nothing(id, "nothing was live before what is live now.");
            foreach (var move in history.Moves)
            {
                if (move.Revision == to)
                    return move.To
                        ?? throw Nothing(id, $"move {move.Revision} took it off: nothing was live after it.");
            }
            before = history.NextBefore;
        } while (before is not null);
        throw Nothing(id, to is null ? "it was never published." : $"it has no move {to}.");
    }

    private static CliException Nothing(PublicId id, string why) =>
        new(
            ExitCode.No,
            "nothing-to-roll-back-to",
            $"{id} cannot be rolled back: {why}",
            $"'platen status {id}' lists its moves; name one of them with --to."
        );
}

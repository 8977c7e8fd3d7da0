using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen rollback</c>: makes a former release live again, by one more move of the channel.</summary>
internal static class RollbackCommand
{
    private static readonly Argument<string[]> Ids = new("id")
    {
        Description = "The instances' public ids; several go back at one moment, or none of them.",
        HelpName = "ID",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<DateTimeOffset?> At = new("--at")
    {
        Description = "When, such as 2031-05-04T06:00:00Z; else at once.",
        HelpName = "TIME",
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
        new Command("rollback", "Make a former release live again.") { Ids, To, At, Reason }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var ids = run.Value(Ids).Select(Invocation.ReadPublicId).Distinct().ToList();
        if (ids.Count > 1 || run.Value(At) is not null)
            return await TogetherAsync(run, ids, ct);
        var id = ids[0];
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

    private static async Task<int> TogetherAsync(Invocation run, List<PublicId> ids, CancellationToken ct)
    {
        var items = new List<CutoverItem>();
        foreach (var id in ids)
        {
            var live =
                await run.Client.FindPublicationAsync(id, before: null, ct) ?? throw Invocation.NoSuchInstance(id);
            var target = await TargetAsync(run, id, run.Value(To), ct);
            items.Add(new CutoverItem(id.ToString(), Snapshot: null, target, TakeOff: false, live.Release, Version: 0));
        }
        var order = new CutoverOrder(
            [.. items],
            run.Value(Reason) ?? "rollback",
            Stage: null,
            run.Value(At),
            Overwrite: false
        );
        var cutover = await run.Client.CutOverAsync(Guid.CreateVersion7(), order, ct);
        CutoversCommand.Report(run, cutover);
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

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen cutovers</c>: what changed together, what is due, and the way back.</summary>
internal static class CutoversCommand
{
    private static readonly Argument<Guid> Id = new("id") { Description = "The cut-over's id.", HelpName = "CUTOVER" };

    private static readonly Option<string?> Reason = new("--reason")
    {
        Description = "Why, in a few words; kept with every move.",
        HelpName = "TEXT",
    };

    private static readonly Option<int?> Minutes = new("--minutes")
    {
        Description = "How long the link holds; else an hour, at most a day.",
        HelpName = "N",
    };

    public static Command Create()
    {
        var command = new Command(
            "cutovers",
            "Show what changed together and what is due; look at it before, go back, or call it off."
        );
        command.Subcommands.Add(new Command("list", "The newest cut-overs.").Runs(ListAsync));
        command.Subcommands.Add(new Command("show", "What came of one.") { Id }.Runs(ShowAsync));
        command.Subcommands.Add(
            new Command("preview", "Make a private link to all that one will show that is not done yet.")
            {
                Id,
                Minutes,
            }.Runs(PreviewAsync)
        );
        command.Subcommands.Add(
            new Command("revert", "Make live again, as a whole, what was live before.") { Id, Reason }.Runs(RevertAsync)
        );
        command.Subcommands.Add(new Command("cancel", "Call off what is not done yet.") { Id }.Runs(CancelAsync));
        return command;
    }

    /// <summary>Says what came of a cut-over.</summary>
    public static void Report(Invocation run, CutoverReport cutover)
    {
        run.Output.Document(
            new JsonObject
            {
                ["id"] = cutover.Id.ToString(),
                ["state"] = cutover.State,
                ["at"] = cutover.At?.ToString("O", CultureInfo.InvariantCulture),
                ["items"] = new JsonArray([
                    .. cutover.Items.Select(item => new JsonObject
                    {
                        ["publicId"] = item.PublicId,
                        ["outcome"] = item.Outcome,
                        ["from"] = item.From?.ToString(),
                        ["to"] = item.To?.ToString(),
                        ["channelRevision"] = item.ChannelRevision,
                    }),
                ]),
                ["problem"] = cutover.Problem is { } problem ? JsonNode.Parse(problem.GetRawText()) : null,
            }
        );
        run.Output.Table(
            ["instance", "outcome", "live"],
            [.. cutover.Items.Select(i => new[] { i.PublicId, i.Outcome, i.To?.ToString() ?? "nothing" })]
        );
        run.Output.Line(
            cutover is { State: "scheduled", At: { } at }
                ? string.Create(CultureInfo.InvariantCulture, $"cut-over {cutover.Id} is due at {at:u}")
                : $"cut-over {cutover.Id} is {cutover.State}"
        );
        if (cutover.Problem is { } refused && refused.TryGetProperty("detail", out var detail))
            run.Output.Line(detail.GetString() ?? "");
    }

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var cutovers = await run.Client.GetCutoversAsync(ct);
        run.Output.Document(
            new JsonObject
            {
                ["items"] = new JsonArray([
                    .. cutovers.Select(c => new JsonObject
                    {
                        ["id"] = c.Id.ToString(),
                        ["state"] = c.State,
                        ["reason"] = c.Reason,
                        ["items"] = c.Items.Length,
                        ["createdBy"] = c.CreatedBy,
                        ["createdAt"] = c.CreatedAt.ToString("O", CultureInfo.InvariantCulture),
                    }),
                ]),
            }
        );
        run.Output.Table(
            ["cut-over", "state", "when", "by", "reason"],
            [
                .. cutovers.Select(c =>
                    new[]
                    {
                        c.Id.ToString(),
                        c.State,
                        (c.At ?? c.CreatedAt).ToString("u", CultureInfo.InvariantCulture),
                        c.CreatedBy ?? "",
                        c.Reason ?? "",
                    }
                ),
            ]
        );
        return ExitCode.Ok;
    }

    private static async Task<int> ShowAsync(Invocation run, CancellationToken ct)
    {
        Report(
            run,
            await run.Client.FindCutoverAsync(run.Value(Id), ct)
                ?? throw new CliException(
                    ExitCode.No,
                    "not-found",
                    $"There is no cut-over {run.Value(Id)}.",
                    "'platen cutovers list' shows the newest."
                )
        );
        return ExitCode.Ok;
    }

    private static async Task<int> PreviewAsync(Invocation run, CancellationToken ct)
    {
        var link = await run.Client.CreateCutoverPreviewLinkAsync(
            run.Value(Id),
            new CutoverPreviewOrder(run.Value(Minutes)),
            ct
        );
        var address = run.Client.AddressOf(link.Url);
        run.Output.Document(
            new JsonObject
            {
                ["url"] = address.ToString(),
                ["items"] = new JsonArray([
                    .. link.Items.Select(item => new JsonObject
                    {
                        ["publicId"] = item.PublicId,
                        ["release"] = item.Release.ToString(),
                    }),
                ]),
                ["expiresAt"] = link.ExpiresAt.ToString("O", CultureInfo.InvariantCulture),
            }
        );
        run.Output.Table(
            ["instance", "release"],
            [.. link.Items.Select(item => new[] { item.PublicId, item.Release.ToString() })]
        );
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{address} (until {link.ExpiresAt:u})"));
        return ExitCode.Ok;
    }

    private static async Task<int> RevertAsync(Invocation run, CancellationToken ct)
    {
        Report(run, await run.Client.RevertCutoverAsync(run.Value(Id), Guid.CreateVersion7(), run.Value(Reason), ct));
        return ExitCode.Ok;
    }

    private static async Task<int> CancelAsync(Invocation run, CancellationToken ct)
    {
        Report(run, await run.Client.CancelCutoverAsync(run.Value(Id), ct));
        return ExitCode.Ok;
    }
}

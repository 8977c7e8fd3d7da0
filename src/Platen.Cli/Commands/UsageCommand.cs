using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen usage</c>: how often instances were seen and their forms sent.</summary>
internal static class UsageCommand
{
    private static readonly Argument<string> Instance = new("instance")
    {
        Description = "The public id of one instance. Without it, all of a workspace and what its plan allows.",
        HelpName = "ID",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string> Workspace = new("--workspace", "-w")
    {
        Description = "Which workspace: its slug or id. Else the platform.",
        HelpName = "WORKSPACE",
        DefaultValueFactory = _ => "platform",
    };

    private static readonly Option<string?> Month = new("--month")
    {
        Description = "Which month of a workspace, such as 2026-11. Else this one.",
        HelpName = "MONTH",
    };

    private static readonly Option<string?> From = new("--from")
    {
        Description = "The first day of an instance, such as 2026-11-01. Else thirty days.",
        HelpName = "DAY",
    };

    private static readonly Option<string?> To = new("--to")
    {
        Description = "The last day of an instance. Else today.",
        HelpName = "DAY",
    };

    public static Command Create() =>
        new Command("usage", "Show how often instances were seen and their forms sent, and what the plan allows.")
        {
            Instance,
            Workspace,
            Month,
            From,
            To,
        }.Runs(RunAsync);

    private static Task<int> RunAsync(Invocation run, CancellationToken ct) =>
        run.Optional(Instance) is { Length: > 0 } id ? OfInstanceAsync(run, id, ct) : OfWorkspaceAsync(run, ct);

    private static async Task<int> OfInstanceAsync(Invocation run, string id, CancellationToken ct)
    {
        var usage = await run.Client.GetUsageAsync(Invocation.ReadPublicId(id), run.Value(From), run.Value(To), ct);
        run.Output.Document(
            new JsonObject
            {
                ["publicId"] = usage.PublicId,
                ["from"] = Text(usage.From),
                ["to"] = Text(usage.To),
                ["views"] = usage.Views,
                ["submissions"] = usage.Submissions,
                ["days"] = Days(usage.Days),
            }
        );
        run.Output.Table(
            ["day", "views", "submissions"],
            [
                .. usage.Days.Select(day => new[] { Text(day.Day), Text(day.Views), Text(day.Submissions) }),
                ["all", Text(usage.Views), Text(usage.Submissions)],
            ]
        );
        return ExitCode.Ok;
    }

    private static async Task<int> OfWorkspaceAsync(Invocation run, CancellationToken ct)
    {
        var usage = await run.Client.GetWorkspaceUsageAsync(run.Value(Workspace)!, run.Value(Month), ct);
        run.Output.Document(
            new JsonObject
            {
                ["month"] = usage.Month,
                ["views"] = usage.Views,
                ["viewsAllowed"] = usage.ViewsAllowed,
                ["submissions"] = usage.Submissions,
                ["submissionsAllowed"] = usage.SubmissionsAllowed,
                ["branding"] = new JsonObject { ["shown"] = usage.Branding.Shown, ["reason"] = usage.Branding.Reason },
                ["days"] = Days(usage.Days),
                ["instances"] = new JsonArray([
                    .. usage.Instances.Select(one => new JsonObject
                    {
                        ["publicId"] = one.PublicId,
                        ["views"] = one.Views,
                        ["submissions"] = one.Submissions,
                    }),
                ]),
            }
        );
        run.Output.Table(
            ["in " + usage.Month, "views", "submissions"],
            [
                .. usage.Instances.Select(one => new[] { one.PublicId, Text(one.Views), Text(one.Submissions) }),
                ["all", Text(usage.Views), Text(usage.Submissions)],
                ["allowed", Allowed(usage.ViewsAllowed), Allowed(usage.SubmissionsAllowed)],
            ]
        );
        run.Output.Line(
            $"Pages {(usage.Branding.Shown ? "carry" : "do not carry")} the line that names Platen: {usage.Branding.Reason}"
        );
        return ExitCode.Ok;
    }

    private static JsonArray Days(IEnumerable<UsageDay> days) =>
        new([
            .. days.Select(day => new JsonObject
            {
                ["day"] = Text(day.Day),
                ["views"] = day.Views,
                ["submissions"] = day.Submissions,
            }),
        ]);

    private static string Text(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Text(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Allowed(long? count) => count is { } most ? Text(most) : "no limit";
}

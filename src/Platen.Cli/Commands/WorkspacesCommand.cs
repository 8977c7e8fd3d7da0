using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen workspaces</c>: the tenants of a server.</summary>
internal static class WorkspacesCommand
{
    private static readonly Argument<string> Name = new("name") { Description = "Its name.", HelpName = "NAME" };

    private static readonly Argument<string> Which = new("workspace")
    {
        Description = "Its slug or id.",
        HelpName = "WORKSPACE",
    };

    private static readonly Option<string?> Slug = new("--slug")
    {
        Description = "Its name in addresses. Else one is made from the name.",
        HelpName = "SLUG",
    };

    private static readonly Option<string?> NewName = new("--name")
    {
        Description = "Its new name.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Plan = new("--plan")
    {
        Description = "Its plan, which an operator chooses.",
        HelpName = "PLAN",
    };

    private static readonly Option<string?> Search = new("--search")
    {
        Description = "Only those with this in their slug or name.",
        HelpName = "TEXT",
    };

    private static readonly Option<bool> Deleted = new("--deleted") { Description = "Those that can be restored." };

    public static Command Create() =>
        new("workspaces", "Make, list, change, delete and restore workspaces.")
        {
            new Command("list", "List the workspaces you may enter.") { Search, Deleted }.Runs(ListAsync),
            new Command("show", "Show one, with what it uses of its plan.") { Which }.Runs(ShowAsync),
            new Command("create", "Make one.") { Name, Slug, Plan }.Runs(CreateAsync),
            new Command("change", "Give it another name, slug or plan.") { Which, NewName, Slug, Plan }.Runs(
                ChangeAsync
            ),
            new Command("delete", "Close it; it can be restored for 30 days.") { Which }.Runs(DeleteAsync),
            new Command("restore", "Open a closed one again.") { Which }.Runs(RestoreAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        var status = run.Value(Deleted) ? "deleted" : "active";
        await foreach (var workspace in run.Client.ListWorkspacesAsync(run.Value(Search), status, ct))
        {
            documents.Add(ToJson(workspace));
            rows.Add([workspace.Slug, workspace.Name, workspace.Plan, workspace.Role ?? "", workspace.Domain]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["workspace", "name", "plan", "role", "domain"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ShowAsync(Invocation run, CancellationToken ct) =>
        Tell(run, (await FindAsync(run, ct)).Value, detailed: true);

    private static async Task<int> CreateAsync(Invocation run, CancellationToken ct) =>
        Tell(
            run,
            await run.Client.CreateWorkspaceAsync(
                new WorkspaceOrder(run.Value(Name), run.Value(Slug), run.Value(Plan)),
                ct
            )
        );

    private static async Task<int> ChangeAsync(Invocation run, CancellationToken ct)
    {
        var order = new WorkspaceOrder(run.Value(NewName), run.Value(Slug), run.Value(Plan));
        if (order == new WorkspaceOrder())
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                "Nothing is to be changed.",
                "Give --name, --slug or --plan."
            );
        }
        var found = await FindAsync(run, ct);
        return Tell(run, await run.Client.ChangeWorkspaceAsync(run.Value(Which), order, Version(found), ct));
    }

    private static async Task<int> DeleteAsync(Invocation run, CancellationToken ct)
    {
        var found = await FindAsync(run, ct);
        var deleted = await run.Client.DeleteWorkspaceAsync(run.Value(Which), Version(found), ct);
        run.Output.Document(ToJson(deleted));
        run.Output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{deleted.Slug} is closed; 'platen workspaces restore {deleted.Slug}' opens it again until {deleted.PurgeAt:yyyy-MM-dd}"
            )
        );
        return ExitCode.Ok;
    }

    private static async Task<int> RestoreAsync(Invocation run, CancellationToken ct)
    {
        var found = await FindAsync(run, ct);
        return Tell(run, await run.Client.RestoreWorkspaceAsync(run.Value(Which), Version(found), ct));
    }

    private static async Task<Versioned<Workspace>> FindAsync(Invocation run, CancellationToken ct) =>
        await run.Client.FindWorkspaceAsync(run.Value(Which), ct)
        ?? throw new CliException(
            ExitCode.No,
            "not-found",
            $"There is no workspace '{run.Value(Which)}' that you may enter.",
            "'platen workspaces list' shows them; 'platen whoami' shows who you are."
        );

    private static Precondition Version(Versioned<Workspace> found) =>
        found.Tag.IsNone ? new Precondition.Present() : found.Tag.StillCurrent();

    private static int Tell(Invocation run, Workspace workspace, bool detailed = false)
    {
        run.Output.Document(ToJson(workspace));
        run.Output.Line(
            $"{workspace.Slug}\t{workspace.Name}\t{workspace.Plan}\t{workspace.Status}\t{workspace.Domain}"
        );
        if (detailed)
        {
            run.Output.Table(
                ["limit", "used", "allowed"],
                [
                    .. (workspace.Entitlements ?? []).Select(e =>
                        (string[])
                            [
                                e.Name,
                                e.Used.ToString(CultureInfo.InvariantCulture),
                                e.Allowed?.ToString(CultureInfo.InvariantCulture) ?? "unlimited",
                            ]
                    ),
                ]
            );
        }
        return ExitCode.Ok;
    }

    private static JsonObject ToJson(Workspace workspace)
    {
        var json = new JsonObject
        {
            ["id"] = workspace.Id,
            ["slug"] = workspace.Slug,
            ["name"] = workspace.Name,
            ["domain"] = workspace.Domain,
            ["plan"] = workspace.Plan,
            ["status"] = workspace.Status,
            ["role"] = workspace.Role,
            ["createdAt"] = workspace.CreatedAt,
            ["purgeAt"] = workspace.PurgeAt,
        };
        if (workspace.Entitlements is { } entitlements)
        {
            json["entitlements"] = new JsonArray([
                .. entitlements.Select(e => new JsonObject
                {
                    ["name"] = e.Name,
                    ["used"] = e.Used,
                    ["allowed"] = e.Allowed,
                }),
            ]);
        }
        return json;
    }
}

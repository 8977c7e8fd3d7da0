using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen keys</c>: machine keys of a workspace or of the platform.</summary>
internal static class KeysCommand
{
    private static readonly Option<string?> Workspace = new("--workspace", "-w")
    {
        Description = "Whose keys: a workspace's slug or id. Else those of the key's own owner.",
        HelpName = "WORKSPACE",
    };

    private static readonly Option<bool> Revoked = new("--revoked") { Description = "Show revoked keys too." };

    private static readonly Argument<string> Name = new("name")
    {
        Description = "What the key is for, for people.",
        HelpName = "NAME",
    };

    private static readonly Argument<string> Id = new("id") { Description = "The key's id.", HelpName = "ID" };

    private static readonly Option<string[]> ScopesOption = new("--scope", "-s")
    {
        Description = "What the key may do, such as instances:read; give it once for each scope.",
        HelpName = "SCOPE",
        Required = true,
    };

    private static readonly Option<int?> Days = new("--days")
    {
        Description = "How long the key lives. Else without end.",
        HelpName = "DAYS",
    };

    private static readonly Option<int> OverlapHours = new("--overlap")
    {
        Description = "For how many hours the former secret goes on, up to 168.",
        HelpName = "HOURS",
    };

    public static Command Create() =>
        new("keys", "Make, list, rotate and revoke machine keys.")
        {
            new Command("list", "List the keys.") { Workspace, Revoked }.Runs(ListAsync),
            new Command("create", "Make a key, and print its secret: it is never shown again.")
            {
                Name,
                ScopesOption,
                Days,
                Workspace,
            }.Runs(CreateAsync),
            new Command("rotate", "Replace a key's secret, and print the new one.")
            {
                Id,
                OverlapHours,
                Workspace,
            }.Runs(RotateAsync),
            new Command("revoke", "End a key at once, on every node.") { Id, Workspace }.Runs(RevokeAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var key in run.Client.ListKeysAsync(run.Value(Workspace), run.Value(Revoked), ct))
        {
            documents.Add(ToJson(key));
            rows.Add([
                key.Id.ToString("D"),
                key.Name,
                key.Prefix + "…",
                key.Status,
                string.Join(' ', key.Scopes),
                Day(key.ExpiresAt) ?? "never",
                Day(key.LastUsedAt) ?? "never",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["key", "name", "prefix", "status", "scopes", "ends", "used"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> CreateAsync(Invocation run, CancellationToken ct)
    {
        var order = new KeyOrder(run.Value(Name), run.Value(ScopesOption) ?? [], run.Value(Days));
        return Tell(run, await run.Client.CreateKeyAsync(run.Value(Workspace), order, ct));
    }

    private static async Task<int> RotateAsync(Invocation run, CancellationToken ct)
    {
        var overlap = TimeSpan.FromHours(run.Value(OverlapHours));
        return Tell(run, await run.Client.RotateKeyAsync(run.Value(Workspace), ReadId(run), overlap, ct));
    }

    private static async Task<int> RevokeAsync(Invocation run, CancellationToken ct)
    {
        var id = ReadId(run);
        await run.Client.RevokeKeyAsync(run.Value(Workspace), id, ct);
        run.Output.Document(new JsonObject { ["id"] = id, ["outcome"] = "revoked" });
        run.Output.Line($"key {id} opens nothing any more");
        return ExitCode.Ok;
    }

    // The secret alone on standard output, so that it can be piped to where it is needed.
    private static int Tell(Invocation run, MachineKeyInfo key)
    {
        run.Output.Document(ToJson(key));
        run.Output.Progress($"key {key.Id} ({key.Name}): {string.Join(' ', key.Scopes)}");
        run.Output.Progress("The secret is shown once:");
        run.Output.Line(key.Secret ?? "");
        return ExitCode.Ok;
    }

    private static Guid ReadId(Invocation run) =>
        Guid.TryParseExact(run.Value(Id), "D", out var id)
            ? id
            : throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{run.Value(Id)}' is not a key's id.",
                "'platen keys list' shows them; the secret itself is no id."
            );

    private static string? Day(DateTimeOffset? at) => at?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static JsonObject ToJson(MachineKeyInfo key)
    {
        var json = new JsonObject
        {
            ["id"] = key.Id,
            ["name"] = key.Name,
            ["prefix"] = key.Prefix,
            ["scopes"] = new JsonArray([.. key.Scopes.Select(scope => (JsonNode)scope)]),
            ["stage"] = key.Stage,
            ["status"] = key.Status,
            ["createdAt"] = key.CreatedAt,
            ["createdBy"] = key.CreatedBy,
            ["expiresAt"] = key.ExpiresAt,
            ["lastUsedAt"] = key.LastUsedAt,
            ["revokedAt"] = key.RevokedAt,
        };
        if (key.Secret is not null)
            json["secret"] = key.Secret;
        return json;
    }
}

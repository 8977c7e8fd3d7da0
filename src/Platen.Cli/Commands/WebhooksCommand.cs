using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen webhooks</c>: who else is told of what happens.</summary>
internal static class WebhooksCommand
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private static readonly Option<string> Workspace = new("--workspace", "-w")
    {
        Description = "Whose webhooks: a workspace's slug or id. Else the platform's.",
        HelpName = "WORKSPACE",
        DefaultValueFactory = _ => "platform",
    };

    private static readonly Argument<string> Url = new("url")
    {
        Description = "Where messages are sent: an https address on the public internet.",
        HelpName = "URL",
    };

    private static readonly Argument<Guid> Id = new("id") { Description = "The webhook's id.", HelpName = "ID" };

    private static readonly Argument<Guid> Message = new("message")
    {
        Description = "The message's id.",
        HelpName = "MESSAGE",
    };

    private static readonly Option<string[]> Types = new("--type", "-t")
    {
        Description = "What it is told of, such as submission.arrived; give it once for each type. Else everything.",
        HelpName = "TYPE",
        DefaultValueFactory = _ => ["*"],
    };

    private static readonly Option<string> Description = new("--description")
    {
        Description = "What it is for, for people.",
        HelpName = "TEXT",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<int> Overlap = new("--overlap")
    {
        Description = "For how many hours the former secret goes on signing, up to 168.",
        HelpName = "HOURS",
        DefaultValueFactory = _ => 24,
    };

    private static readonly Option<string?> Status = NewStatus();

    public static Command Create() =>
        new("webhooks", "Show and change who else is told of what happens.")
        {
            new Command("list", "List the webhooks.") { Workspace }.Runs(ListAsync),
            new Command("add", "Add a webhook, and print the secret that its messages are signed with.")
            {
                Url,
                Types,
                Description,
                Workspace,
            }.Runs(AddAsync),
            new Command("remove", "Remove a webhook.") { Id, Workspace }.Runs(RemoveAsync),
            new Command("pause", "Tell a webhook of nothing until it is resumed.") { Id, Workspace }.Runs(
                (run, ct) => SetAsync(run, "paused", ct)
            ),
            new Command("resume", "Make a webhook active that was paused, or disabled by the server.")
            {
                Id,
                Workspace,
            }.Runs((run, ct) => SetAsync(run, "active", ct)),
            new Command("rotate", "Replace a webhook's secret, and print the new one.") { Id, Overlap, Workspace }.Runs(
                RotateAsync
            ),
            new Command("ping", "Send a webhook a message, and wait for what becomes of it.") { Id, Workspace }.Runs(
                PingAsync
            ),
            new Command("deliveries", "List what became of a webhook's messages, newest first.")
            {
                Id,
                Status,
                Workspace,
            }.Runs(DeliveriesAsync),
            new Command("redeliver", "Send a message again that was delivered or given up.")
            {
                Id,
                Message,
                Workspace,
            }.Runs(RedeliverAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var webhooks = await run.Client.ListWebhooksAsync(run.Value(Workspace)!, ct);
        run.Output.Document(new JsonObject { ["items"] = new JsonArray([.. webhooks.Select(ToJson)]) });
        run.Output.Table(
            ["webhook", "url", "types", "status", "why"],
            [
                .. webhooks.Select(w =>
                    new[]
                    {
                        w.Id.ToString("D"),
                        w.Url,
                        string.Join(", ", w.Types),
                        w is { Status: "active", FailingSince: not null } ? "failing" : w.Status,
                        w.DisabledReason
                            ?? (
                                w.FailingSince is { } since
                                    ? "since " + since.ToString("u", CultureInfo.InvariantCulture)
                                    : ""
                            ),
                    }
                ),
            ]
        );
        return ExitCode.Ok;
    }

    private static async Task<int> AddAsync(Invocation run, CancellationToken ct) =>
        Tell(
            run,
            await run.Client.AddWebhookAsync(
                run.Value(Workspace)!,
                new WebhookOrder(run.Value(Url), run.Value(Types)!, run.Value(Description)!),
                ct
            )
        );

    private static async Task<int> RemoveAsync(Invocation run, CancellationToken ct)
    {
        var webhook = await FindAsync(run, ct);
        await run.Client.RemoveWebhookAsync(run.Value(Workspace)!, webhook.Id, Version(webhook), ct);
        run.Output.Document(new JsonObject { ["id"] = webhook.Id, ["outcome"] = "removed" });
        run.Output.Line($"{webhook.Url} is told nothing any more");
        return ExitCode.Ok;
    }

    private static async Task<int> SetAsync(Invocation run, string status, CancellationToken ct)
    {
        var webhook = await FindAsync(run, ct);
        var set = await run.Client.SetWebhookStatusAsync(
            run.Value(Workspace)!,
            webhook.Id,
            status,
            Version(webhook),
            ct
        );
        run.Output.Document(ToJson(set));
        run.Output.Line($"{set.Url} is {set.Status}");
        return ExitCode.Ok;
    }

    private static async Task<int> RotateAsync(Invocation run, CancellationToken ct)
    {
        var webhook = await FindAsync(run, ct);
        return Tell(
            run,
            await run.Client.RotateWebhookSecretAsync(
                run.Value(Workspace)!,
                webhook.Id,
                run.Value(Overlap),
                Version(webhook),
                ct
            )
        );
    }

    private static async Task<int> PingAsync(Invocation run, CancellationToken ct)
    {
        var (workspace, id) = (run.Value(Workspace)!, run.Value(Id));
        var message = await run.Client.PingWebhookAsync(workspace, id, ct);
        using var timer = new PeriodicTimer(LookAgain);
        // The server gives up on a receiver that does not answer, so this ends.
        while (message.Status == "pending" && await timer.WaitForNextTickAsync(ct))
            message = await run.Client.GetWebhookDeliveryAsync(workspace, id, message.Id, ct);
        run.Output.Document(ToJson(message));
        run.Output.Line(
            message.Status == "delivered"
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"it answered {message.ResponseCode} within {message.DurationMs} ms"
                )
                : $"it did not arrive: {message.Error}"
        );
        return message.Status == "delivered" ? ExitCode.Ok : ExitCode.No;
    }

    private static async Task<int> DeliveriesAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        var messages = run.Client.ListWebhookDeliveriesAsync(
            run.Value(Workspace)!,
            run.Value(Id),
            run.Value(Status),
            ct
        );
        await foreach (var one in messages)
        {
            documents.Add(ToJson(one));
            rows.Add([
                one.Id.ToString("D"),
                one.CreatedAt.ToString("u", CultureInfo.InvariantCulture),
                one.Type,
                one.Status,
                one.Attempts.ToString(CultureInfo.InvariantCulture),
                one.ResponseCode?.ToString(CultureInfo.InvariantCulture) ?? "",
                one.Error ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["message", "happened", "type", "status", "attempts", "answer", "why"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> RedeliverAsync(Invocation run, CancellationToken ct)
    {
        var message = await run.Client.RedeliverWebhookAsync(
            run.Value(Workspace)!,
            run.Value(Id),
            run.Value(Message),
            ct
        );
        run.Output.Document(ToJson(message));
        run.Output.Line($"{message.Id} is on its way again");
        return ExitCode.Ok;
    }

    private static int Tell(Invocation run, Webhook webhook)
    {
        var json = ToJson(webhook);
        json["secret"] = webhook.Secret;
        run.Output.Document(json);
        run.Output.Progress(
            $"Messages to {webhook.Url} ({webhook.Id:D}) are signed with this secret, which is shown once:"
        );
        run.Output.Line(webhook.Secret ?? "");
        return ExitCode.Ok;
    }

    private static async Task<Webhook> FindAsync(Invocation run, CancellationToken ct) =>
        (await run.Client.FindWebhookAsync(run.Value(Workspace)!, run.Value(Id), ct))?.Value
        ?? throw new CliException(
            ExitCode.No,
            "not-found",
            $"There is no webhook {run.Value(Id)}.",
            $"'platen webhooks list -w {run.Value(Workspace)}' shows them."
        );

    private static Precondition Version(Webhook webhook) =>
        new Precondition.OneOf([Precondition.TagOf(webhook.Revision)]);

    private static JsonObject ToJson(Webhook webhook) =>
        new()
        {
            ["id"] = webhook.Id,
            ["url"] = webhook.Url,
            ["description"] = webhook.Description,
            ["types"] = new JsonArray([.. webhook.Types.Select(type => JsonValue.Create(type))]),
            ["status"] = webhook.Status,
            ["disabledReason"] = webhook.DisabledReason,
            ["failingSince"] = webhook.FailingSince,
            ["createdAt"] = webhook.CreatedAt,
        };

    private static JsonObject ToJson(WebhookDelivery message) =>
        new()
        {
            ["id"] = message.Id,
            ["messageId"] = message.MessageId,
            ["type"] = message.Type,
            ["status"] = message.Status,
            ["attempts"] = message.Attempts,
            ["responseCode"] = message.ResponseCode,
            ["error"] = message.Error,
            ["durationMs"] = message.DurationMs,
            ["createdAt"] = message.CreatedAt,
            ["lastAttemptAt"] = message.LastAttemptAt,
            ["nextAttemptAt"] = message.NextAttemptAt,
            ["finishedAt"] = message.FinishedAt,
        };

    private static Option<string?> NewStatus()
    {
        var status = new Option<string?>("--status")
        {
            Description = "Only messages that are pending, delivered or dead.",
            HelpName = "STATUS",
        };
        status.AcceptOnlyFromAmong("pending", "delivered", "dead");
        return status;
    }
}

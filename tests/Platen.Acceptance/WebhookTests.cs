using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Webhooks from the command line, over the end of the server that sends them.</summary>
public sealed class WebhookTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_was_being_sent_when_the_server_was_killed_is_sent_again_under_its_id()
    {
        var never = new TaskCompletionSource();
        await using var receiver = await WebhookReceiver.StartAsync(
            async (context, number) =>
            {
                if (number == 1)
                    await never.Task.WaitAsync(context.RequestAborted);
            }
        );
        var folder = PostgresFixture.NewFolder();
        (string, string)[] settings = [("PLATEN_SAMPLES", "off"), ("PLATEN_WEBHOOK_NETWORKS", "127.0.0.0/8")];
        string id;
        string secret;
        await using (var first = await PlatenServer.StartAsync(folder, Ct, settings))
        {
            var added = await first.RunCliAsync(Ct, "webhooks", "add", receiver.Url, "--json");
            added.ExitCode.ShouldBe(0, added.Errors);
            var made = JsonNode.Parse(added.Output)!;
            (id, secret) = (made["id"]!.GetValue<string>(), made["secret"]!.GetValue<string>());
            using var client = first.OpenClient();
            using var ping = await client.PostAsync($"v1/workspaces/platform/webhooks/{id}/ping", null, Ct);
            ((int)ping.StatusCode).ShouldBe(202);
            await receiver.HasAsync(1, Ct);
            await first.KillAsync(Ct);
        }

        await using var second = await PlatenServer.StartAsync(folder, Ct, settings);
        await receiver.HasAsync(2, Ct);
        receiver.Messages.Select(m => m.Id).Distinct().Count().ShouldBe(1);
        receiver.Messages.ShouldAllBe(m => m.IsSignedWith(secret));
        await ServerProcess.WaitUntilAsync(
            "the delivery is noted",
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                var list = await second.RunCliAsync(ct, "webhooks", "deliveries", id, "--json");
                var one = JsonNode.Parse(list.Output)!["items"]!.AsArray().Single()!;
                return one["status"]!.GetValue<string>() == "delivered" && one["attempts"]!.GetValue<int>() == 1;
            },
            Ct
        );

        var pinged = await second.RunCliAsync(Ct, "webhooks", "ping", id);
        pinged.ExitCode.ShouldBe(0, pinged.Errors);
        pinged.Output.ShouldContain("it answered 200");
        var list = await second.RunCliAsync(Ct, "webhooks", "list");
        list.Output.ShouldContain(receiver.Url);
        (list.Output + second.Output).ShouldNotContain(secret);
        (await second.RunCliAsync(Ct, "webhooks", "remove", id)).ExitCode.ShouldBe(0);
        (await second.RunCliAsync(Ct, "webhooks", "ping", id)).ExitCode.ShouldBe(1);
    }

    [Fact]
    public async Task A_message_that_was_given_up_is_seen_and_sent_again_from_the_command_line()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(410, 200);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_WEBHOOK_NETWORKS", "127.0.0.0/8")
        );
        var added = await server.RunCliAsync(Ct, "webhooks", "add", receiver.Url, "--json");
        var id = JsonNode.Parse(added.Output)!["id"]!.GetValue<string>();
        // A ping is sent once: a failure is its end.
        (await server.RunCliAsync(Ct, "webhooks", "ping", id)).ExitCode.ShouldBe(1);
        var dead = await DeliveriesAsync("dead");
        var message = dead.Single()!["id"]!.GetValue<string>();
        dead.Single()!["error"]!.GetValue<string>().ShouldContain("410");

        var again = await server.RunCliAsync(Ct, "webhooks", "redeliver", id, message);
        again.ExitCode.ShouldBe(0, again.Errors);
        await receiver.HasAsync(2, Ct);
        receiver.Messages.Select(m => m.Id).Distinct().Count().ShouldBe(1);
        await ServerProcess.WaitUntilAsync(
            "it is delivered",
            TimeSpan.FromSeconds(30),
            async _ => (await DeliveriesAsync("delivered")).Count == 1,
            Ct
        );
        (await DeliveriesAsync("dead")).ShouldBeEmpty();

        async Task<JsonArray> DeliveriesAsync(string status)
        {
            var list = await server.RunCliAsync(Ct, "webhooks", "deliveries", id, "--status", status, "--json");
            list.ExitCode.ShouldBe(0, list.Errors);
            return JsonNode.Parse(list.Output)!["items"]!.AsArray();
        }
    }
}

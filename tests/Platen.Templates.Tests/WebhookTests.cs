using Platen.Client;
using Platen.Kernel;
using Platen.Testing.Servers;

namespace Platen.Templates.Tests;

public sealed class WebhookTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_move_of_a_channel_arrives_signed_and_a_refused_one_does_not()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(204);
        var (person, secret) = await ListenAsync(receiver);
        using var _ = person;
        var name = ServerFixture.NewName();
        await person.PushPromptAsync(name, "1.0.0", "one");
        await person.PushPromptAsync(name, "1.1.0", "two");
        await person.PushPromptAsync(name, "1.1.0", "two");
        var path = $"/v1/templates/{name}/channels/default";
        var made = await person.SendAsync(HttpMethod.Put, path, new { version = "1.1.0" }, create: true);
        made.Status.ShouldBe(201, made.Text);
        (await person.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, "\"0\"")).Status.ShouldBe(412);
        var tried = await person.SendAsync(
            HttpMethod.Put,
            path,
            new { version = "1.1.0", candidate = new { version = "1.0.0", percentage = 20 } },
            made.Tag
        );
        (await person.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, tried.Tag)).Status.ShouldBe(200);

        await receiver.HasAsync(7, Ct);
        receiver.Messages.ShouldAllBe(m => m.IsSignedWith(secret));
        receiver.Messages.ShouldAllBe(m => m.Json["type"]!.GetValue<string>() == "template.channel.moved");
        Told(receiver)
            .ShouldBe(
                [
                    "latest  > 1.0.0 ( 0)",
                    "stable  > 1.0.0 ( 0)",
                    "latest 1.0.0 > 1.1.0 ( 0)",
                    "stable 1.0.0 > 1.1.0 ( 0)",
                    "default  > 1.1.0 ( 0)",
                    "default 1.1.0 > 1.1.0 (1.0.0 20)",
                    "default 1.1.0 > 1.0.0 ( 0)",
                ],
                ignoreOrder: true
            );
        var last = receiver
            .Messages.Select(m => m.Json["data"]!)
            .Last(d => d["channel"]!.GetValue<string>() == "default");
        (await person.GetAsync(last["path"]!.GetValue<string>())).Member("version").ShouldBe("1.0.0");
    }

    [Fact]
    public async Task What_a_guard_takes_away_and_what_a_second_person_agrees_to_arrives_too()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(204);
        var (person, _) = await ListenAsync(receiver);
        using var one = person;
        using var two = await server.NewPersonAsync(one.OwnerId);
        var name = ServerFixture.NewName();
        await one.PushPromptAsync(name, "1.0.0", "one");
        await one.PushPromptAsync(name, "1.1.0", "two");
        var path = $"/v1/templates/{name}/channels/default";
        var guard = new { metric = "failure", minimumOutcomes = 20 };
        var candidate = new
        {
            version = "1.1.0",
            percentage = 50,
            guard,
        };
        (await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0", candidate }, create: true)).Status.ShouldBe(
            201
        );
        (await one.SendAsync(HttpMethod.Put, path + "/protection", create: true)).Status.ShouldBe(204);

        // Taking a candidate away waits for nobody (ADR 0703), also where moves take two.
        using var client = new PlatenClient(server.Address, one.Key, new PlatenClientOptions());
        var byKey = await client.RecordTemplateOutcomesAsync(
            name,
            "default",
            [new TemplateOutcome("by-key", "seconds", 1.5, Key: "user-1")],
            Ct
        );
        (byKey.Recorded, byKey.Ignored).ShouldBe((1, 0));
        var byVersion = await client.RecordTemplateOutcomesAsync(
            name,
            "default",
            [
                .. Enumerable
                    .Range(0, 30)
                    .SelectMany(i =>
                        (TemplateOutcome[])
                            [
                                new($"live-{i}", "failure", i < 1 ? 1 : 0, "1.0.0"),
                                new($"candidate-{i}", "failure", i < 20 ? 1 : 0, "1.1.0"),
                            ]
                    ),
            ],
            Ct
        );
        (byVersion.Trial, byVersion.Recorded).ShouldBe((byKey.Trial, 60));
        const string rolledBack = "default 1.0.0 > 1.0.0 ( 0)";
        await ServerFixture.UntilAsync(() => Task.FromResult(Told(receiver).Contains(rolledBack)));
        var after = await one.GetAsync(path);
        (after.Json["candidate"], after.Json["protected"]!.GetValue<bool>()).ShouldBe((null, true));

        var asked = await one.SendAsync(HttpMethod.Put, path, new { version = "1.1.0" }, after.Tag);
        asked.Status.ShouldBe(202, asked.Text);
        var decision = $"/v1/templates/{name}/move-requests/{asked.Member("id")}/decision";
        (await two.SendAsync(HttpMethod.Put, decision, new { approve = true }, "\"open\"")).Status.ShouldBe(200);
        await ServerFixture.UntilAsync(() => Task.FromResult(Told(receiver).Contains("default 1.0.0 > 1.1.0 ( 0)")));
        Told(receiver).Count(line => line.StartsWith("default", StringComparison.Ordinal)).ShouldBe(3);
    }

    /// <summary>Somebody of a workspace of their own, whose moves the receiver hears of.</summary>
    private async Task<(Person Person, string Secret)> ListenAsync(WebhookReceiver receiver)
    {
        var slug = "moves-" + Guid.CreateVersion7().ToString("N")[20..];
        var workspace = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Moves", slug });
        var hook = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/webhooks",
            new { url = receiver.Url, types = new[] { "template.channel.moved" } }
        );
        hook.Status.ShouldBe(201, hook.Text);
        var owner = new OwnerId(workspace.Json["id"]!.GetValue<Guid>());
        return (await server.NewPersonAsync(owner), hook.Member("secret"));
    }

    private static List<string> Told(WebhookReceiver receiver) =>
        [
            .. receiver
                .Messages.Select(m => m.Json["data"]!)
                .Select(d =>
                    $"{d["channel"]} {d["previousVersion"]} > {d["version"]} ({d["candidate"]} {d["percentage"]})"
                ),
        ];
}

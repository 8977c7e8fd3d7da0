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
        var slug = "moves-" + Guid.CreateVersion7().ToString("N")[20..];
        var workspace = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Moves", slug });
        using var person = await server.NewPersonAsync(new OwnerId(workspace.Json["id"]!.GetValue<Guid>()));
        var hook = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/webhooks",
            new { url = receiver.Url, types = new[] { "template.channel.moved" } }
        );
        hook.Status.ShouldBe(201, hook.Text);

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
        receiver.Messages.ShouldAllBe(m => m.IsSignedWith(hook.Member("secret")));
        receiver.Messages.ShouldAllBe(m => m.Json["type"]!.GetValue<string>() == "template.channel.moved");
        var told = receiver
            .Messages.Select(m => m.Json["data"]!)
            .Select(d => $"{d["channel"]} {d["previousVersion"]} > {d["version"]} ({d["candidate"]} {d["percentage"]})")
            .ToList();
        told.ShouldBe(
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
}

using Platen.Cli;
using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel;
using Platen.Testing;

namespace Platen.Templates.Tests;

/// <summary>A workspace's own templates, asked for by who has several workspaces to choose from.</summary>
public sealed class WorkspaceTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task They_stand_beside_the_platforms_of_the_same_name()
    {
        var (slug, owner) = await NewWorkspaceAsync();
        using var key = await server.NewPersonAsync(owner);
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "the platform's");
        var place = $"/v1/workspaces/{slug}/templates/{name}";
        (await server.Owner.GetAsync(place + "/resolve")).Member("owner").ShouldBe("platform");
        await key.PushPromptAsync(name, "2.0.0", "its own");

        var resolved = await server.Owner.GetAsync(place + "/resolve?kind=master_prompt");
        (resolved.Member("owner"), resolved.Member("version")).ShouldBe(("workspace", "2.0.0"));
        var url = resolved.Json["artifact"]!["url"]!.GetValue<string>();
        url.ShouldStartWith(place);
        (await server.Owner.GetAsync(url)).Text.ShouldBe("its own");
        (await server.Owner.GetAsync(place + "/resolve", resolved.Tag)).Status.ShouldBe(
            200,
            "without a kind it is another answer"
        );
        (await server.Owner.GetAsync(place + "/resolve?kind=master_prompt", resolved.Tag)).Status.ShouldBe(304);
        (await server.Owner.ResolveAsync(name)).Member("version").ShouldBe("1.0.0");
        (await key.ResolveAsync(name)).Member("version").ShouldBe("2.0.0");
        var list = await server.Owner.GetAsync($"/v1/workspaces/{slug}/templates");
        list.Json["items"]!.AsArray().ShouldHaveSingleItem()!["name"]!.GetValue<string>().ShouldBe(name.Value);

        var made = await server.Owner.SendAsync(
            HttpMethod.Put,
            place + "/channels/default",
            new { version = "2.0.0", reason = "by an operator" },
            create: true
        );
        (made.Status, made.Headers["Location"]).ShouldBe((201, place + "/channels/default"));
        (await key.ResolveAsync(name)).Member("rule").ShouldBe("default");
        (await key.GetAsync("/v1/audit?limit=5")).Text.ShouldContain("template.channel-moved");
    }

    [Fact]
    public async Task Nobody_else_finds_or_changes_them()
    {
        var (slug, owner) = await NewWorkspaceAsync();
        var (otherSlug, other) = await NewWorkspaceAsync();
        using var key = await server.NewPersonAsync(owner);
        using var attacker = await server.NewPersonAsync(other);
        var name = ServerFixture.NewName();
        await key.PushPromptAsync(name, "1.0.0", "secret");
        var place = $"/v1/workspaces/{slug}/templates/{name}";
        var digest = Digest.Of("secret"u8);
        foreach (
            var path in (string[])
                [
                    "",
                    "/resolve",
                    "/versions",
                    "/versions/1.0.0",
                    "/channels",
                    "/channels/latest",
                    "/pins",
                    $"/blobs/{digest}",
                ]
        )
        {
            (await attacker.GetAsync(place + path)).Status.ShouldBe(404, path);
            (await attacker.GetAsync($"/v1/workspaces/{otherSlug}/templates/{name}{path}")).Status.ShouldBe(
                path == "/pins" ? 200 : 404,
                path
            );
            (await key.GetAsync(place + path)).Status.ShouldBe(200, path);
        }
        var order = new { version = "1.0.0" };
        (await attacker.SendAsync(HttpMethod.Put, place + "/channels/default", order, create: true)).Status.ShouldBe(
            404
        );
        (await attacker.SendAsync(HttpMethod.Put, place + "/pins/*", order, create: true)).Status.ShouldBe(404);
        (await attacker.SendAsync(HttpMethod.Put, place, new { enabled = false }, "\"1\"")).Status.ShouldBe(404);
        using var reader = await server.NewPersonAsync(owner, Access.Scopes.TemplatesRead);
        (await reader.GetAsync(place + "/resolve")).Status.ShouldBe(200);
        (await reader.SendAsync(HttpMethod.Put, place + "/pins/*", order, create: true)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_resolver_follows_the_workspaces_own_events()
    {
        var (slug, owner) = await NewWorkspaceAsync();
        using var key = await server.NewPersonAsync(owner);
        var name = ServerFixture.NewName();
        await key.PushPromptAsync(name, "1.0.0", "one");
        await using var resolver = new TemplateResolver(
            new TemplateResolverOptions
            {
                Registry = new PlatenClient(
                    server.Address,
                    server.OwnerKeyText,
                    new PlatenClientOptions { TemplatesOf = slug }
                ),
                UseRegistry = true,
                // The clock stands still: nothing but an event makes it ask.
                Time = new ManualTime(),
            }
        );
        var request = new ArtifactRequest(name, Kind: "master_prompt");
        (await resolver.ResolveAsync(request, Ct)).Text.ShouldBe("one");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var following = resolver.FollowAsync(name, stop.Token);
        await key.PushPromptAsync(name, "1.1.0", "two");
        await ServerFixture.UntilAsync(async () => (await resolver.ResolveAsync(request, Ct)).Text == "two");
        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(following);
    }

    [Fact]
    public async Task A_workspace_hears_of_the_platforms_template_that_it_uses_and_of_nobody_elses()
    {
        var (_, owner) = await NewWorkspaceAsync();
        using var key = await server.NewPersonAsync(owner, Access.Scopes.TemplatesRead);
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await using var resolver = new TemplateResolver(
            new TemplateResolverOptions
            {
                Registry = new PlatenClient(server.Address, key.Key),
                UseRegistry = true,
                Time = new ManualTime(),
            }
        );
        var request = new ArtifactRequest(name, Kind: "master_prompt");
        (await resolver.ResolveAsync(request, Ct)).Text.ShouldBe("one");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var following = resolver.FollowAsync(name, stop.Token);
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await ServerFixture.UntilAsync(async () => (await resolver.ResolveAsync(request, Ct)).Text == "two");
        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(following);

        using var other = await server.NewPersonAsync();
        var secret = ServerFixture.NewName();
        await other.PushPromptAsync(secret, "1.0.0", "secret");
        (await key.GetAsync($"/v1/templates/{secret}/events")).Status.ShouldBe(404);
        using var blind = await server.NewPersonAsync(owner, Access.Scopes.EventsRead);
        (await blind.GetAsync($"/v1/templates/{name}/events")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task The_command_line_pushes_resolves_and_shows_them()
    {
        var (slug, owner) = await NewWorkspaceAsync();
        using var key = await server.NewPersonAsync(owner);
        var name = ServerFixture.NewName();
        var folder = PostgresFixture.NewFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "p.md"), "Be brief.", Ct);
        await File.WriteAllTextAsync(
            Path.Combine(folder, "manifest.json"),
            """{ "artifacts": [ { "kind": "master_prompt", "path": "p.md", "role": "system" } ] }""",
            Ct
        );
        (
            await RunAsync("push", "--template", name.Value, "--version", "1.0.0", "--set-default", "--dir", folder)
        ).ShouldContain("default is 1.0.0 now");
        (await RunAsync("templates", "show", name.Value)).ShouldContain("1.0.0");
        (
            await RunAsync("resolve", name.Value, "--kind", "master_prompt", "--remote", "--cache", folder + "/cache")
        ).ShouldBe("Be brief.");
        (await key.ResolveAsync(name)).Member("owner").ShouldBe("workspace");
        (await server.Owner.ResolveAsync(name)).Status.ShouldBe(404);
        Directory.Delete(folder, recursive: true);

        async Task<string> RunAsync(params string[] args)
        {
            var (output, error) = (new StringWriter(), new StringWriter());
            var variables = new Dictionary<string, string>
            {
                ["PLATEN_SERVER"] = server.Address.ToString(),
                ["PLATEN_KEY"] = server.OwnerKeyText,
                ["HOME"] = folder,
            };
            var terminal = new Terminal(
                output,
                error,
                false,
                false,
                variables.GetValueOrDefault,
                folder,
                TimeProvider.System
            );
            (await PlatenCommandLine.RunAsync([.. args, "--workspace", slug], terminal, Ct)).ShouldBe(
                0,
                error.ToString()
            );
            return output.ToString();
        }
    }

    private async Task<(string Slug, OwnerId Owner)> NewWorkspaceAsync()
    {
        var slug = "prompts-" + Guid.CreateVersion7().ToString("N")[20..];
        var made = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Prompts", slug });
        made.Status.ShouldBe(201, made.Text);
        return (slug, new OwnerId(made.Json["id"]!.GetValue<Guid>()));
    }
}

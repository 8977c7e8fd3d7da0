using System.Net.Http.Headers;
using System.Text;
using Platen.Access;
using Platen.Kernel;

namespace Platen.Registry.Tests;

/// <summary>Who gets in, with what, and to which repositories.</summary>
public sealed class AccessTests(RegistryFixture registry)
{
    [Theory]
    [InlineData("GET", "/v2/", null)]
    [InlineData("GET", "/v2", null)]
    [InlineData("GET", "/v2/_catalog", "registry:catalog:*")]
    [InlineData("GET", "/v2/a/b/tags/list", "repository:a/b:pull")]
    [InlineData("HEAD", "/v2/a/b/manifests/v1", "repository:a/b:pull")]
    [InlineData("PUT", "/v2/a/b/manifests/v1", "repository:a/b:pull,push")]
    [InlineData("POST", "/v2/a/b/blobs/uploads/", "repository:a/b:pull,push")]
    [InlineData("DELETE", "/v2/a/b/manifests/v1", "repository:a/b:delete")]
    public async Task Nobody_gets_in_without_a_credential_and_the_challenge_says_where_to_get_one(
        string method,
        string path,
        string? scope
    )
    {
        var nobody = new RegistryClient(registry.Address, OwnerId.Platform, key: null);
        var refused = await nobody.SendAsync(method, path);
        refused.Status.ShouldBe(401);
        refused["Docker-Distribution-API-Version"].ShouldBe("registry/2.0");
        var host = registry.Address.Authority;
        refused["WWW-Authenticate"]
            .ShouldBe(
                $"Bearer realm=\"http://{host}/v2/token\",service=\"{host}\""
                    + (scope is null ? "" : $",scope=\"{scope}\"")
            );
        if (method != "HEAD")
            refused.Refusal.ShouldBe((401, "UNAUTHORIZED"));
    }

    [Theory]
    [InlineData("HEAD", "/v2/asked/manifests/v1", 200)]
    [InlineData("GET", "/v2/asked/tags/list", 200)]
    [InlineData("GET", "/v2/asked/blobs/uploads/{upload}", 204)]
    [InlineData("PATCH", "/v2/asked/blobs/uploads/{upload}", 202)]
    [InlineData("DELETE", "/v2/asked/blobs/uploads/{upload}", 204)]
    [InlineData("POST", "/v2/asked/blobs/uploads/", 202)]
    [InlineData("DELETE", "/v2/asked/manifests/v1", 202)]
    [InlineData("GET", "/v2/_catalog", 200)]
    public async Task A_token_for_what_the_challenge_asks_for_is_enough(string method, string path, int status)
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("asked", "v1", "x");
        var begun = await client.BeginAsync("asked");
        var address = path.Replace("{upload}", begun.Split('/')[^1], StringComparison.Ordinal);

        var refused = await client.With(null).SendAsync(method, address);
        refused.Status.ShouldBe(401);
        var scope = refused["WWW-Authenticate"]!.Split("scope=\"")[1].TrimEnd('"');
        var answer = await client.With(await TokenAsync(client, scope)).SendAsync(method, address);

        answer.Status.ShouldBe(status, answer.Text);
    }

    [Fact]
    public async Task A_key_lets_in_as_bearer_and_as_password_of_any_user()
    {
        var client = await registry.NewOwnerAsync();
        (await client.GetAsync("/v2/")).Status.ShouldBe(200);
        (await client.With(null).GetAsync("/v2/", ("Authorization", Basic("me", client.Key)))).Status.ShouldBe(200);
        var wrong = await client.With(null).GetAsync("/v2/", ("Authorization", Basic("me", "platen_wrong")));
        wrong.Refusal.ShouldBe((401, "UNAUTHORIZED"));
        wrong["WWW-Authenticate"]!.ShouldContain("error=\"invalid_token\"");
        foreach (var field in (string[])["Basic %%%", "Basic", "Bearer", "Digest x", "Bearer a.b", "Bearer ."])
            (await client.With(null).GetAsync("/v2/", ("Authorization", field))).Status.ShouldBe(401);
    }

    [Fact]
    public async Task A_token_reaches_what_it_was_issued_for_and_nothing_else()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("a", "v1", "x");
        await client.PushImageAsync("b", "v1", "x");
        var token = await TokenAsync(client, "repository:a:pull");
        var holder = client.With(token);
        (await holder.GetAsync("/v2/")).Status.ShouldBe(200);
        (await holder.GetAsync("/v2/a/manifests/v1")).Status.ShouldBe(200);
        var other = await holder.GetAsync("/v2/b/manifests/v1");
        other.Refusal.ShouldBe((401, "UNAUTHORIZED"));
        other["WWW-Authenticate"]!.ShouldContain("scope=\"repository:b:pull\"");
        other["WWW-Authenticate"]!.ShouldContain("error=\"insufficient_scope\"");
        (await holder.SendAsync("POST", "/v2/a/blobs/uploads/")).Status.ShouldBe(401);
        (await holder.SendAsync("DELETE", "/v2/a/manifests/v1")).Status.ShouldBe(401);
        (await holder.GetAsync("/v2/_catalog")).Status.ShouldBe(401);
        var wide = client.With(await TokenAsync(client, "repository:a:pull,push", "registry:catalog:*"));
        (await wide.GetAsync("/v2/_catalog")).Status.ShouldBe(200);
        (await wide.SendAsync("POST", "/v2/a/blobs/uploads/")).Status.ShouldBe(202);
    }

    [Fact]
    public async Task A_token_cannot_mount_from_a_repository_that_it_does_not_reach()
    {
        var client = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("secret", "only there"u8.ToArray());
        var narrow = client.With(await TokenAsync(client, "repository:open:pull,push"));
        (await narrow.SendAsync("POST", $"/v2/open/blobs/uploads/?mount={digest}&from=secret")).Status.ShouldBe(202);
        (await narrow.SendAsync("POST", $"/v2/open/blobs/uploads/?mount={digest}")).Status.ShouldBe(202);
        var both = client.With(await TokenAsync(client, "repository:open:pull,push repository:secret:pull"));
        (await both.SendAsync("POST", $"/v2/open/blobs/uploads/?mount={digest}&from=secret")).Status.ShouldBe(201);
    }

    [Fact]
    public async Task A_token_has_no_more_than_its_key_and_does_not_get_another_token()
    {
        var reader = await registry.NewOwnerAsync(Scopes.RegistryPull);
        var token = await TokenAsync(reader, "repository:a:pull,push,delete");
        (await reader.With(token).SendAsync("POST", "/v2/a/blobs/uploads/")).Refusal.ShouldBe((403, "DENIED"));
        foreach (var path in (string[])["/v2/token", "/v2/token/", "/V2/Token", "/v2//token", "/v2/token//"])
            (await reader.With(token).GetAsync(path + "?scope=repository:b:pull")).Status.ShouldBeOneOf(401, 404);
        // It is no key of the API.
        (await reader.With(token).GetAsync("/v1/curated-instances")).Status.ShouldBe(401);
    }

    [Fact]
    public async Task A_token_that_was_changed_is_none()
    {
        var client = await registry.NewOwnerAsync();
        var token = await TokenAsync(client, "repository:a:pull");
        for (var i = 0; i < token.Length; i += 7)
        {
            var changed = token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..];
            (await client.With(changed).GetAsync("/v2/")).Status.ShouldBe(401);
        }
    }

    [Fact]
    public async Task A_token_is_issued_to_a_form_as_well()
    {
        var client = await registry.NewOwnerAsync();
        foreach (
            var grant in (string[])
                ["grant_type=password&username=me&password=", "grant_type=refresh_token&refresh_token="]
        )
        {
            var form = $"{grant}{client.Key}&service=x&client_id=y&scope=repository:a:pull";
            var answer = await client
                .With(null)
                .SendAsync(
                    "POST",
                    "/v2/token",
                    Encoding.ASCII.GetBytes(form),
                    ("Content-Type", "application/x-www-form-urlencoded")
                );
            answer.Status.ShouldBe(200, answer.Text);
            answer.Json["expires_in"]!.GetValue<int>().ShouldBe(300);
            answer.Json["scope"]!.GetValue<string>().ShouldBe("repository:a:pull");
            var token = answer.Json["access_token"]!.GetValue<string>();
            (await client.With(token).GetAsync("/v2/")).Status.ShouldBe(200);
        }
        var empty = await client
            .With(null)
            .SendAsync(
                "POST",
                "/v2/token",
                "grant_type=password"u8.ToArray(),
                ("Content-Type", "application/x-www-form-urlencoded")
            );
        (empty.Status, empty["WWW-Authenticate"]!.Split(' ')[0]).ShouldBe((401, "Basic"));
    }

    [Fact]
    public async Task A_key_without_the_registrys_scopes_is_denied()
    {
        var other = await registry.NewOwnerAsync(Scopes.EventsRead);
        (await other.GetAsync("/v2/")).Refusal.ShouldBe((403, "DENIED"));
        var reader = await registry.NewOwnerAsync(Scopes.RegistryPull);
        (await reader.SendAsync("POST", "/v2/a/blobs/uploads/")).Refusal.ShouldBe((403, "DENIED"));
        (await reader.SendAsync("DELETE", "/v2/a/manifests/v1")).Refusal.ShouldBe((403, "DENIED"));
    }

    [Fact]
    public async Task Another_owners_repository_answers_like_one_that_does_not_exist()
    {
        var owner = await registry.NewOwnerAsync();
        await owner.PushImageAsync("app", "v1", "x");
        var blob = Digest.Of("x"u8);
        var stranger = await registry.NewOwnerAsync();
        var nobody = Guid.CreateVersion7();
        var manifest = Manifests.Image("{}"u8.ToArray());
        (string Method, string Path)[] requests =
        [
            ("GET", "/manifests/v1"),
            ("GET", $"/manifests/{Digest.Of(manifest)}"),
            ("PUT", "/manifests/v1"),
            ("DELETE", "/manifests/v1"),
            ("GET", $"/blobs/{blob}"),
            ("DELETE", $"/blobs/{blob}"),
            ("POST", "/blobs/uploads/"),
            ("GET", "/tags/list"),
        ];
        foreach (var (method, path) in requests)
        {
            var foreign = await stranger.SendAsync(method, $"/v2/w/{owner.Owner}/app{path}");
            var missing = await stranger.SendAsync(method, $"/v2/w/{nobody}/app{path}");
            var platform = await stranger.SendAsync(method, $"/v2/curated/wgt_main_content.faq{path}");
            foreach (var answer in (Answer[])[foreign, missing, platform])
                answer.Refusal.ShouldBe((404, "NAME_UNKNOWN"), $"{method} {path}");
        }
        // The same through a token that asked for it.
        var token = await TokenAsync(stranger, $"repository:w/{owner.Owner}/app:pull,push");
        (await stranger.With(token).GetAsync($"/v2/w/{owner.Owner}/app/manifests/v1")).Refusal.ShouldBe(
            (404, "NAME_UNKNOWN")
        );
    }

    [Fact]
    public async Task An_owners_repository_has_a_long_and_a_short_name()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("app", "v1", "x");
        (await client.GetAsync($"/v2/w/{client.Owner}/app/manifests/v1")).Bytes.ShouldBe(manifest);
        await client.PushImageAsync($"w/{client.Owner}/other", "v1", "y");
        (await client.GetAsync("/v2/other/manifests/v1")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_workspace_is_named_by_its_slug_by_whoever_belongs_there()
    {
        var operatorKey = (
            await File.ReadAllTextAsync(
                Path.Combine(registry.Postgres.Folder, "owner.key"),
                TestContext.Current.CancellationToken
            )
        ).Trim();
        var visitor = new RegistryClient(registry.Address, OwnerId.Platform, operatorKey);
        var slug = $"press-{Guid.CreateVersion7().ToString("N")[^12..]}";
        var made = await visitor.SendAsync(
            "POST",
            "/v1/workspaces",
            Encoding.UTF8.GetBytes($$"""{"name":"The Press","slug":"{{slug}}"}"""),
            ("Content-Type", "application/json")
        );
        made.Status.ShouldBe(201, made.Text);
        var member = await registry.ClientAsync(OwnerId.Parse(made.Json["id"]!.GetValue<string>(), null));
        var manifest = await member.PushImageAsync("app", "v1", "x");
        (await member.GetAsync($"/v2/w/{slug}/app/manifests/v1")).Bytes.ShouldBe(manifest);
        // An operator may enter, with a key and with a token, and the bytes are the workspace's.
        (await visitor.GetAsync($"/v2/w/{slug}/app/manifests/v1")).Bytes.ShouldBe(manifest);
        var token = await TokenAsync(visitor, $"repository:w/{slug}/app:pull");
        (await visitor.With(token).GetAsync($"/v2/w/{slug}/app/manifests/v1")).Bytes.ShouldBe(manifest);
        (await visitor.GetAsync("/v2/app/manifests/v1")).Refusal.ShouldBe((404, "NAME_UNKNOWN"));
        var own = await visitor.PushBlobAsync("platforms-own", "never theirs"u8.ToArray());
        (
            await visitor.SendAsync("POST", $"/v2/w/{slug}/app/blobs/uploads/?mount={own}&from=platforms-own")
        ).Status.ShouldBe(202);

        var stranger = await registry.NewOwnerAsync();
        (await stranger.GetAsync($"/v2/w/{slug}/app/manifests/v1")).Refusal.ShouldBe((404, "NAME_UNKNOWN"));
        (await stranger.GetAsync("/v2/w/nobody-there/app/manifests/v1")).Refusal.ShouldBe((404, "NAME_UNKNOWN"));
        (await stranger.GetAsync("/v2/w/alone")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task What_is_published_is_not_pushed_over_nor_deleted()
    {
        var platform = await registry.ClientAsync(OwnerId.Platform);
        await platform.PushBlobAsync("curated/wgt_main_content.faq", "{}"u8.ToArray());
        var manifest = Manifests.Image("{}"u8.ToArray());
        (await platform.PutManifestAsync("curated/wgt_main_content.faq", "live", manifest)).Refusal.ShouldBe(
            (403, "DENIED")
        );
        (
            await platform.PutManifestAsync("curated/wgt_main_content.faq", Digest.Of(manifest).ToString(), manifest)
        ).Refusal.ShouldBe((403, "DENIED"));
        (await platform.SendAsync("DELETE", "/v2/curated/wgt_main_content.faq/manifests/live")).Refusal.ShouldBe(
            (405, "UNSUPPORTED")
        );
    }

    [Theory]
    [InlineData("GET", "/v2/nothing", 404)]
    [InlineData("GET", "/v2/a/b/c", 404)]
    [InlineData("GET", "/v2/blobs/uploads/", 404)]
    [InlineData("PUT", "/v2/a/tags/list", 405)]
    [InlineData("POST", "/v2/a/manifests/v1", 405)]
    [InlineData("PATCH", "/v2/_catalog", 405)]
    [InlineData("GET", "/v2/a/blobs/uploads/", 405)]
    [InlineData("OPTIONS", "/v2/a/manifests/v1", 405)]
    public async Task An_address_or_method_that_is_none_is_told_in_the_specifications_form(
        string method,
        string path,
        int status
    )
    {
        var client = await registry.NewOwnerAsync();
        var refused = await client.SendAsync(method, path);
        refused.Status.ShouldBe(status);
        refused["Content-Type"].ShouldBe("application/json");
        refused.Refusal.Item2.ShouldNotBeNull();
    }

    private static async Task<string> TokenAsync(RegistryClient client, params string[] scopes)
    {
        var query = string.Join('&', scopes.Select(s => "scope=" + Uri.EscapeDataString(s)));
        var answer = await client
            .With(null)
            .GetAsync($"/v2/token?service=x&account=me&{query}", ("Authorization", Basic("me", client.Key)));
        answer.Status.ShouldBe(200, answer.Text);
        answer["Cache-Control"].ShouldBe("no-store");
        return answer.Json["token"]!.GetValue<string>();
    }

    private static string Basic(string user, string password) =>
        new AuthenticationHeaderValue(
            "Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"))
        ).ToString();
}

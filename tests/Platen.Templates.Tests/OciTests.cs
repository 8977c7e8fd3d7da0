using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Templates.Tests;

/// <summary>Versions are OCI releases: what any OCI client does with them.</summary>
public sealed class OciTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_version_is_pulled_as_a_tag_and_pushed_elsewhere_becomes_a_version_there()
    {
        var (from, to) = (ServerFixture.NewName(), ServerFixture.NewName());
        var pushed = await server.Owner.PushAsync(
            from,
            "1.0.0",
            [
                (Person.Prompt("master_prompt", "fr.md", "fr"), "Bonjour {{qui}}"),
                (Person.Prompt("json_config", "c.json", role: null), "{}"),
            ]
        );
        var release = pushed.Json["version"]!["release"]!.GetValue<string>();
        var manifest = await server.Owner.GetAsync($"/v2/templates/{from}/manifests/1.0.0");
        manifest.Status.ShouldBe(200, manifest.Text);
        Kernel.Digest.Of(manifest.Bytes).ToString().ShouldBe(release);
        manifest.Member("artifactType").ShouldBe("application/vnd.platen.template.v1");
        var tags = await server.Owner.GetAsync($"/v2/templates/{from}/tags/list");
        tags.Json["tags"]!.AsArray().Select(t => t!.GetValue<string>()).ShouldBe(["1.0.0", "latest", "stable"]);

        var layers = manifest.Json["layers"]!.AsArray().Append(manifest.Json["config"]);
        foreach (var digest in layers.Select(layer => layer!["digest"]!.GetValue<string>()))
        {
            var mounted = await server.Owner.SendAsync(
                HttpMethod.Post,
                $"/v2/templates/{to}/blobs/uploads/?mount={Uri.EscapeDataString(digest)}&from=templates/{from}"
            );
            mounted.Status.ShouldBe(201, mounted.Text);
        }
        (await PutManifestAsync(to.Value, "2.0.0", manifest.Bytes)).ShouldBe(422, "it says that it is 1.0.0");
        (await PutManifestAsync(to.Value, "default", manifest.Bytes)).ShouldBe(422, "it is no version yet");
        (await PutManifestAsync(to.Value, "1.0.0", manifest.Bytes)).ShouldBe(201);
        (await PutManifestAsync(to.Value, "1.0.0", manifest.Bytes)).ShouldBe(201);
        (await PutManifestAsync(to.Value, "default", manifest.Bytes)).ShouldBe(201);
        (await PutManifestAsync(to.Value, "latest", manifest.Bytes)).ShouldBe(409);
        var resolved = await server.Owner.ResolveAsync(to, "?kind=master_prompt&locale=fr");
        (resolved.Member("version"), resolved.Member("release"), resolved.Member("rule")).ShouldBe(
            ("1.0.0", release, "default")
        );
        resolved.Json["artifact"]!["variables"]![0]!["name"]!.GetValue<string>().ShouldBe("qui");

        var other = JsonNode.Parse(manifest.Text)!;
        other["layers"]!.AsArray().RemoveAt(1);
        (await PutManifestAsync(to.Value, "1.0.0", Encoding.UTF8.GetBytes(other.ToJsonString()))).ShouldBe(
            409,
            "a stable version cannot change"
        );
    }

    [Fact]
    public async Task Skopeo_copies_a_version_out_and_it_comes_in_elsewhere_as_the_same_version()
    {
        await AptPackages.EnsureAsync("skopeo", Ct, "skopeo");
        var (from, to) = (ServerFixture.NewName(), ServerFixture.NewName());
        var folder = PostgresFixture.NewFolder();
        var policy = Path.Combine(folder, "policy.json");
        await File.WriteAllTextAsync(policy, """{"default":[{"type":"insecureAcceptAnything"}]}""", Ct);
        var pushed = await server.Owner.PushAsync(
            from,
            "1.2.0",
            [
                (Person.Prompt("master_prompt", "fr.md", "fr"), "Bonjour {{qui}}"),
                (Person.Prompt("json_config", "c.json", role: null), "{}"),
            ]
        );
        var host = $"docker://{server.Address.Authority}/templates";
        await SkopeoAsync(
            "--src-tls-verify=false",
            $"--src-creds=key:{server.OwnerKeyText}",
            $"{host}/{from}:stable",
            $"oci:{folder}/out:1.2.0"
        );
        var index = JsonNode.Parse(await File.ReadAllTextAsync($"{folder}/out/index.json", Ct))!;
        var release = pushed.Json["version"]!["release"]!.GetValue<string>();
        index["manifests"]![0]!["digest"]!.GetValue<string>().ShouldBe(release);
        foreach (var blob in Directory.EnumerateFiles($"{folder}/out/blobs/sha256"))
            Kernel.Digest.Of(await File.ReadAllBytesAsync(blob, Ct)).Hex.ShouldBe(Path.GetFileName(blob));

        await SkopeoAsync(
            "--dest-tls-verify=false",
            $"--dest-creds=key:{server.OwnerKeyText}",
            $"oci:{folder}/out:1.2.0",
            $"{host}/{to}:1.2.0"
        );
        var resolved = await server.Owner.ResolveAsync(to, "?kind=master_prompt");
        (resolved.Member("version"), resolved.Member("release")).ShouldBe(("1.2.0", release));
        Directory.Delete(folder, recursive: true);

        Task SkopeoAsync(params string[] arguments) =>
            ServerProcess.RunAsync("skopeo", ["--policy", policy, "copy", .. arguments], Ct);
    }

    [Theory]
    [InlineData("\u00ff is no UTF-8 in Latin-1", null, null)]
    [InlineData("Dear {{name}}", "[]", null)]
    [InlineData("Dear {{name}}", """[{ "name": "name" }, { "name": "unused" }]""", null)]
    [InlineData("Dear {{name}}", """[{ "name": "name", "colour": "red" }]""", null)]
    [InlineData("Dear {{name}}", "[null]", null)]
    [InlineData("Dear {{name}}", "{", null)]
    [InlineData("See {{> tone}}.", null, null)]
    [InlineData("Be kind.", null, "nowhere@1.0.0")]
    [InlineData("Be kind.", null, "kind")]
    public async Task What_a_commit_refuses_is_refused_of_any_client(string text, string? variables, string? from)
    {
        var path = from is null ? "p.md" : "includes/tone/p.md";
        var layer = new OciLayer(path, Encoding.Latin1.GetBytes(text), "system", variables, from);
        var (status, answer) = await PushAsync(ServerFixture.NewName().Value, layer);
        status.ShouldBe(422, answer);
    }

    [Fact]
    public async Task A_prompt_with_too_many_variables_is_refused_of_any_client()
    {
        var text = string.Concat(Enumerable.Range(0, 101).Select(i => $"{{{{v{i}}}}}"));
        var layer = new OciLayer("p.md", Encoding.UTF8.GetBytes(text), "system");
        var (status, answer) = await PushAsync(ServerFixture.NewName().Value, layer);
        status.ShouldBe(422, answer);
    }

    [Fact]
    public async Task What_a_version_includes_is_what_the_version_it_names_has()
    {
        var (tone, name) = (ServerFixture.NewName(), ServerFixture.NewName());
        await server.Owner.PushAsync(tone, "1.0.0", [(Person.Prompt("snippet", "en.md"), "Be kind.")]);
        var prompt = new OciLayer("p.md", "{{> tone}} Dear {{name}}"u8.ToArray(), "system", """["name"]""");
        var part = new OciLayer(
            "includes/tone/en.md",
            "Be kind."u8.ToArray(),
            "system",
            From: $"{tone}@1.0.0",
            Kind: "snippet"
        );
        var (status, answer) = await PushAsync(name.Value, prompt, part with { Bytes = "Be blunt."u8.ToArray() });
        status.ShouldBe(422, answer);
        (status, answer) = await PushAsync(name.Value, prompt, part);
        status.ShouldBe(201, answer);
        var resolved = await server.Owner.ResolveAsync(name, "?kind=master_prompt&version=1.0.0");
        resolved.Json["artifact"]!["variables"]!.AsArray().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task The_same_push_to_a_channel_again_tells_nobody_of_a_move()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        var manifest = await server.Owner.GetAsync($"/v2/templates/{name}/manifests/1.0.0");
        for (var i = 0; i < 3; i++)
            (await PutManifestAsync(name.Value, "default", manifest.Bytes)).ShouldBe(201);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var count = new NpgsqlCommand(
            "select count(*)::int from platform.event where stream_id = $1 and type = $2",
            admin
        );
        count.Parameters.Add(Sql.Text(name.Stream));
        count.Parameters.Add(Sql.Text(TemplateEvents.ChannelMoved));
        (await count.ExecuteScalarAsync(Ct)).ShouldBe(1);
    }

    private async Task<(int Status, string Answer)> PushAsync(string name, params OciLayer[] layers)
    {
        var described = new JsonArray();
        foreach (var layer in layers)
        {
            var annotations = new JsonObject
            {
                ["org.opencontainers.image.title"] = layer.Path,
                ["dev.platen.kind"] = layer.Kind,
                ["dev.platen.role"] = layer.Role,
            };
            if (layer.Variables is not null)
                annotations["dev.platen.variables"] = layer.Variables;
            if (layer.From is not null)
                annotations["dev.platen.included-from"] = layer.From;
            var descriptor = await PutBlobAsync(name, layer.Bytes, "text/markdown; charset=utf-8");
            descriptor["annotations"] = annotations;
            described.Add(descriptor);
        }
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = "application/vnd.oci.image.manifest.v1+json",
            ["artifactType"] = "application/vnd.platen.template.v1",
            ["config"] = await PutBlobAsync(name, "{}"u8.ToArray(), "application/vnd.oci.empty.v1+json"),
            ["layers"] = described,
        };
        return await SendManifestAsync(name, "1.0.0", Encoding.UTF8.GetBytes(manifest.ToJsonString()));
    }

    private async Task<JsonObject> PutBlobAsync(string name, byte[] bytes, string mediaType)
    {
        var digest = Kernel.Digest.Of(bytes).ToString();
        var put = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v2/templates/{name}/blobs/uploads/?digest={Uri.EscapeDataString(digest)}",
            bytes
        );
        put.Status.ShouldBe(201, put.Text);
        return new JsonObject
        {
            ["mediaType"] = mediaType,
            ["digest"] = digest,
            ["size"] = bytes.Length,
        };
    }

    private async Task<int> PutManifestAsync(string name, string tag, byte[] manifest) =>
        (await SendManifestAsync(name, tag, manifest)).Status;

    private async Task<(int Status, string Answer)> SendManifestAsync(string name, string tag, byte[] manifest)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", server.OwnerKeyText);
        using var content = new ByteArrayContent(manifest);
        content.Headers.ContentType = new("application/vnd.oci.image.manifest.v1+json");
        using var answer = await http.PutAsync($"/v2/templates/{name}/manifests/{tag}", content, Ct);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Ct));
    }

    private sealed record OciLayer(
        string Path,
        byte[] Bytes,
        string Role,
        string? Variables = null,
        string? From = null,
        string Kind = "master_prompt"
    );
}

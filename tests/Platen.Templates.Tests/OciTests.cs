using System.Text.Json.Nodes;
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
        (await PutManifestAsync(to.Value, "1.0.0", System.Text.Encoding.UTF8.GetBytes(other.ToJsonString()))).ShouldBe(
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

    private async Task<int> PutManifestAsync(string name, string tag, byte[] manifest)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", server.OwnerKeyText);
        using var content = new ByteArrayContent(manifest);
        content.Headers.ContentType = new("application/vnd.oci.image.manifest.v1+json");
        using var answer = await http.PutAsync(
            $"/v2/templates/{name}/manifests/{tag}",
            content,
            TestContext.Current.CancellationToken
        );
        return (int)answer.StatusCode;
    }
}

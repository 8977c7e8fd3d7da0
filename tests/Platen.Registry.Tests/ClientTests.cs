using System.Text;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Registry.Tests;

/// <summary>Programs that others wrote, and that know nothing of Platen: skopeo, podman, umoci.</summary>
public sealed class ClientTests(RegistryFixture registry) : IAsyncLifetime
{
    private const string Busybox = "/bin/busybox";
    private readonly string folder = PostgresFixture.NewFolder();

    // Podman takes no path of more than 50 characters for it.
    private readonly string runRoot = Path.Combine(
        Path.GetTempPath(),
        $"platen-{Guid.CreateVersion7().ToString("N")[^8..]}"
    );

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Host => registry.Address.Authority;

    public async ValueTask InitializeAsync()
    {
        await AptPackages.EnsureAsync("skopeo", Ct, "skopeo");
        await AptPackages.EnsureAsync("umoci", Ct, "umoci");
        await AptPackages.EnsureAsync("podman", Ct, "podman", "runc", "netavark", "conmon");
        await AptPackages.EnsureAsync("busybox", Ct, "busybox-static");
        // Its defaults ask for a policy file that a minimal system does not have.
        await File.WriteAllTextAsync(
            Path.Combine(folder, "policy.json"),
            """{"default":[{"type":"insecureAcceptAnything"}]}""",
            Ct
        );
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        if (Directory.Exists(runRoot))
            Directory.Delete(runRoot, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Skopeo_copies_a_published_widget_out_and_back_in_unchanged()
    {
        var owner = new RegistryClient(
            registry.Address,
            OwnerId.Platform,
            (await File.ReadAllTextAsync(Path.Combine(registry.Postgres.Folder, "owner.key"), Ct)).Trim()
        );
        var id = $"wgt_curated_pulled-{Guid.CreateVersion7():N}";
        await PublishAsync(owner, id);
        var published = await owner.GetAsync($"/v2/curated/{id}/manifests/live");
        published.Status.ShouldBe(200);

        await SkopeoAsync(
            "copy",
            "--src-tls-verify=false",
            Source(owner),
            $"docker://{Host}/curated/{id}:live",
            $"oci:{folder}/out:live"
        );
        var index = JsonNode.Parse(await File.ReadAllTextAsync($"{folder}/out/index.json", Ct))!;
        index["manifests"]![0]!["digest"]!.GetValue<string>().ShouldBe(published["Docker-Content-Digest"]);
        foreach (var blob in Directory.EnumerateFiles($"{folder}/out/blobs/sha256"))
            Digest.Of(await File.ReadAllBytesAsync(blob, Ct)).Hex.ShouldBe(Path.GetFileName(blob));

        await SkopeoAsync(
            "copy",
            "--dest-tls-verify=false",
            Target(owner),
            $"oci:{folder}/out:live",
            $"docker://{Host}/mirror/{id}:v1"
        );
        var mirrored = await owner.GetAsync($"/v2/mirror/{id}/manifests/v1");
        mirrored.Bytes.ShouldBe(published.Bytes);
        var raw = await SkopeoAsync(
            "inspect",
            "--raw",
            "--tls-verify=false",
            Creds(owner),
            $"docker://{Host}/mirror/{id}:v1"
        );
        raw.ShouldBe(published.Text);
        // From one repository to another: the blobs are mounted.
        await SkopeoAsync(
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            Source(owner),
            Target(owner),
            $"docker://{Host}/curated/{id}:live",
            $"docker://{Host}/second/{id}:v1"
        );
        (await owner.GetAsync($"/v2/second/{id}/manifests/v1")).Bytes.ShouldBe(published.Bytes);
    }

    [Fact]
    public async Task Skopeo_lists_inspects_and_syncs_both_ways()
    {
        var client = await registry.NewOwnerAsync();
        await MakeImageAsync("tool");
        foreach (var tag in (string[])["1.0", "1.1"])
            await SkopeoAsync(
                "copy",
                "--dest-tls-verify=false",
                Target(client),
                $"oci:{folder}/tool:v1",
                $"docker://{Host}/team/tool:{tag}"
            );
        var tags = JsonNode.Parse(
            await SkopeoAsync("list-tags", "--tls-verify=false", Creds(client), $"docker://{Host}/team/tool")
        );
        tags!["Tags"]!.AsArray().Select(t => t!.GetValue<string>()).ShouldBe(["1.0", "1.1"]);
        var inspected = JsonNode.Parse(
            await SkopeoAsync("inspect", "--tls-verify=false", Creds(client), $"docker://{Host}/team/tool:1.1")
        );
        inspected!["Digest"]!
            .GetValue<string>()
            .ShouldBe((await client.GetAsync("/v2/team/tool/manifests/1.1"))["Docker-Content-Digest"]);

        Directory.CreateDirectory($"{folder}/synced");
        await SkopeoAsync(
            "sync",
            "--src",
            "docker",
            "--dest",
            "dir",
            "--src-tls-verify=false",
            Source(client),
            $"{Host}/team/tool",
            $"{folder}/synced"
        );
        Directory.GetDirectories($"{folder}/synced").Length.ShouldBe(2);
        await SkopeoAsync(
            "sync",
            "--src",
            "dir",
            "--dest",
            "docker",
            "--dest-tls-verify=false",
            Target(client),
            $"{folder}/synced",
            $"{Host}/copied"
        );
        (await client.GetAsync("/v2/copied/tool/manifests/1.0"))["Docker-Content-Digest"]
            .ShouldBe((await client.GetAsync("/v2/team/tool/manifests/1.0"))["Docker-Content-Digest"]);
        await SkopeoAsync("delete", "--tls-verify=false", Creds(client), $"docker://{Host}/copied/tool:1.0");
        (await client.GetAsync("/v2/copied/tool/manifests/1.0")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Umoci_unpacks_what_came_through_the_registry()
    {
        var client = await registry.NewOwnerAsync();
        await MakeImageAsync("unpack");
        await SkopeoAsync(
            "copy",
            "--dest-tls-verify=false",
            Target(client),
            $"oci:{folder}/unpack:v1",
            $"docker://{Host}/box:v1"
        );
        await SkopeoAsync(
            "copy",
            "--src-tls-verify=false",
            Source(client),
            $"docker://{Host}/box:v1",
            $"oci:{folder}/back:v1"
        );
        await ServerProcess.RunAsync("umoci", ["unpack", "--image", $"{folder}/back:v1", $"{folder}/bundle"], Ct);
        (await File.ReadAllTextAsync($"{folder}/bundle/rootfs/greeting", Ct)).ShouldBe("hello from unpack");
        (await File.ReadAllBytesAsync($"{folder}/bundle/rootfs/bin/busybox", Ct)).ShouldBe(
            await File.ReadAllBytesAsync(Busybox, Ct)
        );
    }

    [Fact]
    public async Task Podman_logs_in_pushes_an_image_pulls_it_and_runs_it()
    {
        var client = await registry.NewOwnerAsync();
        await MakeRootAsync("podman");
        await ServerProcess.RunAsync("tar", ["-C", $"{folder}/podman-root", "-cf", $"{folder}/root.tar", "."], Ct);
        await File.WriteAllTextAsync(
            $"{folder}/containers.conf",
            """
            [containers]
            default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
            [engine]
            runtime = "runc"
            cgroup_manager = "cgroupfs"
            events_logger = "file"
            [network]
            network_backend = "netavark"
            """,
            Ct
        );
        var image = $"{Host}/w/{client.Owner}/images/busybox:latest";
        var auth = $"{folder}/auth.json";
        await PodmanAsync("import", $"{folder}/root.tar", image);
        await PodmanAsync("login", "--tls-verify=false", "--authfile", auth, "-u", "key", "-p", client.Key, Host);
        await PodmanAsync("push", "--tls-verify=false", "--authfile", auth, image);
        (await client.GetAsync("/v2/images/busybox/tags/list")).Json["tags"]![0]!.GetValue<string>().ShouldBe("latest");
        await PodmanAsync("rmi", image);
        await PodmanAsync("pull", "--tls-verify=false", "--authfile", auth, image);
        var said = await PodmanAsync("run", "--rm", "--network", "none", image, "/bin/busybox", "cat", "/greeting");
        said.Trim().ShouldBe("hello from podman");
    }

    private static async Task PublishAsync(RegistryClient owner, string id)
    {
        var path = $"/v1/instances/{id}";
        var body = Encoding.UTF8.GetBytes(
            """
            {"widgetType":"content.faq","config":{"heading":"Pulled","items":[
              {"id":"a","question":"Is it?","answer":[{"type":"paragraph","text":"It is."}]}]}}
            """
        );
        var saved = await owner.SendAsync(
            "PUT",
            path,
            body,
            ("Content-Type", "application/json"),
            ("If-None-Match", "*")
        );
        saved.Status.ShouldBe(201, saved.Text);
        var published = await owner.SendAsync(
            "PUT",
            path + "/publication",
            "{}"u8.ToArray(),
            ("Content-Type", "application/json"),
            ("If-Match", "*")
        );
        published.Status.ShouldBe(200, published.Text);
    }

    // An image with busybox and a text file, made by umoci.
    private async Task MakeImageAsync(string name)
    {
        await MakeRootAsync(name);
        string[][] steps =
        [
            ["init", "--layout", $"{folder}/{name}"],
            ["new", "--image", $"{folder}/{name}:v1"],
            ["insert", "--image", $"{folder}/{name}:v1", $"{folder}/{name}-root/bin", "/bin"],
            ["insert", "--image", $"{folder}/{name}:v1", $"{folder}/{name}-root/greeting", "/greeting"],
        ];
        foreach (var step in steps)
            await ServerProcess.RunAsync("umoci", step, Ct);
    }

    private async Task MakeRootAsync(string name)
    {
        Directory.CreateDirectory($"{folder}/{name}-root/bin");
        File.Copy(Busybox, $"{folder}/{name}-root/bin/busybox");
        await File.WriteAllTextAsync($"{folder}/{name}-root/greeting", $"hello from {name}", Ct);
    }

    private Task<string> SkopeoAsync(params string[] arguments) =>
        ServerProcess.RunAsync("skopeo", ["--policy", $"{folder}/policy.json", .. arguments], Ct);

    private Task<string> PodmanAsync(params string[] arguments) =>
        ServerProcess.RunAsync(
            "env",
            [
                $"CONTAINERS_CONF={folder}/containers.conf",
                "podman",
                "--storage-driver",
                "vfs",
                "--root",
                $"{folder}/storage",
                "--runroot",
                runRoot,
                "--tmpdir",
                $"{runRoot}/tmp",
                .. arguments[0] is "push" or "pull"
                    ? (string[])[arguments[0], "--signature-policy", $"{folder}/policy.json", .. arguments[1..]]
                    : arguments,
            ],
            Ct
        );

    private static string Creds(RegistryClient client) => $"--creds=key:{client.Key}";

    private static string Source(RegistryClient client) => $"--src-creds=key:{client.Key}";

    private static string Target(RegistryClient client) => $"--dest-creds=key:{client.Key}";
}

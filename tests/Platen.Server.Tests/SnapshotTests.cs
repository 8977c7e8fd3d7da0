using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Server.Tests;

/// <summary>One release, downloaded whole by whoever has its link, for a while.</summary>
public sealed class SnapshotTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_release_is_downloaded_whole_as_zip_and_as_tar()
    {
        using var tenant = await MakeAsync();
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["index.html"] = "<!doctype html>"u8.ToArray(),
            ["a/deep/folder/with/ä name.bin"] = RandomNumberGenerator.GetBytes(200_000),
            ["empty"] = [],
            [new string('l', 90) + "/" + new string('n', 120)] = "long"u8.ToArray(),
        };
        var release = await tenant.PushAsync("bundle", files);
        var url = await tenant.LinkAsync("bundle", release);
        url.Status.ShouldBe(200, url.Text);
        url.Json["files"]!.GetValue<int>().ShouldBe(4);
        url.Json["sizeBytes"]!.GetValue<long>().ShouldBe(files.Values.Sum(f => f.Length));

        using var zip = await server.Nobody.GetAsync(url.Json["zip"]!.GetValue<string>(), Ct);
        zip.Content.Headers.ContentType!.MediaType.ShouldBe("application/zip");
        zip.Content.Headers.ContentDisposition!.FileName.ShouldBe($"bundle-{release[7..19]}.zip");
        zip.Headers.CacheControl!.NoStore.ShouldBeTrue();
        using (var archive = new ZipArchive(await zip.Content.ReadAsStreamAsync(Ct)))
        {
            archive.Entries.Select(e => e.FullName).ShouldBe(files.Keys);
            foreach (var entry in archive.Entries)
            {
                using var bytes = new MemoryStream();
                await using (var content = await entry.OpenAsync(Ct))
                    await content.CopyToAsync(bytes, Ct);
                bytes.ToArray().ShouldBe(files[entry.FullName]);
            }
        }

        await using var tar = new TarReader(
            await server.Nobody.GetStreamAsync(url.Json["tar"]!.GetValue<string>(), Ct)
        );
        var seen = new List<string>();
        while (await tar.GetNextEntryAsync(copyData: true, Ct) is { } entry)
        {
            using var bytes = new MemoryStream();
            await (entry.DataStream ?? Stream.Null).CopyToAsync(bytes, Ct);
            bytes.ToArray().ShouldBe(files[entry.Name]);
            seen.Add(entry.Name);
        }
        seen.ShouldBe(files.Keys);
    }

    [Fact]
    public async Task What_was_published_and_pushed_is_downloaded_the_same_way()
    {
        using var tenant = await MakeAsync();
        var created = await tenant.Client.SendAsync(
            HttpMethod.Post,
            tenant.Path + "/instances",
            UserInstanceTests.Faq("whole")
        );
        var id = created.Json["publicId"]!.GetValue<string>();
        var published = await tenant.Client.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{id}/publication",
            new { },
            created.Tag
        );
        var release = published.Json["release"]!.GetValue<string>();
        var url = await tenant.LinkAsync("widgets/" + id, release);
        using var archive = new ZipArchive(await server.Nobody.GetStreamAsync(url.Json["zip"]!.GetValue<string>(), Ct));
        archive.GetEntry("config.json").ShouldNotBeNull();
    }

    [Fact]
    public async Task A_download_lasts_as_long_as_its_bytes_flow_however_short_other_requests_are_cut()
    {
        var patience = TimeSpan.FromMilliseconds(200);
        await using var node = await server.StartAsync(new HttpGuards { RequestTimeout = patience });
        using var client = ServerFixture.ClientOf(node);
        using var tenant = await MakeAsync();
        // More than sockets hold: the rest waits on the server until it is asked for.
        var files = Enumerable.Range(0, 4).ToDictionary(n => $"{n}.bin", _ => RandomNumberGenerator.GetBytes(8 << 20));
        var release = await tenant.PushAsync("large", files);
        var url = await tenant.LinkAsync("large", release);
        foreach (var format in (string[])["zip", "tar"])
        {
            using var answer = await client.GetAsync(
                url.Json[format]!.GetValue<string>(),
                HttpCompletionOption.ResponseHeadersRead,
                Ct
            );
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            var waiting = Stopwatch.StartNew();
            await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "any other request would have been given up",
                TimeSpan.FromSeconds(30),
                _ => Task.FromResult(waiting.Elapsed > 4 * patience),
                Ct
            );
            (await answer.Content.ReadAsByteArrayAsync(Ct)).Length.ShouldBeGreaterThan(32 << 20);
        }
    }

    [Fact]
    public async Task Without_a_token_with_a_changed_one_or_with_one_for_something_else_nothing_is_read()
    {
        using var tenant = await MakeAsync();
        var release = await tenant.PushAsync("bundle", One("x"));
        var zip = (await tenant.LinkAsync("bundle", release)).Json["zip"]!.GetValue<string>();
        var token = zip["/snapshots/".Length..^".zip".Length];
        var realtime = (
            await tenant.Client.SendAsync(HttpMethod.Post, "/v1/realtime-tokens", new { stream = "widget/x" })
        ).Json["token"]!.GetValue<string>();
        var parts = token.Split('.');
        var claims = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1]))!;
        claims["sub"] = "another@" + release;
        var other = System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()));
        string[] refused =
        [
            "x",
            token[..^3],
            token + "A",
            $"{parts[0]}.{other}.{parts[2]}",
            realtime,
            server.OwnerKeyText,
        ];
        foreach (var text in refused)
        {
            foreach (var format in (string[])["zip", "tar"])
            {
                var answer = await server.Nobody.SendAsync(HttpMethod.Get, $"/snapshots/{text}.{format}");
                (answer.Status, answer.Problem).ShouldBe((401, "unauthenticated"), text);
            }
        }
        // Nor does it open anything else.
        using var request = new HttpRequestMessage(HttpMethod.Get, tenant.Path + "/instances");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var elsewhere = await server.Nobody.SendAsync(request, Ct);
        ((int)elsewhere.StatusCode).ShouldBe(401);
        (await server.Nobody.SendAsync(HttpMethod.Get, zip)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_link_is_made_for_ones_own_releases_alone_and_ends_with_the_workspace()
    {
        using var tenant = await MakeAsync();
        using var other = await MakeAsync();
        var release = await tenant.PushAsync("bundle", One("mine"));
        (await other.LinkAsync("bundle", release)).Problem.ShouldBe("not-found");
        (await other.LinkAsync("bundle", "sha256:" + new string('0', 64))).Problem.ShouldBe("not-found");
        (
            await other.Client.SendAsync(
                HttpMethod.Post,
                tenant.Path + "/snapshot-urls",
                new { subject = "bundle", release }
            )
        ).Status.ShouldBe(404);
        var faults = await tenant.Client.SendAsync(
            HttpMethod.Post,
            "/v1/snapshot-urls",
            new
            {
                subject = "",
                release = "x",
                lifeSeconds = 5,
            }
        );
        faults.FaultPointers.ShouldBe(["/subject", "/release", "/lifeSeconds"]);

        var zip = (await tenant.LinkAsync("bundle", release)).Json["zip"]!.GetValue<string>();
        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the link is dead",
            TimeSpan.FromSeconds(30),
            async _ => (await server.Nobody.SendAsync(HttpMethod.Get, zip)).Status == 401,
            Ct
        );
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData("a\\..\\b")]
    [InlineData("C:evil")]
    public async Task A_release_that_nobody_should_unpack_gets_no_link(string path)
    {
        using var tenant = await MakeAsync();
        var release = await tenant.PushAsync("evil", new Dictionary<string, byte[]> { [path] = "x"u8.ToArray() });
        (await tenant.LinkAsync("evil", release)).Problem.ShouldBe("conflict");
    }

    [Fact]
    public async Task Links_end_when_the_signing_keys_are_replaced()
    {
        await using var alone = await StageServer.StartAsync(server.Postgres, "standalone");
        const string id = "wgt_curated_snapshot-link";
        await alone.SaveAsync(id, "whole");
        var published = await alone.Publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{id}/publication",
            new { },
            "*"
        );
        var url = await alone.Publisher.SendAsync(
            HttpMethod.Post,
            "/v1/snapshot-urls",
            new { subject = "curated/" + id, release = published.Json["release"]!.GetValue<string>() }
        );
        var zip = url.Json["zip"]!.GetValue<string>();
        (await alone.Publisher.SendAsync(HttpMethod.Get, zip)).Status.ShouldBe(200);
        (
            await alone.Publisher.SendAsync(HttpMethod.Post, "/v1/signing-keys/rotate", new { endFormer = true })
        ).Status.ShouldBe(204);
        (await alone.Publisher.SendAsync(HttpMethod.Get, zip)).Status.ShouldBe(401);
    }

    private static Dictionary<string, byte[]> One(string text) => new() { ["one.txt"] = Encoding.UTF8.GetBytes(text) };

    private async Task<Tenant> MakeAsync()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            await server.CreateKeyAsync(
                new OwnerId(made.Json["id"]!.GetValue<Guid>()),
                [.. Access.Scopes.Known.Where(s => !Access.Scopes.IsForPlatform(s))]
            )
        );
        return new Tenant("/v1/workspaces/" + made.Json["slug"], client);
    }

    private sealed record Tenant(string Path, HttpClient Client) : IDisposable
    {
        public Task<Answer> LinkAsync(string subject, string release) =>
            Client.SendAsync(HttpMethod.Post, Path + "/snapshot-urls", new { subject, release });

        /// <summary>Pushes an artifact as an OCI client does; returns its digest.</summary>
        public async Task<string> PushAsync(string repository, Dictionary<string, byte[]> files)
        {
            foreach (var bytes in files.Values.Append("{}"u8.ToArray()))
            {
                using var content = new ByteArrayContent(bytes);
                content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
                using var pushed = await Client.PostAsync(
                    $"/v2/{repository}/blobs/uploads/?digest={Digest.Of(bytes)}",
                    content,
                    Ct
                );
                ((int)pushed.StatusCode).ShouldBe(201, await pushed.Content.ReadAsStringAsync(Ct));
            }
            var manifest = JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    schemaVersion = 2,
                    mediaType = "application/vnd.oci.image.manifest.v1+json",
                    artifactType = "application/vnd.example.bundle.v1",
                    config = new
                    {
                        mediaType = "application/vnd.oci.empty.v1+json",
                        digest = Digest.Of("{}"u8).ToString(),
                        size = 2,
                    },
                    layers = files.Select(f => new
                    {
                        mediaType = "application/octet-stream",
                        digest = Digest.Of(f.Value).ToString(),
                        size = f.Value.Length,
                        annotations = new Dictionary<string, string> { ["org.opencontainers.image.title"] = f.Key },
                    }),
                }
            );
            using var body = new ByteArrayContent(manifest);
            body.Headers.ContentType = new MediaTypeHeaderValue("application/vnd.oci.image.manifest.v1+json");
            using var done = await Client.PutAsync($"/v2/{repository}/manifests/{Digest.Of(manifest)}", body, Ct);
            ((int)done.StatusCode).ShouldBe(201, await done.Content.ReadAsStringAsync(Ct));
            return Digest.Of(manifest).ToString();
        }

        public void Dispose() => Client.Dispose();
    }
}

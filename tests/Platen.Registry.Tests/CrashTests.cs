using System.Net;
using System.Security.Cryptography;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Registry.Tests;

/// <summary>The worst moments of a push: the server is killed, the disk is full, the client goes away, a day passes.</summary>
public sealed class CrashTests(RegistryFixture registry)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_upload_that_kill_9_cut_off_goes_on_where_the_restarted_server_says()
    {
        var folder = PostgresFixture.NewFolder();
        var bytes = RandomNumberGenerator.GetBytes(24_000_000);
        var digest = Digest.Of(bytes);
        string at;
        await using (var server = await PlatenServer.StartAsync(folder, Ct, ("PLATEN_SAMPLES", "off")))
        {
            var client = new RegistryClient(server.Address, OwnerId.Platform, server.OwnerKey);
            at = await client.BeginAsync("big/one");
            using var http = server.OpenClient();
            using var body = new HeldContent(bytes, heldAt: 9_000_000);
            var sending = http.PatchAsync(at, body, Ct);
            await ServerProcess.WaitUntilAsync(
                "bytes in the upload",
                TimeSpan.FromSeconds(30),
                async _ => Offset(await client.GetAsync(at)) > 4_000_000,
                Ct
            );
            await server.KillAsync(Ct);
            body.Release();
            await Should.ThrowAsync<HttpRequestException>(() => sending);
        }
        await using var again = await PlatenServer.StartAsync(folder, Ct, ("PLATEN_SAMPLES", "off"));
        var resumed = new RegistryClient(again.Address, OwnerId.Platform, again.OwnerKey);
        var offset = Offset(await resumed.GetAsync(at));
        offset.ShouldBeInRange(4_000_000, 9_000_000);
        var rest = await resumed.SendAsync(
            "PATCH",
            at,
            bytes[offset..],
            ("Content-Range", $"{offset}-{bytes.Length - 1}")
        );
        rest.Status.ShouldBe(202, rest.Text);
        (await resumed.SendAsync("PUT", $"{at}?digest={digest}")).Status.ShouldBe(201);
        Digest.Of((await resumed.GetAsync($"/v2/big/one/blobs/{digest}")).Bytes).ShouldBe(digest);
    }

    [Fact]
    public async Task An_upload_that_its_client_left_can_be_continued()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(3_000_000);
        var at = await client.BeginAsync("left");
        using var body = new HeldContent(bytes, heldAt: 2_000_000);
        using (var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct))
        using (var http = new HttpClient { BaseAddress = registry.Address })
        {
            http.DefaultRequestHeaders.Authorization = new("Bearer", client.Key);
            var sending = http.PatchAsync(at, body, stop.Token);
            await ServerProcess.WaitUntilAsync(
                "bytes in the upload",
                TimeSpan.FromSeconds(30),
                async _ => Offset(await client.GetAsync(at)) > 1_000_000,
                Ct
            );
            await stop.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(() => sending);
        }
        Answer? answer = null;
        await ServerProcess.WaitUntilAsync(
            "the end of the request that was left",
            TimeSpan.FromSeconds(30),
            async _ =>
            {
                var offset = Offset(await client.GetAsync(at));
                answer = await client.SendAsync(
                    "PATCH",
                    at,
                    bytes[offset..],
                    ("Content-Range", $"{offset}-{bytes.Length - 1}")
                );
                return answer.Status is not (409 or 416);
            },
            Ct
        );
        answer!.Status.ShouldBe(202, answer.Text);
        (await client.SendAsync("PUT", $"{at}?digest={Digest.Of(bytes)}")).Status.ShouldBe(201);
    }

    [Fact]
    public async Task A_full_disk_is_told_and_leaves_nothing_half_written()
    {
        var mount = PostgresFixture.NewFolder();
        await ServerProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", mount], Ct);
        try
        {
            var blobs = Path.Combine(mount, "blobs");
            await using var server = await PlatenServer.StartAsync(
                PostgresFixture.NewFolder(),
                Ct,
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_BLOBS", "file:" + blobs)
            );
            var client = new RegistryClient(server.Address, OwnerId.Platform, server.OwnerKey);
            var bytes = RandomNumberGenerator.GetBytes(12_000_000);
            var digest = Digest.Of(bytes);
            var posted = await client.SendAsync("POST", $"/v2/full/blobs/uploads/?digest={digest}", bytes);
            posted.Refusal.ShouldBe((507, "BLOB_UPLOAD_INVALID"));
            posted.Json["errors"]![0]!["detail"]!["type"]!.GetValue<string>().ShouldBe("/problems/storage-full");
            Directory.EnumerateFiles(blobs, "*", SearchOption.AllDirectories).ShouldBeEmpty();

            var at = await client.BeginAsync("full");
            (await client.SendAsync("PATCH", at, bytes)).Status.ShouldBe(507);
            (await client.SendAsync("HEAD", $"/v2/full/blobs/{digest}")).Status.ShouldBe(404);
            // What had room counts; with more room it goes on from there.
            var offset = Offset(await client.GetAsync(at));
            offset.ShouldBeInRange(1, 8 * 1024 * 1024);
            await ServerProcess.RunAsync("mount", ["-o", "remount,size=64m", mount], Ct);
            (await client.SendAsync("PATCH", at, bytes[offset..])).Status.ShouldBe(202);
            (await client.SendAsync("PUT", $"{at}?digest={digest}")).Status.ShouldBe(201);
        }
        finally
        {
            await ServerProcess.RunAsync("umount", ["--lazy", mount], Ct);
        }
    }

    [Fact]
    public async Task Maintenance_forgets_uploads_that_are_a_day_old_and_no_others()
    {
        var client = await registry.NewOwnerAsync();
        var old = await client.BeginAsync("swept");
        var young = await client.BeginAsync("swept");
        await using (var admin = await registry.Postgres.OpenAdminAsync(Ct))
        await using (
            var age = new Npgsql.NpgsqlCommand(
                "update platform.repository_upload set started_at = now() - interval '25 hours' where id = $1",
                admin
            )
        )
        {
            age.Parameters.AddWithValue(Guid.Parse(old.Split('/')[^1]));
            await age.ExecuteNonQueryAsync(Ct);
        }
        await using (var session = await registry.Postgres.Pools.OpenWorkerAsync("test", Ct))
        {
            await session.ExecuteAsync("select platform.remove_old_uploads(interval '24 hours')", Ct);
            await session.CommitAsync(Ct);
        }
        (await client.GetAsync(old)).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await client.GetAsync(young)).Status.ShouldBe(204);
    }

    private static int Offset(Answer status) => int.Parse(status["Range"]!.Split('-')[1]) + 1;

    /// <summary>A body that stops in the middle until it is released.</summary>
    private sealed class HeldContent(byte[] bytes, int heldAt) : HttpContent
    {
        private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Release() => released.TrySetResult();

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        )
        {
            await stream.WriteAsync(bytes.AsMemory(0, heldAt), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await released.Task.WaitAsync(cancellationToken);
            await stream.WriteAsync(bytes.AsMemory(heldAt), cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}

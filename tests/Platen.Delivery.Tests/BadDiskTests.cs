using System.Net;
using System.Security.Cryptography;
using System.Text;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Delivery.Tests;

/// <summary>A disk that hangs, is full, can only be read, or loses its files: it costs speed, and no visitor notices.</summary>
public sealed class BadDiskTests(PostgresFixture postgres)
{
    // Far more than a request takes, far less than a load may.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(6);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_read_that_hangs_keeps_nobody_waiting_and_the_disk_is_used_again_when_it_answers()
    {
        var folder = PostgresFixture.NewFolder();
        string[] ids = [Publisher.NewId(), Publisher.NewId(), Publisher.NewId()];
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        foreach (var id in ids)
            await publishing.Publisher.PublishAsync(id, "1");
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = folder,
            publishing.BlobFolder
        );
        // Reading a pipe waits for whoever may write to it, as a disk that does not answer does.
        var pipe = PathOf(folder, ids[0]);
        Directory.CreateDirectory(Path.GetDirectoryName(pipe)!);
        await ServerProcess.RunAsync("mkfifo", [pipe], Ct);
        using (File.OpenHandle(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            foreach (var id in ids[..2])
                (await host.TextAsync($"/e/{id}").WaitAsync(Soon, Ct)).ShouldContain("1 en");
            host.Disk.IsHanging.ShouldBeTrue("it is not asked while it does not answer");
        }
        await DeliveryHost.UntilAsync(
            async () => await host.Disk.ReadAsync(ids[1], Ct) is not null,
            "the disk was given up for ever"
        );
        (await host.TextAsync($"/e/{ids[2]}")).ShouldContain("1 en");
    }

    [Fact]
    public async Task A_write_that_hangs_keeps_nobody_waiting()
    {
        var folder = PostgresFixture.NewFolder();
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        var before = Publisher.NewId();
        await host.Publisher.PublishAsync(before, "1");
        await host.TextAsync($"/e/{before}");
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Entries == 1), "nothing was written");
        var first = Publisher.NewId();
        var pipe = PathOf(folder, first) + ".new";
        Directory.CreateDirectory(Path.GetDirectoryName(pipe)!);
        await ServerProcess.RunAsync("mkfifo", [pipe], Ct);
        await host.Publisher.PublishAsync(first, "1");
        (await host.TextAsync($"/e/{first}").WaitAsync(Soon, Ct)).ShouldContain("1 en");
        for (var i = 0; i < DeliveryLimits.PendingWrites + 8; i++)
        {
            var id = Publisher.NewId();
            await host.Publisher.PublishAsync(id, "1");
            (await host.TextAsync($"/e/{id}").WaitAsync(Soon, Ct)).ShouldContain("1 en");
        }
        // What it was given is written to the pipe, and everything behind it to the disk.
        using (var handle = File.OpenHandle(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            await using var reader = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            await reader.CopyToAsync(Stream.Null, Ct);
        }
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(host.Disk.Entries >= DeliveryLimits.PendingWrites),
            "what waited was not written"
        );
    }

    [Theory]
    [InlineData("/proc/platen-delivery-cache")]
    [InlineData("/dev/null/cache")]
    public async Task A_folder_that_cannot_be_made_stops_nobody(string folder)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = folder);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
        host.Disk.Entries.ShouldBe(0);
    }

    [Fact]
    public async Task A_full_disk_keeps_what_it_has_whole_and_stops_nobody()
    {
        await using var disk = await SmallDisk.MountAsync();
        await using (
            var host = await DeliveryHost.StartAsync(postgres.Pools, options => options.DiskFolder = disk.Folder)
        )
        {
            for (var i = 0; i < 60; i++)
            {
                var id = Publisher.NewId();
                await host.Publisher.PublishAsync(id, "1");
                (await host.TextAsync($"/e/{id}")).ShouldContain("1 en");
            }
        }
        var files = Files(disk.Folder);
        files.Count.ShouldBeInRange(5, 59);
        files.ShouldAllBe(file => file.Length > 0 && !file.Name.EndsWith(".new"));
        // What there is now is what the next one counts.
        await using var node = await WithoutAnythingAsync(disk.Folder);
        await DeliveryHost.UntilAsync(() => Task.FromResult(node.Disk.Entries == files.Count), "it was counted wrong");
        node.Disk.Bytes.ShouldBe(files.Sum(file => file.Length));
        node.Disk.Heads().Count().ShouldBe(files.Count);
    }

    [Fact]
    public async Task On_a_full_disk_no_former_release_is_left_and_the_count_is_right()
    {
        await using var disk = await SmallDisk.MountAsync();
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = disk.Folder
        );
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Entries == 1), "nothing was written");
        await disk.FillAsync();
        await host.Publisher.PublishAsync(id, "2");
        await DeliveryHost.UntilAsync(async () => (await host.TextAsync($"/e/{id}")).Contains("2 en"), "not seen");
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Entries == 0), "the former one is still there");
        host.Disk.Bytes.ShouldBe(0);
        Files(disk.Folder).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_disk_that_can_only_be_read_is_read_and_gives_nothing_back_that_was_withdrawn()
    {
        await using var disk = await SmallDisk.MountAsync();
        string kept = Publisher.NewId(),
            gone = Publisher.NewId();
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options => options.DiskFolder = disk.Folder
        );
        foreach (var id in new[] { kept, gone })
        {
            await host.Publisher.PublishAsync(id, "1");
            await host.TextAsync($"/e/{id}");
        }
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Entries == 2), "nothing was written");
        await disk.MakeReadOnlyAsync();
        await using (var node = await WithoutAnythingAsync(disk.Folder))
            (await node.TextAsync($"/e/{kept}")).ShouldContain("1 en");

        await host.Publisher.UnpublishAsync(gone);
        await DeliveryHost.UntilAsync(
            async () => (await host.GetAsync($"/e/{gone}")).StatusCode == HttpStatusCode.NotFound,
            "not seen"
        );
        (await host.Disk.ReadAsync(gone, Ct)).ShouldBeNull();
        (await host.Disk.ReadAsync(kept, Ct)).ShouldNotBeNull();
        var late = Publisher.NewId();
        await host.Publisher.PublishAsync(late, "1");
        (await host.TextAsync($"/e/{late}")).ShouldContain("1 en");

        // When it can be written again, what was refused is made up for.
        await disk.MakeWritableAsync();
        var next = Publisher.NewId();
        await host.Publisher.PublishAsync(next, "1");
        (await host.TextAsync($"/e/{next}")).ShouldContain("1 en");
        await DeliveryHost.UntilAsync(
            () => Task.FromResult(!File.Exists(PathOf(disk.Folder, gone)) && host.Disk.Entries == 2),
            "what was withdrawn is still there"
        );
    }

    [Fact]
    public async Task A_folder_that_is_removed_while_it_is_used_is_filled_again()
    {
        const long budget = 200 * 1024;
        var folder = PostgresFixture.NewFolder();
        await using var host = await DeliveryHost.StartAsync(
            postgres.Pools,
            options =>
            {
                options.DiskFolder = folder;
                options.DiskBytes = budget;
            }
        );
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        await host.TextAsync($"/e/{id}");
        for (var i = 0; i < 40; i++)
        {
            var other = Publisher.NewId();
            await host.Publisher.PublishAsync(other, "1");
            await host.TextAsync($"/e/{other}");
        }
        await DeliveryHost.UntilAsync(() => Task.FromResult(host.Disk.Bytes > budget * 3 / 4), "nothing was written");
        Directory.Move(folder, folder + ".away");
        Directory.Delete(folder + ".away", recursive: true);
        // The next release of it goes where its folder was.
        await host.Publisher.PublishAsync(id, "2");
        await DeliveryHost.UntilAsync(async () => (await host.TextAsync($"/e/{id}")).Contains("2 en"), "not seen");
        await DeliveryHost.UntilAsync(
            async () => await host.Disk.ReadAsync(id, Ct) is { Revision: 2 } && IsCountedRight(),
            "nothing is written any more, or what is gone is counted on"
        );

        bool IsCountedRight()
        {
            try
            {
                return Files(folder) is { Count: > 0 and < 20 } files
                    && files.Count == host.Disk.Entries
                    && files.Sum(file => file.Length) == host.Disk.Bytes;
            }
            catch (IOException)
            {
                // A file got its name while they were counted: not yet.
                return false;
            }
        }
    }

    private static Task<DeliveryHost> WithoutAnythingAsync(string folder) =>
        DeliveryHost.StartAsync(
            PostgresPools.OpenEdgeAlone(
                new PostgresOptions
                {
                    DataFolder = "/nonexistent",
                    EdgeConnectionString = "Host=127.0.0.1;Port=1;Username=nobody;Database=none",
                }
            ),
            options => options.DiskFolder = folder
        );

    private static string PathOf(string folder, string key)
    {
        var hex = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
        return Path.Combine(folder, hex[..3], hex);
    }

    private static List<FileInfo> Files(string folder) =>
        [
            .. new DirectoryInfo(folder)
                .EnumerateFiles("*", SearchOption.AllDirectories)
                .Where(file => file.Name is not ("others" or DeliveryModule.EmbedTokensFile)),
        ];

    /// <summary>A file system of 256 KiB in memory; mounting it needs root.</summary>
    private sealed class SmallDisk(string folder) : IAsyncDisposable
    {
        public string Folder { get; } = folder;

        public static async Task<SmallDisk> MountAsync()
        {
            var folder = PostgresFixture.NewFolder();
            await ServerProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=256k", "none", folder], Ct);
            return new SmallDisk(folder);
        }

        public async Task FillAsync()
        {
            await using var others = File.Create(Path.Combine(Folder, "others"));
            var page = new byte[4096];
            try
            {
                while (true)
                {
                    await others.WriteAsync(page, Ct);
                    await others.FlushAsync(Ct);
                }
            }
            catch (IOException)
            {
                // Now it is full.
            }
        }

        public Task MakeReadOnlyAsync() => ServerProcess.RunAsync("mount", ["-o", "remount,ro", Folder], Ct);

        public Task MakeWritableAsync() => ServerProcess.RunAsync("mount", ["-o", "remount,rw", Folder], Ct);

        public async ValueTask DisposeAsync() =>
            await ServerProcess.RunAsync("umount", ["-l", Folder], CancellationToken.None);
    }
}

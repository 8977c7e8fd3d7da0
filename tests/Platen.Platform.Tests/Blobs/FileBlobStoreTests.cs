using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Testing.Child;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Blobs;

public sealed class FileBlobStoreTests : BlobStoreTests, IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("platen-blobs-").FullName;

    public FileBlobStoreTests() => Store = Open(folder);

    protected override IBlobStore Store { get; }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    protected override Task<IReadOnlyList<string>> KeysAsync() =>
        Task.FromResult<IReadOnlyList<string>>([
            .. Directory
                .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))
                .Order(StringComparer.Ordinal),
        ]);

    protected override Task ReplaceAsync(string key, byte[] bytes) =>
        File.WriteAllBytesAsync(Path.Combine(folder, key), bytes, Ct);

    [Fact]
    public async Task A_put_heals_damage_that_nobody_has_read_yet()
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);
        await ReplaceAsync(Key("blobs", digest), Random(1000));

        (await PutAsync(digest, bytes, 1000)).ShouldBeOfType<PutOutcome.Stored>();

        (await ReadAsync(digest)).ShouldBe(bytes);
    }

    [Fact]
    public async Task Only_the_servers_user_can_read_the_files()
    {
        var digest = await PutAsync(Random(10));
        if (OperatingSystem.IsWindows())
            return;

        File.GetUnixFileMode(Path.Combine(folder, Key("blobs", digest)))
            .ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.GetUnixFileMode(Path.Combine(folder, Owner.ToString()))
            .ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task An_append_during_an_append_is_busy()
    {
        var id = await BeginAsync();
        var appended = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var slow = new PausingStream(appended, release);
        var first = Store.AppendAsync(Owner, id, 0, slow, Ct);
        await appended.Task;

        (await AppendAsync(id, 0, Random(10))).ShouldBeOfType<AppendOutcome.Busy>();
        (await Store.CompleteUploadAsync(Owner, id, Digest.Of([]), Ct)).ShouldBeOfType<CompleteUploadOutcome.Busy>();

        release.SetResult();
        (await first).ShouldBe(new AppendOutcome.Appended(0));
    }

    [Fact]
    public async Task A_full_disk_is_told_and_leaves_nothing()
    {
        var disk = Path.Combine(folder, "disk");
        Directory.CreateDirectory(disk);
        await ServerProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], Ct);
        try
        {
            var store = Open(disk);
            var small = await store.PutBytesAsync(Owner, Random(100_000), Ct);
            using var content = new MemoryStream(Random(2_000_000));

            var full = await Should.ThrowAsync<ProblemException>(() =>
                store.PutAsync(Owner, Digest.Of("x"u8), null, content, Ct)
            );

            full.Problem.Type.ShouldBe(KernelProblems.StorageFull);
            byte[][] many = [Random(400_000), Random(400_000), Random(400_000)];
            var fullOfMany = await Should.ThrowAsync<ProblemException>(() =>
                store.PutAllAsync(Owner, [.. many.Select(bytes => new BlobBytes(Digest.Of(bytes), bytes))], Ct)
            );
            fullOfMany.Problem.Type.ShouldBe(KernelProblems.StorageFull);
            Directory.EnumerateFiles(disk, "*", SearchOption.AllDirectories).Count().ShouldBe(1);
            (await store.ReadAllAsync(Owner, small, 100_000, Ct)).ShouldBeOfType<ReadOutcome.Read>();
            await store.CheckAsync(Ct);

            var id = ((BeginUploadOutcome.Begun)await store.BeginUploadAsync(Owner, Ct)).Id;
            using var more = new MemoryStream(Random(2_000_000));
            var fullAgain = await Should.ThrowAsync<ProblemException>(() => store.AppendAsync(Owner, id, 0, more, Ct));
            fullAgain.Problem.Type.ShouldBe(KernelProblems.StorageFull);
            (await store.AbortUploadAsync(Owner, id, Ct)).ShouldBeTrue();
        }
        finally
        {
            await ServerProcess.RunAsync("umount", ["-l", disk], CancellationToken.None);
        }
    }

    [Fact]
    public async Task What_a_crash_left_of_a_put_is_swept_after_a_day()
    {
        var left = Path.Combine(folder, Owner.ToString(), "incoming", UploadId.New(Clock).ToString());
        Directory.CreateDirectory(Path.GetDirectoryName(left)!);
        await File.WriteAllBytesAsync(left, Random(1000), Ct);

        (await Store.SweepAsync(Ct)).Incoming.ShouldBe(0);
        Clock.Advance(TimeSpan.FromHours(25));
        (await Store.SweepAsync(Ct)).ShouldBe(new SweepCount(0, 1, 0));

        File.Exists(left).ShouldBeFalse();
    }

    [Fact]
    public async Task What_is_not_ours_is_neither_listed_nor_swept()
    {
        var digest = await PutAsync(Random(10));
        string[] alien = ["notes.txt", $"{Owner}/blobs/sha256/{digest.Hex[..2]}/readme", $"{Owner}/uploads/x/data"];
        foreach (var path in alien.Select(path => Path.Combine(folder, path)))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, "mine", Ct);
        }
        Clock.Advance(TimeSpan.FromDays(100));

        (await Store.SweepAsync(Ct)).ShouldBe(new SweepCount(0, 0, 0));
        (await Store.ListAsync(Owner, Ct).ToListAsync(Ct)).Select(blob => blob.Digest).ShouldBe([digest]);
        alien.ShouldAllBe(path => File.Exists(Path.Combine(folder, path)));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_is_refused_with_its_name()
    {
        var file = Path.Combine(folder, "file");
        await File.WriteAllTextAsync(file, "", Ct);

        Should.Throw<BlobLocationException>(() => Open(Path.Combine(file, "blobs"))).Message.ShouldContain(file);
    }

    [Fact]
    public async Task A_folder_cannot_prove_a_region()
    {
        var refused = await Should.ThrowAsync<BlobLocationException>(() =>
            Store.RequireRegionAsync("eu-central-1", Ct)
        );

        refused.Message.ShouldContain("eu-central-1");
    }

    [Fact]
    public async Task A_killed_process_leaves_no_wrong_blob_and_loses_no_finished_one()
    {
        for (var round = 0; round < 5; round++)
        {
            using var child = ChildProcess.Start("put-until-killed", Store.Location, Owner.ToString());
            var stopAt = "half " + (3 + 4 * round).ToString(CultureInfo.InvariantCulture);
            var done = 0;
            while (await child.StandardOutput.ReadLineAsync(Ct) is { } line && line != stopAt)
                done += line.StartsWith("done", StringComparison.Ordinal) ? 1 : 0;
            child.Kill();
            await child.WaitForExitAsync(Ct);

            done.ShouldBe(2 + 4 * round);
            for (var seed = 1; seed <= done; seed++)
            {
                var digest = PatternStream.DigestOf(seed, 1024 * 1024);
                (await Store.ReadAllAsync(Owner, digest, int.MaxValue, Ct)).ShouldBeOfType<ReadOutcome.Read>();
            }
            await foreach (var blob in Store.ListAsync(Owner, Ct))
                (await Store.ReadAllAsync(Owner, blob.Digest, int.MaxValue, Ct)).ShouldBeOfType<ReadOutcome.Read>();
        }
        Clock.Advance(TimeSpan.FromHours(25));
        (await Store.SweepAsync(Ct)).Incoming.ShouldBeGreaterThan(0);
        (await KeysAsync()).ShouldAllBe(key => key.Contains("/blobs/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_large_blob_goes_through_in_constant_memory() =>
        (await ChildProcess.GrowthOfThroughAsync(Store.Location, Owner, 256L * 1024 * 1024, null, Ct)).ShouldBeLessThan(
            64L * 1024 * 1024
        );

    private FileBlobStore Open(string path) => new(path, Clock, NullLogger<FileBlobStore>.Instance);

    /// <summary>Tells that it is read, and has nothing once released.</summary>
    private sealed class PausingStream(TaskCompletionSource reached, TaskCompletionSource release) : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            reached.TrySetResult();
            await release.Task;
            return 0;
        }
    }
}

using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Extensions.Hosting;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Blobs;

/// <summary>One S3 server for all tests of it: it takes its time to start.</summary>
public sealed class Ceph : IAsyncLifetime
{
    private CephFixture? server;

    public CephFixture Server => server ?? throw new InvalidOperationException("The server is not started yet.");

    public async ValueTask InitializeAsync() => server = await CephFixture.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
    }
}

public sealed class S3BlobStoreTests(Ceph ceph) : BlobStoreTests, IClassFixture<Ceph>, IAsyncLifetime
{
    private readonly AmazonS3Client raw = ceph.Server.Client();
    private readonly RecordingLoggers loggers = new();
    private string bucket = "";
    private IBlobStore? store;

    protected override IBlobStore Store => store!;

    public async ValueTask InitializeAsync()
    {
        bucket = await ceph.Server.CreateBucketAsync(Ct);
        store = Open(bucket, new BlobCredentials(ceph.Server.AccessKey, ceph.Server.SecretKey));
    }

    public ValueTask DisposeAsync()
    {
        raw.Dispose();
        (store as IDisposable)?.Dispose();
        loggers.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override async Task<IReadOnlyList<string>> KeysAsync()
    {
        var parts = await raw.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = bucket }, Ct);
        (parts.MultipartUploads ?? []).ShouldBeEmpty();
        var found = await raw.ListObjectsV2Async(new ListObjectsV2Request { BucketName = bucket }, Ct);
        return [.. (found.S3Objects ?? []).Select(stored => stored.Key["some/where/".Length..])];
    }

    protected override async Task ReplaceAsync(string key, byte[] bytes)
    {
        using var content = new MemoryStream(bytes);
        await raw.PutObjectAsync(
            new PutObjectRequest
            {
                BucketName = bucket,
                Key = "some/where/" + key,
                InputStream = content,
                UseChunkEncoding = false,
            },
            Ct
        );
    }

    [Fact]
    public async Task A_blob_in_many_parts_is_read_back()
    {
        var bytes = Random(50_000_000);

        (await ReadAsync(await PutAsync(bytes))).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public async Task Clients_that_send_slowly_keep_nobody_else_from_storing()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var slow = Enumerable
            .Range(0, 20)
            .Select(i =>
                Store.PutAsync(Owner, Digest.Of([(byte)i]), null, new Arriving(new byte[10], ends: false), stop.Token)
            )
            .ToList();
        var bytes = Random(1000);

        await Store.PutBytesAsync(Owner, bytes, Ct).WaitAsync(TimeSpan.FromSeconds(60), Ct);
        var stranger = new OwnerId(Guid.CreateVersion7());
        using var arriving = new Arriving(bytes, ends: true);
        (
            await Store.PutAsync(stranger, Digest.Of(bytes), 1000, arriving, Ct).WaitAsync(TimeSpan.FromSeconds(60), Ct)
        ).ShouldBeOfType<PutOutcome.Stored>();

        await stop.CancelAsync();
        foreach (var one in slow)
            await Should.ThrowAsync<OperationCanceledException>(() => one);
    }

    [Fact]
    public async Task A_part_that_does_not_come_in_time_is_refused_and_an_upload_keeps_what_came()
    {
        using var hasty = (IDisposable)
            BlobStores.Open(
                At(bucket),
                new BlobCredentials(ceph.Server.AccessKey, ceph.Server.SecretKey),
                new HastyClock(),
                loggers
            );
        var impatient = (IBlobStore)hasty;
        var id = ((BeginUploadOutcome.Begun)await impatient.BeginUploadAsync(Owner, Ct)).Id;
        using var appended = new Arriving(Random(10), ends: false);
        using var put = new Arriving(Random(10), ends: false);

        foreach (
            var act in (Func<Task>[])
                [
                    () => impatient.AppendAsync(Owner, id, 0, appended, Ct),
                    () => impatient.PutAsync(Owner, Digest.Of("x"u8), null, put, Ct),
                ]
        )
        {
            var late = await Should.ThrowAsync<ProblemException>(act);
            late.Problem.Type.Status.ShouldBe(408);
        }

        (await impatient.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBe(10);
        (await impatient.AbortUploadAsync(Owner, id, Ct)).ShouldBeTrue();
    }

    [Theory]
    [InlineData(1, 0, "Stored")]
    [InlineData(1, 1, "AlreadyStored")]
    [InlineData(99, 0, null)]
    public async Task A_conflict_with_another_write_is_looked_at_and_tried_again(
        int conflicts,
        int found,
        string? outcome
    )
    {
        await using var contended = new ContendedServer(conflicts, isThereAfterwards: found == 1);
        using var opened = (IDisposable)
            BlobStores.Open(
                $"s3://any/x?endpoint={contended.Address}&region=eu-test-1&pathStyle=true",
                new BlobCredentials("a", "b"),
                Clock,
                loggers
            );
        using var content = new MemoryStream("x"u8.ToArray());
        var put = ((IBlobStore)opened).PutAsync(Owner, Digest.Of("x"u8), 1, content, Ct);

        if (outcome is null)
            (await Should.ThrowAsync<ProblemException>(() => put)).Problem.Type.ShouldBe(KernelProblems.Unavailable);
        else
            (await put).GetType().Name.ShouldBe(outcome);
    }

    [Fact]
    public async Task A_wrong_secret_is_unavailable_and_never_logged()
    {
        var secret = "s3cr3t-" + Guid.CreateVersion7();
        var stranger = Open(bucket, new BlobCredentials(ceph.Server.AccessKey, secret));

        var refused = await Should.ThrowAsync<ProblemException>(() => stranger.CheckAsync(Ct));

        refused.Problem.Type.ShouldBe(KernelProblems.Unavailable);
        loggers.Text.ShouldContain("SignatureDoesNotMatch");
        loggers.Text.ShouldNotContain(secret);
        refused.ToString().ShouldNotContain(secret);
        new BlobCredentials("a", secret).ToString().ShouldNotContain(secret);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_unavailable()
    {
        var nobody = BlobStores.Open(
            $"s3://{bucket}/x?endpoint=http://127.0.0.1:{ServerProcess.FreePort()}&region=eu-test-1",
            new BlobCredentials("a", "b"),
            Clock,
            loggers
        );

        var failed = await Should.ThrowAsync<ProblemException>(() => nobody.PutBytesAsync(Owner, Random(10), Ct));

        failed.Problem.Type.ShouldBe(KernelProblems.Unavailable);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_unavailable()
    {
        var nowhere = Open("nowhere-at-all", new BlobCredentials(ceph.Server.AccessKey, ceph.Server.SecretKey));

        (await Should.ThrowAsync<ProblemException>(() => nowhere.CheckAsync(Ct))).Problem.Type.ShouldBe(
            KernelProblems.Unavailable
        );
    }

    [Fact]
    public async Task A_full_quota_is_told_and_leaves_nothing()
    {
        var (accessKey, secretKey, limited) = await ceph.Server.CreateLimitedUserAsync(1_000_000, Ct);
        var small = Open(limited, new BlobCredentials(accessKey, secretKey));

        var full = await Should.ThrowAsync<ProblemException>(() => small.PutBytesAsync(Owner, Random(2_000_000), Ct));
        var fullInParts = await Should.ThrowAsync<ProblemException>(() =>
            small.PutBytesAsync(Owner, Random(20_000_000), Ct)
        );

        full.Problem.Type.ShouldBe(KernelProblems.StorageFull);
        fullInParts.Problem.Type.ShouldBe(KernelProblems.StorageFull);
        (await small.ListAsync(Owner, Ct).ToListAsync(Ct)).ShouldBeEmpty();
        await small.PutBytesAsync(Owner, Random(1000), Ct);
    }

    [Fact]
    public async Task The_buckets_region_can_be_required()
    {
        await Store.RequireRegionAsync(CephFixture.Region, Ct);

        var refused = await Should.ThrowAsync<BlobLocationException>(() => Store.RequireRegionAsync("us-east-1", Ct));

        refused.Message.ShouldContain("us-east-1");
        refused.Message.ShouldContain(CephFixture.Region);
    }

    [Fact]
    public async Task A_host_does_not_start_on_a_bucket_in_another_region()
    {
        foreach (var (region, starts) in ((string, bool)[])[("us-east-1", false), (CephFixture.Region, true)])
        {
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.Configuration["PLATEN_BLOBS_ACCESS_KEY"] = ceph.Server.AccessKey;
            builder.Configuration["PLATEN_BLOBS_SECRET_KEY"] = ceph.Server.SecretKey;
            builder.Services.AddBlobStore(At(bucket), region);
            using var host = builder.Build();
            if (starts)
            {
                await host.StartAsync(Ct);
                await host.StopAsync(Ct);
                continue;
            }
            var refused = await Should.ThrowAsync<BlobLocationException>(() => host.StartAsync(Ct));
            refused.Message.ShouldContain($"'us-east-1', but the bucket of");
            refused.Message.ShouldContain($"is in '{CephFixture.Region}'");
        }
    }

    [Fact]
    public async Task Parts_that_a_crash_left_are_swept_after_a_day()
    {
        await raw.InitiateMultipartUploadAsync(
            new InitiateMultipartUploadRequest
            {
                BucketName = bucket,
                Key = "some/where/" + Key("blobs", Digest.Of("x"u8)),
            },
            Ct
        );

        (await Store.SweepAsync(Ct)).Incoming.ShouldBe(0);
        Clock.Advance(TimeSpan.FromHours(25));
        (await Store.SweepAsync(Ct)).Incoming.ShouldBe(1);

        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_large_blob_goes_through_in_constant_memory()
    {
        var credentials = new BlobCredentials(ceph.Server.AccessKey, ceph.Server.SecretKey);

        (
            await ChildProcess.GrowthOfThroughAsync(At(bucket), Owner, 128L * 1024 * 1024, credentials, Ct)
        ).ShouldBeLessThan(64L * 1024 * 1024);
    }

    private IBlobStore Open(string name, BlobCredentials credentials) =>
        BlobStores.Open(At(name), credentials, Clock, loggers);

    private string At(string name) =>
        $"s3://{name}/some/where?endpoint={ceph.Server.Endpoint}&region={CephFixture.Region}&pathStyle=true";

    /// <summary>Bytes that a client sends, which then goes on or is done.</summary>
    private sealed class Arriving(byte[] bytes, bool ends) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            var read = Read(buffer.Span);
            if (read == 0 && !ends)
                await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
            return read;
        }
    }

    /// <summary>Whose times are out at once.</summary>
    private sealed class HastyClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, TimeSpan.Zero, period);
    }

    /// <summary>Answers as S3 does while another write of the object is under way, so many times.</summary>
    private sealed class ContendedServer : IAsyncDisposable
    {
        private readonly HttpListener listener = new();
        private readonly Task answering;
        private int left;

        public ContendedServer(int conflicts, bool isThereAfterwards)
        {
            left = conflicts;
            Address = $"http://127.0.0.1:{ServerProcess.FreePort()}";
            listener.Prefixes.Add(Address + "/");
            listener.Start();
            answering = AnswerAsync(isThereAfterwards);
        }

        public string Address { get; }

        public async ValueTask DisposeAsync()
        {
            listener.Close();
            await answering;
        }

        private async Task AnswerAsync(bool isThereAfterwards)
        {
            var hasConflicted = false;
            while (true)
            {
                HttpListenerContext context;
                try
                {
                    context = await listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
                await context.Request.InputStream.CopyToAsync(Stream.Null);
                var answer = context.Response;
                if (context.Request.HttpMethod == "HEAD")
                {
                    answer.StatusCode = hasConflicted && isThereAfterwards ? 200 : 404;
                }
                else if (left-- > 0)
                {
                    hasConflicted = true;
                    answer.StatusCode = 409;
                    answer.ContentType = "application/xml";
                    await answer.OutputStream.WriteAsync(
                        "<Error><Code>ConditionalRequestConflict</Code><Message>x</Message></Error>"u8.ToArray()
                    );
                }
                answer.Close();
            }
        }
    }
}

using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel;
using Platen.Platform.Blobs;

namespace Platen.Platform.Tests.Blobs;

/// <summary>What every blob store does. A store's own class says how to make one and how to damage what it keeps.</summary>
public abstract class BlobStoreTests
{
    private const int Part = 8 * 1024 * 1024;

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected OwnerId Owner { get; } = new(Guid.CreateVersion7());

    protected ManualClock Clock { get; } = new();

    protected abstract IBlobStore Store { get; }

    /// <summary>Every key that the store holds now, of any owner.</summary>
    protected abstract Task<IReadOnlyList<string>> KeysAsync();

    /// <summary>Replaces stored bytes behind the store's back.</summary>
    protected abstract Task ReplaceAsync(string key, byte[] bytes);

    protected static byte[] Random(int sizeBytes) => RandomNumberGenerator.GetBytes(sizeBytes);

    protected async Task<Digest> PutAsync(byte[] bytes)
    {
        var digest = Digest.Of(bytes);
        (await PutAsync(digest, bytes, bytes.Length)).ShouldBeOfType<PutOutcome.Stored>();
        return digest;
    }

    protected async Task<PutOutcome> PutAsync(Digest digest, byte[] bytes, long? sizeBytes)
    {
        using var content = new MemoryStream(bytes);
        return await Store.PutAsync(Owner, digest, sizeBytes, content, Ct);
    }

    protected async Task<byte[]> ReadAsync(Digest digest)
    {
        var found = (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Found>();
        await using var content = found.Content;
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, Ct);
        copy.Length.ShouldBe(found.SizeBytes);
        return copy.ToArray();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128 * 1024 - 1)]
    [InlineData(128 * 1024)]
    [InlineData(128 * 1024 + 1)]
    [InlineData(Part - 1)]
    [InlineData(Part)]
    [InlineData(Part + 1)]
    [InlineData(2 * Part)]
    [InlineData(2 * Part + 12345)]
    public async Task What_is_put_is_read_back(int sizeBytes)
    {
        var bytes = Random(sizeBytes);
        var digest = Digest.Of(bytes);

        (await PutAsync(digest, bytes, sizeBytes % 2 == 0 ? sizeBytes : null)).ShouldBeOfType<PutOutcome.Stored>();

        (await ReadAsync(digest)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
        (await Store.StatAsync(Owner, digest, Ct)).ShouldNotBeNull().SizeBytes.ShouldBe(sizeBytes);
        (await KeysAsync()).ShouldBe([Key("blobs", digest)]);
    }

    [Fact]
    public void Any_bytes_are_read_back() =>
        Prop.ForAll<byte[]>(bytes =>
            {
                var digest = Store.PutBytesAsync(Owner, bytes, Ct).GetAwaiter().GetResult();
                var read = Store.ReadAllAsync(Owner, digest, bytes.Length, Ct).GetAwaiter().GetResult();
                return read is ReadOutcome.Read { Bytes: var actual } && actual.Span.SequenceEqual(bytes);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(25));

    [Fact]
    public async Task Many_are_put_in_one_go_those_that_are_there_and_those_that_are_not()
    {
        // More than one batch, and one of them is there.
        var contents = Enumerable.Range(0, 140).Select(i => Random(i * 50)).ToList();
        await PutAsync(contents[3]);
        var blobs = contents.ConvertAll(bytes => new BlobBytes(Digest.Of(bytes), bytes));
        await Task.WhenAll(
            Store.PutAllAsync(Owner, blobs, Ct),
            Store.PutAllAsync(Owner, blobs, Ct),
            Store.PutAllAsync(Owner, [.. blobs.Take(10)], Ct)
        );
        foreach (var (digest, bytes) in blobs)
            (await ReadAsync(digest)).AsSpan().SequenceEqual(bytes.Span).ShouldBeTrue();
        (await KeysAsync()).ShouldBe(blobs.Select(one => Key("blobs", one.Digest)), ignoreOrder: true);
        await Store.PutAllAsync(Owner, [], Ct);

        var other = Digest.Of("something else"u8);
        await Should.ThrowAsync<ArgumentException>(() =>
            Store.PutAllAsync(Owner, [new BlobBytes(other, Random(10))], Ct)
        );
        (await Store.StatAsync(Owner, other, Ct)).ShouldBeNull();
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(Part + 1000)]
    public async Task Content_with_another_digest_is_refused_and_leaves_nothing(int sizeBytes)
    {
        var bytes = Random(sizeBytes);
        var declared = Digest.Of("something else"u8);

        (await PutAsync(declared, bytes, sizeBytes)).ShouldBe(new PutOutcome.WrongDigest(Digest.Of(bytes)));
        (await PutAsync(declared, bytes, null)).ShouldBe(new PutOutcome.WrongDigest(Digest.Of(bytes)));

        (await Store.OpenAsync(Owner, declared, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
        (await KeysAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1000, 999)]
    [InlineData(1000, 1001)]
    [InlineData(1000, 0)]
    [InlineData(2 * Part, 2 * Part - 1)]
    [InlineData(2 * Part, 2 * Part + 1)]
    [InlineData(2 * Part, 10)]
    public async Task Content_of_another_size_is_refused_and_leaves_nothing(int sizeBytes, int declaredBytes)
    {
        var bytes = Random(sizeBytes);

        (await PutAsync(Digest.Of(bytes), bytes, declaredBytes)).ShouldBeOfType<PutOutcome.WrongSize>();

        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_blob_is_read_without_a_break_while_uploads_of_it_are_completed()
    {
        var bytes = Random(10_000);
        var digest = await PutAsync(bytes);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var reading = Task.Run(
            async () =>
            {
                var read = 0;
                for (; !stop.IsCancellationRequested; read++)
                    (await ReadAsync(digest)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
                return read;
            },
            Ct
        );
        for (var i = 0; i < 20; i++)
        {
            var id = await BeginAsync();
            await AppendAsync(id, 0, bytes);
            (await Store.CompleteUploadAsync(Owner, id, digest, Ct)).ShouldBe(
                new CompleteUploadOutcome.Completed(bytes.Length, New: false)
            );
        }
        await stop.CancelAsync();
        (await reading).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task A_blob_above_the_limit_is_refused_unread()
    {
        (await PutAsync(Digest.Of("x"u8), [.. "x"u8], BlobLimits.BlobBytes + 1)).ShouldBe(
            new PutOutcome.TooLarge(BlobLimits.BlobBytes)
        );
    }

    [Fact]
    public async Task What_was_never_put_is_missing()
    {
        var digest = Digest.Of("never"u8);

        (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
        (await Store.OpenRangeAsync(Owner, digest, 0, 1, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
        (await Store.ReadAllAsync(Owner, digest, 100, Ct)).ShouldBeOfType<ReadOutcome.Missing>();
        (await Store.StatAsync(Owner, digest, Ct)).ShouldBeNull();
        (await Store.DeleteAsync(Owner, digest, null, Ct)).ShouldBeFalse();
    }

    [Fact]
    public async Task Owners_share_nothing()
    {
        var digest = await PutAsync(Random(100));
        var stranger = new OwnerId(Guid.CreateVersion7());

        (await Store.OpenAsync(stranger, digest, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
        (await Store.StatAsync(stranger, digest, Ct)).ShouldBeNull();
        (await Store.DeleteAsync(stranger, digest, null, Ct)).ShouldBeFalse();
        (await Store.StatAsync(Owner, digest, Ct)).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_repeated_put_says_so_and_still_checks_the_content()
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);

        (await PutAsync(digest, bytes, bytes.Length)).ShouldBeOfType<PutOutcome.AlreadyStored>();
        (await PutAsync(digest, bytes, null)).ShouldBeOfType<PutOutcome.AlreadyStored>();
        (await PutAsync(digest, Random(1000), 1000)).ShouldBeOfType<PutOutcome.WrongDigest>();
        (await PutAsync(digest, Random(999), 999)).ShouldBeOfType<PutOutcome.WrongDigest>();
        (await ReadAsync(digest)).ShouldBe(bytes);
    }

    [Fact]
    public async Task A_repeated_put_makes_the_blob_young_again()
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);
        Clock.Advance(TimeSpan.FromHours(30));
        var before = (await Store.StatAsync(Owner, digest, Ct))!.StoredAt;

        (await PutAsync(digest, bytes, bytes.Length)).ShouldBeOfType<PutOutcome.AlreadyStored>();

        (await Store.StatAsync(Owner, digest, Ct))!.StoredAt.ShouldBeGreaterThanOrEqualTo(before);
        (await ReadAsync(digest)).ShouldBe(bytes);
    }

    [Fact]
    public async Task Concurrent_identical_puts_are_one()
    {
        var bytes = Random(50_000);
        var digest = Digest.Of(bytes);

        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => Task.Run(() => PutAsync(digest, bytes, bytes.Length), Ct))
        );

        outcomes.Count(outcome => outcome is PutOutcome.Stored).ShouldBe(1);
        outcomes.Count(outcome => outcome is PutOutcome.AlreadyStored).ShouldBe(15);
        (await KeysAsync()).ShouldBe([Key("blobs", digest)]);
        (await ReadAsync(digest)).ShouldBe(bytes);
    }

    [Theory]
    [InlineData("first byte changed", 300_000)]
    [InlineData("last byte changed", 300_000)]
    [InlineData("last byte changed", 1)]
    [InlineData("cut short", 300_000)]
    [InlineData("emptied", 300_000)]
    [InlineData("made longer", 300_000)]
    [InlineData("made longer", 0)]
    public async Task A_damaged_blob_never_arrives_whole_is_told_from_a_missing_one_and_heals(string how, int sizeBytes)
    {
        var bytes = Random(sizeBytes);
        var digest = await PutAsync(bytes);
        await ReplaceAsync(Key("blobs", digest), Damage(bytes, how));

        var found = (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Found>();
        using var arrived = new MemoryStream();
        await using (found.Content)
        {
            var corrupt = await Should.ThrowAsync<BlobCorruptException>(() => found.Content.CopyToAsync(arrived, Ct));
            corrupt.Digest.ShouldBe(digest);
            corrupt.Owner.ShouldBe(Owner);
        }

        arrived.Length.ShouldBeLessThan(Math.Max(1, found.SizeBytes));
        (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Corrupt>();
        (await Store.OpenRangeAsync(Owner, digest, 0, 1, Ct)).ShouldBeOfType<OpenOutcome.Corrupt>();
        (await Store.StatAsync(Owner, digest, Ct)).ShouldBeNull();
        (await KeysAsync()).ShouldBe([Key("quarantine", digest)]);
        (await PutAsync(digest, bytes, sizeBytes)).ShouldBeOfType<PutOutcome.Stored>();
        (await ReadAsync(digest)).ShouldBe(bytes);
    }

    [Fact]
    public async Task A_damaged_blob_is_not_read_into_memory()
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);
        await ReplaceAsync(Key("blobs", digest), Damage(bytes, "last byte changed"));

        (await Store.ReadAllAsync(Owner, digest, 1000, Ct)).ShouldBeOfType<ReadOutcome.Corrupt>();
        (await Store.ReadAllAsync(Owner, digest, 1000, Ct)).ShouldBeOfType<ReadOutcome.Corrupt>();
    }

    [Fact]
    public async Task Quarantined_bytes_are_kept_thirty_days()
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);
        await ReplaceAsync(Key("blobs", digest), Damage(bytes, "cut short"));
        (await Store.ReadAllAsync(Owner, digest, 1000, Ct)).ShouldBeOfType<ReadOutcome.Corrupt>();

        Clock.Advance(TimeSpan.FromDays(29));
        (await Store.SweepAsync(Ct)).Quarantined.ShouldBe(0);
        Clock.Advance(TimeSpan.FromDays(2));
        (await Store.SweepAsync(Ct)).Quarantined.ShouldBe(1);

        (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
    }

    [Fact]
    public async Task A_blob_larger_than_asked_for_is_not_read_into_memory()
    {
        var digest = await PutAsync(Random(1000));

        (await Store.ReadAllAsync(Owner, digest, 999, Ct)).ShouldBe(new ReadOutcome.TooLarge(1000));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 1000)]
    [InlineData(0, long.MaxValue)]
    [InlineData(1, 998)]
    [InlineData(999, 1)]
    [InlineData(999, 50)]
    [InlineData(500, long.MaxValue)]
    public async Task A_range_gives_its_bytes(long offset, long lengthBytes)
    {
        var bytes = Random(1000);
        var digest = await PutAsync(bytes);

        var found = (
            await Store.OpenRangeAsync(Owner, digest, offset, lengthBytes, Ct)
        ).ShouldBeOfType<OpenOutcome.Found>();
        await using var content = found.Content;
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, Ct);

        var expected = bytes.AsSpan((int)offset, (int)Math.Min(lengthBytes, 1000 - offset)).ToArray();
        copy.ToArray().ShouldBe(expected);
        found.LengthBytes.ShouldBe(expected.Length);
        found.SizeBytes.ShouldBe(1000);
    }

    [Fact]
    public async Task A_range_beyond_the_end_says_how_large_the_blob_is()
    {
        var digest = await PutAsync(Random(1000));
        var empty = await PutAsync([]);

        (await Store.OpenRangeAsync(Owner, digest, 1000, 1, Ct)).ShouldBe(new OpenOutcome.OutOfRange(1000));
        (await Store.OpenRangeAsync(Owner, digest, long.MaxValue, 1, Ct)).ShouldBe(new OpenOutcome.OutOfRange(1000));
        (await Store.OpenRangeAsync(Owner, empty, 0, 1, Ct)).ShouldBe(new OpenOutcome.OutOfRange(0));
        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => Store.OpenRangeAsync(Owner, digest, -1, 1, Ct));
        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => Store.OpenRangeAsync(Owner, digest, 0, 0, Ct));
    }

    [Fact]
    public async Task A_reader_that_stops_early_harms_nothing()
    {
        var bytes = Random(3_000_000);
        var digest = await PutAsync(bytes);

        var found = (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Found>();
        await using (found.Content)
            await found.Content.ReadExactlyAsync(new byte[10], Ct);

        (await ReadAsync(digest)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public async Task A_deleted_blob_is_missing()
    {
        var digest = await PutAsync(Random(1000));

        (await Store.DeleteAsync(Owner, digest, null, Ct)).ShouldBeTrue();
        (await Store.DeleteAsync(Owner, digest, null, Ct)).ShouldBeFalse();

        (await Store.OpenAsync(Owner, digest, Ct)).ShouldBeOfType<OpenOutcome.Missing>();
        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_refreshed_is_there_and_what_is_gone_is_said_to_be()
    {
        var digest = await PutAsync(Random(1000));
        var storedAt = (await Store.StatAsync(Owner, digest, Ct))!.StoredAt;

        (await Store.RefreshAsync(Owner, digest, Ct)).ShouldBeTrue();
        (await Store.StatAsync(Owner, digest, Ct))!.StoredAt.ShouldBeGreaterThanOrEqualTo(storedAt);
        (await Store.DeleteAsync(Owner, digest, null, Ct)).ShouldBeTrue();
        (await Store.RefreshAsync(Owner, digest, Ct)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_collection_spares_what_is_young()
    {
        var digest = await PutAsync(Random(1000));
        var storedAt = (await Store.StatAsync(Owner, digest, Ct))!.StoredAt;

        (await Store.DeleteAsync(Owner, digest, storedAt, Ct)).ShouldBeFalse();
        (await Store.DeleteAsync(Owner, digest, storedAt.AddHours(-1), Ct)).ShouldBeFalse();
        (await Store.DeleteAsync(Owner, digest, storedAt.AddHours(1), Ct)).ShouldBeTrue();
    }

    [Fact]
    public async Task Listing_gives_an_owners_blobs_by_digest_and_every_owner()
    {
        var digests = new List<Digest>();
        for (var i = 0; i < 20; i++)
            digests.Add(await PutAsync(Random(i)));

        var listed = await Store.ListAsync(Owner, Ct).ToListAsync(Ct);

        listed.Select(blob => blob.Digest).ShouldBe(digests.Order());
        listed.Sum(blob => blob.SizeBytes).ShouldBe(Enumerable.Range(0, 20).Sum());
        (await Store.ListOwnersAsync(Ct).ToListAsync(Ct)).ShouldBe([Owner]);
        (await Store.ListAsync(new OwnerId(Guid.CreateVersion7()), Ct).ToListAsync(Ct)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(10)]
    [InlineData(Part + 10)]
    public async Task A_content_that_breaks_off_passes_through_and_leaves_nothing(int atByte)
    {
        await using var content = new BreakingStream(atByte);

        await Should.ThrowAsync<BrokenOffException>(() =>
            Store.PutAsync(Owner, Digest.Of("x"u8), 3 * Part, content, Ct)
        );

        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_cancelled_put_leaves_nothing()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using var content = new BreakingStream(Part + 10, stop.Cancel);

        await Should.ThrowAsync<OperationCanceledException>(() =>
            Store.PutAsync(Owner, Digest.Of("x"u8), 3 * Part, content, stop.Token)
        );

        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_check_leaves_nothing()
    {
        await Store.CheckAsync(Ct);

        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Operations_bytes_and_corruptions_are_measured()
    {
        var measured = new Dictionary<string, double>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "Platen.Blobs")
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument.Name, value));
        listener.SetMeasurementEventCallback<double>((instrument, _, _, _) => Add(instrument.Name, 1));
        listener.Start();
        var bytes = Random(5000);
        var digest = await PutAsync(bytes);
        await ReadAsync(digest);
        await ReplaceAsync(Key("blobs", digest), Damage(bytes, "first byte changed"));
        (await Store.ReadAllAsync(Owner, digest, 5000, Ct)).ShouldBeOfType<ReadOutcome.Corrupt>();

        lock (measured)
        {
            measured["platen.blobs.written"].ShouldBeGreaterThanOrEqualTo(5000);
            measured["platen.blobs.read"].ShouldBeGreaterThanOrEqualTo(10_000);
            measured["platen.blobs.corruptions"].ShouldBeGreaterThanOrEqualTo(1);
            measured["platen.blobs.operations"].ShouldBeGreaterThanOrEqualTo(3);
            measured["platen.blobs.operation.duration"].ShouldBeGreaterThanOrEqualTo(3);
        }

        void Add(string name, double value)
        {
            lock (measured)
                measured[name] = measured.GetValueOrDefault(name) + value;
        }
    }

    [Fact]
    public async Task An_upload_is_appended_to_asked_about_and_completed()
    {
        var bytes = Random(Part + 300_000);
        var id = await BeginAsync();

        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBe(0);
        (await AppendAsync(id, 0, bytes[..100_000])).ShouldBe(new AppendOutcome.Appended(100_000));
        (await AppendAsync(id, 100_000, bytes[100_000..])).ShouldBe(new AppendOutcome.Appended(bytes.Length));
        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBe(bytes.Length);
        (await Store.CompleteUploadAsync(Owner, id, Digest.Of(bytes), Ct)).ShouldBe(
            new CompleteUploadOutcome.Completed(bytes.Length, New: true)
        );

        (await ReadAsync(Digest.Of(bytes))).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
        (await KeysAsync()).ShouldBe([Key("blobs", Digest.Of(bytes))]);
        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBeNull();
        (
            await Store.CompleteUploadAsync(Owner, id, Digest.Of(bytes), Ct)
        ).ShouldBeOfType<CompleteUploadOutcome.Missing>();
    }

    [Fact]
    public async Task An_upload_without_bytes_is_the_empty_blob()
    {
        var id = await BeginAsync();

        (await AppendAsync(id, 0, [])).ShouldBe(new AppendOutcome.Appended(0));
        (await Store.CompleteUploadAsync(Owner, id, Digest.Of([]), Ct)).ShouldBe(
            new CompleteUploadOutcome.Completed(0, New: true)
        );
    }

    [Fact]
    public async Task An_append_elsewhere_than_at_the_end_says_where_the_end_is()
    {
        var id = await BeginAsync();
        await AppendAsync(id, 0, Random(1000));

        (await AppendAsync(id, 0, Random(10))).ShouldBe(new AppendOutcome.WrongOffset(1000));
        (await AppendAsync(id, 999, Random(10))).ShouldBe(new AppendOutcome.WrongOffset(1000));
        (await AppendAsync(id, 1001, Random(10))).ShouldBe(new AppendOutcome.WrongOffset(1000));
        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBe(1000);
    }

    [Fact]
    public async Task Of_concurrent_appends_at_one_offset_one_counts()
    {
        var id = await BeginAsync();
        byte[][] contents = [.. Enumerable.Range(0, 8).Select(i => Random(10_000 + i))];

        var outcomes = await Task.WhenAll(contents.Select(content => Task.Run(() => AppendAsync(id, 0, content), Ct)));

        var winner = outcomes.Select((outcome, i) => (outcome, i)).Single(x => x.outcome is AppendOutcome.Appended).i;
        outcomes.Count(outcome => outcome is AppendOutcome.WrongOffset or AppendOutcome.Busy).ShouldBe(7);
        (await Store.CompleteUploadAsync(Owner, id, Digest.Of(contents[winner]), Ct)).ShouldBe(
            new CompleteUploadOutcome.Completed(contents[winner].Length, New: true)
        );
    }

    [Fact]
    public async Task An_upload_with_another_digest_is_refused_and_removed()
    {
        var bytes = Random(1000);
        var id = await BeginAsync();
        await AppendAsync(id, 0, bytes);

        (await Store.CompleteUploadAsync(Owner, id, Digest.Of("other"u8), Ct)).ShouldBe(
            new CompleteUploadOutcome.WrongDigest(Digest.Of(bytes))
        );

        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBeNull();
        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_upload_of_a_stored_blob_says_that_it_is_not_new()
    {
        var bytes = Random(1000);
        await PutAsync(bytes);
        var id = await BeginAsync();
        await AppendAsync(id, 0, bytes);

        (await Store.CompleteUploadAsync(Owner, id, Digest.Of(bytes), Ct)).ShouldBe(
            new CompleteUploadOutcome.Completed(1000, New: false)
        );
    }

    [Fact]
    public async Task An_upload_goes_on_after_its_content_broke_off()
    {
        var bytes = Random(Part + 50_000);
        var id = await BeginAsync();
        await using (var content = new BreakingStream(Part + 20_000, from: bytes))
        {
            await Should.ThrowAsync<BrokenOffException>(() => Store.AppendAsync(Owner, id, 0, content, Ct));
        }

        var offset = (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldNotBeNull();
        offset.ShouldBeInRange(Part, Part + 20_000);
        (await AppendAsync(id, offset, bytes[(int)offset..])).ShouldBe(new AppendOutcome.Appended(bytes.Length));
        (await Store.CompleteUploadAsync(Owner, id, Digest.Of(bytes), Ct)).ShouldBe(
            new CompleteUploadOutcome.Completed(bytes.Length, New: true)
        );
    }

    [Fact]
    public async Task Another_owner_does_not_see_an_upload()
    {
        var id = await BeginAsync();
        var stranger = new OwnerId(Guid.CreateVersion7());

        (await Store.GetUploadOffsetAsync(stranger, id, Ct)).ShouldBeNull();
        using var content = new MemoryStream(Random(10));
        (await Store.AppendAsync(stranger, id, 0, content, Ct)).ShouldBeOfType<AppendOutcome.Missing>();
        (
            await Store.CompleteUploadAsync(stranger, id, Digest.Of([]), Ct)
        ).ShouldBeOfType<CompleteUploadOutcome.Missing>();
        (await Store.AbortUploadAsync(stranger, id, Ct)).ShouldBeFalse();
        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBe(0);
    }

    [Fact]
    public async Task An_aborted_upload_leaves_nothing()
    {
        var id = await BeginAsync();
        await AppendAsync(id, 0, Random(1000));

        (await Store.AbortUploadAsync(Owner, id, Ct)).ShouldBeTrue();
        (await Store.AbortUploadAsync(Owner, id, Ct)).ShouldBeFalse();

        (await AppendAsync(id, 1000, Random(10))).ShouldBeOfType<AppendOutcome.Missing>();
        (await KeysAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Uploads_are_swept_after_a_day_and_blobs_are_not()
    {
        var digest = await PutAsync(Random(10));
        var id = await BeginAsync();
        await AppendAsync(id, 0, Random(1000));

        Clock.Advance(TimeSpan.FromHours(23));
        (await Store.SweepAsync(Ct)).ShouldBe(new SweepCount(0, 0, 0));
        Clock.Advance(TimeSpan.FromHours(2));
        (await Store.SweepAsync(Ct)).ShouldBe(new SweepCount(1, 0, 0));

        (await Store.GetUploadOffsetAsync(Owner, id, Ct)).ShouldBeNull();
        (await KeysAsync()).ShouldBe([Key("blobs", digest)]);
    }

    [Fact]
    public async Task An_owner_has_a_limited_number_of_open_uploads()
    {
        for (var i = 0; i < BlobLimits.OpenUploads; i++)
            await BeginAsync();

        (await Store.BeginUploadAsync(Owner, Ct)).ShouldBe(new BeginUploadOutcome.TooMany(BlobLimits.OpenUploads));
        (
            await Store.BeginUploadAsync(new OwnerId(Guid.CreateVersion7()), Ct)
        ).ShouldBeOfType<BeginUploadOutcome.Begun>();
    }

    protected string Key(string kind, Digest digest) => $"{Owner}/{kind}/sha256/{digest.Hex[..2]}/{digest.Hex}";

    protected async Task<UploadId> BeginAsync() =>
        (await Store.BeginUploadAsync(Owner, Ct)).ShouldBeOfType<BeginUploadOutcome.Begun>().Id;

    protected async Task<AppendOutcome> AppendAsync(UploadId id, long offset, byte[] bytes)
    {
        using var content = new MemoryStream(bytes);
        return await Store.AppendAsync(Owner, id, offset, content, Ct);
    }

    private static byte[] Damage(byte[] bytes, string how)
    {
        var damaged = (byte[])bytes.Clone();
        switch (how)
        {
            case "first byte changed":
                damaged[0] ^= 1;
                return damaged;
            case "last byte changed":
                damaged[^1] ^= 1;
                return damaged;
            case "cut short":
                return damaged[..^1];
            case "emptied":
                return [];
            case "made longer":
                return [.. damaged, 7];
            default:
                throw new ArgumentOutOfRangeException(nameof(how), how, "This is no damage.");
        }
    }

    private sealed class BrokenOffException : Exception;

    /// <summary>Gives bytes up to a place, and fails there (or does what it is told and gives more).</summary>
    private sealed class BreakingStream(int atByte, Action? instead = null, byte[]? from = null) : MemoryStream
    {
        private int given;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (given == atByte)
            {
                if (instead is null)
                    throw new BrokenOffException();
                instead();
                cancellationToken.ThrowIfCancellationRequested();
            }
            var count = Math.Min(buffer.Length, atByte - given);
            from?.AsSpan(given, count).CopyTo(buffer.Span);
            given += count;
            return ValueTask.FromResult(count);
        }
    }
}

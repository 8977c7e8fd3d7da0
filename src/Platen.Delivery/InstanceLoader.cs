using System.Runtime.InteropServices;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Usage;

namespace Platen.Delivery;

/// <summary>
/// Makes what the cache holds: channel → release manifest → layers → verified bytes. What was made is kept on the disk, which stands in
/// for a database and a store that do not answer.
/// </summary>
internal sealed class InstanceLoader(
    ChannelLookup channels,
    IBlobStore blobs,
    DiskCache disk,
    DatabaseReach database,
    UsageCounters usage,
    DeliveryOptions options,
    TimeProvider time
)
{
    /// <summary>
    /// Loads an instance, or finds that none is published. The bytes that <paramref name="former"/>, the release shown until
    /// now, has already are taken from it. The whole instance is in memory when this returns, unless it is larger than
    /// <see cref="DeliveryLimits.EagerInstanceBytes"/>: then those variants are that the former had in memory.
    /// </summary>
    /// <exception cref="InvalidDataException">The release is not what its manifest or its digest says.</exception>
    public async Task<Loaded> LoadAsync(PublicId id, PublishedInstance? former, CancellationToken ct)
    {
        var key = id.ToString();
        // What is shown needs no disk: it is in memory.
        var kept = former is null ? await disk.ReadAsync(key, ct) : null;
        if (kept is null)
        {
            try
            {
                var live = await FindAsync(id, former, null, ct);
                if (live is null)
                    disk.Remove(key, mayBeThere: former is not null);
                else if (live.Instance != former)
                    await CompleteAsync(live, former, null, ct);
                return new Loaded(live?.Instance);
            }
            // A slow disk was passed by, and now is all that there is.
            catch (Exception e) when (former is null && disk.IsHanging && e is not InvalidDataException)
            {
                if (await disk.ReadPatientlyAsync(key, ct) is not { } late)
                    throw;
                return new Loaded(Restore(id, late), e);
            }
        }
        if (database.IsLost)
            return new Loaded(Restore(id, kept), new DatabaseLostException(database.Trouble));

        using var patience = new CancellationTokenSource(DeliveryLimits.DatabasePatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
        Live? next;
        try
        {
            next = await FindAsync(id, null, kept, either.Token);
        }
        // The database does not answer; what it says and is wrong is another matter, and then nothing stands in for it.
        catch (Exception e) when (e is not InvalidDataException)
        {
            return new Loaded(Restore(id, kept), e);
        }
        if (next is null)
        {
            disk.Remove(key, mayBeThere: true);
            return new Loaded(null);
        }
        // What was another owner's stands in for nothing any more.
        if (next.Instance.Owner != kept.Owner)
            disk.Remove(key, mayBeThere: true);
        try
        {
            await CompleteAsync(next, null, kept, either.Token);
            return new Loaded(next.Instance);
        }
        // Its bytes cannot be read: what was shown last is here.
        catch (Exception e) when (next.Instance.Owner == kept.Owner)
        {
            return new Loaded(Restore(id, kept), e);
        }
    }

    /// <summary>Loads an artifact of a former release, or finds that there never was one of that name.</summary>
    public async Task<Loaded> LoadArtifactAsync(PublishedInstance instance, string file, CancellationToken ct)
    {
        var key = DiskEntry.FileKey(instance.Owner, instance.Id.ToString(), file);
        // Its name is that of its bytes, its key names their owner, and the instance is published: there is nothing to ask.
        if (await disk.ReadAsync(key, ct) is { } kept)
            return FromDisk(kept, file);
        try
        {
            if (await channels.FindArtifactAsync(instance, file, ct) is not { } row)
                return new Loaded(null);
            var bytes = await ReadAsync(row.Owner, row.Digest, DeliveryLimits.FileBytes, ct);
            disk.Store(DiskEntry.OfFile(key, row.Owner, row.Digest, bytes), replaced: false);
            return new Loaded(Former(row.Owner, row.Digest, bytes, file, isFromDisk: false));
        }
        catch (Exception) when (disk.IsHanging)
        {
            if (await disk.ReadPatientlyAsync(key, ct) is not { } late)
                throw;
            return FromDisk(late, file);
        }
    }

    /// <summary>The bytes of a variant of an instance that is too large to be loaded whole.</summary>
    /// <inheritdoc cref="ReadAsync(Variant, CancellationToken)" path="/exception"/>
    public async Task<byte[]> ReadAloneAsync(string instance, Variant variant, CancellationToken ct)
    {
        var key = DiskEntry.FileKey(variant.Owner, instance, variant.Digest.ToString());
        if (await disk.ReadAsync(key, ct) is { } kept)
            return kept.Blobs[variant.Digest].ToArray();
        try
        {
            var bytes = await ReadAsync(variant, ct);
            disk.Store(DiskEntry.OfFile(key, variant.Owner, variant.Digest, bytes), replaced: false);
            return bytes;
        }
        catch (Exception) when (disk.IsHanging)
        {
            if (await disk.ReadPatientlyAsync(key, ct) is not { } late)
                throw;
            return late.Blobs[variant.Digest].ToArray();
        }
    }

    private static Loaded FromDisk(DiskEntry kept, string file) =>
        new(Former(kept.Owner, kept.Release, kept.Blobs[kept.Release].ToArray(), file, isFromDisk: true));

    // What the live channel says, with those of its bytes that are here already; the former itself when nothing changed.
    private async Task<Live?> FindAsync(PublicId id, PublishedInstance? former, DiskEntry? kept, CancellationToken ct)
    {
        if (await channels.FindAsync(id, ct) is not { } row)
            return null;
        if (former is not null && former.Revision == row.Revision && former.Release == row.Release)
            return new Live(former, row.Manifest);
        if (Digest.Of(row.Manifest.Span) != row.Release)
            throw new InvalidDataException($"The manifest of {row.Release} does not have that digest.");
        var known = new Dictionary<Digest, ReadOnlyMemory<byte>>();
        foreach (var (digest, bytes) in kept?.Blobs ?? new Dictionary<Digest, ReadOnlyMemory<byte>>())
            known[digest] = bytes;
        foreach (var variant in former?.Variants ?? [])
        {
            if (variant.Bytes is { } bytes)
                known[variant.Digest] = bytes;
        }
        return Make(id, row, known, former?.Views, isFromDisk: kept?.Release == row.Release) is { } instance
            ? new Live(instance, row.Manifest)
            : null;
    }

    // Reads what is missing, and keeps it on the disk.
    private async Task CompleteAsync(Live live, PublishedInstance? former, DiskEntry? kept, CancellationToken ct)
    {
        var instance = live.Instance;
        var needed = IsEager(instance) ? instance.Variants : [.. Shown(former, instance)];
        await Parallel.ForEachAsync(
            needed.Where(variant => variant.Bytes is null).GroupBy(variant => variant.Digest),
            new ParallelOptions { MaxDegreeOfParallelism = DeliveryLimits.ConcurrentReads, CancellationToken = ct },
            async (same, token) =>
            {
                byte[]? bytes = null;
                foreach (var variant in same)
                    variant.Bytes = bytes ??= await ReadAsync(variant, token);
            }
        );
        if (kept is null || kept.Revision != instance.Revision || kept.Release != instance.Release)
            disk.Store(DiskEntry.Of(instance, live.Manifest), replaced: former is not null || kept is not null);
    }

    // What the disk has was verified when it was read, and read when it was written.
    private PublishedInstance? Restore(PublicId id, DiskEntry kept) =>
        Make(
            id,
            new ChannelRow(kept.Owner, kept.Revision, kept.Release, kept.Manifest, kept.MovedAt),
            kept.Blobs,
            views: null,
            isFromDisk: true
        );

    private PublishedInstance? Make(
        PublicId id,
        ChannelRow row,
        IReadOnlyDictionary<Digest, ReadOnlyMemory<byte>> known,
        UsageCell? views,
        bool isFromDisk
    )
    {
        var files = ReleaseFiles.Read(row.Owner, row.Manifest);
        if (files.Status == "unpublished")
            return null;
        var deprecated = files.Status == "deprecated" ? Deprecation.Of(id, files.Type) : null;
        var instance = PublishedInstance.Create(
            id,
            row.Owner,
            ChannelLookup.SubjectOf(id),
            row,
            files,
            deprecated,
            isFromDisk
        );
        instance.Views = views ?? usage.For(row.Owner, id.ToString(), UsageKind.View);
        var whole = new Dictionary<Digest, byte[]>();
        foreach (var variant in instance.Variants)
        {
            if (!known.TryGetValue(variant.Digest, out var bytes))
                continue;
            if (!whole.TryGetValue(variant.Digest, out var array))
                whole.Add(variant.Digest, array = ArrayOf(bytes));
            variant.Bytes = array;
        }
        return instance;
    }

    // Bytes in memory are shared with the former release; a piece of a file is not kept for the whole file's sake.
    private static byte[] ArrayOf(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out var segment) && segment.Count == segment.Array!.Length
            ? segment.Array
            : bytes.ToArray();

    private bool IsEager(PublishedInstance instance) =>
        instance.Variants.Sum(variant => variant.SizeBytes) <= options.EagerInstanceBytes;

    private static FormerArtifact Former(OwnerId owner, Digest digest, byte[] bytes, string file, bool isFromDisk)
    {
        var variant = new Variant(owner, digest, bytes.Length, ContentCoding.Identity)
        {
            ContentType = "application/json",
            ContentLanguage = file[..file.IndexOf('.', StringComparison.Ordinal)],
            Bytes = bytes,
        };
        return new FormerArtifact(new Asset { Identity = variant }) { IsFromDisk = isFromDisk };
    }

    /// <summary>The bytes of a variant, verified.</summary>
    /// <exception cref="InvalidDataException">They are missing, corrupt, or of another size than the manifest says.</exception>
    /// <exception cref="ProblemException">The store does not answer.</exception>
    private async Task<byte[]> ReadAsync(Variant variant, CancellationToken ct)
    {
        var bytes = await ReadAsync(variant.Owner, variant.Digest, (int)variant.SizeBytes, ct);
        return bytes.Length == variant.SizeBytes
            ? bytes
            : throw new InvalidDataException($"The blob {variant.Digest} has not {variant.SizeBytes} bytes.");
    }

    private async Task<byte[]> ReadAsync(OwnerId owner, Digest digest, int most, CancellationToken ct) =>
        await blobs.ReadAllAsync(owner, digest, most, ct) switch
        {
            ReadOutcome.Read read => read.Bytes.ToArray(),
            ReadOutcome.Missing => throw new InvalidDataException($"The blob {digest} is missing."),
            ReadOutcome.Corrupt => throw new InvalidDataException($"The blob {digest} is corrupt."),
            _ => throw new InvalidDataException($"The blob {digest} has more than {most} bytes."),
        };

    // What visitors were looking at: the same page, theme and coding of the new release.
    private static IEnumerable<Variant> Shown(PublishedInstance? former, PublishedInstance next)
    {
        if (former is null)
            yield break;
        foreach (var locale in former.Locales)
        {
            var index = next.Languages.Best(locale.Tag.AsSpan());
            if (index < 0)
                continue;
            foreach (var theme in Enum.GetValues<Theme>())
            {
                var (before, after) = (locale[theme], next.Locales[index][theme]);
                if (before.Identity?.Bytes is not null && after.Identity is { } identity)
                    yield return identity;
                if (before.Brotli?.Bytes is not null && after.Brotli is { } brotli)
                    yield return brotli;
                if (before.Gzip?.Bytes is not null && after.Gzip is { } gzip)
                    yield return gzip;
            }
        }
    }

    private sealed record Live(PublishedInstance Instance, ReadOnlyMemory<byte> Manifest);
}

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
            return new Loaded(await LoadLiveAsync(id, former, null, ct));
        if (database.IsLost)
            return new Loaded(Restore(id, kept), new DatabaseLostException(database.Trouble));
        try
        {
            using var patience = new CancellationTokenSource(DeliveryLimits.DatabasePatience, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
            return new Loaded(await LoadLiveAsync(id, null, kept, either.Token));
        }
        // Whatever keeps the latest from being shown, what was shown last is there.
        catch (Exception e)
        {
            return new Loaded(Restore(id, kept), e);
        }
    }

    /// <summary>Loads an artifact of a former release, or finds that there never was one of that name.</summary>
    public async Task<Loaded> LoadArtifactAsync(PublishedInstance instance, string file, CancellationToken ct)
    {
        var key = $"{instance.Id}/{file}";
        // Its name is that of its bytes, and the instance is published by whom it was kept for: there is nothing to ask.
        if (await disk.ReadAsync(key, ct) is { } kept && kept.Owner == instance.Owner)
            return new Loaded(
                Former(kept.Owner, kept.Release, kept.Blobs[kept.Release].ToArray(), file, isFromDisk: true)
            );
        if (await channels.FindArtifactAsync(instance, file, ct) is not { } row)
            return new Loaded(null);
        var bytes = await ReadAsync(row.Owner, row.Digest, DeliveryLimits.FileBytes, ct);
        await disk.StoreAsync(DiskEntry.OfFile(key, row.Owner, row.Digest, bytes), ct);
        return new Loaded(Former(row.Owner, row.Digest, bytes, file, isFromDisk: false));
    }

    /// <summary>The bytes of a variant of an instance that is too large to be loaded whole.</summary>
    /// <inheritdoc cref="ReadAsync(Variant, CancellationToken)" path="/exception"/>
    public async Task<byte[]> ReadAloneAsync(Variant variant, CancellationToken ct)
    {
        var key = $"{variant.Owner}/{variant.Digest}";
        if (await disk.ReadAsync(key, ct) is { } kept)
            return kept.Blobs[variant.Digest].ToArray();
        var bytes = await ReadAsync(variant, ct);
        await disk.StoreAsync(DiskEntry.OfFile(key, variant.Owner, variant.Digest, bytes), ct);
        return bytes;
    }

    private async Task<PublishedInstance?> LoadLiveAsync(
        PublicId id,
        PublishedInstance? former,
        DiskEntry? kept,
        CancellationToken ct
    )
    {
        if (await channels.FindAsync(id, ct) is not { } row)
            return await ForgetAsync(id, ct);
        if (former is not null && former.Revision == row.Revision && former.Release == row.Release)
            return former;
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
        if (Make(id, row, known, former?.Views, isFromDisk: kept?.Release == row.Release) is not { } instance)
            return await ForgetAsync(id, ct);
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
        if (kept is null || kept.Revision != row.Revision || kept.Release != row.Release)
            await disk.StoreAsync(DiskEntry.Of(instance, row.Manifest), ct);
        return instance;
    }

    private async Task<PublishedInstance?> ForgetAsync(PublicId id, CancellationToken ct)
    {
        await disk.RemoveAsync(id.ToString(), ct);
        return null;
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

    private static bool IsEager(PublishedInstance instance) =>
        instance.Variants.Sum(variant => variant.SizeBytes) <= DeliveryLimits.EagerInstanceBytes;

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
}

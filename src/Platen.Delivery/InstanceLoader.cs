using Platen.Kernel;
using Platen.Platform.Blobs;

namespace Platen.Delivery;

/// <summary>Makes what the cache holds: channel → release manifest → layers → verified bytes.</summary>
internal sealed class InstanceLoader(ChannelLookup channels, IBlobStore blobs)
{
    /// <summary>
    /// Loads an instance, or finds that none is published. The bytes that <paramref name="former"/>, the release shown until
    /// now, has already are taken from it. The whole instance is in memory when this returns, unless it is larger than
    /// <see cref="DeliveryLimits.EagerInstanceBytes"/>: then those variants are that the former had in memory.
    /// </summary>
    /// <exception cref="InvalidDataException">The release is not what its manifest or its digest says.</exception>
    public async Task<PublishedInstance?> LoadAsync(PublicId id, PublishedInstance? former, CancellationToken ct)
    {
        if (await channels.FindAsync(id, ct) is not { } row)
            return null;
        if (former is not null && former.Revision == row.Revision && former.Release == row.Release)
            return former;
        if (Digest.Of(row.Manifest.Span) != row.Release)
            throw new InvalidDataException($"The manifest of {row.Release} does not have that digest.");
        var files = ReleaseFiles.Read(row.Owner, row.Manifest);
        if (files.Status == "unpublished")
            return null;
        var deprecated = files.Status == "deprecated" ? Deprecation.Of(id, files.Type) : null;
        var instance = PublishedInstance.Create(id, row.Owner, ChannelLookup.SubjectOf(id), row, files, deprecated);

        var known = new Dictionary<Digest, byte[]>();
        foreach (var variant in former?.Variants ?? [])
        {
            if (variant.Bytes is { } bytes)
                known[variant.Digest] = bytes;
        }
        var whole = instance.Variants.Sum(variant => variant.SizeBytes) <= DeliveryLimits.EagerInstanceBytes;
        var needed = whole ? instance.Variants : [.. Shown(former, instance)];
        foreach (var variant in instance.Variants)
        {
            if (known.TryGetValue(variant.Digest, out var bytes))
                variant.Bytes = bytes;
        }
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
        return instance;
    }

    /// <summary>Loads an artifact of a former release, or finds that there never was one of that name.</summary>
    public async Task<FormerArtifact?> LoadArtifactAsync(PublishedInstance instance, string file, CancellationToken ct)
    {
        if (await channels.FindArtifactAsync(instance, file, ct) is not { } row)
            return null;
        var variant = new Variant(row.Owner, row.Digest, DeliveryLimits.FileBytes, ContentCoding.Identity)
        {
            ContentType = "application/json",
            ContentLanguage = file[..file.IndexOf('.', StringComparison.Ordinal)],
        };
        variant.Bytes = await ReadAsync(variant, ct, exactly: false);
        return new FormerArtifact(new Asset { Identity = variant });
    }

    /// <summary>The bytes of a variant, verified.</summary>
    /// <exception cref="InvalidDataException">They are missing, corrupt, or of another size than the manifest says.</exception>
    /// <exception cref="ProblemException">The store does not answer.</exception>
    public async Task<byte[]> ReadAsync(Variant variant, CancellationToken ct, bool exactly = true)
    {
        var outcome = await blobs.ReadAllAsync(variant.Owner, variant.Digest, (int)variant.SizeBytes, ct);
        return outcome switch
        {
            ReadOutcome.Read read when !exactly || read.Bytes.Length == variant.SizeBytes => read.Bytes.ToArray(),
            ReadOutcome.Missing => throw new InvalidDataException($"The blob {variant.Digest} is missing."),
            ReadOutcome.Corrupt => throw new InvalidDataException($"The blob {variant.Digest} is corrupt."),
            _ => throw new InvalidDataException($"The blob {variant.Digest} has not {variant.SizeBytes} bytes."),
        };
    }

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

using System.Collections.Frozen;
using System.Globalization;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Usage;

namespace Platen.Delivery;

/// <summary>What the cache holds for a key: an instance, or an artifact of a former release.</summary>
internal abstract class CachedItem
{
    /// <summary>Bytes of memory it takes, near enough to hold a budget.</summary>
    public abstract long SizeBytes { get; }

    /// <summary>Whether its bytes came from this node's disk.</summary>
    public bool IsFromDisk { get; init; }
}

/// <summary>What a load came to.</summary>
/// <param name="Item">What there is; null when nothing is published.</param>
/// <param name="Doubt">Why it may not be the latest: it is what was served last, and the truth could not be asked. Null when it was.</param>
internal readonly record struct Loaded(CachedItem? Item, Exception? Doubt = null);

/// <summary>
/// One release of one instance as visitors see it, with every header value made beforehand. Immutable but for the bytes of
/// its variants, which can only appear; a channel move makes a new one, so a response is never a mix of two releases.
/// </summary>
internal sealed class PublishedInstance : CachedItem
{
    public required PublicId Id { get; init; }
    public required OwnerId Owner { get; init; }
    public required string Subject { get; init; }
    public required long Revision { get; init; }
    public required Digest Release { get; init; }
    public required DateTimeOffset MovedAt { get; init; }

    /// <summary>Its locales, the base locale first. Empty when the release has no pages.</summary>
    public required LocalePages[] Locales { get; init; }

    /// <summary>Chooses among <see cref="Locales"/>.</summary>
    public required LanguageChoice Languages { get; init; }

    public required Asset? Manifest { get; init; }

    /// <summary>The artifacts of this release by their file name.</summary>
    public required FrozenDictionary<string, Asset>.AlternateLookup<ReadOnlySpan<char>> Artifacts { get; init; }

    /// <summary>Where views are counted, on the next release as on this one; null before it is shown.</summary>
    public UsageCell? Views { get; set; }

    /// <summary>Whether it is shown only to who has a token for it.</summary>
    public bool IsPrivate { get; init; }

    /// <summary>Every variant once.</summary>
    public required Variant[] Variants { get; init; }

    /// <summary>The baseline shown instead because this one is deprecated; null when it is not.</summary>
    public Deprecation? Deprecated { get; init; }

    /// <summary><see cref="MovedAt"/> as an HTTP date.</summary>
    public StringValues LastModified { get; private init; }

    /// <summary><see cref="MovedAt"/> in whole seconds, as a client sees it.</summary>
    public DateTimeOffset LastModifiedSeconds { get; private init; }

    public override long SizeBytes
    {
        get
        {
            var size = DeliveryLimits.SlotBytes + Variants.Length * DeliveryLimits.VariantBytes;
            foreach (var variant in Variants)
                size += variant.Bytes?.Length ?? 0;
            return size;
        }
    }

    /// <summary>
    /// Whether the second of the last move is over. Before that a date cannot tell two moves of the same second apart
    /// (RFC 9110 section 8.8.2.2), so none is sent and none is compared.
    /// </summary>
    public bool IsDated(TimeProvider time)
    {
        if (!dated && time.GetUtcNow() >= LastModifiedSeconds.AddSeconds(1))
            dated = true;
        return dated;
    }

    private volatile bool dated;

    /// <summary>The instance a channel shows, with every value that does not depend on a request.</summary>
    public static PublishedInstance Create(
        PublicId id,
        OwnerId owner,
        string subject,
        ChannelRow row,
        ReleaseFiles files,
        Deprecation? deprecated,
        bool isFromDisk
    )
    {
        var movedAt = row.MovedAt.ToUniversalTime();
        return new PublishedInstance
        {
            Id = id,
            IsFromDisk = isFromDisk,
            Owner = owner,
            Subject = subject,
            Revision = row.Revision,
            Release = row.Release,
            MovedAt = movedAt,
            Locales = files.Locales,
            Languages = new LanguageChoice([.. files.Locales.Select(pages => pages.Tag)]),
            Manifest = files.Manifest,
            Artifacts = files
                .Artifacts.ToFrozenDictionary(StringComparer.Ordinal)
                .GetAlternateLookup<ReadOnlySpan<char>>(),
            Variants = files.Variants,
            IsPrivate = files.IsPrivate,
            Deprecated = deprecated,
            LastModified = movedAt.ToString("r", CultureInfo.InvariantCulture),
            LastModifiedSeconds = new DateTimeOffset(movedAt.Ticks - movedAt.Ticks % TimeSpan.TicksPerSecond, default),
        };
    }
}

/// <summary>An artifact of a former release, which must keep resolving for pages that refer to it.</summary>
internal sealed class FormerArtifact(Asset asset) : CachedItem
{
    public Asset Asset { get; } = asset;

    public override long SizeBytes =>
        DeliveryLimits.SlotBytes + DeliveryLimits.VariantBytes + (Asset.Identity?.Bytes?.Length ?? 0);
}

/// <summary>Where a deprecated instance sends its visitors.</summary>
/// <param name="BaselineKey">The public id of the type's baseline; null when the instance is that baseline.</param>
/// <param name="PageLink">The Link field of its page.</param>
/// <param name="ManifestLink">The Link field of its manifest.</param>
internal sealed record Deprecation(string? BaselineKey, StringValues PageLink, StringValues ManifestLink)
{
    public static Deprecation Of(PublicId id, WidgetType type)
    {
        var baseline = new PublicId.Baseline(type);
        return id == baseline
            ? new Deprecation(null, default, default)
            : new Deprecation(
                baseline.ToString(),
                $"</e/{baseline}>; rel=\"successor-version\"",
                $"</w/{baseline}/manifest.json>; rel=\"successor-version\""
            );
    }
}

/// <summary>The pages of one locale.</summary>
internal sealed class LocalePages(string tag, Asset auto, Asset? light, Asset? dark)
{
    public string Tag { get; } = tag;

    public Asset this[Theme theme] =>
        theme switch
        {
            Theme.Light => light ?? auto,
            Theme.Dark => dark ?? auto,
            _ => auto,
        };
}

/// <summary>One resource in the codings the release has it in.</summary>
internal sealed class Asset
{
    public Variant? Identity { get; set; }
    public Variant? Brotli { get; set; }
    public Variant? Gzip { get; set; }
}

/// <summary>One file of a release, with the header values that depend on it.</summary>
internal sealed class Variant(OwnerId owner, Digest digest, long sizeBytes, ContentCoding coding)
{
    private byte[]? bytes;

    public OwnerId Owner { get; } = owner;
    public Digest Digest { get; } = digest;
    public long SizeBytes { get; } = sizeBytes;
    public ContentCoding Coding { get; } = coding;

    /// <summary>The strong entity tag, with its quotes.</summary>
    public string Tag { get; } = $"\"{digest.Hex}\"";
    public StringValues ETag { get; } = $"\"{digest.Hex}\"";
    public StringValues ContentEncoding { get; } =
        coding switch
        {
            ContentCoding.Brotli => "br",
            ContentCoding.Gzip => "gzip",
            _ => default(StringValues),
        };
    public required StringValues ContentType { get; init; }
    public StringValues ContentLanguage { get; init; }
    public StringValues ContentSecurityPolicy { get; init; }

    /// <summary>The verified bytes; null until they are loaded, and then never changed.</summary>
    public byte[]? Bytes
    {
        get => Volatile.Read(ref bytes);
        set => Volatile.Write(ref bytes, value);
    }
}

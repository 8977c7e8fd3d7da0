using System.Collections;

namespace Platen.Kernel.Languages;

/// <summary>
/// The tags to try for a wanted one, itself first, each one's parent after it, as CLDR's parents say where truncation
/// (RFC 4647 section 3.4) would mislead: <c>zh-TW, zh-Hant</c> (never <c>zh</c>, which is simplified), <c>pt-AO, pt-PT, pt</c>,
/// <c>es-MX, es-419, es</c>. The root is not in the list: what to show when the chain ends is the caller's base. A tag with
/// replaced subtags is followed by its canonical form. Immutable and safe to share.
/// </summary>
public sealed class FallbackChain : IReadOnlyList<LanguageTag>
{
    private readonly LanguageTag[] _tags;

    /// <summary>The chain of a tag.</summary>
    public FallbackChain(LanguageTag wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        List<LanguageTag> tags = [wanted];
        var canonical = wanted.Canonical();
        if (canonical != wanted)
            tags.Add(canonical);
        if (!canonical.IsGrandfathered)
        {
            Span<char> buffer = stackalloc char[LanguageParents.BufferLength];
            var length = canonical.Value.AsSpan().ToLowerInvariant(buffer);
            while ((length = LanguageParents.ToParent(buffer, length)) > 0)
                tags.Add(LanguageTag.Parse(buffer[..length].ToString()));
        }
        _tags = [.. tags];
    }

    /// <inheritdoc/>
    public int Count => _tags.Length;

    /// <inheritdoc/>
    public LanguageTag this[int index] => _tags[index];

    /// <inheritdoc/>
    public IEnumerator<LanguageTag> GetEnumerator() => ((IEnumerable<LanguageTag>)_tags).GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The tags with arrows between them.</summary>
    public override string ToString() => string.Join(" → ", _tags.Select(tag => tag.Value));
}

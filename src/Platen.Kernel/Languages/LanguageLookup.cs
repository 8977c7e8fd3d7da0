using System.Collections.Frozen;

namespace Platen.Kernel.Languages;

/// <summary>
/// Chooses among available languages (RFC 4647 section 3.4, lookup): each wanted range, best first, is followed up its
/// <see cref="FallbackChain"/> before the next is tried. A range of quality 0 excludes what it, and no more specific range,
/// matches; <c>*</c> takes the first available that is not excluded. A tag and its form without a script that its region
/// implies are one (<c>zh-TW</c>, <c>zh-Hant-TW</c>). A lookup allocates nothing. Immutable and safe to share.
/// </summary>
public sealed class LanguageLookup
{
    private readonly LanguageTag[] _available;
    private readonly FrozenDictionary<string, LanguageTag>.AlternateLookup<ReadOnlySpan<char>> _index;

    /// <summary>A lookup among these tags; their order matters only for <c>*</c>.</summary>
    public LanguageLookup(IEnumerable<LanguageTag> available)
    {
        ArgumentNullException.ThrowIfNull(available);
        _available = [.. available];
        var index = new Dictionary<string, LanguageTag>();
        foreach (var tag in _available)
            index.TryAdd(tag.Value.ToLowerInvariant(), tag);
        Span<char> buffer = stackalloc char[LanguageParents.BufferLength];
        // What a tag stands for comes second, so that it never hides a tag that was named.
        foreach (var tag in _available)
        {
            index.TryAdd(tag.Canonical().Value.ToLowerInvariant(), tag);
            var length = tag.Canonical().Value.AsSpan().ToLowerInvariant(buffer);
            index.TryAdd(buffer[..LanguageParents.Minimize(buffer, length)].ToString(), tag);
        }
        _index = index.ToFrozenDictionary().GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Chooses once; keep a <see cref="LanguageLookup"/> to choose often.</summary>
    public static LanguageTag? Best(string? acceptLanguage, IEnumerable<LanguageTag> available) =>
        new LanguageLookup(available).Best(acceptLanguage);

    /// <summary>The best available tag for an Accept-Language header; null when nothing wanted is available.</summary>
    public LanguageTag? Best(ReadOnlySpan<char> acceptLanguage)
    {
        Span<AcceptLanguage.Member> members = stackalloc AcceptLanguage.Member[AcceptLanguage.MaxRanges];
        members = members[..AcceptLanguage.Read(acceptLanguage, members)];
        var excludes = !members.IsEmpty && members[^1].Quality == 0;
        foreach (var member in members)
        {
            if (member.Quality == 0)
                break;
            var range = acceptLanguage.Slice(member.Start, member.Length);
            if (range is "*")
            {
                foreach (var tag in _available)
                {
                    if (!excludes || !IsExcluded(tag, acceptLanguage, members))
                        return tag;
                }
            }
            else if (Find(range) is { } found && (!excludes || !IsExcluded(found, acceptLanguage, members)))
            {
                return found;
            }
        }
        return null;
    }

    /// <summary>The best available tag for one wanted tag; null when its chain ends without one.</summary>
    public LanguageTag? Best(LanguageTag wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        return Find(wanted.Value) ?? (wanted.IsGrandfathered ? Find(wanted.Canonical().Value) : null);
    }

    private LanguageTag? Find(ReadOnlySpan<char> range)
    {
        Span<char> buffer = stackalloc char[LanguageParents.BufferLength];
        var length = range.ToLowerInvariant(buffer);
        if (_index.TryGetValue(buffer[..length], out var tag))
            return tag;
        // A wildcard inside a range stands for nothing in lookup.
        while (buffer[..length].IndexOf("-*") is var at and > 0)
        {
            buffer[(at + 2)..length].CopyTo(buffer[at..]);
            length -= 2;
        }
        if (buffer[0] == '*')
            return null;
        length = LanguageParents.ReplaceLanguage(buffer, length);
        for (; length > 0; length = LanguageParents.ToParent(buffer, length))
        {
            if (_index.TryGetValue(buffer[..length], out tag))
                return tag;
        }
        return null;
    }

    private static bool IsExcluded(
        LanguageTag tag,
        ReadOnlySpan<char> header,
        ReadOnlySpan<AcceptLanguage.Member> members
    )
    {
        var (longest, quality) = (-1, 1000);
        foreach (var member in members)
        {
            var range = header.Slice(member.Start, member.Length);
            var weight = range is "*" ? 0 : range.Length;
            if (weight > longest && LanguageRange.MatchesBasic(range, tag.Value))
                (longest, quality) = (weight, member.Quality);
        }
        return quality == 0;
    }
}

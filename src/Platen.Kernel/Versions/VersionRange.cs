using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel.Versions;

/// <summary>
/// A set of versions in npm's notation, as node-semver 7 reads it in its strict mode: <c>^1.2</c>, <c>~1.2.3</c>, <c>1.x</c>,
/// <c>&gt;=1.2 &lt;3</c>, <c>1.2 - 2.3</c>, <c>1 || 3</c>, <c>*</c> or nothing at all for every release.
/// <para>
/// A prerelease is in a range only where a comparator of the same alternative names a prerelease of the same three
/// numbers: <c>^1.2.3-rc.1</c> takes <c>1.2.3-rc.2</c> but not <c>1.3.0-rc.1</c>. Builds are left out of every comparison.
/// </para>
/// Equality is by the comparators, in their order. Immutable and safe to share.
/// </summary>
public sealed class VersionRange : IEquatable<VersionRange>, IParsable<VersionRange>
{
    /// <summary>The longest text, in characters; npm has no limit.</summary>
    public const int MaxLength = 2048;

    private readonly VersionComparator[][] _alternatives;
    private readonly string _text;

    internal VersionRange(VersionComparator[][] alternatives)
    {
        _alternatives = alternatives;
        var text = string.Join("||", alternatives.Select(all => string.Join(' ', all)));
        _text = text.Length == 0 ? "*" : text;
    }

    /// <summary>The range of all releases, <c>*</c>.</summary>
    public static VersionRange Any { get; } =
        new([
            [],
        ]);

    /// <summary>Reads a range; false for anything else, beyond a limit, or <c>null</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out VersionRange? range)
    {
        range = null;
        if (text is null || text.Length > MaxLength || !VersionRangeReader.TryRead(text, out var alternatives))
            return false;
        range = new VersionRange(alternatives);
        return true;
    }

    /// <summary>Reads a range.</summary>
    /// <exception cref="FormatException">The text is not a range.</exception>
    public static VersionRange Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var range)
            ? range
            : throw new FormatException(
                $"Not a range of versions: expected npm's notation such as '^1.2', '1.x' or '>=1.2 <3', at most {MaxLength} characters."
            );
    }

    /// <inheritdoc/>
    static VersionRange IParsable<VersionRange>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<VersionRange>.TryParse(
        [NotNullWhen(true)] string? s,
        IFormatProvider? provider,
        [MaybeNullWhen(false)] out VersionRange result
    ) => TryParse(s, out result);

    /// <summary>Whether the version is in the range. Allocates nothing.</summary>
    public bool Satisfies(SemVer version)
    {
        foreach (var comparators in _alternatives)
        {
            if (IsWithin(comparators, version))
                return true;
        }
        return false;
    }

    /// <summary>
    /// The highest version by precedence that is in the range, the first of several; null when none is. Allocates nothing.
    /// </summary>
    public SemVer? MaxSatisfying(ReadOnlySpan<SemVer> versions)
    {
        SemVer? highest = null;
        foreach (ref readonly var version in versions)
            Raise(ref highest, version);
        return highest;
    }

    /// <inheritdoc cref="MaxSatisfying(ReadOnlySpan{SemVer})"/>
    public SemVer? MaxSatisfying(IEnumerable<SemVer> versions)
    {
        ArgumentNullException.ThrowIfNull(versions);
        SemVer? highest = null;
        foreach (var version in versions)
            Raise(ref highest, version);
        return highest;
    }

    /// <inheritdoc/>
    public bool Equals(VersionRange? other) =>
        other is not null && string.Equals(_text, other._text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as VersionRange);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>
    /// The comparators that the range comes down to, such as <c>&gt;=1.2.0 &lt;2.0.0-0||3.0.0</c> for <c>^1.2 || 3.0.0</c>, and
    /// <c>*</c> for every release; reads back to an equal range.
    /// </summary>
    public override string ToString() => _text;

    private void Raise(ref SemVer? highest, SemVer version)
    {
        if ((highest is not { } best || version.ComparePrecedence(best) > 0) && Satisfies(version))
            highest = version;
    }

    private static bool IsWithin(VersionComparator[] comparators, SemVer version)
    {
        var named = !version.IsPrerelease;
        foreach (var comparator in comparators)
        {
            if (!comparator.Accepts(version))
                return false;
            named |= comparator.Version.IsPrerelease && comparator.Version.HasNumbersOf(version);
        }
        return named;
    }
}

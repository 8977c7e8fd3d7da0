using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Platen.Kernel.Versions;

/// <summary>
/// A version as Semantic Versioning 2.0.0 writes it: <c>1.4.0</c>, <c>2.0.0-rc.1</c>, <c>1.0.0+build.5</c>. Read strictly: no
/// <c>v</c> before it, no space around it, no leading zeros, all three numbers. The default value is <c>0.0.0</c>.
/// <para>
/// Equality is by the whole text. The order is that of precedence (section 11), and of versions that differ only in their
/// build the one without goes first, then by the build's identifiers; <see cref="ComparePrecedence"/> leaves builds out, as
/// ranges do. Immutable.
/// </para>
/// </summary>
public readonly struct SemVer : IEquatable<SemVer>, IComparable<SemVer>, ISpanParsable<SemVer>
{
    /// <summary>The longest version, in characters, as in npm.</summary>
    public const int MaxLength = 256;

    /// <summary>The largest of the three numbers: 2^53 - 1, as in npm. Numbers within a prerelease may have any length.</summary>
    public const long MaxNumber = 9007199254740991;

    private readonly string? _prerelease;
    private readonly string? _build;

    private SemVer(long major, long minor, long patch, string? prerelease, string? build)
    {
        Major = major;
        Minor = minor;
        Patch = patch;
        _prerelease = prerelease;
        _build = build;
    }

    /// <summary>A release: a version without prerelease and build.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative or above <see cref="MaxNumber"/>.</exception>
    public SemVer(long major, long minor, long patch)
        : this(InRange(major), InRange(minor), InRange(patch), null, null) { }

    /// <summary>The first number, 0 to <see cref="MaxNumber"/>.</summary>
    public long Major { get; }

    /// <summary>The second number, 0 to <see cref="MaxNumber"/>.</summary>
    public long Minor { get; }

    /// <summary>The third number, 0 to <see cref="MaxNumber"/>.</summary>
    public long Patch { get; }

    /// <summary>The identifiers between <c>-</c> and <c>+</c>, such as <c>rc.1</c>; empty for a release.</summary>
    public string Prerelease => _prerelease ?? "";

    /// <summary>The identifiers after <c>+</c>; empty without any.</summary>
    public string Build => _build ?? "";

    /// <summary>Whether there is a prerelease part: such a version precedes the release of its three numbers.</summary>
    public bool IsPrerelease => _prerelease is not null;

    /// <summary>Reads a version; false for anything that is not exactly one, or beyond a limit.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SemVer version)
    {
        version = default;
        if (text.Length > MaxLength)
            return false;
        var rest = text;
        if (
            !TryTakeNumber(ref rest, out var major)
            || !TryTakeDot(ref rest)
            || !TryTakeNumber(ref rest, out var minor)
            || !TryTakeDot(ref rest)
            || !TryTakeNumber(ref rest, out var patch)
        )
            return false;
        string? build = null;
        if (rest.IndexOf('+') is var plus and >= 0)
        {
            if (!AreIdentifiers(rest[(plus + 1)..], leadingZeros: true))
                return false;
            build = rest[(plus + 1)..].ToString();
            rest = rest[..plus];
        }
        string? prerelease = null;
        if (!rest.IsEmpty)
        {
            if (rest[0] != '-' || !AreIdentifiers(rest[1..], leadingZeros: false))
                return false;
            prerelease = rest[1..].ToString();
        }
        version = new SemVer(major, minor, patch, prerelease, build);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out SemVer)"/>
    public static bool TryParse([NotNullWhen(true)] string? text, out SemVer version) =>
        TryParse(text.AsSpan(), out version);

    /// <summary>Reads a version.</summary>
    /// <exception cref="FormatException">The text is not a version.</exception>
    public static SemVer Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var version)
            ? version
            : throw new FormatException(
                $"Not a version: expected Semantic Versioning 2.0.0 such as '1.4.0' or '2.0.0-rc.1', at most {MaxLength} characters."
            );

    /// <inheritdoc/>
    static SemVer ISpanParsable<SemVer>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool ISpanParsable<SemVer>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out SemVer result) =>
        TryParse(s, out result);

    /// <inheritdoc/>
    static SemVer IParsable<SemVer>.Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s);
    }

    /// <inheritdoc/>
    static bool IParsable<SemVer>.TryParse(
        [NotNullWhen(true)] string? s,
        IFormatProvider? provider,
        out SemVer result
    ) => TryParse(s, out result);

    /// <summary>Compares by precedence (section 11): builds are left out. Negative when this version comes first.</summary>
    public int ComparePrecedence(SemVer other)
    {
        var order = CompareNumbers(other);
        if (order != 0)
            return order;
        if (_prerelease is null || other._prerelease is null)
            return (_prerelease is null).CompareTo(other._prerelease is null);
        return CompareIdentifiers(_prerelease, other._prerelease);
    }

    /// <summary>Compares by precedence, and then by build, so that only equal versions compare as 0.</summary>
    public int CompareTo(SemVer other)
    {
        var order = ComparePrecedence(other);
        if (order == 0)
            order = CompareIdentifiers(Build, other.Build);
        // Identifiers of a build may differ in leading zeros only.
        return order != 0 ? order : string.CompareOrdinal(Build, other.Build);
    }

    /// <summary>Whether both have the same text.</summary>
    public bool Equals(SemVer other) =>
        (Major, Minor, Patch) == (other.Major, other.Minor, other.Patch)
        && _prerelease == other._prerelease
        && _build == other._build;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is SemVer other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Major, Minor, Patch, _prerelease, _build);

    /// <summary>The text that <see cref="TryParse(ReadOnlySpan{char}, out SemVer)"/> reads back to an equal version.</summary>
    public override string ToString()
    {
        var prerelease = _prerelease is null ? "" : "-" + _prerelease;
        var build = _build is null ? "" : "+" + _build;
        return string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}.{Patch}{prerelease}{build}");
    }

    /// <summary>Whether both have the same text.</summary>
    public static bool operator ==(SemVer left, SemVer right) => left.Equals(right);

    /// <summary>Whether the texts differ.</summary>
    public static bool operator !=(SemVer left, SemVer right) => !left.Equals(right);

    /// <summary>Order as in <see cref="CompareTo"/>.</summary>
    public static bool operator <(SemVer left, SemVer right) => left.CompareTo(right) < 0;

    /// <summary>Order as in <see cref="CompareTo"/>.</summary>
    public static bool operator <=(SemVer left, SemVer right) => left.CompareTo(right) <= 0;

    /// <summary>Order as in <see cref="CompareTo"/>.</summary>
    public static bool operator >(SemVer left, SemVer right) => left.CompareTo(right) > 0;

    /// <summary>Order as in <see cref="CompareTo"/>.</summary>
    public static bool operator >=(SemVer left, SemVer right) => left.CompareTo(right) >= 0;

    /// <summary>The lowest version of these numbers: the prerelease <c>0</c>.</summary>
    internal static SemVer LowestOf(long major, long minor, long patch) => new(major, minor, patch, "0", null);

    internal SemVer WithoutBuild() => new(Major, Minor, Patch, _prerelease, null);

    internal bool HasNumbersOf(SemVer other) => CompareNumbers(other) == 0;

    /// <summary>Whether the text is a list of identifiers with dots between them (sections 9 and 10).</summary>
    internal static bool AreIdentifiers(ReadOnlySpan<char> text, bool leadingZeros)
    {
        while (true)
        {
            var dot = text.IndexOf('.');
            var identifier = dot < 0 ? text : text[..dot];
            if (identifier.IsEmpty)
                return false;
            var numeric = true;
            foreach (var c in identifier)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c != '-')
                    return false;
                numeric &= char.IsAsciiDigit(c);
            }
            if (numeric && !leadingZeros && identifier.Length > 1 && identifier[0] == '0')
                return false;
            if (dot < 0)
                return true;
            text = text[(dot + 1)..];
        }
    }

    private static long InRange(long number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(number, MaxNumber);
        return number;
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        var length = 0;
        for (; length < text.Length && char.IsAsciiDigit(text[length]); length++)
        {
            number = number * 10 + (text[length] - '0');
            if (number > MaxNumber)
                return false;
        }
        if (length == 0 || (length > 1 && text[0] == '0'))
            return false;
        text = text[length..];
        return true;
    }

    private static bool TryTakeDot(ref ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] != '.')
            return false;
        text = text[1..];
        return true;
    }

    private int CompareNumbers(SemVer other)
    {
        if (Major != other.Major)
            return Major.CompareTo(other.Major);
        return Minor != other.Minor ? Minor.CompareTo(other.Minor) : Patch.CompareTo(other.Patch);
    }

    // Section 11.4; of two lists that begin alike, the longer one is higher, and the empty one is lowest.
    private static int CompareIdentifiers(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        while (!left.IsEmpty && !right.IsEmpty)
        {
            var order = CompareIdentifier(Take(ref left), Take(ref right));
            if (order != 0)
                return order;
        }
        return right.IsEmpty.CompareTo(left.IsEmpty);

        static ReadOnlySpan<char> Take(ref ReadOnlySpan<char> text)
        {
            var dot = text.IndexOf('.');
            var identifier = dot < 0 ? text : text[..dot];
            text = dot < 0 ? [] : text[(dot + 1)..];
            return identifier;
        }
    }

    private static int CompareIdentifier(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        var leftIsNumber = !left.ContainsAnyExceptInRange('0', '9');
        var rightIsNumber = !right.ContainsAnyExceptInRange('0', '9');
        if (leftIsNumber != rightIsNumber)
            return leftIsNumber ? -1 : 1;
        if (!leftIsNumber)
            return left.SequenceCompareTo(right);
        left = left.TrimStart('0');
        right = right.TrimStart('0');
        return left.Length != right.Length ? left.Length.CompareTo(right.Length) : left.SequenceCompareTo(right);
    }
}

using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel.Languages;

/// <summary>The direction that text of a language runs in.</summary>
public enum TextDirection
{
    /// <summary>Left to right, <c>ltr</c> in HTML.</summary>
    LeftToRight,

    /// <summary>Right to left, <c>rtl</c> in HTML.</summary>
    RightToLeft,
}

/// <summary>
/// A well-formed language tag (BCP 47, RFC 5646 section 2.1) in the case that section 2.1.1 recommends:
/// <c>zh-Hant-TW</c>, <c>sl-rozaj-biske</c>, <c>de-DE-u-co-phonebk</c>, <c>x-pirate</c>, <c>i-klingon</c>. The whole grammar
/// is read, grandfathered tags, extensions and private use included; a variant or a singleton that stands twice is refused
/// (section 2.2.9). Whether a subtag is registered is not asked. Equality is by the text in that case; replaced subtags stay
/// as they were written until <see cref="Canonical"/> is asked for. Immutable and safe to share.
/// </summary>
public sealed class LanguageTag : IEquatable<LanguageTag>, IParsable<LanguageTag>
{
    /// <summary>The longest tag, in characters; RFC 5646 section 4.4.1 asks for at least 35.</summary>
    public const int MaxLength = 64;

    // RFC 5646 section 2.1, grandfathered tags, with the registry's preferred value where it has one.
    private static readonly FrozenDictionary<string, string?> _grandfathered = new Dictionary<string, string?>
    {
        ["art-lojban"] = "jbo",
        ["cel-gaulish"] = null,
        ["en-GB-oed"] = "en-GB-oxendict",
        ["i-ami"] = "ami",
        ["i-bnn"] = "bnn",
        ["i-default"] = null,
        ["i-enochian"] = null,
        ["i-hak"] = "hak",
        ["i-klingon"] = "tlh",
        ["i-lux"] = "lb",
        ["i-mingo"] = null,
        ["i-navajo"] = "nv",
        ["i-pwn"] = "pwn",
        ["i-tao"] = "tao",
        ["i-tay"] = "tay",
        ["i-tsu"] = "tsu",
        ["no-bok"] = "nb",
        ["no-nyn"] = "nn",
        ["sgn-BE-FR"] = "sfb",
        ["sgn-BE-NL"] = "vgt",
        ["sgn-CH-DE"] = "sgg",
        ["zh-guoyu"] = "cmn",
        ["zh-hakka"] = "hak",
        ["zh-min"] = null,
        ["zh-min-nan"] = "nan",
        ["zh-xiang"] = "hsn",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> _rightToLeftScripts = new[]
    {
        "Adlm",
        "Arab",
        "Aran",
        "Armi",
        "Avst",
        "Chrs",
        "Cprt",
        "Elym",
        "Gara",
        "Hatr",
        "Hebr",
        "Hung",
        "Khar",
        "Lydi",
        "Mand",
        "Mani",
        "Mend",
        "Merc",
        "Mero",
        "Narb",
        "Nbat",
        "Nkoo",
        "Orkh",
        "Ougr",
        "Palm",
        "Phli",
        "Phlp",
        "Phnx",
        "Prti",
        "Rohg",
        "Samr",
        "Sarb",
        "Sidt",
        "Sogd",
        "Sogo",
        "Syrc",
        "Syre",
        "Syrj",
        "Syrn",
        "Thaa",
        "Todr",
        "Yezi",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private readonly string? _script;

    private LanguageTag(string value, Parts parts)
    {
        Value = value;
        Language = value[..parts.Language];
        ExtendedLanguage = Slice(parts.ExtendedStart, parts.ExtendedEnd);
        _script = Slice(parts.ScriptStart, parts.ScriptEnd);
        Region = Slice(parts.RegionStart, parts.RegionEnd);
        Variants = Slice(parts.VariantStart, parts.VariantEnd)?.Split('-') ?? [];
        Extensions = Slice(parts.ExtensionStart, parts.ExtensionEnd);
        PrivateUse = Slice(parts.PrivateStart, parts.PrivateEnd);
        IsGrandfathered = parts.IsGrandfathered;

        string? Slice(int start, int end) => end > start ? value[start..end] : null;
    }

    /// <summary>The tag in its recommended case.</summary>
    public string Value { get; }

    /// <summary>The primary language subtag; <c>x</c> for a private tag, the first subtag of a grandfathered one.</summary>
    public string Language { get; }

    /// <summary>The extended language subtags, such as <c>yue</c> in <c>zh-yue</c>; null without any.</summary>
    public string? ExtendedLanguage { get; }

    /// <summary>The script subtag as written, such as <c>Hant</c>; null without one. See <see cref="LikelyScript"/>.</summary>
    public string? Script => _script;

    /// <summary>The region subtag, such as <c>TW</c> or <c>419</c>; null without one.</summary>
    public string? Region { get; }

    /// <summary>The variant subtags in their order; empty without any.</summary>
    public IReadOnlyList<string> Variants { get; }

    /// <summary>The extensions, such as <c>u-co-phonebk</c>; null without any.</summary>
    public string? Extensions { get; }

    /// <summary>The private use part with its <c>x</c>, such as <c>x-pirate</c>; null without one.</summary>
    public string? PrivateUse { get; }

    /// <summary>Whether the whole tag is one of the 26 of RFC 5646's <c>grandfathered</c> production.</summary>
    public bool IsGrandfathered { get; }

    /// <summary>The script it is written in, or is usually written in there according to CLDR; <c>Latn</c> when unknown.</summary>
    public string LikelyScript =>
        _script ?? TitleCase(LanguageParents.LikelyScript(Canonical().Value.ToLowerInvariant()));

    /// <summary>The direction of <see cref="LikelyScript"/>.</summary>
    public TextDirection Direction =>
        _rightToLeftScripts.Contains(LikelyScript) ? TextDirection.RightToLeft : TextDirection.LeftToRight;

    /// <summary>Reads a tag in any case; false for anything that is not well-formed, <c>null</c> included.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out LanguageTag? tag)
    {
        tag = null;
        if (text is null || text.Length is 0 or > MaxLength)
            return false;
        if (_grandfathered.TryGetValue(text, out _))
        {
            var known = _grandfathered.Keys.First(key => string.Equals(key, text, StringComparison.OrdinalIgnoreCase));
            tag = new LanguageTag(known, new Parts { Language = known.IndexOf('-'), IsGrandfathered = true });
            return true;
        }
        if (!TryRead(text, out var parts))
            return false;
        tag = new LanguageTag(InRecommendedCase(text), parts);
        return true;
    }

    /// <summary>Reads a tag in any case.</summary>
    /// <exception cref="FormatException">The text is not a well-formed language tag.</exception>
    public static LanguageTag Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var tag)
            ? tag
            : throw new FormatException("Not a language tag: expected BCP 47 such as 'fr', 'fr-CA' or 'zh-Hant-TW'.");
    }

    /// <inheritdoc/>
    static LanguageTag IParsable<LanguageTag>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<LanguageTag>.TryParse(
        [NotNullWhen(true)] string? s,
        IFormatProvider? provider,
        [MaybeNullWhen(false)] out LanguageTag result
    ) => TryParse(s, out result);

    /// <summary>
    /// The canonical form (RFC 5646 section 4.5): grandfathered tags and extended languages by their preferred value,
    /// deprecated, overlong and legacy languages and regions by CLDR's successor, extensions in the order of their
    /// singletons. This tag itself when nothing changes.
    /// </summary>
    public LanguageTag Canonical()
    {
        if (IsGrandfathered)
            return _grandfathered[Value] is { } preferred ? Parse(preferred) : this;
        if (Language == "x")
            return this;

        var language = ExtendedLanguage is { } extended ? extended.Split('-')[^1] : Language;
        var script = _script;
        if (LanguageParents.LanguageAlias(language) is { } successor)
        {
            var split = successor.IndexOf('-');
            language = split < 0 ? successor : successor[..split];
            if (split >= 0)
                script ??= successor[(split + 1)..];
        }
        var region = Region is null ? null : LanguageParents.RegionAlias(Region.ToLowerInvariant()) ?? Region;
        var text = string.Join(
            '-',
            new[] { language, script, region }
                .Concat(Variants)
                .Append(InSingletonOrder(Extensions))
                .Append(PrivateUse)
                .Where(part => part is not null)
        );
        var canonical = InRecommendedCase(text);
        // Successors may be longer than what they replace; a tag at the limit then stays as it is.
        return canonical == Value || !TryParse(canonical, out var tag) ? this : tag;
    }

    /// <summary>The tags to try for this one: see <see cref="Languages.FallbackChain"/>.</summary>
    public FallbackChain FallbackChain() => new(this);

    /// <inheritdoc/>
    public bool Equals(LanguageTag? other) =>
        other is not null && string.Equals(Value, other.Value, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LanguageTag);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode(StringComparison.Ordinal);

    /// <summary>Whether both are the same tag.</summary>
    public static bool operator ==(LanguageTag? left, LanguageTag? right) => left?.Equals(right) ?? right is null;

    /// <summary>Whether the tags differ.</summary>
    public static bool operator !=(LanguageTag? left, LanguageTag? right) => !(left == right);

    /// <summary>The tag in its recommended case.</summary>
    public override string ToString() => Value;

    private static string TitleCase(string script) => char.ToUpperInvariant(script[0]) + script[1..];

    private static string? InSingletonOrder(string? extensions)
    {
        if (extensions is null)
            return null;
        List<string> parts = [];
        foreach (var subtag in extensions.Split('-'))
        {
            if (subtag.Length == 1)
                parts.Add(subtag);
            else
                parts[^1] += "-" + subtag;
        }
        return string.Join('-', parts.Order(StringComparer.OrdinalIgnoreCase));
    }

    private static string InRecommendedCase(string text) =>
        string.Create(
            text.Length,
            text,
            static (to, text) =>
            {
                text.AsSpan().ToLowerInvariant(to);
                var start = 0;
                var afterSingleton = false;
                while (start < to.Length)
                {
                    var length = to[start..].IndexOf('-') is var dash and >= 0 ? dash : to.Length - start;
                    if (start > 0 && !afterSingleton)
                    {
                        if (length == 2)
                            text.AsSpan(start, length).ToUpperInvariant(to[start..]);
                        else if (length == 4)
                            to[start] = char.ToUpperInvariant(to[start]);
                    }
                    afterSingleton |= length == 1;
                    start += length + 1;
                }
            }
        );

    private static bool TryRead(ReadOnlySpan<char> text, out Parts parts)
    {
        parts = default;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '-')
                return false;
        }

        var reader = new Subtags(text);
        if (reader is { Length: 1, First: 'x' or 'X' })
        {
            parts.Language = 1;
            return TryReadPrivateUse(ref reader, ref parts);
        }
        if (reader.Length is < 2 or > 8 || !reader.IsAlpha)
            return false;
        parts.Language = reader.End;
        var mayExtend = reader.Length <= 3;
        reader.Next();

        if (mayExtend && reader is { Length: 3, IsAlpha: true })
        {
            parts.ExtendedStart = reader.Start;
            for (var i = 0; i < 3 && reader is { Length: 3, IsAlpha: true }; i++)
            {
                parts.ExtendedEnd = reader.End;
                reader.Next();
            }
        }
        if (reader is { Length: 4, IsAlpha: true })
        {
            (parts.ScriptStart, parts.ScriptEnd) = (reader.Start, reader.End);
            reader.Next();
        }
        if (reader is { Length: 2, IsAlpha: true } or { Length: 3, IsDigits: true })
        {
            (parts.RegionStart, parts.RegionEnd) = (reader.Start, reader.End);
            reader.Next();
        }
        while (reader.Length is >= 5 and <= 8 || (reader.Length == 4 && char.IsAsciiDigit(reader.First)))
        {
            if (parts.VariantStart == 0)
                parts.VariantStart = reader.Start;
            else if (Contains(text[parts.VariantStart..parts.VariantEnd], reader.Current))
                return false;
            parts.VariantEnd = reader.End;
            reader.Next();
        }
        var singletons = 0UL;
        while (reader.Length == 1 && reader.First is not ('x' or 'X'))
        {
            var letter = char.ToLowerInvariant(reader.First);
            var bit = 1UL << (char.IsAsciiDigit(letter) ? letter - '0' : letter - 'a' + 10);
            if ((singletons & bit) != 0)
                return false;
            singletons |= bit;
            if (parts.ExtensionStart == 0)
                parts.ExtensionStart = reader.Start;
            reader.Next();
            if (reader.Length is < 2 or > 8)
                return false;
            while (reader.Length is >= 2 and <= 8)
            {
                parts.ExtensionEnd = reader.End;
                reader.Next();
            }
        }
        return reader.AtEnd || (reader.Length == 1 && TryReadPrivateUse(ref reader, ref parts));
    }

    private static bool TryReadPrivateUse(ref Subtags reader, ref Parts parts)
    {
        parts.PrivateStart = reader.Start;
        reader.Next();
        if (reader.AtEnd)
            return false;
        for (; !reader.AtEnd; reader.Next())
        {
            if (reader.Length is < 1 or > 8)
                return false;
            parts.PrivateEnd = reader.End;
        }
        return true;
    }

    private static bool Contains(ReadOnlySpan<char> subtags, ReadOnlySpan<char> subtag)
    {
        foreach (var range in subtags.Split('-'))
        {
            if (subtags[range].Equals(subtag, StringComparison.OrdinalIgnoreCase))
                return true;
        }
        return false;
    }

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
    private struct Parts
    {
        public int Language;
        public int ExtendedStart;
        public int ExtendedEnd;
        public int ScriptStart;
        public int ScriptEnd;
        public int RegionStart;
        public int RegionEnd;
        public int VariantStart;
        public int VariantEnd;
        public int ExtensionStart;
        public int ExtensionEnd;
        public int PrivateStart;
        public int PrivateEnd;
        public bool IsGrandfathered;
    }

    /// <summary>Walks the subtags; past the last one the length is -1, and an empty subtag has length 0.</summary>
    private ref struct Subtags
    {
        private readonly ReadOnlySpan<char> _text;

        public Subtags(ReadOnlySpan<char> text)
        {
            _text = text;
            Start = -1;
            End = -1;
            Next();
        }

        public int Start { get; private set; }

        public int End { get; private set; }

        public readonly bool AtEnd => Start > _text.Length;

        public readonly int Length => AtEnd ? -1 : End - Start;

        public readonly ReadOnlySpan<char> Current => AtEnd ? [] : _text[Start..End];

        public readonly char First => Current.IsEmpty ? '\0' : Current[0];

        public readonly bool IsAlpha =>
            !Current.ContainsAnyExceptInRange('A', 'z') && !Current.ContainsAnyInRange('[', '`');

        public readonly bool IsDigits => !Current.ContainsAnyExceptInRange('0', '9');

        public void Next()
        {
            Start = End + 1;
            End =
                Start > _text.Length ? Start
                : _text[Start..].IndexOf('-') is var dash and >= 0 ? Start + dash
                : _text.Length;
        }
    }
}

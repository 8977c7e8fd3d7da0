using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Platen.Kernel;

/// <summary>
/// A name fit for a host label and a path segment: <c>[a-z0-9]+(-[a-z0-9]+)*</c>, 1 to <see cref="MaxLength"/> characters
/// (RFC 1035 section 2.3.4). Only ASCII is accepted and two dashes never meet, so neither look-alike letters nor encoded
/// international labels (<c>xn--…</c>, RFC 5890) can imitate another slug. Reserved words are the concern of whoever hands
/// out names. The default value names nothing: its <see cref="Value"/> throws.
/// </summary>
public readonly record struct Slug : IParsable<Slug>
{
    /// <summary>The longest slug, in characters: a host label's limit.</summary>
    public const int MaxLength = 63;

    // Each letter of Latin-1 and Latin Extended-A with what a reader without that letter would type.
    private static readonly Dictionary<char, string> _latin = BuildLatin(
        "aàáâãåāăą cçćĉċč dďđð eèéêëēĕėęě gĝğġģ hĥħ iìíîïĩīĭįı jĵ kķĸ lĺļľŀł nñńņňŉŋ oòóôõøōŏő rŕŗř sśŝşšſș tţťŧț "
            + "uùúûũūŭůűų wŵ yýÿŷ zźżž",
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("ß", "ss"),
        ("æ", "ae"),
        ("œ", "oe"),
        ("ĳ", "ij"),
        ("þ", "th"),
        ("&", "-and-")
    );

    private readonly string? _value;

    private Slug(string value) => _value = value;

    /// <summary>The text as it was parsed.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default(Slug)</c>.</exception>
    public string Value => _value ?? throw new InvalidOperationException("A default Slug names nothing.");

    /// <summary>Reads a slug; false for anything that is not exactly one, <c>null</c> included. Nothing is folded.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Slug slug)
    {
        var valid = text is { Length: <= MaxLength } && IsDashedWords(text);
        slug = valid ? new Slug(text!) : default;
        return valid;
    }

    /// <summary>Reads a slug.</summary>
    /// <exception cref="FormatException">The text is not a slug.</exception>
    public static Slug Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var slug)
            ? slug
            : throw new FormatException(
                $"Not a slug: expected lower-case ASCII letters and digits joined by single dashes, 1 to {MaxLength} characters."
            );
    }

    /// <summary>
    /// Suggests a slug for a name that a person typed: Latin letters lose their accents, every other run of characters
    /// becomes one dash, and a long result is cut, at a dash where one is near. Null when nothing would remain,
    /// as for a name in another script: the caller then asks for one.
    /// </summary>
    public static Slug? FromName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var slug = new StringBuilder(MaxLength + 1);
        var gap = false;
        foreach (var c in name)
        {
            var lower = char.ToLowerInvariant(c);
            // Combining marks follow their letter, and apostrophes sit inside a word: neither separates words.
            if (lower is (>= '\u0300' and <= '\u036f') or '\'' or '\u2019')
                continue;
            if (char.IsAsciiLetterLower(lower) || char.IsAsciiDigit(lower))
                Append([lower]);
            else if (_latin.TryGetValue(lower, out var letters))
                Append(letters);
            else
                gap = true;
            if (slug.Length > MaxLength)
                break;
        }

        if (slug.Length > MaxLength)
        {
            slug.Length = MaxLength;
            var text = slug.ToString();
            var dash = text.LastIndexOf('-');
            if (dash >= MaxLength - 16)
                slug.Length = dash;
            if (slug[^1] == '-')
                slug.Length--;
        }
        return TryParse(slug.ToString(), out var suggested) ? suggested : null;

        void Append(ReadOnlySpan<char> letters)
        {
            foreach (var letter in letters)
            {
                if (letter == '-')
                {
                    gap = true;
                    continue;
                }
                if (gap && slug.Length > 0)
                    slug.Append('-');
                gap = false;
                slug.Append(letter);
            }
            // A trailing separator belongs to whatever follows, if anything does.
            gap |= letters[^1] == '-';
        }
    }

    /// <inheritdoc/>
    static Slug IParsable<Slug>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<Slug>.TryParse(string? s, IFormatProvider? provider, out Slug result) =>
        TryParse(s, out result);

    /// <summary>The text as it was parsed; empty for the default value.</summary>
    public override string ToString() => _value ?? "";

    internal static bool IsDashedWords(ReadOnlySpan<char> text)
    {
        var wordStarts = true;
        foreach (var c in text)
        {
            if (char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))
                wordStarts = false;
            else if (c == '-' && !wordStarts)
                wordStarts = true;
            else
                return false;
        }
        return !wordStarts;
    }

    private static Dictionary<char, string> BuildLatin(string groups, params (string Letter, string Ascii)[] pairs)
    {
        var table = new Dictionary<char, string>();
        foreach (var group in groups.Split(' '))
        {
            foreach (var letter in group.AsSpan(1))
                table.Add(letter, group[..1]);
        }
        foreach (var (letter, ascii) in pairs)
            table.Add(letter[0], ascii);
        return table;
    }
}

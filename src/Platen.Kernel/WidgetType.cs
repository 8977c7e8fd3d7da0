using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel;

/// <summary>
/// The name of a kind of widget, for example <c>content.faq</c>: lower-case ASCII words joined by dots,
/// <c>[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)*</c>, at most <see cref="MaxLength"/> characters, and neither <c>main</c> nor
/// <c>curated</c> (those words name the other forms of a <see cref="PublicId"/>). Whether a package of that name exists is
/// the registry's knowledge. The default value names nothing: its <see cref="Value"/> throws.
/// </summary>
public readonly record struct WidgetType : IParsable<WidgetType>
{
    /// <summary>The longest type, in characters: it is a path segment and a column in every list.</summary>
    public const int MaxLength = 64;

    private readonly string? _value;

    private WidgetType(string value) => _value = value;

    /// <summary>The text as it was parsed.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default(WidgetType)</c>.</exception>
    public string Value => _value ?? throw new InvalidOperationException("A default WidgetType names no type.");

    /// <summary>Reads a type; false for anything that is not exactly one, <c>null</c> included.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out WidgetType type)
    {
        var valid = text is not null && IsValid(text);
        type = valid ? new WidgetType(text!) : default;
        return valid;
    }

    /// <summary>Reads a type.</summary>
    /// <exception cref="FormatException">The text is not a widget type.</exception>
    public static WidgetType Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var type)
            ? type
            : throw new FormatException(
                $"Not a widget type: expected lower-case words joined by dots such as 'content.faq', at most {MaxLength} characters."
            );
    }

    /// <inheritdoc/>
    static WidgetType IParsable<WidgetType>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<WidgetType>.TryParse(string? s, IFormatProvider? provider, out WidgetType result) =>
        TryParse(s, out result);

    /// <summary>The text as it was parsed; empty for the default value.</summary>
    public override string ToString() => _value ?? "";

    internal static bool IsValid(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MaxLength || text is "main" or "curated")
            return false;
        var wordStarts = true;
        foreach (var c in text)
        {
            if (wordStarts)
            {
                if (!char.IsAsciiLetterLower(c))
                    return false;
                wordStarts = false;
            }
            else if (c == '.')
            {
                wordStarts = true;
            }
            else if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c))
            {
                return false;
            }
        }
        return !wordStarts;
    }
}

using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel.Templates;

/// <summary>
/// The name of a template within its owner, and the last part of its OCI repository (<c>templates/{name}</c>): lower-case ASCII
/// letters and digits, joined by single <c>-</c>, <c>_</c> or <c>.</c>, 1 to <see cref="MaxLength"/> characters. The default
/// value names nothing: its <see cref="Value"/> throws.
/// </summary>
public readonly record struct TemplateName : IParsable<TemplateName>
{
    /// <summary>The longest name, in characters: it is a folder of every cache, and a line of every list.</summary>
    public const int MaxLength = 100;

    private readonly string? value;

    private TemplateName(string value) => this.value = value;

    /// <summary>The text as it was parsed.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default(TemplateName)</c>.</exception>
    public string Value => value ?? throw new InvalidOperationException("A default TemplateName names nothing.");

    /// <summary>The OCI repository of the template's releases.</summary>
    public string Subject => "templates/" + Value;

    /// <summary>The stream of the template's events.</summary>
    public string Stream => "template/" + Value;

    /// <summary>Reads a name; false for anything that is not exactly one, <c>null</c> included.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TemplateName name)
    {
        var valid = text is { Length: > 0 and <= MaxLength } && IsJoinedWords(text, "-_.");
        name = valid ? new TemplateName(text!) : default;
        return valid;
    }

    /// <summary>Reads a name.</summary>
    /// <exception cref="FormatException">The text is not a template's name.</exception>
    public static TemplateName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var name)
            ? name
            : throw new FormatException(
                $"Not a template's name: expected lower-case letters and digits joined by single '-', '_' or '.', at most {MaxLength} characters."
            );
    }

    static TemplateName IParsable<TemplateName>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<TemplateName>.TryParse(string? s, IFormatProvider? provider, out TemplateName result) =>
        TryParse(s, out result);

    /// <summary>The text as it was parsed; empty for the default value.</summary>
    public override string ToString() => value ?? "";

    /// <summary>Words of lower-case letters and digits with single joints between them.</summary>
    internal static bool IsJoinedWords(ReadOnlySpan<char> text, ReadOnlySpan<char> joints)
    {
        var wordStarts = true;
        foreach (var c in text)
        {
            if (char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))
                wordStarts = false;
            else if (!wordStarts && joints.Contains(c))
                wordStarts = true;
            else
                return false;
        }
        return !wordStarts;
    }
}

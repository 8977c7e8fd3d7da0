namespace Platen.Kernel;

/// <summary>The one text that a UUID has in addresses, names of folders and messages: 36 characters in lower case (RFC 9562 section 4).</summary>
public static class UuidText
{
    private const int Length = 36;

    /// <summary>Reads what printing gives, and nothing else: no upper case, no braces, no space around it.</summary>
    /// <returns>False for anything else; <paramref name="value"/> is the empty UUID then.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out Guid value)
    {
        Span<char> printed = stackalloc char[Length];
        if (
            Guid.TryParseExact(text, "D", out value)
            && value.TryFormat(printed, out _, "D")
            && text.SequenceEqual(printed)
        )
            return true;
        value = Guid.Empty;
        return false;
    }

    /// <summary>Reads what printing gives.</summary>
    /// <exception cref="FormatException">It is anything else.</exception>
    public static Guid Parse(string text) =>
        TryParse(text, out var value)
            ? value
            : throw new FormatException($"'{text}' is not a UUID of {Length} characters in lower case.");
}

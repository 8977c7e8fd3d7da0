using System.Diagnostics.CodeAnalysis;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>
/// The strong entity tag of a version that was read, with its quotes, such as <c>"7"</c> (RFC 9110 section 8.8.3). Compared
/// octet by octet. The default value is no tag: <see cref="IsNone"/>.
/// </summary>
public readonly record struct EntityTag
{
    private readonly string? text;

    private EntityTag(string text) => this.text = text;

    /// <summary>The answer had no tag, or a weak one, which no write can use.</summary>
    public bool IsNone => text is null;

    /// <summary>Reads a field's value; false for a weak tag and for anything that is not one quoted tag.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out EntityTag tag)
    {
        var valid = text is ['"', .., '"'] && text.IndexOf('"', 1) == text.Length - 1;
        tag = valid ? new EntityTag(text!) : default;
        return valid;
    }

    /// <summary>The condition "only if this is still the version": <c>If-Match</c>.</summary>
    /// <exception cref="InvalidOperationException">This is no tag.</exception>
    public Precondition StillCurrent() =>
        new Precondition.OneOf([text ?? throw new InvalidOperationException("There is no entity tag to match.")]);

    /// <summary>The tag with its quotes; empty for no tag.</summary>
    public override string ToString() => text ?? "";
}

/// <summary>Something that was read, with the tag of the version it was read at.</summary>
/// <param name="Value">What was read.</param>
/// <param name="Tag">Its version, for the write that follows.</param>
public sealed record Versioned<T>(T Value, EntityTag Tag);

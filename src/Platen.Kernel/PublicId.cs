using System.Diagnostics.CodeAnalysis;

namespace Platen.Kernel;

/// <summary>
/// The public name of a widget instance, in exactly one of three forms:
/// <code>
/// wgt_main_{type}      Baseline   the instance every other of its type falls back to
/// wgt_curated_{key}    Curated    a showcase made by the platform's publisher
/// wgt_{type}_u_{key}   User       an instance of a workspace
/// </code>
/// A type is a <see cref="WidgetType"/>; a key is <c>[a-z0-9]+(-[a-z0-9]+)*</c> with at most <see cref="MaxKeyLength"/>
/// characters. Neither contains an underscore and a type is never <c>main</c> or <c>curated</c>, so no text has two readings.
/// The shorthand <c>wgt_{type}</c> is read as that type's baseline and printed in full. Equality is by form and parts.
/// Immutable and safe to share.
/// </summary>
public abstract record PublicId : IParsable<PublicId>
{
    /// <summary>The longest key, in characters.</summary>
    public const int MaxKeyLength = 64;

    /// <summary>The longest public id, in characters.</summary>
    public const int MaxLength = 4 + WidgetType.MaxLength + 3 + MaxKeyLength;

    private const string Prefix = "wgt_";
    private const string MainPrefix = "main_";
    private const string CuratedPrefix = "curated_";
    private const string UserInfix = "_u_";

    private PublicId() { }

    /// <summary>The instance that every other of its type falls back to.</summary>
    /// <exception cref="InvalidOperationException">The type is the default value.</exception>
    public sealed record Baseline(WidgetType Type) : PublicId
    {
        /// <summary>The widget type this is the baseline of.</summary>
        public WidgetType Type { get; } = Named(Type);
    }

    /// <summary>A showcase made by the platform's publisher; its type is an attribute of its row, not of its id.</summary>
    /// <exception cref="FormatException">The key is not well-formed.</exception>
    public sealed record Curated(string Key) : PublicId
    {
        /// <summary>The part after <c>wgt_curated_</c>.</summary>
        public string Key { get; } = WellFormed(Key);
    }

    /// <summary>An instance that belongs to a workspace.</summary>
    /// <exception cref="InvalidOperationException">The type is the default value.</exception>
    /// <exception cref="FormatException">The key is not well-formed.</exception>
    public sealed record User(WidgetType Type, string Key) : PublicId
    {
        /// <summary>The widget type.</summary>
        public WidgetType Type { get; } = Named(Type);

        /// <summary>The part after <c>_u_</c>, unique among all workspaces.</summary>
        public string Key { get; } = WellFormed(Key);
    }

    /// <summary>Reads an id; false for anything that is not exactly one form, <c>null</c> included.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out PublicId? id)
    {
        id = null;
        if (text is null || text.Length > MaxLength || !text.StartsWith(Prefix, StringComparison.Ordinal))
            return false;
        var rest = text.AsSpan(Prefix.Length);

        if (rest.StartsWith(CuratedPrefix, StringComparison.Ordinal))
        {
            var key = rest[CuratedPrefix.Length..];
            if (IsKey(key))
                id = new Curated(key.ToString());
        }
        else if (rest.StartsWith(MainPrefix, StringComparison.Ordinal))
        {
            if (WidgetType.TryParse(rest[MainPrefix.Length..].ToString(), out var type))
                id = new Baseline(type);
        }
        else if (rest.IndexOf(UserInfix, StringComparison.Ordinal) is var split and > 0)
        {
            var key = rest[(split + UserInfix.Length)..];
            if (IsKey(key) && WidgetType.TryParse(rest[..split].ToString(), out var type))
                id = new User(type, key.ToString());
        }
        else if (WidgetType.TryParse(rest.ToString(), out var type))
        {
            id = new Baseline(type);
        }
        return id is not null;
    }

    /// <summary>Reads an id.</summary>
    /// <exception cref="FormatException">The text is not a public id.</exception>
    public static PublicId Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var id)
            ? id
            : throw new FormatException(
                "Not a public id: expected wgt_main_{type}, wgt_curated_{key} or wgt_{type}_u_{key}."
            );
    }

    /// <inheritdoc/>
    static PublicId IParsable<PublicId>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<PublicId>.TryParse(
        [NotNullWhen(true)] string? s,
        IFormatProvider? provider,
        [MaybeNullWhen(false)] out PublicId result
    ) => TryParse(s, out result);

    /// <summary>The full form: what <see cref="TryParse"/> reads back to an equal id.</summary>
    public sealed override string ToString() =>
        this switch
        {
            Baseline baseline => $"{Prefix}{MainPrefix}{baseline.Type.Value}",
            Curated curated => $"{Prefix}{CuratedPrefix}{curated.Key}",
            User user => $"{Prefix}{user.Type.Value}{UserInfix}{user.Key}",
            _ => throw new System.Diagnostics.UnreachableException(),
        };

    private static bool IsKey(ReadOnlySpan<char> text) => text.Length <= MaxKeyLength && Slug.IsDashedWords(text);

    private static WidgetType Named(WidgetType type)
    {
        _ = type.Value;
        return type;
    }

    private static string WellFormed(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return IsKey(key)
            ? key
            : throw new FormatException(
                $"Not the key of a public id: expected [a-z0-9]+(-[a-z0-9]+)*, at most {MaxKeyLength} characters."
            );
    }
}

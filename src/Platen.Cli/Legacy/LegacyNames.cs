using System.Security.Cryptography;
using System.Text;
using Platen.Kernel;

namespace Platen.Cli.Legacy;

/// <summary>How names of the old shape read here.</summary>
/// <param name="types">The widget types that the server has.</param>
/// <param name="given">Old types that somebody said the new name of.</param>
internal sealed class LegacyNames(IReadOnlyCollection<string> types, IReadOnlyDictionary<string, string> given)
{
    /// <summary>The type that an old name means: as it was said, as it is, or as the only type that ends with it; null for none.</summary>
    public WidgetType? TypeOf(string? old)
    {
        var name = (old ?? "").Trim().ToLowerInvariant();
        var found =
            given.TryGetValue(name, out var said) ? said
            : types.Contains(name) ? name
            : types.Where(t => t.Split('.')[^1] == name).ToList() is [var only] ? only
            : null;
        return found is not null && types.Contains(found) ? WidgetType.Parse(found) : null;
    }

    /// <summary>The id that an old one becomes. What has no form of an id, or another type in it than its row, keeps what can be read of it.</summary>
    /// <param name="old">As it stands in the row; may be null.</param>
    /// <param name="type">The row's type.</param>
    /// <param name="hasWorkspace">Whether the row is of a workspace.</param>
    /// <returns>Null when nothing in it can be read.</returns>
    public static PublicId? IdOf(string? old, WidgetType type, bool hasWorkspace)
    {
        var text = (old ?? "").Trim().ToLowerInvariant();
        if (text.StartsWith("wgt_main_", StringComparison.Ordinal))
            return new PublicId.Baseline(type);
        if (text.StartsWith("wgt_curated_", StringComparison.Ordinal))
            return KeyOf(text["wgt_curated_".Length..]) is { } key ? new PublicId.Curated(key) : null;
        var user = text.IndexOf("_u_", StringComparison.Ordinal);
        if (text.StartsWith("wgt_", StringComparison.Ordinal) && user > 0)
            return KeyOf(text[(user + 3)..]) is { } key ? new PublicId.User(type, key) : null;
        if (KeyOf(text.StartsWith("wgt_", StringComparison.Ordinal) ? text[4..] : text) is not { } rest)
            return null;
        return hasWorkspace ? new PublicId.User(type, rest) : new PublicId.Curated(rest);
    }

    /// <summary>The same id with a mark that tells it from another.</summary>
    public static PublicId Apart(PublicId id, WidgetType type, string rowId)
    {
        // Not the row's id itself, which may be a short number, or begin as its neighbour's does.
        var mark = "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(rowId)))[..8];
        string Marked(string key) =>
            key[..Math.Min(key.Length, PublicId.MaxKeyLength - mark.Length)].TrimEnd('-') + mark;
        return id switch
        {
            PublicId.User user => new PublicId.User(user.Type, Marked(user.Key)),
            PublicId.Curated curated => new PublicId.Curated(Marked(curated.Key)),
            _ => new PublicId.Curated(Marked(type.Value.Replace('.', '-'))),
        };
    }

    /// <summary>The status that an old word means, and whether it had to be guessed.</summary>
    public static (string Status, bool IsGuess) StatusOf(string? old) =>
        (old ?? "").Trim().ToLowerInvariant() switch
        {
            "published" => ("published", false),
            "unpublished" => ("unpublished", false),
            "deprecated" => ("deprecated", false),
            "live" or "active" => ("published", true),
            "archived" => ("deprecated", true),
            // Nothing is shown because of a word that nobody knows.
            _ => ("unpublished", true),
        };

    /// <summary>Small letters and digits, with one hyphen wherever something else stood; null when nothing is left.</summary>
    private static string? KeyOf(string text)
    {
        var key = new StringBuilder(text.Length);
        foreach (var letter in text)
        {
            if (char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter))
                key.Append(letter);
            else if (key.Length > 0 && key[^1] != '-')
                key.Append('-');
        }
        var made = key.ToString().Trim('-');
        return made.Length == 0 ? null
            : made.Length <= PublicId.MaxKeyLength ? made
            : made[..PublicId.MaxKeyLength].TrimEnd('-');
    }
}

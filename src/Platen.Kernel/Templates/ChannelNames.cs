using Platen.Kernel.Versions;

namespace Platen.Kernel.Templates;

/// <summary>Which channels a template may have, and those with a meaning of their own. Equality is by the text, its case included.</summary>
public static class ChannelNames
{
    /// <summary>What a resolve without a version takes; moved by operators.</summary>
    public const string Default = "default";

    /// <summary>The highest version that is stable, pre-releases included; moved by the server.</summary>
    public const string Latest = "latest";

    /// <summary>The highest version that is stable and no pre-release; moved by the server.</summary>
    public const string Stable = "stable";

    /// <summary>Whether the server moves it by itself, and refuses every other move.</summary>
    public static bool IsMovedByServer(string name) => name is Latest or Stable;

    /// <summary>
    /// Whether an operator may name a channel so: 1 to <see cref="Limits.ChannelNameLength"/> ASCII letters, digits, <c>.</c>, <c>_</c>
    /// and <c>-</c>, a letter first, as an OCI tag may be, that cannot be taken for a version or a range.
    /// </summary>
    public static bool IsValid(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length is > 0 and <= Limits.ChannelNameLength
            && char.IsAsciiLetter(name[0])
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
            && !VersionRange.TryParse(name, out _);
    }
}

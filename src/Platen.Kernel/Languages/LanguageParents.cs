using System.Collections.Frozen;

namespace Platen.Kernel.Languages;

/// <summary>
/// The parent of a tag, on lower-case text in a caller's buffer, so that a lookup allocates nothing. The order of the steps:
/// <code>
/// extensions and private use go first, all at once        de-de-u-co-phonebk → de-de
/// variants go one by one                                  ca-es-valencia     → ca-es
/// a script that the region implies is dropped             zh-hant-tw         → zh-tw
/// CLDR's parentLocales                                    es-mx → es-419,  zh-hant-mo → zh-hant-hk,  nb → no
/// the region goes; a script that only it implied appears  zh-tw → zh-hant
/// the usual script goes, another one ends at the root     zh-hans → zh,  zh-hant → (root)
/// </code>
/// </summary>
internal static class LanguageParents
{
    private static readonly FrozenDictionary<string, string> _parents = Pairs(CldrTable.Parents);
    private static readonly FrozenDictionary<string, string> _regionScripts = Pairs(CldrTable.RegionScripts);
    private static readonly FrozenDictionary<string, string> _languageAliases = Pairs(CldrTable.LanguageAliases);
    private static readonly FrozenDictionary<string, string> _regionAliases = Pairs(CldrTable.RegionAliases);
    private static readonly FrozenDictionary<string, string> _scripts = CldrTable
        .Scripts.Split(' ')
        .Select(group => group.Split(':'))
        .SelectMany(group => group[1].Split(','), (group, language) => KeyValuePair.Create(language, group[0]))
        .ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _parentOf =
        _parents.GetAlternateLookup<ReadOnlySpan<char>>();
    private static readonly FrozenDictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _regionScriptOf =
        _regionScripts.GetAlternateLookup<ReadOnlySpan<char>>();
    private static readonly FrozenDictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _scriptOf =
        _scripts.GetAlternateLookup<ReadOnlySpan<char>>();
    private static readonly FrozenDictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _languageAliasOf =
        _languageAliases.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Room that every step needs: the longest tag and a script that a step may add.</summary>
    public const int BufferLength = LanguageTag.MaxLength + 8;

    /// <summary>Replaces the tag in the buffer by its parent and returns its length; 0 at the root.</summary>
    public static int ToParent(Span<char> buffer, int length)
    {
        var tag = buffer[..length];
        var parts = Split(tag);
        if (parts.Singleton >= 0)
            return Math.Max(0, parts.Singleton - 1);
        if (parts.HasVariants)
            return tag.LastIndexOf('-');

        var language = tag[..parts.Language];
        var script = tag[parts.Script];
        var region = tag[parts.Region];
        if (!script.IsEmpty && !region.IsEmpty && script.SequenceEqual(ImpliedScript(language, region)))
            return Join(buffer, parts.Language, region);
        if (_parentOf.TryGetValue(tag, out var parent))
            return Put(buffer, parent);
        if (!region.IsEmpty)
        {
            if (!script.IsEmpty)
                return length - region.Length - 1;
            var implied = ImpliedScript(language, region);
            Span<char> full = stackalloc char[BufferLength];
            tag.CopyTo(full);
            var fullLength = Join(full, Join(full, parts.Language, implied), region);
            if (_parentOf.TryGetValue(full[..fullLength], out parent))
                return Put(buffer, parent);
            return implied == UsualScript(language) ? parts.Language : Join(buffer, parts.Language, implied);
        }
        return !script.IsEmpty && script.SequenceEqual(UsualScript(language)) ? parts.Language : 0;
    }

    /// <summary>Drops a script that language and region imply, and returns the length: <c>zh-hant-tw</c> is <c>zh-tw</c>.</summary>
    public static int Minimize(Span<char> buffer, int length)
    {
        var tag = buffer[..length];
        var parts = Split(tag);
        var script = tag[parts.Script];
        if (script.IsEmpty || !script.SequenceEqual(ImpliedScript(tag[..parts.Language], tag[parts.Region])))
            return length;
        var rest = tag[parts.Script.End.Value..];
        rest.CopyTo(buffer[parts.Language..]);
        return parts.Language + rest.Length;
    }

    /// <summary>Replaces a deprecated language at the start of the buffer and returns the new length.</summary>
    public static int ReplaceLanguage(Span<char> buffer, int length)
    {
        var dash = buffer[..length].IndexOf('-');
        var language = dash < 0 ? length : dash;
        if (!_languageAliasOf.TryGetValue(buffer[..language], out var successor))
            return length;
        // A successor that brings its script fits only where the tag has none of its own.
        var keep = successor.AsSpan();
        var scriptAt = keep.IndexOf('-');
        if (scriptAt >= 0 && !buffer[..length][Split(buffer[..length]).Script].IsEmpty)
            keep = keep[..scriptAt];
        var rest = length - language;
        if (keep.Length + rest > buffer.Length)
            return length;
        buffer.Slice(language, rest).CopyTo(buffer[keep.Length..]);
        keep.CopyTo(buffer);
        return keep.Length + rest;
    }

    /// <summary>The script of a lower-case tag: its own, or what its language and region imply.</summary>
    public static string LikelyScript(ReadOnlySpan<char> tag)
    {
        var parts = Split(tag);
        var script = tag[parts.Script];
        return script.IsEmpty ? ImpliedScript(tag[..parts.Language], tag[parts.Region]) : script.ToString();
    }

    public static string? LanguageAlias(string language) => _languageAliases.GetValueOrDefault(language);

    public static string? RegionAlias(string region) => _regionAliases.GetValueOrDefault(region);

    private static string UsualScript(ReadOnlySpan<char> language) =>
        _scriptOf.TryGetValue(language, out var script) ? script : "latn";

    private static string ImpliedScript(ReadOnlySpan<char> language, ReadOnlySpan<char> region)
    {
        if (!region.IsEmpty && language.Length <= 3)
        {
            Span<char> key = stackalloc char[8];
            language.CopyTo(key);
            var length = Join(key, language.Length, region);
            if (_regionScriptOf.TryGetValue(key[..length], out var script))
                return script;
        }
        return UsualScript(language);
    }

    private static int Put(Span<char> buffer, string text)
    {
        text.CopyTo(buffer);
        return text.Length;
    }

    private static int Join(Span<char> buffer, int length, ReadOnlySpan<char> subtag)
    {
        // The subtag may lie further back in the same buffer: moving it first keeps it whole.
        subtag.CopyTo(buffer[(length + 1)..]);
        buffer[length] = '-';
        return length + 1 + subtag.Length;
    }

    private static Subtags Split(ReadOnlySpan<char> tag)
    {
        var subtags = new Subtags { Singleton = -1, Language = tag.Length };
        var (start, index) = (0, 0);
        while (start <= tag.Length)
        {
            var dash = tag[Math.Min(start, tag.Length)..].IndexOf('-');
            var end = dash < 0 ? tag.Length : start + dash;
            var length = end - start;
            if (length == 1)
            {
                subtags.Singleton = start;
                if (index == 0)
                    subtags.Language = end;
                return subtags;
            }
            if (index == 0)
                subtags.Language = end;
            else if (length == 4 && !char.IsAsciiDigit(tag[start]))
                subtags.Script = start..end;
            else if (length == 2 || (length == 3 && char.IsAsciiDigit(tag[start])))
                subtags.Region = start..end;
            else
                subtags.HasVariants = true;
            index++;
            start = end + 1;
        }
        return subtags;
    }

    private static FrozenDictionary<string, string> Pairs(string table) =>
        table.Split(' ').Select(pair => pair.Split('=')).ToFrozenDictionary(pair => pair[0], pair => pair[1]);

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
    private ref struct Subtags
    {
        public int Language;
        public Range Script;
        public Range Region;
        public bool HasVariants;

        /// <summary>Where the first one-letter subtag begins; -1 without one.</summary>
        public int Singleton;
    }
}

using System.Collections.Immutable;
using System.Text;

namespace Platen.Kernel.Templates;

/// <summary>What became of rendering a prompt.</summary>
public abstract record PromptRendering
{
    private PromptRendering() { }

    /// <summary>The text with every variable filled in.</summary>
    public sealed record Rendered(string Text) : PromptRendering;

    /// <summary>Values are missing, or were given for variables that are not declared.</summary>
    /// <param name="Missing">Declared and required, without a value.</param>
    /// <param name="Unknown">Given, and not declared.</param>
    /// <param name="MissingIncludes">Included parts that the text names and nobody provides.</param>
    public sealed record Refused(
        ImmutableArray<string> Missing,
        ImmutableArray<string> Unknown,
        ImmutableArray<string> MissingIncludes
    ) : PromptRendering
    {
        /// <summary>All of it in one sentence.</summary>
        public override string ToString()
        {
            var parts = new List<string>();
            if (!Missing.IsEmpty)
                parts.Add("no value for " + string.Join(", ", Missing));
            if (!Unknown.IsEmpty)
                parts.Add("not declared: " + string.Join(", ", Unknown));
            if (!MissingIncludes.IsEmpty)
                parts.Add("not included: " + string.Join(", ", MissingIncludes));
            return string.Join("; ", parts);
        }
    }
}

/// <summary>
/// The notation of prompts: <c>{{name}}</c> (spaces inside are allowed) stands for a variable, <c>{{> name}}</c> for an included
/// part, <c>\{{</c> for two braces. Anything else, other braces included, is plain text. Values and parts are put in as they
/// are and never read again, so a value cannot bring in another variable. Pure and safe to share.
/// </summary>
public static class PromptText
{
    /// <summary>Characters of a variable's name at most.</summary>
    public const int VariableNameLength = 64;

    /// <summary>The variables that a text names, in the order of their first appearance.</summary>
    public static ImmutableArray<string> VariablesOf(string text) => [.. NamesOf(text, includes: false)];

    /// <summary>The included parts that a text names, in the order of their first appearance.</summary>
    public static ImmutableArray<string> IncludesOf(string text) => [.. NamesOf(text, includes: true)];

    /// <summary>Whether it is a letter or <c>_</c>, then letters, digits, <c>_</c>, <c>-</c> or <c>.</c>; ASCII only.</summary>
    public static bool IsVariableName(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > VariableNameLength || !(char.IsAsciiLetter(text[0]) || text[0] == '_'))
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.'))
                return false;
        }
        return true;
    }

    /// <summary>Fills in a prompt.</summary>
    /// <param name="text">The prompt.</param>
    /// <param name="declared">Its variables.</param>
    /// <param name="values">A value for each required variable, and for none that is not declared.</param>
    /// <param name="include">Gives an included part by its name, already rendered; null when there is none of that name.</param>
    public static PromptRendering Render(
        string text,
        IReadOnlyCollection<PromptVariable> declared,
        IReadOnlyDictionary<string, string> values,
        Func<string, string?>? include = null
    )
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(declared);
        ArgumentNullException.ThrowIfNull(values);
        var byName = declared.ToDictionary(one => one.Name, StringComparer.Ordinal);
        var missing = new List<string>();
        var missingIncludes = new List<string>();
        var output = new StringBuilder(text.Length);
        Walk(
            text,
            plain => output.Append(plain),
            (name, isInclude) =>
            {
                if (isInclude)
                {
                    if (include?.Invoke(name) is { } part)
                        output.Append(part);
                    else
                        missingIncludes.Add(name);
                    return;
                }
                if (values.TryGetValue(name, out var value))
                    output.Append(value);
                else if (
                    byName.TryGetValue(name, out var variable) && (variable.Default is not null || !variable.Required)
                )
                    output.Append(variable.Default);
                else
                    missing.Add(name);
            }
        );
        foreach (var required in declared)
        {
            if (required is { Required: true, Default: null } && !values.ContainsKey(required.Name))
                missing.Add(required.Name);
        }
        var unknown = values.Keys.Where(name => !byName.ContainsKey(name)).Order(StringComparer.Ordinal).ToList();
        return missing.Count + unknown.Count + missingIncludes.Count == 0
            ? new PromptRendering.Rendered(output.ToString())
            : new PromptRendering.Refused([.. missing.Distinct()], [.. unknown], [.. missingIncludes.Distinct()]);
    }

    /// <summary>
    /// About how many tokens a text is for a large language model: four ASCII characters make one, a CJK character is one, two
    /// other characters make one. Real tokenizers differ by model; expect a quarter more or less.
    /// </summary>
    public static int EstimateTokens(ReadOnlySpan<char> text)
    {
        var quarters = 0L;
        foreach (var rune in text.EnumerateRunes())
        {
            quarters +=
                rune.Value < 0x80 ? 1
                : IsIdeographic(rune.Value) ? 4
                : 2;
        }
        return (int)Math.Min((quarters + 3) / 4, int.MaxValue);
    }

    // Kana, Hangul, CJK ideographs and their extensions, where about one character is a token.
    private static bool IsIdeographic(int value) =>
        value
            is (>= 0x3040 and <= 0x30FF)
                or (>= 0x3400 and <= 0x9FFF)
                or (>= 0xAC00 and <= 0xD7AF)
                or (>= 0x20000 and <= 0x3FFFF);

    private static List<string> NamesOf(string text, bool includes)
    {
        ArgumentNullException.ThrowIfNull(text);
        var names = new List<string>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        Walk(
            text,
            _ => { },
            (name, isInclude) =>
            {
                if (isInclude == includes && known.Add(name))
                    names.Add(name);
            }
        );
        return names;
    }

    private delegate void Plain(ReadOnlySpan<char> text);

    // Whoever sends a prompt chooses its braces, so each character is looked at a bounded number of times: the end of a placeholder is
    // looked for once and not for each beginning before it, and only the last of those can be one, as no name has a brace in it.
    private static void Walk(string text, Plain plain, Action<string, bool> placeholder)
    {
        var done = 0;
        var at = 0;
        var close = 0;
        var lastBrace = 0;
        while (text.IndexOf("{{", at, StringComparison.Ordinal) is var open and >= 0)
        {
            if (open > 0 && text[open - 1] == '\\')
            {
                plain(text.AsSpan(done..(open - 1)));
                done = open;
                at = open + 2;
                continue;
            }
            if (close < open + 2)
            {
                close = text.IndexOf("}}", open + 2, StringComparison.Ordinal);
                if (close < 0)
                    break;
                lastBrace = text.LastIndexOf('{', close - 1);
            }
            if (lastBrace > open + 1)
            {
                at = open + 1;
                continue;
            }
            var inner = text.AsSpan((open + 2)..close).Trim();
            var isInclude = inner is ['>', ..];
            if (isInclude)
                inner = inner[1..].Trim();
            if (!IsVariableName(inner))
            {
                // Not ours: the text may hold another notation.
                at = open + 1;
                continue;
            }
            plain(text.AsSpan(done..open));
            placeholder(inner.ToString(), isInclude);
            done = at = close + 2;
        }
        plain(text.AsSpan(done));
    }
}

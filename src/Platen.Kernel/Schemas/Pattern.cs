using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Platen.Kernel.Schemas;

/// <summary>A pattern that ECMA-262 does not accept, or that goes beyond <see cref="SchemaLimits"/>.</summary>
internal sealed class PatternException(string message) : Exception(message);

/// <summary>
/// An ECMA-262 regular expression with the <c>u</c> flag, as .NET expressions: one for text without surrogates, which is
/// nearly all text, and one in which a code point may be a pair of them.
/// </summary>
internal sealed class Pattern
{
    // Widget types share most of their patterns, and an automaton is some 300 KB: one lives as long as any schema that uses it.
    private static readonly ConcurrentDictionary<string, WeakReference<Pattern>> Known = new(StringComparer.Ordinal);

    private readonly Regex plain;
    private readonly Lazy<Regex> paired;

    private Pattern(string source, Regex plain, Lazy<Regex> paired)
    {
        Source = source;
        this.plain = plain;
        this.paired = paired;
        MayBacktrack = (plain.Options & RegexOptions.NonBacktracking) == RegexOptions.None;
    }

    public string Source { get; }

    /// <summary>Whether a match can take more than linear time, and so is timed.</summary>
    public bool MayBacktrack { get; }

    public string TooSlow => $"Matching the pattern {Messages.Show(Source)} takes too long.";

    /// <exception cref="PatternException">The source is no pattern.</exception>
    public static Pattern Compile(string source)
    {
        if (Known.TryGetValue(source, out var known) && known.TryGetTarget(out var pattern))
            return pattern;
        pattern = Translate(source);
        if (Known.Count >= SchemaLimits.SharedPatterns)
            Forget();
        Known[source] = new WeakReference<Pattern>(pattern);
        return pattern;
    }

    private static void Forget()
    {
        foreach (var (source, pattern) in Known)
        {
            if (!pattern.TryGetTarget(out _))
                Known.TryRemove(KeyValuePair.Create(source, pattern));
        }
        // All in use: those stay with their schemas, and are only shared no more.
        if (Known.Count >= SchemaLimits.SharedPatterns)
            Known.Clear();
    }

    private static Pattern Translate(string source)
    {
        var parsed = EcmaPattern.Translate(source, isStrict: false);
        var expression = Build(source, parsed.Plain, parsed.NeedsBacktracking);
        var wide = new Lazy<Regex>(() => Build(source, parsed.Paired, parsed.NeedsBacktracking));
        return new Pattern(source, expression, wide);
    }

    /// <summary>Whether the pattern occurs in the text; null when the time ran out.</summary>
    public bool? TryMatch(ReadOnlySpan<char> text)
    {
        try
        {
            return text.ContainsAnyInRange('\uD800', '\uDFFF') ? paired.Value.IsMatch(text) : plain.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }

    private static Regex Build(string source, string expression, bool needsBacktracking)
    {
        var timeout = TimeSpan.FromMilliseconds(SchemaLimits.PatternMilliseconds);
        try
        {
            if (!needsBacktracking)
                return new Regex(expression, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, timeout);
        }
        catch (NotSupportedException)
        {
            // Counted repeats can need more states than the automaton may have; the timed engine takes those.
        }
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant, timeout);
        }
        catch (ArgumentException fault)
        {
            throw new PatternException(
                string.Create(CultureInfo.InvariantCulture, $"{Messages.Show(source)} cannot be used: {fault.Message}")
            );
        }
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>A value under test: an element, or the name of a property (which is no element of its document).</summary>
internal readonly ref struct Subject
{
    private readonly ReadOnlySpan<byte> name;

    public Subject(in JsonElement element)
    {
        Element = element;
        Kind = element.ValueKind;
    }

    public Subject(ReadOnlySpan<byte> name)
    {
        this.name = name;
        Kind = JsonValueKind.String;
        IsName = true;
    }

    public JsonElement Element { get; }

    public JsonValueKind Kind { get; }

    public bool IsName { get; }

    /// <summary>A string's bytes between its quotes, escapes as they are written.</summary>
    public ReadOnlySpan<byte> RawText => IsName ? name : JsonMarshal.GetRawUtf8Value(Element)[1..^1];
}

/// <summary>
/// Which items or properties (by their place) some keyword has evaluated; kept only while an unevaluated* keyword waits
/// for the answer. The bits live in <see cref="Evaluation"/>'s arena.
/// </summary>
internal struct Marks
{
    public bool IsTracking;
    public bool All;
    public int Start;
    public int Words;
}

internal sealed class EvaluationLimitException(string message) : Exception(message)
{
    public static void ThrowIfDeeper(int depth)
    {
        if (depth > SchemaLimits.Depth)
        {
            throw new EvaluationLimitException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Values nested deeper than {SchemaLimits.Depth} levels are not compared."
                )
            );
        }
    }
}

/// <summary>
/// The working memory of one validation, reused by the next on the same thread: scratch buffers, the dynamic scope, the
/// bits behind <see cref="Marks"/>, and, while faults are collected, the two paths and the list.
/// </summary>
internal sealed class Evaluation
{
    private const int KeptScratch = 64 * 1024;

    [ThreadStatic]
    private static Evaluation? spare;

    private readonly List<string> keywordPath = [];
    private readonly List<PathStep> instancePath = [];
    private List<SchemaError> errors = [];
    private SchemaResource[] scopes = new SchemaResource[16];
    private int scopeCount;
    private ulong[] bits = new ulong[64];
    private int bitsUsed;
    private byte[] textScratch = new byte[256];
    private char[] charScratch = new char[256];
    private long steps;
    private int depth;
    private long patternTicks;
    private bool stopsAtFirst;
    private bool isTruncated;

    private Evaluation() { }

    /// <summary>True while faults are being listed: keywords go on after the first.</summary>
    public bool IsCollecting { get; private set; }

    /// <summary>Why the validation gave up, or null.</summary>
    public string? Abandoned { get; private set; }

    public static SchemaResult Run(SchemaNode root, in JsonElement instance, SchemaOutput output)
    {
        var run = spare ?? new Evaluation();
        spare = null;
        try
        {
            if (run.Passes(root, instance))
                return SchemaResult.Valid;
            if (run.Abandoned is null && output == SchemaOutput.Flag)
                return SchemaResult.Invalid;
            return run.Abandoned is null
                ? run.Explain(root, instance, output == SchemaOutput.First)
                : SchemaResult.Abandon("limit", run.Abandoned);
        }
        catch (EvaluationLimitException limit)
        {
            return SchemaResult.Abandon("limit", limit.Message);
        }
        finally
        {
            run.Clear();
            spare = run;
        }
    }

    /// <summary>Counts one application of a schema and refuses the one that goes too deep or too far.</summary>
    public bool Enter(SchemaResource resource, out bool scoped)
    {
        scoped = false;
        depth++;
        if (++steps > SchemaLimits.Steps)
            return Abandon($"The validation takes more than {SchemaLimits.Steps} steps.");
        if (depth > SchemaLimits.Depth)
            return Abandon($"Schemas are applied inside one another more than {SchemaLimits.Depth} times.");
        if ((depth & 15) == 0 && !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            return Abandon("The thread's stack is too small for this schema and instance.");
        if (scopeCount == 0 || !ReferenceEquals(scopes[scopeCount - 1], resource))
        {
            if (scopeCount == scopes.Length)
                Array.Resize(ref scopes, scopeCount * 2);
            scopes[scopeCount++] = resource;
            scoped = true;
        }
        return Abandoned is null;
    }

    public void Leave(bool scoped)
    {
        depth--;
        if (scoped)
            scopeCount--;
    }

    public void Charge(int count)
    {
        steps += count;
        if (steps > SchemaLimits.Steps)
            Abandon($"The validation takes more than {SchemaLimits.Steps} steps.");
    }

    /// <summary>The outermost schema of the dynamic scope that carries the anchor (Core 8.2.3.2), or the given one.</summary>
    public SchemaNode Dynamic(string anchor, SchemaNode initial)
    {
        for (var i = 0; i < scopeCount; i++)
        {
            if (scopes[i].DynamicAnchors.TryGetValue(anchor, out var node))
                return node;
        }
        return initial;
    }

    public bool Abandon(FormattableString reason)
    {
        Abandoned ??= reason.ToString(CultureInfo.InvariantCulture);
        IsCollecting = false;
        return false;
    }

    public bool Abandon(string reason)
    {
        Abandoned ??= reason;
        IsCollecting = false;
        return false;
    }

    // Evaluated places

    public Marks Track(int places)
    {
        var words = (places + 63) >> 6;
        if (bitsUsed + words > bits.Length)
            Array.Resize(ref bits, Math.Max(bits.Length * 2, bitsUsed + words));
        bits.AsSpan(bitsUsed, words).Clear();
        var marks = new Marks
        {
            IsTracking = true,
            Start = bitsUsed,
            Words = words,
        };
        bitsUsed += words;
        return marks;
    }

    /// <summary>A set for one branch of the subject whose set is <paramref name="whole"/>.</summary>
    public Marks Branch(in Marks whole) => whole.IsTracking ? Track(whole.Words << 6) : default;

    public void Release(in Marks marks)
    {
        if (marks.IsTracking)
            bitsUsed = marks.Start;
    }

    public void Merge(in Marks from, ref Marks into)
    {
        if (!into.IsTracking || !from.IsTracking)
            return;
        into.All |= from.All;
        var source = bits.AsSpan(from.Start, from.Words);
        var target = bits.AsSpan(into.Start, into.Words);
        for (var i = 0; i < target.Length; i++)
            target[i] |= source[i];
    }

    public void Mark(in Marks marks, int place) => bits[marks.Start + (place >> 6)] |= 1UL << place;

    public bool IsMarked(in Marks marks, int place) => (bits[marks.Start + (place >> 6)] & (1UL << place)) != 0;

    // Text

    /// <summary>The string's UTF-8 text; valid until the next call.</summary>
    public ReadOnlySpan<byte> Text(ReadOnlySpan<byte> raw)
    {
        if (!JsonText.IsEscaped(raw))
            return raw;
        if (textScratch.Length < raw.Length)
            textScratch = new byte[raw.Length];
        return textScratch.AsSpan(0, JsonText.Unescape(raw, textScratch));
    }

    /// <summary>The text in UTF-16 (a lone surrogate as U+FFFD); valid until the next call.</summary>
    public ReadOnlySpan<char> Chars(ReadOnlySpan<byte> text)
    {
        if (charScratch.Length < text.Length)
            charScratch = new char[text.Length];
        return charScratch.AsSpan(0, Encoding.UTF8.GetChars(text, charScratch));
    }

    public bool Matches(Pattern pattern, ReadOnlySpan<char> text)
    {
        Charge(1 + (text.Length >> 6));
        if (!pattern.MayBacktrack)
            return pattern.TryMatch(text) ?? Abandon(pattern.TooSlow);
        var started = Stopwatch.GetTimestamp();
        var matched = pattern.TryMatch(text);
        patternTicks += Stopwatch.GetTimestamp() - started;
        if (matched is null || patternTicks > Stopwatch.Frequency / 1000 * SchemaLimits.PatternTotalMilliseconds)
            return Abandon(pattern.TooSlow);
        return matched.Value;
    }

    // Faults

    /// <summary>Stops listing faults for an application whose failure is no fault; see <see cref="Resume"/>.</summary>
    public bool Quiet()
    {
        var was = IsCollecting;
        IsCollecting = false;
        return was;
    }

    public void Resume(bool was) => IsCollecting = was && Abandoned is null;

    /// <summary>Reports a fault of one of the node's keywords. Always false.</summary>
    public bool Fail(SchemaNode node, string keyword, string message)
    {
        if (!IsCollecting)
            return false;
        isTruncated = errors.Count == SchemaLimits.Errors;
        if (!isTruncated)
            errors.Add(Error(node, keyword, message));

        // A full list ends the walk: the paths are not kept from here on, and never read again.
        IsCollecting = !isTruncated && !stopsAtFirst;
        return false;
    }

    public void PushKeyword(string step)
    {
        if (IsCollecting)
            keywordPath.Add(step);
    }

    public void PopKeyword()
    {
        if (keywordPath.Count > 0 && IsCollecting)
            keywordPath.RemoveAt(keywordPath.Count - 1);
    }

    public void PushItem(int index)
    {
        if (IsCollecting)
            instancePath.Add(new PathStep(null, index));
    }

    public void PushProperty(ReadOnlySpan<byte> rawName)
    {
        if (IsCollecting)
            instancePath.Add(new PathStep(JsonText.ToText(rawName), 0));
    }

    public void PopInstance()
    {
        if (instancePath.Count > 0 && IsCollecting)
            instancePath.RemoveAt(instancePath.Count - 1);
    }

    private bool Passes(SchemaNode root, in JsonElement instance)
    {
        var marks = default(Marks);
        return root.Evaluate(new Subject(instance), this, ref marks) && Abandoned is null;
    }

    private SchemaResult Explain(SchemaNode root, in JsonElement instance, bool onlyFirst)
    {
        Reset();
        stopsAtFirst = onlyFirst;
        isTruncated = false;
        IsCollecting = true;
        Passes(root, instance);
        return Abandoned is null
            ? new SchemaResult(SchemaOutcome.Invalid, errors, isTruncated)
            : SchemaResult.Abandon("limit", Abandoned);
    }

    private SchemaError Error(SchemaNode node, string keyword, string message)
    {
        var step = keyword.Length == 0 ? "" : "/" + keyword;
        return new SchemaError(
            InstanceLocation(),
            string.Concat(keywordPath) + step,
            node.AbsoluteLocation + step,
            keyword.Length == 0 ? "false" : keyword,
            message
        );
    }

    private string InstanceLocation()
    {
        var text = new StringBuilder();
        foreach (var step in instancePath)
        {
            text.Append('/');
            if (step.Name is null)
                text.Append(CultureInfo.InvariantCulture, $"{step.Index}");
            else
                text.Append(SchemaPointer.Escape(step.Name));
        }
        return text.ToString();
    }

    private void Reset()
    {
        keywordPath.Clear();
        instancePath.Clear();
        steps = 0;
        depth = 0;
        scopeCount = 0;
        bitsUsed = 0;
        patternTicks = 0;
    }

    private void Clear()
    {
        Reset();
        if (errors.Count > 0)
            errors = [];
        IsCollecting = false;
        Abandoned = null;
        Array.Clear(scopes);
        if (textScratch.Length > KeptScratch)
            textScratch = new byte[256];
        if (charScratch.Length > KeptScratch)
            charScratch = new char[256];
        if (bits.Length > KeptScratch / 8)
            bits = new ulong[64];
        if (scopes.Length > 256)
            scopes = new SchemaResource[16];
    }

    private readonly record struct PathStep(string? Name, int Index);
}

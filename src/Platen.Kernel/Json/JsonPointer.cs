using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Platen.Kernel.Json;

/// <summary>What came of writing at a pointer.</summary>
public enum JsonPointerOutcome
{
    /// <summary>The document was changed.</summary>
    Done,

    /// <summary>A value on the way, or the one to replace or remove, does not exist.</summary>
    NotFound,

    /// <summary>A value on the way is neither an object nor an array, or the token is no index of the array.</summary>
    NotAContainer,

    /// <summary>The index lies behind the end of the array.</summary>
    OutOfRange,

    /// <summary>The array would grow beyond <see cref="JsonPointer.MaxArrayLength"/>.</summary>
    ArrayTooLong,

    /// <summary>The whole document was named, which only its owner can replace.</summary>
    IsRoot,
}

/// <summary>
/// A JSON Pointer (RFC 6901): the way from a document's root to one value, as <c>/items/0/title</c>; the empty text is the
/// root. <c>~</c> and <c>/</c> within a name are written <c>~0</c> and <c>~1</c>. Read case-sensitively and without
/// normalisation. Equality is by tokens. Immutable and safe to share; the nodes that it writes to are not.
/// </summary>
public sealed class JsonPointer : IEquatable<JsonPointer>, IParsable<JsonPointer>
{
    /// <summary>The most tokens: what canonical JSON allows to nest.</summary>
    public const int MaxDepth = CanonicalJson.MaxDepth;

    /// <summary>The longest text, in characters.</summary>
    public const int MaxLength = 4096;

    /// <summary>The longest array that <see cref="Add"/> makes, in items.</summary>
    public const int MaxArrayLength = 10_000;

    private readonly string[] _tokens;

    private JsonPointer(string[] tokens) => _tokens = tokens;

    /// <summary>The whole document.</summary>
    public static JsonPointer Root { get; } = new([]);

    /// <summary>The unescaped names and indexes, from the root.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <summary>Reads a pointer; false for anything else, beyond a limit, or <c>null</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out JsonPointer? parsed)
    {
        parsed = null;
        if (text is null || text.Length > MaxLength || (text.Length > 0 && text[0] != '/'))
            return false;
        if (text.Length == 0)
        {
            parsed = Root;
            return true;
        }
        for (var tilde = text.IndexOf('~'); tilde >= 0; tilde = text.IndexOf('~', tilde + 1))
        {
            if (tilde + 1 >= text.Length || text[tilde + 1] is not ('0' or '1'))
                return false;
        }
        var tokens = text[1..].Split('/');
        if (tokens.Length > MaxDepth)
            return false;
        for (var i = 0; i < tokens.Length; i++)
        {
            // In this order, so that ~01 is ~1 and not a slash.
            tokens[i] = tokens[i]
                .Replace("~1", "/", StringComparison.Ordinal)
                .Replace("~0", "~", StringComparison.Ordinal);
        }
        parsed = new JsonPointer(tokens);
        return true;
    }

    /// <summary>Reads a pointer.</summary>
    /// <exception cref="FormatException">The text is not a pointer within the limits.</exception>
    public static JsonPointer Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var pointer)
            ? pointer
            : throw new FormatException(
                $"Not a JSON Pointer: expected '' or '/name/0', ~ written as ~0, at most {MaxLength} characters and {MaxDepth} tokens."
            );
    }

    /// <inheritdoc/>
    static JsonPointer IParsable<JsonPointer>.Parse(string s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc/>
    static bool IParsable<JsonPointer>.TryParse(
        [NotNullWhen(true)] string? s,
        IFormatProvider? provider,
        [MaybeNullWhen(false)] out JsonPointer result
    ) => TryParse(s, out result);

    /// <summary>The pointer to a member of this one's value.</summary>
    /// <exception cref="InvalidOperationException">This pointer already has <see cref="MaxDepth"/> tokens.</exception>
    public JsonPointer Append(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _tokens.Length < MaxDepth
            ? new JsonPointer([.. _tokens, name])
            : throw new InvalidOperationException($"A JSON Pointer has at most {MaxDepth} tokens.");
    }

    /// <summary>The pointer to an item of this one's value.</summary>
    /// <exception cref="InvalidOperationException">This pointer already has <see cref="MaxDepth"/> tokens.</exception>
    public JsonPointer Append(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return Append(index.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Finds the value; false when there is none. Of duplicate names the last one is read.</summary>
    public bool TryGet(JsonElement document, out JsonElement value)
    {
        value = document;
        foreach (var token in _tokens)
        {
            if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty(token, out var member))
                value = member;
            else if (
                value.ValueKind == JsonValueKind.Array
                && TryReadIndex(token, out var index)
                && index < value.GetArrayLength()
            )
                value = value[index];
            else
            {
                value = default;
                return false;
            }
        }
        return true;
    }

    /// <summary>Finds the value; false when there is none. A found JSON <c>null</c> is <c>null</c>.</summary>
    public bool TryGet(JsonNode? document, out JsonNode? value)
    {
        value = document;
        foreach (var token in _tokens)
        {
            if (value is JsonObject named && named.TryGetPropertyValue(token, out var member))
                value = member;
            else if (value is JsonArray items && TryReadIndex(token, out var index) && index < items.Count)
                value = items[index];
            else
            {
                value = null;
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// Writes a value: a member is added or replaced; an item is replaced and must exist. The parent must exist.
    /// </summary>
    /// <param name="document">The root; changed in place.</param>
    /// <param name="value">The new value; a node that has a parent already is refused by <see cref="JsonNode"/>.</param>
    public JsonPointerOutcome Set(JsonNode? document, JsonNode? value)
    {
        var outcome = FindParent(document, out var parent, out var token);
        if (outcome != JsonPointerOutcome.Done)
            return outcome;
        if (parent is JsonObject named)
        {
            named[token] = value;
            return JsonPointerOutcome.Done;
        }
        var items = (JsonArray)parent!;
        if (!TryReadIndex(token, out var index))
            return token == "-" ? JsonPointerOutcome.OutOfRange : JsonPointerOutcome.NotAContainer;
        if (index >= items.Count)
            return JsonPointerOutcome.OutOfRange;
        items[index] = value;
        return JsonPointerOutcome.Done;
    }

    /// <summary>
    /// Adds a value (RFC 6902 section 4.1): a member is added or replaced; an item is inserted before the one at the index,
    /// or at the end for <c>-</c> and for the array's length. The parent must exist.
    /// </summary>
    /// <inheritdoc cref="Set"/>
    public JsonPointerOutcome Add(JsonNode? document, JsonNode? value)
    {
        var outcome = FindParent(document, out var parent, out var token);
        if (outcome != JsonPointerOutcome.Done || parent is not JsonArray items)
            return outcome == JsonPointerOutcome.Done ? Set(document, value) : outcome;
        var index = items.Count;
        if (token != "-" && !TryReadIndex(token, out index))
            return JsonPointerOutcome.NotAContainer;
        if (index > items.Count)
            return JsonPointerOutcome.OutOfRange;
        if (items.Count >= MaxArrayLength)
            return JsonPointerOutcome.ArrayTooLong;
        items.Insert(index, value);
        return JsonPointerOutcome.Done;
    }

    /// <summary>Removes the value, which must exist; later items of an array move up.</summary>
    public JsonPointerOutcome Remove(JsonNode? document)
    {
        var outcome = FindParent(document, out var parent, out var token);
        if (outcome != JsonPointerOutcome.Done)
            return outcome;
        if (parent is JsonObject named)
            return named.Remove(token) ? JsonPointerOutcome.Done : JsonPointerOutcome.NotFound;
        var items = (JsonArray)parent!;
        if (!TryReadIndex(token, out var index))
            return token == "-" ? JsonPointerOutcome.OutOfRange : JsonPointerOutcome.NotAContainer;
        if (index >= items.Count)
            return JsonPointerOutcome.OutOfRange;
        items.RemoveAt(index);
        return JsonPointerOutcome.Done;
    }

    /// <inheritdoc/>
    public bool Equals(JsonPointer? other) => other is not null && _tokens.AsSpan().SequenceEqual(other._tokens);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as JsonPointer);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>The text that <see cref="TryParse"/> reads back to an equal pointer.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var token in _tokens)
        {
            text.Append('/')
                .Append(
                    token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)
                );
        }
        return text.ToString();
    }

    private JsonPointerOutcome FindParent(JsonNode? document, out JsonNode? parent, out string token)
    {
        parent = null;
        token = "";
        if (_tokens.Length == 0)
            return JsonPointerOutcome.IsRoot;
        token = _tokens[^1];
        if (!new JsonPointer(_tokens[..^1]).TryGet(document, out parent))
            return JsonPointerOutcome.NotFound;
        return parent is JsonObject or JsonArray ? JsonPointerOutcome.Done : JsonPointerOutcome.NotAContainer;
    }

    // RFC 6901 section 4: no sign, no leading zero.
    private static bool TryReadIndex(string token, out int index)
    {
        index = 0;
        return (token.Length > 0 && (token[0] != '0' || token.Length == 1))
            && int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out index);
    }
}

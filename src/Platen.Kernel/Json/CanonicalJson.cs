using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Json;

/// <summary>
/// The JSON Canonicalization Scheme (RFC 8785): one text for each JSON value, so that a digest names the value and not
/// its spelling. No whitespace, keys in the order of their UTF-16 code units, the fewest escapes, and numbers as
/// ECMAScript prints a double. Strings are not normalised: what Unicode calls equivalent stays different.
/// <para>
/// Refused, with the byte they were found at (<see cref="CanonicalJsonException"/>): text outside RFC 8259 or I-JSON
/// (RFC 7493), that is duplicate keys, lone surrogates, invalid UTF-8, a byte order mark, <c>NaN</c> and numbers beyond
/// a double's range; an integer (no fraction, no exponent) whose canonical text would be another integer; more than
/// <see cref="MaxDepth"/> levels; more than <see cref="MaxBytes"/> bytes. Nothing is written when the input is refused.
/// </para>
/// Stateless: every member may be called from any thread.
/// </summary>
public static class CanonicalJson
{
    /// <summary>The deepest nesting of arrays and objects; a scalar document has depth 0.</summary>
    public const int MaxDepth = 128;

    /// <summary>The largest input, in bytes (256 MiB): beyond it a value is a file, not a document.</summary>
    public const int MaxBytes = 256 * 1024 * 1024;

    /// <summary>The length of what <see cref="Sha256(ReadOnlySpan{byte}, Span{byte})"/> writes, in bytes.</summary>
    public const int Sha256Bytes = 32;

    /// <summary>Writes the canonical form of one JSON text, without a trailing newline.</summary>
    /// <param name="utf8Json">The text, UTF-8 without a byte order mark.</param>
    /// <param name="output">Receives the canonical text.</param>
    /// <exception cref="CanonicalJsonException">The text has no canonical form; nothing was written.</exception>
    public static void Serialize(ReadOnlySpan<byte> utf8Json, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var tape = JsonTape.Read(utf8Json);
        using var writer = new CanonicalJsonWriter(output);
        writer.Write(tape);
    }

    /// <summary>The canonical form of one JSON text.</summary>
    /// <inheritdoc cref="Serialize(ReadOnlySpan{byte}, IBufferWriter{byte})"/>
    public static byte[] Serialize(ReadOnlySpan<byte> utf8Json)
    {
        var output = new ArrayBufferWriter<byte>(Math.Max(16, utf8Json.Length));
        Serialize(utf8Json, output);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The canonical form of a parsed value. Positions in errors count from the value's own first byte.</summary>
    /// <exception cref="CanonicalJsonException">The value has no canonical form.</exception>
    /// <exception cref="InvalidOperationException">The element is <c>default</c>.</exception>
    public static byte[] Serialize(JsonElement value) => Serialize(RawText(value));

    /// <summary>
    /// Writes the SHA-256 of the canonical form, which is hashed in pieces and never held as a whole.
    /// </summary>
    /// <param name="utf8Json">The text, UTF-8 without a byte order mark.</param>
    /// <param name="destination">Receives <see cref="Sha256Bytes"/> bytes.</param>
    /// <exception cref="CanonicalJsonException">The text has no canonical form; nothing was written.</exception>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public static void Sha256(ReadOnlySpan<byte> utf8Json, Span<byte> destination)
    {
        if (destination.Length < Sha256Bytes)
            throw new ArgumentException($"A SHA-256 needs {Sha256Bytes} bytes.", nameof(destination));
        using var tape = JsonTape.Read(utf8Json);
        using var writer = new CanonicalJsonWriter(output: null);
        writer.WriteSha256(tape, destination);
    }

    /// <inheritdoc cref="Sha256(ReadOnlySpan{byte}, Span{byte})"/>
    /// <exception cref="InvalidOperationException">The element is <c>default</c>.</exception>
    public static void Sha256(JsonElement value, Span<byte> destination) => Sha256(RawText(value), destination);

    private static ReadOnlySpan<byte> RawText(JsonElement value) =>
        value.ValueKind == JsonValueKind.Undefined
            ? throw new InvalidOperationException("A default JsonElement holds no value.")
            : JsonMarshal.GetRawUtf8Value(value);
}

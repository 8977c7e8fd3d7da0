using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Platen.Kernel;

/// <summary>
/// The name of a sequence of bytes: its SHA-256, written <c>sha256:</c> and 64 lower-case hexadecimal digits, as in the
/// OCI image specification ("Digests"). Two blobs with equal digests are the same blob.
/// </summary>
/// <remarks>
/// A 32-byte value; compared and hashed by value; the default value is the all-zero digest: no bytes
/// are known to have it, so it is never found.
/// </remarks>
[JsonConverter(typeof(DigestJsonConverter))]
public readonly struct Digest : IEquatable<Digest>, IComparable<Digest>, ISpanParsable<Digest>
{
    /// <summary>The length of the raw hash, in bytes.</summary>
    public const int SizeBytes = 32;

    /// <summary>The length of the printed form, in characters: <c>sha256:</c> and 64 digits.</summary>
    public const int TextLength = 71;

    private const string Prefix = "sha256:";
    private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");
    private readonly Hash32 hash;

    /// <summary>Takes a raw SHA-256.</summary>
    /// <exception cref="ArgumentException"><paramref name="sha256"/> is not 32 bytes long.</exception>
    public Digest(ReadOnlySpan<byte> sha256)
    {
        if (sha256.Length != SizeBytes)
            throw new ArgumentException($"A SHA-256 has {SizeBytes} bytes, not {sha256.Length}.", nameof(sha256));
        sha256.CopyTo(hash);
    }

    /// <summary>The digest of <paramref name="bytes"/>.</summary>
    public static Digest Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> sha256 = stackalloc byte[SizeBytes];
        SHA256.HashData(bytes, sha256);
        return new Digest(sha256);
    }

    /// <summary>The 64 lower-case hexadecimal digits, without the algorithm's name.</summary>
    public string Hex => Convert.ToHexStringLower(Bytes);

    /// <summary>The raw hash.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Bytes => hash;

    /// <summary>Reads the printed form; upper-case digits, other algorithms and any other length are refused.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Digest digest)
    {
        digest = default;
        if (text.Length != TextLength || !text.StartsWith(Prefix, StringComparison.Ordinal))
            return false;
        return TryParseHex(text[Prefix.Length..], out digest);
    }

    /// <summary>Reads 64 lower-case hexadecimal digits.</summary>
    public static bool TryParseHex(ReadOnlySpan<char> hex, out Digest digest)
    {
        digest = default;
        if (hex.Length != SizeBytes * 2 || hex.ContainsAnyExcept(LowerHex))
            return false;
        Span<byte> sha256 = stackalloc byte[SizeBytes];
        Convert.FromHexString(hex, sha256, out _, out _);
        digest = new Digest(sha256);
        return true;
    }

    /// <summary>Reads the printed form.</summary>
    /// <exception cref="FormatException">The text is not a digest.</exception>
    public static Digest Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var digest)
            ? digest
            : throw new FormatException("A digest is written 'sha256:' and 64 lower-case hexadecimal digits.");

    static Digest ISpanParsable<Digest>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    static bool ISpanParsable<Digest>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Digest result) =>
        TryParse(s, out result);

    static Digest IParsable<Digest>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<Digest>.TryParse(string? s, IFormatProvider? provider, out Digest result) =>
        TryParse(s, out result);

    public bool Equals(Digest other) => Bytes.SequenceEqual(other.Bytes);

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Digest other && Equals(other);

    // The hash is uniform already: any four bytes of it are a good hash code.
    public override int GetHashCode() => MemoryMarshal.Read<int>(Bytes);

    public int CompareTo(Digest other) => Bytes.SequenceCompareTo(other.Bytes);

    /// <summary>The printed form, <c>sha256:…</c>.</summary>
    public override string ToString() => Prefix + Hex;

    public static bool operator ==(Digest left, Digest right) => left.Equals(right);

    public static bool operator !=(Digest left, Digest right) => !left.Equals(right);

    public static bool operator <(Digest left, Digest right) => left.CompareTo(right) < 0;

    public static bool operator <=(Digest left, Digest right) => left.CompareTo(right) <= 0;

    public static bool operator >(Digest left, Digest right) => left.CompareTo(right) > 0;

    public static bool operator >=(Digest left, Digest right) => left.CompareTo(right) >= 0;

    [InlineArray(SizeBytes)]
    private struct Hash32
    {
        private byte first;
    }
}

/// <summary>Writes a <see cref="Digest"/> as its printed form; anything else read is a <see cref="JsonException"/>.</summary>
public sealed class DigestJsonConverter : JsonConverter<Digest>
{
    public override Digest Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Digest.TryParse(reader.GetString(), out var digest)
            ? digest
            : throw new JsonException("A digest is written 'sha256:' and 64 lower-case hexadecimal digits.");

    public override void Write(Utf8JsonWriter writer, Digest value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

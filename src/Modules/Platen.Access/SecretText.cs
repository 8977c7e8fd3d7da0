using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Access;

/// <summary>
/// The form of secrets that people copy: a prefix, by which secret scanners find it, 32 random characters of base 62 (190 bits) and a
/// checksum of 6, which tells a typing error from a wrong secret without asking the database.
/// </summary>
internal static class SecretText
{
    public const int RandomLength = 32;
    public const int ChecksumLength = 6;
    private const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private static readonly SearchValues<char> Base62Letters = SearchValues.Create(Base62);

    public static string Generate(string prefix)
    {
        var random = prefix + RandomNumberGenerator.GetString(Base62, RandomLength);
        Span<char> checksum = stackalloc char[ChecksumLength];
        WriteChecksum(random, checksum);
        return string.Concat(random, checksum);
    }

    /// <summary>Whether it has the form; a wrong length, character or checksum has not.</summary>
    public static bool IsWellFormed(ReadOnlySpan<char> text, string prefix)
    {
        if (
            text.Length != prefix.Length + RandomLength + ChecksumLength
            || !text.StartsWith(prefix, StringComparison.Ordinal)
            || text[prefix.Length..].ContainsAnyExcept(Base62Letters)
        )
        {
            return false;
        }
        Span<char> checksum = stackalloc char[ChecksumLength];
        WriteChecksum(text[..^ChecksumLength], checksum);
        return text.EndsWith(checksum, StringComparison.Ordinal);
    }

    /// <summary>The SHA-256 of the whole text: what is stored and looked up. The random bits make a slow hash needless.</summary>
    public static byte[] Hash(string text) => SHA256.HashData(Encoding.ASCII.GetBytes(text));

    private static void WriteChecksum(ReadOnlySpan<char> text, Span<char> digits)
    {
        Span<byte> ascii = stackalloc byte[text.Length];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Encoding.ASCII.GetBytes(text, ascii);
        SHA256.HashData(ascii, hash);
        var left = BinaryPrimitives.ReadUInt32BigEndian(hash);
        for (var i = digits.Length - 1; i >= 0; i--)
        {
            digits[i] = Base62[(int)(left % 62)];
            left /= 62;
        }
    }
}

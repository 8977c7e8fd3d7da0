using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Access;

/// <summary>
/// The secret text of a machine key: <c>platen_</c>, 32 random characters of base 62 (190 bits) and a checksum of 6. The prefix lets
/// secret scanners find it, the checksum tells a typing error from a wrong key without asking the database.
/// </summary>
public sealed class MachineKey
{
    private const string Prefix = "platen_";
    private const int RandomLength = 32;
    private const int ChecksumLength = 6;
    private const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private static readonly SearchValues<char> Base62Letters = SearchValues.Create(Base62);

    private readonly string text;

    private MachineKey(string text)
    {
        this.text = text;
        Hash = SHA256.HashData(Encoding.ASCII.GetBytes(text));
    }

    /// <summary>The SHA-256 of the whole text: what is stored and looked up.</summary>
    public byte[] Hash { get; }

    /// <summary>The first characters, which lists may show.</summary>
    public string ShownPrefix => text[..(Prefix.Length + 6)];

    /// <summary>A new random key.</summary>
    public static MachineKey Generate()
    {
        var random = Prefix + RandomNumberGenerator.GetString(Base62, RandomLength);
        return new MachineKey(random + Checksum(random));
    }

    /// <summary>Reads a key; a wrong length, character or checksum is refused.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out MachineKey? key)
    {
        key = null;
        if (
            text is null
            || text.Length != Prefix.Length + RandomLength + ChecksumLength
            || !text.StartsWith(Prefix, StringComparison.Ordinal)
            || text.AsSpan(Prefix.Length).ContainsAnyExcept(Base62Letters)
            || !text.EndsWith(Checksum(text[..^ChecksumLength]), StringComparison.Ordinal)
        )
        {
            return false;
        }
        key = new MachineKey(text);
        return true;
    }

    /// <summary>The whole secret, for showing once. <see cref="ToString"/> never gives it.</summary>
    public string Reveal() => text;

    /// <summary>The shown prefix: a key that reaches a log by accident does not leak.</summary>
    public override string ToString() => ShownPrefix + "…";

    private static string Checksum(string random)
    {
        var number = BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.ASCII.GetBytes(random)));
        return string.Create(
            ChecksumLength,
            number,
            static (digits, left) =>
            {
                for (var i = digits.Length - 1; i >= 0; i--)
                {
                    digits[i] = Base62[(int)(left % 62)];
                    left /= 62;
                }
            }
        );
    }
}

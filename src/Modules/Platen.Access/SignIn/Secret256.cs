using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Access.SignIn;

/// <summary>256 random bits in base64url: what a cookie or a mailed link carries. Only its hash is stored.</summary>
internal sealed class Secret256
{
    private const int Bytes = 32;
    private const int Length = 43;
    private readonly string text;

    private Secret256(string text)
    {
        this.text = text;
        Hash = SHA256.HashData(Encoding.ASCII.GetBytes(text));
    }

    /// <summary>What is stored and looked up.</summary>
    public byte[] Hash { get; }

    public static Secret256 Generate() => new(Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes)));

    public static bool TryParse(string? text, [NotNullWhen(true)] out Secret256? secret)
    {
        secret = text is { Length: Length } && !text.AsSpan().ContainsAnyExcept(Letters) ? new Secret256(text) : null;
        return secret is not null;
    }

    /// <summary>Another secret that only this one's holder can know, for a purpose of its own.</summary>
    public string Derive(string purpose) =>
        Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.ASCII.GetBytes(text), Encoding.ASCII.GetBytes(purpose)));

    /// <summary>The whole secret, for handing out once.</summary>
    public string Reveal() => text;

    /// <summary>Nothing: a secret that reaches a log by accident does not leak.</summary>
    public override string ToString() => "(secret)";

    private static readonly System.Buffers.SearchValues<char> Letters = System.Buffers.SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    );
}

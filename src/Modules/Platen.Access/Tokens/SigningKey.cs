using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Platen.Platform.Embedding;

namespace Platen.Access.Tokens;

/// <summary>The secrets that tokens are signed with. Immutable.</summary>
/// <param name="Id">Its name in tokens.</param>
/// <param name="Secret">32 random bytes, for the tokens that are verified where they are signed.</param>
/// <param name="EmbedKey">PKCS #8 of the key on P-256 that signs embed tokens, which nodes verify that must not be able to sign.</param>
/// <param name="SignsFrom">Every node has read it by then.</param>
/// <param name="VerifiesUntil">What it signed is refused from then on; null while nothing follows it.</param>
internal sealed record SigningKey(
    string Id,
    byte[] Secret,
    byte[] EmbedKey,
    DateTimeOffset SignsFrom,
    DateTimeOffset? VerifiesUntil
)
{
    private const string IdLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>The first part of every token that it signs, with its dot: what is not exactly that is not its token.</summary>
    public string Header { get; } =
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes("{\"alg\":\"HS256\",\"kid\":\"" + Id + "\",\"typ\":\"JWT\"}"))
        + ".";

    public static SigningKey Generate(DateTimeOffset signsFrom)
    {
        using var embed = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new SigningKey(
            RandomNumberGenerator.GetString(IdLetters, 12),
            RandomNumberGenerator.GetBytes(32),
            embed.ExportPkcs8PrivateKey(),
            signsFrom,
            VerifiesUntil: null
        );
    }

    /// <summary>An embed token as text.</summary>
    /// <exception cref="ArgumentException">It would be too long.</exception>
    public string Sign(EmbedToken token)
    {
        using var key = OpenEmbedKey();
        return token.Sign(Id, key);
    }

    /// <summary>What verifies the embed tokens that it signs: SubjectPublicKeyInfo.</summary>
    public byte[] EmbedPublicKey()
    {
        using var key = OpenEmbedKey();
        return key.ExportSubjectPublicKeyInfo();
    }

    private ECDsa OpenEmbedKey()
    {
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(EmbedKey, out _);
        return key;
    }
}

using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Access.Tokens;

/// <summary>A secret that tokens are signed with. Immutable.</summary>
/// <param name="Id">Its name in tokens.</param>
/// <param name="Secret">32 random bytes.</param>
/// <param name="SignsFrom">Every node has read it by then.</param>
/// <param name="VerifiesUntil">What it signed is refused from then on; null while nothing follows it.</param>
internal sealed record SigningKey(string Id, byte[] Secret, DateTimeOffset SignsFrom, DateTimeOffset? VerifiesUntil)
{
    private const string IdLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>The first part of every token that it signs, with its dot: what is not exactly that is not its token.</summary>
    public string Header { get; } =
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes("{\"alg\":\"HS256\",\"kid\":\"" + Id + "\",\"typ\":\"JWT\"}"))
        + ".";

    public static SigningKey Generate(DateTimeOffset signsFrom) =>
        new(
            RandomNumberGenerator.GetString(IdLetters, 12),
            RandomNumberGenerator.GetBytes(32),
            signsFrom,
            VerifiesUntil: null
        );
}

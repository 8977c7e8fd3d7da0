using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.Tokens;

/// <summary>
/// Tokens that show one instance to the pages of some origins. The subject is the public id, and the fact <c>o</c> the origins with a
/// space between them.
/// </summary>
public static class EmbedTokens
{
    /// <summary>The shortest life of a token, in seconds.</summary>
    public const int LeastSeconds = 60;

    /// <summary>The longest life of a token, in seconds.</summary>
    public const int MostSeconds = 24 * 3600;

    /// <summary>Origins that one token can name.</summary>
    public const int Origins = 10;

    /// <summary>Characters of all origins of one token, which stands in addresses.</summary>
    public const int OriginsLength = 1000;

    private const string OriginsFact = "o";

    /// <summary>A new token.</summary>
    /// <param name="signer">Signs it.</param>
    /// <param name="owner">Whose the instance is.</param>
    /// <param name="publicId">The instance.</param>
    /// <param name="origins">Whose pages may use it; none: programs only.</param>
    /// <param name="life">How long it works.</param>
    /// <param name="actor">Who has it made.</param>
    public static string Issue(
        TokenSigner signer,
        OwnerId owner,
        string publicId,
        IReadOnlyList<string> origins,
        TimeSpan life,
        Actor actor
    )
    {
        ArgumentNullException.ThrowIfNull(signer);
        return signer.Issue(
            TokenPurpose.Embed,
            owner,
            publicId,
            life,
            new Dictionary<string, string>(StringComparer.Ordinal) { [OriginsFact] = string.Join(' ', origins) },
            actor
        );
    }

    internal static EmbedTokenRule RuleOf(TokenSigner signer) =>
        (token, owner, publicId) =>
            signer.Verify(token, TokenPurpose.Embed) switch
            {
                TokenCheck.Refused(var why) => new EmbedTokenCheck.Refused(why),
                TokenCheck.Valid(var claims) when claims.Owner == owner && claims.Subject == publicId =>
                    new EmbedTokenCheck.Valid(
                        claims
                            .Facts.GetValueOrDefault(OriginsFact, "")
                            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    ),
                _ => new EmbedTokenCheck.Refused("The token is for another instance."),
            };
}

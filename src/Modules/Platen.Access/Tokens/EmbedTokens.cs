namespace Platen.Access.Tokens;

/// <summary>Limits of the tokens that show one instance to the pages of some origins.</summary>
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
}

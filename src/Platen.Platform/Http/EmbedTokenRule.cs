using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>What came of looking at a token that a page presents for an instance.</summary>
public abstract record EmbedTokenCheck
{
    private EmbedTokenCheck() { }

    /// <summary>It opens the instance.</summary>
    /// <param name="Origins">The origins whose pages may use it, as browsers write them; none: no page, only programs.</param>
    public sealed record Valid(IReadOnlyList<string> Origins) : EmbedTokenCheck;

    /// <summary>It opens nothing: it was changed, has ended, or is for something else.</summary>
    /// <param name="Why">A sentence that may be told to whoever presented it.</param>
    public sealed record Refused(string Why) : EmbedTokenCheck;
}

/// <summary>
/// Looks at an embed token without a query. Registered as a service where tokens can be verified; delivery, which knows nothing of
/// credentials, asks it for instances that are not public.
/// </summary>
/// <param name="token">As it was presented.</param>
/// <param name="owner">Whose the instance is.</param>
/// <param name="publicId">The instance.</param>
public delegate EmbedTokenCheck EmbedTokenRule(string token, OwnerId owner, string publicId);

using Platen.Kernel;

namespace Platen.Access.Tokens;

/// <summary>What a short-lived token is for. A token of one purpose is worth nothing for another.</summary>
public enum TokenPurpose
{
    /// <summary>Follow one event stream.</summary>
    Realtime,

    /// <summary>Download one object.</summary>
    Snapshot,

    /// <summary>Pull from or push to the registry.</summary>
    Registry,

    /// <summary>Make a key for a terminal, once.</summary>
    TerminalLogin,
}

/// <summary>What a verified token says. Immutable.</summary>
/// <param name="Id">Its own id.</param>
/// <param name="Purpose">What it is for.</param>
/// <param name="Owner">Whose.</param>
/// <param name="Subject">What it opens, such as a stream's name.</param>
/// <param name="Actor">Who had it made.</param>
/// <param name="IssuedAt">When, to the second.</param>
/// <param name="ExpiresAt">Until when, to the second.</param>
/// <param name="Facts">What else was signed; names and values are the issuer's business.</param>
public sealed record TokenClaims(
    Guid Id,
    TokenPurpose Purpose,
    OwnerId Owner,
    string Subject,
    Actor Actor,
    DateTimeOffset IssuedAt,
    DateTimeOffset ExpiresAt,
    IReadOnlyDictionary<string, string> Facts
);

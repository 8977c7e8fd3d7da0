using System.Collections.Frozen;
using System.Globalization;
using Platen.Access;
using Platen.Access.Tokens;

namespace Platen.Registry;

/// <summary>
/// The registry's use of short-lived tokens: a grant in a token's facts. Every node verifies them, and none asks the database.
/// <code>
/// scopes        the key's, with spaces between
/// repositories  NAME:ACTIONS with spaces between, the actions as a number
/// catalog       there when the list of repositories may be read
/// </code>
/// </summary>
internal sealed class RegistryTokens(TokenSigner signer)
{
    private const string Subject = "registry";
    private const string ScopesFact = "scopes";
    private const string RepositoriesFact = "repositories";
    private const string CatalogFact = "catalog";

    public string Issue(TokenGrant grant)
    {
        var facts = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [ScopesFact] = string.Join(' ', grant.Caller.Scopes),
            [RepositoriesFact] = string.Join(
                ' ',
                grant.Repositories.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key}:{(int)r.Value}"))
            ),
        };
        if (grant.Catalog)
            facts[CatalogFact] = "1";
        return signer.Issue(
            TokenPurpose.Registry,
            grant.Caller.Owner,
            Subject,
            RegistryLimits.TokenLife,
            facts,
            grant.Caller.Actor
        );
    }

    /// <summary>The grant of a token that is ours and holds, or null.</summary>
    public TokenGrant? Verify(string token)
    {
        if (signer.Verify(token, TokenPurpose.Registry) is not TokenCheck.Valid(var claims))
            return null;
        var caller = new Caller(
            claims.Actor,
            claims.Owner,
            Words(claims.Facts[ScopesFact]).ToFrozenSet(StringComparer.Ordinal)
        )
        {
            ExpiresAt = claims.ExpiresAt,
        };
        var repositories = Words(claims.Facts[RepositoriesFact])
            .Select(entry => entry.Split(':'))
            .ToDictionary(
                entry => entry[0],
                entry => (RepositoryActions)int.Parse(entry[1], CultureInfo.InvariantCulture),
                StringComparer.Ordinal
            );
        return new TokenGrant(caller, repositories, claims.Facts.ContainsKey(CatalogFact));
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}

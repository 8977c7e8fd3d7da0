using Platen.Access;
using Platen.Access.Workspaces;

namespace Platen.Registry;

/// <summary>What a token may do in one repository.</summary>
[Flags]
internal enum RepositoryActions
{
    None = 0,
    Pull = 1,
    Push = 2,
    Delete = 4,
}

/// <summary>A key's rights, narrowed to the repositories that its token was asked for.</summary>
/// <param name="Caller">The key that asked, with its scopes.</param>
/// <param name="Repositories">What may be done where, by the names that were asked for.</param>
/// <param name="Catalog">Whether the list of repositories may be read.</param>
internal sealed record TokenGrant(
    Caller Caller,
    IReadOnlyDictionary<string, RepositoryActions> Repositories,
    bool Catalog
)
{
    public bool Allows(string name, RepositoryActions action) =>
        Repositories.TryGetValue(name, out var granted) && (granted & action) == action;

    /// <summary>
    /// Grants of what was asked that which the key has: <c>repository:NAME:pull,push,delete</c> and <c>registry:catalog:*</c>, separated by
    /// spaces. What it does not have is left out and not refused; the request that needs it is.
    /// </summary>
    public static async Task<TokenGrant> OfAsync(
        WorkspaceDirectory workspaces,
        Caller caller,
        IEnumerable<string> asked,
        CancellationToken ct
    )
    {
        var repositories = new Dictionary<string, RepositoryActions>(StringComparer.Ordinal);
        var catalog = false;
        var scopes = asked
            .SelectMany(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Take(RegistryLimits.TokenScopes);
        foreach (var scope in scopes)
        {
            // A name has no colon (a host with a port stands outside of it).
            if (scope.Split(':') is not [var type, var name, var actions])
                continue;
            if (type == "registry" && name == "catalog")
            {
                catalog = caller.Has(Scopes.RegistryPull);
                continue;
            }
            if (
                type != "repository"
                || !RepositoryName.IsValid(name)
                || await RepositoryName.ResolveAsync(workspaces, name, caller, ct) is not { Caller: var entered }
            )
                continue;
            var mayPull = entered.Has(Scopes.RegistryPull);
            var mayPush = entered.Has(Scopes.RegistryPush);
            var granted = RepositoryActions.None;
            foreach (var action in actions.Split(','))
            {
                granted |= action switch
                {
                    "pull" when mayPull => RepositoryActions.Pull,
                    "push" when mayPush => RepositoryActions.Push,
                    "delete" when mayPush => RepositoryActions.Delete,
                    "*" => (mayPull ? RepositoryActions.Pull : RepositoryActions.None)
                        | (mayPush ? RepositoryActions.Push | RepositoryActions.Delete : RepositoryActions.None),
                    _ => RepositoryActions.None,
                };
            }
            if (repositories.Keys.Sum(known => known.Length) + name.Length <= RegistryLimits.TokenNamesLength)
                repositories[name] = repositories.GetValueOrDefault(name) | granted;
        }
        return new TokenGrant(caller, repositories, catalog);
    }
}

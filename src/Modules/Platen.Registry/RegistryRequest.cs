using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>What the verbs ask of a request before they do anything.</summary>
internal static class RegistryRequest
{
    /// <summary>The repository, when this caller may do that in it.</summary>
    /// <exception cref="ProblemException">The name is malformed or another owner's, or the credential does not reach it.</exception>
    public static async ValueTask<Repository> RequireAsync(
        HttpContext context,
        string name,
        RepositoryActions action,
        CancellationToken ct
    )
    {
        var repository =
            await RepositoryName.ResolveAsync(Workspaces(context), name, context.Caller(), ct)
            ?? throw NameUnknown(name);
        var scope = action == RepositoryActions.Pull ? Scopes.RegistryPull : Scopes.RegistryPush;
        if (!repository.Caller.Has(scope))
            throw KernelProblems.Forbidden.Because($"The credential lacks the scope '{scope}'.").AsException();
        if (context.Features.Get<TokenGrant>() is { } grant && !grant.Allows(name, action))
            throw RegistryProblems.InsufficientToken.Because($"The token was not issued for '{name}'.").AsException();
        return repository;
    }

    /// <summary>
    /// The repository, when this caller may read it; otherwise null. For what is not refused: a mount becomes an upload, a list of
    /// referrers is empty.
    /// </summary>
    public static async ValueTask<Repository?> FindReadableAsync(HttpContext context, string name, CancellationToken ct)
    {
        if (!RepositoryName.IsValid(name))
            return null;
        if (context.Features.Get<TokenGrant>() is { } grant && !grant.Allows(name, RepositoryActions.Pull))
            return null;
        var repository = await RepositoryName.ResolveAsync(Workspaces(context), name, context.Caller(), ct);
        return repository?.Caller.Has(Scopes.RegistryPull) == true ? repository : null;
    }

    public static WorkspaceDirectory Workspaces(HttpContext context) =>
        context.RequestServices.GetRequiredService<WorkspaceDirectory>();

    public static Digest RequireDigest(string? text) =>
        Digest.TryParse(text, out var digest)
            ? digest
            : throw RegistryProblems
                .DigestInvalid.Because(
                    string.IsNullOrEmpty(text)
                        ? "The digest is missing."
                        : $"'{RepositoryName.Shown(text)}' is not a SHA-256 digest."
                )
                .AsException();

    public static ProblemException NameUnknown(string name) =>
        RegistryProblems.NameUnknown.Because($"There is no repository '{name}'.").AsException();

    /// <summary>How many entries a list may have, and after which it begins.</summary>
    public static (int Entries, string Last) Page(HttpContext context)
    {
        var text = context.Request.Query["n"].ToString();
        var entries = RegistryLimits.PageEntries;
        if (
            text.Length > 0
            && !int.TryParse(
                text,
                System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture,
                out entries
            )
        )
        {
            throw RegistryProblems
                .PageInvalid.Because($"'n' is '{RepositoryName.Shown(text)}' and not a number from 0.")
                .AsException();
        }
        var last = context.Request.Query["last"].ToString();
        return (Math.Min(entries, RegistryLimits.PageEntries), last.Replace("\0", "", StringComparison.Ordinal));
    }

    /// <summary>Where the next page is (RFC 8288), as the distribution specification wants it.</summary>
    public static void LinkNext(
        HttpContext context,
        string path,
        params ReadOnlySpan<(string Name, string Value)> query
    )
    {
        var pairs = new List<string>();
        foreach (var (name, value) in query)
        {
            if (value.Length > 0)
                pairs.Add($"{name}={Uri.EscapeDataString(value)}");
        }
        context.Response.Headers.Link = $"<{path}?{string.Join('&', pairs)}>; rel=\"next\"";
    }
}

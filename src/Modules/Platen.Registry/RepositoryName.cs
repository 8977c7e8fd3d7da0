using System.Text.RegularExpressions;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>A repository of an owner that the caller may act for: where its releases, channels and blobs stand.</summary>
/// <param name="Name">As the client writes it; links back to it use the same.</param>
/// <param name="Caller">The caller as they are for that owner.</param>
/// <param name="Subject">Its name within the owner: the subject of releases and channels.</param>
internal sealed record Repository(string Name, Caller Caller, string Subject)
{
    /// <summary>Whose it is.</summary>
    public OwnerId Owner => Caller.Owner;
}

/// <summary>
/// From the name in an address to an owner's subject:
/// <code>
/// curated/{publicId}  templates/{name}  themes/{name}    the platform's
/// w/{workspace}/{rest}                                   {rest} of that workspace; its slug or its id
/// anything else                                          of the caller's owner
/// </code>
/// </summary>
internal static partial class RepositoryName
{
    /// <summary>What the platform publishes: named without an owner, it is always the platform's.</summary>
    private static readonly string[] OfThePlatform = ["curated/", "templates/", "themes/", "widget-types/"];

    /// <summary>Subjects that a module publishes, in every owner: pushed to through that module's intake only.</summary>
    private static readonly string[] Reserved =
    [
        "curated/",
        "templates/",
        "themes/",
        "widgets/",
        "widget-types/",
        "projects/",
    ];

    private const string OfWorkspaces = "w/";

    /// <summary>
    /// The repository, or null when it is another owner's: which of those exist is nobody else's business, so the answer is the
    /// one for a repository that does not exist.
    /// </summary>
    /// <exception cref="ProblemException"><see cref="RegistryProblems.NameInvalid"/>.</exception>
    public static async ValueTask<Repository?> ResolveAsync(
        WorkspaceDirectory workspaces,
        string name,
        Caller caller,
        CancellationToken ct
    )
    {
        if (!IsValid(name))
            throw RegistryProblems.NameInvalid.Because($"'{Shown(name)}' is not a repository name.").AsException();
        if (OfThePlatform.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
            return caller.Owner.IsPlatform ? new Repository(name, caller, name) : null;
        if (!name.StartsWith(OfWorkspaces, StringComparison.Ordinal))
            return new Repository(name, caller, name);
        var slash = name.IndexOf('/', OfWorkspaces.Length);
        if (slash < 0)
            return null;
        var workspace = name[OfWorkspaces.Length..slash];
        var entered =
            workspace == caller.Owner.ToString() ? caller : await workspaces.EnterAsync(caller, workspace, ct);
        return entered is null ? null : new Repository(name, entered, name[(slash + 1)..]);
    }

    public static bool IsValid(string name) => name.Length <= RegistryLimits.NameLength && Grammar().IsMatch(name);

    public static bool IsValidTag(string tag) => TagGrammar().IsMatch(tag);

    /// <summary>Whether only an intake may let pushes in.</summary>
    public static bool IsReserved(string subject) =>
        Reserved.Any(prefix => subject.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>A part of the client's own text for a message: not longer than a line.</summary>
    public static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    // OCI distribution specification 1.1, "Pulling manifests".
    [GeneratedRegex(
        @"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Grammar();

    [GeneratedRegex(@"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z", RegexOptions.NonBacktracking)]
    private static partial Regex TagGrammar();
}

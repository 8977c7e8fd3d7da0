using System.Collections.Frozen;
using Platen.Kernel;

namespace Platen.Access;

/// <summary>What a person is in a workspace. Each includes those before it.</summary>
public enum Role
{
    /// <summary>Reads everything but the audit log.</summary>
    Viewer,

    /// <summary>Writes content.</summary>
    Editor,

    /// <summary>Runs the workspace: members, keys, name, end.</summary>
    Owner,
}

/// <summary>The scopes that roles include, and the roles' printed names.</summary>
public static class Roles
{
    /// <summary>The printed names: <c>viewer</c>, <c>editor</c>, <c>owner</c>.</summary>
    public static readonly IReadOnlyList<string> Names = ["viewer", "editor", "owner"];

    private static readonly FrozenSet<string> Viewer = Set(
        Scopes.WorkspaceRead,
        Scopes.InstancesRead,
        Scopes.TemplatesRead,
        Scopes.FilesRead,
        Scopes.ThemesRead,
        Scopes.EventsRead,
        Scopes.SubmissionsRead,
        Scopes.RegistryPull
    );

    private static readonly FrozenSet<string> Editor = Set([
        .. Viewer,
        Scopes.InstancesWrite,
        Scopes.TemplatesPush,
        Scopes.FilesWrite,
        Scopes.ThemesWrite,
        Scopes.SubmissionsWrite,
        Scopes.EmbedIssue,
        Scopes.RegistryPush,
    ]);

    private static readonly FrozenSet<string> Owner = Set([
        .. Scopes.Known.Where(scope => !Scopes.IsForPlatform(scope)),
    ]);

    private static readonly FrozenSet<string> PlatformEditor = Set([.. Editor, Scopes.CuratedPublish]);
    private static readonly FrozenSet<string> Everything = Set(Scopes.All);

    /// <summary>What the role may do in a workspace.</summary>
    public static IReadOnlySet<string> ScopesOf(Role role) =>
        role switch
        {
            Role.Viewer => Viewer,
            Role.Editor => Editor,
            Role.Owner => Owner,
            _ => throw new ArgumentOutOfRangeException(nameof(role)),
        };

    /// <summary>What the role may do on the platform: its owners are operators, its editors publishers.</summary>
    public static IReadOnlySet<string> PlatformScopesOf(Role role) =>
        role switch
        {
            Role.Viewer => Viewer,
            Role.Editor => PlatformEditor,
            Role.Owner => Everything,
            _ => throw new ArgumentOutOfRangeException(nameof(role)),
        };

    /// <summary>What the role may do there.</summary>
    internal static IReadOnlySet<string> ScopesOf(Role role, OwnerId owner) =>
        owner.IsPlatform ? PlatformScopesOf(role) : ScopesOf(role);

    /// <summary>What a key may do: its scopes, and of those that somebody lent no more than they have now.</summary>
    /// <param name="owner">Whose the key is.</param>
    /// <param name="scopes">The key's.</param>
    /// <param name="lendersRole">What the lender is there now; null for a key that nobody lent.</param>
    internal static FrozenSet<string> LentScopesOf(OwnerId owner, string[] scopes, string? lendersRole)
    {
        if (Parse(lendersRole) is not { } role)
            return Set(scopes);
        var own = ScopesOf(role, owner);
        if (own.Contains(Scopes.All))
            return Set(scopes);
        return Set([.. scopes.Contains(Scopes.All, StringComparer.Ordinal) ? own : scopes.Where(own.Contains)]);
    }

    /// <summary>Reads a printed name; null for anything else.</summary>
    public static Role? Parse(string? text) =>
        text switch
        {
            "viewer" => Role.Viewer,
            "editor" => Role.Editor,
            "owner" => Role.Owner,
            _ => null,
        };

    /// <summary>The printed name.</summary>
    public static string Name(this Role role) => Names[(int)role];

    private static FrozenSet<string> Set(params string[] scopes) => scopes.ToFrozenSet(StringComparer.Ordinal);
}

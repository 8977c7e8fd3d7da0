namespace Platen.Access;

/// <summary>
/// What a credential may do: the names that keys are given and that endpoints ask for. <see cref="All"/> includes every other.
/// </summary>
public static class Scopes
{
    /// <summary>Everything, for the platform's operators.</summary>
    public const string All = "*";

    /// <summary>Read instances, their locales and publications.</summary>
    public const string InstancesRead = "instances:read";

    /// <summary>Write instances and their locales.</summary>
    public const string InstancesWrite = "instances:write";

    /// <summary>Write and publish curated content: a publisher credential.</summary>
    public const string CuratedPublish = "curated:publish";

    /// <summary>Read templates, their versions and channels.</summary>
    public const string TemplatesRead = "templates:read";

    /// <summary>Push versions of templates and move their channels.</summary>
    public const string TemplatesPush = "templates:push";

    /// <summary>Read project files and snapshots.</summary>
    public const string FilesRead = "files:read";

    /// <summary>Write project files.</summary>
    public const string FilesWrite = "files:write";

    /// <summary>Read themes.</summary>
    public const string ThemesRead = "themes:read";

    /// <summary>Write and publish themes.</summary>
    public const string ThemesWrite = "themes:write";

    /// <summary>Read the event streams of the key's owner.</summary>
    public const string EventsRead = "events:read";

    /// <summary>Read and export what visitors submitted.</summary>
    public const string SubmissionsRead = "submissions:read";

    /// <summary>Change and erase what visitors submitted.</summary>
    public const string SubmissionsWrite = "submissions:write";

    /// <summary>Pull from the registry.</summary>
    public const string RegistryPull = "registry:pull";

    /// <summary>Push to the registry.</summary>
    public const string RegistryPush = "registry:push";

    /// <summary>See the workspace itself, its plan and its members.</summary>
    public const string WorkspaceRead = "workspace:read";

    /// <summary>Record how callers fared with a version on trial.</summary>
    public const string TemplatesReport = "templates:report";

    /// <summary>See the queue, and retry dead jobs.</summary>
    public const string JobsManage = "jobs:manage";

    /// <summary>List, make and revoke machine keys.</summary>
    public const string KeysManage = "keys:manage";

    /// <summary>Invite, change and remove members.</summary>
    public const string MembersManage = "members:manage";

    /// <summary>Rename and delete the workspace.</summary>
    public const string WorkspaceManage = "workspace:manage";

    /// <summary>Read the audit log.</summary>
    public const string AuditRead = "audit:read";

    /// <summary>See, make, change and remove webhooks, and what became of their messages.</summary>
    public const string WebhooksManage = "webhooks:manage";

    /// <summary>Hand out tokens that show an instance which the credential may read, and take them back.</summary>
    public const string EmbedIssue = "embed:issue";

    /// <summary>Go past a gate that refuses a release, with a reason.</summary>
    public const string GatesForce = "gates:force";

    /// <summary>Every scope an endpoint can ask for.</summary>
    public static readonly IReadOnlyList<string> Known =
    [
        InstancesRead,
        InstancesWrite,
        CuratedPublish,
        TemplatesRead,
        TemplatesPush,
        TemplatesReport,
        FilesRead,
        FilesWrite,
        ThemesRead,
        ThemesWrite,
        EventsRead,
        SubmissionsRead,
        SubmissionsWrite,
        RegistryPull,
        RegistryPush,
        WorkspaceRead,
        JobsManage,
        KeysManage,
        MembersManage,
        WorkspaceManage,
        AuditRead,
        WebhooksManage,
        EmbedIssue,
        GatesForce,
    ];

    /// <summary>What only the platform's own credentials can have: no role in a workspace includes it.</summary>
    public static bool IsForPlatform(string scope) => scope is All or CuratedPublish;
}

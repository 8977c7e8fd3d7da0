using Platen.Platform.Events;

namespace Platen.Access;

/// <summary>
/// What the module tells others, in streams of the workspace. Whatever changes who may do what is in a stream named <c>access/…</c>:
/// nodes forget what they remember of the owner when they hear of one.
/// </summary>
public static class AccessEvents
{
    /// <summary>The workspace's own stream.</summary>
    public static readonly StreamId Workspace = new("access/workspace");

    /// <summary>Who belongs to it.</summary>
    public static readonly StreamId Members = new("access/members");

    /// <summary>Its machine keys.</summary>
    public static readonly StreamId Keys = new("access/keys");

    /// <summary>It was made: id, slug, name, plan.</summary>
    public const string WorkspaceCreated = "workspace.created";

    /// <summary>It has another name or slug: id, slug, formerSlug, name.</summary>
    public const string WorkspaceRenamed = "workspace.renamed";

    /// <summary>It has another plan: id, plan, formerPlan.</summary>
    public const string PlanChanged = "workspace.plan-changed";

    /// <summary>It is closed, and will be purged: id, slug, purgeAt.</summary>
    public const string WorkspaceDeleted = "workspace.deleted";

    /// <summary>It was had back: id, slug.</summary>
    public const string WorkspaceRestored = "workspace.restored";

    /// <summary>Its grace is over and access has removed what it had of it: id. Other modules remove theirs.</summary>
    public const string WorkspacePurged = "workspace.purged";

    /// <summary>Somebody belongs to it: personId, role.</summary>
    public const string MemberAdded = "member.added";

    /// <summary>Somebody has another role: personId, role, formerRole.</summary>
    public const string RoleChanged = "member.role-changed";

    /// <summary>Somebody left or was removed: personId.</summary>
    public const string MemberRemoved = "member.removed";

    /// <summary>There is a new key: id, name, scopes.</summary>
    public const string KeyCreated = "key.created";

    /// <summary>A key opens nothing any more: id, name.</summary>
    public const string KeyRevoked = "key.revoked";
}

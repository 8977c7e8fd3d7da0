using System.Text.Json;
using Platen.Access.Audit;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

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

    /// <summary>Who was invited.</summary>
    public static readonly StreamId Invitations = new("access/invitations");

    /// <summary>Somebody was invited: id, email, role.</summary>
    public const string MemberInvited = "invitation.sent";

    /// <summary>An invitation was sent again, with a new token: id, email.</summary>
    public const string InvitationResent = "invitation.resent";

    /// <summary>An invitation was taken back: id, email.</summary>
    public const string InvitationRevoked = "invitation.revoked";

    /// <summary>An invitation was accepted: id, personId, role.</summary>
    public const string InvitationAccepted = "invitation.accepted";

    /// <summary>It may use another amount of something than its plan allows: id, name, allowed.</summary>
    public const string EntitlementChanged = "workspace.entitlement-changed";

    /// <summary>Tokens are signed with another key: id, endedFormer.</summary>
    public const string SigningKeyMade = "signing-key.made";

    /// <summary>Tells others and the audit log, in the transaction of the fact.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="stream">Where others hear of it.</param>
    /// <param name="type">What happened.</param>
    /// <param name="json">With an <c>id</c>, or a <c>personId</c>, which becomes the entry's subject.</param>
    /// <param name="ct">Cancels.</param>
    /// <param name="before">What it was before, as a record of its values; null when there was nothing, or nothing that has values.</param>
    /// <param name="after">What it is since.</param>
    internal static async Task TellAsync(
        Session session,
        StreamId stream,
        string type,
        ReadOnlyMemory<byte> json,
        CancellationToken ct,
        object? before = null,
        object? after = null
    )
    {
        var detail = JsonElement.Parse(json.Span);
        var id = detail.TryGetProperty("id", out var own) ? own : detail.GetProperty("personId");
        var kind = type[..type.IndexOf('.', StringComparison.Ordinal)];
        var (was, isNow) = (AuditLog.DigestOf(before), AuditLog.DigestOf(after));
        await AuditLog.RecordAsync(session, type, $"{kind}/{id}", was, isNow, detail, ct);
        await EventLog.AppendAsync(session, stream, type, json, ct);
    }
}

using Platen.Platform.Events;

namespace Platen.Widgets;

/// <summary>What the module tells others. Each instance has a stream of its own, <c>widget/{publicId}</c>.</summary>
public static class WidgetEvents
{
    /// <summary>A new version was saved: publicId, revision, status, configDigest.</summary>
    public const string Saved = "widget.saved";

    /// <summary>An overlay was saved or removed: publicId, locale, revision (null when removed).</summary>
    public const string OverlayChanged = "widget.overlay-changed";

    /// <summary>A release went live: publicId, release, channelRevision, sourceRevision.</summary>
    public const string Published = "widget.published";

    /// <summary>In the audit log: a former release went live again. Followers get <see cref="Published"/>.</summary>
    public const string WentBack = "widget.went-back";

    /// <summary>Nothing is live any more: publicId, channelRevision.</summary>
    public const string Unpublished = "widget.unpublished";

    /// <summary>A user instance was deleted and can be had back: publicId, revision.</summary>
    public const string Deleted = "widget.deleted";

    /// <summary>A deletion was undone: publicId, revision.</summary>
    public const string Restored = "widget.restored";

    /// <summary>In the audit log: content was published to this server from another stage.</summary>
    public const string TakenIn = "widget.taken-in";

    /// <summary>In the audit log: something was published although the gates had something against it, and what.</summary>
    public const string GatesForced = "widget.gates-forced";

    /// <summary>A widget type arrived or changed: type, version, package.</summary>
    public const string TypeInstalled = "widget-type.installed";

    /// <summary>In the audit log: several instances were scheduled to change together.</summary>
    public const string CutoverScheduled = "cutover.scheduled";

    /// <summary>In the audit log: a scheduled cut-over was called off.</summary>
    public const string CutoverCancelled = "cutover.cancelled";

    /// <summary>A scheduled cut-over was due, and what it asked for is not possible any more.</summary>
    public const string CutoverRefused = "cutover.refused";

    /// <summary>In the audit log: somebody made a link that shows a release before it is live.</summary>
    public const string PreviewLinked = "widget.preview-linked";

    /// <summary>In the audit log: tokens that show an instance were taken back; which one, or all made by when.</summary>
    public const string TokensRevoked = "widget.tokens-revoked";

    /// <summary>In the audit log: a deleted instance is gone.</summary>
    public const string Purged = "widget.purged";

    public static StreamId Stream(string publicId) => new("widget/" + publicId);
}

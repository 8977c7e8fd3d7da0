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

    public static StreamId Stream(string publicId) => new("widget/" + publicId);
}

using Platen.Kernel.Templates;
using Platen.Platform.Events;

namespace Platen.Templates;

/// <summary>What the module tells others. Each template has a stream of its own, <c>template/{name}</c>.</summary>
public static class TemplateEvents
{
    /// <summary>The template was made, described anew, switched on or off: name, enabled, revision.</summary>
    public const string Changed = "template.changed";

    /// <summary>A version was pushed, or a draft replaced: version, release, status.</summary>
    public const string VersionPushed = "template.version-pushed";

    /// <summary>A version became stable or deprecated: version, status, reason, successor.</summary>
    public const string VersionChanged = "template.version-changed";

    /// <summary>A version past its time was removed: version, status, because.</summary>
    public const string VersionRemoved = "template.version-removed";

    /// <summary>A channel moved, or a candidate got another guard: channel, version, candidate, percentage, guard, revision.</summary>
    public const string ChannelMoved = "template.channel-moved";

    /// <summary>An operator pinned a place to a version, or ended that: environment, version (null when ended).</summary>
    public const string Pinned = "template.pinned";

    /// <summary>A trial ended: channel, trial, state, decision.</summary>
    public const string TrialEnded = "template.trial-ended";

    /// <summary>A move of a protected channel was asked for, approved or rejected: channel, request, state.</summary>
    public const string MoveRequested = "template.move-requested";

    /// <summary>A channel moves only when a second person agrees: channel.</summary>
    public const string ChannelProtected = "template.channel-protected";

    /// <summary>In the audit log only: which versions go by themselves was said anew.</summary>
    public const string RetentionChanged = "template.retention-changed";

    public static StreamId Stream(TemplateName name) => new(name.Stream);
}

using Platen.Platform.Events;

namespace Platen.Submissions;

/// <summary>What the module tells. Nothing of what a person wrote is in it: events outlive an erasing.</summary>
internal static class SubmissionEvents
{
    /// <summary>A submission was kept; its id, instance and locale.</summary>
    public const string Received = "submission.received";

    /// <summary>What webhooks are told of the same.</summary>
    public const string Arrived = "submission.arrived";

    /// <summary>Submissions were erased: one, or all of an address.</summary>
    public const string Erased = "submission.erased";

    /// <summary>Submissions were removed because they were as old as their owner keeps them.</summary>
    public const string Expired = "submission.expired";

    /// <summary>How long they are kept was changed; in the audit log only.</summary>
    public const string RetentionChanged = "submission.retention-changed";

    public static StreamId Stream(string publicId) => new("submissions/" + publicId);
}

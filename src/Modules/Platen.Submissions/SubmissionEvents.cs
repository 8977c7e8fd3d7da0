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

    public static StreamId Stream(string publicId) => new("submissions/" + publicId);
}

using Platen.Kernel;

namespace Platen.Platform.Events;

/// <summary>The problems a reader of events can meet.</summary>
public static class EventsProblems
{
    /// <summary>Carries <c>removedThrough</c> and <c>revision</c>, the stream's current one.</summary>
    public static readonly ProblemType CursorGone = new(
        "event-cursor-gone",
        410,
        "The stream cannot be continued from there",
        "Read the resource again, and follow its stream from the current revision that 'revision' names."
    );

    /// <summary>The process follows as many streams as it may.</summary>
    public static readonly ProblemType TooManySubscribers = new(
        "too-many-subscribers",
        503,
        "The server has as many open event streams as it can hold",
        "Try again after the time in Retry-After, or close streams you do not need."
    );
}

using System.Net;

namespace Platen.Client.Resolving;

/// <summary>
/// How long something that failed is left alone: twice as long after each failure, until it answers. The registry's answers have one
/// and its store another, so that files that are gone hide no move.
/// </summary>
internal sealed class Pause(TimeProvider time, TimeSpan longest)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);

    // Written together under a lock; the end alone is read without it.
    private readonly Lock changing = new();
    private long until;
    private TimeSpan next = First;
    private string reason = "";
    private bool isBusy;

    public bool IsOver => time.GetTimestamp() >= Volatile.Read(ref until);

    /// <summary>Why nothing is asked now; null when it may be.</summary>
    public string? Because
    {
        get
        {
            lock (changing)
                return IsOver ? null : "not asked again yet after: " + reason;
        }
    }

    /// <summary>What is left of a pause after it was too busy; null when it answers, or cannot be reached at all.</summary>
    public TimeSpan? BusyFor
    {
        get
        {
            lock (changing)
            {
                if (until == 0 || !isBusy)
                    return null;
                var left = time.GetElapsedTime(time.GetTimestamp(), until);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    public void Begin(PlatenException failure)
    {
        lock (changing)
        {
            Volatile.Write(ref until, time.GetTimestamp() + (long)(next.TotalSeconds * time.TimestampFrequency));
            reason = failure.Message;
            isBusy = failure switch
            {
                PlatenUnreachableException => failure.InnerException is OperationCanceledException,
                PlatenProblemException problem => problem.Status
                    is HttpStatusCode.ServiceUnavailable
                        or HttpStatusCode.TooManyRequests,
                _ => false,
            };
            next = next * 2 < longest ? next * 2 : longest;
        }
    }

    public void End()
    {
        lock (changing)
        {
            Volatile.Write(ref until, 0);
            next = First;
        }
    }
}

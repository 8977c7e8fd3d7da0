namespace Platen.Platform.Events;

/// <summary>What the event parts accept and keep at most, each with its reason.</summary>
public static class EventLimits
{
    /// <summary>Characters of a stream's id; a channel's subject and name fit with room for a prefix.</summary>
    public const int StreamIdLength = 300;

    /// <summary>Bytes of an event's data: a bulk names some thousand paths, more belongs into a blob.</summary>
    public const int DataBytes = 256 * 1024;

    /// <summary>Events read in one page.</summary>
    public const int PageEvents = 256;

    /// <summary>Streams read in one query when many changed at once.</summary>
    public const int StreamsARead = 256;

    /// <summary>Events of one stream kept in memory for its subscribers; who falls further behind is cut.</summary>
    public const int WindowEvents = 1024;

    /// <summary>Bytes of frames that subscribers at the same place share, except that the next event always is.</summary>
    public const int SharedFrameBytes = 64 * 1024;

    /// <summary>Subscribers served by one work item: their writes are microseconds each.</summary>
    public const int ResumedTogether = 64;

    /// <summary>Bytes of data kept in memory for a stream's subscribers, except that the newest event always is.</summary>
    public const int WindowBytes = 4 * 1024 * 1024;

    /// <summary>Subscribers in one process: each holds a socket and a few kilobytes.</summary>
    public const int Subscribers = 50_000;
}

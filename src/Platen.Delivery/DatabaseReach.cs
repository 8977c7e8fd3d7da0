namespace Platen.Delivery;

/// <summary>Whether the database answers, as the one who listens to it finds. Thread-safe.</summary>
internal sealed class DatabaseReach
{
    private const string NotYet = "The database has not been reached yet.";
    private volatile string? trouble = NotYet;

    /// <summary>Why moves are not heard of; null while they are.</summary>
    public string? Trouble => trouble;

    /// <summary>Whether it was tried and did not answer. False before the first try: then it is worth asking.</summary>
    public bool IsLost => trouble is { } reason && !ReferenceEquals(reason, NotYet);

    public void Found() => trouble = null;

    public void Lost(string reason) => trouble = reason;
}

/// <summary>The database was not asked, because it is known not to answer.</summary>
internal sealed class DatabaseLostException(string? trouble) : Exception(trouble);

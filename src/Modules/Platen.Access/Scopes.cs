namespace Platen.Access;

/// <summary>
/// What a credential may do: the names that keys are given and that endpoints ask for. <see cref="All"/> includes every other.
/// </summary>
public static class Scopes
{
    /// <summary>Everything, for the platform's owner.</summary>
    public const string All = "*";

    /// <summary>Read instances, their locales and publications.</summary>
    public const string InstancesRead = "instances:read";

    /// <summary>Write instances and their locales.</summary>
    public const string InstancesWrite = "instances:write";

    /// <summary>Write and publish curated content: a publisher credential.</summary>
    public const string CuratedPublish = "curated:publish";

    /// <summary>Read the event streams of the key's owner.</summary>
    public const string EventsRead = "events:read";

    /// <summary>See the queue, and retry dead jobs.</summary>
    public const string JobsManage = "jobs:manage";

    /// <summary>Every scope an endpoint can ask for.</summary>
    public static readonly IReadOnlyList<string> Known =
    [
        InstancesRead,
        InstancesWrite,
        CuratedPublish,
        EventsRead,
        JobsManage,
    ];
}

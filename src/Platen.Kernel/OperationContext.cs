namespace Platen.Kernel;

/// <summary>Who acts. The name is kept beside the id so that history still reads after its author is gone.</summary>
/// <param name="Id">The actor's id.</param>
/// <param name="Name">What people see; at most <see cref="Limits.DisplayNameLength"/> characters.</param>
public sealed record Actor(ActorId Id, string Name)
{
    /// <summary>The server acting on its own account.</summary>
    public static readonly Actor System = new(ActorId.System, "platen");
}

/// <summary>
/// Who acts, for which owner, with which rights and why: what a database session is opened with. It is immutable, made
/// once at the edge (an authenticated request, a job, a command) and handed down.
/// </summary>
/// <param name="Actor">Who acts.</param>
/// <param name="Owner">Whose rows the session may see.</param>
/// <param name="Reason">Why, in a few words; kept with channel moves and in the audit log.</param>
public sealed record OperationContext(Actor Actor, OwnerId Owner, string Reason)
{
    /// <summary>Whether the caller may write curated content: the caller holds a publisher credential.</summary>
    public bool MayPublishCurated { get; init; }

    /// <summary>The server's own context for one owner.</summary>
    public static OperationContext ForSystem(OwnerId owner, string reason) =>
        new(Actor.System, owner, reason) { MayPublishCurated = owner.IsPlatform };
}

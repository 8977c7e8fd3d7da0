using System.Collections.Frozen;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>
/// Leads callers into workspaces. What it finds is remembered for a few seconds, as long as nothing changes: see
/// <see cref="Invalidation"/>. Thread-safe.
/// </summary>
public sealed class WorkspaceDirectory
{
    private const string PlatformSlug = "platform";
    private readonly PostgresPools pools;
    private readonly Invalidation invalidation;
    private readonly TrustedCache<(ActorId Actor, string Workspace), Place> places;

    internal WorkspaceDirectory(PostgresPools pools, Invalidation invalidation, TimeProvider time)
    {
        this.pools = pools;
        this.invalidation = invalidation;
        places = new TrustedCache<(ActorId, string), Place>(invalidation, time, AccessLimits.Remembered);
    }

    /// <summary>A person as they are outside every workspace: an operator or publisher if they belong to the platform.</summary>
    /// <param name="person">Who has proved to be it.</param>
    /// <param name="name">What others see.</param>
    /// <param name="ct">Cancels.</param>
    public async ValueTask<Caller> CallerOfAsync(PersonId person, string name, CancellationToken ct)
    {
        var actor = new Actor(person.AsActor, name);
        // An id of theirs owns nothing: what is not in a workspace of theirs is not theirs.
        var nobody = new Caller(actor, new OwnerId(person.Value), FrozenSet<string>.Empty) { Person = person };
        var place = await FindAsync(nobody, PlatformSlug, ct);
        return place is { Role: { } role, Status: "active" }
            ? nobody with
            {
                Owner = OwnerId.Platform,
                Scopes = Roles.PlatformScopesOf(role),
                Role = role,
            }
            : nobody;
    }

    /// <summary>The caller as they are where an object belongs; null when that is nowhere that they may know of.</summary>
    /// <param name="caller">As authenticated.</param>
    /// <param name="owner">Whose an object is; null when there is none: that is looked for as well, so that it takes as long.</param>
    /// <param name="ct">Cancels.</param>
    public ValueTask<Caller?> EnterAsync(Caller caller, OwnerId? owner, CancellationToken ct) =>
        EnterAsync(caller, (owner?.Value ?? Guid.Empty).ToString("D"), ct);

    /// <summary>The caller as they are in a workspace; null when there is none, or none that they may know of.</summary>
    /// <param name="caller">As authenticated.</param>
    /// <param name="workspace">A slug or an id.</param>
    /// <param name="ct">Cancels.</param>
    public ValueTask<Caller?> EnterAsync(Caller caller, string? workspace, CancellationToken ct) =>
        EnterAsync(caller, workspace, deletedToo: false, platformToo: false, ct);

    internal async ValueTask<Caller?> EnterAsync(
        Caller caller,
        string? workspace,
        bool deletedToo,
        bool platformToo,
        CancellationToken ct
    )
    {
        if (workspace is null || await FindAsync(caller, workspace, ct) is not { } place)
            return null;
        if (place.Owner.IsPlatform && !platformToo)
            return null;
        var entered = As(caller, place);
        if (place.Status != "active" && !(deletedToo && entered?.Has(Scopes.WorkspaceManage) == true))
            return null;
        return entered;
    }

    private static Caller? As(Caller caller, Place place)
    {
        if (place.Owner == caller.Owner)
            return caller with { Role = place.Role };
        // Operators may do everything everywhere. They do it as themselves, and it is kept with what they did.
        if (caller.IsOperator)
        {
            return caller with { Owner = place.Owner, Role = place.Role, IsVisitingOperator = true };
        }
        if (caller.Person is null || place.Role is not { } role)
            return null;
        return caller with { Owner = place.Owner, Role = role, Scopes = Roles.ScopesOf(role) };
    }

    private async ValueTask<Place?> FindAsync(Caller caller, string workspace, CancellationToken ct)
    {
        var isId = Guid.TryParseExact(workspace, "D", out var id);
        if (!isId && !Slug.TryParse(workspace, out _))
            return null;
        var key = (caller.Actor.Id, workspace);
        if (places.Find(key) is { } kept)
            return kept;
        var readAt = invalidation.Now;
        await using var session = await pools.OpenAsync(caller.Operation("enter workspace"), ct);
        var (asked, isThere) = await session.FirstAsync(
            "select owner, slug, status, role, found from access.find_workspace($1, $2)",
            row =>
                (
                    new Place(
                        new OwnerId(row.GetGuid(0)),
                        row.GetString(1),
                        row.GetString(2),
                        row.IsDBNull(3) ? null : Roles.Parse(row.GetString(3))
                    ),
                    row.GetBoolean(4)
                ),
            ct,
            Sql.Uuid(isId ? id : Guid.Empty),
            Sql.Text(isId ? null : workspace)
        );
        var found = isThere ? asked : null;
        // What the caller has nothing to do with is not remembered, no more than what is not there: the time of the next refusal would tell.
        if (found is not null && (found.Role is not null || found.Owner == caller.Owner || caller.IsOperator))
            places.Keep(key, found.Owner, found, readAt);
        return found;
    }

    private sealed record Place(OwnerId Owner, string Slug, string Status, Role? Role);
}

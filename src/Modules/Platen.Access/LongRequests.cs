using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Access.SignIn;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>
/// Ends requests that last, such as a followed stream, when their caller may no longer make them: the key was revoked or has expired,
/// the person's session has ended, the member was removed or has another role, the workspace was closed. Thread-safe.
/// </summary>
public sealed class LongRequests : IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<Request, bool> open = new();
    private readonly PostgresPools pools;
    private readonly WorkspaceDirectory directory;
    private readonly ClosedOwners closed;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly IDisposable watch;
    private readonly ITimer tick;

    internal LongRequests(
        PostgresPools pools,
        WorkspaceDirectory directory,
        ClosedOwners closed,
        Invalidation invalidation,
        TimeProvider clock,
        ILogger<LongRequests> logger
    )
    {
        this.pools = pools;
        this.directory = directory;
        this.closed = closed;
        this.clock = clock;
        this.logger = logger;
        watch = invalidation.Watch(Look);
        // For what ends by time alone, such as a key that was given an end while it was in use.
        tick = clock.CreateTimer(_ => Look(owner: null), state: null, LookEvery, LookEvery);
    }

    /// <summary>Watches over a request until it ends.</summary>
    /// <param name="context">The request; it is aborted when its caller may not go on.</param>
    /// <param name="scope">What the request needs.</param>
    public void Watch(HttpContext context, string scope)
    {
        var request = new Request(this, context, context.Caller(), context.FindSignedIn()?.SessionId, scope);
        open[request] = true;
        context.Response.RegisterForDispose(request);
        request.EndInTime(clock);
        // What ended between the credential's check and now was told to nobody.
        _ = Task.Run(() => LookAsync([request]));
    }

    /// <summary>Refuses a caller whose right ended while the body of their request was on its way.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Forbidden"/>.</exception>
    internal async Task RefuseLostAsync(HttpContext context, CancellationToken ct)
    {
        if (context.User.Identity is not CallerIdentity { Caller: var caller })
            return;
        // Where the route does not say what it takes, all that they had must be left.
        string[] needed = context.GetEndpoint()?.Metadata.GetMetadata<NeededScope>() is { } one
            ? [one.Scope]
            : [.. caller.Scopes];
        if (!await MayGoOnAsync(caller, context.FindSignedIn()?.SessionId, needed, ct))
        {
            throw KernelProblems
                .Forbidden.Because("Your right to do this ended while the request was on its way.")
                .AsException();
        }
    }

    public void Dispose()
    {
        watch.Dispose();
        tick.Dispose();
    }

    // On the listening flow: the questions are asked elsewhere.
    private void Look(OwnerId? owner)
    {
        var concerned = open.Keys.Where(request => owner is null || request.Concerns(owner.Value)).ToList();
        if (concerned.Count > 0)
            _ = Task.Run(() => LookAsync(concerned));
    }

    private async Task LookAsync(List<Request> requests)
    {
        foreach (var same in requests.GroupBy(r => (r.Caller.Actor.Id, r.Caller.Owner, r.Session, r.Scope)))
        {
            try
            {
                var first = same.First();
                if (await MayGoOnAsync(first.Caller, first.Session, [first.Scope], CancellationToken.None))
                    continue;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                // Nobody can tell, so nobody goes on: they come back and are looked at then.
                Log.CallerUnknown(logger, e);
            }
            foreach (var request in same)
                request.End();
        }
    }

    private async Task<bool> MayGoOnAsync(
        Caller caller,
        Guid? session,
        IReadOnlyCollection<string> scopes,
        CancellationToken ct
    )
    {
        // A token holds until it expires, whatever becomes of who had it made; but not longer than what it opens.
        if (caller.Token is not null)
            return !closed.IsClosed(caller.Owner);
        if (caller.Person is { } person)
        {
            if (session is { } id && !await PersonSessions.IsLiveAsync(pools, id, ct))
                return false;
            var outside = await directory.CallerOfAsync(person, caller.Actor.Name, ct);
            if (caller.Owner == outside.Owner)
                return scopes.All(outside.Has);
            var inside = await directory.EnterAsync(
                outside,
                caller.Owner.ToString(),
                deletedToo: false,
                platformToo: true,
                ct
            );
            return inside is not null && scopes.All(inside.Has);
        }
        // A key of the platform may have entered a workspace: it is the platform's all the same.
        var owner = caller.IsVisitingOperator ? OwnerId.Platform : caller.Owner;
        await using var looking = await pools.OpenAsync(OperationContext.ForSystem(owner, "look after request"), ct);
        var isOpen = await looking.FirstAsync(
            "select not exists (select from access.workspace where owner = platform.current_owner() and status <> 'active')",
            row => row.GetBoolean(0),
            ct
        );
        return isOpen
            && await ActorRights.FindScopesAsync(looking, caller.Actor.Id, ct) is { } own
            && (own.Contains(Scopes.All) || scopes.All(own.Contains));
    }

    private sealed class Request(LongRequests all, HttpContext context, Caller caller, Guid? session, string scope)
        : IDisposable
    {
        private ITimer? end;

        public Caller Caller => caller;

        public Guid? Session => session;

        public string Scope => scope;

        public bool Concerns(OwnerId owner) =>
            owner == caller.Owner
            || owner.Value == caller.Person?.Value
            || (owner.IsPlatform && (caller.IsVisitingOperator || caller.Person is not null));

        public void EndInTime(TimeProvider clock)
        {
            if (caller.ExpiresAt is not { } at)
                return;
            var left = at - clock.GetUtcNow();
            // What ends later is found when everybody is looked at.
            if (left < TimeSpan.FromDays(1))
                end = clock.CreateTimer(
                    _ => End(),
                    null,
                    left > TimeSpan.Zero ? left : TimeSpan.Zero,
                    Timeout.InfiniteTimeSpan
                );
        }

        public void End() => context.Abort();

        public void Dispose()
        {
            all.open.TryRemove(this, out _);
            end?.Dispose();
        }
    }
}

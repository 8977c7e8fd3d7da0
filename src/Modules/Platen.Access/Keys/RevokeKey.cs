using Platen.Access.Invitations;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Keys;

/// <summary>Ends a key, or replaces its secret. Every node hears of it at commit and refuses the key from then on.</summary>
internal sealed class RevokeKey(PostgresPools pools, Invalidation invalidation, TimeProvider clock)
{
    /// <param name="OverlapSeconds">For how long the former secret goes on; 0 ends it at once.</param>
    public sealed record RotateBody(int OverlapSeconds = 0);

    /// <summary>Revoking a revoked key changes nothing.</summary>
    public Task RunAsync(Caller caller, Guid id, CancellationToken ct) =>
        RunAsync(caller.Operation("revoke key"), id, ct);

    /// <summary>Revokes what the actor has lent, whether or not they still belong to whom it is of.</summary>
    /// <param name="lender">Who.</param>
    /// <param name="owner">Whose the key is.</param>
    /// <param name="id">The key; the caller knows that the actor lent it.</param>
    /// <param name="ct">Cancels.</param>
    public Task OfLenderAsync(Actor lender, OwnerId owner, Guid id, CancellationToken ct) =>
        RunAsync(new OperationContext(lender, owner, "take back lent key"), id, ct);

    private async Task RunAsync(OperationContext context, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(context, ct);
        var key = await StoredKey.FindAsync(session, id, locked: true, ct) ?? throw NotFound();
        if (key.RevokedAt is not null)
            return;
        await RevokeAsync(session, key, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(context.Owner);
    }

    /// <summary>The same name, scopes, stage and end with a new secret.</summary>
    public async Task<CreateKey.Outcome> RotateAsync(Caller caller, Guid id, RotateBody body, CancellationToken ct)
    {
        if (body.OverlapSeconds is < 0 or > AccessLimits.MostRotationSeconds)
        {
            AccessRequests.ThrowIfAny([
                new Fault("/overlapSeconds", $"Must be 0 to {AccessLimits.MostRotationSeconds}: a week."),
            ]);
        }
        await using var session = await pools.OpenAsync(caller.Operation("rotate key"), ct);
        var former = await StoredKey.FindAsync(session, id, locked: true, ct) ?? throw NotFound();
        var now = clock.GetUtcNow();
        if (former.StatusAt(now) != "active")
        {
            throw KernelProblems
                .Conflict.Because($"The key is {former.StatusAt(now)}: make a new one instead.")
                .AsException();
        }
        CreateKey.CheckGrant(caller, former.Scopes, former.ExpiresAt);
        // Before the new one is counted: a full workspace can rotate, unless both are to go on for a while.
        await RevokeAsync(
            session,
            former,
            ct,
            until: body.OverlapSeconds > 0 ? now.AddSeconds(body.OverlapSeconds) : null
        );
        var secret = MachineKey.Generate();
        var wanted = new CreateKey.Wanted(
            former.Name,
            former.Scopes,
            former.ExpiresAt,
            former.Stage,
            AccessRequests.Asked(body),
            former.LentBy
        );
        var made = await CreateKey.InsertAsync(session, Guid.CreateVersion7(), wanted, secret, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(caller.Owner);
        return new CreateKey.Outcome(made, secret);
    }

    /// <summary>Ends what somebody lent of the session's owner, in the caller's transaction, who takes back what they sent.</summary>
    public static async Task LentByAsync(Session session, PersonId lender, CancellationToken ct)
    {
        var ended = await session.ListAsync(
            $"""
            update access.machine_key set revoked_at = clock_timestamp(), revoked_by_name = $2
            where owner = platform.current_owner() and lent_by = $1 and revoked_at is null
            returning {StoredKey.Columns}
            """,
            StoredKey.Read,
            ct,
            Sql.Uuid(lender.Value),
            Sql.Text((session.ActsFor ?? session.Context.Actor).Name)
        );
        foreach (var key in ended)
            await TellAsync(session, key, after: null, until: null, ct);
    }

    private static async Task RevokeAsync(
        Session session,
        StoredKey key,
        CancellationToken ct,
        DateTimeOffset? until = null
    )
    {
        var ended = await session.FirstAsync(
            $"""
            update access.machine_key set
                revoked_at = case when $2::timestamptz is null then clock_timestamp() end,
                revoked_by_name = case when $2::timestamptz is null then $3 end,
                expires_at = least(expires_at, $2)
            where owner = platform.current_owner() and id = $1
            returning {StoredKey.Columns}
            """,
            StoredKey.Read,
            ct,
            Sql.Uuid(key.Id),
            StoredKey.Time(until),
            Sql.Text(session.Context.Actor.Name)
        );
        await TellAsync(session, key, until is null ? null : ended, until, ct);
        // Whoever had the key may know their links. A secret that is replaced in time has not leaked.
        if (until is null)
            await EndInvitations.OfKeyAsync(session, key.Id, ct);
    }

    private static Task TellAsync(
        Session session,
        StoredKey key,
        StoredKey? after,
        DateTimeOffset? until,
        CancellationToken ct
    ) =>
        AccessEvents.TellAsync(
            session,
            AccessEvents.Keys,
            AccessEvents.KeyRevoked,
            AccessRequests.Event(
                new
                {
                    id = key.Id,
                    name = key.Name,
                    at = until,
                }
            ),
            ct,
            before: key.Content,
            after: after?.Content
        );

    private static ProblemException NotFound() =>
        KernelProblems.NotFound.Because("There is no such key.").AsException();
}

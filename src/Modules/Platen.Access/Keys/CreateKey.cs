using Npgsql;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Access.Keys;

/// <summary>Makes a machine key, whose secret is told once: in the answer.</summary>
internal sealed class CreateKey(PostgresPools pools, AccessOptions options, TimeProvider clock)
{
    public sealed record Body(
        string Name,
        IReadOnlyList<string> Scopes,
        DateTimeOffset? ExpiresAt = null,
        int? ExpiresInDays = null,
        string? Stage = null
    );

    public sealed record Outcome(StoredKey Key, MachineKey Secret);

    public async Task<Outcome> RunAsync(Caller caller, Body body, IdempotencyKey? once, CancellationToken ct)
    {
        var wanted = Validate(caller, body);
        var id = once?.IdFor(caller.Actor.Id, caller.Owner, "key") ?? Guid.CreateVersion7();
        await using var session = await pools.OpenAsync(caller.Operation("create key"), ct);
        if (await StoredKey.FindAsync(session, id, locked: false, ct) is { } former)
            throw Repeated(former, wanted.Asked);
        var secret = MachineKey.Generate();
        try
        {
            var made = await InsertAsync(session, id, wanted, secret, ct);
            await session.CommitAsync(ct);
            return new Outcome(made, secret);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // The same request, sent twice at once: the other one has it, and its secret.
            throw KeyProblems.AlreadyMade.Because("This Idempotency-Key made a key.").With("id", id).AsException();
        }
    }

    /// <summary>Stores a key in the caller's transaction, counts it and tells of it.</summary>
    public static async Task<StoredKey> InsertAsync(
        Session session,
        Guid id,
        Wanted wanted,
        MachineKey secret,
        CancellationToken ct
    )
    {
        await Entitlements.UseAsync(session, Entitlements.Keys, 1, ct);
        var made = await session.FirstAsync(
            $"""
            insert into access.machine_key (owner, id, name, prefix, hash, scopes, expires_at, stage, created_by, created_by_name, asked, lent_by)
            values (platform.current_owner(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            returning {StoredKey.Columns}
            """,
            StoredKey.Read,
            ct,
            Sql.Uuid(id),
            Sql.Text(wanted.Name),
            Sql.Text(secret.ShownPrefix),
            Sql.Bytes(secret.Hash),
            StoredKey.Array(wanted.Scopes),
            StoredKey.Time(wanted.ExpiresAt),
            Sql.Text(wanted.Stage),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name),
            Sql.Digest(wanted.Asked),
            new NpgsqlParameter
            {
                Value = wanted.LentBy is { } person ? person.Value : DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid,
            }
        );
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Keys,
            AccessEvents.KeyCreated,
            AccessRequests.Event(
                new
                {
                    id,
                    name = wanted.Name,
                    scopes = wanted.Scopes,
                }
            ),
            ct,
            after: made!.Content
        );
        return made;
    }

    /// <exception cref="ProblemException"><see cref="KeyProblems.CannotGrant"/>.</exception>
    public static void CheckGrant(Caller caller, IEnumerable<string> scopes, DateTimeOffset? expiresAt)
    {
        var lacking = scopes.Where(scope => !caller.Has(scope)).ToList();
        if (lacking.Count > 0)
        {
            throw KeyProblems
                .CannotGrant.Because($"The caller does not have {string.Join(", ", lacking)}.")
                .With("scopes", lacking)
                .AsException();
        }
        // A key that ends could otherwise live on in one that it made; that a person's session ends says nothing.
        if (caller is { Person: null, ExpiresAt: { } end } && (expiresAt is null || expiresAt > end))
        {
            throw KeyProblems
                .CannotGrant.Because($"The caller's own key ends at {end:O}, so what it makes cannot outlive that.")
                .AsException();
        }
    }

    private Wanted Validate(Caller caller, Body body)
    {
        var faults = new List<Fault>();
        var name = AccessRequests.Name(body.Name, "/name", faults);
        var scopes = body.Scopes.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (scopes.Count == 0)
            faults.Add(new Fault("/scopes", "A key without a scope opens nothing: name at least one."));
        for (var i = 0; i < body.Scopes.Count; i++)
        {
            if (body.Scopes[i] != Scopes.All && !Scopes.Known.Contains(body.Scopes[i]))
            {
                faults.Add(
                    new Fault(
                        $"/scopes/{i}",
                        $"There is no such scope; the scopes are {string.Join(", ", Scopes.Known)}."
                    )
                );
            }
            else if (Scopes.IsForPlatform(body.Scopes[i]) && !caller.Owner.IsPlatform)
            {
                faults.Add(new Fault($"/scopes/{i}", $"A workspace's key cannot have '{body.Scopes[i]}'."));
            }
        }
        var now = clock.GetUtcNow();
        if (body is { ExpiresAt: not null, ExpiresInDays: not null })
            faults.Add(new Fault("/expiresInDays", "Say when it ends once: expiresAt or expiresInDays."));
        if (body.ExpiresInDays is < 1 or > AccessLimits.MostKeyDays)
            faults.Add(
                new Fault("/expiresInDays", $"A key lives 1 to {AccessLimits.MostKeyDays} days, or without end.")
            );
        if (body.ExpiresAt <= now || body.ExpiresAt > now.AddDays(AccessLimits.MostKeyDays))
        {
            faults.Add(
                new Fault("/expiresAt", $"Must be in the future, and at most {AccessLimits.MostKeyDays} days from now.")
            );
        }
        if (body.Stage is { } asked && asked != options.Stage)
            faults.Add(new Fault("/stage", $"This server is the stage '{options.Stage}', and its keys are for that."));
        AccessRequests.ThrowIfAny(faults);
        var expiresAt = body.ExpiresInDays is { } days ? now.AddDays(days) : body.ExpiresAt;
        CheckGrant(caller, scopes, expiresAt);
        // A publisher credential is good on its own stage only, also when the database is copied to another.
        var stage = scopes.Contains(Scopes.CuratedPublish) ? options.Stage : body.Stage;
        return new Wanted(name, scopes, expiresAt, stage, AccessRequests.Asked(body));
    }

    private static ProblemException Repeated(StoredKey former, Digest asked) =>
        former.Asked == asked
            ? KeyProblems
                .AlreadyMade.Because($"This Idempotency-Key made the key '{former.Name}' ({former.Prefix}…).")
                .With("id", former.Id)
                .AsException()
            : WorkspaceProblems
                .IdempotencyKeyReused.Because(
                    $"This Idempotency-Key made the key '{former.Name}', and asked for something else."
                )
                .AsException();

    public sealed record Wanted(
        string Name,
        IReadOnlyList<string> Scopes,
        DateTimeOffset? ExpiresAt,
        string? Stage,
        Digest Asked,
        PersonId? LentBy = null
    );
}

using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Keys;

/// <summary>
/// From a presented key to its caller: from memory while <see cref="Invalidation"/> vouches for it, else by one query. Notes when keys
/// were used, and writes that down for all of them every half minute: no request waits for it. Thread-safe.
/// </summary>
internal sealed class KeyVerifier(
    PostgresPools pools,
    Invalidation invalidation,
    AccessOptions options,
    TimeProvider clock,
    ILogger<KeyVerifier> logger
) : BackgroundService
{
    private static readonly TimeSpan FlushEvery = TimeSpan.FromSeconds(30);

    private readonly TrustedCache<KeyHash, Known> known = new(invalidation, clock, AccessLimits.Remembered);
    private readonly ConcurrentDictionary<(OwnerId Owner, Guid Id), DateTimeOffset> used = new();
    private readonly ConcurrentDictionary<string, KeyHash> hashes = new(StringComparer.Ordinal);

    /// <summary>The caller, or why not.</summary>
    public async ValueTask<(Caller? Caller, string? Refusal)> VerifyAsync(MachineKey key, CancellationToken ct)
    {
        var hash = new KeyHash(key.Hash);
        var found = known.Find(hash);
        if (found is null)
        {
            var readAt = invalidation.Now;
            found = await FindAsync(key, ct);
            if (found is null)
                return (null, "The key is unknown, expired or revoked.");
            known.Keep(hash, found.Caller.Owner, found, readAt);
        }
        return Accept(found);
    }

    /// <summary>
    /// The caller, when the key was verified within seconds and that still holds; null when it has to be verified, or is refused. The
    /// texts of keys in use are in memory, so that one is hashed once and not with every request.
    /// </summary>
    public Caller? Remembered(ReadOnlySpan<char> text)
    {
        var isHashed = hashes.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out var hash);
        if (!isHashed)
        {
            if (!MachineKey.TryParse(text.ToString(), out var key))
                return null;
            hash = new KeyHash(key.Hash);
        }
        if (known.Find(hash) is { } found)
        {
            if (!isHashed)
                Keep(text.ToString(), hash);
            return Accept(found).Caller;
        }
        // What nobody vouches for is not kept.
        if (isHashed)
            hashes.TryRemove(text.ToString(), out _);
        return null;
    }

    private void Keep(string text, KeyHash hash)
    {
        if (hashes.Count >= AccessLimits.Remembered)
            hashes.Clear();
        hashes[text] = hash;
    }

    private (Caller? Caller, string? Refusal) Accept(Known found)
    {
        var now = clock.GetUtcNow();
        if (found.Caller.ExpiresAt <= now)
            return (null, "The key is unknown, expired or revoked.");
        if (found.Stage is { } stage && stage != options.Stage)
            return (null, $"The key is for the stage '{stage}', and this server is '{options.Stage}'.");
        used[(found.Caller.Owner, found.Caller.Actor.Id.Value)] = now;
        return (found.Caller, null);
    }

    /// <summary>Writes down when keys were used since the last time.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var batch = new List<KeyValuePair<(OwnerId Owner, Guid Id), DateTimeOffset>>();
        foreach (var (key, _) in used)
        {
            if (used.TryRemove(key, out var at))
                batch.Add(new KeyValuePair<(OwnerId, Guid), DateTimeOffset>(key, at));
        }
        if (batch.Count == 0)
            return;
        await using var session = await pools.OpenWorkerAsync("last use of keys", ct);
        await session.ExecuteAsync(
            """
            update access.machine_key k set last_used_at = greatest(k.last_used_at, u.at)
            from (select * from unnest($1, $2, $3) as u (owner, id, at) order by 1, 2) u
            where k.owner = u.owner and k.id = u.id
            """,
            ct,
            new NpgsqlParameter
            {
                Value = batch.ConvertAll(b => b.Key.Owner.Value).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid,
            },
            new NpgsqlParameter
            {
                Value = batch.ConvertAll(b => b.Key.Id).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid,
            },
            new NpgsqlParameter
            {
                Value = batch.ConvertAll(b => b.Value.UtcDateTime).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz,
            }
        );
        await session.CommitAsync(ct);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryFlushAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(FlushEvery, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await TryFlushAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The last flush is StopAsync's.
        }
    }

    // What could not be written is lost: the next use of the key is written instead.
    private async Task TryFlushAsync(CancellationToken ct)
    {
        try
        {
            await FlushAsync(ct);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            Log.LastUseLost(logger, e);
        }
    }

    private async Task<Known?> FindAsync(MachineKey key, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "authenticate"),
            ct
        );
        return await session.FirstAsync(
            "select owner, id, name, scopes, expires_at, stage, lenders_role from access.find_key($1)",
            row => new Known(
                new Caller(
                    new Actor(new ActorId(row.GetGuid(1)), row.GetString(2)),
                    new OwnerId(row.GetGuid(0)),
                    Roles.LentScopesOf(
                        new OwnerId(row.GetGuid(0)),
                        row.GetFieldValue<string[]>(3),
                        row.IsDBNull(6) ? null : row.GetString(6)
                    )
                )
                {
                    ExpiresAt = row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4),
                },
                row.IsDBNull(5) ? null : row.GetString(5)
            ),
            ct,
            Sql.Bytes(key.Hash)
        );
    }

    private sealed record Known(Caller Caller, string? Stage);

    /// <summary>A SHA-256 as a value.</summary>
    private readonly record struct KeyHash(ulong A, ulong B, ulong C, ulong D)
    {
        public KeyHash(ReadOnlySpan<byte> hash)
            : this(
                BinaryPrimitives.ReadUInt64LittleEndian(hash),
                BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(hash[16..]),
                BinaryPrimitives.ReadUInt64LittleEndian(hash[24..])
            ) { }

        public override string ToString() => A.ToString("x16", CultureInfo.InvariantCulture) + "…";
    }
}

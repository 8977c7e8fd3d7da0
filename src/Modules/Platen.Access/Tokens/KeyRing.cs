using System.Collections.Immutable;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Access.Tokens;

/// <summary>
/// The keys that tokens are signed with, as the database has them: read at start, every minute, and when a change is heard of. A new one
/// follows each month; it begins to sign when every node has read it, and the former one's tokens hold for as long as any can. Thread-safe.
/// </summary>
internal sealed class KeyRing(
    PostgresPools pools,
    Invalidation invalidation,
    TimeProvider clock,
    ILogger<KeyRing> logger
) : BackgroundService
{
    private static readonly StreamId Stream = new(EmbedTokenVerifier.KeysStream);
    private static readonly TimeSpan ReadEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan TryEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Announced = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ReplacedAfter = TimeSpan.FromDays(30);

    private static readonly TimeSpan SweepEvery = TimeSpan.FromHours(1);
    private const int MostSwept = 10_000;

    private readonly SemaphoreSlim changed = new(0, 1);
    private long swept = clock.GetTimestamp();
    private ImmutableArray<SigningKey> keys = [];

    /// <summary>The key that signs now.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unavailable"/>: the ring could not be read yet.</exception>
    public SigningKey Signing(DateTimeOffset now)
    {
        var known = keys;
        // In the order of SignsFrom. With a clock that is behind, the first is better than none.
        for (var i = known.Length - 1; i > 0; i--)
        {
            if (known[i].SignsFrom <= now)
                return known[i];
        }
        return known is [var first, ..] ? first : throw Unread();
    }

    /// <summary>The key whose tokens begin like this; null when there is none, or not any more.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unavailable"/>: the ring could not be read yet, so nobody can
    /// tell.</exception>
    public SigningKey? Verifying(string header, DateTimeOffset now)
    {
        var known = keys;
        if (known is [])
            throw Unread();
        foreach (var key in known)
        {
            if (key.Header == header)
                return key.VerifiesUntil is null || now < key.VerifiesUntil ? key : null;
        }
        return null;
    }

    /// <summary>Reads the ring, and begins or replaces what has to be.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await using (var session = await OpenAsync(ct))
            keys = await ReadAsync(session, ct);
        if (NeedsNew(clock.GetUtcNow()))
            await ReplaceAsync(onlyIfDue: true, endFormer: false, by: null, ct);
    }

    /// <summary>Makes a new key now.</summary>
    /// <param name="by">Who wants it.</param>
    /// <param name="endFormer">Whether every token so far ends at once, because a secret has leaked.</param>
    /// <param name="ct">Cancels.</param>
    public Task RotateAsync(Actor by, bool endFormer, CancellationToken ct) =>
        ReplaceAsync(onlyIfDue: false, endFormer, by, ct);

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await LoadAsync(cancellationToken);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            // A node whose database is away for a moment starts all the same; until it is back, nobody can tell a token from another.
            Log.SigningKeysUnread(logger, e);
        }
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var watch = invalidation.Watch(owner =>
        {
            if (owner is null or { IsPlatform: true })
                Wake();
        });
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await changed.WaitAsync(keys is [] ? TryEvery : ReadEvery, stoppingToken);
                await LoadAsync(stoppingToken);
                if (clock.GetElapsedTime(swept) >= SweepEvery)
                {
                    await SweepAsync(stoppingToken);
                    swept = clock.GetTimestamp();
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                Log.SigningKeysUnread(logger, e);
            }
        }
    }

    /// <summary>Forgets spent tokens that have expired: nobody can present them any more.</summary>
    public async Task<int> SweepAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("sweep spent tokens", ct);
        var removed = await session.ExecuteAsync(
            """
            delete from access.used_token where (owner, id) in (
                select owner, id from access.used_token where expires_at < $1 order by expires_at limit $2)
            """,
            ct,
            Keys.StoredKey.Time(clock.GetUtcNow()),
            Sql.Int(MostSwept)
        );
        await session.CommitAsync(ct);
        return removed;
    }

    private static ProblemException Unread() =>
        KernelProblems.Unavailable.Because("The keys that tokens are signed with could not be read yet.").AsException();

    private void Wake()
    {
        lock (changed)
        {
            if (changed.CurrentCount == 0)
                changed.Release();
        }
    }

    private bool NeedsNew(DateTimeOffset now) => keys is [] || keys[^1].SignsFrom + ReplacedAfter <= now;

    private async Task ReplaceAsync(bool onlyIfDue, bool endFormer, Actor? by, CancellationToken ct)
    {
        await using var session = await OpenAsync(ct);
        if (by is not null)
            session.ActFor(by);
        // One node at a time; the others then find that nothing is due.
        await session.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('access.signing-key', 0))", ct);
        keys = await ReadAsync(session, ct);
        var now = clock.GetUtcNow();
        if (onlyIfDue && !NeedsNew(now))
            return;
        var made = SigningKey.Generate(keys is [] || endFormer ? now : now + Announced);
        // The public halves stand where nodes read them that must not see the rest, and come and go with it.
        foreach (var table in (string[])["access.signing_key", "platform.embed_key"])
        {
            if (endFormer)
                await session.ExecuteAsync($"delete from {table}", ct);
            await session.ExecuteAsync(
                $"delete from {table} where verifies_until < $1",
                ct,
                Keys.StoredKey.Time(now - TokenSigner.Skew)
            );
            await session.ExecuteAsync(
                $"update {table} set verifies_until = $1 where verifies_until is null",
                ct,
                Keys.StoredKey.Time(made.SignsFrom + TokenSigner.MaxLife + (2 * TokenSigner.Skew))
            );
        }
        await session.ExecuteAsync(
            "insert into access.signing_key (id, secret, embed_key, created_at, signs_from) values ($1, $2, $3, $4, $5)",
            ct,
            Sql.Text(made.Id),
            Sql.Bytes(made.Secret),
            Sql.Bytes(made.EmbedKey),
            Keys.StoredKey.Time(now),
            Keys.StoredKey.Time(made.SignsFrom)
        );
        await session.ExecuteAsync(
            "insert into platform.embed_key (id, public_key) values ($1, $2)",
            ct,
            Sql.Text(made.Id),
            Sql.Bytes(made.EmbedPublicKey())
        );
        await AccessEvents.TellAsync(
            session,
            Stream,
            AccessEvents.SigningKeyMade,
            AccessRequests.Event(new { id = made.Id, endedFormer = endFormer }),
            ct,
            before: keys is [.., var former] ? ContentOf(former) : null,
            after: ContentOf(made)
        );
        var ring = await ReadAsync(session, ct);
        await session.CommitAsync(ct);
        keys = ring;
        Log.SigningKeyMade(logger, made.Id, made.SignsFrom);
    }

    // Neither secret is in it.
    private static object ContentOf(SigningKey key) => new { id = key.Id, signsFrom = key.SignsFrom };

    private ValueTask<Session> OpenAsync(CancellationToken ct) =>
        pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "signing keys"), ct);

    private static async Task<ImmutableArray<SigningKey>> ReadAsync(Session session, CancellationToken ct) =>
        [
            .. await session.ListAsync(
                "select id, secret, embed_key, signs_from, verifies_until from access.signing_key order by signs_from, id limit 100",
                row => new SigningKey(
                    row.GetString(0),
                    row.GetFieldValue<byte[]>(1),
                    row.GetFieldValue<byte[]>(2),
                    row.GetFieldValue<DateTimeOffset>(3),
                    row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4)
                ),
                ct
            ),
        ];
}

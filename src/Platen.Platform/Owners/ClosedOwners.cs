using System.Collections.Frozen;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Platform.Owners;

/// <summary>
/// Owners that are closed: deleted workspaces, within their grace or being purged. The public views leave them out from the closing
/// commit on. A node remembers which they are, for what it decides without a query: it hears of each change at commit, and reads all of
/// them anew after its connection was lost. Thread-safe.
/// </summary>
public sealed class ClosedOwners : BackgroundService
{
    private const string ClosedStream = "owner/closed";
    private const string OpenStream = "owner/open";
    private static readonly TimeSpan MostBackoff = TimeSpan.FromSeconds(5);

    private readonly PostgresPools pools;
    private readonly ILogger logger;
    private readonly TimeProvider time;
    private readonly IDisposable ear;
    private readonly SemaphoreSlim work = new(0, 1);
    private readonly Lock gate = new();
    private FrozenSet<OwnerId> closed = [];
    private long heard;

    /// <summary>Listens from now on; knows of nothing until it was started as a hosted service.</summary>
    public ClosedOwners(
        PostgresPools pools,
        NotificationListener listener,
        ILogger<ClosedOwners> logger,
        TimeProvider time
    )
    {
        this.pools = pools;
        this.logger = logger;
        this.time = time;
        ear = listener.Add(EventLog.Channel, Hear, Wake);
    }

    /// <summary>Whether the owner is closed, as far as this node has heard.</summary>
    public bool IsClosed(OwnerId owner) => Volatile.Read(ref closed).Contains(owner);

    /// <summary>Closes the session's owner, in its transaction. Closing a closed one changes nothing.</summary>
    /// <exception cref="PostgresException">23514: the platform itself cannot be closed.</exception>
    public static Task CloseAsync(Session session, CancellationToken ct) =>
        session.ExecuteAsync("select platform.close_owner()", ct);

    /// <summary>Opens the session's owner again, in its transaction.</summary>
    /// <returns>False when its rows are being removed, from which there is no way back.</returns>
    public static Task<bool> ReopenAsync(Session session, CancellationToken ct) =>
        session.FirstAsync("select platform.reopen_owner()", row => row.GetBoolean(0), ct);

    /// <summary>From this session's commit on, the rows of its owner may be removed by <see cref="PurgeAsync"/>.</summary>
    public static Task BeginPurgeAsync(Session session, CancellationToken ct) =>
        session.ExecuteAsync("select platform.begin_purge()", ct);

    /// <summary>
    /// Removes rows of an owner whose purge was begun, in every table that has an owner, those that refer to others first. A table is left
    /// alone only if its comment says <c>kept after purge: </c> and why. Their bytes go with the next garbage collection.
    /// </summary>
    /// <param name="worker">A worker's session; commit it.</param>
    /// <param name="owner">Whose.</param>
    /// <param name="most">How many rows in this transaction, at least 1.</param>
    /// <param name="job">The job that does it, which stays.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>How many were removed; 0 when none is left.</returns>
    /// <exception cref="PostgresException">PLT13: its purge was not begun.</exception>
    public static Task<int> PurgeAsync(Session worker, OwnerId owner, int most, Guid job, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        return worker.FirstAsync(
            "select platform.purge_owner($1, $2, $3)",
            row => row.GetInt32(0),
            ct,
            Sql.Owner(owner),
            Sql.Int(most),
            Sql.Uuid(job)
        );
    }

    /// <summary>Notes that nothing is left of the session's owner: the last step of its purge. It stays closed.</summary>
    public static Task EndPurgeAsync(Session session, CancellationToken ct) =>
        session.ExecuteAsync(
            "update platform.closed_owner set purged_at = clock_timestamp() where owner = platform.current_owner()",
            ct
        );

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ReadAsync(cancellationToken);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            // A node that starts without its database serves what it kept; it reads this as soon as it can.
            Log.ClosedOwnersUnread(logger, e);
            Wake();
        }
        await base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        ear.Dispose();
        work.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var backoff = new Backoff(MostBackoff);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await work.WaitAsync(stoppingToken);
                await ReadAsync(stoppingToken);
                backoff.Reset();
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                // What was known stays; the listener reconnects and asks again, and so does this.
                Log.ClosedOwnersUnread(logger, e);
                await Task.Delay(backoff.Next(), time, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                Wake();
            }
        }
    }

    // What is heard while the list is on its way may be newer than the list: then it is read again.
    private async Task ReadAsync(CancellationToken ct)
    {
        while (true)
        {
            var before = Interlocked.Read(ref heard);
            List<OwnerId> owners;
            await using (var session = await pools.OpenEdgeAsync(ct))
            {
                owners = await session.ListAsync(
                    "select owner from platform.edge_closed_owner",
                    row => new OwnerId(row.GetGuid(0)),
                    ct
                );
            }
            lock (gate)
            {
                if (before != heard)
                    continue;
                Volatile.Write(ref closed, owners.ToFrozenSet());
                return;
            }
        }
    }

    // "{owner} 0 owner/closed"
    private void Hear(string payload)
    {
        var isClosed = payload.EndsWith(" 0 " + ClosedStream, StringComparison.Ordinal);
        if (
            (!isClosed && !payload.EndsWith(" 0 " + OpenStream, StringComparison.Ordinal))
            || !OwnerId.TryParse(payload[..payload.IndexOf(' ', StringComparison.Ordinal)], null, out var owner)
        )
            return;
        lock (gate)
        {
            heard++;
            Volatile.Write(
                ref closed,
                (isClosed ? closed.Append(owner) : closed.Where(other => other != owner)).ToFrozenSet()
            );
        }
    }

    private void Wake()
    {
        lock (gate)
        {
            if (work.CurrentCount == 0)
                work.Release();
        }
    }
}

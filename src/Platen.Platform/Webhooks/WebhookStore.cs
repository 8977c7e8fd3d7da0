using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Platform.Webhooks;

/// <summary>What a webhook is to be.</summary>
/// <param name="Url">Where messages are sent: <c>https://…</c>, on the public internet unless the operator lists its network.</param>
/// <param name="Types">What it is told of: names of types, or <c>*</c>.</param>
/// <param name="Description">For people; at most <see cref="WebhookLimits.DescriptionLength"/> characters.</param>
public sealed record WebhookOrder(string Url, IReadOnlyList<string> Types, string Description);

/// <summary>The webhooks of an owner and what became of their messages. Each change is made in the caller's session, which commits it.</summary>
public sealed class WebhookStore(WebhookTypes types, WebhookOptions options)
{
    /// <summary>The stream that tells of changes to webhooks.</summary>
    public static readonly StreamId Stream = new("webhooks");

    /// <summary>Says what is wrong with an order.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>, with every fault.</exception>
    public void Check(WebhookOrder order)
    {
        ArgumentNullException.ThrowIfNull(order);
        List<Fault> faults = [.. types.FaultsOf(order.Types, "/types")];
        if (WebhookUrl.FaultOf(order.Url, "/url", options) is { } fault)
            faults.Add(fault);
        if (order.Description.Length > WebhookLimits.DescriptionLength || order.Description.Any(char.IsControl))
        {
            faults.Add(
                new Fault(
                    "/description",
                    $"At most {WebhookLimits.DescriptionLength} characters, without control characters."
                )
            );
        }
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The webhook cannot be like that.", faults).AsException();
    }

    /// <summary>Adds one.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="id">A fresh id, or one that an idempotency key gives.</param>
    /// <param name="order">What it is to be; already checked.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>It, and what its messages are signed with, which nobody can read afterwards.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Conflict"/>: there are as many as there may be, or the id is taken.</exception>
    public static async Task<(Webhook Webhook, WebhookSecret Secret)> AddAsync(
        Session session,
        WebhookId id,
        WebhookOrder order,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(order);
        // Two that are added at once must not both take the last place.
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended(platform.current_owner()::text || ' webhooks', 1397050441))",
            ct
        );
        var count = await session.FirstAsync(
            "select count(*) from platform.webhook where owner = platform.current_owner()",
            row => row.GetInt64(0),
            ct
        );
        if (count >= WebhookLimits.PerOwner)
        {
            throw KernelProblems
                .Conflict.Because(
                    $"There are {count} webhooks already, and no more than {WebhookLimits.PerOwner} can be."
                )
                .AsException();
        }
        var made =
            await session.FirstAsync(
                $"""
                insert into platform.webhook (owner, id, url, description, types, created_by, created_by_name)
                values (platform.current_owner(), $1, $2, $3, $4, platform.current_actor(), $5)
                on conflict do nothing
                returning {Webhook.Columns}
                """,
                Webhook.Read,
                ct,
                Sql.Uuid(id.Value),
                Sql.Text(order.Url),
                Sql.Text(order.Description),
                Array(order.Types),
                Sql.Text(session.Context.Actor.Name)
            )
            ?? throw KernelProblems
                .Conflict.Because("This Idempotency-Key made a webhook already, whose secret was told then.")
                .With("id", id.Value)
                .AsException();
        var secret = await AddSecretAsync(session, id, ct);
        await TellAsync(session, "webhook.created", id, ct);
        return (made, secret);
    }

    /// <summary>One, or null.</summary>
    public static Task<Webhook?> FindAsync(Session session, WebhookId id, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(session);
        return session.FirstAsync(
            $"select {Webhook.Columns} from platform.webhook where owner = platform.current_owner() and id = $1",
            Webhook.Read,
            ct,
            Sql.Uuid(id.Value)
        );
    }

    /// <summary>All, oldest first.</summary>
    public static Task<List<Webhook>> ListAsync(Session session, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(session);
        return session.ListAsync(
            $"""
            select {Webhook.Columns} from platform.webhook where owner = platform.current_owner()
             order by created_at, id limit {WebhookLimits.PerOwner}
            """,
            Webhook.Read,
            ct
        );
    }

    /// <summary>One, locked for a change.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>, or <see cref="KernelProblems.StaleVersion"/>.</exception>
    public static async Task<Webhook> LockAsync(
        Session session,
        WebhookId id,
        Precondition precondition,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(precondition);
        var current =
            await session.FirstAsync(
                $"""
                select {Webhook.Columns} from platform.webhook
                 where owner = platform.current_owner() and id = $1 for update
                """,
                Webhook.Read,
                ct,
                Sql.Uuid(id.Value)
            ) ?? throw Missing(id);
        precondition.Check(current.Tag);
        return current;
    }

    /// <summary>Changes one that was locked. One that is made active again begins anew.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="id">Which.</param>
    /// <param name="order">What it is to be; already checked.</param>
    /// <param name="isActive">Whether it is told of anything.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<Webhook> ChangeAsync(
        Session session,
        WebhookId id,
        WebhookOrder order,
        bool isActive,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(order);
        var changed = await session.FirstAsync(
            $"""
            update platform.webhook
               set url = $2, description = $3, types = $4, revision = revision + 1, updated_at = clock_timestamp(),
                   status = case when $5 then 'active' else 'paused' end, disabled_reason = null,
                   failing_since = case when status = 'active' and $5 and url = $2 then failing_since end
             where owner = platform.current_owner() and id = $1
            returning {Webhook.Columns}
            """,
            Webhook.Read,
            ct,
            Sql.Uuid(id.Value),
            Sql.Text(order.Url),
            Sql.Text(order.Description),
            Array(order.Types),
            Sql.Bool(isActive)
        );
        await TellAsync(session, "webhook.changed", id, ct);
        return changed!;
    }

    /// <summary>Removes one that was locked, with all that is kept of its messages.</summary>
    public static async Task RemoveAsync(Session session, WebhookId id, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(session);
        await session.ExecuteAsync(
            "delete from platform.webhook where owner = platform.current_owner() and id = $1",
            ct,
            Sql.Uuid(id.Value)
        );
        await TellAsync(session, "webhook.removed", id, ct);
    }

    /// <summary>Gives one that was locked another secret; the former signs beside it for a while.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="id">Which.</param>
    /// <param name="overlap">For how long; zero: not at all.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<WebhookSecret> RotateAsync(
        Session session,
        WebhookId id,
        TimeSpan overlap,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        await session.ExecuteAsync(
            "delete from platform.webhook_secret where owner = platform.current_owner() and webhook_id = $1 and ends_at is not null",
            ct,
            Sql.Uuid(id.Value)
        );
        await session.ExecuteAsync(
            """
            update platform.webhook_secret set ends_at = clock_timestamp() + $2
             where owner = platform.current_owner() and webhook_id = $1
            """,
            ct,
            Sql.Uuid(id.Value),
            new NpgsqlParameter { Value = overlap, NpgsqlDbType = NpgsqlDbType.Interval }
        );
        await session.ExecuteAsync(
            """
            update platform.webhook set revision = revision + 1, updated_at = clock_timestamp()
             where owner = platform.current_owner() and id = $1
            """,
            ct,
            Sql.Uuid(id.Value)
        );
        var secret = await AddSecretAsync(session, id, ct);
        await TellAsync(session, "webhook.secret-rotated", id, ct);
        return secret;
    }

    /// <summary>Sends one a message of the type <see cref="WebhookType.Ping"/>, once and whether it is active or not.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>.</exception>
    public static async Task<WebhookDelivery> PingAsync(Session session, WebhookId id, CancellationToken ct)
    {
        var webhook = await FindAsync(session, id, ct) ?? throw Missing(id);
        var payload = JsonSerializer.SerializeToUtf8Bytes(new { webhookId = webhook.Id.Value });
        return await WebhookQueue.EnqueueToAsync(session, id, WebhookType.Ping, payload, ct);
    }

    /// <summary>What became of its messages, newest first.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="id">Of which webhook.</param>
    /// <param name="status">Only <c>pending</c>, <c>delivered</c> or <c>dead</c> ones; null for all.</param>
    /// <param name="before">The last of the former page; null for the first page.</param>
    /// <param name="limit">At most this many.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>.</exception>
    public static async Task<List<WebhookDelivery>> DeliveriesAsync(
        Session session,
        WebhookId id,
        string? status,
        Guid? before,
        int limit,
        CancellationToken ct
    )
    {
        _ = await FindAsync(session, id, ct) ?? throw Missing(id);
        return await session.ListAsync(
            $"""
            select {WebhookDelivery.Columns} from platform.webhook_delivery
             where owner = platform.current_owner() and webhook_id = $1 and ($2 is null or status = $2)
               and ($3 is null or id < $3)
             order by id desc limit $4
            """,
            WebhookDelivery.Read,
            ct,
            Sql.Uuid(id.Value),
            Sql.Text(status),
            new NpgsqlParameter { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid },
            Sql.Int(limit)
        );
    }

    /// <summary>One message and its body.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>.</exception>
    public static async Task<(WebhookDelivery Delivery, string Body)> DeliveryAsync(
        Session session,
        WebhookId id,
        WebhookDeliveryId delivery,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        var found = await session.FirstAsync(
            $"""
            select {WebhookDelivery.Columns}, body from platform.webhook_delivery
             where owner = platform.current_owner() and webhook_id = $1 and id = $2
            """,
            row => (WebhookDelivery.Read(row), row.GetString(12)),
            ct,
            Sql.Uuid(id.Value),
            Sql.Uuid(delivery.Value)
        );
        return found == default ? throw MissingDelivery(delivery) : found;
    }

    /// <summary>Sends a message again that was delivered or given up, with all its attempts and under the same id.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>, or <see cref="KernelProblems.Conflict"/>: it is on its
    /// way.</exception>
    public static async Task<WebhookDelivery> RedeliverAsync(
        Session session,
        WebhookId id,
        WebhookDeliveryId delivery,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(session);
        var again = await session.FirstAsync(
            $"""
            update platform.webhook_delivery set status = 'pending', tries = 0, finished_at = null, next_attempt_at = clock_timestamp()
             where owner = platform.current_owner() and webhook_id = $1 and id = $2 and status <> 'pending'
            returning {WebhookDelivery.Columns}
            """,
            WebhookDelivery.Read,
            ct,
            Sql.Uuid(id.Value),
            Sql.Uuid(delivery.Value)
        );
        if (again is null)
        {
            _ = await DeliveryAsync(session, id, delivery, ct);
            throw KernelProblems.Conflict.Because("The message is on its way already.").AsException();
        }
        await WebhookQueue.EnqueueAttemptAsync(session, id, delivery, again.Attempts + 1, TimeSpan.Zero, ct);
        return again;
    }

    /// <summary>There is no such webhook.</summary>
    public static ProblemException Missing(WebhookId id) =>
        KernelProblems.NotFound.Because($"There is no webhook '{id}'.").AsException();

    private static ProblemException MissingDelivery(WebhookDeliveryId id) =>
        KernelProblems.NotFound.Because($"There is no message '{id}' to that webhook.").AsException();

    private static async Task<WebhookSecret> AddSecretAsync(Session session, WebhookId id, CancellationToken ct)
    {
        var secret = WebhookSecret.Generate();
        await session.ExecuteAsync(
            """
            insert into platform.webhook_secret (owner, webhook_id, id, secret)
            values (platform.current_owner(), $1, $2, $3)
            """,
            ct,
            Sql.Uuid(id.Value),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Bytes(secret.Bytes)
        );
        return secret;
    }

    private static Task<long> TellAsync(Session session, string type, WebhookId id, CancellationToken ct) =>
        EventLog.AppendAsync(session, Stream, type, JsonSerializer.SerializeToUtf8Bytes(new { id = id.Value }), ct);

    private static NpgsqlParameter Array(IReadOnlyList<string> values) =>
        new()
        {
            Value = values.Distinct(StringComparer.Ordinal).ToArray(),
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        };
}

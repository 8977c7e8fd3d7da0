using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Webhooks;

/// <summary>Tells the webhooks of an owner of what happened, in the transaction in which it happened.</summary>
public static class WebhookQueue
{
    /// <summary>
    /// Enqueues a message to each active webhook of the session's owner that asks for the type; it is sent when and only when the session
    /// commits, at least once. Where none asks this is one short statement.
    /// </summary>
    /// <param name="session">The transaction of the fact.</param>
    /// <param name="type">A registered <see cref="WebhookType"/>.</param>
    /// <param name="payload">UTF-8 JSON, at most <see cref="WebhookLimits.DataBytes"/>: the member <c>data</c> of the message. It names
    /// what happened; what is personal or secret stays out of it.</param>
    /// <param name="ct">Cancels; the transaction is then only good for rolling back.</param>
    /// <returns>How many webhooks are told.</returns>
    /// <exception cref="ArgumentException">The payload is over its limit.</exception>
    public static async Task<int> EnqueueAsync(
        Session session,
        string type,
        ReadOnlyMemory<byte> payload,
        CancellationToken ct
    )
    {
        var asking = await session.ListAsync(
            """
            select id from platform.webhook
             where owner = platform.current_owner() and status = 'active' and types && array[$1, '*']
             order by id limit 100
            """,
            row => new WebhookId(row.GetGuid(0)),
            ct,
            Sql.Text(type)
        );
        foreach (var webhook in asking)
            await EnqueueToAsync(session, webhook, type, payload, ct);
        return asking.Count;
    }

    /// <summary>Enqueues a message to one webhook, whatever it asks for.</summary>
    internal static async Task<WebhookDelivery> EnqueueToAsync(
        Session session,
        WebhookId webhook,
        string type,
        ReadOnlyMemory<byte> payload,
        CancellationToken ct
    )
    {
        if (payload.Length > WebhookLimits.DataBytes)
            throw new ArgumentException($"Data has at most {WebhookLimits.DataBytes} bytes.", nameof(payload));
        // The body is put together where the time of the fact is known.
        var delivery = await session.FirstAsync(
            $$"""
            insert into platform.webhook_delivery (owner, id, webhook_id, type, body)
            values (platform.current_owner(), $1, $2, $3,
                '{"type":' || to_json($3)::text || ',"timestamp":"'
                || to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","data":' || $4::text || '}')
            returning {{WebhookDelivery.Columns}}
            """,
            WebhookDelivery.Read,
            ct,
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Uuid(webhook.Value),
            Sql.Text(type),
            Sql.Json(payload)
        );
        await EnqueueAttemptAsync(session, webhook, delivery!.Id, attempt: 1, TimeSpan.Zero, ct);
        return delivery;
    }

    /// <summary>Enqueues the job of one attempt. Its key is the attempt: whatever happens twice, an attempt is due once.</summary>
    internal static Task<EnqueueOutcome> EnqueueAttemptAsync(
        Session session,
        WebhookId webhook,
        WebhookDeliveryId delivery,
        int attempt,
        TimeSpan delay,
        CancellationToken ct
    ) =>
        JobQueue.EnqueueAsync(
            session,
            DeliverWebhook.JobKind,
            $"{delivery}/{attempt}",
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    webhook = webhook.Value,
                    delivery = delivery.Value,
                    attempt,
                }
            ),
            new JobOptions { Delay = delay, MaxAttempts = JobLimits.Attempts },
            ct
        );

    /// <summary>Removes what became of old messages, in a worker's session; returns how many.</summary>
    internal static Task<int> RemoveOldAsync(Session worker, int limit, CancellationToken ct) =>
        worker.ExecuteAsync(
            """
            delete from platform.webhook_delivery d where (d.owner, d.id) in (
                select o.owner, o.id from platform.webhook_delivery o
                 where o.finished_at < clock_timestamp() - $1 order by o.finished_at limit $2)
            """,
            ct,
            new NpgsqlParameter { Value = WebhookLimits.KeptFor, NpgsqlDbType = NpgsqlDbType.Interval },
            Sql.Int(limit)
        );
}

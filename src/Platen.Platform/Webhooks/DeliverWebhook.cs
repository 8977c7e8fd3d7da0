using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Webhooks;

/// <summary>
/// Sends one message once. What came of it, the next attempt and the end of this job are one transaction; a process that dies before it
/// leaves the job to be run again, and the receiver sees the same id twice. No transaction is open while a receiver is waited for.
/// </summary>
internal sealed class DeliverWebhook(
    PostgresPools pools,
    WebhookSender sender,
    WebhookOptions options,
    TimeProvider time,
    ILogger<DeliverWebhook> logger
) : IJobHandler
{
    public const string JobKind = "platform.webhook";

    private static readonly TimeSpan MostJitter = TimeSpan.FromSeconds(30);
    private readonly Turns<OwnerId> ofOwner = new(WebhookLimits.AtOnceOfOwner);
    private readonly Turns<WebhookId> toWebhook = new(WebhookLimits.AtOnce);

    public string Kind => JobKind;

    public int Concurrency => WebhookLimits.AtOnceOfAll;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        var (webhook, delivery, attempt) = Payload(job.Job.Payload);
        // Whose turn it is not costs one statement: nothing is read for it, its secrets least of all.
        if (!ofOwner.TryEnter(job.Job.Owner))
        {
            await job.PutOffAsync(TurnWaitOf(job.Job), ct);
            return;
        }
        var isIn = false;
        try
        {
            isIn = toWebhook.TryEnter(webhook);
            if (!isIn)
            {
                await job.PutOffAsync(TurnWaitOf(job.Job), ct);
                return;
            }
            if (await ReadAsync(job, delivery, attempt, ct) is not { } found)
                return;
            var began = time.GetTimestamp();
            var answer = found.GivenUp is { } reason
                ? new WebhookAnswer(null, reason, null)
                : await sender.SendAsync(found.Message, ct);
            var took = time.GetElapsedTime(began);
            WebhookTelemetry.Sent(answer, took);
            await RecordAsync(job, found, attempt, answer, took, ct);
        }
        finally
        {
            if (isIn)
                toWebhook.Leave(webhook);
            ofOwner.Leave(job.Job.Owner);
        }
    }

    // A job is put off more often than its attempts fail, so the number of its attempts tells how often.
    private TimeSpan TurnWaitOf(Job job)
    {
        var doubled = options.TurnWait * Math.Pow(2, Math.Min(job.Attempt - 1, 20));
        var wait = doubled < options.MostTurnWait ? doubled : options.MostTurnWait;
        return wait * (0.5 + (Random.Shared.NextDouble() / 2));
    }

    private static (WebhookId Webhook, WebhookDeliveryId Delivery, int Attempt) Payload(ReadOnlyMemory<byte> payload)
    {
        using var document = JsonDocument.Parse(payload);
        return (
            new WebhookId(document.RootElement.GetProperty("webhook").GetGuid()),
            new WebhookDeliveryId(document.RootElement.GetProperty("delivery").GetGuid()),
            document.RootElement.GetProperty("attempt").GetInt32()
        );
    }

    /// <summary>The message; null when it needs no sending any more.</summary>
    private async Task<Found?> ReadAsync(JobContext job, WebhookDeliveryId delivery, int attempt, CancellationToken ct)
    {
        await using var session = await job.OpenAsync(ct);
        var row = await session.FirstAsync(
            """
            select w.id, w.url, w.status, d.type, d.body, d.tries
              from platform.webhook_delivery d join platform.webhook w on w.owner = d.owner and w.id = d.webhook_id
             where d.owner = platform.current_owner() and d.id = $1 and d.status = 'pending' and d.attempts = $2 - 1
            """,
            row =>
                (
                    Webhook: new WebhookId(row.GetGuid(0)),
                    Url: row.GetString(1),
                    Status: row.GetString(2),
                    Type: row.GetString(3),
                    Body: row.GetString(4),
                    Tries: row.GetInt32(5)
                ),
            ct,
            Sql.Uuid(delivery.Value),
            Sql.Int(attempt)
        );
        if (row == default)
            return null;
        var secrets = await SecretsAsync(job.Job.Owner, row.Webhook, ct);
        // It was removed at this moment.
        if (secrets.Count == 0)
            return null;
        var message = new WebhookMessage(delivery, new Uri(row.Url), Encoding.UTF8.GetBytes(row.Body), secrets);
        var givenUp = row.Status == "active" || row.Type == WebhookType.Ping ? null : $"The webhook is {row.Status}.";
        return new Found(row.Webhook, message, row.Type, row.Tries, givenUp);
    }

    // Only the worker's role can read secrets.
    private async Task<List<WebhookSecret>> SecretsAsync(OwnerId owner, WebhookId webhook, CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("sign webhook", ct);
        return await session.ListAsync(
            """
            select secret from platform.webhook_secret
             where owner = $1 and webhook_id = $2 and (ends_at is null or ends_at > clock_timestamp())
             order by ends_at desc nulls first limit 2
            """,
            row => new WebhookSecret(row.GetFieldValue<byte[]>(0)),
            ct,
            Sql.Owner(owner),
            Sql.Uuid(webhook.Value)
        );
    }

    private async Task RecordAsync(
        JobContext job,
        Found found,
        int attempt,
        WebhookAnswer answer,
        TimeSpan took,
        CancellationToken ct
    )
    {
        var wait = answer.IsDelivered || found.GivenUp is not null ? null : WaitAfter(found, answer);
        await using var session = await job.OpenAsync(ct);
        await job.CompleteAsync(session, ct);
        await session.ExecuteAsync(
            """
            update platform.webhook_delivery
               set status = $2, attempts = attempts + 1, tries = tries + 1, response_code = $3, error = $4, duration_ms = $5,
                   last_attempt_at = clock_timestamp(), next_attempt_at = clock_timestamp() + $6,
                   finished_at = case when $2 = 'pending' then null else clock_timestamp() end
             where owner = platform.current_owner() and id = $1 and status = 'pending' and attempts = $7 - 1
            """,
            ct,
            Sql.Uuid(found.Message.Id.Value),
            Sql.Text(
                answer.IsDelivered ? "delivered"
                : wait is null ? "dead"
                : "pending"
            ),
            new NpgsqlParameter { Value = (object?)answer.Code ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer },
            Sql.Text(answer.Error),
            Sql.Int((int)took.TotalMilliseconds),
            new NpgsqlParameter { Value = (object?)wait ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Interval },
            Sql.Int(attempt)
        );
        if (wait is { } delay)
            await WebhookQueue.EnqueueAttemptAsync(session, found.Webhook, found.Message.Id, attempt + 1, delay, ct);
        if (found is { GivenUp: null } && found.Type != WebhookType.Ping)
            await JudgeAsync(session, found, answer, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>How long to wait before the next attempt; null when there is none.</summary>
    private TimeSpan? WaitAfter(Found found, WebhookAnswer answer)
    {
        if (found.Type == WebhookType.Ping || answer.Code == 410 || found.Tries >= options.Waits.Count)
            return null;
        var wait = options.Waits[found.Tries];
        // Messages that failed together do not come back together.
        var jitter = Math.Min(wait.TotalSeconds / 5, MostJitter.TotalSeconds) * Random.Shared.NextDouble();
        var least = answer.RetryAfter ?? TimeSpan.Zero;
        return (wait > least ? wait : least) + TimeSpan.FromSeconds(jitter);
    }

    /// <summary>Notes whether messages arrive at all, and gives up on a webhook where none has for long, or that says it is gone.</summary>
    private async Task JudgeAsync(Session session, Found found, WebhookAnswer answer, CancellationToken ct)
    {
        if (answer.IsDelivered)
        {
            await session.ExecuteAsync(
                """
                update platform.webhook set failing_since = null
                 where owner = platform.current_owner() and id = $1 and failing_since is not null
                """,
                ct,
                Sql.Uuid(found.Webhook.Value)
            );
            return;
        }
        var disabled = await session.FirstAsync(
            """
            with failing as (
                update platform.webhook set failing_since = coalesce(failing_since, clock_timestamp())
                 where owner = platform.current_owner() and id = $1 and status = 'active'
                returning failing_since)
            select failing_since from failing where $2 or failing_since < clock_timestamp() - $3
            """,
            row => row.GetFieldValue<DateTimeOffset>(0),
            ct,
            Sql.Uuid(found.Webhook.Value),
            Sql.Bool(answer.Code == 410),
            new NpgsqlParameter { Value = options.DisabledAfter, NpgsqlDbType = NpgsqlDbType.Interval }
        );
        if (disabled == default)
            return;
        var reason =
            answer.Code == 410
                ? "It answered 410: nobody is there any more."
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"Nothing has arrived since {disabled.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}; the last time: {answer.Error}"
                );
        await session.ExecuteAsync(
            """
            update platform.webhook
               set status = 'disabled', disabled_reason = $2, revision = revision + 1, updated_at = clock_timestamp()
             where owner = platform.current_owner() and id = $1
            """,
            ct,
            Sql.Uuid(found.Webhook.Value),
            Sql.Text(reason)
        );
        await EventLog.AppendAsync(
            session,
            WebhookStore.Stream,
            "webhook.disabled",
            JsonSerializer.SerializeToUtf8Bytes(new { id = found.Webhook.Value, reason }),
            ct
        );
        Log.Disabled(logger, found.Webhook.Value, session.Context.Owner.Value, reason);
    }

    /// <summary>How many are in at the same time, of each key so many at most. Thread-safe.</summary>
    private sealed class Turns<T>(int most)
        where T : notnull
    {
        private readonly ConcurrentDictionary<T, int> inside = new();

        public bool TryEnter(T key)
        {
            while (true)
            {
                var now = inside.GetOrAdd(key, 0);
                if (now >= most)
                    return false;
                if (inside.TryUpdate(key, now + 1, now))
                    return true;
            }
        }

        public void Leave(T key)
        {
            inside.AddOrUpdate(key, 0, (_, count) => count - 1);
            inside.TryRemove(new KeyValuePair<T, int>(key, 0));
        }
    }

    /// <param name="GivenUp">Why it is not sent; null when it is.</param>
    private sealed record Found(WebhookId Webhook, WebhookMessage Message, string Type, int Tries, string? GivenUp);
}

using System.Collections.Immutable;
using Npgsql;
using Platen.Kernel;

namespace Platen.Platform.Webhooks;

/// <summary>A webhook's id.</summary>
public readonly record struct WebhookId(Guid Value)
{
    public override string ToString() => Value.ToString("D");
}

/// <summary>The id of one message to one webhook; the receiver sees it as <c>webhook-id: msg_…</c>, the same at every attempt.</summary>
public readonly record struct WebhookDeliveryId(Guid Value)
{
    /// <summary>As it is sent.</summary>
    public string Field => $"msg_{Value:N}";

    public override string ToString() => Value.ToString("D");
}

/// <summary>A kind of event that webhooks can ask for. Modules register theirs as services.</summary>
/// <param name="Name">Such as <c>submission.arrived</c>.</param>
/// <param name="Description">What happened then, and what the data of its message names.</param>
public sealed record WebhookType(string Name, string Description)
{
    /// <summary>Every type.</summary>
    public const string Every = "*";

    /// <summary>The type of a message that is sent to try a webhook; none asks for it.</summary>
    public const string Ping = "webhook.ping";
}

/// <summary>Where an owner wants to be told of what happens.</summary>
/// <param name="Status"><c>active</c>; <c>paused</c> by its owner; <c>disabled</c> by the server.</param>
/// <param name="DisabledReason">Why the server gave up on it.</param>
/// <param name="FailingSince">Since when nothing has arrived; null when the last message did.</param>
/// <param name="Revision">Its version.</param>
public sealed record Webhook(
    WebhookId Id,
    string Url,
    string Description,
    ImmutableArray<string> Types,
    string Status,
    string? DisabledReason,
    DateTimeOffset? FailingSince,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt
)
{
    internal const string Columns =
        "id, url, description, types, status, disabled_reason, failing_since, revision, created_at, created_by_name, updated_at";

    /// <summary>Its entity tag.</summary>
    public string Tag => Precondition.TagOf(Revision);

    internal static Webhook Read(NpgsqlDataReader row) =>
        new(
            new WebhookId(row.GetGuid(0)),
            row.GetString(1),
            row.GetString(2),
            [.. row.GetFieldValue<string[]>(3)],
            row.GetString(4),
            row.IsDBNull(5) ? null : row.GetString(5),
            row.IsDBNull(6) ? null : row.GetFieldValue<DateTimeOffset>(6),
            row.GetInt64(7),
            row.GetFieldValue<DateTimeOffset>(8),
            row.GetString(9),
            row.GetFieldValue<DateTimeOffset>(10)
        );
}

/// <summary>What became of one message.</summary>
/// <param name="Status"><c>pending</c>, <c>delivered</c> or <c>dead</c>: given up, and sent again by hand only.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="ResponseCode">The status that the receiver answered last; null when it did not answer.</param>
/// <param name="Error">Why the last attempt failed.</param>
/// <param name="DurationMs">How long the last attempt took, in milliseconds.</param>
public sealed record WebhookDelivery(
    WebhookDeliveryId Id,
    WebhookId Webhook,
    string Type,
    string Status,
    int Attempts,
    int? ResponseCode,
    string? Error,
    int? DurationMs,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastAttemptAt,
    DateTimeOffset? NextAttemptAt,
    DateTimeOffset? FinishedAt
)
{
    internal const string Columns = """
        id, webhook_id, type, status, attempts, response_code, error, duration_ms, created_at, last_attempt_at, next_attempt_at,
        finished_at
        """;

    internal static WebhookDelivery Read(NpgsqlDataReader row) =>
        new(
            new WebhookDeliveryId(row.GetGuid(0)),
            new WebhookId(row.GetGuid(1)),
            row.GetString(2),
            row.GetString(3),
            row.GetInt32(4),
            row.IsDBNull(5) ? null : row.GetInt32(5),
            row.IsDBNull(6) ? null : row.GetString(6),
            row.IsDBNull(7) ? null : row.GetInt32(7),
            row.GetFieldValue<DateTimeOffset>(8),
            Time(row, 9),
            Time(row, 10),
            Time(row, 11)
        );

    private static DateTimeOffset? Time(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);
}

using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>Where a workspace, or the platform, wants to be told of what happens.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Url">Where messages are sent.</param>
/// <param name="Description">For people.</param>
/// <param name="Types">What it is told of; <c>*</c> is everything.</param>
/// <param name="Status"><c>active</c>; <c>paused</c> by its owner; <c>disabled</c> by the server.</param>
/// <param name="DisabledReason">Why the server gave up on it.</param>
/// <param name="FailingSince">Since when nothing has arrived; null when the last message did.</param>
/// <param name="Revision">Its version.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="UpdatedAt">When it was changed last.</param>
/// <param name="Secret">What its messages are signed with; told when it is made or replaced, and null afterwards.</param>
public sealed record Webhook(
    Guid Id,
    string Url,
    string Description,
    IReadOnlyList<string> Types,
    string Status,
    string? DisabledReason,
    DateTimeOffset? FailingSince,
    long Revision,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    string? Secret = null
);

/// <summary>What a new webhook is to be.</summary>
/// <param name="Url">Where messages are sent.</param>
/// <param name="Types">What it is told of; <c>*</c> is everything.</param>
/// <param name="Description">For people.</param>
public sealed record WebhookOrder(string Url, IReadOnlyList<string> Types, string Description = "");

/// <summary>What became of one message.</summary>
/// <param name="Id">Names it.</param>
/// <param name="MessageId">The field <c>webhook-id</c> that the receiver sees, the same at every attempt.</param>
/// <param name="Type">What it tells of.</param>
/// <param name="Status"><c>pending</c>, <c>delivered</c> or <c>dead</c>.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="ResponseCode">What the receiver answered last; null when it did not.</param>
/// <param name="Error">Why the last attempt failed.</param>
/// <param name="DurationMs">How long the last attempt took, in milliseconds.</param>
/// <param name="CreatedAt">When it happened.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="NextAttemptAt">When it is sent again.</param>
/// <param name="FinishedAt">When it arrived, or was given up.</param>
public sealed record WebhookDelivery(
    Guid Id,
    string MessageId,
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
);

internal sealed record WebhookList(IReadOnlyList<Webhook> Items);

internal sealed record SecretOrder(int OverlapHours);

internal sealed record WebhookStatusOrder(string Status);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(WebhookList))]
[JsonSerializable(typeof(WebhookOrder))]
[JsonSerializable(typeof(SecretOrder))]
[JsonSerializable(typeof(WebhookStatusOrder))]
[JsonSerializable(typeof(Page<WebhookDelivery>))]
internal sealed partial class WebhooksClientJson : JsonSerializerContext;

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>Something that was done.</summary>
/// <param name="Id">The entry's id.</param>
/// <param name="At">When.</param>
/// <param name="Actor">The id of the person or key that did it.</param>
/// <param name="ActorName">Their name then.</param>
/// <param name="Action">What was done, such as <c>key.revoked</c>.</param>
/// <param name="Subject">To what, such as <c>key/0198…</c>.</param>
/// <param name="Origin">From which address; null when the server did it by itself.</param>
/// <param name="UserAgent">What the program called itself; null when it did not.</param>
/// <param name="TraceId">What the server's log knows the request by.</param>
/// <param name="Before">The digest of what was there before; null when there was nothing, or nothing that has one.</param>
/// <param name="After">The digest of what is there since.</param>
/// <param name="Detail">More, depending on the action; an object.</param>
public sealed record AuditEntry(
    Guid Id,
    DateTimeOffset At,
    Guid Actor,
    string ActorName,
    string Action,
    string Subject,
    string? Origin,
    string? UserAgent,
    string? TraceId,
    string? Before,
    string? After,
    JsonElement Detail
);

/// <summary>Which entries of the audit log are meant; what is null is not asked for.</summary>
/// <param name="Actor">The id of who did it.</param>
/// <param name="Action">What was done; by its beginning when it ends in <c>*</c>.</param>
/// <param name="Subject">To what; by its beginning when it ends in <c>*</c>.</param>
/// <param name="From">A date or an RFC 3339 time: then or later.</param>
/// <param name="To">A date or an RFC 3339 time: before.</param>
public sealed record AuditQuery(
    Guid? Actor = null,
    string? Action = null,
    string? Subject = null,
    string? From = null,
    string? To = null
);

/// <summary>Somebody who can sign in, as an operator sees them.</summary>
/// <param name="Id">Their id.</param>
/// <param name="DisplayName">Their name.</param>
/// <param name="Email">Their address.</param>
/// <param name="EmailConfirmed">Whether a link that was mailed there has been opened.</param>
/// <param name="CreatedAt">When they were added.</param>
/// <param name="DisabledAt">Since when they may not sign in; null when they may.</param>
public sealed record PersonInfo(
    Guid Id,
    string DisplayName,
    string Email,
    bool EmailConfirmed,
    DateTimeOffset CreatedAt,
    DateTimeOffset? DisabledAt
);

internal sealed record NewPersonOrder(string DisplayName, string Email);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(Page<AuditEntry>))]
[JsonSerializable(typeof(Page<PersonInfo>))]
[JsonSerializable(typeof(PersonInfo))]
[JsonSerializable(typeof(NewPersonOrder))]
internal sealed partial class AuditClientJson : JsonSerializerContext;

using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>Who the client's credential is to the server.</summary>
/// <param name="Kind"><c>key</c> or <c>person</c>.</param>
/// <param name="Id">Of the key or person.</param>
/// <param name="Name">Of the key or person.</param>
/// <param name="Owner">Whose the key is; null for a person outside every workspace.</param>
/// <param name="IsPlatform">Whether they act for the platform.</param>
/// <param name="Scopes">What they may do.</param>
/// <param name="Stage">The stage that the server is.</param>
/// <param name="ExpiresAt">When the credential ends by itself.</param>
public sealed record WhoAmI(
    string Kind,
    Guid Id,
    string Name,
    Guid? Owner,
    bool IsPlatform,
    IReadOnlyList<string> Scopes,
    string Stage,
    DateTimeOffset? ExpiresAt
);

/// <summary>How much of something a workspace may use, and uses.</summary>
/// <param name="Name">Such as <c>members</c>.</param>
/// <param name="Used">So far.</param>
/// <param name="Allowed">At most; null when it is not limited.</param>
public sealed record Entitlement(string Name, long Used, long? Allowed);

/// <summary>A workspace.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slug">Its name in addresses.</param>
/// <param name="Name">For people.</param>
/// <param name="Domain">Where its site is.</param>
/// <param name="Plan">What it may use.</param>
/// <param name="Status"><c>active</c> or <c>deleted</c>.</param>
/// <param name="Role">What the caller is in it; null for keys.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="PurgeAt">When a deleted one is gone for good.</param>
/// <param name="Entitlements">What it uses of what it may; null in lists.</param>
public sealed record Workspace(
    Guid Id,
    string Slug,
    string Name,
    string Domain,
    string Plan,
    string Status,
    string? Role,
    DateTimeOffset CreatedAt,
    DateTimeOffset? PurgeAt,
    IReadOnlyList<Entitlement>? Entitlements
);

/// <summary>What to create or change of a workspace; what is null is left to the server, or as it is.</summary>
public sealed record WorkspaceOrder(string? Name = null, string? Slug = null, string? Plan = null);

/// <summary>Somebody who belongs to a workspace.</summary>
public sealed record Member(
    Guid PersonId,
    string DisplayName,
    string Email,
    string Role,
    long Revision,
    DateTimeOffset JoinedAt
);

/// <summary>An invitation to a workspace.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Email">Who is invited.</param>
/// <param name="Role">As what.</param>
/// <param name="Status"><c>pending</c>, <c>accepted</c>, <c>revoked</c> or <c>expired</c>.</param>
/// <param name="ExpiresAt">Until when it can be accepted.</param>
/// <param name="Token">What accepts it; only in the answer that made it.</param>
/// <param name="Url">The page that accepts it; only in the answer that made it.</param>
/// <param name="Mailed">Whether it was mailed; only in the answer that made it.</param>
public sealed record Invitation(
    Guid Id,
    string Email,
    string Role,
    string Status,
    DateTimeOffset ExpiresAt,
    string? Token,
    string? Url,
    bool? Mailed
);

/// <summary>Who to invite.</summary>
public sealed record InvitationOrder(string Email, string Role, int? ExpiresInDays = null);

/// <summary>A machine key.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Name">For people.</param>
/// <param name="Prefix">The secret's first characters.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Stage">The only stage that it is good on; null: wherever it is known.</param>
/// <param name="Status"><c>active</c>, <c>expired</c> or <c>revoked</c>.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="ExpiresAt">When it ends by itself.</param>
/// <param name="LastUsedAt">When it was used last, to the half minute.</param>
/// <param name="RevokedAt">When it was revoked.</param>
/// <param name="Secret">The key itself; only in the answer that made it.</param>
public sealed record MachineKeyInfo(
    Guid Id,
    string Name,
    string Prefix,
    IReadOnlyList<string> Scopes,
    string? Stage,
    string Status,
    DateTimeOffset CreatedAt,
    string? CreatedBy,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset? LastUsedAt,
    DateTimeOffset? RevokedAt,
    string? Secret
);

/// <summary>What a new key is to be.</summary>
public sealed record KeyOrder(string Name, IReadOnlyList<string> Scopes, int? ExpiresInDays = null);

/// <summary>A key that a terminal was given.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Name">The machine's.</param>
/// <param name="Owner">Whose it is.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="ExpiresAt">When it ends.</param>
/// <param name="Secret">The key itself.</param>
public sealed record TerminalKey(
    Guid Id,
    string Name,
    Guid Owner,
    IReadOnlyList<string> Scopes,
    DateTimeOffset ExpiresAt,
    string Secret
);

internal sealed record TerminalLoginOrder(string Code, string Verifier);

internal sealed record EndKeyOrder(Guid Id);

internal sealed record RoleOrder(string Role);

internal sealed record RotationOrder(int OverlapSeconds);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false
)]
[JsonSerializable(typeof(WhoAmI))]
[JsonSerializable(typeof(Workspace))]
[JsonSerializable(typeof(Page<Workspace>))]
[JsonSerializable(typeof(WorkspaceOrder))]
[JsonSerializable(typeof(Page<Member>))]
[JsonSerializable(typeof(Member))]
[JsonSerializable(typeof(Page<Invitation>))]
[JsonSerializable(typeof(Invitation))]
[JsonSerializable(typeof(InvitationOrder))]
[JsonSerializable(typeof(Page<MachineKeyInfo>))]
[JsonSerializable(typeof(MachineKeyInfo))]
[JsonSerializable(typeof(KeyOrder))]
[JsonSerializable(typeof(TerminalKey))]
[JsonSerializable(typeof(TerminalLoginOrder))]
[JsonSerializable(typeof(EndKeyOrder))]
[JsonSerializable(typeof(RoleOrder))]
[JsonSerializable(typeof(RotationOrder))]
internal sealed partial class AccessClientJson : JsonSerializerContext;

using System.Buffers.Text;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;
using Platen.Access;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>
/// Issues and verifies the registry's tokens: the grant as JSON and an HMAC-SHA256 of it, so that verifying asks nobody.
/// </summary>
internal sealed class RegistryTokens(TimeProvider clock)
{
    private readonly byte[] key = RandomNumberGenerator.GetBytes(32);

    public (string Token, DateTimeOffset IssuedAt) Issue(TokenGrant grant)
    {
        var now = clock.GetUtcNow();
        var content = new Content(
            grant.Caller.Owner.Value,
            grant.Caller.Actor.Id.Value,
            grant.Caller.Actor.Name,
            [.. grant.Caller.Scopes],
            grant.Repositories.ToDictionary(r => r.Key, r => (int)r.Value),
            grant.Catalog,
            now.Add(RegistryLimits.TokenLife).ToUnixTimeSeconds()
        );
        var payload = JsonSerializer.SerializeToUtf8Bytes(content);
        return ($"{Base64Url.EncodeToString(payload)}.{Base64Url.EncodeToString(Sign(payload))}", now);
    }

    /// <summary>The grant of a token that is ours and has not expired, or null.</summary>
    public TokenGrant? Verify(string token)
    {
        if (
            token.Split('.') is not [var first, var second]
            || !TryDecode(first, out var payload)
            || !TryDecode(second, out var signature)
            || !CryptographicOperations.FixedTimeEquals(Sign(payload), signature)
        )
        {
            return null;
        }
        var content = JsonSerializer.Deserialize<Content>(payload)!;
        if (content.ExpiresAt <= clock.GetUtcNow().ToUnixTimeSeconds())
            return null;
        var caller = new Caller(
            new Actor(new ActorId(content.Actor), content.Name),
            new OwnerId(content.Owner),
            content.Scopes.ToFrozenSet(StringComparer.Ordinal)
        );
        return new TokenGrant(
            caller,
            content.Repositories.ToDictionary(r => r.Key, r => (RepositoryActions)r.Value, StringComparer.Ordinal),
            content.Catalog
        );
    }

    private byte[] Sign(byte[] payload) => HMACSHA256.HashData(key, payload);

    private static bool TryDecode(string text, out byte[] bytes)
    {
        bytes = [];
        if (!Base64Url.IsValid(text))
            return false;
        bytes = Base64Url.DecodeFromChars(text);
        return true;
    }

    private sealed record Content(
        Guid Owner,
        Guid Actor,
        string Name,
        string[] Scopes,
        Dictionary<string, int> Repositories,
        bool Catalog,
        long ExpiresAt
    );
}

using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Embedding;

/// <summary>The public half of a key that signs embed tokens. Thread-safe.</summary>
/// <param name="Id">Its name in tokens.</param>
/// <param name="PublicKey">SubjectPublicKeyInfo.</param>
/// <param name="VerifiesUntil">What it signed is refused from then on; null while nothing follows it.</param>
internal sealed record EmbedKey(string Id, byte[] PublicKey, DateTimeOffset? VerifiesUntil)
{
    // An instance is not to be used by two at once, and costs as much to make as a signature to verify.
    private readonly ConcurrentBag<ECDsa> idle = [];

    /// <summary>The first part of every token that it signs.</summary>
    public string Header { get; } = EmbedToken.HeaderOf(Id);

    /// <exception cref="CryptographicException">That is no public key.</exception>
    public static void Check(byte[] publicKey)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(publicKey, out _);
    }

    public bool Verifies(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        if (!idle.TryTake(out var key))
        {
            key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(PublicKey, out _);
        }
        try
        {
            return key.VerifyData(signed, signature, HashAlgorithmName.SHA256);
        }
        finally
        {
            idle.Add(key);
        }
    }
}

/// <summary>The tokens of one instance that were ended. Immutable.</summary>
/// <param name="MadeBy">All that were made by then; the Unix epoch for none.</param>
/// <param name="Singly">Others, by their ids, and when each ended.</param>
/// <param name="LastAt">When the last of them was.</param>
internal sealed record EmbedRevocation(
    DateTimeOffset MadeBy,
    IReadOnlyDictionary<Guid, DateTimeOffset> Singly,
    DateTimeOffset LastAt
)
{
    public bool Ends(EmbedToken token) => token.IssuedAt <= MadeBy || Singly.ContainsKey(token.Id);
}

/// <summary>One row of what was ended; <paramref name="Token"/> is the nil UUID for all of an instance.</summary>
internal sealed record EndedToken(OwnerId Owner, string PublicId, Guid Token, DateTimeOffset At)
{
    /// <summary>Removes some of every owner that ended longer ago than any token lives; returns how many.</summary>
    public static Task<int> RemoveOldAsync(Session worker, int limit, CancellationToken ct) =>
        worker.ExecuteAsync(
            """
            delete from platform.embed_revocation r where (r.owner, r.public_id, r.token) in (
                select o.owner, o.public_id, o.token from platform.embed_revocation o
                 where o.revoked_at < clock_timestamp() - interval '25 hours' order by o.revoked_at limit $1)
            """,
            ct,
            Sql.Int(limit)
        );
}

/// <summary>What a node has to know to look at embed tokens, as it is kept in a file: nothing in it is secret.</summary>
internal sealed record EmbedState(EmbedState.Key[] Keys, EmbedState.Ended[] Revoked)
{
    internal sealed record Key(string Id, byte[] PublicKey, DateTimeOffset? VerifiesUntil);

    internal sealed record Ended(Guid Owner, string PublicId, Guid Token, DateTimeOffset At);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EmbedState))]
internal sealed partial class EmbedStateJson : JsonSerializerContext;

using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Blobs;

/// <summary>
/// The row of stored bytes that nothing refers to yet: with it they are counted with their owner's storage, and collected when still nothing
/// does after the grace period.
/// </summary>
public static class BlobRecord
{
    /// <summary>Whether the session's owner has recorded these bytes: then they are counted already.</summary>
    public static Task<bool> ExistsAsync(Session session, Digest digest, CancellationToken ct) =>
        session.FirstAsync(Exists(digest), ct);

    /// <summary>As <see cref="ExistsAsync"/>, to go with another query.</summary>
    public static Query<bool> Exists(Digest digest) =>
        new(
            "select exists (select from platform.blob where owner = platform.current_owner() and digest = $1)",
            row => row.GetBoolean(0),
            Sql.Digest(digest)
        );

    /// <summary>Records bytes that are stored; of bytes that are recorded it changes nothing.</summary>
    /// <returns>Whether they were not recorded before.</returns>
    public static Task<bool> AddAsync(Session session, Digest digest, long sizeBytes, CancellationToken ct) =>
        session.FirstAsync(
            """
            with added as (
                insert into platform.blob (owner, digest, size_bytes, media_type)
                values ($1, $2, $3, 'application/octet-stream')
                on conflict do nothing
                returning digest
            )
            select exists (select from added)
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Digest(digest),
            Sql.Long(sizeBytes)
        );

    /// <summary>
    /// Removes bytes whose recording was refused, unless they are recorded or put again meanwhile. Whoever records them now is waited for,
    /// or waits: it looks for the bytes once its row is there.
    /// </summary>
    /// <param name="pools">The database.</param>
    /// <param name="blobs">Has the bytes.</param>
    /// <param name="context">Of the refused recording.</param>
    /// <param name="digest">Of the bytes.</param>
    /// <param name="storedBefore">When their put had ended.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task RemoveRefusedAsync(
        PostgresPools pools,
        IBlobStore blobs,
        OperationContext context,
        Digest digest,
        DateTimeOffset storedBefore,
        CancellationToken ct
    )
    {
        // Never committed: the row only keeps others away.
        await using var session = await pools.OpenAsync(context, ct);
        var isManifest = await session.FirstAsync(
            "select exists (select from platform.release where owner = platform.current_owner() and digest = $1)",
            row => row.GetBoolean(0),
            ct,
            Sql.Digest(digest)
        );
        if (!isManifest && await AddAsync(session, digest, 0, ct))
            await blobs.DeleteAsync(context.Owner, digest, storedBefore, ct);
    }
}

using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>What stands in a repository: blobs by a push, a mount or a manifest that refers to them.</summary>
internal static class Membership
{
    private const string Hold = "select from platform.blob where digest = any ($1) order by digest for key share";

    /// <summary>Those of the blobs that can be read in the repository, with their sizes.</summary>
    public static async Task<Dictionary<Digest, long>> ReadableAsync(
        Session session,
        string subject,
        IEnumerable<Digest> digests,
        CancellationToken ct
    )
    {
        var found = await session.ListAsync(Readable(subject, digests), ct);
        return found.ToDictionary(f => f.Digest, f => f.SizeBytes);
    }

    /// <summary>As <see cref="HoldAsync"/> and then <see cref="ReadableAsync"/>, in one round trip.</summary>
    public static async Task<Dictionary<Digest, long>> HoldReadableAsync(
        Session session,
        string subject,
        IReadOnlyCollection<Digest> digests,
        CancellationToken ct
    )
    {
        var (_, found) = await session.TogetherAsync(
            new Query<bool>(Hold, _ => true, Texts(digests.Select(d => d.ToString()))),
            Readable(subject, digests),
            ct
        );
        return found.ToDictionary(f => f.Digest, f => f.SizeBytes);
    }

    private static Query<(Digest Digest, long SizeBytes)> Readable(string subject, IEnumerable<Digest> digests) =>
        new(
            "select digest, size_bytes from platform.repository_blobs($1, $2)",
            row => (Digest.Parse(row.GetString(0)), row.GetInt64(1)),
            Sql.Text(subject),
            Texts(digests.Select(d => d.ToString()))
        );

    /// <summary>
    /// Keeps garbage collection from these blobs until the transaction ends: one that removes any of them now is waited for.
    /// </summary>
    public static Task HoldAsync(Session session, IEnumerable<Digest> digests, CancellationToken ct) =>
        session.ExecuteAsync(Hold, ct, Texts(digests.Select(d => d.ToString())));

    /// <summary>Whether the repository has a manifest or a blob.</summary>
    public static Task<bool> ExistsAsync(Session session, string subject, CancellationToken ct) =>
        session.FirstAsync(
            """
            select exists (select from platform.release where subject = $1 and withdrawn_at is null)
                or exists (select from platform.repository_blob where subject = $1)
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Text(subject)
        );

    /// <summary>Records stored bytes, and that they were pushed into the repository.</summary>
    public static Task RecordAsync(
        Session session,
        string subject,
        Digest digest,
        long sizeBytes,
        CancellationToken ct
    ) =>
        session.ExecuteAsync(
            """
            with held as materialized (
                -- A collection that removes it now is waited for, and none does before this commits.
                select digest from platform.blob where owner = $1 and digest = $2 for key share
            ), stored as (
                insert into platform.blob (owner, digest, size_bytes, media_type)
                select $1, $2, $3, 'application/octet-stream' where not exists (select from held)
                on conflict do nothing
            )
            insert into platform.repository_blob (owner, subject, digest)
            values ($1, $4, $2)
            on conflict (owner, subject, digest) do update set pushed_at = now()
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Digest(digest),
            Sql.Long(sizeBytes),
            Sql.Text(subject)
        );

    public static Npgsql.NpgsqlParameter Texts(IEnumerable<string> values) =>
        new()
        {
            Value = values.ToArray(),
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Text,
        };
}

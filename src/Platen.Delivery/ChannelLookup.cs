using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Delivery;

/// <summary>The live channel of an instance.</summary>
internal sealed record ChannelRow(
    OwnerId Owner,
    long Revision,
    Digest Release,
    ReadOnlyMemory<byte> Manifest,
    DateTimeOffset MovedAt
);

/// <summary>A file of a former release.</summary>
internal sealed record ArtifactRow(OwnerId Owner, Digest Digest);

/// <summary>
/// Everything delivery asks the database: selects on the public views with the delivery login. A curated instance is looked
/// up below the platform's own id; a workspace's instance by its subject, which one workspace has.
/// </summary>
internal sealed class ChannelLookup(PostgresPools pools)
{
    private const string Live = "live";

    /// <summary>The subject of an instance's channel and releases.</summary>
    public static string SubjectOf(PublicId id) => (id is PublicId.User ? "widgets/" : "curated/") + id;

    /// <summary>
    /// The instance a stream of events belongs to when it is that of an instance's live channel
    /// (<c>channel/{subject}/live</c>), or null.
    /// </summary>
    public static string? InstanceOf(ReadOnlySpan<char> stream)
    {
        const string prefix = "channel/";
        const string suffix = "/" + Live;
        if (
            stream.Length <= prefix.Length + suffix.Length
            || !stream.StartsWith(prefix, StringComparison.Ordinal)
            || !stream.EndsWith(suffix, StringComparison.Ordinal)
        )
            return null;
        var subject = stream[prefix.Length..^suffix.Length];
        var slash = subject.IndexOf('/');
        return
            slash > 0
            && PublicId.TryParse(subject[(slash + 1)..].ToString(), out var id)
            && subject.SequenceEqual(SubjectOf(id))
            ? id.ToString()
            : null;
    }

    /// <summary>The live channel of an instance, or null when it is not published.</summary>
    /// <exception cref="InvalidDataException">Two workspaces claim the id: neither is served.</exception>
    public async Task<ChannelRow?> FindAsync(PublicId id, CancellationToken ct)
    {
        const string columns = "select owner, revision, release_digest, manifest, moved_at from platform.edge_channel ";
        var rows = await pools.ReadEdgeAsync(
            id is PublicId.User
                ? new Query<ChannelRow?>(
                    columns + "where subject = $1 and name = $2 and release_digest is not null limit 2",
                    ReadChannel,
                    Sql.Text(SubjectOf(id)),
                    Sql.Text(Live)
                )
                : new Query<ChannelRow?>(
                    columns + "where owner = $1 and subject = $2 and name = $3",
                    ReadChannel,
                    Sql.Owner(OwnerId.Platform),
                    Sql.Text(SubjectOf(id)),
                    Sql.Text(Live)
                ),
            ct
        );
        if (rows.Count > 1)
            throw new InvalidDataException($"Two workspaces have a live channel for {id}.");
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>Whose and of which revision those of the given instances are that have a live channel, by their subject.</summary>
    public async Task<Dictionary<string, (OwnerId Owner, long Revision)>> RevisionsAsync(
        string[] subjects,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        var rows = await session.ListAsync(
            """
            select subject, owner, revision from platform.edge_channel
            where subject = any($1) and name = $2 and release_digest is not null
              and (owner = $3 or starts_with(subject, 'widgets/'))
            """,
            reader =>
                (Subject: reader.GetString(0), Owner: new OwnerId(reader.GetGuid(1)), Revision: reader.GetInt64(2)),
            ct,
            new NpgsqlParameter<string[]> { TypedValue = subjects },
            Sql.Text(Live),
            Sql.Owner(OwnerId.Platform)
        );
        var revisions = new Dictionary<string, (OwnerId, long)>(rows.Count, StringComparer.Ordinal);
        foreach (var (subject, owner, revision) in rows)
            revisions[subject] = (owner, revision);
        return revisions;
    }

    /// <summary>The instances that are live, those that changed last first.</summary>
    public async Task<List<PublicId>> LatestAsync(int most, CancellationToken ct)
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        var subjects = await session.ListAsync(
            """
            select subject from platform.edge_channel
            where name = $1 and release_digest is not null and (owner = $2 or starts_with(subject, 'widgets/'))
            order by moved_at desc limit $3
            """,
            reader => reader.GetString(0),
            ct,
            Sql.Text(Live),
            Sql.Owner(OwnerId.Platform),
            Sql.Int(most)
        );
        return
        [
            .. subjects
                .Select(subject =>
                    PublicId.TryParse(subject[(subject.IndexOf('/', StringComparison.Ordinal) + 1)..], out var id)
                    && SubjectOf(id) == subject
                        ? id
                        : null
                )
                .OfType<PublicId>(),
        ];
    }

    /// <summary>A file of any release of the instance that was live, or null.</summary>
    public async Task<ArtifactRow?> FindArtifactAsync(PublishedInstance instance, string path, CancellationToken ct)
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        return await session.FirstAsync(
            """
            select owner, blob_digest from platform.edge_artifact
            where owner = $1 and subject = $2 and path = $3 limit 1
            """,
            reader => new ArtifactRow(new OwnerId(reader.GetGuid(0)), Digest.Parse(reader.GetString(1))),
            ct,
            Sql.Owner(instance.Owner),
            Sql.Text(instance.Subject),
            Sql.Text(path)
        );
    }

    private static ChannelRow? ReadChannel(NpgsqlDataReader row) =>
        row.IsDBNull(2) || row.IsDBNull(3)
            ? null
            : new ChannelRow(
                new OwnerId(row.GetGuid(0)),
                row.GetInt64(1),
                Digest.Parse(row.GetString(2)),
                row.GetFieldValue<byte[]>(3),
                row.GetFieldValue<DateTimeOffset>(4)
            );
}

using System.Globalization;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Channels;

/// <summary>Names a channel within its owner: which subject (an OCI repository), and which of its pointers (a tag).</summary>
/// <param name="Subject">Such as <c>curated/wgt_main_content.faq</c>; see <see cref="Limits.SubjectLength"/>.</param>
/// <param name="Name">Such as <c>live</c>; see <see cref="Limits.ChannelNameLength"/>.</param>
public readonly record struct ChannelKey(string Subject, string Name)
{
    /// <summary>The stream that each move of this channel appends to.</summary>
    public string Stream => $"channel/{Subject}/{Name}";

    public override string ToString() => $"{Subject}:{Name}";
}

/// <summary>Where a channel points.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Release">The live release, or null when nothing is live.</param>
/// <param name="Revision">How many moves it has made; a mover states the one it saw.</param>
/// <param name="Candidate">A release that is being tried beside the live one, or null.</param>
/// <param name="CandidatePercent">The share of readers that get the candidate, 0 to 100.</param>
/// <param name="MovedAt">When it moved last.</param>
public sealed record Channel(
    ChannelKey Key,
    Digest? Release,
    long Revision,
    Digest? Candidate,
    int CandidatePercent,
    DateTimeOffset MovedAt
);

/// <summary>One move, as it is kept.</summary>
public sealed record ChannelMoveRecord(
    long Revision,
    Digest? From,
    Digest? To,
    Digest? Candidate,
    int CandidatePercent,
    Actor Actor,
    string Reason,
    DateTimeOffset At
);

/// <summary>A channel with the move that made it what it is.</summary>
public sealed record MovedChannel(Channel Channel, ChannelMoveRecord LastMove);

/// <summary>What became of an attempt to move a channel.</summary>
public abstract record ChannelMove
{
    private ChannelMove() { }

    /// <summary>It moved; this is its revision now.</summary>
    public sealed record Moved(long Revision) : ChannelMove;

    /// <summary>It pointed there already; nothing was written.</summary>
    public sealed record Unchanged(long Revision) : ChannelMove;

    /// <summary>Somebody moved it first; this is where it is now.</summary>
    public sealed record Conflict(long CurrentRevision, Digest? CurrentRelease) : ChannelMove;

    /// <summary>The release is not in this subject. The transaction is spent: dispose the session.</summary>
    public sealed record NoSuchRelease(Digest Release) : ChannelMove;
}

/// <summary>
/// Named pointers to releases. They move by compare-and-swap only: of concurrent movers exactly one wins and the others learn
/// the current revision. A rollback is a move like any other.
/// </summary>
public static class ChannelStore
{
    private const string Columns =
        "subject, name, release_digest, revision, candidate_digest, candidate_percent, moved_at";

    /// <summary>The channel, or null when it has never moved.</summary>
    public static Task<Channel?> FindAsync(Session session, ChannelKey key, CancellationToken ct) =>
        session.FirstAsync(Find(key), ct);

    /// <summary>Finds the channel; no row when it has never moved.</summary>
    public static Query<Channel> Find(ChannelKey key) =>
        new(
            $"select {Columns} from platform.channel where subject = $1 and name = $2 and revision > 0",
            ReadChannel,
            Sql.Text(key.Subject),
            Sql.Text(key.Name)
        );

    /// <summary>Those of a subject's channels that have one of the names, in no order; those that never moved are left out.</summary>
    public static Task<List<Channel>> ListAsync(
        Session session,
        string subject,
        IEnumerable<string> names,
        CancellationToken ct
    ) =>
        session.ListAsync(
            $"select {Columns} from platform.channel where subject = $1 and name = any ($2) and revision > 0",
            ReadChannel,
            ct,
            Sql.Text(subject),
            new NpgsqlParameter<string[]> { TypedValue = [.. names] }
        );

    /// <summary>Finds the channel with its last move; no row when it has never moved.</summary>
    public static Query<MovedChannel> FindWithLastMove(ChannelKey key) =>
        new(
            """
            select c.subject, c.name, c.release_digest, c.revision, c.candidate_digest, c.candidate_percent, c.moved_at,
                   m.revision, m.from_digest, m.to_digest, m.candidate_digest, m.candidate_percent, m.actor, m.actor_name,
                   m.reason, m.at
            from platform.channel c
            join platform.channel_move m
                on (m.owner, m.subject, m.name, m.revision) = (c.owner, c.subject, c.name, c.revision)
            where c.subject = $1 and c.name = $2
            """,
            row => new MovedChannel(ReadChannel(row), ReadMove(row, from: 7)),
            Sql.Text(key.Subject),
            Sql.Text(key.Name)
        );

    /// <summary>Points the channel at <paramref name="to"/> (null: at nothing) and drops its candidate.</summary>
    /// <param name="session">Open for the channel's owner; the caller commits.</param>
    /// <param name="key">Which channel; made when it does not exist.</param>
    /// <param name="expectedRevision">The revision the mover saw; 0 when it saw none.</param>
    /// <param name="to">A release of the same subject.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<ChannelMove> MoveAsync(
        Session session,
        ChannelKey key,
        long expectedRevision,
        Digest? to,
        CancellationToken ct
    ) => MoveAsync(session, key, expectedRevision, to, candidate: null, candidatePercent: 0, ct);

    /// <summary>
    /// As <see cref="MoveAsync(Session, ChannelKey, long, Digest?, CancellationToken)"/>, to go with other statements, behind the one that
    /// records the release.
    /// </summary>
    public static Query<ChannelMove> Move(OperationContext mover, ChannelKey key, long expectedRevision, Digest? to) =>
        Move(mover, key, expectedRevision, to, candidate: null, candidatePercent: 0);

    /// <summary>Offers <paramref name="candidate"/> to a share of the readers and leaves the live release as it is.</summary>
    /// <param name="session">Open for the channel's owner; the caller commits.</param>
    /// <param name="key">Which channel.</param>
    /// <param name="expectedRevision">The revision the mover saw.</param>
    /// <param name="candidate">A release of the same subject; null ends the trial.</param>
    /// <param name="percent">0 to 100.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<ChannelMove> SetCandidateAsync(
        Session session,
        ChannelKey key,
        long expectedRevision,
        Digest? candidate,
        int percent,
        CancellationToken ct
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        var now = await FindAsync(session, key, ct);
        if (now is null || now.Revision != expectedRevision)
            return new ChannelMove.Conflict(now?.Revision ?? 0, now?.Release);
        return await MoveAsync(session, key, expectedRevision, now.Release, candidate, percent, ct);
    }

    /// <summary>Whether the channel pointed at the release at any time: what it may be pointed back at. A candidate was not pointed at.</summary>
    /// <param name="session">Open for the channel's owner.</param>
    /// <param name="key">Which channel.</param>
    /// <param name="release">Which release.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<bool> HasPointedAtAsync(Session session, ChannelKey key, Digest release, CancellationToken ct) =>
        session.FirstAsync(
            "select exists (select from platform.channel_move where subject = $1 and name = $2 and to_digest = $3)",
            row => row.GetBoolean(0),
            ct,
            Sql.Text(key.Subject),
            Sql.Text(key.Name),
            Sql.Digest(release)
        );

    /// <summary>The moves, latest first.</summary>
    /// <param name="session">Open for the channel's owner.</param>
    /// <param name="key">Which channel.</param>
    /// <param name="beforeRevision">Only moves before this one; null from the latest.</param>
    /// <param name="limit">1 to <see cref="Limits.PageItems"/>.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<List<ChannelMoveRecord>> MovesAsync(
        Session session,
        ChannelKey key,
        long? beforeRevision,
        int limit,
        CancellationToken ct
    ) =>
        session.ListAsync(
            """
            select revision, from_digest, to_digest, candidate_digest, candidate_percent, actor, actor_name, reason, at
            from platform.channel_move
            where subject = $1 and name = $2 and revision < $3
            order by revision desc
            limit $4
            """,
            ReadMove,
            ct,
            Sql.Text(key.Subject),
            Sql.Text(key.Name),
            Sql.Long(beforeRevision ?? long.MaxValue),
            Sql.Int(Math.Clamp(limit, 1, Limits.PageItems))
        );

    private static async Task<ChannelMove> MoveAsync(
        Session session,
        ChannelKey key,
        long expectedRevision,
        Digest? to,
        Digest? candidate,
        int candidatePercent,
        CancellationToken ct
    )
    {
        try
        {
            var move =
                await session.FirstAsync(
                    Move(session.Context, key, expectedRevision, to, candidate, candidatePercent),
                    ct
                ) ?? throw new InvalidOperationException("platform.move_channel returned no row.");
            return move is ChannelMove.NoSuchRelease ? new ChannelMove.NoSuchRelease((to ?? candidate)!.Value) : move;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            return new ChannelMove.NoSuchRelease((to ?? candidate)!.Value);
        }
    }

    private static Query<ChannelMove> Move(
        OperationContext mover,
        ChannelKey key,
        long expectedRevision,
        Digest? to,
        Digest? candidate,
        int candidatePercent
    ) =>
        new(
            "select outcome, revision, live_digest from platform.move_channel($1, $2, $3, $4, $5, $6, $7, $8)",
            ReadOutcome,
            Sql.Text(key.Subject),
            Sql.Text(key.Name),
            Sql.Long(expectedRevision),
            Sql.Digest(to),
            Sql.Digest(candidate),
            Sql.Int(candidatePercent),
            Sql.Text(mover.Actor.Name),
            Sql.Text(mover.Reason)
        );

    private static ChannelMove ReadOutcome(NpgsqlDataReader row) =>
        row.GetString(0) switch
        {
            "moved" => new ChannelMove.Moved(row.GetInt64(1)),
            "missing" => new ChannelMove.NoSuchRelease(default),
            "unchanged" => new ChannelMove.Unchanged(row.GetInt64(1)),
            "conflict" => new ChannelMove.Conflict(row.GetInt64(1), ReadDigest(row, 2)),
            var other => throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"platform.move_channel returned '{other}'.")
            ),
        };

    private static Channel ReadChannel(NpgsqlDataReader row) =>
        new(
            new ChannelKey(row.GetString(0), row.GetString(1)),
            ReadDigest(row, 2),
            row.GetInt64(3),
            ReadDigest(row, 4),
            row.GetInt16(5),
            row.GetFieldValue<DateTimeOffset>(6)
        );

    private static ChannelMoveRecord ReadMove(NpgsqlDataReader row) => ReadMove(row, from: 0);

    private static ChannelMoveRecord ReadMove(NpgsqlDataReader row, int from) =>
        new(
            row.GetInt64(from),
            ReadDigest(row, from + 1),
            ReadDigest(row, from + 2),
            ReadDigest(row, from + 3),
            row.GetInt16(from + 4),
            new Actor(new ActorId(row.GetGuid(from + 5)), row.GetString(from + 6)),
            row.GetString(from + 7),
            row.GetFieldValue<DateTimeOffset>(from + 8)
        );

    private static Digest? ReadDigest(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : Digest.Parse(row.GetString(column));
}

using System.Diagnostics;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Events;

/// <summary>Appends events in the transaction of their fact, and reads them.</summary>
public static class EventLog
{
    /// <summary>The PostgreSQL channel that is notified with <c>{owner} {revision} {stream}</c> at commit.</summary>
    public const string Channel = "platen_event";

    /// <summary>
    /// Appends to a stream of the session's owner. The stream's row stays locked until the session ends, so that revisions
    /// have no gaps and become visible in order: append last, and to several streams in the order of their ids.
    /// </summary>
    /// <param name="session">The transaction of the fact.</param>
    /// <param name="stream">The stream; it begins with its first event.</param>
    /// <param name="type">What happened, in the past tense; up to 100 of <c>a-z A-Z 0-9 . : _ -</c>.</param>
    /// <param name="jsonData">UTF-8 JSON, at most <see cref="EventLimits.DataBytes"/>.</param>
    /// <param name="ct">Cancels; the transaction is then only good for rolling back.</param>
    /// <returns>The event's revision, 1 onwards.</returns>
    /// <exception cref="ArgumentException">The stream's id is not well-formed, or the data is too long.</exception>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>: a text in the data has the character U+0000 or
    /// half a surrogate pair, which PostgreSQL cannot store.</exception>
    /// <exception cref="PostgresException">40P01: two transactions appended to the same streams in opposite order.</exception>
    public static async Task<long> AppendAsync(
        Session session,
        StreamId stream,
        string type,
        ReadOnlyMemory<byte> jsonData,
        CancellationToken ct
    )
    {
        using var activity = Begin(stream, type, jsonData);
        try
        {
            var revision = await session.FirstAsync(Append(stream, type, jsonData), ct);
            EventsTelemetry.Appended.Add(1);
            return revision;
        }
        catch (PostgresException refused) when (IsUnstorable(refused))
        {
            throw Unstorable();
        }
    }

    /// <summary>
    /// Writes a fact and appends its event in one round trip: <see cref="AppendAsync"/> for writers whose event does not
    /// depend on what the statement returns.
    /// </summary>
    /// <param name="session">The transaction of the fact.</param>
    /// <param name="fact">The statement; it returns one row.</param>
    /// <param name="stream">The stream; it begins with its first event.</param>
    /// <param name="type">As in <see cref="AppendAsync"/>.</param>
    /// <param name="jsonData">As in <see cref="AppendAsync"/>.</param>
    /// <param name="ct">Cancels; the transaction is then only good for rolling back.</param>
    /// <exception cref="InvalidOperationException">The statement returned no row; nothing may be committed.</exception>
    /// <remarks>Its other exceptions are those of <see cref="AppendAsync"/>.</remarks>
    public static async Task<T> AppendWithAsync<T>(
        Session session,
        Query<T> fact,
        StreamId stream,
        string type,
        ReadOnlyMemory<byte> jsonData,
        CancellationToken ct
    )
    {
        using var activity = Begin(stream, type, jsonData);
        try
        {
            var (written, _) = await session.TogetherAsync(fact, Append(stream, type, jsonData), ct);
            if (written is not [var row, ..])
                throw new InvalidOperationException($"The fact of a {type} event returned no row.");
            EventsTelemetry.Appended.Add(1);
            return row;
        }
        catch (PostgresException refused) when (IsUnstorable(refused))
        {
            throw Unstorable();
        }
    }

    /// <summary>
    /// As <see cref="AppendAsync"/>, with the commit and in its round trip, for writers that need not know the revision and whose data has
    /// no text of a stranger's: what cannot be stored is a failure of the commit.
    /// </summary>
    /// <exception cref="ArgumentException">The stream's id is not well-formed, or the data is too long.</exception>
    public static void AppendAtCommit(Session session, StreamId stream, string type, ReadOnlyMemory<byte> jsonData)
    {
        using var activity = Begin(stream, type, jsonData);
        var append = Append(stream, type, jsonData);
        session.AtCommit(append.Text, append.Parameters);
        EventsTelemetry.Appended.Add(1);
    }

    /// <summary>
    /// As <see cref="AppendAsync"/>, with the other statements of a pipeline, for writers that need not know the revision and whose data has no
    /// text of a stranger's: what cannot be stored is a failure of the pipeline.
    /// </summary>
    /// <exception cref="ArgumentException">The stream's id is not well-formed, or the data is too long.</exception>
    public static void Append(Pipeline pipeline, StreamId stream, string type, ReadOnlyMemory<byte> jsonData)
    {
        ArgumentNullException.ThrowIfNull(pipeline);
        using var activity = Begin(stream, type, jsonData);
        pipeline.Add(Append(stream, type, jsonData), _ => EventsTelemetry.Appended.Add(1));
    }

    private static Query<long> Append(StreamId stream, string type, ReadOnlyMemory<byte> jsonData) =>
        new(
            "select platform.append_event($1, $2, $3)",
            row => row.GetInt64(0),
            Sql.Text(stream.Value),
            Sql.Text(type),
            Sql.Json(jsonData)
        );

    private static Activity? Begin(StreamId stream, string type, ReadOnlyMemory<byte> jsonData)
    {
        if (!StreamId.TryParse(stream.Value, out _))
            throw new ArgumentException($"'{stream.Value}' is not a stream's id.", nameof(stream));
        if (jsonData.Length > EventLimits.DataBytes)
            throw new ArgumentException(
                $"An event's data has at most {EventLimits.DataBytes} bytes, not {jsonData.Length}.",
                nameof(jsonData)
            );
        return EventsTelemetry
            .Source.StartActivity("event.append", ActivityKind.Producer)
            ?.SetTag("platen.stream", stream.Value)
            .SetTag("platen.event.type", type);
    }

    private static bool IsUnstorable(PostgresException refused) =>
        refused.SqlState is PostgresErrorCodes.UntranslatableCharacter or PostgresErrorCodes.InvalidTextRepresentation;

    private static ProblemException Unstorable() =>
        KernelProblems
            .Invalid.Because("The data has a character that cannot be stored (U+0000, or half a surrogate pair).")
            .AsException();

    /// <summary>Reads events after a revision, oldest first. The session's owner sees its own only.</summary>
    /// <param name="session">Whose events.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="afterRevision">The cursor: 0 for the beginning.</param>
    /// <param name="limit">At most this many, 1 to <see cref="EventLimits.PageEvents"/>.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Empty when there is nothing newer, or no such stream.</returns>
    public static Task<List<Event>> ReadAsync(
        Session session,
        StreamId stream,
        long afterRevision,
        int limit,
        CancellationToken ct
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(afterRevision);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, EventLimits.PageEvents);
        return session.ListAsync(
            """
            select owner, stream_id, revision, type, data, at, actor from platform.event
             where owner = platform.current_owner() and stream_id = $1 and revision > $2 order by revision limit $3
            """,
            row => Read(row),
            ct,
            Sql.Text(stream.Value),
            Sql.Long(afterRevision),
            Sql.Int(limit)
        );
    }

    /// <summary>Where a stream begins and ends; all zero when nothing was appended yet.</summary>
    public static async Task<StreamHead> HeadAsync(Session session, StreamId stream, CancellationToken ct) =>
        await session.FirstAsync(
            """
            select revision, removed_through from platform.stream
             where owner = platform.current_owner() and stream_id = $1
            """,
            row => new StreamHead(row.GetInt64(0), row.GetInt64(1)),
            ct,
            Sql.Text(stream.Value)
        ) ?? new StreamHead(0, 0);

    /// <summary>
    /// Removes events older than <paramref name="olderThan"/> which every consumer has passed; a stream's newest stays.
    /// </summary>
    /// <param name="worker">A worker's session.</param>
    /// <param name="olderThan">The retention.</param>
    /// <param name="limit">At most this many in one transaction.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>How many were removed; fewer than the limit when nothing is left to remove.</returns>
    public static async Task<int> RemoveOldAsync(Session worker, TimeSpan olderThan, int limit, CancellationToken ct) =>
        await worker.FirstAsync(
            "select platform.remove_old_events($1, $2)",
            row => row.GetInt32(0),
            ct,
            new NpgsqlParameter<TimeSpan> { TypedValue = olderThan },
            Sql.Int(limit)
        );

    internal static Event Read(NpgsqlDataReader row, int from = 0) =>
        new(
            new OwnerId(row.GetGuid(from)),
            new StreamId(row.GetString(from + 1)),
            row.GetInt64(from + 2),
            row.GetString(from + 3),
            row.GetFieldValue<byte[]>(from + 4),
            row.GetFieldValue<DateTimeOffset>(from + 5),
            new ActorId(row.GetGuid(from + 6))
        );
}

/// <summary>Where a stream begins and ends.</summary>
/// <param name="Revision">The newest event's revision; 0 when there is none.</param>
/// <param name="RemovedThrough">Events up to this revision are gone; 0 when all are there.</param>
public sealed record StreamHead(long Revision, long RemovedThrough);

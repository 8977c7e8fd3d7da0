using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Widgets.Stages;

/// <summary>A cut-over as it is kept: what was asked, when it is due, and what came of it.</summary>
internal sealed record Cutover(
    Guid Id,
    string State,
    CutoverOrder Order,
    Digest AskedDigest,
    DateTimeOffset? RunAt,
    IReadOnlyList<CutoverDone> Items,
    JsonElement? Problem,
    DateTimeOffset CreatedAt,
    Actor CreatedBy,
    DateTimeOffset? FinishedAt
)
{
    public const string Scheduled = "scheduled";
    public const string Done = "done";

    private const string Columns = """
        id, state, asked::text, asked_digest, run_at, result::text, problem::text, created_at, created_by, created_by_name, finished_at
        """;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>Itself, when it is what is asked for again.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Conflict"/>: the id stands for something else.</exception>
    public Cutover AsAsked(CutoverOrder order) =>
        AskedDigest == DigestOf(order)
            ? this
            : throw KernelProblems.Conflict.Because($"{Id} is another cut-over; take a new id.").AsException();

    public static ProblemException NotFound(Guid id) =>
        KernelProblems.NotFound.Because($"There is no cut-over {id:D}.").AsException();

    public static Task<Cutover?> FindAsync(Session session, Guid id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from widgets.cutover where owner = platform.current_owner() and id = $1",
            Read,
            ct,
            Sql.Uuid(id)
        );

    public static Task<Cutover?> LockAsync(Session session, Guid id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from widgets.cutover where owner = platform.current_owner() and id = $1 for update",
            Read,
            ct,
            Sql.Uuid(id)
        );

    /// <summary>The newest first.</summary>
    public static Task<List<Cutover>> ListAsync(Session session, string? state, int limit, CancellationToken ct) =>
        session.ListAsync(
            $"""
            select {Columns} from widgets.cutover
            where owner = platform.current_owner() and ($1::text is null or state = $1)
            order by created_at desc, id desc
            limit $2
            """,
            Read,
            ct,
            Sql.Text(state),
            Sql.Int(limit)
        );

    public static Task<Cutover> AddDoneAsync(
        Session session,
        Guid id,
        CutoverOrder order,
        IReadOnlyList<CutoverDone> items,
        CancellationToken ct
    ) => AddAsync(session, id, Done, order, runAt: null, items, ct);

    public static Task<Cutover> AddScheduledAsync(
        Session session,
        Guid id,
        CutoverOrder order,
        DateTimeOffset at,
        CancellationToken ct
    ) => AddAsync(session, id, Scheduled, order, at, items: null, ct);

    public static Task<Cutover> FinishAsync(
        Session session,
        Guid id,
        IReadOnlyList<CutoverDone> items,
        CancellationToken ct
    ) => EndAsync(session, id, Done, JsonSerializer.SerializeToUtf8Bytes(items, Json), null, ct);

    public static Task<Cutover> CancelAsync(Session session, Guid id, CancellationToken ct) =>
        EndAsync(session, id, "cancelled", null, null, ct);

    public static Task<Cutover> RefuseAsync(Session session, Guid id, Problem problem, CancellationToken ct) =>
        EndAsync(
            session,
            id,
            "refused",
            null,
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    type = problem.Type.Uri,
                    detail = problem.Detail,
                    faults = problem.Faults,
                },
                Json
            ),
            ct
        );

    private static async Task<Cutover> AddAsync(
        Session session,
        Guid id,
        string state,
        CutoverOrder order,
        DateTimeOffset? runAt,
        IReadOnlyList<CutoverDone>? items,
        CancellationToken ct
    ) =>
        (
            await session.FirstAsync(
                $"""
                insert into widgets.cutover (
                    owner, id, state, asked, asked_digest, run_at, result, created_by, created_by_name, finished_at
                ) values (
                    platform.current_owner(), $1, $2, $3, $4, $5, $6, $7, $8,
                    case when $2 = 'scheduled' then null else clock_timestamp() end
                )
                returning {Columns}
                """,
                Read,
                ct,
                Sql.Uuid(id),
                Sql.Text(state),
                Sql.Json(JsonSerializer.SerializeToUtf8Bytes(order, Json)),
                Sql.Digest(DigestOf(order)),
                Time(runAt),
                Document(items is null ? null : JsonSerializer.SerializeToUtf8Bytes(items, Json)),
                Sql.Uuid(session.Context.Actor.Id.Value),
                Sql.Text(session.Context.Actor.Name)
            )
        )!;

    private static async Task<Cutover> EndAsync(
        Session session,
        Guid id,
        string state,
        byte[]? result,
        byte[]? problem,
        CancellationToken ct
    ) =>
        await session.FirstAsync(
            $"""
            update widgets.cutover set state = $2, result = $3, problem = $4, finished_at = clock_timestamp()
            where owner = platform.current_owner() and id = $1 and state = 'scheduled'
            returning {Columns}
            """,
            Read,
            ct,
            Sql.Uuid(id),
            Sql.Text(state),
            Document(result),
            Document(problem)
        ) ?? throw KernelProblems.Conflict.Because($"The cut-over {id:D} is not scheduled any more.").AsException();

    public static Digest DigestOf(CutoverOrder order) => Digest.Of(JsonSerializer.SerializeToUtf8Bytes(order, Json));

    private static NpgsqlParameter Document(byte[]? utf8) =>
        new() { Value = (object?)utf8 ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb };

    private static NpgsqlParameter Time(DateTimeOffset? at) =>
        new() { Value = (object?)at?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static Cutover Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            JsonSerializer.Deserialize<CutoverOrder>(row.GetString(2), Json)!,
            Digest.Parse(row.GetString(3)),
            row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4),
            row.IsDBNull(5) ? [] : JsonSerializer.Deserialize<List<CutoverDone>>(row.GetString(5), Json)!,
            row.IsDBNull(6) ? null : JsonElement.Parse(row.GetString(6)),
            row.GetFieldValue<DateTimeOffset>(7),
            new Actor(new ActorId(row.GetGuid(8)), row.GetString(9)),
            row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10)
        );
}

/// <summary>A cut-over, as the API gives it.</summary>
internal sealed record CutoverView(
    Guid Id,
    string State,
    string? Reason,
    DateTimeOffset? At,
    IReadOnlyList<CutoverItem> Asked,
    IReadOnlyList<CutoverDone> Items,
    JsonElement? Problem,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset? FinishedAt
)
{
    public static CutoverView Of(Cutover c) =>
        new(
            c.Id,
            c.State,
            c.Order.Reason,
            c.RunAt,
            c.Order.Items,
            c.Items,
            c.Problem,
            c.CreatedAt,
            c.CreatedBy.Name,
            c.FinishedAt
        );
}

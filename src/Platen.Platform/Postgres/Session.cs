using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;

namespace Platen.Platform.Postgres;

/// <summary>The database roles a session can act as. Each has only the grants its part needs.</summary>
public enum SessionRole
{
    /// <summary>Requests: sees the rows of the session's owner, by row-level security.</summary>
    App,

    /// <summary>Dispatchers and the job runner: sees jobs, events and channels of every owner, and nothing else.</summary>
    Worker,

    /// <summary>Public delivery: selects on a few views.</summary>
    Edge,
}

/// <summary>
/// One transaction with its scope: the role and the owner are set with <c>set_config(…, is_local =&gt; true)</c> in the round
/// trip that begins it, so they end with it, also behind a pooler in transaction mode. Rolls back unless committed.
/// Not thread-safe: one session, one flow of control.
/// </summary>
public sealed class Session : IAsyncDisposable
{
    // Raised by what counts at the commit.
    private const string LimitState = "PLT20";

    // Functions have the same search path: plans that both use are made once, and not each time they take turns.
    private const string SetScope = """
        select set_config('role', $1, true), set_config('platen.owner', $2, true),
               set_config('platen.publisher', $3, true), set_config('platen.actor', $4, true),
               set_config('search_path', '', true)
        """;

    private readonly NpgsqlDataSource pool;
    private readonly SessionRole role;
    private NpgsqlConnection connection;
    private NpgsqlTransaction transaction;
    private List<NpgsqlBatchCommand>? atCommit;
    private bool hasBegun;
    private bool committed;

    private Session(
        NpgsqlDataSource pool,
        SessionRole role,
        OperationContext context,
        NpgsqlConnection connection,
        NpgsqlTransaction transaction
    )
    {
        this.pool = pool;
        this.role = role;
        this.connection = connection;
        this.transaction = transaction;
        Context = context;
    }

    /// <summary>Who acts, for whom and why.</summary>
    public OperationContext Context { get; private set; }

    /// <summary>For whom the server acts in a session of its own: what is recorded is theirs. Null for nobody, or nobody who is known.</summary>
    public Actor? ActsFor { get; private set; }

    /// <summary>Says for whom the server acts from here on.</summary>
    /// <exception cref="InvalidOperationException">The session is not the server's own: who acts in it acts for themself.</exception>
    public void ActFor(Actor actor)
    {
        if (Context.Actor.Id != ActorId.System)
            throw new InvalidOperationException($"{Context.Actor.Id} acts for nobody else.");
        ActsFor = actor;
    }

    /// <summary>Changes every statement before it is sent. Null in the product; the tests take out what tenancy must not need.</summary>
    internal static Func<SessionRole, string, string>? Rewrite { get; set; }

    internal static async ValueTask<Session> OpenAsync(
        NpgsqlDataSource pool,
        SessionRole role,
        OperationContext context,
        CancellationToken ct
    )
    {
        var (connection, transaction) = await ConnectAsync(pool, ct);
        return new Session(pool, role, context, connection, transaction);
    }

    // Npgsql sends BEGIN with the first statement.
    private static async Task<(NpgsqlConnection, NpgsqlTransaction)> ConnectAsync(
        NpgsqlDataSource pool,
        CancellationToken ct
    )
    {
        var opened = await pool.OpenConnectionAsync(ct);
        try
        {
            return (opened, await opened.BeginTransactionAsync(ct));
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends statements in one round trip, with the scope before the first of the session.</summary>
    /// <param name="statements">Run one after the other: each sees what those before it have locked.</param>
    /// <param name="read">Reads their results, as many as it wants.</param>
    /// <param name="ct">Cancels; the transaction is then only good for rolling back.</param>
    internal async Task<T> SendAsync<T>(
        IReadOnlyCollection<NpgsqlBatchCommand> statements,
        Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken ct
    )
    {
        try
        {
            return await SendOnceAsync(statements, read, ct);
        }
        catch (NpgsqlException exception) when (!hasBegun && IsBroken(exception))
        {
            // The pool handed out a connection whose server has gone since, and so have its idle neighbours; or it went before it said
            // anything. What it ran is rolled back: one more try, on a new connection.
            pool.Clear();
            await connection.DisposeAsync();
            (connection, transaction) = await ConnectAsync(pool, ct);
            return await SendOnceAsync(statements.Select(Copy), read, ct);
        }
    }

    // A statement knows where it was prepared.
    private static NpgsqlBatchCommand Copy(NpgsqlBatchCommand statement)
    {
        var copy = new NpgsqlBatchCommand(statement.CommandText);
        foreach (NpgsqlParameter parameter in statement.Parameters)
            copy.Parameters.Add(parameter.Clone());
        return copy;
    }

    private async Task<T> SendOnceAsync<T>(
        IEnumerable<NpgsqlBatchCommand> statements,
        Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken ct
    )
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        if (!hasBegun)
            batch.BatchCommands.Add(Scope(role, Context));
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        if (!hasBegun)
        {
            hasBegun = true;
            await reader.NextResultAsync(ct);
        }
        var result = await read(reader, ct);
        // What was refused is heard of when its turn comes.
        while (await reader.NextResultAsync(ct)) { }
        return result;
    }

    private static NpgsqlBatchCommand Scope(SessionRole role, OperationContext context)
    {
        var scope = new NpgsqlBatchCommand(SetScope);
        scope.Parameters.AddRange(ScopeOf(role, context));
        return scope;
    }

    private static NpgsqlParameter[] ScopeOf(SessionRole role, OperationContext context) =>
        [
            new NpgsqlParameter<string> { TypedValue = RoleName(role) },
            new NpgsqlParameter<string> { TypedValue = context.Owner.ToString() },
            new NpgsqlParameter<string> { TypedValue = context.MayPublishCurated ? "on" : "off" },
            new NpgsqlParameter<string> { TypedValue = context.Actor.Id.ToString() },
        ];

    /// <summary>
    /// Reads what one round trip can: scope and queries go to the server up to one Sync, which makes them a transaction of their own
    /// without BEGIN and COMMIT (PostgreSQL, "Pipelining"). Their scope ends with it, also behind a pooler in transaction mode.
    /// </summary>
    internal static async Task<T> ReadAsync<T>(
        NpgsqlDataSource pool,
        SessionRole role,
        OperationContext context,
        IReadOnlyCollection<NpgsqlBatchCommand> queries,
        Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken ct
    )
    {
        try
        {
            return await ReadOnceAsync(pool, role, context, queries, read, ct);
        }
        catch (NpgsqlException exception) when (IsBroken(exception))
        {
            // As with the first statements of a session; and to read again changes nothing.
            pool.Clear();
            return await ReadOnceAsync(pool, role, context, queries.Select(Copy), read, ct);
        }
    }

    private static async Task<T> ReadOnceAsync<T>(
        NpgsqlDataSource pool,
        SessionRole role,
        OperationContext context,
        IEnumerable<NpgsqlBatchCommand> queries,
        Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken ct
    )
    {
        await using var opened = await pool.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(opened);
        batch.BatchCommands.Add(Scope(role, context));
        foreach (var query in queries)
            batch.BatchCommands.Add(query);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        return await read(reader, ct);
    }

    // Cut off, or told "terminating connection" and "the database system is shutting down" before it was.
    private static bool IsBroken(NpgsqlException exception) =>
        exception is PostgresException refused
            ? refused.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            : exception.InnerException is IOException or EndOfStreamException or System.Net.Sockets.SocketException;

    /// <summary>A statement for <see cref="SendAsync"/>; parameters are positional, <c>$1</c> onwards.</summary>
    internal NpgsqlBatchCommand Statement(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        Statement(role, sql, parameters);

    internal static NpgsqlBatchCommand Statement(
        SessionRole role,
        string sql,
        params ReadOnlySpan<NpgsqlParameter> parameters
    )
    {
        var statement = new NpgsqlBatchCommand(Rewritten(role, sql));
        foreach (var parameter in parameters)
            statement.Parameters.Add(parameter);
        return statement;
    }

    /// <summary>Runs a statement and returns how many rows it changed.</summary>
    public Task<int> ExecuteAsync(string sql, CancellationToken ct, params NpgsqlParameter[] parameters) =>
        SendAsync([Statement(sql, parameters)], CountAsync, ct);

    private static async Task<int> CountAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        while (await reader.NextResultAsync(ct)) { }
        return reader.RecordsAffected;
    }

    /// <summary>Runs a query and returns the first row made into a value, or <c>default</c> when there is none.</summary>
    public Task<T?> FirstAsync<T>(
        string sql,
        Func<NpgsqlDataReader, T> read,
        CancellationToken ct,
        params NpgsqlParameter[] parameters
    ) =>
        SendAsync(
            [Statement(sql, parameters)],
            async (reader, ct) => await reader.ReadAsync(ct) ? read(reader) : default,
            ct
        );

    /// <summary>Runs a query and returns every row made into a value. The query carries its own LIMIT.</summary>
    public Task<List<T>> ListAsync<T>(
        string sql,
        Func<NpgsqlDataReader, T> read,
        CancellationToken ct,
        params NpgsqlParameter[] parameters
    ) => SendAsync([Statement(sql, parameters)], (reader, ct) => Query<T>.RowsAsync(reader, read, ct), ct);

    /// <summary>Runs a query and returns its first row's value, or <c>default</c> when there is none.</summary>
    public Task<T?> FirstAsync<T>(Query<T> query, CancellationToken ct) =>
        FirstAsync(query.Text, query.Read, ct, query.Parameters);

    /// <summary>Runs a query and returns the value of each row.</summary>
    public Task<List<T>> ListAsync<T>(Query<T> query, CancellationToken ct) =>
        ListAsync(query.Text, query.Read, ct, query.Parameters);

    /// <summary>Runs two queries in one round trip, one after the other: the second sees what the first has locked.</summary>
    public Task<(List<T1>, List<T2>)> TogetherAsync<T1, T2>(Query<T1> first, Query<T2> second, CancellationToken ct) =>
        SendAsync(
            [first.Statement(role), second.Statement(role)],
            async (reader, ct) => (await first.RowsAsync(reader, ct), await second.NextRowsAsync(reader, ct)),
            ct
        );

    /// <summary>Runs three queries in one round trip, one after the other: each sees what those before it have locked.</summary>
    public Task<(List<T1>, List<T2>, List<T3>)> TogetherAsync<T1, T2, T3>(
        Query<T1> first,
        Query<T2> second,
        Query<T3> third,
        CancellationToken ct
    ) =>
        SendAsync(
            [first.Statement(role), second.Statement(role), third.Statement(role)],
            async (reader, ct) =>
                (
                    await first.RowsAsync(reader, ct),
                    await second.NextRowsAsync(reader, ct),
                    await third.NextRowsAsync(reader, ct)
                ),
            ct
        );

    /// <summary>Runs four queries in one round trip, one after the other: each sees what those before it have locked.</summary>
    public Task<(List<T1>, List<T2>, List<T3>, List<T4>)> TogetherAsync<T1, T2, T3, T4>(
        Query<T1> first,
        Query<T2> second,
        Query<T3> third,
        Query<T4> fourth,
        CancellationToken ct
    ) =>
        SendAsync(
            [first.Statement(role), second.Statement(role), third.Statement(role), fourth.Statement(role)],
            async (reader, ct) =>
                (
                    await first.RowsAsync(reader, ct),
                    await second.NextRowsAsync(reader, ct),
                    await third.NextRowsAsync(reader, ct),
                    await fourth.NextRowsAsync(reader, ct)
                ),
            ct
        );

    /// <summary>
    /// Adds a statement whose result nobody waits for: it travels with the commit, in its round trip, before it. When it fails the
    /// commit does not happen. A session that does not commit never runs it.
    /// </summary>
    public void AtCommit(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        (atCommit ??= []).Add(Statement(sql, parameters));

    /// <summary>
    /// Makes the rest of the transaction another owner's: for what the server does to rows of several owners that happens to all of them or
    /// to none. What <see cref="AtCommit"/> has so far is sent first, while the former owner's scope holds.
    /// </summary>
    /// <param name="owner">Whose rows are seen from here on.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="InvalidOperationException">Somebody other than the server acts: nobody else leaves the scope they came with.</exception>
    public async Task EnterAsync(OwnerId owner, CancellationToken ct)
    {
        if (Context.Actor.Id != ActorId.System)
            throw new InvalidOperationException($"{Context.Actor.Id} acts for {Context.Owner} and nobody else.");
        var enter = Statement("select set_config('platen.owner', $1, true)", Sql.Text(owner.ToString()));
        await SendAsync([.. atCommit ?? [], enter], Nothing, ct);
        atCommit = null;
        Context = Context with { Owner = owner };
    }

    /// <summary>Commits, after the statements of <see cref="AtCommit"/>. After it the session is only good for disposing.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/>: what is counted at the commit is too much, and
    /// nothing was written.</exception>
    public async Task CommitAsync(CancellationToken ct)
    {
        try
        {
            await CommitAfterAsync([], Nothing, ct);
        }
        catch (PostgresException refused) when (refused.SqlState == LimitState)
        {
            throw LimitReached(refused).AsException();
        }
        committed = true;
    }

    /// <summary>
    /// Runs a last statement and commits, with what <see cref="AtCommit"/> has between them, in one round trip: for a statement that
    /// cannot find other than what the session has locked.
    /// </summary>
    /// <returns>The value of each row of the statement.</returns>
    /// <exception cref="ProblemException">As <see cref="CommitAsync"/>.</exception>
    public async Task<List<T>> CommitWithAsync<T>(Query<T> last, CancellationToken ct)
    {
        try
        {
            var rows = await CommitAfterAsync([last.Statement(role)], last.RowsAsync, ct);
            committed = true;
            return rows;
        }
        catch (PostgresException refused) when (refused.SqlState == LimitState)
        {
            throw LimitReached(refused).AsException();
        }
    }

    private static Task<bool> Nothing(NpgsqlDataReader reader, CancellationToken ct) => Task.FromResult(true);

    // One pipeline up to one Sync: the server skips everything after a failed statement, COMMIT included.
    private async Task<T> CommitAfterAsync<T>(
        NpgsqlBatchCommand[] first,
        Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken ct
    )
    {
        // What may have been committed is not sent again, so it is not sent on a connection that has not been heard of yet.
        if (!hasBegun)
            await SendAsync([], Nothing, ct);
        return await SendAsync([.. first, .. atCommit ?? [], new NpgsqlBatchCommand("commit")], read, ct);
    }

    // The hint is "name used allowed".
    private static Problem LimitReached(PostgresException refused)
    {
        var problem = KernelProblems.LimitReached.Because(refused.MessageText + ".");
        return
            refused.Hint?.Split(' ') is [var name, var used, var allowed]
            && long.TryParse(used, NumberStyles.None, CultureInfo.InvariantCulture, out var usedNow)
            && long.TryParse(allowed, NumberStyles.None, CultureInfo.InvariantCulture, out var most)
            ? problem.With("limit", name).With("used", usedNow).With("allowed", most)
            : problem;
    }

    /// <summary>Rolls back unless committed, and gives the connection back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (hasBegun && !committed)
            await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    private static string Rewritten(SessionRole role, string sql) => Rewrite is null ? sql : Rewrite(role, sql);

    private static string RoleName(SessionRole role) =>
        role switch
        {
            SessionRole.App => "platen_app",
            SessionRole.Worker => "platen_worker",
            SessionRole.Edge => "platen_edge",
            _ => throw new ArgumentOutOfRangeException(nameof(role)),
        };
}

/// <summary>A query with what makes its rows into values, for <see cref="Session.TogetherAsync{T1, T2}"/>.</summary>
/// <param name="Text">The statement. It carries its own LIMIT, or finds one row.</param>
/// <param name="Read">Makes a row into a value.</param>
/// <param name="Parameters">Positional, <c>$1</c> onwards.</param>
/// <remarks>For one use: the parameters go to one command.</remarks>
public sealed record Query<T>(string Text, Func<NpgsqlDataReader, T> Read, params NpgsqlParameter[] Parameters)
{
    /// <summary>The statement, for one batch.</summary>
    internal NpgsqlBatchCommand Statement(SessionRole role) => Session.Statement(role, Text, Parameters);

    /// <summary>The rows of the reader's current result.</summary>
    internal Task<List<T>> RowsAsync(NpgsqlDataReader reader, CancellationToken ct) => RowsAsync(reader, Read, ct);

    /// <summary>The rows of the reader's next result.</summary>
    internal async Task<List<T>> NextRowsAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        await reader.NextResultAsync(ct);
        return await RowsAsync(reader, ct);
    }

    internal static async Task<List<T>> RowsAsync(
        NpgsqlDataReader reader,
        Func<NpgsqlDataReader, T> read,
        CancellationToken ct
    )
    {
        var rows = new List<T>();
        while (await reader.ReadAsync(ct))
            rows.Add(read(reader));
        return rows;
    }
}

/// <summary>Positional parameters with their PostgreSQL types spelled out.</summary>
public static class Sql
{
    public static NpgsqlParameter Text(string? value) => Of(value, NpgsqlDbType.Text);

    public static NpgsqlParameter Json(ReadOnlyMemory<byte> utf8) =>
        new() { Value = utf8, NpgsqlDbType = NpgsqlDbType.Jsonb };

    public static NpgsqlParameter Uuid(Guid value) => new NpgsqlParameter<Guid> { TypedValue = value };

    public static NpgsqlParameter Long(long? value) => Of(value, NpgsqlDbType.Bigint);

    public static NpgsqlParameter Int(int value) => new NpgsqlParameter<int> { TypedValue = value };

    public static NpgsqlParameter Bool(bool value) => new NpgsqlParameter<bool> { TypedValue = value };

    public static NpgsqlParameter Bytes(ReadOnlyMemory<byte> value) =>
        new() { Value = value, NpgsqlDbType = NpgsqlDbType.Bytea };

    public static NpgsqlParameter Owner(OwnerId owner) => Uuid(owner.Value);

    /// <summary>A digest as its printed form; a null digest as NULL.</summary>
    public static NpgsqlParameter Digest(Digest? digest) => Text(digest?.ToString());

    private static NpgsqlParameter Of(object? value, NpgsqlDbType type) =>
        new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}

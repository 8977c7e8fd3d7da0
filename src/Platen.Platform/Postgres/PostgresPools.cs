using Npgsql;
using Platen.Kernel;

namespace Platen.Platform.Postgres;

/// <summary>
/// The connection pools of one process: one for requests and background work, one for public delivery, whose login can
/// only select. Thread-safe.
/// </summary>
public sealed class PostgresPools : IAsyncDisposable
{
    // Planning a statement with its policies takes longer than running it; a statement in use since then is planned once.
    private const int PreparedStatements = 64;

    // How long delivery waits for a connection when its connection string does not say: it has something else to show.
    private const int EdgePatienceSeconds = 3;

    private readonly NpgsqlDataSource? app;
    private readonly NpgsqlDataSource edge;
    private readonly NpgsqlDataSource? listen;
    private readonly NpgsqlDataSource listenEdge;

    private PostgresPools(
        NpgsqlDataSource? app,
        NpgsqlDataSource edge,
        NpgsqlDataSource? listen,
        NpgsqlDataSource listenEdge
    )
    {
        this.app = app;
        this.edge = edge;
        this.listen = listen;
        this.listenEdge = listenEdge;
    }

    /// <summary>
    /// The pools of a process that is delivery and nothing else. It knows delivery's login alone, and asks the database nothing until it is
    /// needed: whether it answers, and what it is, need not be known for a start.
    /// </summary>
    /// <exception cref="PostgresStartException">No connection string leads to a database.</exception>
    public static PostgresPools OpenEdgeAlone(PostgresOptions options)
    {
        var login =
            options.EdgeConnectionString
            ?? options.ConnectionString
            ?? throw new PostgresStartException(
                "A process that is delivery alone has no database of its own. Set ConnectionStrings__PlatenEdge to the login that may "
                    + "act as platen_edge, in the database of the other processes."
            );
        var direct =
            options.EdgeDirectConnectionString
            ?? options.EdgeConnectionString
            ?? options.DirectConnectionString
            ?? login;
        return new PostgresPools(
            null,
            Pool(Impatient(login), options.EdgeConnections, pooled: true),
            null,
            Single(Impatient(direct))
        );
    }

    /// <summary>Whether there is delivery's login and no other: only <see cref="OpenEdgeAsync"/> and <see cref="ListenEdgeAsync"/> work.</summary>
    public bool IsEdgeAlone => app is null;

    /// <summary>A transaction for the owner of <paramref name="context"/>, which begins with its first statement.</summary>
    /// <exception cref="NpgsqlException">The database does not answer, or refuses.</exception>
    public ValueTask<Session> OpenAsync(OperationContext context, CancellationToken ct) =>
        Session.OpenAsync(App(app), SessionRole.App, context, ct);

    /// <summary>Begins a transaction that sees the jobs, events and channels of every owner.</summary>
    public ValueTask<Session> OpenWorkerAsync(string reason, CancellationToken ct) =>
        Session.OpenAsync(App(app), SessionRole.Worker, OperationContext.ForSystem(OwnerId.Platform, reason), ct);

    /// <summary>Begins a transaction that can only select from the public views.</summary>
    public ValueTask<Session> OpenEdgeAsync(CancellationToken ct) =>
        Session.OpenAsync(edge, SessionRole.Edge, OperationContext.ForSystem(OwnerId.Platform, "delivery"), ct);

    /// <summary>The rows of a query, in one round trip that is a transaction of its own, for the owner of <paramref name="context"/>.</summary>
    /// <exception cref="NpgsqlException">The database does not answer, or refuses.</exception>
    public Task<List<T>> ReadAsync<T>(OperationContext context, Query<T> query, CancellationToken ct) =>
        ReadAsync(App(app), SessionRole.App, context, query, ct);

    /// <summary>As <see cref="ReadAsync{T}(OperationContext, Query{T}, CancellationToken)"/>, of every owner's jobs, events and channels.</summary>
    public Task<List<T>> ReadWorkerAsync<T>(string reason, Query<T> query, CancellationToken ct) =>
        ReadAsync(App(app), SessionRole.Worker, OperationContext.ForSystem(OwnerId.Platform, reason), query, ct);

    /// <summary>As <see cref="ReadAsync{T}(OperationContext, Query{T}, CancellationToken)"/>, of the public views.</summary>
    public Task<List<T>> ReadEdgeAsync<T>(Query<T> query, CancellationToken ct) =>
        ReadAsync(edge, SessionRole.Edge, OperationContext.ForSystem(OwnerId.Platform, "delivery"), query, ct);

    /// <summary>As <see cref="ReadAsync{T}(OperationContext, Query{T}, CancellationToken)"/>, of two queries that see the same committed rows or later ones, in their order.</summary>
    public Task<(List<T1>, List<T2>)> ReadAsync<T1, T2>(
        OperationContext context,
        Query<T1> first,
        Query<T2> second,
        CancellationToken ct
    ) =>
        Session.ReadAsync(
            App(app),
            SessionRole.App,
            context,
            [first.Statement(SessionRole.App), second.Statement(SessionRole.App)],
            async (reader, ct) => (await first.NextRowsAsync(reader, ct), await second.NextRowsAsync(reader, ct)),
            ct
        );

    /// <summary>As <see cref="ReadAsync{T}(OperationContext, Query{T}, CancellationToken)"/>, of four queries that see the same committed rows or later ones, in their order.</summary>
    public Task<(List<T1>, List<T2>, List<T3>, List<T4>)> ReadAsync<T1, T2, T3, T4>(
        OperationContext context,
        Query<T1> first,
        Query<T2> second,
        Query<T3> third,
        Query<T4> fourth,
        CancellationToken ct
    ) =>
        Session.ReadAsync(
            App(app),
            SessionRole.App,
            context,
            [
                first.Statement(SessionRole.App),
                second.Statement(SessionRole.App),
                third.Statement(SessionRole.App),
                fourth.Statement(SessionRole.App),
            ],
            async (reader, ct) =>
                (
                    await first.NextRowsAsync(reader, ct),
                    await second.NextRowsAsync(reader, ct),
                    await third.NextRowsAsync(reader, ct),
                    await fourth.NextRowsAsync(reader, ct)
                ),
            ct
        );

    private static Task<List<T>> ReadAsync<T>(
        NpgsqlDataSource pool,
        SessionRole role,
        OperationContext context,
        Query<T> query,
        CancellationToken ct
    ) => Session.ReadAsync(pool, role, context, [query.Statement(role)], query.NextRowsAsync, ct);

    /// <summary>
    /// A connection outside any transaction and outside the pools, for LISTEN; it goes to the server itself, also when the
    /// pools lead through a pooler. The caller keeps it open and disposes it.
    /// </summary>
    public ValueTask<NpgsqlConnection> ListenAsync(CancellationToken ct) => App(listen).OpenConnectionAsync(ct);

    /// <summary>As <see cref="ListenAsync"/>, with the delivery login.</summary>
    public ValueTask<NpgsqlConnection> ListenEdgeAsync(CancellationToken ct) => listenEdge.OpenConnectionAsync(ct);

    public async ValueTask DisposeAsync()
    {
        if (app is not null)
            await app.DisposeAsync();
        await edge.DisposeAsync();
        if (listen is not null)
            await listen.DisposeAsync();
        await listenEdge.DisposeAsync();
    }

    internal static PostgresPools Open(PoolPlan plan) =>
        new(
            Pool(plan.App, plan.AppConnections, plan.Pooled),
            Pool(plan.Edge, plan.EdgeConnections, plan.Pooled),
            Single(plan.Listen),
            Single(plan.ListenEdge)
        );

    /// <summary>Drops idle connections: the server they led to is gone.</summary>
    internal void Forget()
    {
        app?.Clear();
        edge.Clear();
    }

    private static NpgsqlDataSource App(NpgsqlDataSource? source) =>
        source
        ?? throw new InvalidOperationException("This process is delivery alone: it has delivery's login and no other.");

    private static string Impatient(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (!settings.ShouldSerialize("Timeout"))
            settings.Timeout = EdgePatienceSeconds;
        return settings.ConnectionString;
    }

    internal static NpgsqlDataSource Pool(string connectionString, int connections, bool pooled)
    {
        // ShouldSerialize tells what the connection string says; ContainsKey is true of every keyword that Npgsql knows.
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (!settings.ShouldSerialize("Maximum Pool Size"))
            settings.MaxPoolSize = connections;
        if (!settings.ShouldSerialize("Application Name"))
            settings.ApplicationName = "platen";
        // A session keeps everything it sets local to its transaction: there is nothing to reset.
        settings.NoResetOnClose = true;
        // Behind a pooler the next transaction may run on another server process, which has not prepared the statement.
        if (pooled)
            settings.MaxAutoPrepare = 0;
        else if (!settings.ShouldSerialize("Max Auto Prepare"))
            settings.MaxAutoPrepare = PreparedStatements;
        return NpgsqlDataSource.Create(settings);
    }

    // Keep-alive makes a wait on a connection whose server vanished without a word fail.
    private static NpgsqlDataSource Single(string connectionString) =>
        NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString)
            {
                Pooling = false,
                KeepAlive = 15,
                ApplicationName = "platen listen",
            }
        );
}

/// <summary>Where each pool leads.</summary>
/// <param name="App">The application's connection string.</param>
/// <param name="Listen">The application's way to the server itself.</param>
/// <param name="Edge">Delivery's connection string.</param>
/// <param name="ListenEdge">Delivery's way to the server itself.</param>
/// <param name="Pooled">Whether a pooler stands between.</param>
/// <param name="AppConnections">Connections at most, unless the connection string says.</param>
/// <param name="EdgeConnections">Connections at most, unless the connection string says.</param>
internal sealed record PoolPlan(
    string App,
    string Listen,
    string Edge,
    string ListenEdge,
    bool Pooled,
    int AppConnections,
    int EdgeConnections
);

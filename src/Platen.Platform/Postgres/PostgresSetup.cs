using Microsoft.Extensions.Logging;
using Npgsql;

namespace Platen.Platform.Postgres;

/// <summary>Brings a server's PostgreSQL up: the embedded one, or one it is pointed at.</summary>
public static class PostgresSetup
{
    /// <summary>The oldest external version: row-level security, <c>security_invoker</c> views and MERGE are all there.</summary>
    public const int OldestMajor = 15;

    /// <summary>The newest external version this was tested with.</summary>
    public const int NewestMajor = 18;

    // A LISTEN that works delivers at once; a pooler in transaction mode never does.
    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Starts or reaches the database, checks its version, makes the roles, migrates every module in the order given, and
    /// opens the pools. Safe to run on many nodes at once.
    /// </summary>
    /// <param name="options">Which database.</param>
    /// <param name="modules">The modules' SQL, those that others refer to first.</param>
    /// <param name="logger">Told what happens.</param>
    /// <param name="ct">Gives up and stops what was started.</param>
    /// <param name="progress">Told before each migration.</param>
    /// <exception cref="PostgresStartException">The database cannot be used; the message is for the operator.</exception>
    /// <exception cref="MigrationException">The database cannot be brought to this version.</exception>
    public static async Task<PostgresRuntime> StartAsync(
        PostgresOptions options,
        IReadOnlyList<SqlModule> modules,
        ILogger logger,
        CancellationToken ct,
        IProgress<MigrationStep>? progress = null
    )
    {
        if (options.ConnectionString is not null)
            return await ReachAsync(options, modules, logger, progress, ct);

        if (OperatingSystem.IsWindows())
            throw new PostgresStartException(
                "The embedded PostgreSQL runs on Linux and macOS. Set ConnectionStrings__Platen to a PostgreSQL 15 to 18."
            );
        var embedded = await EmbeddedPostgres.StartAsync(options, logger, ct);
        try
        {
            var admin = embedded.ConnectionString(EmbeddedPostgres.AdminLogin);
            var app = embedded.ConnectionString(EmbeddedPostgres.AppLogin);
            var edge = embedded.ConnectionString(EmbeddedPostgres.EdgeLogin);
            await PrepareAsync(admin, app, edge, modules, logger, progress, ct);
            var pools = PostgresPools.Open(
                new PoolPlan(app, app, edge, edge, Pooled: false, options.AppConnections, options.EdgeConnections)
            );
            embedded.Restarted += (_, _) => pools.Forget();
            return new PostgresRuntime(pools, admin, edge, embedded.Version, embedded);
        }
        catch
        {
            await embedded.DisposeAsync();
            throw;
        }
    }

    private static async Task<PostgresRuntime> ReachAsync(
        PostgresOptions options,
        IReadOnlyList<SqlModule> modules,
        ILogger logger,
        IProgress<MigrationStep>? progress,
        CancellationToken ct
    )
    {
        var app = options.ConnectionString!;
        var direct = options.DirectConnectionString ?? app;
        var edge = options.EdgeConnectionString ?? app;
        var edgeDirect = options.EdgeDirectConnectionString ?? (options.EdgeConnectionString ?? direct);

        var pooled = await CheckAsync(app, "ConnectionStrings__Platen", logger, ct);
        if (direct != app)
            await CheckAsync(direct, "ConnectionStrings__PlatenDirect", logger, ct);

        var edgePooled = edge == app ? pooled : await CheckAsync(edge, "ConnectionStrings__PlatenEdge", logger, ct);
        if (pooled && direct == app)
            await ProbeListenAsync(direct, "ConnectionStrings__Platen", "ConnectionStrings__PlatenDirect", ct);
        if (edgePooled && edgeDirect == edge && edge != app)
            await ProbeListenAsync(
                edgeDirect,
                "ConnectionStrings__PlatenEdge",
                "ConnectionStrings__PlatenEdgeDirect",
                ct
            );

        await PrepareAsync(direct, app, edge, modules, logger, progress, ct);
        var pools = PostgresPools.Open(
            new PoolPlan(
                app,
                direct,
                edge,
                edgeDirect,
                pooled || edgePooled,
                options.AppConnections,
                options.EdgeConnections
            )
        );
        return new PostgresRuntime(pools, direct, edge, await VersionAsync(direct, ct), embedded: null);
    }

    private static async Task PrepareAsync(
        string admin,
        string app,
        string edge,
        IReadOnlyList<SqlModule> modules,
        ILogger logger,
        IProgress<MigrationStep>? progress,
        CancellationToken ct
    )
    {
        await using var source = Once(admin);
        await PostgresRoles.EnsureAsync(source, await LoginAsync(app, ct), await LoginAsync(edge, ct), logger, ct);
        await new Migrator(source, modules, logger).MigrateAsync(progress, ct);
    }

    // A login may come from the connection string, the environment or the operating system: the server knows.
    private static async Task<string> LoginAsync(string connectionString, CancellationToken ct)
    {
        await using var source = Once(connectionString);
        await using var command = source.CreateCommand("select session_user::text");
        return (string)(await command.ExecuteScalarAsync(ct))!;
    }

    private static async Task<string> VersionAsync(string connectionString, CancellationToken ct)
    {
        await using var source = Once(connectionString);
        await using var connection = await source.OpenConnectionAsync(ct);
        return connection.PostgreSqlVersion.ToString();
    }

    private static async Task<bool> CheckAsync(
        string connectionString,
        string setting,
        ILogger logger,
        CancellationToken ct
    )
    {
        await using var source = Once(connectionString);
        NpgsqlConnection connection;
        try
        {
            connection = await source.OpenConnectionAsync(ct);
        }
        catch (NpgsqlException exception)
        {
            throw new PostgresStartException(
                $"PostgreSQL does not let the server in with {setting}: {exception.Message} Check host, port, database, user "
                    + "and password, and that the server is up.",
                exception
            );
        }
        await using (connection)
        {
            var version = connection.PostgreSqlVersion;
            if (Refusal(version, setting) is { } refusal)
                throw new PostgresStartException(refusal);
            await using var encoding = new NpgsqlCommand("show server_encoding", connection);
            if (await encoding.ExecuteScalarAsync(ct) is not "UTF8")
                throw new PostgresStartException(
                    $"The database '{connection.Database}' of {setting} is not in UTF-8. Make one that is: "
                        + "CREATE DATABASE platen TEMPLATE template0 ENCODING 'UTF8';"
                );
            var pooled = await IsPooledAsync(connection, ct);
            PostgresLog.External(
                logger,
                version.ToString(),
                connection.Host ?? "",
                connection.Database,
                pooled ? ", through a pooler" : ""
            );
            return pooled;
        }
    }

    internal static string? Refusal(Version version, string setting) =>
        version.Major switch
        {
            < OldestMajor =>
                $"{setting} leads to PostgreSQL {version}; Platen needs {OldestMajor} to {NewestMajor}. Upgrade that server, or use another.",
            > NewestMajor =>
                $"{setting} leads to PostgreSQL {version}; this Platen needs {OldestMajor} to {NewestMajor}. Use one of those, or a newer Platen.",
            _ => null,
        };

    // A pooler makes up the process id it announces (for cancelling); the server itself announces its own.
    private static async Task<bool> IsPooledAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select pg_backend_pid()", connection);
        return (int)(await command.ExecuteScalarAsync(ct))! != connection.ProcessID;
    }

    private static async Task ProbeListenAsync(
        string connectionString,
        string setting,
        string wanted,
        CancellationToken ct
    )
    {
        var channel = "platen_probe_" + Guid.CreateVersion7().ToString("N");
        await using var source = Once(connectionString);
        await using var listener = await source.OpenConnectionAsync(ct);
        var heard = false;
        listener.Notification += (_, _) => heard = true;
        await RunAsync(listener, $"listen {channel}", ct);
        await using (var speaker = await source.OpenConnectionAsync(ct))
            await RunAsync(speaker, $"notify {channel}", ct);
        if (!heard)
            await listener.WaitAsync(ProbePatience, ct);
        if (!heard)
            throw new PostgresStartException(
                $"{setting} leads through a pooler in transaction mode, where LISTEN does not work. Set {wanted} to the "
                    + "PostgreSQL server itself; the pools go on using the pooler."
            );
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static NpgsqlDataSource Once(string connectionString) =>
        NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, MaxAutoPrepare = 0 }
        );
}

/// <summary>A running database with its pools. Disposing closes the pools and stops the database when it is embedded.</summary>
public sealed class PostgresRuntime : IAsyncDisposable
{
    private readonly EmbeddedPostgres? embedded;

    internal PostgresRuntime(
        PostgresPools pools,
        string adminConnectionString,
        string edgeConnectionString,
        string version,
        EmbeddedPostgres? embedded
    )
    {
        Pools = pools;
        AdminConnectionString = adminConnectionString;
        EdgeConnectionString = edgeConnectionString;
        Version = version;
        this.embedded = embedded;
        if (embedded is not null)
            embedded.Restarted += (_, _) => Restarted?.Invoke(this, EventArgs.Empty);
    }

    /// <summary>The application's and delivery's pools.</summary>
    public PostgresPools Pools { get; }

    /// <summary>The login that migrates, for backups and repairs.</summary>
    public string AdminConnectionString { get; }

    /// <summary>Delivery's login.</summary>
    public string EdgeConnectionString { get; }

    /// <summary>The database server's version, such as <c>18.4</c>.</summary>
    public string Version { get; }

    /// <summary>Whether the server runs this database itself.</summary>
    public bool IsEmbedded => embedded is not null;

    /// <summary>The embedded database's process id; null for an external one, and 0 while it is being restarted.</summary>
    public int? ProcessId => embedded?.ProcessId;

    /// <summary>Raised after the embedded database died and is ready again. Sessions from before have failed.</summary>
    public event EventHandler? Restarted;

    public async ValueTask DisposeAsync()
    {
        await Pools.DisposeAsync();
        if (embedded is not null)
            await embedded.DisposeAsync();
    }
}

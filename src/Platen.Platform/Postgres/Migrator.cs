using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Platen.Platform.Postgres;

/// <summary>
/// Brings a database to this binary's version: each module's forward migrations, a transaction each, then its functions
/// and policies whole when any of them changed. An advisory lock lets one node migrate while others wait; running it
/// again changes nothing.
/// </summary>
/// <remarks>
/// Everything is created as <c>platen_owner</c> with an empty search path, so files name their schema. Forced row-level
/// security holds for that role too: a migration that rewrites rows says <c>alter table … no force row level security</c>
/// before and <c>force</c> after, in its own transaction. Runs that were refused or failed leave the database as the last
/// complete file left it.
/// </remarks>
public sealed class Migrator(NpgsqlDataSource database, IReadOnlyList<SqlModule> modules, ILogger logger)
{
    // Any fixed number will do; it only has to be Platen's own: the ASCII of "platen".
    private const long LockKey = 0x706c6174656e;

    // A migration waits for a table's lock behind running transactions, and everybody else queues behind the migration:
    // better to give way and try again.
    private const int LockAttempts = 5;
    private const string LockTimeout = "10s";

    /// <summary>Migrates, and returns what was done.</summary>
    /// <param name="progress">Told before each step; called on the migrating flow.</param>
    /// <param name="ct">Stops between two files, or rolls the running one back.</param>
    /// <exception cref="MigrationException">A file was changed, is missing or fails; or a newer binary has migrated.</exception>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public async Task<MigrationSummary> MigrateAsync(IProgress<MigrationStep>? progress, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        await using var turn = await TakeTurnAsync(ct);
        await using var connection = await database.OpenConnectionAsync(ct);
        var applied = await ReadAppliedAsync(connection, ct);
        var pending = modules.Select(module => (module, Migrations: Pending(module, applied.Migrations))).ToList();
        var known = modules.Select(module => module.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var foreign in applied.Migrations.Keys.Where(key => !known.Contains(key.Module)))
            PostgresLog.UnknownModule(logger, foreign.Module);

        var total = pending.Sum(work => work.Migrations.Count);
        var done = 0;
        var scripts = 0;
        foreach (var (module, migrations) in pending)
        {
            foreach (var migration in migrations)
            {
                progress?.Report(new MigrationStep(module.Name, migration.Name, ++done, total));
                PostgresLog.Migrating(logger, module.Name, migration.Name, done, total);
                await InTransactionAsync(connection, module, $"Migrations/{migration.Name}.sql", migration, ct);
            }
            if (migrations.Count > 0 || Changed(module, applied.Scripts))
            {
                progress?.Report(new MigrationStep(module.Name, "functions and policies", done, total));
                await ApplyScriptsAsync(connection, module, ct);
                scripts += module.Files.Scripts.Count;
            }
        }
        if (scripts > 0)
            await ApplyLastScriptsAsync(connection, ct);
        var summary = new MigrationSummary(total, scripts, Stopwatch.GetElapsedTime(started));
        PostgresLog.Migrated(logger, summary.Migrations, summary.Scripts, summary.Took.TotalMilliseconds);
        return summary;
    }

    // The lock belongs to a transaction and not to a connection, so that it also holds behind a transaction pooler.
    private async Task<NpgsqlConnection> TakeTurnAsync(CancellationToken ct)
    {
        var connection = await database.OpenConnectionAsync(ct);
        try
        {
            await ExecuteAsync(connection, "begin; set local idle_in_transaction_session_timeout = 0", ct);
            await using var attempt = new NpgsqlCommand($"select pg_try_advisory_xact_lock({LockKey})", connection);
            if (await attempt.ExecuteScalarAsync(ct) is not true)
            {
                PostgresLog.WaitingForMigration(logger);
                await using var wait = new NpgsqlCommand($"select pg_advisory_xact_lock({LockKey})", connection)
                {
                    CommandTimeout = 0,
                };
                await wait.ExecuteNonQueryAsync(ct);
            }
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static async Task<Applied> ReadAppliedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var migrations = new Dictionary<(string Module, int Number), (string Name, string Checksum)>();
        var scripts = new Dictionary<(string Module, string Path), string>();
        await using (
            var exists = new NpgsqlCommand("select to_regclass('platform.applied_script') is not null", connection)
        )
        {
            if (await exists.ExecuteScalarAsync(ct) is not true)
                return new Applied(migrations, scripts);
        }
        await using var read = new NpgsqlCommand(
            """
            begin;
            set local role platen_owner;
            select module, number, name, checksum from platform.migration;
            select module, path, checksum from platform.applied_script;
            commit
            """,
            connection
        );
        await using var reader = await read.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            migrations.Add((reader.GetString(0), reader.GetInt32(1)), (reader.GetString(2), reader.GetString(3)));
        await reader.NextResultAsync(ct);
        while (await reader.ReadAsync(ct))
            scripts.Add((reader.GetString(0), reader.GetString(1)), reader.GetString(2));
        return new Applied(migrations, scripts);
    }

    private static List<SqlMigration> Pending(
        SqlModule module,
        Dictionary<(string Module, int Number), (string Name, string Checksum)> applied
    )
    {
        var files = module.Files.Migrations;
        var numbers = files.Select(file => file.Number).ToHashSet();
        var newest = 0;
        foreach (var ((name, number), was) in applied.OrderBy(entry => entry.Key.Number))
        {
            if (name != module.Name)
                continue;
            newest = number;
            if (!numbers.Contains(number))
                throw new MigrationException(
                    $"{module.Name}: the database has the migration {was.Name}, which this version of Platen does not know: "
                        + "a newer version has run here. Start that version or a later one, or restore a backup made before it ran."
                );
        }
        var pending = new List<SqlMigration>();
        foreach (var file in files)
        {
            if (!applied.TryGetValue((module.Name, file.Number), out var was))
            {
                if (file.Number < newest)
                    throw new MigrationException(
                        $"{module.Name}: {file.Name}.sql has never run here, although {newest:D4} has. Migrations only go "
                            + "forward: give the file the next free number."
                    );
                pending.Add(file);
            }
            else if (was.Checksum != file.Checksum.ToString() || was.Name != file.Name)
                throw new MigrationException(
                    $"{module.Name}: {file.Name}.sql is not the file that ran here as {was.Name} (it had {was.Checksum}, "
                        + $"now {file.Checksum}). A migration that has run is never changed: put the former text back and write a new migration."
                );
        }
        return pending;
    }

    private static bool Changed(SqlModule module, Dictionary<(string Module, string Path), string> applied)
    {
        var scripts = module.Files.Scripts;
        return applied.Keys.Count(key => key.Module == module.Name) != scripts.Count
            || scripts.Any(script =>
                !applied.TryGetValue((module.Name, script.Path), out var checksum)
                || checksum != script.Checksum.ToString()
            );
    }

    private Task InTransactionAsync(
        NpgsqlConnection connection,
        SqlModule module,
        string path,
        SqlMigration migration,
        CancellationToken ct
    ) =>
        WithLockRetriesAsync(
            connection,
            module,
            async () =>
            {
                await RunFileAsync(connection, module, path, migration.Text, ct);
                await using var book = new NpgsqlCommand(
                    "insert into platform.migration (module, number, name, checksum) values ($1, $2, $3, $4)",
                    connection
                );
                book.Parameters.Add(Sql.Text(module.Name));
                book.Parameters.Add(Sql.Int(migration.Number));
                book.Parameters.Add(Sql.Text(migration.Name));
                book.Parameters.Add(Sql.Digest(migration.Checksum));
                await book.ExecuteNonQueryAsync(ct);
            },
            ct
        );

    private Task ApplyScriptsAsync(NpgsqlConnection connection, SqlModule module, CancellationToken ct) =>
        WithLockRetriesAsync(
            connection,
            module,
            async () =>
            {
                var scripts = module.Files.Scripts.Where(script => !script.IsLast).ToList();
                foreach (var script in scripts)
                    await RunFileAsync(connection, module, script.Path, script.Text, ct);
                // The last ones come after what has changed now: until they have run, they are not in force.
                await using var forget = new NpgsqlCommand(
                    "delete from platform.applied_script where module = $1 or starts_with(path, $2)",
                    connection
                );
                forget.Parameters.Add(Sql.Text(module.Name));
                forget.Parameters.Add(Sql.Text(SqlModule.LastFolder));
                await forget.ExecuteNonQueryAsync(ct);
                await BookAsync(connection, module, scripts, ct);
            },
            ct
        );

    private async Task ApplyLastScriptsAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        foreach (var module in modules)
        {
            var scripts = module.Files.Scripts.Where(script => script.IsLast).ToList();
            if (scripts.Count == 0)
                continue;
            await WithLockRetriesAsync(
                connection,
                module,
                async () =>
                {
                    foreach (var script in scripts)
                        await RunFileAsync(connection, module, script.Path, script.Text, ct);
                    await BookAsync(connection, module, scripts, ct);
                },
                ct
            );
        }
    }

    private static async Task BookAsync(
        NpgsqlConnection connection,
        SqlModule module,
        IEnumerable<SqlScript> scripts,
        CancellationToken ct
    )
    {
        foreach (var script in scripts)
        {
            await using var book = new NpgsqlCommand(
                "insert into platform.applied_script (module, path, checksum) values ($1, $2, $3)",
                connection
            );
            book.Parameters.Add(Sql.Text(module.Name));
            book.Parameters.Add(Sql.Text(script.Path));
            book.Parameters.Add(Sql.Digest(script.Checksum));
            await book.ExecuteNonQueryAsync(ct);
        }
    }

    private async Task WithLockRetriesAsync(
        NpgsqlConnection connection,
        SqlModule module,
        Func<Task> work,
        CancellationToken ct
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var transaction = await connection.BeginTransactionAsync(ct);
            try
            {
                await ExecuteAsync(
                    connection,
                    $"set local role platen_owner; set local search_path = ''; set local lock_timeout = '{LockTimeout}'; "
                        + "set local statement_timeout = 0",
                    ct
                );
                await work();
                await transaction.CommitAsync(ct);
                return;
            }
            catch (MigrationException exception)
                when (attempt < LockAttempts
                    && exception.InnerException
                        is PostgresException
                        {
                            SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected
                        }
                )
            {
                PostgresLog.MigrationGaveWay(logger, module.Name, attempt);
            }
        }
    }

    private static async Task RunFileAsync(
        NpgsqlConnection connection,
        SqlModule module,
        string path,
        string text,
        CancellationToken ct
    )
    {
        try
        {
            await using var command = new NpgsqlCommand(text, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(ct);
        }
        catch (PostgresException exception)
        {
            throw new MigrationException(
                $"{module.Name}: {path} failed and was rolled back: {exception.MessageText} (SQLSTATE {exception.SqlState}"
                    + (exception.Where is { } place ? ", " + place : "")
                    + ")"
                    + (exception.Hint is { } hint ? " Hint: " + hint : ""),
                exception
            );
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private sealed record Applied(
        Dictionary<(string Module, int Number), (string Name, string Checksum)> Migrations,
        Dictionary<(string Module, string Path), string> Scripts
    );
}

/// <summary>One step of a migration that is about to run.</summary>
/// <param name="Module">The module's name.</param>
/// <param name="Name">The file, or <c>functions and policies</c>.</param>
/// <param name="Number">Which forward migration of this run it is, from 1.</param>
/// <param name="Total">How many forward migrations this run has.</param>
public sealed record MigrationStep(string Module, string Name, int Number, int Total);

/// <summary>What a run did.</summary>
/// <param name="Migrations">Forward migrations applied.</param>
/// <param name="Scripts">Function and policy files applied again.</param>
/// <param name="Took">From asking for the lock to the end.</param>
public sealed record MigrationSummary(int Migrations, int Scripts, TimeSpan Took);

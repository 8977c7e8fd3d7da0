using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Platen.Platform.Postgres;

/// <summary>
/// The PostgreSQL 18 that the server runs for itself, as a child process on a unix socket:
/// <code>
/// $PLATEN_DATA/platen.lock            held while a server uses the folder
/// $PLATEN_DATA/postgres/              the database (0700)
/// $PLATEN_DATA/postgres.new-{random}/ a database being made; renamed when complete
/// $PLATEN_DATA/postgres-socket/       the socket (0700); in the temporary folder when the path is too long for one
/// $PLATEN_DATA/postgres-runtime-V/    a copy of the programs, only when their own folder is private
/// </code>
/// It is restarted when it dies, and dies with the server. Thread-safe.
/// </summary>
internal sealed class EmbeddedPostgres : IAsyncDisposable
{
    public const string DatabaseName = "platen";
    public const string AdminLogin = "postgres";
    public const string AppLogin = "platen_server";
    public const string EdgeLogin = "platen_delivery";

    private const int LongestSocketPath = 100;
    private const int LastWordsLines = 12;
    private const string UnfinishedSuffix = ".new-";
    private static readonly TimeSpan RemovalPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RemovalPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Steady = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LastWordsPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastStop = TimeSpan.FromSeconds(5);

    private readonly PostgresOptions options;
    private readonly PostgresBinaries binaries;
    private readonly PostgresAccount account;
    private readonly DataFolderLock folderLock;
    private readonly ILogger logger;
    private readonly string databaseFolder;
    private readonly string socketFolder;
    private readonly Lock gate = new();
    private readonly Queue<string> lastWords = new();
    private readonly ManualResetEventSlim stopping = new();
    private readonly TaskCompletionSource firstReady = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? process;
    private bool wasReady;

    private EmbeddedPostgres(
        PostgresOptions options,
        PostgresBinaries binaries,
        PostgresAccount account,
        DataFolderLock folderLock,
        string databaseFolder,
        string socketFolder,
        ILogger logger
    )
    {
        this.options = options;
        this.binaries = binaries;
        this.account = account;
        this.folderLock = folderLock;
        this.databaseFolder = databaseFolder;
        this.socketFolder = socketFolder;
        this.logger = logger;
    }

    /// <summary>Raised after the database died and is ready again: connections from before are broken.</summary>
    public event EventHandler? Restarted;

    public string Version => binaries.Version;

    /// <summary>The running postmaster.</summary>
    public int ProcessId
    {
        get
        {
            lock (gate)
                return process?.Id ?? 0;
        }
    }

    /// <summary>How a login reaches a database of it.</summary>
    public string ConnectionString(string login, string database = DatabaseName) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = socketFolder,
            Username = login,
            Database = database,
            SslMode = SslMode.Disable,
        }.ConnectionString;

    /// <summary>Starts the database, making it first when there is none, and returns when it answers.</summary>
    /// <exception cref="PostgresStartException">It cannot be started; the message says why and what to do.</exception>
    [UnsupportedOSPlatform("windows")]
    public static async Task<EmbeddedPostgres> StartAsync(PostgresOptions options, ILogger logger, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        var dataFolder = Path.GetFullPath(options.DataFolder);
        if (!Directory.Exists(dataFolder))
            Directory.CreateDirectory(
                dataFolder,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            );
        var held = DataFolderLock.Take(dataFolder, options.Url);
        EmbeddedPostgres? running = null;
        try
        {
            var target = Path.Combine(dataFolder, "postgres");
            var user = await PostgresAccount.ChooseAsync(target, ct);
            await user.ReachAsync(dataFolder, ct);
            var programs = await PostgresBinaries.FindAsync(options.BinariesFolder, ct);
            programs = await user.ReachAsync(programs, dataFolder, logger, ct);
            var isNew = !Directory.Exists(target);
            if (isNew)
                await InitializeAsync(options, programs, user, target, logger, ct);
            else
                await CheckVersionAsync(target, programs, ct);
            await StopOrphanAsync(target, options.StopTimeout, logger, ct);
            var socket = await MakeSocketFolderAsync(dataFolder, user, ct);

            running = new EmbeddedPostgres(options, programs, user, held, target, socket, logger);
            await running.RunAsync(ct);
            await running.MakeDatabaseAsync(ct);
            PostgresLog.Ready(
                logger,
                programs.Version,
                Stopwatch.GetElapsedTime(started).TotalMilliseconds,
                target,
                running.ProcessId
            );
            return running;
        }
        catch
        {
            if (running is not null)
                await running.DisposeAsync();
            else
                held.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Stops the database: fast (SIGINT: transactions are rolled back, everything is written), and at once (SIGQUIT, with
    /// recovery at the next start) when that takes longer than <see cref="PostgresOptions.StopTimeout"/>.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!stopping.IsSet)
        {
            stopping.Set();
            var began = Stopwatch.GetTimestamp();
            if (await StopAsync())
                PostgresLog.Stopped(logger, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            if (!IsInside(socketFolder, Path.GetDirectoryName(databaseFolder)!) && Directory.Exists(socketFolder))
                Directory.Delete(socketFolder, recursive: true);
            folderLock.Dispose();
        }
    }

    private async Task<bool> StopAsync()
    {
        if (ProcessId is not 0 and var pid)
        {
            if (!await SignalAndWaitAsync(pid, Unix.SigInt, options.StopTimeout))
            {
                PostgresLog.SlowStop(logger, options.StopTimeout.TotalSeconds, "SIGINT", "SIGQUIT");
                if (!await SignalAndWaitAsync(pid, Unix.SigQuit, LastStop))
                {
                    PostgresLog.SlowStop(logger, LastStop.TotalSeconds, "SIGQUIT", "SIGKILL");
                    await SignalAndWaitAsync(pid, Unix.SigKill, LastStop);
                }
            }
            return true;
        }
        return false;
    }

    private async Task<bool> SignalAndWaitAsync(int pid, int signal, TimeSpan patience)
    {
        if (!ended.Task.IsCompleted)
            Unix.Signal(pid, signal);
        try
        {
            await ended.Task.WaitAsync(patience);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    // The parent-death signal is bound to the thread that forks, not to its process, so the fork is done by a thread that
    // does nothing else and lives as long as the database should.
    private async Task RunAsync(CancellationToken ct)
    {
        new Thread(Supervise) { IsBackground = true, Name = "platen-postgres" }.Start();
        try
        {
            await firstReady.Task.WaitAsync(options.StartTimeout, ct);
        }
        catch (TimeoutException exception)
        {
            throw new PostgresStartException(
                $"PostgreSQL was not ready after {options.StartTimeout.TotalSeconds:F0} s. Its last words: {LastWords()}",
                exception
            );
        }
    }

    private void Supervise()
    {
        var backoff = FirstBackoff;
        try
        {
            while (!stopping.IsSet)
            {
                var started = Stopwatch.GetTimestamp();
                var exitCode = RunOnce();
                if (stopping.IsSet)
                    return;
                if (!wasReady && !IsLeavingBackends())
                {
                    firstReady.TrySetException(
                        new PostgresStartException(
                            $"PostgreSQL does not start in {databaseFolder}: {LastWords()}{Remedy()}"
                        )
                    );
                    return;
                }
                if (Stopwatch.GetElapsedTime(started) > Steady)
                    backoff = FirstBackoff;
                PostgresLog.Died(logger, exitCode, backoff.TotalMilliseconds, LastWords());
                stopping.Wait(backoff);
                backoff = backoff * 2 < LongestBackoff ? backoff * 2 : LongestBackoff;
            }
        }
        catch (Exception exception)
        {
            firstReady.TrySetException(
                new PostgresStartException($"PostgreSQL cannot be started: {exception.Message}", exception)
            );
        }
        finally
        {
            ended.TrySetResult();
        }
    }

    private int RunOnce()
    {
        var command = account.WrapServer(ServerCommand()).ToList();
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = "/",
        };
        start.Environment["LC_ALL"] = "C";
        using var child = new Process { StartInfo = start };
        lock (gate)
        {
            if (stopping.IsSet)
                return 0;
            lastWords.Clear();
            child.Start();
            process = child;
        }
        child.StandardInput.Close();
        var heard = Task.WhenAll(ListenAsync(child.StandardError), ListenAsync(child.StandardOutput));
        child.WaitForExit();
        // The last words say why it ended; children that outlive it may hold the pipe open for longer than they matter.
        heard.Wait(LastWordsPatience);
        lock (gate)
        {
            process = null;
            return child.ExitCode;
        }
    }

    private async Task ListenAsync(StreamReader said)
    {
        try
        {
            while (await said.ReadLineAsync() is { } line)
                Hear(line);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The pipe went away with the process, whose end the supervisor reports.
            PostgresLog.Said(logger, exception.Message);
        }
    }

    private void Hear(string line)
    {
        lock (gate)
        {
            lastWords.Enqueue(line);
            if (lastWords.Count > LastWordsLines)
                lastWords.Dequeue();
        }
        if (line.StartsWith("PANIC:", StringComparison.Ordinal))
            PostgresLog.Panicked(logger, line);
        else if (
            line.StartsWith("WARNING:", StringComparison.Ordinal) || line.StartsWith("FATAL:", StringComparison.Ordinal)
        )
            PostgresLog.Warned(logger, line);
        else
            PostgresLog.Said(logger, line);
        if (line.Contains("database system is ready to accept connections", StringComparison.Ordinal))
            BecomeReady();
    }

    private void BecomeReady()
    {
        if (firstReady.TrySetResult())
            wasReady = true;
        else
            Restarted?.Invoke(this, EventArgs.Empty);
    }

    private string LastWords()
    {
        lock (gate)
            return lastWords.Count == 0 ? "(none)" : string.Join(" | ", lastWords);
    }

    // After kill -9 of the postmaster its children need a moment to notice; until then a new one refuses.
    private bool IsLeavingBackends() =>
        LastWords().Contains("pre-existing shared memory block", StringComparison.Ordinal);

    private string Remedy()
    {
        var words = LastWords();
        if (IsOutOfRoom(words))
            return $" There is no room left in {databaseFolder}: free some, then start again.";
        if (words.Contains("wrong ownership", StringComparison.Ordinal))
            return $" The folder belongs to another user: start the server as that user, or give it the folder (chown -R {account.Name} {databaseFolder}).";
        return "";
    }

    // Settings stand on the command line so that a new version's apply at once; an operator's own go into
    // postgresql.conf for anything that is not listed here.
    private IEnumerable<string> ServerCommand()
    {
        yield return binaries.Postgres;
        yield return "-D";
        yield return databaseFolder;
        string[] settings =
        [
            "listen_addresses=",
            $"unix_socket_directories={socketFolder}",
            "unix_socket_permissions=0700",
            "max_connections=100",
            "log_destination=stderr",
            "logging_collector=off",
            "log_line_prefix=",
            "lc_messages=C",
            // Statements and their details carry people's data: the server logs its own errors, with trace ids.
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",
            .. options.Durable ? Array.Empty<string>() : ["fsync=off", "full_page_writes=off"],
        ];
        foreach (var setting in settings)
        {
            yield return "-c";
            yield return setting;
        }
    }

    // Sized for a small machine; the operator's to change.
    private const string Configuration = """

        # Platen's choices for a small machine. Change them as you like; what Platen needs itself (socket, logging,
        # max_connections) is set on the command line and wins.
        shared_buffers = 128MB
        effective_cache_size = 512MB
        work_mem = 8MB
        maintenance_work_mem = 64MB
        wal_compression = on
        max_wal_size = 512MB
        min_wal_size = 64MB
        checkpoint_completion_target = 0.9
        random_page_cost = 1.1
        max_parallel_workers_per_gather = 1
        jit = off
        idle_in_transaction_session_timeout = 60s
        autovacuum_naptime = 20s
        """;

    // Only the socket's folder, which is 0700, leads in.
    private const string HostBasedAuthentication = """
        # TYPE  DATABASE  USER  METHOD
        local   all       all   trust
        """;

    [UnsupportedOSPlatform("windows")]
    private static async Task InitializeAsync(
        PostgresOptions options,
        PostgresBinaries binaries,
        PostgresAccount account,
        string databaseFolder,
        ILogger logger,
        CancellationToken ct
    )
    {
        PostgresLog.Initializing(logger, databaseFolder, account.Name);
        await RemoveUnfinishedAsync(databaseFolder, logger, ct);
        // A name of its own: the initdb of a start that was killed may live on and go on writing to where it began.
        var unfinished = databaseFolder + UnfinishedSuffix + Path.GetRandomFileName();
        try
        {
            MakePrivateFolder(unfinished, account);
            // The built-in C.UTF-8 sorts alike on every machine and never changes with the system's library.
            var command = account
                .Wrap([
                    binaries.InitDb,
                    "--pgdata",
                    unfinished,
                    "--username",
                    AdminLogin,
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    "--auth=trust",
                    .. options.Durable ? Array.Empty<string>() : ["--no-sync"],
                ])
                .ToList();
            var (exit, printed, error) = await Unix.RunAsync(command[0], command.Skip(1), ct);
            if (exit != 0)
                throw new PostgresStartException(
                    IsOutOfRoom(error)
                        ? $"There is no room for a database in {Path.GetDirectoryName(databaseFolder)}: it needs about 100 MB. "
                            + "Nothing was left behind; free some space or choose another PLATEN_DATA, then start again."
                        : $"The database cannot be made in {databaseFolder}: {LastLines(error.Length > 0 ? error : printed)}"
                );
            await File.AppendAllTextAsync(Path.Combine(unfinished, "postgresql.conf"), Configuration + "\n", ct);
            await File.WriteAllTextAsync(Path.Combine(unfinished, "pg_hba.conf"), HostBasedAuthentication + "\n", ct);
            Directory.Move(unfinished, databaseFolder);
        }
        catch
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            throw;
        }
    }

    private static async Task RemoveUnfinishedAsync(string databaseFolder, ILogger logger, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        foreach (
            var folder in Directory.GetDirectories(
                Path.GetDirectoryName(databaseFolder)!,
                Path.GetFileName(databaseFolder) + UnfinishedSuffix + "*"
            )
        )
        {
            PostgresLog.RemovingLeftover(logger, folder);
            while (!IsRemoved(folder))
            {
                if (Stopwatch.GetElapsedTime(began) > RemovalPatience)
                    throw new PostgresStartException(
                        $"{folder}, left by a start that was cut off, is still being written to. End the initdb that does "
                            + "it (pgrep -f initdb), then start again."
                    );
                await Task.Delay(RemovalPause, ct);
            }
        }
    }

    // False while a program adds files to it.
    private static bool IsRemoved(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task CheckVersionAsync(string databaseFolder, PostgresBinaries binaries, CancellationToken ct)
    {
        var file = Path.Combine(databaseFolder, "PG_VERSION");
        if (!File.Exists(file))
            throw new PostgresStartException(
                $"{databaseFolder} is not a PostgreSQL database (it has no PG_VERSION). Move it away to start with a new one, "
                    + "or restore it from a backup."
            );
        var version = (await File.ReadAllTextAsync(file, ct)).Trim();
        if (version != PostgresBinaries.Major.ToString(CultureInfo.InvariantCulture))
            throw new PostgresStartException(
                $"{databaseFolder} was made by PostgreSQL {version}; this server brings {binaries.Version}, which cannot read "
                    + $"it. Bring it to {PostgresBinaries.Major} with that version's pg_upgrade and put the result there, or "
                    + $"start a PostgreSQL {version} of your own on it and set ConnectionStrings__Platen (15 to 18)."
            );
    }

    private static async Task StopOrphanAsync(
        string databaseFolder,
        TimeSpan patience,
        ILogger logger,
        CancellationToken ct
    )
    {
        var file = Path.Combine(databaseFolder, "postmaster.pid");
        if (!File.Exists(file))
            return;
        var lines = await File.ReadAllLinesAsync(file, ct);
        if (
            lines.Length == 0
            || !int.TryParse(lines[0], CultureInfo.InvariantCulture, out var pid)
            || !Unix.IsAlive(pid)
        )
            return;
        if (!await IsPostmasterOfAsync(pid, databaseFolder, ct))
        {
            // The number has gone to some other process since: PostgreSQL would take that one for its former self.
            File.Delete(file);
            return;
        }
        PostgresLog.StoppingOrphan(logger, pid);
        foreach (
            var (signal, name) in (ReadOnlySpan<(int, string)>)[(Unix.SigInt, "SIGINT"), (Unix.SigQuit, "SIGQUIT")]
        )
        {
            Unix.Signal(pid, signal);
            if (WaitForEnd(pid, patience, ct))
                return;
            PostgresLog.SlowStop(logger, patience.TotalSeconds, name, "the next step");
        }
        throw new PostgresStartException(
            $"The PostgreSQL of a former server still runs in {databaseFolder} (process {pid}) and does not stop. End it "
                + "(kill -QUIT, then kill -KILL), then start again."
        );
    }

    internal static bool WaitForEnd(int pid, TimeSpan patience, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        var pause = TimeSpan.FromMilliseconds(10);
        while (Unix.IsAlive(pid))
        {
            ct.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(began) > patience)
                return false;
            ct.WaitHandle.WaitOne(pause);
        }
        return true;
    }

    // A postmaster's working folder is its database, whatever its command line says.
    private static async Task<bool> IsPostmasterOfAsync(int pid, string databaseFolder, CancellationToken ct)
    {
        if (OperatingSystem.IsLinux())
        {
            var working = new DirectoryInfo($"/proc/{pid}/cwd").ResolveLinkTarget(returnFinalTarget: false)?.FullName;
            var real = new DirectoryInfo(databaseFolder).ResolveLinkTarget(returnFinalTarget: true)?.FullName;
            return working == (real ?? databaseFolder);
        }
        var (_, printed, _) = await Unix.RunAsync("ps", ["-o", "command=", "-p", $"{pid}"], ct);
        return printed.Contains(databaseFolder, StringComparison.Ordinal);
    }

    /// <summary>Where the socket of a data folder is.</summary>
    internal static string SocketFolder(string dataFolder)
    {
        var inside = Path.Combine(dataFolder, "postgres-socket");
        if (Encoding.UTF8.GetByteCount(inside) + "/.s.PGSQL.5432.lock".Length <= LongestSocketPath)
            return inside;
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)));
        return Path.Combine(Path.GetTempPath(), "platen-" + digest[..16]);
    }

    private static bool IsInside(string folder, string dataFolder) =>
        folder.StartsWith(dataFolder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    [UnsupportedOSPlatform("windows")]
    private static async Task<string> MakeSocketFolderAsync(
        string dataFolder,
        PostgresAccount account,
        CancellationToken ct
    )
    {
        var folder = SocketFolder(dataFolder);
        if (!IsInside(folder, dataFolder) && Directory.Exists(folder) && OperatingSystem.IsLinux())
        {
            // Anybody may make a folder in the temporary one: only ours will do.
            var (owner, _) = await PostgresAccount.OwnerOfAsync(folder, ct);
            if (owner != account.User || new DirectoryInfo(folder).LinkTarget is not null)
                throw new PostgresStartException(
                    $"{folder}, where PostgreSQL's socket goes because {dataFolder} is too long for one, belongs to "
                        + "somebody else. Remove it, or choose a shorter PLATEN_DATA."
                );
        }
        MakePrivateFolder(folder, account);
        return folder;
    }

    [UnsupportedOSPlatform("windows")]
    private static void MakePrivateFolder(string folder, PostgresAccount account)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(folder, Private);
        File.SetUnixFileMode(folder, Private);
        account.Give(folder);
    }

    private async Task MakeDatabaseAsync(CancellationToken ct)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString(AdminLogin, "postgres") + ";Pooling=false");
        await using var connection = await source.OpenConnectionAsync(ct);
        string[] logins = [AppLogin, EdgeLogin];
        foreach (var login in logins)
        {
            await using var role = new NpgsqlCommand(
                $"""
                do $$ begin
                    if not exists (select from pg_roles where rolname = '{login}') then
                        create role {login} login noinherit;
                    end if;
                end $$
                """,
                connection
            );
            await role.ExecuteNonQueryAsync(ct);
        }
        await using var exists = new NpgsqlCommand("select 1 from pg_database where datname = $1", connection);
        exists.Parameters.Add(Sql.Text(DatabaseName));
        if (await exists.ExecuteScalarAsync(ct) is not null)
            return;
        await using var create = new NpgsqlCommand($"create database {DatabaseName}", connection);
        await create.ExecuteNonQueryAsync(ct);
    }

    private static bool IsOutOfRoom(string words) =>
        words.Contains("No space left on device", StringComparison.Ordinal)
        || words.Contains("Check free disk space", StringComparison.Ordinal)
        || words.Contains("Disk quota exceeded", StringComparison.Ordinal);

    private static string LastLines(string text) =>
        string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(LastWordsLines));
}

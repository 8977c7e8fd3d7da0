using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Npgsql;
using Platen.Testing.Servers;

namespace Platen.Testing;

/// <summary>
/// A PostgreSQL 15 from the distribution (16 and 17 from npm), and on demand a pgbouncer in transaction mode before it, on loopback
/// ports: what an operator points <c>ConnectionStrings__Platen</c> at. On Debian as root the packages are installed; elsewhere
/// they must be there.
/// </summary>
public sealed class ExternalPostgres : IAsyncDisposable
{
    /// <summary>Connections to the database that the pooler shares out, for each login and database.</summary>
    public const int BouncerPoolSize = 4;

    private const string OfTheDistribution = "/usr/lib/postgresql/15/bin";
    private readonly string folder;
    private readonly List<Process> running = [];

    private ExternalPostgres(string folder) => this.folder = folder;

    /// <summary>The database server's port.</summary>
    public int Port { get; private set; }

    /// <summary>A superuser's connection string to a database.</summary>
    public string Superuser(string database = "postgres") => Login("postgres", database, Port);

    /// <summary>A login's connection string.</summary>
    public static string Login(string login, string database, int port) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Host=127.0.0.1;Port={port};Username={login};Password=secret;Database={database};SSL Mode=Disable"
        );

    /// <summary>Starts the server, a PostgreSQL 15.</summary>
    public static async Task<ExternalPostgres> StartAsync(CancellationToken ct)
    {
        await NeedAsync($"{OfTheDistribution}/postgres", "postgresql-15", ct);
        return await StartAsync(OfTheDistribution, ct);
    }

    /// <summary>Starts a server of another version, which is fetched once.</summary>
    /// <param name="major">16 or 17.</param>
    /// <param name="ct">Gives up.</param>
    public static async Task<ExternalPostgres> StartAsync(int major, CancellationToken ct)
    {
        // Its package makes the account that a database runs as where the tests are root.
        await NeedAsync($"{OfTheDistribution}/postgres", "postgresql-15", ct);
        return await StartAsync(await FetchAsync(major, ct), ct);
    }

    private static async Task<string> FetchAsync(int major, CancellationToken ct)
    {
        var from = Path.Combine(
            Build.Repository,
            "tests",
            "Platen.Testing",
            "Postgres",
            major.ToString(CultureInfo.InvariantCulture)
        );
        using var package = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(from, "package.json"), ct));
        var version = package.RootElement.GetProperty("version").GetString();
        var os = OperatingSystem.IsMacOS() ? "darwin" : "linux";
        var cpu = RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant();
        var target = Path.Combine(Build.Repository, "artifacts", "postgres", $"{version}-{os}-{cpu}");
        var fetch = Path.Combine(Build.Repository, "src", "Platen.Platform", "Postgres", "Embedded", "fetch.mjs");
        await RunAsync("node", [fetch, target, os, cpu, from], ct);
        return Path.Combine(target, "bin");
    }

    private static async Task<ExternalPostgres> StartAsync(string programs, CancellationToken ct)
    {
        var external = new ExternalPostgres(PostgresFixture.NewFolder());
        var database = Path.Combine(external.folder, "database");
        Directory.CreateDirectory(database);
        await RunAsync("chown", ["-R", Account, external.folder], ct);
        var (program, arguments) = AsAccount(
            $"{programs}/initdb",
            "-D",
            database,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8"
        );
        await RunAsync(program, arguments, ct);
        external.Port = FreePort();
        (program, arguments) = AsAccount(
            $"{programs}/postgres",
            "-D",
            database,
            "-p",
            external.Port.ToString(CultureInfo.InvariantCulture),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            $"unix_socket_directories={external.folder}",
            "-c",
            "fsync=off",
            "-c",
            "lc_messages=C"
        );
        await external.LaunchAsync(program, arguments, "ready to accept connections", ct);
        return external;
    }

    /// <summary>Starts a pgbouncer in transaction mode and returns its port.</summary>
    public async Task<int> StartBouncerAsync(CancellationToken ct)
    {
        await NeedAsync("/usr/sbin/pgbouncer", "pgbouncer", ct);
        var port = FreePort();
        var settings = Path.Combine(folder, "pgbouncer.ini");
        await File.WriteAllTextAsync(
            settings,
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                [databases]
                * = host=127.0.0.1 port={Port}
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = {port}
                unix_socket_dir =
                auth_type = trust
                auth_file = {folder}/users.txt
                pool_mode = transaction
                default_pool_size = {BouncerPoolSize}
                ignore_startup_parameters = extra_float_digits
                """
            ),
            ct
        );
        await File.WriteAllTextAsync(Path.Combine(folder, "users.txt"), "\"postgres\" \"\"\n", ct);
        var (program, arguments) = AsAccount("/usr/sbin/pgbouncer", settings);
        await LaunchAsync(program, arguments, "process up", ct);
        return port;
    }

    /// <summary>Runs SQL as a superuser.</summary>
    public async Task ExecuteAsync(string sql, CancellationToken ct, string database = "postgres")
    {
        await using var connection = new NpgsqlConnection(Superuser(database) + ";Pooling=false");
        await connection.OpenAsync(ct);
        foreach (
            var statement in sql.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        )
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The pooler goes first; SIGINT is a fast stop for both.
        foreach (var process in Enumerable.Reverse(running))
        {
            await RunAsync("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)], CancellationToken.None);
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }
        Directory.Delete(folder, recursive: true);
    }

    private static string Account => Environment.UserName == "root" ? "postgres" : Environment.UserName;

    private static (string Program, string[] Arguments) AsAccount(params string[] command) =>
        Environment.UserName == "root"
            ? (
                "setpriv",
                [
                    "--reuid",
                    "postgres",
                    "--regid",
                    "postgres",
                    "--clear-groups",
                    "--pdeathsig",
                    "KILL",
                    "--",
                    .. command,
                ]
            )
            : (command[0], command[1..]);

    // The death signal is bound to the starting thread: one that waits for the process to end.
    private async Task LaunchAsync(string program, string[] arguments, string readyWhen, CancellationToken ct)
    {
        var launched = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            var process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardError = true,
                    UseShellExecute = false,
                    WorkingDirectory = "/",
                }
            )!;
            launched.SetResult(process);
            process.WaitForExit();
        })
        {
            IsBackground = true,
        }.Start();
        var started = await launched.Task;
        running.Add(started);
        var said = new List<string>();
        while (await started.StandardError.ReadLineAsync(ct) is { } line)
        {
            said.Add(line);
            if (!line.Contains(readyWhen, StringComparison.Ordinal))
                continue;
            _ = started.StandardError.ReadToEndAsync(CancellationToken.None);
            return;
        }
        throw new InvalidOperationException($"{program} did not start: {string.Join('\n', said)}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task NeedAsync(string program, string package, CancellationToken ct)
    {
        if (File.Exists(program))
            return;
        if (Environment.UserName != "root" || !File.Exists("/usr/bin/apt-get"))
            throw new InvalidOperationException(
                $"This test needs {program}: install the package {package} (Debian, Ubuntu)."
            );
        await RunAsync("apt-get", ["install", "-y", "--no-install-recommends", package], ct);
    }

    private static async Task RunAsync(string program, IEnumerable<string> arguments, CancellationToken ct)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments)
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
                UseShellExecute = false,
                WorkingDirectory = "/",
            }
        )!;
        var error = process.StandardError.ReadToEndAsync(ct);
        await process.StandardOutput.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} failed: {await error}");
    }
}

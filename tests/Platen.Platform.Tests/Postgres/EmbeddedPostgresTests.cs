using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

[UnsupportedOSPlatform("windows")]
public sealed class EmbeddedPostgresTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly string folder = PostgresFixture.NewFolder();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_was_written_survives_killing_the_server_and_the_database()
    {
        string data = Path.Combine(folder, "platen-data");
        using (var host = await Host.StartAsync(data))
        {
            await ExecuteAsync(data, "create table public.kept (value int); insert into public.kept values (42)");
            Unix.Signal(host.PostmasterId, Unix.SigKill);
            host.Kill();
            await host.EndOfDatabaseAsync();
        }

        using var again = await Host.StartAsync(data);
        (await ScalarAsync(data, "select value from public.kept")).ShouldBe(42);
        await again.StopAsync();
    }

    [Fact]
    public async Task The_database_ends_with_a_killed_server()
    {
        using var host = await Host.StartAsync(folder);
        host.Kill();
        await host.EndOfDatabaseAsync();
        File.Exists(Path.Combine(folder, "postgres", "postmaster.pid")).ShouldBeFalse("it was stopped, not cut off");
    }

    [Fact]
    public async Task The_database_is_out_of_reach_of_the_terminals_interrupt()
    {
        using var host = await Host.StartAsync(folder);
        var session = (await File.ReadAllTextAsync($"/proc/{host.PostmasterId}/stat", Ct)).Split(") ")[1].Split(' ')[3];
        session.ShouldBe(host.PostmasterId.ToString(CultureInfo.InvariantCulture));
        await host.StopAsync();
    }

    [Fact]
    public async Task A_second_start_names_the_first_and_stops()
    {
        using var host = await Host.StartAsync(folder);
        var refused = await Should.ThrowAsync<PostgresStartException>(() => Host.StartAsync(folder));
        refused.Message.ShouldContain(host.Id.ToString(CultureInfo.InvariantCulture));
        refused.Message.ShouldContain("http://127.0.0.1:5080");
        refused.Message.ShouldContain("PLATEN_DATA");
        await host.StopAsync();
        DataFolderLock.IsTaken(folder).ShouldBeFalse();
    }

    [Fact]
    public async Task Stopping_leaves_no_process()
    {
        int postmaster;
        await using (var runtime = await StartAsync())
            postmaster = runtime.ProcessId!.Value;
        Unix.IsAlive(postmaster).ShouldBeFalse();
        File.Exists(Path.Combine(folder, "postgres", "postmaster.pid")).ShouldBeFalse();
    }

    [Fact]
    public async Task A_database_that_dies_is_started_again_and_the_pools_recover()
    {
        await using var runtime = await StartAsync();
        var restarted = new TaskCompletionSource();
        runtime.Restarted += (_, _) => restarted.TrySetResult();
        var owner = TestOwner.New();
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => TouchAsync(runtime.Pools, owner)));

        var died = runtime.ProcessId!.Value;
        Unix.Signal(died, Unix.SigKill).ShouldBeTrue();
        await restarted.Task.WaitAsync(Patience, Ct);

        runtime.ProcessId.ShouldNotBe(died);
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => TouchAsync(runtime.Pools, owner)));
    }

    [Fact]
    public async Task A_dead_backend_costs_no_request()
    {
        await using var runtime = await StartAsync();
        var owner = TestOwner.New();
        await TouchAsync(runtime.Pools, owner);
        await ExecuteAsync(
            folder,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platen'"
        );
        await TouchAsync(runtime.Pools, owner);
    }

    [Fact]
    public async Task A_database_left_running_is_stopped_and_taken_over()
    {
        await using (await StartAsync()) { }
        var account = await PostgresAccount.ChooseAsync(Path.Combine(folder, "postgres"), Ct);
        var binaries = await PostgresBinaries.FindAsync(null, Ct);
        string[] server = ["-D", Path.Combine(folder, "postgres"), "-c", "listen_addresses="];
        var socket = Path.Combine(folder, "postgres-socket");
        var command = account.Wrap([binaries.Postgres, .. server, "-k", socket]).ToList();
        using var orphan = Process.Start(
            new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardError = true, UseShellExecute = false }
        )!;
        while (await orphan.StandardError.ReadLineAsync(Ct) is { } line && !line.Contains("ready to accept")) { }

        await using var runtime = await StartAsync();
        await orphan.WaitForExitAsync(Ct).WaitAsync(Patience, Ct);
        orphan.ExitCode.ShouldBe(0);
        await TouchAsync(runtime.Pools, TestOwner.New());
    }

    [Fact]
    public async Task A_process_id_that_went_to_somebody_else_is_left_alone()
    {
        await using (await StartAsync()) { }
        await File.WriteAllTextAsync(
            Path.Combine(folder, "postgres", "postmaster.pid"),
            $"{Environment.ProcessId}\n{Path.Combine(folder, "postgres")}\n1\n5432\n\n\n",
            Ct
        );
        await using var runtime = await StartAsync();
        await TouchAsync(runtime.Pools, TestOwner.New());
    }

    [Fact]
    public async Task A_start_cut_off_while_making_the_database_is_harmless()
    {
        using (var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true })
        {
            var begun = new TaskCompletionSource();
            watcher.Created += (_, made) =>
            {
                if (made.FullPath.Contains("postgres.new", StringComparison.Ordinal))
                    begun.TrySetResult();
            };
            watcher.EnableRaisingEvents = true;
            using var host = Host.Launch(folder);
            await begun.Task.WaitAsync(Patience, Ct);
            host.Kill();
        }
        Directory.Exists(Path.Combine(folder, "postgres")).ShouldBeFalse();

        using var again = await Host.StartAsync(folder);
        Directory.GetDirectories(folder, "postgres.new*").ShouldBeEmpty();
        await again.StopAsync();
    }

    [Fact]
    public async Task Another_versions_database_is_refused_with_what_to_do()
    {
        await using (await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(folder, "postgres", "PG_VERSION"), "17\n", Ct);
        var refused = await Should.ThrowAsync<PostgresStartException>(StartAsync);
        refused.Message.ShouldContain("made by PostgreSQL 17");
        refused.Message.ShouldContain("pg_upgrade");
        refused.Message.ShouldContain("start a PostgreSQL 17 of your own");
    }

    [Fact]
    public async Task A_folder_that_is_no_database_is_refused()
    {
        Directory.CreateDirectory(Path.Combine(folder, "postgres"));
        var refused = await Should.ThrowAsync<PostgresStartException>(StartAsync);
        refused.Message.ShouldContain("PG_VERSION");
    }

    [Fact]
    public async Task A_path_too_long_for_a_socket_is_no_obstacle()
    {
        var deep = Path.Combine(folder, new string('d', 100));
        await using var runtime = await StartAsync(deep);
        await TouchAsync(runtime.Pools, TestOwner.New());
        var socket = new NpgsqlConnectionStringBuilder(runtime.AdminConnectionString).Host!;
        socket.ShouldStartWith(Path.GetTempPath());
        Mode(socket).ShouldBe("700");
        await runtime.DisposeAsync();
        Directory.Exists(socket).ShouldBeFalse();
    }

    [Fact]
    public async Task Nothing_listens_on_the_network_and_the_files_are_private()
    {
        await using var runtime = await StartAsync();
        (await ScalarAsync(folder, "show listen_addresses")).ShouldBe("");
        (await ScalarAsync(folder, "show data_checksums")).ShouldBe("on");
        (await ScalarAsync(folder, "show server_encoding")).ShouldBe("UTF8");
        Mode(Path.Combine(folder, "postgres")).ShouldBe("700");
        Mode(Path.Combine(folder, "postgres-socket")).ShouldBe("700");
        Mode(Path.Combine(folder, DataFolderLock.FileName)).ShouldBe("600");
    }

    [Fact]
    public async Task A_parent_that_bars_the_way_is_named()
    {
        var home = Path.Combine(folder, "home");
        Directory.CreateDirectory(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var data = Path.Combine(home, "platen-data");
        if (!Unix.IsRoot)
        {
            // An ordinary user's own folders are never in its way.
            await using var runtime = await StartAsync(data);
            await TouchAsync(runtime.Pools, TestOwner.New());
            return;
        }
        var refused = await Should.ThrowAsync<PostgresStartException>(() => StartAsync(data));
        refused.Message.ShouldContain($"chmod o+x {home}");
        refused.Message.ShouldContain("PLATEN_DATA=");
    }

    [Fact]
    public async Task Programs_in_a_private_folder_are_copied_once()
    {
        var found = await PostgresBinaries.FindAsync(null, Ct);
        var home = Path.Combine(folder, "home");
        Directory.CreateDirectory(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await Unix.RunAsync("cp", ["-RPp", found.Folder, Path.Combine(home, "postgres")], Ct);
        var options = new PostgresOptions
        {
            DataFolder = Path.Combine(folder, "platen-data"),
            BinariesFolder = Path.Combine(home, "postgres"),
            Durable = false,
        };
        await using (var runtime = await StartAsync(options))
            await TouchAsync(runtime.Pools, TestOwner.New());
        var copy = Path.Combine(options.DataFolder, "postgres-runtime-" + found.Version);
        Directory.Exists(copy).ShouldBe(Unix.IsRoot);
        await using var again = await StartAsync(options);
    }

    [Fact]
    public async Task No_room_for_a_database_is_said_and_leaves_nothing()
    {
        Unix.IsRoot.ShouldBeTrue("this test fills a small tmpfs, which only root may mount: run it as root");
        var small = Path.Combine(folder, "small");
        Directory.CreateDirectory(small);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", small);
        try
        {
            var refused = await Should.ThrowAsync<PostgresStartException>(() => StartAsync(small));
            refused.Message.ShouldContain("no room", customMessage: refused.Message);
            Directory.EnumerateDirectories(small).ShouldBeEmpty();
        }
        finally
        {
            await RunAsync("umount", small);
        }
    }

    [Theory]
    [InlineData("17.2", "holds PostgreSQL 17.2")]
    [InlineData("", "does not run on this machine")]
    public async Task Programs_of_another_version_are_refused(string version, string because)
    {
        var bin = Directory.CreateDirectory(Path.Combine(folder, "other", "bin")).FullName;
        foreach (var program in (string[])["postgres", "initdb"])
        {
            var path = Path.Combine(bin, program);
            await File.WriteAllTextAsync(path, $"#!/bin/sh\necho postgres {version}\n", Ct);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
        var refused = await Should.ThrowAsync<PostgresStartException>(() =>
            PostgresBinaries.FindAsync(Path.Combine(folder, "other"), Ct)
        );
        refused.Message.ShouldContain(because);
    }

    [Fact]
    public async Task A_folder_without_programs_is_refused()
    {
        var refused = await Should.ThrowAsync<PostgresStartException>(() => PostgresBinaries.FindAsync(folder, Ct));
        refused.Message.ShouldContain("PLATEN_POSTGRES");
    }

    private Task<PostgresRuntime> StartAsync() => StartAsync(folder);

    private static Task<PostgresRuntime> StartAsync(string data) =>
        StartAsync(new PostgresOptions { DataFolder = data, Durable = false });

    private static Task<PostgresRuntime> StartAsync(PostgresOptions options) =>
        PostgresSetup.StartAsync(options, [PlatformModule.Sql], NullLogger.Instance, Ct);

    private static async Task TouchAsync(PostgresPools pools, TestOwner owner)
    {
        await using var session = await pools.OpenAsync(owner.Context(), Ct);
        var seen = await session.FirstAsync("select platform.current_owner()", row => row.GetGuid(0), Ct);
        seen.ShouldBe(owner.Id.Value);
        await session.CommitAsync(Ct);
    }

    private static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);

    private static async Task RunAsync(string program, params string[] arguments)
    {
        var (exit, _, error) = await Unix.RunAsync(program, arguments, Ct);
        exit.ShouldBe(0, error);
    }

    private static async Task ExecuteAsync(string data, string sql) => await ScalarAsync(data, sql);

    private static async Task<object?> ScalarAsync(string data, string sql)
    {
        await using var source = NpgsqlDataSource.Create(
            $"Host={EmbeddedPostgres.SocketFolder(data)};Username=postgres;Database=platen;Pooling=false"
        );
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Ct);
    }

    /// <summary>A server process of its own, to be killed.</summary>
    private sealed class Host : IDisposable
    {
        private readonly Process process;

        private Host(Process process) => this.process = process;

        public int Id => process.Id;

        public int PostmasterId { get; private set; }

        public static Host Launch(string data) =>
            new(
                Process.Start(
                    new ProcessStartInfo(
                        "dotnet",
                        [Path.Combine(AppContext.BaseDirectory, "Platen.PostgresHost.dll"), data]
                    )
                    {
                        RedirectStandardInput = true,
                        RedirectStandardOutput = true,
                        UseShellExecute = false,
                    }
                )!
            );

        public static async Task<Host> StartAsync(string data)
        {
            var host = Launch(data);
            var said =
                await host.process.StandardOutput.ReadLineAsync(Ct).AsTask().WaitAsync(Patience, Ct) ?? "nothing";
            if (!said.StartsWith("ready ", StringComparison.Ordinal))
            {
                host.Dispose();
                throw new PostgresStartException(said);
            }
            host.PostmasterId = int.Parse(said["ready ".Length..], CultureInfo.InvariantCulture);
            return host;
        }

        public void Kill()
        {
            Unix.Signal(process.Id, Unix.SigKill);
            process.WaitForExit();
        }

        public async Task StopAsync()
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync(Ct).WaitAsync(Patience, Ct);
            process.ExitCode.ShouldBe(0);
        }

        public Task EndOfDatabaseAsync()
        {
            EmbeddedPostgres.WaitForEnd(PostmasterId, Patience, Ct).ShouldBeTrue("the database outlived its server");
            return Task.CompletedTask;
        }

        public void Dispose()
        {
            if (!process.HasExited)
                Kill();
            process.Dispose();
        }
    }
}

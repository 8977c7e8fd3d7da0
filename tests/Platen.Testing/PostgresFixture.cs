using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Xunit;

namespace Platen.Testing;

/// <summary>
/// One migrated PostgreSQL for all tests of an assembly: <c>[assembly: AssemblyFixture(typeof(PostgresFixture))]</c>, then ask
/// for it in the test class's constructor. Tests run at once, each as its own <see cref="TestOwner"/>, so that tenancy is
/// exercised all the time. The modules are those found beside the test. The database lives in a temporary folder, ends
/// with the test process however that ends, and leaves nothing behind that the next run does not sweep.
/// </summary>
/// <remarks>
/// One per assembly and not one per run: the server ends with the thread that started it, which is what keeps it from
/// outliving a killed run, and no assembly's process lives as long as the whole run. It costs about a second each.
/// </remarks>
public sealed class PostgresFixture : IAsyncLifetime
{
    private const string FolderPrefix = "platen-test-";
    private PostgresRuntime? runtime;
    private string folder = "";

    /// <summary>The modules' SQL that was applied, those that others refer to first.</summary>
    public IReadOnlyList<SqlModule> Modules { get; } = FindModules();

    /// <summary>The pools, as the server has them.</summary>
    public PostgresPools Pools => Runtime.Pools;

    /// <summary>The running database.</summary>
    public PostgresRuntime Runtime => runtime ?? throw new InvalidOperationException("The fixture has not started.");

    /// <summary>A superuser's connection string, for looking behind the scenes.</summary>
    public string AdminConnectionString => Runtime.AdminConnectionString;

    /// <summary>The test run's temporary folder.</summary>
    public string Folder => folder;

    public async ValueTask InitializeAsync()
    {
        Sweep();
        folder = NewFolder();
        runtime = await PostgresSetup.StartAsync(
            new PostgresOptions { DataFolder = folder, Durable = false },
            Modules,
            NullLogger.Instance,
            CancellationToken.None
        );
        if (MutatedRun.IsThis)
        {
            await using var admin = await OpenAdminAsync(CancellationToken.None);
            await TenantPredicates.RemoveFromFunctionsAsync(admin, CancellationToken.None);
            if (TenantPredicates.Removed.OfScope == 0)
                throw new InvalidOperationException(
                    "No function has a tenant predicate: the mutation finds none any more."
                );
            Session.Rewrite = TenantPredicates.Remove;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (runtime is not null)
            await runtime.DisposeAsync();
        if (folder.Length > 0)
            Directory.Delete(folder, recursive: true);
    }

    /// <summary>A session of this owner, as a request has it.</summary>
    public ValueTask<Session> OpenAsync(TestOwner owner, CancellationToken ct) => Pools.OpenAsync(owner.Context(), ct);

    /// <summary>A superuser's connection, outside the pools and outside every scope.</summary>
    public async Task<NpgsqlConnection> OpenAdminAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(ct);
        return connection;
    }

    /// <summary>A database of its own on the same server, empty, for tests that change more than rows.</summary>
    public async Task<TestDatabase> CreateDatabaseAsync(CancellationToken ct)
    {
        var name = "test_" + Guid.CreateVersion7().ToString("N");
        await using var admin = await OpenAdminAsync(ct);
        await using var create = new NpgsqlCommand($"create database {name}", admin);
        await create.ExecuteNonQueryAsync(ct);
        return new TestDatabase(
            name,
            new NpgsqlConnectionStringBuilder(AdminConnectionString) { Database = name }.ConnectionString,
            AdminConnectionString
        );
    }

    /// <summary>A new, empty folder in the temporary one; a later run removes it when this one could not.</summary>
    public static string NewFolder()
    {
        var made = NewName();
        Directory.CreateDirectory(made);
        return made;
    }

    private static string NewName() =>
        Path.Combine(
            Path.GetTempPath(),
            string.Create(
                CultureInfo.InvariantCulture,
                $"{FolderPrefix}{Environment.ProcessId}-{Guid.CreateVersion7():N}"
            )
        );

    // A folder is named after the process that made it: when that is gone, so is the database in it.
    private static void Sweep()
    {
        foreach (var left in Directory.EnumerateDirectories(Path.GetTempPath(), FolderPrefix + "*"))
        {
            var pid = Path.GetFileName(left)[FolderPrefix.Length..].Split('-')[0];
            if (Directory.Exists("/proc/self") && !Directory.Exists("/proc/" + pid) && !DataFolderLock.IsTaken(left))
                RemoveLeftover(left);
        }
    }

    private static void RemoveLeftover(string folder)
    {
        // Test assemblies start side by side: renaming it first makes it the business of one of them.
        // With our own process in its name nobody else takes it for a leftover while it is being removed.
        var mine = NewName();
        try
        {
            Directory.Move(folder, mine);
        }
        catch (IOException)
        {
            // Another one has it, or removed it.
            return;
        }
        try
        {
            Directory.Delete(mine, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Another one took it for a leftover in turn.
        }
    }

    // A module declares one static SqlModule; a module that refers to another's assembly comes after it.
    private static List<SqlModule> FindModules()
    {
        var found = new Dictionary<string, (Assembly Assembly, SqlModule Module)>(StringComparer.Ordinal);
        foreach (
            var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "Platen.*.dll").Order(StringComparer.Ordinal)
        )
        {
            var name = Path.GetFileNameWithoutExtension(file);
            if (
                name.EndsWith(".Tests", StringComparison.Ordinal)
                || name == typeof(PostgresFixture).Assembly.GetName().Name
            )
                continue;
            var assembly = Assembly.Load(new AssemblyName(name));
            var module = assembly
                .GetTypes()
                .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
                .Where(field => field.FieldType == typeof(SqlModule))
                .Select(field => (SqlModule)field.GetValue(null)!)
                .FirstOrDefault();
            if (module is not null)
                found.Add(name, (assembly, module));
        }
        var ordered = new List<SqlModule>();
        void Add(string name)
        {
            if (!found.TryGetValue(name, out var entry) || ordered.Contains(entry.Module))
                return;
            foreach (
                var below in entry
                    .Assembly.GetReferencedAssemblies()
                    .OrderBy(reference => reference.Name, StringComparer.Ordinal)
            )
                Add(below.Name!);
            ordered.Add(entry.Module);
        }
        foreach (var name in found.Keys)
            Add(name);
        return ordered;
    }
}

/// <summary>A workspace of one test: other tests cannot see its rows, nor it theirs.</summary>
public sealed record TestOwner(OwnerId Id, Actor Actor)
{
    /// <summary>A workspace nobody has used.</summary>
    public static TestOwner New() =>
        new(OwnerId.Of(WorkspaceId.New()), new Actor(new ActorId(Guid.CreateVersion7()), "tester"));

    /// <summary>What a session of this owner is opened with.</summary>
    public OperationContext Context(string reason = "test") => new(Actor, Id, reason);
}

/// <summary>A database of one test; dropped when disposed.</summary>
public sealed class TestDatabase(string name, string connectionString, string adminConnectionString) : IAsyncDisposable
{
    /// <summary>The database's name.</summary>
    public string Name => name;

    /// <summary>As a superuser.</summary>
    public string ConnectionString => connectionString;

    /// <summary>What a server is given to use it.</summary>
    public PostgresOptions Options => new() { DataFolder = "/nonexistent", ConnectionString = connectionString };

    /// <summary>Brings it to the given modules' state, as a server starting on it does.</summary>
    public Task<PostgresRuntime> StartAsync(
        IReadOnlyList<SqlModule> modules,
        CancellationToken ct,
        ILogger? logger = null
    ) => PostgresSetup.StartAsync(Options, modules, logger ?? NullLogger.Instance, ct);

    public async ValueTask DisposeAsync()
    {
        await using var admin = new NpgsqlConnection(adminConnectionString + ";Pooling=false");
        await admin.OpenAsync();
        await using var drop = new NpgsqlCommand($"drop database {name} with (force)", admin);
        await drop.ExecuteNonQueryAsync();
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class ExternalPostgresFixture : IAsyncLifetime
{
    public ExternalPostgres Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await ExternalPostgres.StartAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}

public sealed class ExternalPostgresTests(ExternalPostgresFixture external) : IClassFixture<ExternalPostgresFixture>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private ExternalPostgres Server => external.Server;

    [Fact]
    public async Task A_superusers_login_is_enough()
    {
        await Server.ExecuteAsync("create database superuser_is_enough", Ct);
        await using var runtime = await StartAsync(Server.Superuser("superuser_is_enough"));
        runtime.Version.ShouldStartWith("15.");
        await IsScopedAsync(runtime.Pools);
    }

    [Fact]
    public async Task A_login_that_makes_roles_and_databases_is_enough()
    {
        await ForgetRolesAsync();
        await Server.ExecuteAsync("create role maker login createrole createdb; create database made owner maker", Ct);
        await using var runtime = await StartAsync(ExternalPostgres.Login("maker", "made", Server.Port));
        await IsScopedAsync(runtime.Pools);
    }

    [Fact]
    public async Task A_login_without_rights_is_told_the_exact_sql()
    {
        await ForgetRolesAsync();
        await Server.ExecuteAsync("create role plain login; create role reader login; create database plainly", Ct);
        var options = new PostgresOptions
        {
            DataFolder = "/nonexistent",
            ConnectionString = ExternalPostgres.Login("plain", "plainly", Server.Port),
            EdgeConnectionString = ExternalPostgres.Login("reader", "plainly", Server.Port),
        };
        var refused = await Should.ThrowAsync<PostgresStartException>(() => StartAsync(options));
        var advised = string.Join('\n', refused.Message.Split('\n').Where(line => line.StartsWith("    ")));
        advised.ShouldContain("GRANT platen_edge TO reader;");

        await Server.ExecuteAsync(advised, Ct, "plainly");
        await using var runtime = await StartAsync(options);
        await IsScopedAsync(runtime.Pools);
    }

    [Fact]
    public async Task A_database_in_another_encoding_is_refused()
    {
        await Server.ExecuteAsync("create database latin template template0 encoding 'LATIN1' locale 'C'", Ct);
        var refused = await Should.ThrowAsync<PostgresStartException>(() => StartAsync(Server.Superuser("latin")));
        refused.Message.ShouldContain("ENCODING 'UTF8'");
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_named_by_its_setting()
    {
        var refused = await Should.ThrowAsync<PostgresStartException>(() =>
            StartAsync("Host=127.0.0.1;Port=1;Username=postgres;Database=postgres")
        );
        refused.Message.ShouldContain("ConnectionStrings__Platen");
    }

    [Theory]
    [InlineData(14, false)]
    [InlineData(15, true)]
    [InlineData(18, true)]
    [InlineData(19, false)]
    public void Versions_15_to_18_are_accepted(int major, bool accepted)
    {
        var refusal = PostgresSetup.Refusal(new Version(major, 1), "ConnectionStrings__Platen");
        (refusal is null).ShouldBe(accepted);
        refusal?.ShouldContain("Platen needs 15 to 18");
    }

    [Fact]
    public async Task Behind_a_transaction_pooler_no_scope_leaks_and_LISTEN_goes_past_it()
    {
        await Server.ExecuteAsync("create database pooled", Ct);
        var port = await Server.StartBouncerAsync(Ct);
        var options = new PostgresOptions
        {
            DataFolder = "/nonexistent",
            ConnectionString = ExternalPostgres.Login("postgres", "pooled", port) + ";Max Auto Prepare=20",
        };
        var refused = await Should.ThrowAsync<PostgresStartException>(() => StartAsync(options));
        refused.Message.ShouldContain("ConnectionStrings__PlatenDirect");

        await using var runtime = await StartAsync(
            options with
            {
                DirectConnectionString = Server.Superuser("pooled"),
            }
        );
        var seen = new ConcurrentBag<bool>();
        var processes = new ConcurrentDictionary<int, bool>();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 500),
            new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Ct },
            async (_, ct) =>
            {
                var owner = TestOwner.New();
                await using var session = await runtime.Pools.OpenAsync(owner.Context(), ct);
                for (var again = 0; again < 3; again++)
                    seen.Add(await OwnerAsync(session) == owner.Id.Value);
                processes[await session.FirstAsync("select pg_backend_pid()", row => row.GetInt32(0), ct)] = true;
                await session.CommitAsync(ct);
            }
        );
        seen.Count.ShouldBe(1500);
        seen.ShouldAllBe(own => own);

        // As many transactions at once as the pooler has server processes: each of those is looked at, by somebody without a scope.
        var others = new List<NpgsqlConnection>();
        try
        {
            for (var i = 0; i < ExternalPostgres.BouncerPoolSize; i++)
            {
                var other = new NpgsqlConnection(ExternalPostgres.Login("postgres", "pooled", port) + ";Pooling=false");
                others.Add(other);
                await other.OpenAsync(Ct);
                await other.BeginTransactionAsync(Ct);
                var scope = await Scope.OfAsync(other, Ct);
                processes.Remove(scope.ServerProcess, out _);
                (scope with { ServerProcess = 0 }).ShouldBe(new Scope(0, "postgres", "", "", ""));
                await Scope.RaisesAsync(other, Ct);
            }
        }
        finally
        {
            foreach (var other in others)
                await other.DisposeAsync();
        }
        processes.ShouldBeEmpty();

        await using var listener = await runtime.Pools.ListenAsync(Ct);
        var heard = "";
        listener.Notification += (_, notification) => heard = notification.Payload;
        await using (var listen = new NpgsqlCommand("listen platen_event", listener))
            await listen.ExecuteNonQueryAsync(Ct);
        await using (var session = await runtime.Pools.OpenAsync(TestOwner.New().Context(), Ct))
        {
            await session.ExecuteAsync("select pg_notify('platen_event', 'through the pooler')", Ct);
            await session.CommitAsync(Ct);
        }
        await listener.WaitAsync(TimeSpan.FromSeconds(10), Ct);
        heard.ShouldBe("through the pooler");
    }

    private static Task<PostgresRuntime> StartAsync(string connectionString) =>
        StartAsync(new PostgresOptions { DataFolder = "/nonexistent", ConnectionString = connectionString });

    private static Task<PostgresRuntime> StartAsync(PostgresOptions options) =>
        PostgresSetup.StartAsync(options, [PlatformModule.Sql], NullLogger.Instance, Ct);

    private static async Task IsScopedAsync(PostgresPools pools)
    {
        var owner = TestOwner.New();
        await using (var session = await pools.OpenAsync(owner.Context(), Ct))
        {
            (await OwnerAsync(session)).ShouldBe(owner.Id.Value);
            (await session.FirstAsync("select current_user::text", row => row.GetString(0), Ct)).ShouldBe("platen_app");
        }
        await using (var session = await pools.OpenWorkerAsync("test", Ct))
            (await session.FirstAsync("select current_user::text", row => row.GetString(0), Ct)).ShouldBe(
                "platen_worker"
            );
        await using (var session = await pools.OpenEdgeAsync(Ct))
            (await session.FirstAsync("select current_user::text", row => row.GetString(0), Ct)).ShouldBe(
                "platen_edge"
            );
    }

    private static Task<Guid> OwnerAsync(Session session) =>
        session.FirstAsync("select platform.current_owner()", row => row.GetGuid(0), Ct);

    // Roles belong to the whole server: to see them made, they must be gone first, with everything they own.
    private async Task ForgetRolesAsync()
    {
        await using var connection = new NpgsqlConnection(Server.Superuser() + ";Pooling=false");
        await connection.OpenAsync(Ct);
        var databases = new List<string>();
        await using (
            var list = new NpgsqlCommand(
                "select datname from pg_database where not datistemplate and datname <> 'postgres'",
                connection
            )
        )
        await using (var reader = await list.ExecuteReaderAsync(Ct))
        {
            while (await reader.ReadAsync(Ct))
                databases.Add(reader.GetString(0));
        }
        foreach (var database in databases)
            await Server.ExecuteAsync($"drop database {database} with (force)", Ct);
        await Server.ExecuteAsync(
            "drop role if exists platen_view; drop role if exists platen_edge; drop role if exists platen_worker; "
                + "drop role if exists platen_app; drop role if exists platen_owner; drop role if exists maker; "
                + "drop role if exists plain; drop role if exists reader",
            Ct
        );
    }
}

using Npgsql;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class SessionTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_session_acts_as_its_role_and_owner()
    {
        var owner = TestOwner.New();
        await using var session = await postgres.OpenAsync(owner, Ct);
        var seen = await session.FirstAsync(
            "select current_user::text, platform.current_owner(), platform.current_actor(), platform.is_publisher()",
            row => (row.GetString(0), row.GetGuid(1), row.GetGuid(2), row.GetBoolean(3)),
            Ct
        );
        seen.ShouldBe(("platen_app", owner.Id.Value, owner.Actor.Id.Value, false));
    }

    public enum End
    {
        Commit,
        CommitWithMore,
        Rollback,
        Failure,
    }

    [Theory]
    [InlineData(End.Commit)]
    [InlineData(End.CommitWithMore)]
    [InlineData(End.Rollback)]
    [InlineData(End.Failure)]
    public async Task The_scope_ends_with_the_transaction_on_the_very_connection_it_was_set_on(End end)
    {
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = EmbeddedPostgres.AppLogin,
        };
        await using var pool = PostgresPools.Pool(login.ConnectionString, connections: 1, pooled: false);
        int server;
        var context = TestOwner.New().Context() with { MayPublishCurated = true };
        await using (var session = await Session.OpenAsync(pool, SessionRole.App, context, Ct))
        {
            server = await session.FirstAsync("select pg_backend_pid()", row => row.GetInt32(0), Ct);
            if (end == End.Failure)
                await Should.ThrowAsync<PostgresException>(() => session.ExecuteAsync("select 1 / 0", Ct));
            if (end == End.CommitWithMore)
                session.AtCommit("select 1");
            if (end is End.Commit or End.CommitWithMore)
                await session.CommitAsync(Ct);
        }
        await using var connection = await pool.OpenConnectionAsync(Ct);
        (await Scope.OfAsync(connection, Ct)).ShouldBe(new Scope(server, EmbeddedPostgres.AppLogin, "", "", ""));
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await Scope.RaisesAsync(connection, Ct);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_read_in_one_round_trip_has_its_scope_and_leaves_none(bool fails)
    {
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = EmbeddedPostgres.AppLogin,
        };
        await using var pool = PostgresPools.Pool(login.ConnectionString, connections: 1, pooled: false);
        var owner = TestOwner.New();
        // Often enough for the statements to be prepared.
        for (var i = 0; i < 8; i++)
        {
            var who = new Query<(int Server, string User, Guid Owner, bool Publisher)>(
                "select pg_backend_pid(), current_user::text, platform.current_owner(), platform.is_publisher()",
                row => (row.GetInt32(0), row.GetString(1), row.GetGuid(2), row.GetBoolean(3))
            );
            var divided = new Query<int>("select 1 / $1", row => row.GetInt32(0), Sql.Int(fails ? 0 : 1));
            var server = 0;
            var reading = Session.ReadAsync(
                pool,
                SessionRole.App,
                owner.Context() with
                {
                    MayPublishCurated = true,
                },
                [who.Statement(SessionRole.App), divided.Statement(SessionRole.App)],
                async (reader, ct) =>
                {
                    var seen = (await who.NextRowsAsync(reader, ct)).Single();
                    server = seen.Server;
                    seen.ShouldBe((server, "platen_app", owner.Id.Value, true));
                    return (await divided.NextRowsAsync(reader, ct)).Single();
                },
                Ct
            );
            if (fails)
                (await Should.ThrowAsync<PostgresException>(() => reading)).SqlState.ShouldBe("22012");
            else
                (await reading).ShouldBe(1);
            await using var connection = await pool.OpenConnectionAsync(Ct);
            (await Scope.OfAsync(connection, Ct)).ShouldBe(new Scope(server, EmbeddedPostgres.AppLogin, "", "", ""));
            await using var transaction = await connection.BeginTransactionAsync(Ct);
            await Scope.RaisesAsync(connection, Ct);
        }
    }

    [Fact]
    public async Task Opening_costs_no_round_trip()
    {
        var folder = PostgresFixture.NewFolder();
        var server = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString);
        await using (var trips = RoundTrips.Before(server.Host!, folder))
        {
            server.Host = folder;
            server.Username = EmbeddedPostgres.AppLogin;
            var through = server.ConnectionString;
            await using var pools = PostgresPools.Open(
                new PoolPlan(through, through, through, through, Pooled: false, AppConnections: 1, EdgeConnections: 1)
            );
            await RunAsync(pools);

            var before = trips.Count;
            await RunAsync(pools);
            // Begin with its scope and the statement, commit.
            (trips.Count - before).ShouldBe(2);

            before = trips.Count;
            await RunAsync(pools, "select 2", "select 3");
            // What is added at the commit travels with it.
            (trips.Count - before).ShouldBe(2);

            before = trips.Count;
            await using (await pools.OpenAsync(TestOwner.New().Context(), Ct)) { }
            (trips.Count - before).ShouldBe(0);

            before = trips.Count;
            await using (var session = await pools.OpenAsync(TestOwner.New().Context(), Ct))
            {
                session.AtCommit("select 2");
                (await session.CommitWithAsync(One(), Ct)).ShouldBe([1]);
            }
            // Begin with its scope; all the rest with the commit.
            (trips.Count - before).ShouldBe(2);

            before = trips.Count;
            (await pools.ReadAsync(TestOwner.New().Context(), One(), Ct)).ShouldBe([1]);
            (trips.Count - before).ShouldBe(1);
        }
        Directory.Delete(folder, recursive: true);

        static Query<int> One() => new("select 1", row => row.GetInt32(0));

        static async Task RunAsync(PostgresPools pools, params string[] atCommit)
        {
            await using var session = await pools.OpenAsync(TestOwner.New().Context(), Ct);
            await session.ExecuteAsync("select 1", Ct);
            foreach (var statement in atCommit)
                session.AtCommit(statement);
            await session.CommitAsync(Ct);
        }
    }

    public enum First
    {
        Query,
        Statement,
        Pipeline,
        Commit,
        LastStatement,
    }

    [Theory]
    [InlineData(First.Query, false)]
    [InlineData(First.Query, true)]
    [InlineData(First.Statement, false)]
    [InlineData(First.Statement, true)]
    [InlineData(First.Pipeline, false)]
    [InlineData(First.Pipeline, true)]
    [InlineData(First.Commit, false)]
    [InlineData(First.Commit, true)]
    [InlineData(First.LastStatement, true)]
    public async Task A_connection_that_was_cut_off_in_the_pool_is_replaced_whatever_comes_first(
        First first,
        bool isPrepared
    )
    {
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = EmbeddedPostgres.AppLogin,
        };
        await using var pool = PostgresPools.Pool(login.ConnectionString, connections: 2, pooled: false);
        var owner = TestOwner.New();
        var stream = new StreamId("cut-off/" + Guid.CreateVersion7());
        var appended = 0;
        for (var i = 0; i < (isPrepared ? 8 : 1); i++)
            await AppendAsync();
        await using (var one = await pool.OpenConnectionAsync(Ct))
        await using (var other = await pool.OpenConnectionAsync(Ct))
        await using (var cut = new NpgsqlCommand("select pg_terminate_backend($1), pg_terminate_backend($2)"))
        {
            cut.Parameters.Add(Sql.Int(one.ProcessID));
            cut.Parameters.Add(Sql.Int(other.ProcessID));
            await using var admin = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
            await admin.OpenAsync(Ct);
            cut.Connection = admin;
            await cut.ExecuteNonQueryAsync(Ct);
        }
        await AppendAsync();
        await using (var session = await postgres.OpenAsync(owner, Ct))
            (await EventLog.HeadAsync(session, stream, Ct)).Revision.ShouldBe(appended);

        async Task AppendAsync()
        {
            await using var session = await Session.OpenAsync(pool, SessionRole.App, owner.Context(), Ct);
            switch (first)
            {
                case First.Query:
                    await EventLog.AppendAsync(session, stream, "fact", "{}"u8.ToArray(), Ct);
                    break;
                case First.Statement:
                    await session.ExecuteAsync(
                        "select platform.append_event($1, 'fact', '{}')",
                        Ct,
                        Sql.Text(stream.Value)
                    );
                    break;
                case First.Pipeline:
                    var pipeline = new Pipeline(session);
                    pipeline.Add("select platform.append_event($1, 'fact', '{}')", Sql.Text(stream.Value));
                    await pipeline.SendAsync(Ct);
                    break;
                default:
                    EventLog.AppendAtCommit(session, stream, "fact", "{}"u8.ToArray());
                    break;
            }
            if (first == First.LastStatement)
                (await session.CommitWithAsync(new Query<int>("select 1", row => row.GetInt32(0)), Ct)).ShouldBe([1]);
            else
                await session.CommitAsync(Ct);
            appended++;
        }
    }

    [Fact]
    public async Task A_first_statement_that_is_cancelled_leaves_nothing_on_its_connection()
    {
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = EmbeddedPostgres.AppLogin,
        };
        await using var pool = PostgresPools.Pool(login.ConnectionString, connections: 1, pooled: false);
        using (var cancelled = CancellationTokenSource.CreateLinkedTokenSource(Ct))
        {
            await using var first = await Session.OpenAsync(pool, SessionRole.App, TestOwner.New().Context(), Ct);
            var sleeping = first.ExecuteAsync("select pg_sleep(600)", cancelled.Token);
            await cancelled.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(() => sleeping);
        }
        var owner = TestOwner.New();
        await using var next = await Session.OpenAsync(pool, SessionRole.App, owner.Context(), Ct);
        var seen = new Query<Guid>("select platform.current_owner()", row => row.GetGuid(0));
        (await next.FirstAsync(seen, Ct)).ShouldBe(owner.Id.Value);
        await next.CommitAsync(Ct);
    }

    [Theory]
    [InlineData("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", false)]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", false)]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85\n", false)]
    [InlineData("sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false)]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", true)]
    [InlineData(null, true)]
    public async Task The_database_takes_nothing_for_a_digest_that_is_none(string? text, bool isOne)
    {
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        var asking = session.ExecuteAsync("select $1::platform.digest", Ct, Sql.Text(text));
        if (isOne)
            await asking;
        else
            (await Should.ThrowAsync<PostgresException>(() => asking)).SqlState.ShouldBe("23514");
    }

    [Fact]
    public async Task A_name_without_its_schema_is_nobodys()
    {
        await using (var session = await postgres.OpenAsync(TestOwner.New(), Ct))
        {
            var refused = await Should.ThrowAsync<PostgresException>(() =>
                session.ExecuteAsync("select from release", Ct)
            );
            refused.SqlState.ShouldBe(PostgresErrorCodes.UndefinedTable);
        }
        var read = new Query<string>("select current_setting('search_path')", row => row.GetString(0));
        (await postgres.Pools.ReadAsync(TestOwner.New().Context(), read, Ct)).ShouldBe([""]);
    }

    [Fact]
    public async Task What_is_not_committed_is_rolled_back()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync([PlatformModule.Sql], Ct);
        await using var admin = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await admin.OpenAsync(Ct);
        await using (
            var create = new NpgsqlCommand(
                "create table public.note (n int); grant all on public.note to platen_app",
                admin
            )
        )
            await create.ExecuteNonQueryAsync(Ct);
        await using (var session = await runtime.Pools.OpenAsync(TestOwner.New().Context(), Ct))
            await session.ExecuteAsync("insert into public.note values (1)", Ct);
        await using (var session = await runtime.Pools.OpenAsync(TestOwner.New().Context(), Ct))
            (await session.FirstAsync("select count(*) from public.note", row => row.GetInt64(0), Ct)).ShouldBe(0);
    }

    [Fact]
    public async Task A_statement_that_fails_at_the_commit_takes_the_fact_with_it()
    {
        var stream = new StreamId("at-commit/" + Guid.CreateVersion7());
        var owner = TestOwner.New();
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            await EventLog.AppendAsync(session, stream, "fact", "{}"u8.ToArray(), Ct);
            session.AtCommit("select 1");
            session.AtCommit("select 1 / $1", Sql.Int(0));
            (await Should.ThrowAsync<PostgresException>(() => session.CommitAsync(Ct))).SqlState.ShouldBe(
                PostgresErrorCodes.DivisionByZero
            );
        }
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            (await EventLog.HeadAsync(session, stream, Ct)).Revision.ShouldBe(0);
            // The connection is whole again, and so is a commit with statements of its own.
            await EventLog.AppendAsync(session, stream, "fact", "{}"u8.ToArray(), Ct);
            session.AtCommit("select 1 / $1", Sql.Int(1));
            await session.CommitAsync(Ct);
        }
        await using (var session = await postgres.OpenAsync(owner, Ct))
            (await EventLog.HeadAsync(session, stream, Ct)).Revision.ShouldBe(1);
    }

    [Fact]
    public async Task A_last_statement_is_committed_with_what_was_added_or_not_at_all()
    {
        var stream = new StreamId("last/" + Guid.CreateVersion7());
        var owner = TestOwner.New();
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            EventLog.AppendAtCommit(session, stream, "fact", "{}"u8.ToArray());
            session.AtCommit("select 1 / $1", Sql.Int(0));
            var last = new Query<int>("select 7", row => row.GetInt32(0));
            (await Should.ThrowAsync<PostgresException>(() => session.CommitWithAsync(last, Ct))).SqlState.ShouldBe(
                PostgresErrorCodes.DivisionByZero
            );
        }
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            (await EventLog.HeadAsync(session, stream, Ct)).Revision.ShouldBe(0);
            EventLog.AppendAtCommit(session, stream, "fact", "{}"u8.ToArray());
            var last = new Query<int>("select n from generate_series(7, 9) n", row => row.GetInt32(0));
            (await session.CommitWithAsync(last, Ct)).ShouldBe([7, 8, 9]);
        }
        await using (var session = await postgres.OpenAsync(owner, Ct))
            (await EventLog.HeadAsync(session, stream, Ct)).Revision.ShouldBe(1);
    }

    [Fact]
    public async Task A_session_cannot_step_out_of_its_role_into_a_stronger_one()
    {
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        await session.ExecuteAsync("reset role", Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.ExecuteAsync("select * from platform.migration", Ct)
        );
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Fact]
    public async Task Delivery_sees_no_table_and_acts_as_nobody_else()
    {
        await using var session = await postgres.Pools.OpenEdgeAsync(Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() => session.ExecuteAsync("set role platen_app", Ct));
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }
}

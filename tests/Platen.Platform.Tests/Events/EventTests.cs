using System.Collections.Concurrent;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Events;

public sealed class EventTests(PostgresFixture postgres)
{
    private static readonly StreamId Stream = new("project/one");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Revisions_count_from_one_and_a_rollback_leaves_no_gap()
    {
        var owner = TestOwner.New();
        (await AppendAsync(owner, Stream, "{\"n\": 1}")).ShouldBe(1);
        await using (var undone = await postgres.OpenAsync(owner, Ct))
            (await EventLog.AppendAsync(undone, Stream, "undone", "{}"u8.ToArray(), Ct)).ShouldBe(2);
        (await AppendAsync(owner, Stream, "{\"n\": 2}")).ShouldBe(2);
        await using var session = await postgres.OpenAsync(owner, Ct);
        var read = await EventLog.ReadAsync(session, Stream, 0, 10, Ct);
        read.Select(e => Encoding.UTF8.GetString(e.Data.Span)).ShouldBe(["{\"n\": 1}", "{\"n\": 2}"]);
        read[0].Actor.ShouldBe(owner.Actor.Id);
    }

    [Fact]
    public async Task Another_owner_sees_nothing()
    {
        await AppendAsync(TestOwner.New(), Stream, "{}");
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        (await EventLog.ReadAsync(session, Stream, 0, 10, Ct)).ShouldBeEmpty();
        (await session.ListAsync("select 1 from platform.event", row => row.GetInt32(0), Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_request_cannot_change_or_remove_events()
    {
        var owner = TestOwner.New();
        await AppendAsync(owner, Stream, "{}");
        foreach (var sql in new[] { "update platform.event set type = 'x'", "delete from platform.event" })
        {
            await using var session = await postgres.OpenAsync(owner, Ct);
            var refused = await Should.ThrowAsync<PostgresException>(() => session.ExecuteAsync(sql, Ct));
            refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
        }
    }

    [Fact]
    public async Task Text_that_cannot_be_stored_is_an_invalid_input()
    {
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        var refused = await Should.ThrowAsync<ProblemException>(() =>
            EventLog.AppendAsync(session, Stream, "made", "{\"a\": \"\\u0000\"}"u8.ToArray(), Ct)
        );
        refused.Problem.Type.ShouldBe(KernelProblems.Invalid);
    }

    [Fact]
    public void Stream_ids_are_read_as_printed_or_refused() =>
        Prop.ForAll<string?>(text =>
                !StreamId.TryParse(text, out var stream) || (stream.Value == text && text.Length is > 0 and <= 300)
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public async Task A_subscriber_gets_what_was_there_and_then_what_comes()
    {
        var owner = TestOwner.New();
        await using var parts = await EventParts.StartAsync(postgres, Ct);
        for (var i = 0; i < 600; i++)
            await AppendAsync(owner, Stream, "{}");
        var taking = parts.TakeAsync(owner, Stream, 3, 900, Ct);
        for (var i = 0; i < 303; i++)
            await AppendAsync(owner, Stream, "{}");
        (await taking).Select(e => e.Revision).ShouldBe(Enumerable.Range(4, 900).Select(n => (long)n));
        parts.Hub.Streams.ShouldBe(0);
    }

    [Fact]
    public async Task Nothing_is_lost_or_doubled_while_writers_race_and_connections_are_killed()
    {
        var owner = TestOwner.New();
        await using var parts = await EventParts.StartAsync(postgres, Ct);
        StreamId[] streams = [new("race/a"), new("race/b"), new("race/c")];
        const int Writers = 6;
        const int Each = 60;
        var written = new ConcurrentDictionary<string, int>();
        var random = new Random(7);
        var plan = Enumerable
            .Range(0, Writers)
            .Select(_ =>
                Enumerable.Range(0, Each).Select(_ => (random.Next(3), random.Next(5), random.Next(4))).ToArray()
            )
            .ToArray();
        var totals = streams
            .Select((_, s) => plan.Sum(writer => writer.Count(step => step.Item1 == s && step.Item2 != 0)))
            .ToArray();
        var readers = Enumerable
            .Range(0, 9)
            .Select(i => parts.TakeAsync(owner, streams[i % 3], 0, totals[i % 3], Ct))
            .ToArray();
        var writers = plan.Select(
                async (steps, w) =>
                {
                    for (var n = 0; n < steps.Length; n++)
                    {
                        var (s, commit, pause) = steps[n];
                        await using var session = await postgres.OpenAsync(owner, Ct);
                        await EventLog.AppendAsync(
                            session,
                            streams[s],
                            "written",
                            Encoding.UTF8.GetBytes($"\"{w}.{n}\""),
                            Ct
                        );
                        await session.ExecuteAsync($"select pg_sleep(0.00{pause})", Ct);
                        if (commit != 0)
                            await session.CommitAsync(Ct);
                        if (w == 0 && n % 15 == 7)
                            await KillListenerAsync(parts.Listener);
                    }
                }
            )
            .ToArray();
        await Task.WhenAll(writers);
        for (var i = 0; i < readers.Length; i++)
        {
            var seen = await readers[i];
            seen.Select(e => e.Revision).ShouldBe(Enumerable.Range(1, totals[i % 3]).Select(n => (long)n));
            seen.Select(e => Encoding.UTF8.GetString(e.Data.Span)).ShouldBeUnique();
        }
    }

    [Fact]
    public async Task Nothing_is_lost_or_doubled_while_any_connection_of_the_process_may_be_killed_at_any_moment()
    {
        var owner = TestOwner.New();
        var stream = new StreamId("race/killed");
        // A name of its own: other tests keep their connections.
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = EmbeddedPostgres.AppLogin,
            ApplicationName = "platen " + Guid.CreateVersion7().ToString("N"),
        };
        var mine = login.ConnectionString;
        await using var pools = PostgresPools.Open(new PoolPlan(mine, mine, mine, mine, false, 8, 2));
        await using var parts = await EventParts.StartAsync(pools, TimeProvider.System, Ct);
        const int Writers = 4;
        const int Each = 40;
        var killed = 0;
        var readers = Enumerable.Range(0, 6).Select(_ => ReadAsync()).ToArray();
        var acknowledged = new ConcurrentDictionary<string, bool>();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(WriteAsync));
        killed.ShouldBeGreaterThan(20);

        await using (var last = await postgres.OpenAsync(owner, Ct))
        {
            await EventLog.AppendAsync(last, stream, "last", "\"last\""u8.ToArray(), Ct);
            await last.CommitAsync(Ct);
        }
        await using var session = await postgres.OpenAsync(owner, Ct);
        var kept = await EventLog.ReadAsync(session, stream, 0, EventLimits.PageEvents, Ct);
        kept.Select(e => e.Revision).ShouldBe(Enumerable.Range(1, kept.Count).Select(n => (long)n));
        var texts = kept.Select(Text).ToList();
        acknowledged.Keys.Except(texts).ShouldBeEmpty();
        foreach (var reader in readers)
            (await reader).ShouldBe(texts);

        static string Text(Event e) => Encoding.UTF8.GetString(e.Data.Span);

        async Task WriteAsync(int writer)
        {
            for (var n = 0; n < Each; n++)
            {
                var text = $"\"{writer}.{n}\"";
                try
                {
                    await using var write = await pools.OpenAsync(owner.Context(), Ct);
                    await EventLog.AppendAsync(write, stream, "written", Encoding.UTF8.GetBytes(text), Ct);
                    await write.CommitAsync(Ct);
                    acknowledged[text] = true;
                }
                catch (Exception e) when (e is NpgsqlException or IOException)
                {
                    // Killed before, in or after its commit: it may be there or not.
                }
                if (n % 4 == writer)
                    Interlocked.Add(ref killed, await KillSomeAsync(login.ApplicationName!, parts.Listener.ProcessId));
            }
        }

        // As a reader over the network does: after a failure it goes on from what it has.
        async Task<List<string>> ReadAsync()
        {
            var seen = new List<string>();
            while (true)
            {
                try
                {
                    await foreach (var e in parts.Hub.SubscribeAsync(owner.Id, stream, seen.Count, Ct))
                    {
                        e.Revision.ShouldBe(seen.Count + 1);
                        seen.Add(Text(e));
                        if (e.Type == "last")
                            return seen;
                    }
                }
                catch (Exception e) when (e is NpgsqlException or IOException)
                {
                    // It was reading what is past when its connection was killed.
                }
            }
        }
    }

    [Fact]
    public async Task A_cursor_before_what_is_kept_or_past_the_end_is_told_so()
    {
        var owner = TestOwner.New();
        await using var parts = await EventParts.StartAsync(postgres, Ct);
        for (var i = 0; i < 3; i++)
            await AppendAsync(owner, Stream, "{}");
        // The retention takes what every consumer has passed; the row is moved back in time by hand instead.
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            await using var remove = new NpgsqlCommand(
                """
                delete from platform.event where owner = $1 and revision <= 2;
                """,
                admin
            );
            remove.Parameters.Add(Sql.Owner(owner.Id));
            await remove.ExecuteNonQueryAsync(Ct);
            await using var mark = new NpgsqlCommand(
                "update platform.stream set removed_through = 2 where owner = $1",
                admin
            );
            mark.Parameters.Add(Sql.Owner(owner.Id));
            await mark.ExecuteNonQueryAsync(Ct);
        }
        foreach (var cursor in new[] { 1L, 9L })
        {
            var gone = await Should.ThrowAsync<ProblemException>(() => parts.TakeAsync(owner, Stream, cursor, 1, Ct));
            gone.Problem.Type.ShouldBe(EventsProblems.CursorGone);
            gone.Problem.Extensions["revision"].ShouldBe(3L);
        }
        (await parts.TakeAsync(owner, Stream, 2, 1, Ct)).Single().Revision.ShouldBe(3);
        parts.Hub.Streams.ShouldBe(0);
    }

    [Fact]
    public async Task A_consumer_that_falls_out_of_the_window_is_cut_and_told_its_cursor()
    {
        var owner = TestOwner.New();
        await using var parts = await EventParts.StartAsync(postgres, Ct);
        await AppendAsync(owner, Stream, "{}");
        await using var slow = parts.Hub.SubscribeAsync(owner.Id, Stream, 0, Ct).GetAsyncEnumerator(Ct);
        (await slow.MoveNextAsync()).ShouldBeTrue();
        await using var quick = parts.Hub.SubscribeAsync(owner.Id, Stream, 1, Ct).GetAsyncEnumerator(Ct);
        // Live before the flood: a subscriber that is still catching up reads the table instead.
        await AppendAsync(owner, Stream, "{}");
        (await slow.MoveNextAsync()).ShouldBeTrue();
        (await quick.MoveNextAsync()).ShouldBeTrue();
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            await session.ExecuteAsync(
                $"select platform.append_event('{Stream}', 'flood', '0') from generate_series(1, 1500)",
                Ct
            );
            await session.CommitAsync(Ct);
        }
        // The quick one keeps up page by page, until everything has gone through the window.
        while (quick.Current.Revision < 1502)
        {
            try
            {
                await quick.MoveNextAsync();
            }
            catch (EventConsumerCutException)
            {
                break;
            }
        }
        var cut = await Should.ThrowAsync<EventConsumerCutException>(async () =>
        {
            while (await slow.MoveNextAsync()) { }
        });
        cut.Cursor.ShouldBe(2);
    }

    [Fact]
    public async Task A_dispatcher_passes_over_nobody_and_keeps_each_stream_in_order()
    {
        var owner = TestOwner.New();
        await using var parts = await EventParts.StartAsync(postgres, Ct);
        const int Total = 200;
        var consumer = new Collector("test." + Guid.CreateVersion7().ToString("N"), owner.Id, Total);
        using var dispatcher = new EventDispatcher(
            postgres.Pools,
            parts.Listener,
            [consumer],
            NullLogger<EventDispatcher>.Instance,
            TimeProvider.System
        );
        await dispatcher.StartAsync(Ct);
        var writers = Enumerable
            .Range(0, 5)
            .Select(async w =>
            {
                for (var n = 0; n < Total / 5; n++)
                {
                    await using var session = await postgres.OpenAsync(owner, Ct);
                    // The transaction's number is taken here: a late append in an early transaction is the hard case.
                    await session.ExecuteAsync("select pg_current_xact_id()", Ct);
                    await session.ExecuteAsync($"select pg_sleep(0.00{(w * 7 + n * 3) % 10})", Ct);
                    await EventLog.AppendAsync(session, new StreamId($"s/{n % 3}"), "written", "{}"u8.ToArray(), Ct);
                    await session.CommitAsync(Ct);
                }
            });
        await Task.WhenAll(writers);
        await consumer.Done.Task.WaitAsync(Ct);
        await dispatcher.StopAsync(Ct);
        foreach (var stream in consumer.Seen.GroupBy(e => e.Stream))
            stream.Select(e => e.Revision).ShouldBe(Enumerable.Range(1, stream.Count()).Select(n => (long)n));
        consumer.Seen.Count.ShouldBe(Total);
    }

    [Fact]
    public async Task Two_dispatchers_of_one_consumer_give_it_each_event_once_though_their_connections_are_killed()
    {
        const int Total = 300;
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync([PlatformModule.Sql], Ct);
        await using var admin = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await admin.OpenAsync(Ct);
        await RunAsync(
            """
            create table public.heard (
                place bigint generated always as identity primary key, stream text, revision bigint, unique (stream, revision)
            );
            grant insert on public.heard to platen_worker
            """
        );
        var owner = TestOwner.New();
        var consumer = new Recorder("test." + Guid.CreateVersion7().ToString("N"));
        await using var parts = await EventParts.StartAsync(runtime.Pools, TimeProvider.System, Ct);
        using var one = Dispatcher();
        using var other = Dispatcher();
        await one.StartAsync(Ct);
        await other.StartAsync(Ct);
        for (var n = 0; n < Total; n++)
        {
            // A writer of its own, so that no append is lost with a connection that is killed.
            await RunAsync(
                $"""
                begin;
                set local role platen_app;
                set local platen.owner = '{owner.Id}';
                set local platen.actor = '{owner.Actor.Id}';
                select platform.append_event('s/{n % 3}', 'written', '{"{}"}');
                commit
                """
            );
            if (n % 30 == 0)
            {
                await RunAsync(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and application_name = 'platen' and pid <> pg_backend_pid()
                    """
                );
            }
        }
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "every event to be heard of",
            TimeSpan.FromSeconds(60),
            async _ => await CountAsync() == Total,
            Ct
        );
        await one.StopAsync(Ct);
        await other.StopAsync(Ct);
        (await CountAsync()).ShouldBe(Total);
        await using var disorder = new NpgsqlCommand(
            """
            select count(*) from (
                select revision, row_number() over (partition by stream order by place) as nth from public.heard
            ) h where h.revision <> h.nth
            """,
            admin
        );
        (await disorder.ExecuteScalarAsync(Ct)).ShouldBe(0L);

        EventDispatcher Dispatcher() =>
            new(runtime.Pools, parts.Listener, [consumer], NullLogger<EventDispatcher>.Instance, TimeProvider.System);

        async Task RunAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, admin);
            await command.ExecuteNonQueryAsync(Ct);
        }

        async Task<long> CountAsync()
        {
            await using var command = new NpgsqlCommand("select count(*) from public.heard", admin);
            return (long)(await command.ExecuteScalarAsync(Ct))!;
        }
    }

    private async Task<long> AppendAsync(TestOwner owner, StreamId stream, string json)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var revision = await EventLog.AppendAsync(session, stream, "written", Encoding.UTF8.GetBytes(json), Ct);
        await session.CommitAsync(Ct);
        return revision;
    }

    private async Task KillListenerAsync(NotificationListener listener)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var kill = new NpgsqlCommand("select pg_terminate_backend($1)", admin);
        kill.Parameters.Add(Sql.Int(listener.ProcessId));
        await kill.ExecuteNonQueryAsync(Ct);
    }

    /// <returns>How many were there to be killed.</returns>
    private async Task<int> KillSomeAsync(string application, int listener)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var kill = new NpgsqlCommand(
            """
            select count(*) filter (where pg_terminate_backend(pid))::int from pg_stat_activity
             where (application_name = $1 or pid = $2) and random() < 0.5
            """,
            admin
        );
        kill.Parameters.Add(Sql.Text(application));
        kill.Parameters.Add(Sql.Int(listener));
        return (int)(await kill.ExecuteScalarAsync(Ct))!;
    }

    /// <summary>Writes what it is given in the dispatcher's transaction.</summary>
    private sealed class Recorder(string name) : IEventConsumer
    {
        public string Name => name;

        public async Task ConsumeAsync(Session session, IReadOnlyList<Event> events, CancellationToken ct)
        {
            foreach (var one in events)
            {
                await session.ExecuteAsync(
                    "insert into public.heard (stream, revision) values ($1, $2)",
                    ct,
                    Sql.Text(one.Stream.Value),
                    Sql.Long(one.Revision)
                );
            }
        }
    }

    private sealed class Collector(string name, OwnerId owner, int total) : IEventConsumer
    {
        private int failures;

        public List<Event> Seen { get; } = [];

        public TaskCompletionSource Done { get; } = new();

        public string Name => name;

        public Task ConsumeAsync(Session session, IReadOnlyList<Event> events, CancellationToken ct)
        {
            if (failures++ == 1)
                throw new InvalidOperationException("Fails once, to be given the same again.");
            Seen.AddRange(events.Where(e => e.Owner == owner));
            if (Seen.Count >= total)
                Done.TrySetResult();
            return Task.CompletedTask;
        }
    }
}

using System.Collections.Frozen;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Access;
using Platen.Access.Keys;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Widgets;
using EventLog = Platen.Platform.Events.EventLog;

namespace Platen.Bench;

/// <summary>
/// What access costs: checking a key that is remembered, beside the two hashes that it cannot do without; opening a scoped session, beside a
/// transaction without a scope; how soon a revoked key is refused by another node; and listing and entering one's workspaces and reading an
/// instance among 100,000, beside the same among 10.
/// </summary>
internal static class AccessBench
{
    private const int Many = 100_000;
    private const int Few = 10;
    private const int RoundCount = 7;

    public static async Task RunAsync(CancellationToken ct)
    {
        var postgres = new PostgresFixture();
        await postgres.InitializeAsync();
        try
        {
            await using var node = await Node.StartAsync(postgres.Pools, ct);
            await using var other = await Node.StartAsync(postgres.Pools, ct);
            await using var admin = await postgres.OpenAdminAsync(ct);
            var person = await AddPersonAsync(admin, ct);
            var owner = await MakeAsync(node, person, "bench one", ct);
            await KeysAsync(node, other, owner, ct);
            await SessionsAsync(postgres, owner, ct);
            await WorkspacesAsync(postgres, ct);
        }
        finally
        {
            await postgres.DisposeAsync();
        }
    }

    private static async Task KeysAsync(Node node, Node other, Caller owner, CancellationToken ct)
    {
        var made = await node.Create.RunAsync(owner, new CreateKey.Body("bench", [Scopes.FilesRead]), once: null, ct);
        var text = made.Secret.Reveal();
        await other.Keys.VerifyAsync(made.Secret, ct);
        var ascii = System.Text.Encoding.ASCII.GetBytes(text);
        var check = new List<double>();
        var hashes = new List<double>();
        for (var round = 0; round < RoundCount; round++)
        {
            // What is remembered is forgotten after five seconds: each round begins by asking.
            await other.Keys.VerifyAsync(made.Secret, ct);
            check.Add(Rounds.SecondsPerCall(() => Check(other, text), TimeSpan.FromMilliseconds(300)) * 1e6);
            hashes.Add(
                Rounds.SecondsPerCall(
                    () =>
                    {
                        System.Security.Cryptography.SHA256.HashData(ascii);
                        System.Security.Cryptography.SHA256.HashData(ascii);
                    },
                    TimeSpan.FromMilliseconds(300)
                ) * 1e6
            );
        }
        Report(
            $"key check, remembered: {Rounds.Median(check):F2} µs; two SHA-256 alone: {Rounds.Median(hashes):F2} µs (target <= 20 µs)"
        );

        var revocations = new List<double>();
        for (var round = 0; round < 40; round++)
        {
            var key = await node.Create.RunAsync(owner, new CreateKey.Body("gone", [Scopes.FilesRead]), once: null, ct);
            while ((await other.Keys.VerifyAsync(key.Secret, ct)).Caller is null) { }
            await node.Revoke.RunAsync(owner, key.Key.Id, ct);
            var revoked = Stopwatch.GetTimestamp();
            while ((await other.Keys.VerifyAsync(key.Secret, ct)).Caller is not null) { }
            revocations.Add(Stopwatch.GetElapsedTime(revoked).TotalMilliseconds);
        }
        Report(
            $"revocation, from its answer to the refusal by another node: p50 {Rounds.Median(revocations):F2} ms, worst {revocations.Max():F2} ms (target <= 50 ms)"
        );
    }

    private static void Check(Node node, string text)
    {
        if (!MachineKey.TryParse(text, out var key))
            throw new InvalidOperationException("The key is well-formed.");
        var check = node.Keys.VerifyAsync(key, CancellationToken.None);
        // A remembered key is answered without waiting; one that is asked for anew is not what is measured.
        if (!check.IsCompletedSuccessfully)
            check.AsTask().GetAwaiter().GetResult();
        else if (check.Result.Caller is null)
            throw new InvalidOperationException("The key is good.");
    }

    private static async Task SessionsAsync(PostgresFixture postgres, Caller owner, CancellationToken ct)
    {
        var settings = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            MaxAutoPrepare = 64,
            NoResetOnClose = true,
        };
        await using var bare = NpgsqlDataSource.Create(settings.ConnectionString);
        var scoped = new List<double>();
        var plain = new List<double>();
        // The first are where connections, plans and code are made.
        for (var i = 0; i < 2_400; i++)
        {
            var (first, second) = i % 2 == 0 ? (scoped, plain) : (plain, scoped);
            first.Add(await MillisecondsAsync(ReferenceEquals(first, scoped) ? ScopedAsync : PlainAsync));
            second.Add(await MillisecondsAsync(ReferenceEquals(second, scoped) ? ScopedAsync : PlainAsync));
            if (i == 399)
            {
                scoped.Clear();
                plain.Clear();
            }
        }
        var added = Rounds.Median(scoped) - Rounds.Median(plain);
        Report(
            $"scoped session with one query: p50 {Rounds.Median(scoped):F3} ms; transaction without a scope: {Rounds.Median(plain):F3} ms; added {added:F3} ms (target <= 0.3 ms)"
        );

        async Task ScopedAsync()
        {
            await using var session = await postgres.Pools.OpenAsync(owner.Operation("bench"), ct);
            await session.FirstAsync("select 1", row => row.GetInt32(0), ct);
        }

        async Task PlainAsync()
        {
            await using var connection = await bare.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await using var command = new NpgsqlCommand("select 1", connection, transaction);
            await command.ExecuteScalarAsync(ct);
        }
    }

    /// <summary>
    /// Two databases of one server, one with ten workspaces and one with 100,000, an instance in each; asked in turns, so that both meet
    /// the same machine.
    /// </summary>
    private static async Task WorkspacesAsync(PostgresFixture postgres, CancellationToken ct)
    {
        await using var few = await Place.MakeAsync(postgres, Few, ct);
        await using var many = await Place.MakeAsync(postgres, Many, ct);
        foreach (
            var (what, ask) in ((string, Func<Place, Task>)[])
                [
                    ("listing one's ten", place => place.ListAsync(ct)),
                    ("entering one and reading it", place => place.EnterAsync(ct)),
                    ("reading one instance", place => place.ReadInstanceAsync(ct)),
                ]
        )
        {
            var (fewTook, manyTook) = (new List<double>(), new List<double>());
            var ratios = new List<double>();
            for (var round = 0; round < RoundCount; round++)
            {
                var (a, b) = (new List<double>(), new List<double>());
                for (var i = 0; i < 200; i++)
                {
                    a.Add(await MillisecondsAsync(() => ask(few)));
                    b.Add(await MillisecondsAsync(() => ask(many)));
                    b.Add(await MillisecondsAsync(() => ask(many)));
                    a.Add(await MillisecondsAsync(() => ask(few)));
                }
                // The first round is also where connections, plans and code are made.
                if (round == 0)
                    continue;
                fewTook.AddRange(a);
                manyTook.AddRange(b);
                ratios.Add(Rounds.Median(b) / Rounds.Median(a));
            }
            Report(
                $"{what}: {Rounds.Median(fewTook):F3} ms among {Few}, {Rounds.Median(manyTook):F3} ms among {Many:N0} workspaces: {Rounds.Median(ratios):F2} × (rounds {ratios.Min():F2} to {ratios.Max():F2}; target <= 1.2 ×)"
            );
        }
    }

    private static async Task<double> MillisecondsAsync(Func<Task> ask)
    {
        var started = Stopwatch.GetTimestamp();
        await ask();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>A database with so many workspaces, ten of them of one person.</summary>
    private sealed class Place : IAsyncDisposable
    {
        private readonly TestDatabase database;
        private readonly PostgresRuntime runtime;
        private readonly Node node;
        private readonly Caller person;
        private readonly ReadInstances instances;
        private readonly string mine;

        private Place(TestDatabase database, PostgresRuntime runtime, Node node, Caller person, string mine)
        {
            this.mine = mine;
            (this.database, this.runtime, this.node, this.person) = (database, runtime, node, person);
            instances = new ReadInstances(runtime.Pools);
        }

        public static async Task<Place> MakeAsync(PostgresFixture postgres, int workspaces, CancellationToken ct)
        {
            var made = await postgres.CreateDatabaseAsync(ct);
            var running = await made.StartAsync(postgres.Modules, ct);
            await using var admin = new NpgsqlConnection(made.ConnectionString + ";Pooling=false");
            await admin.OpenAsync(ct);
            var somebody = await AddPersonAsync(admin, ct);
            await using var fill = new NpgsqlCommand(
                $"""
                insert into access.person (id, display_name, email, normalized_email)
                select gen_random_uuid(), 'P', 'p' || n || '@bench.example', 'p' || n || '@bench.example' from generate_series(1, 1000) n;
                create temporary table made as select gen_random_uuid() as owner, n from generate_series(1, {workspaces}) n;
                insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
                select owner, 'fill-' || n, 'Fill ' || n, 'pool', gen_random_uuid(), 'x', 'sha256:' || repeat('0', 64) from made;
                insert into access.member (owner, person_id, role, added_by, added_by_name)
                select m.owner, p.id, 'owner', p.id, 'x'
                from made m join (select id, row_number() over () as n from access.person where email like 'p%') p on p.n = 1 + m.n % 1000;
                insert into access.member (owner, person_id, role, added_by, added_by_name)
                select owner, '{somebody.Person}', 'owner', '{somebody.Person}', 'x' from made where n % {workspaces
                    / Few} = 0;
                insert into widgets.user_instance_id (owner, public_id) select owner, 'wgt_content.faq_u_fill-' || n from made;
                set session_replication_role = replica;
                insert into widgets.widget_instances (
                    owner, id, public_id, widget_type, status, config, config_digest, updated_by, updated_by_name, stage_profile
                )
                select owner, gen_random_uuid(), 'wgt_content.faq_u_fill-' || n, 'content.faq', 'published',
                    jsonb_build_object('heading', repeat('x', 2000)), 'sha256:' || repeat('0', 64), owner, 'x', 'standalone'
                from made;
                set session_replication_role = default;
                """,
                admin
            )
            {
                CommandTimeout = 900,
            };
            await fill.ExecuteNonQueryAsync(ct);
            await using var analyze = new NpgsqlCommand("vacuum analyze", admin) { CommandTimeout = 900 };
            await analyze.ExecuteNonQueryAsync(ct);
            return new Place(
                made,
                running,
                await Node.StartAsync(running.Pools, ct),
                somebody,
                $"fill-{workspaces / 2}"
            );
        }

        public Task ListAsync(CancellationToken ct) =>
            node.Read.PageAsync(person, null, 50, null, null, mine: false, ct);

        public async Task EnterAsync(CancellationToken ct)
        {
            // A directory of its own remembers nothing: entering is a part of it.
            var entered = await Fresh().EnterAsync(person, mine, ct);
            await node.Read.OneAsync(entered!, ct);
        }

        /// <summary>As a request that nothing is remembered for: whose it is, who the person is there, and the instance.</summary>
        public async Task ReadInstanceAsync(CancellationToken ct)
        {
            var text = "wgt_content.faq_u_" + mine;
            Guid owner;
            await using (var session = await runtime.Pools.OpenAsync(person.Operation("bench"), ct))
            {
                owner = await session.FirstAsync(
                    "select widgets.find_instance_owner($1)",
                    row => row.GetGuid(0),
                    ct,
                    Sql.Text(text)
                );
            }
            var entered = await Fresh().EnterAsync(person, new OwnerId(owner), ct);
            await instances.OneAsync(entered!, PublicId.Parse(text), ct);
        }

        public async ValueTask DisposeAsync()
        {
            await node.DisposeAsync();
            await runtime.DisposeAsync();
            await database.DisposeAsync();
        }

        private WorkspaceDirectory Fresh() => new(runtime.Pools, node.Invalidation, TimeProvider.System);
    }

    private static async Task<Caller> AddPersonAsync(NpgsqlConnection admin, CancellationToken ct)
    {
        var id = PersonId.New();
        await using var insert = new NpgsqlCommand(
            "insert into access.person (id, display_name, email, normalized_email) values ($1, 'Bench', 'b@bench.example', 'b@bench.example')",
            admin
        );
        insert.Parameters.AddWithValue(id.Value);
        await insert.ExecuteNonQueryAsync(ct);
        return new Caller(new Actor(id.AsActor, "Bench"), new OwnerId(id.Value), FrozenSet<string>.Empty)
        {
            Person = id,
        };
    }

    private static async Task<Caller> MakeAsync(Node node, Caller person, string name, CancellationToken ct)
    {
        var made = await node.Workspaces.RunAsync(person, new CreateWorkspace.Body(name), key: null, ct);
        var directory = new WorkspaceDirectory(node.Pools, node.Invalidation, TimeProvider.System);
        return (await directory.EnterAsync(person, made.Workspace.Id.ToString(), ct))!;
    }

    private static void Report(FormattableString line) =>
        Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private sealed class Node : IAsyncDisposable
    {
        private readonly NotificationListener listener;

        private Node(PostgresPools pools)
        {
            Pools = pools;
            var clock = TimeProvider.System;
            listener = new NotificationListener(Pools, NullLogger<NotificationListener>.Instance, clock);
            Invalidation = new Invalidation(listener);
            var options = new AccessOptions();
            Keys = new KeyVerifier(Pools, Invalidation, options, clock, NullLogger<KeyVerifier>.Instance);
            Create = new CreateKey(Pools, options, clock);
            Revoke = new RevokeKey(Pools, Invalidation, clock);
            Workspaces = new CreateWorkspace(Pools);
            Read = new ReadWorkspaces(Pools);
        }

        public PostgresPools Pools { get; }
        public Invalidation Invalidation { get; }
        public KeyVerifier Keys { get; }
        public CreateKey Create { get; }
        public RevokeKey Revoke { get; }
        public CreateWorkspace Workspaces { get; }
        public ReadWorkspaces Read { get; }

        public static async Task<Node> StartAsync(PostgresPools pools, CancellationToken ct)
        {
            var node = new Node(pools);
            var listening = new TaskCompletionSource();
            using (node.listener.Add(EventLog.Channel, _ => { }, listening.SetResult))
            {
                await node.listener.StartAsync(ct);
                await listening.Task.WaitAsync(ct);
            }
            return node;
        }

        public async ValueTask DisposeAsync()
        {
            await listener.StopAsync(CancellationToken.None);
            listener.Dispose();
            Invalidation.Dispose();
            Keys.Dispose();
        }
    }
}

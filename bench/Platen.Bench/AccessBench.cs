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
using EventLog = Platen.Platform.Events.EventLog;

namespace Platen.Bench;

/// <summary>
/// What access costs: checking a key that is remembered, beside the two hashes that it cannot do without; opening a scoped session, beside a
/// transaction without a scope; how soon a revoked key is refused by another node; and entering and listing one's workspaces among 100,000,
/// beside the same among 10.
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
            await using var node = await Node.StartAsync(postgres, ct);
            await using var other = await Node.StartAsync(postgres, ct);
            var person = await AddPersonAsync(postgres, ct);
            var owner = await MakeAsync(node, person, "bench one", ct);
            await KeysAsync(node, other, owner, ct);
            await SessionsAsync(postgres, owner, ct);
            await WorkspacesAsync(postgres, node, person, owner, ct);
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
        for (var i = 0; i < 2_000; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await using (var session = await postgres.Pools.OpenAsync(owner.Operation("bench"), ct))
                await session.FirstAsync("select 1", row => row.GetInt32(0), ct);
            scoped.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            started = Stopwatch.GetTimestamp();
            await using (var connection = await bare.OpenConnectionAsync(ct))
            await using (var transaction = await connection.BeginTransactionAsync(ct))
            await using (var command = new NpgsqlCommand("select 1", connection, transaction))
                await command.ExecuteScalarAsync(ct);
            plain.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        var added = Rounds.Median(scoped) - Rounds.Median(plain);
        Report(
            $"scoped session with one query: p50 {Rounds.Median(scoped):F3} ms; transaction without a scope: {Rounds.Median(plain):F3} ms; added {added:F3} ms (target <= 0.3 ms)"
        );
    }

    private static async Task WorkspacesAsync(
        PostgresFixture postgres,
        Node node,
        Caller person,
        Caller owner,
        CancellationToken ct
    )
    {
        for (var i = 1; i < Few; i++)
            await MakeAsync(node, person, string.Create(CultureInfo.InvariantCulture, $"bench few {i}"), ct);
        var (listFew, readFew) = await MeasureAsync(postgres, node, person, owner, ct);
        await using (var admin = await postgres.OpenAdminAsync(ct))
        {
            await using var fill = new NpgsqlCommand(
                $"""
                with p as (
                    insert into access.person (id, display_name, email, normalized_email)
                    select gen_random_uuid(), 'P', 'p' || n || '@bench.example', 'p' || n || '@bench.example'
                    from generate_series(1, 1000) n returning id
                ), w as (
                    insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
                    select gen_random_uuid(), 'fill-' || n, 'Fill ' || n, 'pool', gen_random_uuid(), 'x', 'sha256:' || repeat('0', 64)
                    from generate_series(1, {Many}) n returning owner
                ), numbered as (select id, row_number() over () as n from p), w2 as (select owner, row_number() over () as n from w)
                insert into access.member (owner, person_id, role, added_by, added_by_name)
                select w2.owner, numbered.id, 'owner', numbered.id, 'x' from w2 join numbered on numbered.n = 1 + w2.n % 1000;
                """,
                admin
            )
            {
                CommandTimeout = 600,
            };
            await fill.ExecuteNonQueryAsync(ct);
            await using var analyze = new NpgsqlCommand("vacuum analyze access.workspace, access.member", admin)
            {
                CommandTimeout = 600,
            };
            await analyze.ExecuteNonQueryAsync(ct);
        }
        var (listMany, readMany) = await MeasureAsync(postgres, node, person, owner, ct);
        Report(
            $"listing one's ten: {listFew:F3} ms among {Few}, {listMany:F3} ms among {Many:N0} workspaces: {listMany / listFew:F2} × (target <= 1.2 ×)"
        );
        Report(
            $"reading one: {readFew:F3} ms among {Few}, {readMany:F3} ms among {Many:N0} workspaces: {readMany / readFew:F2} × (target <= 1.2 ×)"
        );
    }

    private static async Task<(double List, double Read)> MeasureAsync(
        PostgresFixture postgres,
        Node node,
        Caller person,
        Caller owner,
        CancellationToken ct
    )
    {
        var lists = new List<double>();
        var reads = new List<double>();
        for (var i = 0; i < 400; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await node.Read.PageAsync(person, null, 50, null, null, mine: false, ct);
            lists.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            // A directory of its own remembers nothing: entering is a part of it.
            var fresh = new WorkspaceDirectory(postgres.Pools, node.Invalidation, TimeProvider.System);
            started = Stopwatch.GetTimestamp();
            var entered = await fresh.EnterAsync(person, owner.Owner.ToString(), ct);
            await node.Read.OneAsync(entered!, ct);
            reads.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        return (Rounds.Median(lists), Rounds.Median(reads));
    }

    private static async Task<Caller> AddPersonAsync(PostgresFixture postgres, CancellationToken ct)
    {
        var id = PersonId.New();
        await using var admin = await postgres.OpenAdminAsync(ct);
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

        private Node(PostgresFixture postgres)
        {
            Pools = postgres.Pools;
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

        public static async Task<Node> StartAsync(PostgresFixture postgres, CancellationToken ct)
        {
            var node = new Node(postgres);
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

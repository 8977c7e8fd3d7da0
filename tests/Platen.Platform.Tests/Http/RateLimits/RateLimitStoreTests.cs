using System.Buffers;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Http.RateLimits;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Http.RateLimits;

/// <summary>The real stores, each held to the same rules; and the limiter while the first of them dies.</summary>
public sealed class RateLimitStoreTests(PostgresFixture postgres, RedisFixture redis) : IClassFixture<RedisFixture>
{
    // Long enough that nothing comes back while a test runs, however slow the machine is.
    private static readonly RateLimitPolicy Daily = new("daily", RateLimitSubject.Actor, 100, TimeSpan.FromDays(1));

    // A store that is slow because the machine is busy is not away.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string> Stores => ["redis", "postgresql"];

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Charges_count_in_any_case_and_one_more_only_when_there_is_room(string name)
    {
        await using var store = Open(name);
        var key = NewKey();
        var fresh = (await store.SettleAsync([Charge(key, wants: true)], Ct)).Single();
        fresh.Granted.ShouldBeTrue();
        fresh.Used.ShouldBeInRange(Daily.Interval - Second, Daily.Interval);
        (await store.SettleAsync([Charge(key, charge: 98, wants: true)], Ct)).Single().Granted.ShouldBeTrue();
        (await store.SettleAsync([Charge(key, wants: true)], Ct)).Single().Granted.ShouldBeFalse();
        var over = (await store.SettleAsync([Charge(key, charge: 50)], Ct)).Single();
        over.Used.ShouldBeInRange(150 * Daily.Interval - 60 * Second, 150 * Daily.Interval);
        // Never more than two quotas ahead: a mistake ends.
        (await store.SettleAsync([Charge(key, charge: 100_000)], Ct))
            .Single()
            .Used.ShouldBeInRange(2 * Daily.Burst - 60 * Second, 2 * Daily.Burst);
    }

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task A_store_learns_what_a_node_knows_and_many_charges_go_in_one(string name)
    {
        await using var store = Open(name);
        var keys = Enumerable.Range(0, 300).Select(_ => NewKey()).ToList();
        var charges = keys.Select((key, i) => Charge(key, used: i * Daily.Interval / 10, wants: true)).ToList();
        var balances = await store.SettleAsync(charges, Ct);
        balances.Length.ShouldBe(300);
        for (var i = 0; i < balances.Length; i++)
        {
            balances[i].Granted.ShouldBeTrue();
            balances[i]
                .Used.ShouldBeInRange(charges[i].Used + Daily.Interval - 60 * Second, charges[i].Used + Daily.Interval);
        }
        await store.SweepAsync(Ct);
        (await store.SettleAsync([Charge(keys[299])], Ct)).Single().Used.ShouldBeGreaterThan(29 * Daily.Interval);
    }

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Many_at_once_are_granted_exactly_the_quota(string name)
    {
        await using var store = Open(name);
        var key = NewKey();
        var granted = 0;
        await Parallel.ForAsync(
            0,
            300,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Ct },
            async (_, ct) =>
            {
                if ((await store.SettleAsync([Charge(key, wants: true)], ct))[0].Granted)
                    Interlocked.Increment(ref granted);
            }
        );
        granted.ShouldBe(100);
    }

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Two_nodes_share_one_limit(string name)
    {
        var policies = new RateLimitPolicies([Daily]);
        using var one = new RateLimiter(policies, [Open(name)], TimeProvider.System, NullLogger.Instance, Patience);
        using var other = new RateLimiter(policies, [Open(name)], TimeProvider.System, NullLogger.Instance, Patience);
        var key = RateLimitKey.Of(Guid.CreateVersion7());
        var passed = 0;
        for (var i = 0; i < 300; i++)
            passed += (await (i % 2 == 0 ? one : other).TakeAsync(Daily, key, Ct)).Allowed ? 1 : 0;
        passed.ShouldBeInRange(100, 104);
        await one.StopAsync(Ct);
        await other.StopAsync(Ct);
    }

    [Fact]
    public async Task Redis_is_killed_under_load_and_the_limit_holds_and_it_is_used_again_by_itself()
    {
        await using var own = await RedisServer.StartAsync(Ct);
        var policy = new RateLimitPolicy("killed", RateLimitSubject.Actor, 2_000, TimeSpan.FromDays(1));
        var policies = new RateLimitPolicies([policy]);
        using var one = Node();
        using var other = Node();
        await one.StartAsync(Ct);
        await other.StartAsync(Ct);
        var key = RateLimitKey.Of(Guid.CreateVersion7());
        var passed = 0;
        var asked = 0;
        async Task LoadAsync(int requests) =>
            await Parallel.ForAsync(
                0,
                requests,
                new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Ct },
                async (i, ct) =>
                {
                    var decision = await (i % 2 == 0 ? one : other).TakeAsync(policy, key, ct);
                    Interlocked.Increment(ref asked);
                    if (decision.Allowed)
                        Interlocked.Increment(ref passed);
                }
            );

        await ServerProcess.WaitUntilAsync(
            "both nodes to count in Redis",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(one.Store == "redis" && other.Store == "redis"),
            Ct
        );
        await LoadAsync(900);
        var load = LoadAsync(400);
        await own.KillAsync();
        await load;
        // Whoever asks next learns that Redis is gone and counts on in PostgreSQL.
        await LoadAsync(400);
        await ServerProcess.WaitUntilAsync(
            "the fallback",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                await LoadAsync(2);
                return one.Store == "postgresql" && other.Store == "postgresql";
            },
            Ct
        );
        await LoadAsync(5_000);
        passed.ShouldBeInRange(2_000, 2_200);

        // Started again it knows nothing, and nobody gets a new quota for that.
        await own.StartAgainAsync(Ct);
        await ServerProcess.WaitUntilAsync(
            "Redis to count again",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(one.Store == "redis" && other.Store == "redis"),
            Ct
        );
        await LoadAsync(5_000);
        passed.ShouldBeInRange(2_000, 2_200);
        await one.StopAsync(Ct);
        await other.StopAsync(Ct);

        RateLimiter Node() =>
            new(
                policies,
                [new RedisRateLimitStore(RedisAddress.Parse(own.Url)!), new PostgresRateLimitStore(postgres.Pools)],
                TimeProvider.System,
                NullLogger.Instance,
                Patience
            );
    }

    [Theory]
    [InlineData("stands still")]
    [InlineData("is killed")]
    public async Task While_redis_is_away_no_request_waits_for_it_and_the_limit_holds(string how)
    {
        const int AtOnce = 8;
        await using var own = await RedisServer.StartAsync(Ct);
        await using var watched = new WatchedStore(new RedisRateLimitStore(RedisAddress.Parse(own.Url)!));
        // Asked for every request: a quota below fifty has no credit.
        var policy = new RateLimitPolicy("away", RateLimitSubject.Actor, 49, TimeSpan.FromDays(1));
        using var node = Node(watched, Patient());
        using var without = Node(Patient());
        await node.StartAsync(Ct);
        await without.StartAsync(Ct);
        await CountsInAsync("redis");

        if (how == "is killed")
            await own.KillAsync();
        else
            await own.StandStillAsync(Ct);
        var before = watched.Requests;
        var keys = Enumerable.Range(0, 20).Select(_ => RateLimitKey.Of(Guid.CreateVersion7())).ToList();
        var passed = new int[keys.Count];
        await Parallel.ForAsync(
            0,
            100 * keys.Count,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Ct },
            async (i, ct) =>
            {
                if ((await node.TakeAsync(policy, keys[i % keys.Count], ct)).Allowed)
                    Interlocked.Increment(ref passed[i % keys.Count]);
            }
        );
        // Those under way when it went, and the one in the background that tells what was let pass.
        (watched.Requests - before).ShouldBeLessThanOrEqualTo(AtOnce + 1);
        passed.ShouldAllBe(count => count >= 49 && count <= 53);
        await CountsInAsync("postgresql");

        // From then on none asks it; what a request takes is what it takes where there is no Redis at all.
        before = watched.Requests;
        var (away, alone) = (new List<double>(), new List<double>());
        for (var i = 0; i < 400; i++)
        {
            var first = i % 2 == 0;
            (first ? away : alone).Add(await SecondsAsync(first ? node : without));
            (first ? alone : away).Add(await SecondsAsync(first ? without : node));
        }
        watched.Requests.ShouldBe(before);
        (Median(away) / Median(alone)).ShouldBeLessThan(3);
        var probes = watched.Probes;
        await ServerProcess.WaitUntilAsync(
            "another probe",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(watched.Probes > probes),
            Ct
        );
        // One, beside a former one that was given up and has not noticed yet.
        watched.ProbesAtOnce.ShouldBeLessThanOrEqualTo(2);

        if (how == "is killed")
            await own.StartAgainAsync(Ct);
        else
            await own.GoOnAsync(Ct);
        await ServerProcess.WaitUntilAsync(
            "requests to be counted in Redis again",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                await SecondsAsync(node);
                return watched.Requests > before;
            },
            Ct
        );
        (await node.TakeAsync(policy, keys[0], Ct)).Allowed.ShouldBeFalse();
        await node.StopAsync(Ct);
        await without.StopAsync(Ct);

        // PostgreSQL that is slow because the machine is busy is not away.
        IRateLimitStore Patient() => new WatchedStore(new PostgresRateLimitStore(postgres.Pools), Patience);

        RateLimiter Node(params IRateLimitStore[] stores) =>
            new(new RateLimitPolicies([policy]), stores, TimeProvider.System, NullLogger.Instance);

        Task CountsInAsync(string store) =>
            ServerProcess.WaitUntilAsync(
                store,
                TimeSpan.FromSeconds(60),
                _ => Task.FromResult(node.Store == store),
                Ct
            );

        // By somebody new each time: whoever is known may be answered from memory.
        async Task<double> SecondsAsync(RateLimiter asked)
        {
            var began = Stopwatch.GetTimestamp();
            await asked.TakeAsync(policy, RateLimitKey.Of(Guid.CreateVersion7()), Ct);
            return Stopwatch.GetElapsedTime(began).TotalSeconds;
        }

        static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
    }

    [Fact]
    public async Task A_redis_that_can_be_reached_and_does_not_count_stays_away()
    {
        await using var own = await RedisServer.StartAsync(Ct);
        await using var watched = new WatchedStore(new RedisRateLimitStore(RedisAddress.Parse(own.Url)!));
        using var node = new RateLimiter(
            new RateLimitPolicies([Daily]),
            [watched],
            TimeProvider.System,
            NullLogger.Instance
        );
        // Of a master that is nowhere: it answers, and may not be written to.
        await using var admin = await RespConnection.OpenAsync(RedisAddress.Parse(own.Url)!, Ct);
        await admin.SendAsync(["REPLICAOF", "127.0.0.1", "1"], Ct);
        await node.StartAsync(Ct);
        await ServerProcess.WaitUntilAsync(
            "some probes",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(watched.Probes > 2),
            Ct
        );
        (await node.TakeAsync(Daily, RateLimitKey.Of(Guid.CreateVersion7()), Ct)).Allowed.ShouldBeTrue();
        node.Store.ShouldBeNull();
        watched.Requests.ShouldBe(0);

        await admin.SendAsync(["REPLICAOF", "NO", "ONE"], Ct);
        await ServerProcess.WaitUntilAsync(
            "Redis to count",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(node.Store == "redis"),
            Ct
        );
        await node.StopAsync(Ct);
    }

    [Fact]
    public async Task A_redis_that_stands_still_is_left_alone_until_it_goes_on()
    {
        await using var own = await RedisServer.StartAsync(Ct);
        var stores = new IRateLimitStore[]
        {
            new RedisRateLimitStore(RedisAddress.Parse(own.Url)!),
            new PostgresRateLimitStore(postgres.Pools),
        };
        using var node = new RateLimiter(
            new RateLimitPolicies([Daily]),
            stores,
            TimeProvider.System,
            NullLogger.Instance
        );
        await node.StartAsync(Ct);
        var key = RateLimitKey.Of(Guid.CreateVersion7());
        await using (var admin = await RespConnection.OpenAsync(RedisAddress.Parse(own.Url)!, Ct))
            await admin.SendAsync(["CLIENT", "PAUSE", "3000", "ALL"], Ct);
        var passed = 0;
        for (var i = 0; i < 200; i++)
            passed += (await node.TakeAsync(Daily, key, Ct)).Allowed ? 1 : 0;
        passed.ShouldBe(100);
        await ServerProcess.WaitUntilAsync(
            "Redis to count again",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(node.Store == "redis"),
            Ct
        );
        (await node.TakeAsync(Daily, key, Ct)).Allowed.ShouldBeFalse();
        await node.StopAsync(Ct);
    }

    [Fact]
    public async Task Who_leaves_while_redis_is_asked_takes_no_answer_from_others()
    {
        await using var own = await RedisServer.StartAsync(Ct);
        var policies = new RateLimitPolicies([Daily]);
        using var metrics = new RateLimitMetrics(policies);
        await using var shared = new SharedCount(
            [new RedisRateLimitStore(RedisAddress.Parse(own.Url)!)],
            metrics,
            TimeProvider.System,
            NullLogger.Instance,
            Patience
        );
        await shared.WarmAsync(Ct);
        await using (var admin = await RespConnection.OpenAsync(RedisAddress.Parse(own.Url)!, Ct))
            await admin.SendAsync(["CLIENT", "PAUSE", "1000", "ALL"], Ct);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var left = shared.SettleAsync([Charge(NewKey(), wants: true)], leaving.Token).AsTask();
        var stays = shared.SettleAsync([Charge(NewKey(), wants: true)], Ct).AsTask();
        await leaving.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => left);

        (await stays).ShouldNotBeNull().Single().Granted.ShouldBeTrue();
        shared.Current.ShouldBe("redis");
    }

    [Fact]
    public async Task A_password_is_presented_and_a_wrong_one_opens_the_circuit()
    {
        await using var own = await RedisServer.StartAsync(Ct, password: "s3cret:@");
        var address = new RedisAddress("127.0.0.1", own.Port, Tls: false, User: null, "s3cret:@", Database: 3);
        await using (var store = new RedisRateLimitStore(address))
            (await store.SettleAsync([Charge(NewKey(), wants: true)], Ct)).Single().Granted.ShouldBeTrue();
        await using var stranger = new RedisRateLimitStore(address with { Password = "wrong" });
        await Should.ThrowAsync<RespErrorException>(() => stranger.SettleAsync([Charge(NewKey())], Ct));
    }

    [Fact]
    public async Task A_script_that_was_flushed_is_loaded_again()
    {
        await using var store = Open("redis");
        var key = NewKey();
        await store.SettleAsync([Charge(key, wants: true)], Ct);
        await using (var admin = await RespConnection.OpenAsync(redis.Address, Ct))
            await admin.SendAsync(["SCRIPT", "FLUSH"], Ct);
        await Should.ThrowAsync<RespErrorException>(() => store.SettleAsync([Charge(key, wants: true)], Ct));
        (await store.SettleAsync([Charge(key, wants: true)], Ct)).Single().Used.ShouldBeGreaterThan(Daily.Interval);
    }

    [Theory]
    [InlineData("+OK\r\n", "OK")]
    [InlineData("$5\r\nhe\r\no\r\n", "he\r\no")]
    [InlineData("$-1\r\n", null)]
    [InlineData("-ERR no\r\n", "ERR no")]
    public void A_reply_is_read_when_it_has_arrived_whole(string text, string? expected)
    {
        for (var cut = 0; cut < text.Length; cut++)
        {
            var part = new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(text[..cut]));
            RespConnection.TryParse(ref part, 0, out _).ShouldBeFalse();
        }
        var whole = new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(text + "rest"));
        RespConnection.TryParse(ref whole, 0, out var reply).ShouldBeTrue();
        reply.Text.ShouldBe(expected);
        whole.Length.ShouldBe(4);
    }

    [Theory]
    [InlineData("hello\r\n")]
    [InlineData("\r\n")]
    [InlineData(":x\r\n")]
    [InlineData("$99999999\r\n")]
    [InlineData("*99999999\r\n")]
    [InlineData("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n")]
    public void What_is_no_reply_breaks_the_connection(string text)
    {
        Should.Throw<InvalidDataException>(() =>
        {
            var bytes = new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(text));
            return RespConnection.TryParse(ref bytes, 0, out _);
        });
    }

    [Theory]
    [InlineData("redis://host", "redis://host:6379/0")]
    [InlineData("rediss://user:pass@host:7000/2", "rediss://host:7000/2")]
    [InlineData("redis://[::1]:6380", "redis://::1:6380/0")]
    public void An_address_is_printed_without_its_password(string text, string printed) =>
        RedisAddress.Parse(text)!.ToString().ShouldBe(printed);

    [Theory]
    [InlineData("host:6379")]
    [InlineData("http://host")]
    [InlineData("redis://host/db")]
    [InlineData("redis://host?x=1")]
    public void An_address_that_means_nothing_is_refused_without_repeating_it(string text) =>
        Should.Throw<FormatException>(() => RedisAddress.Parse(text)).Message.ShouldNotContain(text);

    private const long Second = 1_000_000;

    private IRateLimitStore Open(string name) =>
        name == "redis" ? new RedisRateLimitStore(redis.Address) : new PostgresRateLimitStore(postgres.Pools);

    private static string NewKey() => "test:" + Guid.CreateVersion7().ToString("N");

    private static RateLimitCharge Charge(string key, long used = 0, int charge = 0, bool wants = false) =>
        new(key, Daily.Interval, Daily.Burst, used, charge, wants);
}

/// <summary>A store as it is, and how often it was asked by whom.</summary>
internal sealed class WatchedStore(IRateLimitStore store, TimeSpan? patience = null) : IRateLimitStore
{
    private int requests;
    private int probes;
    private int probing;
    private int probesAtOnce;

    /// <summary>Times it was asked for what requests took.</summary>
    public int Requests => Volatile.Read(ref requests);

    /// <summary>Times it was asked whether it works.</summary>
    public int Probes => Volatile.Read(ref probes);

    /// <summary>The most that were under way together.</summary>
    public int ProbesAtOnce => Volatile.Read(ref probesAtOnce);

    public string Name => store.Name;

    public TimeSpan Patience => patience ?? store.Patience;

    public async Task<RateLimitBalance[]> SettleAsync(IReadOnlyList<RateLimitCharge> charges, CancellationToken ct)
    {
        if (charges[0] != SharedCount.Probe)
        {
            Interlocked.Increment(ref requests);
            return await store.SettleAsync(charges, ct);
        }
        Interlocked.Increment(ref probes);
        probesAtOnce = Math.Max(probesAtOnce, Interlocked.Increment(ref probing));
        try
        {
            return await store.SettleAsync(charges, ct);
        }
        finally
        {
            Interlocked.Decrement(ref probing);
        }
    }

    public Task SweepAsync(CancellationToken ct) => store.SweepAsync(ct);

    public ValueTask DisposeAsync() => store.DisposeAsync();
}

/// <summary>One Redis for the tests of a class.</summary>
public sealed class RedisFixture : IAsyncLifetime
{
    private RedisServer? server;

    internal RedisAddress Address => RedisAddress.Parse(server!.Url)!;

    public async ValueTask InitializeAsync() => server = await RedisServer.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
    }
}

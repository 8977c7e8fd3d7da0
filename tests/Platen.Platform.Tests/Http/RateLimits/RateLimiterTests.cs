using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Http.RateLimits;

namespace Platen.Platform.Tests.Http.RateLimits;

public sealed class RateLimiterTests : IAsyncDisposable
{
    private static readonly RateLimitPolicy Small = new("small", RateLimitSubject.Address, 10, TimeSpan.FromMinutes(1));
    private static readonly RateLimitPolicy Large = new(
        "large",
        RateLimitSubject.Actor,
        1_000,
        TimeSpan.FromMinutes(1)
    );
    private static readonly RateLimitKey Somebody = RateLimitKey.Of(IPAddress.Parse("203.0.113.9"));

    private readonly TickingClock clock = new();
    private readonly ModelStore store;

    public RateLimiterTests() => store = new ModelStore(clock);

    public ValueTask DisposeAsync() => store.DisposeAsync();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_quota_passes_at_once_and_comes_back_evenly()
    {
        using var node = Node();
        (await PassAsync(node, Small, 15)).ShouldBe(10);
        var refused = await node.TakeAsync(Small, Somebody, Ct);
        (refused.Allowed, refused.Remaining, refused.RetryAfterSeconds, refused.ResetSeconds).ShouldBe(
            (false, 0, 6, 60)
        );
        clock.Advance(TimeSpan.FromSeconds(18));
        (await PassAsync(node, Small, 15)).ShouldBe(3);
        clock.Advance(TimeSpan.FromHours(1));
        var first = await node.TakeAsync(Small, Somebody, Ct);
        (first.Allowed, first.Remaining, first.RetryAfterSeconds).ShouldBe((true, 9, 0));
    }

    [Fact]
    public async Task What_memory_knows_to_be_used_up_is_refused_without_asking()
    {
        using var node = Node();
        await PassAsync(node, Large, 1_500);
        var asked = store.Asked;
        (await PassAsync(node, Large, 1_000)).ShouldBe(0);
        store.Asked.ShouldBe(asked);
        // A fiftieth passes on credit: one question for that many requests.
        asked.ShouldBeInRange(1_000 / 21, 1_000 / 20);
    }

    [Fact]
    public async Task Nodes_share_a_small_quota_exactly_and_a_large_one_within_their_credit()
    {
        using var one = Node();
        using var other = Node();
        (await PassAsync(one, Small, 6) + await PassAsync(other, Small, 6)).ShouldBe(10);
        var passed = 0;
        for (var i = 0; i < 2_000; i++)
            passed += await PassAsync(i % 2 == 0 ? one : other, Large, 1);
        passed.ShouldBeInRange(1_000, 1_040);
        // What was too much is paid back.
        await one.TellAsync(Ct);
        await other.TellAsync(Ct);
        clock.Advance(TimeSpan.FromSeconds(30));
        var later = await PassAsync(one, Large, 600);
        (passed + later).ShouldBeInRange(1_500, 1_520);
    }

    [Fact]
    public async Task A_request_now_and_then_costs_no_question_and_is_told_all_the_same()
    {
        using var node = Node();
        using var other = Node();
        await PassAsync(node, Large, 20);
        store.Asked.ShouldBe(0);
        await node.TellAsync(Ct);
        store.Asked.ShouldBe(1);
        // The other node lets as many pass on credit, and asks then.
        await PassAsync(other, Large, 20);
        (await other.TakeAsync(Large, Somebody, Ct)).Remaining.ShouldBe(1_000 - 41);
    }

    [Fact]
    public async Task A_store_that_forgets_is_told_again()
    {
        using var node = Node();
        using var other = Node();
        await PassAsync(node, Large, 900);
        await node.TellAsync(Ct);
        store.Clear();
        await PassAsync(node, Large, 21);
        await node.TellAsync(Ct);
        (await PassAsync(other, Large, 500)).ShouldBeInRange(79, 79 + Large.Credit);
    }

    [Fact]
    public async Task While_no_store_answers_each_node_keeps_the_limit_and_tells_later()
    {
        using var node = Node();
        await PassAsync(node, Large, 500);
        store.Away = true;
        (await PassAsync(node, Large, 1_000)).ShouldBe(500);
        (await PassAsync(node, Small, 20)).ShouldBe(10);
        node.Store.ShouldBeNull();
        store.Away = false;
        clock.Advance(TimeSpan.FromSeconds(1));
        await node.ProbeAsync(Ct);
        node.Store.ShouldBe("model");
        await node.TellAsync(Ct);
        using var other = Node();
        (await PassAsync(other, Large, 200)).ShouldBeLessThanOrEqualTo(17 + Large.Credit);
    }

    [Fact]
    public async Task A_store_that_hangs_is_waited_for_once_and_the_next_one_counts_on()
    {
        var hanging = new ModelStore(clock);
        using var node = new RateLimiter(
            Policies,
            [hanging, store],
            clock,
            NullLogger.Instance,
            TimeSpan.FromMilliseconds(10)
        );
        (await PassAsync(node, Small, 4)).ShouldBe(4);
        hanging.Hangs = true;
        var asked = hanging.Asked;
        (await PassAsync(node, Small, 100)).ShouldBe(6);
        hanging.Asked.ShouldBe(asked + 1);
        store.Asked.ShouldBe(6);
    }

    [Fact]
    public async Task A_policy_of_each_node_asks_nobody()
    {
        using var node = Node();
        var own = new RateLimitPolicy("own", RateLimitSubject.Address, 100, TimeSpan.FromMinutes(1), shared: false);
        (await PassAsync(node, own, 150)).ShouldBe(100);
        await node.TellAsync(Ct);
        store.Asked.ShouldBe(0);
    }

    [Fact]
    public async Task Requests_at_once_pass_the_quota_and_the_credit_at_most()
    {
        using var node = Node();
        var passed = 0;
        await Parallel.ForAsync(
            0,
            4_000,
            new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Ct },
            async (_, ct) =>
            {
                if ((await node.TakeAsync(Large, Somebody, ct)).Allowed)
                    Interlocked.Increment(ref passed);
            }
        );
        // What one request asks the shared count, another may let pass on credit.
        passed.ShouldBeInRange(1_000, 1_000 + Large.Credit);
    }

    [Fact]
    public void In_any_stretch_of_time_no_more_than_the_quota_and_what_came_back_passes()
    {
        // Whatever the pauses and bursts, on two nodes that tell each other as the timer does.
        var check = (byte[] pauses, byte[] bursts) =>
        {
            var passes = new List<(long At, int Count)>();
            var moving = new TickingClock();
            var count = new ModelStore(moving);
            using var one = new RateLimiter(Policies, [count], moving, NullLogger.Instance);
            using var other = new RateLimiter(Policies, [count], moving, NullLogger.Instance);
            for (var i = 0; i < Math.Min(pauses.Length, bursts.Length); i++)
            {
                moving.Advance(TimeSpan.FromMilliseconds(100 * pauses[i]));
                var node = i % 2 == 0 ? one : other;
                var passed = PassAsync(node, Large, bursts[i] * 5).GetAwaiter().GetResult();
                node.TellAsync(CancellationToken.None).GetAwaiter().GetResult();
                passes.Add((moving.GetTimestamp() / 10, passed));
            }
            for (var from = 0; from < passes.Count; from++)
            {
                var sum = 0;
                for (var to = from; to < passes.Count; to++)
                {
                    sum += passes[to].Count;
                    var cameBack = (passes[to].At - passes[from].At) / Large.Interval;
                    if (sum > Large.Quota + cameBack + 2 * Large.Credit)
                        return false;
                }
            }
            return true;
        };
        Prop.ForAll<byte[], byte[]>(check).QuickCheckThrowOnFailure();
    }

    [Fact]
    public async Task Subjects_whose_quota_is_whole_are_forgotten()
    {
        using var node = Node();
        for (var i = 0; i < 50; i++)
            await node.TakeAsync(Large, RateLimitKey.Of(Guid.CreateVersion7()), Ct);
        node.Subjects.ShouldBe(50);
        await node.TellAsync(Ct);
        node.Forget();
        node.Subjects.ShouldBe(50);
        clock.Advance(TimeSpan.FromMinutes(2));
        node.Forget();
        node.Subjects.ShouldBe(0);
    }

    [Theory]
    [InlineData("203.0.113.9", "::ffff:203.0.113.9", true)]
    [InlineData("203.0.113.9", "203.0.113.8", false)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::7", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    public void An_address_is_one_customer(string one, string other, bool same) =>
        (RateLimitKey.Of(Plain(one)) == RateLimitKey.Of(Plain(other))).ShouldBe(same);

    [Fact]
    public void The_operator_changes_policies_by_name()
    {
        var policies = RateLimitPolicies.Parse("key=600/60, sign-in=5/300 visitor=off");
        policies.Find("key")!.Quota.ShouldBe(600);
        policies.Find("sign-in")!.Window.ShouldBe(TimeSpan.FromMinutes(5));
        policies.Find("visitor").ShouldBeNull();
        policies.Find("address")!.Quota.ShouldBe(RateLimitPolicies.Default.Find("address")!.Quota);
        RateLimitPolicies.Parse("off").All.ShouldBeEmpty();
        foreach (var wrong in (string[])["key", "key=0/60", "key=5", "nobody=5/60", "key=5/0", "key=-1/60", "on"])
            Should
                .Throw<FormatException>(() => RateLimitPolicies.Parse(wrong))
                .Message.ShouldStartWith("PLATEN_LIMITS");
    }

    private static readonly RateLimitPolicies Policies = new([
        Small,
        Large,
        new RateLimitPolicy("own", RateLimitSubject.Address, 100, TimeSpan.FromMinutes(1), shared: false),
    ]);

    private RateLimiter Node() => new(Policies, [store], clock, NullLogger.Instance);

    private static async Task<int> PassAsync(RateLimiter node, RateLimitPolicy policy, int requests)
    {
        var passed = 0;
        for (var i = 0; i < requests; i++)
        {
            if ((await node.TakeAsync(policy, Somebody, CancellationToken.None)).Allowed)
                passed++;
        }
        return passed;
    }

    private static IPAddress Plain(string text) =>
        IPAddress.Parse(text) is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : IPAddress.Parse(text);
}

using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Events;

/// <summary>What subscriptions cost the database: a read when something was committed, and hardly anything else.</summary>
public sealed class EventLoadTests(PostgresFixture postgres)
{
    private static readonly StreamId Stream = new("load/one");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task However_many_subscribers_there_are_a_commit_is_read_once()
    {
        const int Subscribers = 200;
        const int Commits = 50;
        var owner = TestOwner.New();
        using var reads = new Measured("platen.events.reads");
        await using var parts = await EventParts.StartAsync(postgres.Pools, new SteppedClock(), Ct);
        var taking = Enumerable
            .Range(0, Subscribers)
            .Select(_ => parts.TakeAsync(owner, Stream, 0, Commits, Ct))
            .ToArray();
        await SubscribersAsync(parts, Subscribers);
        for (var n = 0; n < Commits; n++)
            await AppendAsync(owner, Stream);
        // Nobody polls: the clock that the hub knows stands still.
        foreach (var seen in await Task.WhenAll(taking))
            seen.Select(e => e.Revision).ShouldBe(Enumerable.Range(1, Commits).Select(n => (long)n));
        // One for the connection, and one for each notification, unless a read was under way that brought it along.
        reads.Total.ShouldBeInRange(1, Commits + 1);
    }

    [Fact]
    public async Task Quiet_streams_are_not_read_until_the_safety_poll_which_is_one_read_for_all()
    {
        var owner = TestOwner.New();
        using var reads = new Measured("platen.events.reads");
        var clock = new SteppedClock();
        await using var parts = await EventParts.StartAsync(postgres.Pools, clock, Ct);
        StreamId[] streams = [new("quiet/a"), new("quiet/b"), new("quiet/c")];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var taking = streams.Select(stream => parts.TakeAsync(owner, stream, 0, 1, stop.Token)).ToArray();
        await SubscribersAsync(parts, streams.Length);

        // What is said of streams that nobody here follows is heard, and costs nothing.
        var heard = new TaskCompletionSource();
        var last = "";
        using (parts.Listener.Add(EventLog.Channel, payload => EndAt(payload, last, heard), () => { }))
        {
            for (var n = 1; n <= 20; n++)
            {
                if (n == 20)
                    last = $"{owner.Id} 20 {Stream}";
                await AppendAsync(owner, Stream);
            }
            await heard.Task.WaitAsync(Ct);
        }
        // The connection may have been a reason to read.
        var before = reads.Total;
        before.ShouldBeLessThanOrEqualTo(1);
        clock.Step(TimeSpan.FromSeconds(14));
        reads.Total.ShouldBe(before);
        clock.Step(TimeSpan.FromSeconds(1));
        await reads.ReachesAsync(before + 1, Ct);

        // An event shows that no other read was to come; the poll's may have brought it along.
        await AppendAsync(owner, streams[0]);
        (await taking[0]).Count.ShouldBe(1);
        reads.Total.ShouldBeInRange(before + 1, before + 2);
        await stop.CancelAsync();
        await Task.WhenAll(taking);

        static void EndAt(string payload, string last, TaskCompletionSource heard)
        {
            if (payload == last)
                heard.TrySetResult();
        }
    }

    [Fact]
    public async Task A_database_that_is_away_is_asked_again_only_after_each_wait()
    {
        var nowhere = string.Create(
            CultureInfo.InvariantCulture,
            $"Host=127.0.0.1;Port={ServerProcess.FreePort()};Username=x;Database=x;Timeout=5"
        );
        await using var pools = PostgresPools.Open(new PoolPlan(nowhere, nowhere, nowhere, nowhere, false, 1, 1));
        var clock = new SteppedClock();
        using var reconnects = new Measured("platen.events.reconnects");
        using var listener = new NotificationListener(pools, NullLogger<NotificationListener>.Instance, clock);
        await listener.StartAsync(Ct);
        await reconnects.ReachesAsync(1, Ct);
        // The first waits are 50, 100, 200 ms at most, and no less than half of it; none is longer than 5 s.
        for (var tries = 1; tries <= 12; tries++)
        {
            reconnects.Total.ShouldBe(tries);
            await clock.HasTimersAsync(1, Ct);
            clock.Step(TimeSpan.FromMilliseconds(Math.Min(2500, 25 * Math.Pow(2, tries - 1)) - 1));
            reconnects.Total.ShouldBe(tries);
            clock.Step(TimeSpan.FromMilliseconds(Math.Min(2500, 25 * Math.Pow(2, tries - 1)) + 1));
            await reconnects.ReachesAsync(tries + 1, Ct);
        }
        await listener.StopAsync(Ct);
    }

    private static Task SubscribersAsync(EventParts parts, int count) =>
        ServerProcess.WaitUntilAsync(
            $"{count} subscribers",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(parts.Hub.Waiting == count),
            Ct
        );

    private async Task AppendAsync(TestOwner owner, StreamId stream)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        await EventLog.AppendAsync(session, stream, "written", "{}"u8.ToArray(), Ct);
        await session.CommitAsync(Ct);
    }
}

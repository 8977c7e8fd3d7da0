using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;
using RateLimiter = Platen.Platform.Http.RateLimits.RateLimiter;

namespace Platen.Bench;

/// <summary>What the limiter costs a request: from memory, and with each of the stores that nodes share.</summary>
internal static class LimitsBench
{
    private const int Subjects = 1_000;
    private static readonly TimeSpan _atLeast = TimeSpan.FromMilliseconds(500);

    /// <summary>Asks the shared count for every request: its quota has no fiftieth.</summary>
    private static readonly RateLimitPolicy _exact = new("exact", RateLimitSubject.Actor, 49, TimeSpan.FromSeconds(1));

    /// <summary>As the standard policy of keys.</summary>
    private static readonly RateLimitPolicy _key = new("key", RateLimitSubject.Actor, 6_000, TimeSpan.FromSeconds(1));

    private static readonly RateLimitPolicy _own = new(
        "own",
        RateLimitSubject.Address,
        1_000_000,
        TimeSpan.FromSeconds(1),
        shared: false
    );

    private static readonly RateLimitPolicy _spent = new(
        "spent",
        RateLimitSubject.Address,
        1,
        TimeSpan.FromDays(1),
        shared: false
    );

    private static readonly RateLimitPolicies _policies = new([_exact, _key, _own, _spent]);

    public static async Task RunAsync(CancellationToken ct)
    {
        RateLimitKey[] keys = [.. Enumerable.Range(0, Subjects).Select(_ => RateLimitKey.Of(Guid.CreateVersion7()))];
        using (var alone = Open(null, null))
            ReportMemory(alone, keys, ct);

        await using (var redis = await RedisServer.StartAsync(ct))
        {
            using var ping = new TcpClient { NoDelay = true };
            await ping.ConnectAsync("127.0.0.1", redis.Port, ct);
            var answer = new byte[64];
            using var limiter = Open(RedisAddress.Parse(redis.Url), null);
            await ReportSharedAsync(
                "Redis",
                limiter,
                keys,
                async () =>
                {
                    await ping.GetStream().WriteAsync("PING\r\n"u8.ToArray(), ct);
                    _ = await ping.GetStream().ReadAsync(answer, ct);
                },
                ct
            );
        }

        var folder = PostgresFixture.NewFolder();
        await using (
            var runtime = await PostgresSetup.StartAsync(
                new PostgresOptions { DataFolder = folder },
                [PlatformModule.Sql],
                NullLogger.Instance,
                ct
            )
        )
        {
            using var limiter = Open(null, runtime.Pools);
            var context = OperationContext.ForSystem(OwnerId.Platform, "bench");
            await ReportSharedAsync(
                "PostgreSQL",
                limiter,
                keys,
                async () =>
                {
                    await using var session = await runtime.Pools.OpenAsync(context, ct);
                    await session.ExecuteAsync("select 1", ct);
                    await session.CommitAsync(ct);
                },
                ct
            );
            await ReportLossAsync(runtime.Pools, keys, ct);
        }
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>What requests wait for while Redis stands still, and while it dies, and PostgreSQL takes over.</summary>
    private static async Task ReportLossAsync(PostgresPools pools, RateLimitKey[] keys, CancellationToken ct)
    {
        await using var redis = await RedisServer.StartAsync(ct);
        using var limiter = Open(RedisAddress.Parse(redis.Url), pools);
        await limiter.StartAsync(ct);
        await ReportAsync("Redis works", () => Task.CompletedTask);
        using (var admin = new TcpClient { NoDelay = true })
        {
            await admin.ConnectAsync("127.0.0.1", redis.Port, ct);
            await ReportAsync(
                "Redis stands still",
                async () => await admin.GetStream().WriteAsync("CLIENT PAUSE 3000 ALL\r\n"u8.ToArray(), ct)
            );
        }
        while (limiter.Store != "redis")
            await SecondsPerCallAsync(() => Task.CompletedTask);
        await ReportAsync("Redis is killed", redis.KillAsync);
        await limiter.StopAsync(ct);

        async Task ReportAsync(string name, Func<Task> happens)
        {
            var waits = new List<double>();
            var at = 0;
            var began = Stopwatch.GetTimestamp();
            var happening = Task.CompletedTask;
            while (Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(2))
            {
                if (ReferenceEquals(happening, Task.CompletedTask) && waits.Count == 500)
                    happening = happens();
                var asked = Stopwatch.GetTimestamp();
                await limiter.TakeAsync(_exact, keys[++at % Subjects], ct);
                waits.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
            }
            await happening;
            Report($"{name}: p50 of a request", Rounds.Median(waits), "ms", "none");
            Report("  p99.9", Rounds.Percentile(waits, 0.999), "ms", "none");
            Report("  longest", waits.Max(), "ms", "<= 150 ms");
        }
    }

    private static void ReportMemory(RateLimiter limiter, RateLimitKey[] keys, CancellationToken ct)
    {
        using var framework = PartitionedRateLimiter.Create<RateLimitKey, RateLimitKey>(key =>
            RateLimitPartition.GetTokenBucketLimiter(
                key,
                _ => new TokenBucketRateLimiterOptions
                {
                    TokenLimit = 1_000_000,
                    TokensPerPeriod = 1_000_000,
                    ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                    AutoReplenishment = true,
                }
            )
        );
        var at = 0;
        void Ours() => _ = limiter.TakeAsync(_own, keys[++at % Subjects], ct).AsTask();
        void Refused() => _ = limiter.TakeAsync(_spent, keys[++at % Subjects], ct).AsTask();
        void Framework() => framework.AttemptAcquire(keys[++at % Subjects]).Dispose();

        foreach (var subject in (Action[])[Ours, Framework, Refused])
            Rounds.SecondsPerCall(subject, _atLeast);
        var passes = new List<double>();
        var ratio = Rounds.MedianRatio(
            () =>
            {
                passes.Add(Rounds.SecondsPerCall(Ours, _atLeast));
                return passes[^1];
            },
            () => Rounds.SecondsPerCall(Framework, _atLeast)
        );
        Report("memory, let pass", Rounds.Median(passes) * 1e9, "ns", "<= 1000 ns");
        Report("  time / the framework's partitioned limiter", ratio, "", "none");
        Report("memory, refused", Rounds.SecondsPerCall(Refused, _atLeast) * 1e9, "ns", "<= 1000 ns");
    }

    private static async Task ReportSharedAsync(
        string name,
        RateLimiter limiter,
        RateLimitKey[] keys,
        Func<Task> roundTrip,
        CancellationToken ct
    )
    {
        await limiter.StartAsync(ct);
        var at = 0;
        var hot = keys[0];
        List<double> trips = [],
            asked = [],
            amortised = [];
        for (var round = 0; round < 7; round++)
        {
            trips.Add(await SecondsPerCallAsync(roundTrip));
            asked.Add(
                await SecondsPerCallAsync(async () => await limiter.TakeAsync(_exact, keys[++at % Subjects], ct))
            );
            amortised.Add(await SecondsPerCallAsync(async () => await limiter.TakeAsync(_key, hot, ct)));
        }
        Report($"{name}, asked for every request", Rounds.Median(asked) * 1e6, "us", "none");
        Report("  time / a round trip", Rounds.Median([.. asked.Zip(trips, (a, b) => a / b)]), "", "none");
        Report($"{name}, one key far over 6000 a second", Rounds.Median(amortised) * 1e6, "us", "none");
        Report("  time / a round trip", Rounds.Median([.. amortised.Zip(trips, (a, b) => a / b)]), "", "<= 0.02");
        await limiter.StopAsync(ct);
    }

    private static async Task<double> SecondsPerCallAsync(Func<Task> subject)
    {
        var calls = 0L;
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < _atLeast)
        {
            await subject();
            calls++;
        }
        return Stopwatch.GetElapsedTime(started).TotalSeconds / calls;
    }

    private static RateLimiter Open(RedisAddress? redis, PostgresPools? pools) =>
        RateLimiter.Open(_policies, redis, pools, TimeProvider.System, NullLogger.Instance);

    private static void Report(string name, double value, string unit, string target) =>
        Rounds.Report(name, string.Create(CultureInfo.InvariantCulture, $"{value:F2} {unit}"), target);
}

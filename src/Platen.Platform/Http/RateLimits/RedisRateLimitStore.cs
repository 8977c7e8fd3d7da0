using System.Buffers;
using System.Globalization;

namespace Platen.Platform.Http.RateLimits;

/// <summary>Counts in Redis: a script for each charge, all of a batch in one go. Keys go by themselves when their quota is whole.</summary>
internal sealed class RedisRateLimitStore(RedisAddress address) : IRateLimitStore
{
    // The same arithmetic as platform.settle_rate_limits, by Redis's own clock. Numbers are doubles there: microseconds since 1970
    // stay below 2^53 until the year 2255.
    private const string Script = """
        local step, burst, used = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local charge, wanted = tonumber(ARGV[4]), ARGV[5] == '1'
        local clock = redis.call('TIME')
        local now = clock[1] * 1000000 + clock[2]
        local whole = tonumber(redis.call('GET', KEYS[1]) or '0')
        if whole > now + 2 * burst + step then whole = 0 end
        whole = math.min(math.max(whole, now + used) + charge * step, now + 2 * burst)
        local granted = 0
        if wanted and whole + step - now <= burst then
          whole = whole + step
          granted = 1
        end
        if whole > now then
          redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000) + 1)
        end
        return { granted, math.max(whole - now, 0) }
        """;

    private readonly SemaphoreSlim connecting = new(1, 1);
    private RespConnection? connection;
    private string digest = "";

    public string Name => "redis";

    /// <summary>A request waits for this at most once before the circuit opens.</summary>
    public TimeSpan Patience { get; } = TimeSpan.FromMilliseconds(100);

    public async Task<RateLimitBalance[]> SettleAsync(IReadOnlyList<RateLimitCharge> charges, CancellationToken ct)
    {
        var redis = await ConnectAsync(ct);
        var commands = new ArrayBufferWriter<byte>(256 * charges.Count);
        foreach (var charge in charges)
        {
            RespConnection.Write(
                commands,
                [
                    "EVALSHA",
                    digest,
                    "1",
                    "platen:limit:" + charge.Key,
                    Text(charge.Interval),
                    Text(charge.Burst),
                    Text(charge.Used),
                    Text(charge.Charge),
                    charge.Wants ? "1" : "0",
                ]
            );
        }
        try
        {
            var replies = await redis.SendAsync(commands.WrittenMemory, charges.Count, ct);
            return
            [
                .. replies.Select(reply =>
                    reply.Items is [var granted, var used]
                        ? new RateLimitBalance(granted.Number == 1, used.Number)
                        : throw new InvalidDataException("Redis answered something else than the script does.")
                ),
            ];
        }
        catch (Exception e) when (e is OperationCanceledException or RespErrorException)
        {
            // Too slow, or without our script since it was flushed: the next one begins anew.
            redis.Break(e);
            throw;
        }
    }

    public Task SweepAsync(CancellationToken ct) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (connection is not null)
            await connection.DisposeAsync();
        connecting.Dispose();
    }

    private async ValueTask<RespConnection> ConnectAsync(CancellationToken ct)
    {
        if (connection is { IsBroken: false } ready)
            return ready;
        await connecting.WaitAsync(ct);
        try
        {
            if (connection is { IsBroken: false } already)
                return already;
            var opened = await RespConnection.OpenAsync(address, ct);
            try
            {
                digest = (await opened.SendAsync(["SCRIPT", "LOAD", Script], ct)).Text ?? "";
            }
            catch
            {
                await opened.DisposeAsync();
                throw;
            }
            if (connection is { } old)
                await old.DisposeAsync();
            return connection = opened;
        }
        finally
        {
            connecting.Release();
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}

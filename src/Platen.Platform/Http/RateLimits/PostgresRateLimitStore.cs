using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Http.RateLimits;

/// <summary>Counts in an unlogged table: a statement for any number of charges, and nothing written ahead.</summary>
internal sealed class PostgresRateLimitStore(PostgresPools pools) : IRateLimitStore
{
    private static readonly OperationContext Counting = OperationContext.ForSystem(OwnerId.Platform, "rate limits");
    private const int SweptAtOnce = 5_000;

    public string Name => "postgresql";

    public TimeSpan Patience { get; } = TimeSpan.FromMilliseconds(500);

    public async Task<RateLimitBalance[]> SettleAsync(IReadOnlyList<RateLimitCharge> charges, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Counting, ct);
        var settled = await session.ListAsync(
            "select place, granted, used from platform.settle_rate_limits($1, $2, $3, $4, $5, $6)",
            row => (Place: row.GetInt32(0), Balance: new RateLimitBalance(row.GetBoolean(1), row.GetInt64(2))),
            ct,
            Array(charges.Select(c => c.Key), NpgsqlDbType.Text),
            Array(charges.Select(c => c.Interval), NpgsqlDbType.Bigint),
            Array(charges.Select(c => c.Burst), NpgsqlDbType.Bigint),
            Array(charges.Select(c => c.Used), NpgsqlDbType.Bigint),
            Array(charges.Select(c => c.Charge), NpgsqlDbType.Integer),
            Array(charges.Select(c => c.Wants), NpgsqlDbType.Boolean)
        );
        var balances = new RateLimitBalance[charges.Count];
        foreach (var (place, balance) in settled)
            balances[place - 1] = balance;
        await session.CommitAsync(ct);
        return balances;
    }

    public async Task SweepAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Counting, ct);
        await session.ExecuteAsync("select platform.sweep_rate_limits($1)", ct, Sql.Int(SweptAtOnce));
        await session.CommitAsync(ct);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static NpgsqlParameter Array<T>(IEnumerable<T> values, NpgsqlDbType type) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };
}

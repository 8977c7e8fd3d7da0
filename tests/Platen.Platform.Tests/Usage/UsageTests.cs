using Npgsql;
using NpgsqlTypes;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;
using Platen.Platform.Usage;
using Platen.Testing;

namespace Platen.Platform.Tests.Usage;

public sealed class UsageTests(PostgresFixture postgres)
{
    private static readonly DateOnly Ever = new(2000, 1, 1);
    private static readonly DateOnly Never = new(2100, 1, 1);
    private readonly TestOwner owner = TestOwner.New();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_count_arrives_once_however_many_count_and_write_at_once()
    {
        using var counters = new UsageCounters(postgres.Pools, TimeProvider.System);
        var cells = Enumerable
            .Range(0, 10)
            .Select(n => counters.For(owner.Id, $"wgt_curated_{n}", UsageKind.View))
            .ToArray();
        var counting = Enumerable
            .Range(0, 8)
            .Select(worker =>
                Task.Run(
                    () =>
                    {
                        for (var i = 0; i < 10_000; i++)
                            cells[(i + worker) % cells.Length].Count();
                    },
                    Ct
                )
            )
            .ToArray();
        while (!Task.WhenAll(counting).IsCompleted)
            await Task.WhenAll(counters.FlushAsync(Ct), counters.FlushAsync(Ct));
        await counters.FlushAsync(Ct);
        await using var session = await postgres.OpenAsync(owner, Ct);
        var used = await UsageLog.MostUsedAsync(session, Ever, Never, 100, Ct);
        used.Count.ShouldBe(10);
        used.Sum(one => one.Views).ShouldBe(80_000);
        used.ShouldAllBe(one => one.Views == 8_000 && one.Submissions == 0);
    }

    [Fact]
    public async Task Views_and_submissions_of_one_day_are_one_row()
    {
        using var counters = new UsageCounters(postgres.Pools, TimeProvider.System);
        var seen = counters.For(owner.Id, "wgt_curated_a", UsageKind.View);
        var sent = counters.For(owner.Id, "wgt_curated_a", UsageKind.Submission);
        for (var round = 0; round < 3; round++)
        {
            seen.Count();
            seen.Count();
            sent.Count();
            await counters.FlushAsync(Ct);
        }
        await using var session = await postgres.OpenAsync(owner, Ct);
        var days = await UsageLog.DaysAsync(session, "wgt_curated_a", Ever, Never, Ct);
        (days.Sum(d => d.Views), days.Sum(d => d.Submissions)).ShouldBe((6, 3));
        await using var other = await postgres.OpenAsync(TestOwner.New(), Ct);
        (await UsageLog.DaysAsync(other, null, Ever, Never, Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_batch_that_is_sent_twice_is_added_once()
    {
        var node = Guid.CreateVersion7();
        (await AddAsync(1)).ShouldBeTrue();
        (await AddAsync(1)).ShouldBeFalse();
        (await AddAsync(2)).ShouldBeTrue();
        (await AddAsync(1)).ShouldBeFalse();
        await using var session = await postgres.OpenAsync(owner, Ct);
        (await UsageLog.DaysAsync(session, null, Ever, Never, Ct)).Sum(d => d.Views).ShouldBe(10);

        async Task<bool> AddAsync(long number)
        {
            await using var edge = await postgres.Pools.OpenEdgeAsync(Ct);
            var added = await edge.FirstAsync(
                "select platform.add_usage($1, $2, $3, $4, $5, $6, $7)",
                row => row.GetBoolean(0),
                Ct,
                Sql.Uuid(node),
                Sql.Long(number),
                Array(NpgsqlDbType.Uuid, owner.Id.Value),
                Array(NpgsqlDbType.Text, "wgt_curated_b"),
                Array(NpgsqlDbType.Date, new DateOnly(2026, 11, 21)),
                Array(NpgsqlDbType.Bigint, 5L),
                Array(NpgsqlDbType.Bigint, 0L)
            );
            await edge.CommitAsync(Ct);
            return added;
        }
    }

    [Fact]
    public async Task What_is_counted_for_an_owner_who_was_purged_is_dropped_and_their_neighbours_count_is_not()
    {
        var neighbour = TestOwner.New();
        await using (var begin = await postgres.OpenAsync(owner, Ct))
        {
            await ClosedOwners.BeginPurgeAsync(begin, Ct);
            await begin.CommitAsync(Ct);
        }
        await using (var end = await postgres.OpenAsync(owner, Ct))
        {
            await ClosedOwners.EndPurgeAsync(end, Ct);
            await end.CommitAsync(Ct);
        }
        using var counters = new UsageCounters(postgres.Pools, TimeProvider.System);
        counters.For(owner.Id, "wgt_curated_late", UsageKind.View).Count();
        counters.For(neighbour.Id, "wgt_curated_other", UsageKind.View).Count();
        await counters.FlushAsync(Ct);
        await using var session = await postgres.OpenAsync(owner, Ct);
        (await UsageLog.DaysAsync(session, null, Ever, Never, Ct)).ShouldBeEmpty();
        await using var next = await postgres.OpenAsync(neighbour, Ct);
        (await UsageLog.DaysAsync(next, null, Ever, Never, Ct)).Sum(d => d.Views).ShouldBe(1);
    }

    [Fact]
    public async Task Deliverys_login_adds_counts_and_can_neither_read_nor_change_them()
    {
        foreach (
            var sql in new[]
            {
                "select * from platform.usage_day",
                "insert into platform.usage_day (owner, public_id, day) values (gen_random_uuid(), 'wgt_x', now())",
                "update platform.usage_day set views = 0",
                "delete from platform.usage_node",
            }
        )
        {
            await using var edge = await postgres.Pools.OpenEdgeAsync(Ct);
            (await Should.ThrowAsync<PostgresException>(() => edge.ExecuteAsync(sql, Ct))).SqlState.ShouldBe(
                PostgresErrorCodes.InsufficientPrivilege,
                sql
            );
        }
    }

    private static NpgsqlParameter Array<T>(NpgsqlDbType type, T value) =>
        new() { Value = new[] { value }, NpgsqlDbType = NpgsqlDbType.Array | type };
}

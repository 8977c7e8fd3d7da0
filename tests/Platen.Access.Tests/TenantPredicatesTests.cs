using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Access.Tests;

public sealed class TenantPredicatesTests
{
    [Theory]
    [InlineData("where m.owner = platform.current_owner() and m.id = $1", "where true and m.id = $1")]
    [InlineData("where owner=platform.current_owner()", "where true")]
    [InlineData("where platform.current_owner() = w.owner", "where true")]
    [InlineData("where owner = v_owner", "where true")]
    [InlineData("where owner = $2 and id = $1", "where $2 is not null and id = $1")]
    [InlineData("join b on b.owner = a.owner and b.id = a.id", "join b on true and b.id = a.id")]
    [InlineData("insert into x (owner) values (platform.current_owner())", null)]
    [InlineData("select owner, id from x order by owner", null)]
    public void Every_way_of_keeping_to_an_owner_is_removed(string sql, string? without) =>
        TenantPredicates.Remove(SessionRole.App, sql).ShouldBe(without ?? sql);

    [Theory]
    [InlineData("where owner = $1")]
    [InlineData("join b on b.owner = a.owner")]
    public void Those_who_see_every_owner_keep_what_says_which_row_is_meant(string sql)
    {
        TenantPredicates.Remove(SessionRole.Worker, sql).ShouldBe(sql);
        TenantPredicates.Remove(SessionRole.Edge, sql).ShouldBe(sql);
    }

    [Theory]
    [InlineData("where owner in ($1, $2)")]
    [InlineData("where owner = any ($1)")]
    [InlineData("where $1 = owner")]
    [InlineData("where a.owner <> b.owner")]
    [InlineData("where owner is not distinct from $1")]
    [InlineData("join b using (owner, id)")]
    [InlineData("from a natural join b")]
    [InlineData("where (owner = (select platform.current_owner()))")]
    public void A_form_that_nobody_removes_is_refused(string sql) =>
        Should.Throw<InvalidOperationException>(() => TenantPredicates.Remove(SessionRole.App, sql));

    // Left out: TokenTests are about keys and clocks, which belong to no tenant, and WorkspacesAtScaleTests count the rows that a statement
    // fetches, which is what the predicates are for beside the policies.
    [Theory]
    [InlineData("MemberTests")]
    [InlineData("KeyTests")]
    public Task All_tests_pass_without_a_single_tenant_predicate(string tests) =>
        MutatedRun.OfClassesAsync(
            typeof(TenantPredicatesTests).Assembly,
            TestContext.Current.CancellationToken,
            tests,
            nameof(RemovedPredicates)
        );
}

/// <summary>Run beside the mutated tests: shows that the mutation took place.</summary>
public sealed class RemovedPredicates(PostgresFixture postgres)
{
    [Fact]
    public async Task The_functions_of_the_database_have_lost_their_predicates_when_they_were_to()
    {
        await using var admin = await postgres.OpenAdminAsync(TestContext.Current.CancellationToken);
        await using var look = new Npgsql.NpgsqlCommand(
            "select pg_get_functiondef('access.use(text, bigint)'::regprocedure)",
            admin
        );
        var mutated = MutatedRun.IsThis;
        var text = (string)(await look.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        text.Contains("owner = platform.current_owner()", StringComparison.Ordinal).ShouldBe(!mutated);
        if (!mutated)
            return;
        await using var registry = new Npgsql.NpgsqlCommand(
            "select pg_get_functiondef('platform.repository_blobs(text, text[])'::regprocedure)",
            admin
        );
        var joins = (string)(await registry.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        joins.ShouldNotContain(".owner = ");
        var removed = TenantPredicates.Removed;
        removed.OfScope.ShouldBeGreaterThan(10);
        removed.OfJoins.ShouldBeGreaterThan(0);
    }
}

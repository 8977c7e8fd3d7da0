using System.Diagnostics;
using Platen.Testing;

namespace Platen.Access.Tests;

public sealed class TenantPredicatesTests
{
    [Fact]
    public void Every_way_of_keeping_to_the_owner_is_removed()
    {
        TenantPredicates
            .Remove("select 1 from access.member m where m.owner = platform.current_owner() and m.person_id = $1")
            .ShouldBe("select 1 from access.member m where true and m.person_id = $1");
        TenantPredicates.Remove("where owner=platform.current_owner()").ShouldBe("where true");
        TenantPredicates
            .Remove("insert into x (owner) values (platform.current_owner())")
            .ShouldContain("current_owner");
    }

    [Theory]
    [InlineData("*.MemberTests")]
    [InlineData("*.KeyTests")]
    public async Task All_tests_pass_without_a_single_tenant_predicate(string tests)
    {
        if (Environment.GetEnvironmentVariable(TenantPredicates.Variable) == "1")
            return;
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(TenantPredicatesTests).Assembly.Location);
        foreach (var argument in (string[])["-class", tests, "-class", "*.RemovedPredicates"])
            start.ArgumentList.Add(argument);
        start.Environment[TenantPredicates.Variable] = "1";
        using var run = Process.Start(start)!;
        var output = run.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = run.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await run.WaitForExitAsync(TestContext.Current.CancellationToken);
        run.ExitCode.ShouldBe(0, await output + await errors);
    }
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
        var mutated = Environment.GetEnvironmentVariable(TenantPredicates.Variable) == "1";
        var text = (string)(await look.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        text.Contains("owner = platform.current_owner()", StringComparison.Ordinal).ShouldBe(!mutated);
        if (mutated)
            TenantPredicates.Removed.ShouldBeGreaterThan(0);
    }
}

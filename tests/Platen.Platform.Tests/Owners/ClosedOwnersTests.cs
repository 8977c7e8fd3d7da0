using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Platform.Events;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Owners;

public sealed class ClosedOwnersTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_that_starts_without_its_database_learns_who_is_closed_when_it_is_back()
    {
        var owner = TestOwner.New();
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            await ClosedOwners.CloseAsync(session, Ct);
            await session.CommitAsync(Ct);
        }
        // The way to the database's socket is what is missing at first.
        var admin = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString);
        var way = Path.Combine(PostgresFixture.NewFolder(), "db");
        var there = admin.Host!;
        admin.Host = way;
        await using var pools = PostgresPools.OpenEdgeAlone(
            new PostgresOptions { DataFolder = "/nonexistent", EdgeConnectionString = admin.ConnectionString }
        );
        using var listener = new NotificationListener(
            pools,
            NullLogger<NotificationListener>.Instance,
            TimeProvider.System
        );
        using var closed = new ClosedOwners(pools, listener, NullLogger<ClosedOwners>.Instance, TimeProvider.System);
        await closed.StartAsync(Ct);
        closed.IsClosed(owner.Id).ShouldBeFalse();

        Directory.CreateSymbolicLink(way, there);
        await ServerProcess.WaitUntilAsync(
            "the node knows",
            TimeSpan.FromSeconds(30),
            _ => Task.FromResult(closed.IsClosed(owner.Id)),
            Ct
        );
        await closed.StopAsync(Ct);
    }
}

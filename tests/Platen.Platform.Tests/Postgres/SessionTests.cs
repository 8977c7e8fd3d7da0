using Npgsql;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class SessionTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_session_acts_as_its_role_and_owner()
    {
        var owner = TestOwner.New();
        await using var session = await postgres.OpenAsync(owner, Ct);
        var seen = await session.FirstAsync(
            "select current_user::text, platform.current_owner(), platform.current_actor(), platform.is_publisher()",
            row => (row.GetString(0), row.GetGuid(1), row.GetGuid(2), row.GetBoolean(3)),
            Ct
        );
        seen.ShouldBe(("platen_app", owner.Id.Value, owner.Actor.Id.Value, false));
    }

    [Fact]
    public async Task The_scope_ends_with_the_transaction()
    {
        await using (var session = await postgres.OpenAsync(TestOwner.New(), Ct))
            await session.CommitAsync(Ct);
        await using var connection = await postgres.Pools.ListenAsync(Ct);
        await using var command = new NpgsqlCommand("select platform.current_owner()", connection);
        var refused = await Should.ThrowAsync<PostgresException>(() => command.ExecuteScalarAsync(Ct));
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }
}

using Npgsql;

namespace Platen.Platform.Tests.Postgres;

/// <summary>What a connection that is in nobody's session still has of a scope: empty texts where nothing is left.</summary>
internal sealed record Scope(int ServerProcess, string User, string Owner, string Actor, string Publisher)
{
    public static async Task<Scope> OfAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            select pg_backend_pid(), current_user::text,
                   coalesce(current_setting('platen.owner', true), ''), coalesce(current_setting('platen.actor', true), ''),
                   coalesce(current_setting('platen.publisher', true), '')
            """,
            connection
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new Scope(
            reader.GetInt32(0),
            reader.GetString(1),
            reader.GetString(2),
            reader.GetString(3),
            reader.GetString(4)
        );
    }

    /// <summary>Fails unless asking for the owner is refused, in the connection's transaction, to the role that requests act as.</summary>
    public static async Task RaisesAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using (var act = new NpgsqlCommand("set local role platen_app", connection))
            await act.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand("select platform.current_owner()", connection);
        var refused = await Should.ThrowAsync<PostgresException>(() => command.ExecuteScalarAsync(ct));
        refused.SqlState.ShouldBe("PLT01");
    }
}

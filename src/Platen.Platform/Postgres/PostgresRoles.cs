using System.Text;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Platen.Platform.Postgres;

/// <summary>
/// The roles every session acts as, and who may act as them. They belong to the cluster, so they are made before the first
/// migration, by a login that may; any other login is told the exact SQL that an administrator should run.
/// <code>
/// platen_owner   owns schemas, tables, functions          migrations act as it
/// platen_app     rows of the session's owner              requests
/// platen_worker  jobs, events, channels of every owner    dispatchers
/// platen_edge    selects on public views                  delivery
/// platen_view    owns the public views                    nobody acts as it
/// </code>
/// None of them can log in, and none is a superuser or passes row-level security.
/// </summary>
internal static class PostgresRoles
{
    private const int Attempts = 5;
    private static readonly string[] All =
    [
        "platen_owner",
        "platen_app",
        "platen_worker",
        "platen_edge",
        "platen_view",
    ];

    /// <summary>Makes what is missing.</summary>
    /// <param name="admin">The login that migrates: it must come to act as <c>platen_owner</c>.</param>
    /// <param name="appLogin">The login of the application's pool.</param>
    /// <param name="edgeLogin">The login of delivery's pool.</param>
    /// <param name="logger">Told what was made.</param>
    /// <param name="ct">Stops.</param>
    /// <exception cref="PostgresStartException">The login lacks the rights; the message carries the SQL to run.</exception>
    public static async Task EnsureAsync(
        NpgsqlDataSource admin,
        string appLogin,
        string edgeLogin,
        ILogger logger,
        CancellationToken ct
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            // Anew each time: Npgsql closes a connection on the error that a lost race for a catalogue row is reported as.
            await using var connection = await admin.OpenConnectionAsync(ct);
            var state = await ReadAsync(connection, appLogin, edgeLogin, ct);
            if (state.Unsafe.Count > 0)
                throw new PostgresStartException(
                    $"The PostgreSQL role {string.Join(", ", state.Unsafe)} is a superuser or passes row-level security, so it "
                        + "would see every workspace. An administrator should run:\n\n"
                        + string.Concat(
                            state.Unsafe.Select(role => $"    ALTER ROLE {Quote(role)} NOSUPERUSER NOBYPASSRLS;\n")
                        )
                );
            if (state.Statements.Count == 0)
                return;
            try
            {
                await using var transaction = await connection.BeginTransactionAsync(ct);
                foreach (var statement in state.Statements)
                {
                    await using var command = new NpgsqlCommand(statement, connection);
                    await command.ExecuteNonQueryAsync(ct);
                }
                await transaction.CommitAsync(ct);
                PostgresLog.RolesMade(logger, state.Statements.Count);
            }
            catch (PostgresException exception) when (IsDenied(exception))
            {
                throw new PostgresStartException(Advice(state, exception.MessageText), exception);
            }
            catch (PostgresException exception) when (attempt < Attempts && IsRace(exception))
            {
                // Another node made the same roles in the same moment: look again.
                PostgresLog.RolesRace(logger, exception.MessageText);
            }
        }
    }

    private static async Task<State> ReadAsync(
        NpgsqlConnection connection,
        string appLogin,
        string edgeLogin,
        CancellationToken ct
    )
    {
        var wanted = new List<(string Role, string Member)>
        {
            ("platen_owner", ""),
            ("platen_app", appLogin),
            ("platen_worker", appLogin),
            ("platen_edge", edgeLogin),
            ("platen_view", "platen_owner"),
        };
        var existing = new Dictionary<string, bool>(StringComparer.Ordinal);
        string login;
        string database;
        bool superuser;
        bool createsSchemas;
        await using (
            var command = new NpgsqlCommand(
                """
                select current_user, current_database(), (select rolsuper from pg_roles where rolname = current_user);
                select rolname, rolsuper or rolbypassrls from pg_roles where rolname = any ($1)
                """.Replace("$1", "@roles", StringComparison.Ordinal),
                connection
            )
        )
        {
            command.Parameters.AddWithValue("roles", All);
            await using var reader = await command.ExecuteReaderAsync(ct);
            await reader.ReadAsync(ct);
            (login, database, superuser) = (reader.GetString(0), reader.GetString(1), reader.GetBoolean(2));
            await reader.NextResultAsync(ct);
            while (await reader.ReadAsync(ct))
                existing.Add(reader.GetString(0), reader.GetBoolean(1));
        }
        wanted[0] = ("platen_owner", login);

        var statements = new List<string>();
        foreach (var role in All.Where(role => !existing.ContainsKey(role)))
            statements.Add($"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE");
        foreach (var (role, member) in wanted)
        {
            var isSuperuser = superuser && member == login;
            if (!isSuperuser && !await ActsAsAsync(connection, member, role, existing, ct))
                statements.Add($"GRANT {role} TO {Quote(member)}");
        }
        await using (
            var command = new NpgsqlCommand(
                "select exists (select from pg_roles where rolname = 'platen_owner') and "
                    + "coalesce((select has_database_privilege(oid, current_database(), 'CREATE') from pg_roles where rolname = 'platen_owner'), false)",
                connection
            )
        )
            createsSchemas = await command.ExecuteScalarAsync(ct) is true;
        if (!createsSchemas)
            statements.Add($"GRANT CREATE ON DATABASE {Quote(database)} TO platen_owner");
        return new State(login, database, statements, [.. existing.Where(role => role.Value).Select(role => role.Key)]);
    }

    // From PostgreSQL 16 on a membership may exist without the right to act as the role: the creator of a role has one.
    private static async Task<bool> ActsAsAsync(
        NpgsqlConnection connection,
        string member,
        string role,
        Dictionary<string, bool> existing,
        CancellationToken ct
    )
    {
        if (!existing.ContainsKey(role))
            return false;
        var privilege = connection.PostgreSqlVersion.Major >= 16 ? "SET" : "MEMBER";
        await using var command = new NpgsqlCommand(
            $"select coalesce((select pg_has_role(m.oid, $2::name, '{privilege}') from pg_roles m where m.rolname = $1), false)",
            connection
        );
        command.Parameters.Add(Sql.Text(member));
        command.Parameters.Add(Sql.Text(role));
        return await command.ExecuteScalarAsync(ct) is true;
    }

    private static bool IsDenied(PostgresException exception) =>
        exception.SqlState is PostgresErrorCodes.InsufficientPrivilege;

    private static bool IsRace(PostgresException exception) =>
        exception.SqlState
            is PostgresErrorCodes.DuplicateObject
                or PostgresErrorCodes.UniqueViolation
                or PostgresErrorCodes.SerializationFailure
                or PostgresErrorCodes.InternalError;

    private static string Advice(State state, string reason)
    {
        var text = new StringBuilder();
        text.Append("The PostgreSQL login ")
            .Append(Quote(state.Login))
            .Append(" may not make what Platen needs (")
            .Append(reason)
            .Append("). An administrator should run this in the database ")
            .Append(Quote(state.Database))
            .Append(", then start Platen again:\n\n");
        foreach (var statement in state.Statements)
            text.Append("    ").Append(statement).Append(";\n");
        return text.ToString();
    }

    private static string Quote(string identifier) =>
        identifier.All(letter => letter is (>= 'a' and <= 'z') or '_' || char.IsAsciiDigit(letter))
            ? identifier
            : "\"" + identifier.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";

    private sealed record State(string Login, string Database, List<string> Statements, List<string> Unsafe);
}

/// <summary>PostgreSQL cannot be started or used; the message is for the operator and says what to do.</summary>
public sealed class PostgresStartException : Exception
{
    public PostgresStartException(string message)
        : base(message) { }

    public PostgresStartException(string message, Exception inner)
        : base(message, inner) { }
}

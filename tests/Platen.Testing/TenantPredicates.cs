using System.Text.RegularExpressions;
using Npgsql;

namespace Platen.Testing;

/// <summary>
/// A mutation of the whole product: every condition by which our SQL keeps to the session's owner becomes <c>true</c>, in what the server
/// sends and in the functions it calls. What then still holds is held by the database's policies alone. Functions that run with their
/// owner's rights are left: leading into a scope is what they are for.
/// </summary>
public static partial class TenantPredicates
{
    /// <summary>Set in a test process that is to run like this.</summary>
    public const string Variable = "PLATEN_TEST_WITHOUT_TENANT_PREDICATES";

    private static int removed;

    /// <summary>How many conditions were removed so far.</summary>
    public static int Removed => Volatile.Read(ref removed);

    /// <summary>The SQL without its tenant predicates.</summary>
    public static string Remove(string sql) =>
        Predicate()
            .Replace(
                sql,
                _ =>
                {
                    Interlocked.Increment(ref removed);
                    return "true";
                }
            );

    /// <summary>Does the same to the functions in the database.</summary>
    public static async Task RemoveFromFunctionsAsync(NpgsqlConnection admin, CancellationToken ct)
    {
        var definitions = new List<string>();
        await using (
            var list = new NpgsqlCommand(
                """
                select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not p.prosecdef and p.prokind = 'f'
                """,
                admin
            )
        )
        {
            await using var reader = await list.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                definitions.Add(reader.GetString(0));
        }
        foreach (var definition in definitions)
        {
            var mutated = Remove(definition);
            if (mutated == definition)
                continue;
            await using var replace = new NpgsqlCommand(mutated, admin);
            await replace.ExecuteNonQueryAsync(ct);
        }
    }

    [GeneratedRegex(
        @"\b(\w+\.)?owner\s*=\s*(platform\.current_owner\(\)|v_owner)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Predicate();
}

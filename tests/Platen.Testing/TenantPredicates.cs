using System.Text.RegularExpressions;
using Npgsql;
using Platen.Platform.Postgres;

namespace Platen.Testing;

/// <summary>
/// A mutation of the whole product: every condition by which our SQL keeps to one owner becomes <c>true</c>, in what the server sends and in
/// the functions it calls. What then still holds is held by the database's policies alone.
/// </summary>
/// <remarks>
/// <code>
/// owner = platform.current_owner()   true             wherever it stands
/// owner = $1                         $1 is not null   what the application's role sends: it sees its scope's rows, whatever $1 is
/// a.owner = b.owner                  true             the same, and functions that only that role calls: both sides are of the scope
/// </code>
/// Left, because it is not what keeps tenants apart: what <c>platen_worker</c> and <c>platen_edge</c> send, which see the rows of every owner
/// so that there the owner says which row is meant (and the functions that the worker may call as well); functions that run with their
/// owner's rights, which lead into a scope and are what the tests of attacks are about; what is written, not compared. A statement of the
/// application's role that still compares an owner after all this is refused: a form that nobody has thought of fails the run.
/// </remarks>
public static partial class TenantPredicates
{
    /// <summary>Set in a test process that is to run like this.</summary>
    public const string Variable = "PLATEN_TEST_WITHOUT_TENANT_PREDICATES";

    /// <summary>Comparisons that are no predicate on rows: the beginning of a purge, which the database itself asks for.</summary>
    private static readonly string[] NoPredicates = ["platform.purged_owner() = old.owner"];

    private static int ofScope;
    private static int ofParameters;
    private static int ofJoins;

    /// <summary>How many conditions of each form were removed so far.</summary>
    public static (int OfScope, int OfParameters, int OfJoins) Removed =>
        (Volatile.Read(ref ofScope), Volatile.Read(ref ofParameters), Volatile.Read(ref ofJoins));

    /// <summary>The SQL without its tenant predicates.</summary>
    /// <param name="role">Who sends it.</param>
    /// <param name="sql">A statement.</param>
    /// <exception cref="InvalidOperationException">It compares an owner in a form that is not known.</exception>
    public static string Remove(SessionRole role, string sql)
    {
        var mutated = Counted(OfScope(), sql, "true", ref ofScope);
        if (role != SessionRole.App)
            return mutated;
        mutated = RemoveJoins(Counted(OfParameter(), mutated, "${parameter} is not null", ref ofParameters));
        return FindLeft(mutated) is { } left
            ? throw new InvalidOperationException($"'{left}' compares an owner in a form that nobody removes: {sql}")
            : mutated;
    }

    /// <summary>Does the same to the functions in the database.</summary>
    public static async Task RemoveFromFunctionsAsync(NpgsqlConnection admin, CancellationToken ct)
    {
        var definitions = new List<(string Text, bool IsOfApp)>();
        await using (
            var list = new NpgsqlCommand(
                """
                select pg_get_functiondef(p.oid), case when p.prorettype = 'trigger'::regtype
                    then not exists (
                        select from pg_trigger t where t.tgfoid = p.oid
                            and (has_table_privilege('platen_worker', t.tgrelid, 'insert, delete')
                                or has_any_column_privilege('platen_worker', t.tgrelid, 'update')))
                    else not has_function_privilege('platen_worker', p.oid, 'execute') end
                from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not p.prosecdef and p.prokind = 'f'
                """,
                admin
            )
        )
        {
            await using var reader = await list.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                definitions.Add((reader.GetString(0), reader.GetBoolean(1)));
        }
        foreach (var (definition, isOfApp) in definitions)
        {
            var mutated = Counted(OfScope(), definition, "true", ref ofScope);
            if (isOfApp)
            {
                mutated = RemoveJoins(mutated);
                if (FindLeft(mutated) is { } left)
                    throw new InvalidOperationException($"'{left}' is left of a predicate in {definition}");
            }
            if (mutated == definition)
                continue;
            await using var replace = new NpgsqlCommand(mutated, admin);
            await replace.ExecuteNonQueryAsync(ct);
        }
    }

    /// <summary>The first comparison of an owner that the SQL still has; null when it has none.</summary>
    public static string? FindLeft(string sql)
    {
        var text = Comment().Replace(sql, "");
        foreach (var known in NoPredicates)
            text = text.Replace(known, "", StringComparison.Ordinal);
        return Comparison().Match(text) is { Success: true } left ? left.Value : null;
    }

    private static string RemoveJoins(string sql) => Counted(OfJoin(), sql, "true", ref ofJoins);

    private static string Counted(Regex predicate, string sql, string instead, ref int count)
    {
        var found = predicate.Count(sql);
        if (found == 0)
            return sql;
        Interlocked.Add(ref count, found);
        return predicate.Replace(sql, instead);
    }

    [GeneratedRegex(
        @"\b(\w+\.)?owner\s*=\s*(platform\.current_owner\(\)|v_owner\b)|platform\.current_owner\(\)\s*=\s*(\w+\.)?owner\b",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex OfScope();

    [GeneratedRegex(
        @"\b(\w+\.)?owner\s*=\s*(?<parameter>\$[0-9]+)",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex OfParameter();

    [GeneratedRegex(
        @"\b\w+\.owner\s*=\s*\w+\.owner\b",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex OfJoin();

    [GeneratedRegex(
        @"\bowner\s*(=|<|>|!=)|(=|<|>)\s*(\w+\.)?owner\b|\bowner\s+(not\s+)?(in|is|like|between)\b|\busing\s*\([^)]*\bowner\b|\b(any|all|some)\s*\([^)]*\bowner\b|\bnatural\s+join\b",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Comparison();

    [GeneratedRegex("--[^\n]*", RegexOptions.NonBacktracking)]
    private static partial Regex Comment();
}

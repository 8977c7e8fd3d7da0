using Npgsql;

namespace Platen.Testing;

/// <summary>
/// Puts a row of one owner into every table that has an <c>owner</c>, then tries, as the application's role with another
/// owner's scope, to see, change, take over, remove, and point at it. Finds its tables in the catalogue, so that a new
/// one is attacked without being listed. Spoils the database: checks are dropped so that made-up values fit.
/// </summary>
public static class TenancyAttack
{
    private static readonly Guid Victim = new("aaaaaaaa-0000-7000-8000-000000000001");
    private static readonly Guid Attacker = new("bbbbbbbb-0000-7000-8000-000000000002");

    /// <summary>What succeeded, or could not be tried; empty when tenancy holds. Also says how many attempts were made.</summary>
    /// <param name="admin">A superuser's connection to a database of the test's own.</param>
    /// <param name="ct">Stops.</param>
    public static async Task<(List<string> Breaches, int Attempts)> RunAsync(
        NpgsqlConnection admin,
        CancellationToken ct
    )
    {
        var tables = await FillAsync(admin, Victim, ct);
        var attack = new Attack(admin);
        foreach (var table in tables)
            await attack.OnAsync(table, tables, ct);
        return (attack.Breaches, attack.Attempts);
    }

    /// <summary>Puts a row of the owner into every table that has one; returns the tables, each with its object id.</summary>
    /// <param name="admin">A superuser's connection to a database of the test's own, which is spoilt.</param>
    /// <param name="owner">Whose.</param>
    /// <param name="ct">Stops.</param>
    public static async Task<List<string[]>> FillAsync(NpgsqlConnection admin, Guid owner, CancellationToken ct)
    {
        var tables = await ListAsync(
            admin,
            """
            select format('%I.%I', n.nspname, c.relname), c.oid::bigint::text
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'owner' and not a.attisdropped
            where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            order by 1
            """,
            ct
        );
        await RunAsync(
            admin,
            """
            do $$ declare broken record; begin
                for broken in select conrelid::regclass as tab, conname from pg_constraint c
                    join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
                    where contype = 'c' and conislocal and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                loop execute format('alter table %s drop constraint %I', broken.tab, broken.conname); end loop;
            end $$
            """,
            ct
        );
        foreach (var table in tables)
            await InsertAsync(admin, table, owner, ct);
        return tables;
    }

    // Foreign keys and triggers are off, so that any order will do; the catalogue says what fits each column.
    private static async Task InsertAsync(NpgsqlConnection admin, string[] table, Guid owner, CancellationToken ct)
    {
        await using var transaction = await admin.BeginTransactionAsync(ct);
        await RunAsync(admin, "set local session_replication_role = replica", ct);
        var columns = await ColumnsAsync(admin, table, ct);
        await RunAsync(
            admin,
            InsertSql(table, columns, owner, new Dictionary<string, string>(StringComparer.Ordinal)),
            ct
        );
        await transaction.CommitAsync(ct);
    }

    private static string InsertSql(
        string[] table,
        List<string[]> columns,
        Guid owner,
        Dictionary<string, string> given
    ) =>
        $"insert into {table[0]} ({string.Join(", ", columns.Select(column => column[0]))}) values ("
        + string.Join(
            ", ",
            columns.Select(column =>
                column[0] == "owner" ? $"'{owner}'" : given.GetValueOrDefault(column[0], column[1])
            )
        )
        + ")";

    private static Task<List<string[]>> ColumnsAsync(NpgsqlConnection admin, string[] table, CancellationToken ct) =>
        ListAsync(
            admin,
            $$"""
            select quote_ident(a.attname),
                case when t.typtype = 'e' then (select quote_literal(e.enumlabel) from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder limit 1)
                     when t.typcategory = 'A' then quote_literal('{}') || '::' || format_type(a.atttypid, a.atttypmod)
                else case t.typname
                    when 'uuid' then 'gen_random_uuid()'
                    when 'int2' then '1' when 'int4' then '1' when 'int8' then '1' when 'numeric' then '1' when 'float4' then '1' when 'float8' then '1'
                    when 'bool' then 'false'
                    when 'jsonb' then quote_literal('{}') when 'json' then quote_literal('{}')
                    when 'bytea' then 'sha256(gen_random_uuid()::text::bytea)'
                    when 'timestamptz' then 'now()' when 'timestamp' then 'now()' when 'date' then 'now()'
                    when 'interval' then quote_literal('1 s')
                    when 'xid8' then 'pg_current_xact_id()'
                    when 'inet' then quote_literal('::1')
                    when 'digest' then quote_literal('sha256:') || ' || encode(sha256(gen_random_uuid()::text::bytea), ' || quote_literal('hex') || ')'
                    else 'md5(random()::text)' end
                end
            from pg_attribute a join pg_type t on t.oid = a.atttypid
            where a.attrelid = {{table[
                1
            ]}} and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a'
            and (a.attnotnull or a.attname = 'owner')
            order by a.attnum
            """,
            ct
        );

    private static async Task<List<string[]>> ListAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<string[]>();
        while (await reader.ReadAsync(ct))
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetString)]);
        return rows;
    }

    private static async Task<int> RunAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteNonQueryAsync(ct);
    }

    private sealed class Attack(NpgsqlConnection admin)
    {
        public List<string> Breaches { get; } = [];

        public int Attempts { get; private set; }

        public async Task OnAsync(string[] table, List<string[]> tables, CancellationToken ct)
        {
            var columns = await ColumnsAsync(admin, table, ct);
            // Whoever cannot see their own row proves nothing by not seeing another's.
            if (await TryAsync(Victim, $"select 1 from {table[0]}", rows: true, ct) is 0)
                Breaches.Add($"{table[0]}: its own owner does not see the row, so the attack proves nothing");
            await ExpectNothingAsync("is seen", $"select 1 from {table[0]} where owner = '{Victim}'", rows: true, ct);
            await ExpectNothingAsync("is seen", $"select 1 from {table[0]}", rows: true, ct);
            await ExpectNothingAsync(
                "is changed",
                $"update {table[0]} set owner = owner where owner = '{Victim}'",
                rows: false,
                ct
            );
            await ExpectNothingAsync("is taken over", $"update {table[0]} set owner = '{Attacker}'", rows: false, ct);
            await ExpectNothingAsync("is removed", $"delete from {table[0]}", rows: false, ct);
            var none = new Dictionary<string, string>(StringComparer.Ordinal);
            await ExpectNothingAsync("is planted", InsertSql(table, columns, Victim, none), rows: false, ct);

            // What is generated follows from the other columns: nobody can write it.
            var generated = (
                await ListAsync(
                    admin,
                    $"select quote_ident(attname) from pg_attribute where attrelid = {table[1]} and attnum > 0 and attgenerated <> ''",
                    ct
                )
            ).ConvertAll(column => column[0]);
            foreach (var key in await ForeignKeysAsync(table, ct))
            {
                var target = tables.FirstOrDefault(candidate => candidate[1] == key.Target);
                if (target is null)
                    continue;
                var seen = await ListAsync(
                    admin,
                    $"select {string.Join(", ", key.There.Select(column => $"quote_nullable({column}::text)"))} from {target[0]} where owner = '{Victim}'",
                    ct
                );
                var pointing = key
                    .Here.Zip(seen[0])
                    .ToDictionary(pair => pair.First, pair => pair.Second, StringComparer.Ordinal);
                var named = columns.Select(column => column[0]).ToHashSet(StringComparer.Ordinal);
                var all = columns.Concat(
                    key.Here.Where(column => !named.Contains(column) && !generated.Contains(column))
                        .Select(column => new[] { column, "null" })
                );
                await ExpectNothingAsync(
                    $"is pointed at by {key.Name}",
                    InsertSql(table, [.. all], Attacker, pointing),
                    rows: false,
                    ct
                );
            }

            async Task ExpectNothingAsync(string what, string sql, bool rows, CancellationToken token)
            {
                Attempts++;
                if (await TryAsync(Attacker, sql, rows, token) is > 0)
                    Breaches.Add($"{table[0]}: another owner's row {what}");
            }
        }

        // Rows seen or changed; null when refused. Everything is rolled back.
        private async Task<int?> TryAsync(Guid owner, string sql, bool rows, CancellationToken ct)
        {
            await using var transaction = await admin.BeginTransactionAsync(ct);
            await RunAsync(
                admin,
                $"""
                select set_config('role', 'platen_app', true), set_config('platen.owner', '{owner}', true),
                       set_config('platen.publisher', 'off', true), set_config('platen.actor', '{owner}', true)
                """,
                ct
            );
            try
            {
                return rows
                    ? (await ListAsync(admin, $"select count(*)::text from ({sql}) seen", ct))[0][0] is "0"
                        ? 0
                        : 1
                    : await RunAsync(admin, sql, ct);
            }
            catch (PostgresException exception)
                when (exception.SqlState
                        is PostgresErrorCodes.InsufficientPrivilege
                            or PostgresErrorCodes.ForeignKeyViolation
                            or PostgresErrorCodes.UniqueViolation
                            or PostgresErrorCodes.RaiseException
                )
            {
                return null;
            }
        }

        private async Task<List<ForeignKey>> ForeignKeysAsync(string[] table, CancellationToken ct)
        {
            var found = await ListAsync(
                admin,
                $"""
                select c.conname::text, c.confrelid::bigint::text,
                    (select string_agg(quote_ident(a.attname), ',' order by k.n) from unnest(c.conkey) with ordinality k (num, n)
                     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num),
                    (select string_agg(quote_ident(a.attname), ',' order by k.n) from unnest(c.confkey) with ordinality k (num, n)
                     join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num)
                from pg_constraint c where c.conrelid = {table[1]} and c.contype = 'f'
                """,
                ct
            );
            return [.. found.Select(row => new ForeignKey(row[0], row[1], row[2].Split(','), row[3].Split(',')))];
        }

        private sealed record ForeignKey(string Name, string Target, string[] Here, string[] There);
    }
}

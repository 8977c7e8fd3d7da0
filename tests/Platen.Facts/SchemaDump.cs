using System.Text;
using Npgsql;

namespace Platen.Facts;

/// <summary>
/// Writes our schemas as text, straight from the catalogue: schemas, tables with columns, constraints, indexes, policies and
/// triggers, views, functions, each with its owner and grants. The same database is the same text.
/// </summary>
internal static class SchemaDump
{
    // Every query yields (a heading's sort key, the line). {ours} are the schemas that migrations made.
    private const string Ours =
        "n.nspname <> 'public' and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'";

    private static readonly string Query = $"""
        with grants as (
            select object, string_agg(grantee || ' ' || privileges, ', ' order by grantee collate "C") as text
            from (
                select
                    object,
                    case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as grantee,
                    lower(string_agg(acl.privilege_type, '+' order by acl.privilege_type collate "C")) as privileges
                from (
                    select 'schema ' || n.nspname, n.nspacl, n.nspowner, 'n'::"char"
                    from pg_namespace n where {Ours}
                    union all
                    select 'relation ' || c.oid, c.relacl, c.relowner, 'r'
                    from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where {Ours} and c.relkind in ('r', 'p', 'v', 'm', 'S')
                    union all
                    select 'function ' || p.oid, p.proacl, p.proowner, 'f'
                    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {Ours}
                    union all
                    select 'column ' || a.attrelid || '.' || a.attnum, a.attacl, c.relowner, 'c'
                    from pg_attribute a
                    join pg_class c on c.oid = a.attrelid
                    join pg_namespace n on n.oid = c.relnamespace
                    where {Ours} and a.attacl is not null
                ) as entry (object, acl, owner, kind),
                    lateral aclexplode(coalesce(acl, case kind when 'c' then null else acldefault(kind, owner) end)) as acl
                where acl.grantee <> owner
                group by object, acl.grantee
            ) as granted
            group by object
        ),
        schemas as (
            select n.nspname || ' 0' as key, 0 as part, n.nspname::text as sort, format(
                'schema %s  owner %s%s', n.nspname, n.nspowner::regrole, coalesce('  grants ' || g.text, '')
            ) as line
            from pg_namespace n left join grants g on g.object = 'schema ' || n.nspname
            where {Ours}
        ),
        relations as (
            select
                c.oid,
                c.relkind,
                c.reloptions,
                n.nspname || case c.relkind when 'v' then ' 2 ' when 'm' then ' 2 ' when 'S' then ' 3 ' else ' 1 ' end || c.relname as key,
                format(
                    '%s %s.%s  owner %s%s%s%s',
                    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
                    n.nspname, c.relname, c.relowner::regrole,
                    case when c.relrowsecurity then '  row security' || case when c.relforcerowsecurity then ' forced' else '' end
                        when c.relkind in ('r', 'p') then '  NO ROW SECURITY' else '' end,
                    coalesce('  (' || array_to_string(c.reloptions, ', ') || ')', ''),
                    coalesce('  grants ' || g.text, '')
                ) as line
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            left join grants g on g.object = 'relation ' || c.oid
            where {Ours} and c.relkind in ('r', 'p', 'v', 'm', 'S')
        )
        select key, part, sort, line from (
            select key, part, sort, line from schemas
            union all
            select key, 0, '', line from relations
            union all
            select r.key, 1, lpad(a.attnum::text, 5, '0'), format(
                '    %s %s%s%s%s',
                a.attname, format_type(a.atttypid, a.atttypmod),
                case when a.attnotnull then ' not null' else '' end,
                case when d.adbin is null then ''
                    when a.attgenerated <> '' then ' generated ' || pg_get_expr(d.adbin, d.adrelid)
                    else ' default ' || pg_get_expr(d.adbin, d.adrelid) end,
                coalesce('  grants ' || g.text, '')
            )
            from relations r
            join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            left join grants g on g.object = 'column ' || a.attrelid || '.' || a.attnum
            where r.relkind <> 'S'
            union all
            -- Columns say themselves what is not null.
            select r.key, 2, x.conname, '    constraint ' || x.conname || ' ' || pg_get_constraintdef(x.oid, true)
            from relations r join pg_constraint x on x.conrelid = r.oid and x.contype <> 'n'
            union all
            select r.key, 3, i.relname, '    index ' || regexp_replace(pg_get_indexdef(i.oid), '^CREATE ', '')
            from relations r
            join pg_index x on x.indrelid = r.oid
            join pg_class i on i.oid = x.indexrelid
            where not exists (select from pg_constraint k where k.conindid = i.oid and k.conrelid = r.oid and k.contype in ('p', 'u', 'x'))
            union all
            select r.key, 4, p.polname, format(
                '    policy %s %s%s to %s%s%s',
                p.polname, case when p.polpermissive then '' else 'restrictive ' end,
                case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
                (
                    select string_agg(case role when 0 then 'public' else role::regrole::text end, ', ' order by role::regrole::text collate "C")
                    from unnest(p.polroles) as role
                ),
                coalesce('  using (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''),
                coalesce('  check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
            )
            from relations r join pg_policy p on p.polrelid = r.oid
            union all
            select r.key, 5, t.tgname, '    ' || pg_get_triggerdef(t.oid, true)
            from relations r join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
            union all
            select r.key, 6, '', pg_get_viewdef(r.oid, true)
            from relations r where r.relkind in ('v', 'm')
            union all
            select n.nspname || ' 4 ' || p.proname || pg_get_function_identity_arguments(p.oid), 0, '', format(
                'function %s.%s(%s) returns %s  owner %s  %s %s%s%s%s%s',
                n.nspname, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.proowner::regrole,
                l.lanname,
                case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                case p.proparallel when 's' then ' parallel safe' when 'r' then ' parallel restricted' else '' end,
                case when p.prosecdef then '  SECURITY DEFINER' else '' end,
                coalesce('  set ' || array_to_string(p.proconfig, ', '), ''),
                coalesce('  grants ' || g.text, '')
            )
            from pg_proc p
            join pg_namespace n on n.oid = p.pronamespace
            join pg_language l on l.oid = p.prolang
            left join grants g on g.object = 'function ' || p.oid
            where {Ours}
            union all
            select n.nspname || ' 5 ' || t.typname, 0, '', format(
                'type %s.%s  owner %s  %s', n.nspname, t.typname, t.typowner::regrole,
                case t.typtype
                    when 'e' then 'enum ' || (select string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)
                    else format('domain %s %s', format_type(t.typbasetype, t.typtypmod), (
                        select string_agg(pg_get_constraintdef(c.oid), ' ' order by c.conname)
                        from pg_constraint c where c.contypid = t.oid
                    )) end
            )
            from pg_type t join pg_namespace n on n.oid = t.typnamespace
            where {Ours} and t.typtype in ('e', 'd')
        ) as everything
        order by key collate "C", part, sort collate "C", line collate "C"
        """;

    public static async Task<string> ReadAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var text = new StringBuilder("The database as migrations leave it.\n");
        var before = "";
        await using var command = new NpgsqlCommand(Query, connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var key = reader.GetString(0);
            if (key != before)
                text.Append('\n');
            before = key;
            text.Append(reader.GetString(3).TrimEnd()).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>Tables of which row-level security does not hold even their owner.</summary>
    public static IEnumerable<string> Faults(string dump) =>
        dump.Split('\n')
            .Where(line =>
                line.StartsWith("table ", StringComparison.Ordinal)
                && !line.Contains("  row security forced", StringComparison.Ordinal)
            )
            .Select(line => $"Row-level security must be enabled and forced: {line}");
}

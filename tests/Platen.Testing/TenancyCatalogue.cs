using Npgsql;

namespace Platen.Testing;

/// <summary>
/// Reads the database's own catalogue for ways around tenancy, in every schema that is not the system's, so that a new
/// table is covered without being listed. An exception is stated where it is made, as a comment on the object that begins
/// with <c>no owner: </c> (tables, constraints, indexes) or <c>every owner: </c> (policies) and goes on with the reason.
/// </summary>
public static class TenancyCatalogue
{
    // Each query returns the broken object and what is wrong with it.
    private static readonly string[] Rules =
    [
        """
            select format('%I.%I', schema, name), 'row-level security is not enabled and forced'
            from tab where not (rowsecurity and forced)
            """,
        """
            select format('%I.%I', schema, name),
                   'has no column "owner uuid not null", nor a comment "no owner: …" that says why'
            from tab where owner_col is null and coalesce(obj_description(oid, 'pg_class'), '') not like 'no owner: _%'
            """,
        """
            select format('%I.%I', schema, name), 'its primary key does not begin with owner'
            from tab where owner_col is not null and not exists (
                select from pg_constraint c where c.conrelid = tab.oid and c.contype = 'p'
                and (c.conkey[1] = owner_col or coalesce(obj_description(c.oid, 'pg_constraint'), '') like 'no owner: _%'))
            """,
        """
            select format('%I.%I: %s', schema, name, i.indexrelid::regclass),
                   'is unique across owners: it tells one owner what another has'
            from tab join pg_index i on i.indrelid = tab.oid
            where owner_col is not null and i.indisunique and not i.indisprimary and not (owner_col = any (i.indkey::int2[]))
            and coalesce(obj_description(i.indexrelid, 'pg_class'), '') not like 'no owner: _%'
            """,
        """
            select format('%I.%I: %s', tab.schema, tab.name, c.conname), 'is a foreign key that leaves the owner out: it can point at another owner''s row'
            from tab join pg_constraint c on c.conrelid = tab.oid and c.contype = 'f'
            join tab target on target.oid = c.confrelid
            where target.owner_col is not null and not exists (
                select from unnest(c.conkey, c.confkey) pair (here, there)
                where pair.here = tab.owner_col and pair.there = target.owner_col)
            """,
        """
            select format('%I.%I: policy %s', schema, name, p.polname), 'applies to everybody: name its role'
            from tab join pg_policy p on p.polrelid = tab.oid where 0 = any (p.polroles)
            """,
        """
            select format('%I.%I: policy %s', schema, name, p.polname), 'lets platen_app at rows without asking whose they are'
            from tab join pg_policy p on p.polrelid = tab.oid
            where owner_col is not null and 'platen_app'::regrole = any (p.polroles)
            and (coalesce(pg_get_expr(p.polqual, p.polrelid), 'platform.current_owner()') !~ 'current_owner\(\)|is_publisher\(\)'
              or coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'platform.current_owner()') !~ 'current_owner\(\)|is_publisher\(\)')
            and coalesce(obj_description(p.oid, 'pg_policy'), '') not like 'every owner: _%'
            """,
        """
            select format('%I.%I: policy %s', schema, name, p.polname), 'lets ' || r.rolname || ' write every owner''s rows'
            from tab join pg_policy p on p.polrelid = tab.oid
            join pg_roles r on r.oid = any (p.polroles)
            where r.rolname in ('platen_edge', 'platen_view') and p.polcmd not in ('r', '*')
            """,
        """
            select format('%I.%I', n.nspname, c.relname), 'belongs to ' || pg_get_userbyid(c.relowner) || ' and not to platen_owner'
            from pg_class c join pg_namespace n on n.oid = c.relnamespace join ours on ours.oid = n.oid
            where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
            and pg_get_userbyid(c.relowner) <> 'platen_owner'
            and not (c.relkind = 'v' and pg_get_userbyid(c.relowner) = 'platen_view')
            """,
        """
            select format('%I.%I', n.nspname, c.relname), 'is a materialized view or foreign table: row-level security does not reach it'
            from pg_class c join ours n on n.oid = c.relnamespace where c.relkind in ('m', 'f')
            """,
        """
            select format('%I.%I', n.nspname, c.relname), format('grants %s to %s', a.privilege_type, grantee.name)
            from pg_class c join ours n on n.oid = c.relnamespace
            cross join lateral aclexplode(c.relacl) a
            cross join lateral (select case a.grantee when 0 then 'everybody' else pg_get_userbyid(a.grantee)::text end as name) grantee
            where c.relkind in ('r', 'p', 'v', 'm', 'S') and a.grantee <> c.relowner
            and not (
                (grantee.name in ('platen_app', 'platen_worker') and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE'))
                or (grantee.name = 'platen_edge' and a.privilege_type = 'SELECT' and c.relkind = 'v')
                or (grantee.name = 'platen_view' and a.privilege_type = 'SELECT')
                or (grantee.name = 'platen_owner'))
            """,
        """
            select format('schema %I', n.nspname), format('grants %s to %s', a.privilege_type, grantee.name)
            from ours n cross join lateral aclexplode(n.nspacl) a
            cross join lateral (select case a.grantee when 0 then 'everybody' else pg_get_userbyid(a.grantee)::text end as name) grantee
            where a.grantee <> n.nspowner and not (
                (grantee.name in ('platen_app', 'platen_worker', 'platen_edge', 'platen_view') and a.privilege_type = 'USAGE')
                or (grantee.name = 'platen_view' and a.privilege_type = 'CREATE'))
            """,
        """
            select format('%s', p.oid::regprocedure), 'runs with its owner''s rights and ' ||
                case when not coalesce(p.proconfig::text, '') ~ 'search_path=' then 'without a fixed search_path' else 'for everybody' end
            from pg_proc p join ours n on n.oid = p.pronamespace
            where p.prosecdef and (not coalesce(p.proconfig::text, '') ~ 'search_path='
                or has_function_privilege('public', p.oid, 'EXECUTE'))
            """,
        """
            select rolname::text, 'may log in, is a superuser, passes row-level security or makes roles'
            from pg_roles where rolname in ('platen_owner', 'platen_app', 'platen_worker', 'platen_edge', 'platen_view')
            and (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)
            """,
    ];

    private const string Preamble = """
        with ours as (
            select n.* from pg_namespace n
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            and not (n.nspname = 'public' and pg_get_userbyid(n.nspowner) = 'pg_database_owner')
            or n.nspname = 'public' and exists (select from pg_class c where c.relnamespace = n.oid
                and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e'))
        ), tab as (
            select c.oid, n.nspname as schema, c.relname as name, c.relrowsecurity as rowsecurity,
                   c.relforcerowsecurity as forced,
                   (select a.attnum from pg_attribute a where a.attrelid = c.oid and a.attname = 'owner'
                    and a.atttypid = 'uuid'::regtype and a.attnotnull and not a.attisdropped) as owner_col
            from pg_class c join ours n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p')
        )

        """;

    /// <summary>Every fault, as <c>object: what is wrong</c>; empty when tenancy holds.</summary>
    public static async Task<List<string>> FindFaultsAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var faults = new List<string>();
        foreach (var rule in Rules)
        {
            await using var command = new NpgsqlCommand(Preamble + rule, connection);
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                faults.Add($"{reader.GetString(0)}: {reader.GetString(1)}");
        }
        return faults;
    }

    /// <summary>The tables that were looked at.</summary>
    public static async Task<List<string>> ListTablesAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            Preamble + "select format('%I.%I', schema, name) from tab order by 1",
            connection
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        var tables = new List<string>();
        while (await reader.ReadAsync(ct))
            tables.Add(reader.GetString(0));
        return tables;
    }
}

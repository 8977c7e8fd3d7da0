using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Platen.Kernel;

namespace Platen.Testing;

/// <summary>A person with a session, as sign-in would have made them.</summary>
/// <param name="Id">The person.</param>
/// <param name="Cookie">What their browser sends: <c>platen_session=…</c>.</param>
public sealed record TestPersonSession(Guid Id, string Cookie)
{
    /// <summary>Adds a person and signs them in.</summary>
    /// <param name="admin">A superuser's connection.</param>
    /// <param name="email">Theirs; nobody else's.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<TestPersonSession> AddAsync(NpgsqlConnection admin, string email, CancellationToken ct)
    {
        var id = Guid.CreateVersion7();
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await using var insert = new NpgsqlCommand(
            """
            with p as (
                insert into access.person (id, display_name, email, normalized_email) values ($1, $2, $2, lower($2)) returning id
            ), s as (
                insert into access.person_secret (person_id, security_stamp) select id, 'test' from p
            )
            insert into access.person_session (id, person_id, token_hash, method, expires_at)
            select gen_random_uuid(), id, $3, 'password', now() + interval '1 day' from p
            """,
            admin
        );
        insert.Parameters.AddWithValue(id);
        insert.Parameters.AddWithValue(email);
        insert.Parameters.AddWithValue(SHA256.HashData(Encoding.ASCII.GetBytes(secret)));
        await insert.ExecuteNonQueryAsync(ct);
        return new TestPersonSession(id, "platen_session=" + secret);
    }

    /// <summary>Makes the person a member of an owner, whatever the rules say.</summary>
    public async Task JoinAsync(NpgsqlConnection admin, OwnerId owner, string role, CancellationToken ct)
    {
        await using var insert = new NpgsqlCommand(
            """
            insert into access.member (owner, person_id, role, added_by, added_by_name) values ($1, $2, $3, $2, 'test')
            on conflict (owner, person_id) do update set role = excluded.role
            """,
            admin
        );
        insert.Parameters.AddWithValue(owner.Value);
        insert.Parameters.AddWithValue(Id);
        insert.Parameters.AddWithValue(role);
        await insert.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>
/// Everything that an owner has, in every table with an owner: told apart before and after an attack, and looked for in what the attacker
/// was told.
/// </summary>
public static class OwnersRows
{
    /// <summary>A digest of the owner's rows by table; tables without any are left out.</summary>
    public static async Task<Dictionary<string, string>> DigestAsync(
        NpgsqlConnection admin,
        OwnerId owner,
        CancellationToken ct
    )
    {
        var tables = new List<string>();
        await using (
            var list = new NpgsqlCommand(
                """
                select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                join pg_attribute a on a.attrelid = c.oid and a.attname = 'owner' and not a.attisdropped
                where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1
                """,
                admin
            )
        )
        {
            await using var reader = await list.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                tables.Add(reader.GetString(0));
        }
        var digests = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var table in tables)
        {
            // When a key was used last is no secret of the content; it moves when its owner uses it.
            await using var digest = new NpgsqlCommand(
                $"""
                select md5(string_agg(row, '|' order by row)) from (
                    select (to_jsonb(t) - 'last_used_at')::text as row from {table} t where owner = $1) rows
                """,
                admin
            );
            digest.Parameters.AddWithValue(owner.Value);
            if (await digest.ExecuteScalarAsync(ct) is string found)
                digests[table] = found;
        }
        return digests;
    }
}

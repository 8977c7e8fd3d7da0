using System.Globalization;
using Npgsql;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>A database in the shape that widgets once had: one table for all, with what years of use leave behind.</summary>
internal sealed class LegacyDatabase : IAsyncDisposable
{
    private readonly ExternalPostgres postgres;
    private readonly NpgsqlDataSource source;

    private LegacyDatabase(ExternalPostgres postgres)
    {
        this.postgres = postgres;
        source = NpgsqlDataSource.Create(ConnectionString);
    }

    public string ConnectionString => postgres.Superuser();

    public static async Task<LegacyDatabase> StartAsync(CancellationToken ct)
    {
        var database = new LegacyDatabase(await ExternalPostgres.StartAsync(ct));
        await database.RunAsync(
            """
            create table widgets (id uuid primary key default gen_random_uuid(), type text not null);
            create table workspaces (id uuid primary key, name text);
            create table widget_instances (
                id uuid primary key, widget_id uuid, workspace_id uuid, public_id text, status text, config jsonb,
                created_at timestamptz default '2024-01-01', updated_at timestamptz default '2024-06-01'
            );
            create table widget_instance_locales (
                public_id text, workspace_id uuid, locale text, ops jsonb, base_fingerprint text
            );
            insert into widgets (type) values ('faq'), ('contact'), ('quotes'), ('pricing');
            -- A row whose id, and so whose place in every order, follows from its number.
            create function id_of(n bigint) returns uuid language sql immutable as $$ select md5('row ' || n)::uuid $$;
            create function workspace_of(n bigint) returns uuid language sql immutable as $$ select md5('workspace ' || n)::uuid $$;
            create function widget_of(t text) returns uuid language sql stable as $$ select id from widgets where type = t $$;
            """,
            ct
        );
        return database;
    }

    /// <summary>5,000 rows, and some 750 locales.</summary>
    public async Task FillAsync(CancellationToken ct)
    {
        var faq = await SampleAsync("wgt_main_content.faq", ct);
        var contact = await SampleAsync("wgt_main_forms.contact", ct);
        var quotes = await SampleAsync("wgt_main_social.testimonials", ct);
        await using var command = source.CreateCommand(
            "create table sample as select $1::jsonb as faq, $2::jsonb as contact, $3::jsonb as quotes"
        );
        foreach (var json in (string[])[faq, contact, quotes])
            command.Parameters.Add(new NpgsqlParameter { Value = json });
        await command.ExecuteNonQueryAsync(ct);
        await RunAsync(
            """
            insert into workspaces select workspace_of(n), 'Workspace ' || n from generate_series(0, 19) n;

            create function add(first bigint, last bigint, widget text, ids text, with_workspace boolean, states text[]) returns void
            language sql as $$
                insert into widget_instances (id, widget_id, workspace_id, public_id, status, config)
                select id_of(n), widget_of(widget), case when with_workspace then workspace_of(n % 20) end,
                       replace(ids, '#', n::text), states[1 + n % cardinality(states)],
                       jsonb_set(case widget when 'contact' then contact when 'quotes' then quotes else faq end, '{heading}', to_jsonb('Instance ' || n))
                from generate_series(first, last) n, sample
            $$;
            select add(1, 3400, 'faq', 'wgt_faq_u_k#', true, '{published,unpublished,Published,deprecated}');
            select add(3401, 3900, 'contact', 'wgt_contact_u_k#', true, '{published,draft,NULL}');
            select add(3901, 4200, 'faq', '  WGT_FAQ_u_Summer_Sale_# ', true, '{LIVE,archived}');
            select add(4201, 4450, 'quotes', 'wgt_curated_quotes-#', false, '{published}');
            select add(4451, 4500, 'quotes', 'wgt_curated_with-workspace-#', true, '{published}');
            select add(4501, 4600, 'faq', 'wgt_curated_Big_Sale_#!', false, '{published,UNPUBLISHED}');
            select add(4601, 4603, 'faq', 'wgt_main_faq', false, '{published}');
            select add(4604, 4604, 'contact', 'wgt_main_contact', false, '{published}');
            -- A second row with the id of another, with the same content and with other content.
            insert into widget_instances
                select id_of(4605 + o.n), i.widget_id, i.workspace_id, i.public_id, i.status, i.config
                from generate_series(0, 99) o (n) join widget_instances i on i.id = id_of(o.n + 1);
            insert into widget_instances
                select id_of(4705 + o.n), i.widget_id, i.workspace_id, i.public_id, i.status, jsonb_set(i.config, '{heading}', '"Another"')
                from generate_series(0, 49) o (n) join widget_instances i on i.id = id_of(o.n + 201);
            select add(4755, 4804, 'faq', 'wgt_faq_u_nobodys-#', false, '{published}');
            select add(4805, 4854, 'pricing', 'wgt_pricing_u_k#', true, '{published}');
            select add(4855, 4874, 'faq', 'wgt_faq_u_typeless-#', true, '{published}');
            update widget_instances set widget_id = gen_random_uuid() where public_id like 'wgt_faq_u_typeless-%';
            select add(4875, 4924, 'faq', 'wgt_faq_u_invalid-#', true, '{published}');
            update widget_instances set config = config - 'heading' where public_id like 'wgt_faq_u_invalid-%';
            select add(4925, 4934, 'faq', 'wgt_faq_u_text-#', true, '{published}');
            update widget_instances set config = to_jsonb(config::text) where public_id like 'wgt_faq_u_text-%';
            select add(4935, 4944, 'faq', 'wgt_faq_u_nothing-#', true, '{published}');
            update widget_instances set config = case when random() < 0.5 then 'null'::jsonb else '[1]'::jsonb end
                where public_id like 'wgt_faq_u_nothing-%';
            select add(4945, 4974, 'faq', 'Demo # (old)', true, '{published}');
            select add(4975, 4994, 'faq', 'showcase #', false, '{published}');
            select add(4995, 5000, 'faq', '!!!', true, '{published}');
            update widget_instances set public_id = null where id = id_of(5000);

            insert into widget_instance_locales (public_id, workspace_id, locale, ops)
                select public_id, workspace_id, 'de', jsonb_build_array(jsonb_build_object('op', 'set', 'path', '/heading', 'value', 'Fassung ' || n))
                from generate_series(1, 400) n join widget_instances on id = id_of(n);
            insert into widget_instance_locales (public_id, workspace_id, locale, ops)
                select public_id, workspace_id, 'pt_BR', '[{"op": "set", "path": "heading", "value": "Com pontos"}, {"op": "set", "path": "gone.0.title", "value": "x"}]'
                from generate_series(3901, 4100) n join widget_instances on id = id_of(n);
            insert into widget_instance_locales (public_id, locale, ops, base_fingerprint)
                select public_id, 'fr', '[{"op": "set", "path": "/heading", "value": "Vieux"}]', repeat('0', 64)
                from generate_series(4201, 4300) n join widget_instances on id = id_of(n);
            insert into widget_instance_locales (public_id, locale, ops)
                select 'wgt_faq_u_never-was-' || n, 'de', '[]' from generate_series(1, 40) n;
            insert into widget_instance_locales (public_id, locale, ops)
                select public_id, case n % 2 when 0 then 'de' else 'no language' end, '"broken"'
                from generate_series(4604, 4604) m cross join generate_series(1, 2) n join widget_instances on id = id_of(m);
            """,
            ct
        );
    }

    public Task RunAsync(string sql, CancellationToken ct)
    {
        var command = source.CreateCommand(sql);
        return ExecuteAsync(command, ct);

        static async Task ExecuteAsync(NpgsqlCommand command, CancellationToken ct)
        {
            await using (command)
                await command.ExecuteNonQueryAsync(ct);
        }
    }

    public async Task<long> CountAsync(string sql, CancellationToken ct)
    {
        await using var command = source.CreateCommand(sql);
        return Convert.ToInt64(await command.ExecuteScalarAsync(ct), CultureInfo.InvariantCulture);
    }

    /// <summary>Of everything in the old tables.</summary>
    public async Task<string> ChecksumAsync(CancellationToken ct)
    {
        await using var command = source.CreateCommand(
            """
            select md5(string_agg(t, '|' order by t)) from (
                select i::text from widget_instances i union all select l::text from widget_instance_locales l
                union all select w::text from widgets w union all select s::text from workspaces s
            ) r (t)
            """
        );
        return (string)(await command.ExecuteScalarAsync(ct))!;
    }

    private static async Task<string> SampleAsync(string id, CancellationToken ct)
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Build.Repository, "samples", "widgets", id + ".json"), ct);
        return System.Text.Json.JsonElement.Parse(text).GetProperty("config").GetRawText();
    }

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await postgres.DisposeAsync();
    }
}

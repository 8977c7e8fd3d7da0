using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Delivery.Tests;

/// <summary>A login that may act as <c>platen_edge</c> and nothing else: what somebody has who took over a delivery node.</summary>
public sealed class EdgeRoleTests(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly string login = "edge_" + Guid.CreateVersion7().ToString("N");
    private PostgresPools pools = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await RunAsync($"create role {login} login nosuperuser; grant platen_edge to {login}");
        pools = PostgresPools.OpenEdgeAlone(
            new PostgresOptions
            {
                DataFolder = "/nonexistent",
                EdgeConnectionString = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
                {
                    Username = login,
                }.ConnectionString,
            }
        );
    }

    public async ValueTask DisposeAsync()
    {
        await pools.DisposeAsync();
        await RunAsync($"drop role {login}");
    }

    [Fact]
    public async Task It_may_select_from_the_public_views_and_do_nothing_else()
    {
        var allowed = await ListAsync(
            """
            select format('%s.%s %s', n.nspname, c.relname, p.privilege)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            cross join (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) p (privilege)
            where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'
                and (has_table_privilege($1::name, c.oid, p.privilege)
                    or (p.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege($1::name, c.oid, p.privilege)))
            union all
            select format('%s.%s sequence', n.nspname, c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname !~ '^pg_'
                and case when c.relkind = 'S' then has_sequence_privilege($1::name, c.oid, 'USAGE, SELECT, UPDATE') else false end
            union all
            select format('%s create', n.nspname) from pg_namespace n
            where n.nspname !~ '^pg_' and has_schema_privilege($1::name, n.oid, 'CREATE')
            order by 1
            """
        );
        allowed.ShouldBe([
            "platform.edge_artifact SELECT",
            "platform.edge_channel SELECT",
            "platform.edge_closed_owner SELECT",
            "platform.edge_embed_key SELECT",
            "platform.edge_embed_revocation SELECT",
        ]);
    }

    [Fact]
    public async Task It_may_add_to_the_counters_of_views_and_call_nothing_else_that_acts_for_somebody_else()
    {
        // Functions that everybody may call run as whoever calls them; those that run as their owner must not be among them.
        var callable = await ListAsync(
            """
            select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and p.prosecdef
                and has_schema_privilege($1::name, n.oid, 'USAGE') and has_function_privilege($1::name, p.oid, 'EXECUTE')
            """
        );
        callable.ShouldBe(["platform.add_usage(uuid,bigint,uuid[],text[],date[],bigint[],bigint[])"]);
    }

    [Theory]
    [InlineData("select * from platform.release")]
    [InlineData("select * from platform.blob")]
    [InlineData("select * from platform.event")]
    [InlineData("select * from platform.job")]
    [InlineData("select * from platform.embed_key")]
    [InlineData("insert into platform.embed_key (id, public_key) values ('aaaaaaaaaaaa', '')")]
    [InlineData("select platform.revoke_embed_tokens('wgt_main_content.faq', gen_random_uuid(), 1)")]
    [InlineData(
        "insert into platform.channel (owner, subject, name, revision) values (gen_random_uuid(), 'x/y', 'live', 1)"
    )]
    [InlineData("update platform.edge_channel set revision = 7", "55000")]
    [InlineData("delete from platform.edge_artifact", "55000")]
    [InlineData("update platform.channel set revision = 7")]
    [InlineData("delete from platform.release_blob")]
    [InlineData("set local role platen_app")]
    [InlineData("set local role platen_owner")]
    [InlineData("set local role platen_worker")]
    [InlineData("create table platform.mine (id int)")]
    [InlineData("create table public.mine (id int)")]
    [InlineData("select pg_read_file('/etc/passwd')")]
    [InlineData("copy (select 1) to program 'true'")]
    public async Task What_else_it_tries_is_refused_by_the_database(
        string sql,
        string state = PostgresErrorCodes.InsufficientPrivilege
    )
    {
        await using var session = await pools.OpenEdgeAsync(Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() => session.ExecuteAsync(sql, Ct));
        refused.SqlState.ShouldBe(state);
    }

    [Fact]
    public async Task A_node_needs_nothing_more()
    {
        await using var publishing = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await publishing.Publisher.PublishAsync(id, "1");
        await publishing.Publisher.PublishAsync(id, "2");
        await using var node = await DeliveryHost.StartAsync(pools, null, publishing.BlobFolder);
        (await node.TextAsync($"/e/{id}")).ShouldContain("2 en");
        (await node.TextAsync($"/w/{id}/{Publisher.ArtifactName("1", "en")}")).ShouldContain("\"1\"");
        await publishing.Publisher.PublishAsync(id, "3");
        await DeliveryHost.UntilAsync(async () => (await node.TextAsync($"/e/{id}")).Contains("3 en"), "not heard of");
        pools.IsEdgeAlone.ShouldBeTrue();
        await Should.ThrowAsync<InvalidOperationException>(async () => await pools.OpenWorkerAsync("test", Ct));
    }

    private async Task<List<string>> ListAsync(string sql)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var command = new NpgsqlCommand(sql, admin);
        // The login with every role that it may act as.
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = login });
        await using var reader = await command.ExecuteReaderAsync(Ct);
        var found = new List<string>();
        while (await reader.ReadAsync(Ct))
            found.Add(reader.GetString(0));
        return found;
    }

    private async Task RunAsync(string sql)
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var command = new NpgsqlCommand(sql, admin);
        await command.ExecuteNonQueryAsync(Ct);
    }
}

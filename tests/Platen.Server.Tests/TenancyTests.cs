using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>The wall between tenants, over the tables of every module.</summary>
public sealed class TenancyTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_table_of_every_module_keeps_the_rules_of_tenancy()
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        (await TenancyCatalogue.ListTablesAsync(admin, Ct)).ShouldContain("widgets.curated_widget_instances");
        (await TenancyCatalogue.FindFaultsAsync(admin, Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Curated_content_is_written_with_a_publisher_credential_only()
    {
        await using var session = await server.Postgres.OpenAsync(TestOwner.New(), Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.ExecuteAsync(
                """
                insert into widgets.curated_widget_instances (
                    id, public_id, widget_type, kind, status, config, config_digest, updated_by, updated_by_name
                ) values ($1, 'wgt_curated_x', 'content.faq', 'curated', 'published', '{}', 'sha256:' || repeat('0', 64), $1, 'x')
                """,
                Ct,
                Sql.Uuid(Guid.CreateVersion7())
            )
        );
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Theory]
    [InlineData("wgt_main_content.faq", "content.faq", "curated")]
    [InlineData("wgt_main_forms.contact", "content.faq", "baseline")]
    [InlineData("wgt_content.faq_u_mine", "content.faq", "curated")]
    [InlineData("wgt_curated_a_b", "content.faq", "curated")]
    [InlineData("wgt_main_curated", "curated", "baseline")]
    public async Task The_table_itself_refuses_an_id_that_is_not_of_its_kind(string id, string type, string kind)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var insert = new NpgsqlCommand(
            """
            insert into widgets.curated_widget_instances (
                id, public_id, widget_type, kind, status, config, config_digest, updated_by, updated_by_name
            ) values (gen_random_uuid(), $1, $2, $3, 'published', '{}', 'sha256:' || repeat('0', 64), gen_random_uuid(), 'x')
            """,
            admin
        );
        foreach (var value in (string[])[id, type, kind])
            insert.Parameters.AddWithValue(value);
        var refused = await Should.ThrowAsync<PostgresException>(() => insert.ExecuteNonQueryAsync(Ct));
        refused.SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
    }
}

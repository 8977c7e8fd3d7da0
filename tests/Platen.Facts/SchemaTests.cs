namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed class SchemaTests(ServerFixture fixture)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_schema_is_the_one_that_was_agreed()
    {
        await using var connection = await fixture.Postgres.OpenAdminAsync(Ct);

        Expected.Equal("tests/expected/schema.txt", await SchemaDump.ReadAsync(connection, Ct));
    }

    [Fact]
    public void Migrations_are_those_that_were_agreed() =>
        Expected.Equal("tests/expected/migrations.txt", Migrations.Draw(Repository.Files("src")));

    [Fact]
    public void A_migration_that_was_changed_shows_and_other_line_endings_do_not()
    {
        static string Drawn(string text) =>
            Migrations.Draw([new SourceFile("src/Modules/X/Sql/Migrations/0001_x.sql", () => text)]);

        Drawn("select 1;\n").ShouldNotBe(Drawn("select 2;\n"));
        Drawn("select 1;\n").ShouldBe(Drawn("select 1;\r\n"));
    }

    [Fact]
    public async Task Every_table_forces_row_level_security()
    {
        await using var connection = await fixture.Postgres.OpenAdminAsync(Ct);

        Expected.NoFaults(SchemaDump.Faults(await SchemaDump.ReadAsync(connection, Ct)));
    }

    [Fact]
    public async Task Anything_added_to_the_schema_shows_in_the_dump()
    {
        await using var database = await fixture.Postgres.CreateDatabaseAsync(Ct);
        await using (await database.StartAsync(fixture.Postgres.Modules, Ct)) { }
        await using var connection = new Npgsql.NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        var before = await SchemaDump.ReadAsync(connection, Ct);
        await using (var change = new Npgsql.NpgsqlCommand(Repository.Fixture("Schema/unguarded.sql"), connection))
            await change.ExecuteNonQueryAsync(Ct);

        var after = await SchemaDump.ReadAsync(connection, Ct);

        var added = after.Split('\n').Except(before.Split('\n')).ToList();
        added.ShouldContain(line => line.StartsWith("table platform.unguarded", StringComparison.Ordinal));
        added.ShouldContain(line => line.Contains("secret text not null default 'x'::text  grants platen_edge select"));
        added.ShouldContain(line => line.Contains("constraint unguarded_secret_check CHECK", StringComparison.Ordinal));
        added.ShouldContain(line => line.Contains("index INDEX unguarded_secret_idx", StringComparison.Ordinal));
        added.ShouldContain(line => line.Contains("policy open all to public  using (true)", StringComparison.Ordinal));
        added.ShouldContain(line => line.StartsWith("view platform.leak", StringComparison.Ordinal));
        added.ShouldContain(line => line.StartsWith("function platform.leaking(a integer)", StringComparison.Ordinal));
        SchemaDump
            .Faults(after)
            .Select(fault => fault.Split("table ")[1].Split(' ')[0])
            .ShouldBe(["platform.unforced", "platform.unguarded"], ignoreOrder: true);
    }
}

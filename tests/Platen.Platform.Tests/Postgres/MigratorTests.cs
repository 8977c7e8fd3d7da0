using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class MigratorTests(PostgresFixture postgres)
{
    private const string CreateThing = "create schema sample; create table sample.thing (value int);";
    private static readonly (string, string) First = ("Migrations/0001_thing.sql", CreateThing);
    private static readonly (string, string) Second = (
        "Migrations/0002_more.sql",
        "alter table sample.thing add more int;"
    );

    private static int PlatformMigrations => PlatformModule.Sql.Files.Migrations.Count;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_second_run_changes_nothing()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        (await MigrateAsync(database, First, Second)).Migrations.ShouldBe(PlatformMigrations + 2);
        var again = await MigrateAsync(database, First, Second);
        (again.Migrations, again.Scripts).ShouldBe((0, 0));
    }

    [Fact]
    public async Task New_files_go_on_from_where_the_database_is_and_progress_is_told()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, First);
        var steps = new Steps();
        await MigrateAsync(database, steps, First, Second);
        steps.Seen.ShouldBe([
            new MigrationStep("sample", "0002_more", 1, 1),
            new MigrationStep("sample", "functions and policies", 1, 1),
        ]);
    }

    [Fact]
    public async Task A_changed_file_is_refused_with_its_name()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, First);
        var refused = await Should.ThrowAsync<MigrationException>(() =>
            MigrateAsync(database, (First.Item1, CreateThing + " -- and a bit"))
        );
        refused.Message.ShouldContain("sample: 0001_thing.sql is not the file that ran here");
    }

    [Fact]
    public async Task Other_line_endings_are_no_change()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, (First.Item1, "create schema sample;\ncreate table sample.thing (value int);\n"));
        var again = await MigrateAsync(
            database,
            (First.Item1, "create schema sample;\r\ncreate table sample.thing (value int);\r\n")
        );
        again.Migrations.ShouldBe(0);
    }

    [Fact]
    public async Task A_database_that_a_newer_version_migrated_is_refused()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, First, Second);
        var refused = await Should.ThrowAsync<MigrationException>(() => MigrateAsync(database, First));
        refused.Message.ShouldContain("0002_more");
        refused.Message.ShouldContain("newer version");
    }

    [Fact]
    public async Task A_file_slipped_in_before_an_applied_one_is_refused()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, First, ("Migrations/0003_late.sql", "select 1;"));
        var refused = await Should.ThrowAsync<MigrationException>(() =>
            MigrateAsync(database, First, Second, ("Migrations/0003_late.sql", "select 1;"))
        );
        refused.Message.ShouldContain("0002_more.sql has never run here, although 0003 has");
    }

    [Fact]
    public async Task A_failing_file_is_named_and_leaves_the_database_as_it_was()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        var broken = ("Migrations/0002_broken.sql", "create table sample.half (value int);\nselect 1 / 0;");
        var failed = await Should.ThrowAsync<MigrationException>(() => MigrateAsync(database, First, broken));
        failed.Message.ShouldContain("sample: Migrations/0002_broken.sql failed and was rolled back: division by zero");
        (await ScalarAsync(database, "select to_regclass('sample.half') is null")).ShouldBe(true);
        (await MigrateAsync(database, First, Second)).Migrations.ShouldBe(1);
    }

    [Fact]
    public async Task Functions_and_policies_are_applied_again_when_their_text_changes()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        const string Path = "Functions/answer.sql";
        static string Returning(int answer) =>
            $"create or replace function sample.answer() returns int language sql return {answer};";
        const string Policy = """
            alter table sample.thing enable row level security;
            drop policy if exists all_rows on sample.thing;
            create policy all_rows on sample.thing to platen_worker using (true);
            """;

        await MigrateAsync(database, First, (Path, Returning(41)), ("Policies/thing.sql", Policy));
        (await MigrateAsync(database, First, (Path, Returning(41)), ("Policies/thing.sql", Policy))).Scripts.ShouldBe(
            0
        );
        (await MigrateAsync(database, First, (Path, Returning(42)), ("Policies/thing.sql", Policy))).Scripts.ShouldBe(
            2
        );
        (await ScalarAsync(database, "select sample.answer()")).ShouldBe(42);
    }

    [Fact]
    public async Task Two_nodes_at_once_migrate_once()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        var slow = ("Migrations/0002_slow.sql", "create table sample.slow as select pg_sleep(0.3)::text;");
        var ran = await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => Task.Run(() => MigrateAsync(database, First, slow), Ct))
        );
        ran.Sum(summary => summary.Migrations).ShouldBe(PlatformMigrations + 2);
        (await ScalarAsync(database, "select count(*) from platform.migration")).ShouldBe(PlatformMigrations + 2L);
    }

    [Fact]
    public async Task Everything_belongs_to_the_owning_role()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await MigrateAsync(database, First);
        (
            await ScalarAsync(
                database,
                "select string_agg(distinct tableowner, ',') from pg_tables where schemaname in ('platform', 'sample')"
            )
        ).ShouldBe("platen_owner");
    }

    [Theory]
    [InlineData("Migrations/first.sql")]
    [InlineData("Migrations/1_first.sql")]
    [InlineData("Migrations/0000_first.sql")]
    [InlineData("Migrations/0001first.sql")]
    public void A_migration_without_a_number_is_refused(string path) =>
        Should.Throw<MigrationException>(() => Module((path, "select 1")).Files).Message.ShouldContain(path);

    [Fact]
    public void Two_migrations_with_one_number_are_refused() =>
        Should
            .Throw<MigrationException>(() =>
                Module(("Migrations/0001_a.sql", "select 1"), ("Migrations/0001_b.sql", "select 1")).Files
            )
            .Message.ShouldContain("0001_a.sql and 0001_b.sql");

    [Fact]
    public void Every_modules_migrations_are_numbered_without_gaps()
    {
        postgres.Modules.Select(module => module.Name).ShouldContain("platform");
        foreach (var module in postgres.Modules)
            module
                .Files.Migrations.Select(migration => migration.Number)
                .ShouldBe(Enumerable.Range(1, module.Files.Migrations.Count), $"of {module.Name}");
    }

    private static SqlModule Module(params (string, string)[] files) => new("sample", () => files);

    private static Task<MigrationSummary> MigrateAsync(TestDatabase database, params (string, string)[] files) =>
        MigrateAsync(database, new Steps(), files);

    private static async Task<MigrationSummary> MigrateAsync(
        TestDatabase database,
        IProgress<MigrationStep> progress,
        params (string, string)[] files
    )
    {
        await using var admin = NpgsqlDataSource.Create(database.ConnectionString + ";Pooling=false");
        await PostgresRoles.EnsureAsync(admin, "platen_server", "platen_delivery", NullLogger.Instance, Ct);
        return await new Migrator(admin, [PlatformModule.Sql, Module(files)], NullLogger.Instance).MigrateAsync(
            progress,
            Ct
        );
    }

    private static async Task<object?> ScalarAsync(TestDatabase database, string sql)
    {
        await using var admin = NpgsqlDataSource.Create(database.ConnectionString + ";Pooling=false");
        await using var command = admin.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Ct);
    }

    private sealed class Steps : IProgress<MigrationStep>
    {
        public List<MigrationStep> Seen { get; } = [];

        public void Report(MigrationStep value) => Seen.Add(value);
    }
}

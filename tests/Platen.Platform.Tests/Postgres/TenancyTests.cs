using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class TenancyTests(PostgresFixture postgres)
{
    private const string Sound = """
        create schema sample;
        grant usage on schema sample to platen_app;
        create table sample.album (owner uuid not null, name text not null check (name ~ '^[a-z]+$'), primary key (owner, name));
        create table sample.photo (owner uuid not null, id uuid not null, album text, taken_at timestamptz not null,
            primary key (owner, id), foreign key (owner, album) references sample.album (owner, name));
        """;

    private const string SoundPolicies = """
        alter table sample.album enable row level security;
        alter table sample.album force row level security;
        drop policy if exists own on sample.album;
        create policy own on sample.album to platen_app using (owner = platform.current_owner());
        alter table sample.photo enable row level security;
        alter table sample.photo force row level security;
        drop policy if exists own on sample.photo;
        create policy own on sample.photo to platen_app using (owner = platform.current_owner());
        grant select, insert, update, delete on sample.album, sample.photo to platen_app;
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_table_of_ours_lets_one_owner_at_anothers_rows()
    {
        await using var admin = await postgres.OpenAdminAsync(Ct);
        (await TenancyCatalogue.ListTablesAsync(admin, Ct)).ShouldContain("platform.migration");
        (await TenancyCatalogue.FindFaultsAsync(admin, Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task No_attack_on_a_table_of_ours_succeeds()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync(postgres.Modules, Ct);
        await using var admin = await OpenAsync(database);
        var (breaches, _) = await TenancyAttack.RunAsync(admin, Ct);
        breaches.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_sound_module_has_no_fault_and_withstands_the_attack()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var admin = await MigrateAsync(database, Sound, SoundPolicies);
        (await TenancyCatalogue.FindFaultsAsync(admin, Ct)).ShouldBeEmpty();
        var (breaches, attempts) = await TenancyAttack.RunAsync(admin, Ct);
        breaches.ShouldBeEmpty();
        attempts.ShouldBeGreaterThanOrEqualTo(13, "six on each of two tables, and one foreign key");
    }

    [Theory]
    [InlineData("alter table sample.album no force row level security", "sample.album: row-level security is not")]
    [InlineData("alter table sample.album disable row level security", "sample.album: row-level security is not")]
    [InlineData("create table sample.stray (id int primary key)", "sample.stray: has no column")]
    [InlineData("create table sample.stray (owner uuid, id uuid primary key)", "sample.stray: has no column")]
    [InlineData("create table sample.stray (id uuid, owner uuid not null, primary key (id, owner))", "primary key")]
    [InlineData("create unique index on sample.photo (id)", "is unique across owners")]
    [InlineData("create policy open on sample.album using (true)", "policy open: applies to everybody")]
    [InlineData("create policy open on sample.album to platen_app using (true)", "policy open: lets platen_app")]
    [InlineData(
        "create policy open on sample.album for insert to platen_app with check (true)",
        "policy open: lets platen_app"
    )]
    [InlineData("grant select on sample.album to public", "grants SELECT to everybody")]
    [InlineData("grant truncate on sample.album to platen_app", "grants TRUNCATE to platen_app")]
    [InlineData("grant select on sample.album to platen_edge", "grants SELECT to platen_edge")]
    [InlineData("grant create on schema sample to platen_app", "schema sample: grants CREATE to platen_app")]
    [InlineData("alter table sample.album owner to postgres", "belongs to postgres")]
    [InlineData("create materialized view sample.copy as select 1 as one", "row-level security does not reach it")]
    [InlineData("create table public.stray (id int primary key)", "public.stray: has no column")]
    [InlineData(
        "create function sample.all_rows() returns int language sql security definer return 1",
        "without a fixed search_path"
    )]
    [InlineData(
        "alter table sample.album add id uuid; create unique index one on sample.album (owner, id); "
            + "create unique index two on sample.album (id); alter table sample.photo add foreign key (id) references sample.album (id)",
        "is a foreign key that leaves the owner out"
    )]
    public async Task A_broken_table_is_found(string breaking, string fault)
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var admin = await MigrateAsync(database, Sound, SoundPolicies);
        await using (var command = new NpgsqlCommand(breaking, admin))
            await command.ExecuteNonQueryAsync(Ct);
        var faults = await TenancyCatalogue.FindFaultsAsync(admin, Ct);
        faults.ShouldContain(found => found.Contains(fault), string.Join("\n", faults));
    }

    [Theory]
    [InlineData("alter policy own on sample.album using (true)", "sample.album: another owner's row is seen")]
    [InlineData("alter policy own on sample.album using (true)", "sample.album: another owner's row is taken over")]
    [InlineData("alter policy own on sample.album using (true)", "sample.album: another owner's row is removed")]
    [InlineData("alter policy own on sample.album with check (true)", "sample.album: another owner's row is planted")]
    [InlineData("alter table sample.album disable row level security", "sample.album: another owner's row is changed")]
    [InlineData(
        "alter table sample.album add id uuid not null default gen_random_uuid() unique; "
            + "alter table sample.photo add foreign key (id) references sample.album (id)",
        "sample.photo: another owner's row is pointed at"
    )]
    [InlineData(
        "revoke all on sample.album from platen_app; grant select on sample.album to platen_app; alter policy own on sample.album using (false)",
        "proves nothing"
    )]
    public async Task A_breach_is_found(string breaking, string breach)
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var admin = await MigrateAsync(database, Sound, SoundPolicies);
        await using (var command = new NpgsqlCommand(breaking, admin))
            await command.ExecuteNonQueryAsync(Ct);
        var (breaches, _) = await TenancyAttack.RunAsync(admin, Ct);
        breaches.ShouldContain(found => found.Contains(breach), string.Join("\n", breaches));
    }

    private static async Task<NpgsqlConnection> MigrateAsync(TestDatabase database, string migration, string policies)
    {
        var module = new SqlModule(
            "sample",
            () => [("Migrations/0001_sample.sql", migration), ("Policies/sample.sql", policies)]
        );
        await using var runtime = await database.StartAsync([PlatformModule.Sql, module], Ct);
        return await OpenAsync(database);
    }

    private static async Task<NpgsqlConnection> OpenAsync(TestDatabase database)
    {
        var connection = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        return connection;
    }
}

using Npgsql;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>A database that is full and in use, and a newer server that starts on it.</summary>
public sealed class UpgradeTests(ServerFixture server)
{
    private const int Rows = 2_000;
    private const string Owner = "11111111-1111-4111-8111-111111111111";

    private static readonly string Fill = $$"""
        insert into widgets.user_instance_id (owner, public_id)
        select '{{Owner}}', 'wgt_content.faq_u_row-' || n from generate_series(1, {{Rows}}) n;
        insert into widgets.widget_instances
            (owner, id, public_id, widget_type, status, config, config_digest, updated_by, updated_by_name, stage_profile)
        select owner, gen_random_uuid(), public_id, 'content.faq', 'published', '{"heading": "Kept"}',
               'sha256:' || repeat('a', 64), gen_random_uuid(), 'former', 'standalone'
          from widgets.user_instance_id
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_database_of_a_former_version_is_brought_forward_while_others_read_and_write_it()
    {
        await using var database = await server.Postgres.CreateDatabaseAsync(Ct);
        List<SqlModule> former =
        [
            .. server
                .Postgres.Modules.TakeWhile(module => module.Name != "widgets")
                .Append(FormerVersion.Of(server.Postgres.Modules.Single(module => module.Name == "widgets"), 3)),
        ];
        await using (await database.StartAsync(former, Ct)) { }
        await using var admin = NpgsqlDataSource.Create($"{database.ConnectionString};Options=-c platen.owner={Owner}");
        await using (var fill = admin.CreateCommand(Fill))
            await fill.ExecuteNonQueryAsync(Ct);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var formerNode = WorkAsync(admin, began, stop.Token);
        await began.Task.WaitAsync(Ct);
        await using (await database.StartAsync(server.Postgres.Modules, Ct)) { }
        await stop.CancelAsync();
        var written = await formerNode;

        written.ShouldBeGreaterThan(0);
        await using var look = admin.CreateCommand(
            """
            select count(*) filter (where access = 'public' and config = '{"heading": "Kept"}'), sum(revision - 1)
              from widgets.widget_instances
            """
        );
        await using var row = await look.ExecuteReaderAsync(Ct);
        await row.ReadAsync(Ct);
        (row.GetInt64(0), row.GetDecimal(1)).ShouldBe((Rows, written));
    }

    /// <summary>What a node of the former version goes on doing: short transactions that read and write what it knows of.</summary>
    private static async Task<int> WorkAsync(NpgsqlDataSource admin, TaskCompletionSource began, CancellationToken stop)
    {
        var written = 0;
        while (!stop.IsCancellationRequested)
        {
            await using var write = admin.CreateCommand(
                $"""
                update widgets.widget_instances set revision = revision + 1
                 where public_id = 'wgt_content.faq_u_row-' || (1 + $1 % {Rows})
                """
            );
            write.Parameters.Add(new NpgsqlParameter<int> { TypedValue = written });
            written += await write.ExecuteNonQueryAsync(CancellationToken.None);
            began.TrySetResult();
        }
        return written;
    }
}

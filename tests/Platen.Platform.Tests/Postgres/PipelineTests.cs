using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

public sealed class PipelineTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_statement_is_settled_with_its_own_rows_in_their_order()
    {
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        var pipeline = new Pipeline(session);
        var settled = new List<string>();
        for (var n = 0; n < 300; n++)
        {
            var most = n % 3;
            // Some have no row, and some statements between them no result at all.
            pipeline.Add(
                new Query<int>("select generate_series(1, $1)", row => row.GetInt32(0), Sql.Int(most)),
                rows => settled.Add($"{most}: {string.Join(' ', rows)}")
            );
            if (n % 2 == 0)
                pipeline.Add("do $$ begin end $$");
        }
        pipeline.Count.ShouldBe(450);
        await pipeline.SendAsync(Ct);
        settled.ShouldBe(Enumerable.Range(0, 300).Select(n => ((string[])["0: ", "1: 1", "2: 1 2"])[n % 3]));
        pipeline.Count.ShouldBe(0);

        // It is good for the next ones, and for none.
        await pipeline.SendAsync(Ct);
        pipeline.Add(new Query<string>("select 'again'", row => row.GetString(0)), rows => settled.AddRange(rows));
        await pipeline.SendAsync(Ct);
        settled[^1].ShouldBe("again");
    }

    [Fact]
    public async Task What_fails_or_is_refused_in_the_middle_is_thrown_and_nothing_of_it_stays()
    {
        var owner = TestOwner.New();
        var stream = new StreamId("test/pipeline");
        foreach (var fails in (bool[])[true, false])
        {
            await using var session = await postgres.OpenAsync(owner, Ct);
            var pipeline = new Pipeline(session);
            EventLog.Append(pipeline, stream, "test.one", "{}"u8.ToArray());
            if (fails)
                pipeline.Add(new Query<int>("select 1 / 0", row => row.GetInt32(0)), _ => { });
            else
                pipeline.Add(
                    BlobRecord.Exists(Digest.Of("none"u8)),
                    rows => throw new InvalidOperationException($"It is {rows.Single()}.")
                );
            EventLog.Append(pipeline, stream, "test.two", "{}"u8.ToArray());
            var thrown = await Should.ThrowAsync<Exception>(() => pipeline.SendAsync(Ct));
            thrown.Message.ShouldContain(fails ? "division by zero" : "It is False.");
        }
        await using var after = await postgres.OpenAsync(owner, Ct);
        (await EventLog.HeadAsync(after, stream, Ct)).Revision.ShouldBe(0);
    }
}

using System.Diagnostics;
using System.Globalization;
using Platen.Client;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Somebody follows a stream while the database is killed under it.</summary>
public sealed class EventTests
{
    private const string Faq = "wgt_main_content.faq";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_follower_loses_nothing_and_gets_nothing_twice_when_the_database_is_killed()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        var sample = Path.Combine(Build.Repository, "samples", "widgets", Faq + ".json");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        stop.CancelAfter(TimeSpan.FromMinutes(2));
        using var client = new PlatenClient(server.Address, server.OwnerKey);

        (await server.RunCliAsync(stop.Token, "publish", sample)).ExitCode.ShouldBe(0);
        var seen = new List<(long Revision, string Type)>();
        var follower = FollowAsync(client, seen, stop.Token);
        await UntilAsync(seen, "widget.published", 1, stop.Token);

        var pid = int.Parse(
            (await File.ReadAllLinesAsync(Path.Combine(server.DataFolder, "postgres", "postmaster.pid"), Ct))[0],
            CultureInfo.InvariantCulture
        );
        using (var database = Process.GetProcessById(pid))
            database.Kill();

        var changed = Path.Combine(server.DataFolder, Faq + ".json");
        var text = await File.ReadAllTextAsync(sample, Ct);
        await File.WriteAllTextAsync(
            changed,
            text.Replace("\"Questions about Platen\"", "\"More questions about Platen\"", StringComparison.Ordinal),
            Ct
        );
        await ServerProcess.WaitUntilAsync(
            "a publish after the database came back",
            TimeSpan.FromSeconds(60),
            async ct => (await server.RunCliAsync(ct, "publish", changed)).ExitCode == 0,
            stop.Token
        );
        await UntilAsync(seen, "widget.published", 2, stop.Token);
        await stop.CancelAsync();
        await follower;
        lock (seen)
            seen.Select(e => e.Revision).ShouldBe(Enumerable.Range(1, seen.Count).Select(n => (long)n));

        var printed = await server.RunCliAsync(Ct, "events", "widget/" + Faq);
        printed.ExitCode.ShouldBe(0, printed.Errors);
        printed.Output.ShouldContain("widget.published");
    }

    private static async Task FollowAsync(PlatenClient client, List<(long, string)> seen, CancellationToken ct)
    {
        try
        {
            await foreach (var e in client.FollowEventsAsync("widget/" + Faq, after: 0, reconnecting: null, ct))
            {
                lock (seen)
                    seen.Add((e.Revision, e.Type));
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The test has seen enough.
        }
    }

    private static Task UntilAsync(
        List<(long Revision, string Type)> seen,
        string type,
        int count,
        CancellationToken ct
    ) =>
        ServerProcess.WaitUntilAsync(
            $"{count} times {type}",
            TimeSpan.FromSeconds(60),
            _ =>
            {
                lock (seen)
                    return Task.FromResult(seen.Count(e => e.Type == type) >= count);
            },
            ct
        );
}

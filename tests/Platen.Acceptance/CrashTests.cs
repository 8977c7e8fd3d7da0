using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>The worst moments: the server or its database is killed, or the disk is full, while somebody publishes.</summary>
public sealed class CrashTests
{
    private const string Id = "wgt_curated_crash";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_kill_9_in_the_middle_of_publishing_everything_acknowledged_is_there_and_whole()
    {
        var folder = PostgresFixture.NewFolder();
        var random = new Random(11);
        var acknowledged = -1;
        for (var round = 0; round < 4; round++)
        {
            await using var server = await PlatenServer.StartAsync(folder, Ct, ("PLATEN_SAMPLES", "off"));
            using var client = server.OpenClient();
            if (acknowledged >= 0)
            {
                // What is served is what was acknowledged, or the one publish that was under way.
                var page = await client.GetStringAsync("e/" + Id, Ct);
                page.ShouldEndWith("</html>\n");
                Numbered(page).ShouldBeInRange(acknowledged, acknowledged + 1);
                acknowledged = Numbered(page);
            }
            var first = new TaskCompletionSource();
            var writing = PublishUntilKilledAsync(
                client,
                acknowledged + 1,
                n =>
                {
                    acknowledged = n;
                    first.TrySetResult();
                }
            );
            await first.Task.WaitAsync(TimeSpan.FromSeconds(60), Ct);
            // At a random moment of one of the next publishes.
            var soon = Task.Delay(TimeSpan.FromMilliseconds(random.Next(20, 400)), Ct);
            await Task.WhenAny(writing, soon);
            await server.KillAsync(Ct);
            await writing;
        }
        acknowledged.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task When_the_database_is_killed_published_pages_are_served_and_writing_recovers_by_itself()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        using var client = server.OpenClient();
        (await PublishAsync(client, 1)).ShouldBeTrue();
        await client.GetStringAsync("e/" + Id, Ct);

        var pid = int.Parse(
            (await File.ReadAllLinesAsync(Path.Combine(server.DataFolder, "postgres", "postmaster.pid"), Ct))[0],
            CultureInfo.InvariantCulture
        );
        using (var database = Process.GetProcessById(pid))
            database.Kill();

        Numbered(await client.GetStringAsync("e/" + Id, Ct)).ShouldBe(1);
        await ServerProcess.WaitUntilAsync(
            "a publish after the database came back",
            TimeSpan.FromSeconds(60),
            async _ => await PublishAsync(client, 2),
            Ct
        );
        await ServerProcess.WaitUntilAsync(
            "the new page",
            TimeSpan.FromSeconds(30),
            async ct => Numbered(await client.GetStringAsync("e/" + Id, ct)) == 2,
            Ct
        );
    }

    [Fact]
    public async Task When_the_disk_is_full_a_publish_is_refused_whole_and_the_old_page_stays()
    {
        var mount = PostgresFixture.NewFolder();
        await ServerProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], Ct);
        try
        {
            await using var server = await PlatenServer.StartAsync(
                PostgresFixture.NewFolder(),
                Ct,
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_BLOBS", "file:" + Path.Combine(mount, "blobs"))
            );
            using var client = server.OpenClient();
            (await PublishAsync(client, 1)).ShouldBeTrue();
            await client.GetStringAsync("e/" + Id, Ct);

            var filler = Path.Combine(mount, "filler");
            await FillAsync(filler);
            var (tag, _) = await SaveAsync(client, 2);
            using var refused = await PublishOnlyAsync(client, tag!);
            ((int)refused.StatusCode).ShouldBe(507);
            JsonNode.Parse(await refused.Content.ReadAsStringAsync(Ct))!["type"]!
                .GetValue<string>()
                .ShouldBe("/problems/storage-full");
            Numbered(await client.GetStringAsync("e/" + Id, Ct)).ShouldBe(1);

            File.Delete(filler);
            using var accepted = await PublishOnlyAsync(client, tag!);
            accepted.IsSuccessStatusCode.ShouldBeTrue();
        }
        finally
        {
            await ServerProcess.RunAsync("umount", ["-l", mount], CancellationToken.None);
        }
    }

    private static async Task FillAsync(string path)
    {
        await using var file = File.Create(path);
        var block = new byte[4096];
        try
        {
            while (true)
                await file.WriteAsync(block, Ct);
        }
        catch (IOException)
        {
            // That was the purpose: no block is left.
        }
    }

    private static async Task PublishUntilKilledAsync(HttpClient client, int first, Action<int> acknowledged)
    {
        try
        {
            for (var n = first; ; n++)
            {
                if (!await PublishAsync(client, n))
                    return;
                acknowledged(n);
            }
        }
        catch (HttpRequestException)
        {
            // The server was killed: the last publish was not acknowledged.
        }
    }

    private static async Task<bool> PublishAsync(HttpClient client, int number)
    {
        var (tag, saved) = await SaveAsync(client, number);
        if (!saved)
            return false;
        using var published = await PublishOnlyAsync(client, tag!);
        return published.IsSuccessStatusCode;
    }

    private static async Task<(string? Tag, bool Saved)> SaveAsync(HttpClient client, int number)
    {
        using var current = await client.GetAsync("v1/instances/" + Id, Ct);
        using var put = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + Id);
        if (current.Headers.ETag is { } seen)
            put.Headers.TryAddWithoutValidation("If-Match", seen.ToString());
        else
            put.Headers.TryAddWithoutValidation("If-None-Match", "*");
        var body = new JsonObject
        {
            ["widgetType"] = "content.faq",
            ["config"] = new JsonObject
            {
                ["heading"] = string.Create(CultureInfo.InvariantCulture, $"Number {number}."),
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["id"] = "first",
                        ["question"] = "Is it whole?",
                        ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = "It is." }),
                    }
                ),
            },
        };
        put.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var saved = await client.SendAsync(put, Ct);
        return (saved.Headers.ETag?.ToString(), saved.IsSuccessStatusCode);
    }

    private static async Task<HttpResponseMessage> PublishOnlyAsync(HttpClient client, string tag)
    {
        using var put = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{Id}/publication");
        put.Headers.TryAddWithoutValidation("If-Match", tag);
        return await client.SendAsync(put, Ct);
    }

    private static int Numbered(string page)
    {
        var at = page.IndexOf("Number ", StringComparison.Ordinal) + "Number ".Length;
        return int.Parse(page.AsSpan(at, page.IndexOf('.', at) - at), CultureInfo.InvariantCulture);
    }
}

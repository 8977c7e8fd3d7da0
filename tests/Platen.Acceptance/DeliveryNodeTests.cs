using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>A node that is delivery alone, beside a server that is everything, over one database and one store.</summary>
public sealed class DeliveryNodeTests
{
    private const string Asked = "wgt_main_content.faq";
    private const string Unasked = "wgt_main_social.proof";
    private const string Sent = "wgt_main_forms.contact";
    private const string Withdrawn = "wgt_main_engagement.newsletter";
    private const string Login = "edge_node";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_outlives_database_and_store_also_across_a_restart_and_learns_what_it_missed()
    {
        await using var postgres = await ExternalPostgres.StartAsync(Ct);
        await using var server = await StartServerAsync(postgres);
        var database = new Uri($"http://127.0.0.1:{postgres.Port}");
        var blobs = Path.Combine(server.DataFolder, "blobs");
        var nodeFolder = PostgresFixture.NewFolder();
        using var visitor = new HttpClient();
        var hidden = await HiddenInstance.PublishAsync(server, Ct);
        var (good, revoked, revokedLater) = (
            await hidden.TokenAsync(Ct),
            await hidden.TokenAsync(Ct),
            await hidden.TokenAsync(Ct)
        );
        byte[] original;
        int port;
        await using (var proxy = new CuttingProxy(database))
        {
            port = proxy.Address.Port;
            await using var node = await StartNodeAsync(nodeFolder, blobs, port);
            original = await visitor.GetByteArrayAsync(new Uri(node.Address, "/e/" + Asked), Ct);
            original.ShouldBe(await visitor.GetByteArrayAsync(new Uri(server.Address, "/e/" + Asked), Ct));
            await ServerProcess.WaitUntilAsync(
                "the warming",
                TimeSpan.FromSeconds(30),
                _ => Task.FromResult(node.Output.Contains("Warmed", StringComparison.Ordinal)),
                Ct
            );
            // It may have warmed before it listens.
            await ServerProcess.WaitUntilAsync(
                "the node's word that it is ready",
                TimeSpan.FromSeconds(60),
                async _ => await ReadinessAsync(visitor, node) == (HttpStatusCode.OK, "ready"),
                Ct
            );
            // It looks at tokens itself, with what is public of their keys.
            (await ShownAsync(node, good, revoked, revokedLater, ("", ""))).ShouldBe([
                HttpStatusCode.OK,
                HttpStatusCode.OK,
                HttpStatusCode.OK,
                HttpStatusCode.Unauthorized,
            ]);
            await hidden.RevokeAsync(revoked, Ct);
            await ServerProcess.WaitUntilAsync(
                "the node to hear of the revocation",
                TimeSpan.FromSeconds(60),
                async _ => (await ShownAsync(node, revoked))[0] == HttpStatusCode.Unauthorized,
                Ct
            );
            (await visitor.GetAsync(new Uri(node.Address, "/p/" + hidden.Id), Ct)).StatusCode.ShouldBe(
                HttpStatusCode.Unauthorized
            );
            // No other part of the server is here.
            using var api = await visitor.GetAsync(new Uri(node.Address, "/v1/curated-instances"), Ct);
            api.StatusCode.ShouldBe(HttpStatusCode.NotFound);
            // Written where only its user reads and writes, before the process ends without a word.
            var file = new FileInfo(Path.Combine(nodeFolder, "delivery-cache", "embed-tokens.json"));
            await ServerProcess.WaitUntilAsync(
                "the revocation to be on the disk",
                TimeSpan.FromSeconds(60),
                async ct =>
                    file.Exists
                    && (await File.ReadAllTextAsync(file.FullName, ct)).Contains(
                        revoked.Id,
                        StringComparison.OrdinalIgnoreCase
                    ),
                Ct
            );
            file.UnixFileMode.ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await node.KillAsync(Ct);
        }

        Directory.Move(blobs, blobs + ".away");
        await using (var alone = await StartNodeAsync(nodeFolder, blobs, port))
        {
            (await visitor.GetByteArrayAsync(new Uri(alone.Address, "/e/" + Asked), Ct)).ShouldBe(original);
            foreach (var path in new[] { $"/e/{Unasked}", $"/w/{Unasked}/manifest.json", "/embed/v1/loader.js" })
                (await visitor.GetAsync(new Uri(alone.Address, path), Ct)).StatusCode.ShouldBe(HttpStatusCode.OK, path);
            // With the database away from the start, it lets in whom it let in, and whom it did not it does not.
            (await ShownAsync(alone, good, revoked, revokedLater, ("", ""))).ShouldBe([
                HttpStatusCode.OK,
                HttpStatusCode.Unauthorized,
                HttpStatusCode.OK,
                HttpStatusCode.Unauthorized,
            ]);
            using (var manifest = await visitor.GetAsync(new Uri(alone.Address, $"/w/{Asked}/manifest.json"), Ct))
            {
                var locales = JsonNode.Parse(await manifest.Content.ReadAsStringAsync(Ct))!["locales"]!.AsObject();
                foreach (var (_, locale) in locales)
                {
                    using var artifact = await visitor.GetAsync(
                        new Uri(alone.Address, locale!["artifact"]!.GetValue<string>()),
                        Ct
                    );
                    artifact.StatusCode.ShouldBe(HttpStatusCode.OK);
                }
            }
            await ServerProcess.WaitUntilAsync(
                "the node's word that it is degraded",
                TimeSpan.FromSeconds(20),
                async _ => await ReadinessAsync(visitor, alone) == (HttpStatusCode.OK, "degraded"),
                Ct
            );
            (await DeliveryAsync(visitor, alone)).ShouldStartWith(
                "The database does not answer; serving what is here, which may not be the latest ("
            );

            // What happens meanwhile, it does not hear of.
            Directory.Delete(blobs, recursive: true);
            Directory.Move(blobs + ".away", blobs);
            await PublishChangedAsync(server);
            await hidden.RevokeAsync(revokedLater, Ct);
            using (var client = server.OpenClient())
            {
                using var instance = await client.GetAsync("v1/instances/" + Withdrawn, Ct);
                using var gone = new HttpRequestMessage(HttpMethod.Delete, $"v1/instances/{Withdrawn}/publication");
                gone.Headers.TryAddWithoutValidation("If-Match", instance.Headers.ETag!.ToString());
                (await client.SendAsync(gone, Ct)).EnsureSuccessStatusCode();
            }
            (await visitor.GetByteArrayAsync(new Uri(alone.Address, "/e/" + Asked), Ct)).ShouldBe(original);
            (await visitor.GetAsync(new Uri(alone.Address, "/e/" + Withdrawn), Ct)).StatusCode.ShouldBe(
                HttpStatusCode.OK
            );

            await using var again = new CuttingProxy(database, port);
            await ServerProcess.WaitUntilAsync(
                "what was missed",
                TimeSpan.FromSeconds(30),
                async ct =>
                    (await visitor.GetStringAsync(new Uri(alone.Address, "/e/" + Asked), ct)).Contains(
                        "Changed meanwhile",
                        StringComparison.Ordinal
                    )
                    && (await visitor.GetAsync(new Uri(alone.Address, "/e/" + Withdrawn), ct)).StatusCode
                        == HttpStatusCode.NotFound
                    && (await ShownAsync(alone, revokedLater, good)).SequenceEqual([
                        HttpStatusCode.Unauthorized,
                        HttpStatusCode.OK,
                    ])
                    && await ReadinessAsync(visitor, alone) == (HttpStatusCode.OK, "ready"),
                Ct
            );
        }

        async Task<HttpStatusCode[]> ShownAsync(PlatenServer node, params (string Id, string Token)[] tokens)
        {
            var shown = new List<HttpStatusCode>();
            foreach (var (_, token) in tokens)
            {
                using var answer = await visitor.GetAsync(new Uri(node.Address, $"/e/{hidden.Id}?token={token}"), Ct);
                shown.Add(answer.StatusCode);
            }
            return [.. shown];
        }
    }

    [Fact]
    public async Task A_rollback_is_soon_on_every_node()
    {
        await using var postgres = await ExternalPostgres.StartAsync(Ct);
        await using var server = await StartServerAsync(postgres);
        var blobs = Path.Combine(server.DataFolder, "blobs");
        await using var one = await StartNodeAsync(PostgresFixture.NewFolder(), blobs, postgres.Port);
        await using var two = await StartNodeAsync(PostgresFixture.NewFolder(), blobs, postgres.Port);
        PlatenServer[] nodes = [server, one, two];
        using var visitor = new HttpClient();
        using var client = server.OpenClient();
        var first = await LiveAsync(client);
        await PublishChangedAsync(server);
        var second = await LiveAsync(client);
        second.ShouldNotBe(first);
        await ShownEverywhereAsync(isChanged: true);

        var took = new List<TimeSpan>();
        for (var round = 0; round < 10; round++)
        {
            var back = round % 2 == 0;
            var began = Stopwatch.GetTimestamp();
            using (var request = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{Asked}/publication"))
            {
                request.Content = JsonContent.Create(new { release = back ? first : second });
                request.Headers.TryAddWithoutValidation("If-Match", "*");
                using var moved = await client.SendAsync(request, Ct);
                moved.StatusCode.ShouldBe(HttpStatusCode.OK);
            }
            await ShownEverywhereAsync(isChanged: !back);
            took.Add(Stopwatch.GetElapsedTime(began));
        }
        TestContext.Current.TestOutputHelper?.WriteLine(
            string.Join(", ", took.Select(t => t.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture))) + " ms"
        );
        // Some tenths of a second at most; how busy the machine is besides is not ours to say.
        took.ShouldAllBe(t => t < TimeSpan.FromSeconds(5));

        Task ShownEverywhereAsync(bool isChanged) =>
            Task.WhenAll(
                nodes.Select(node =>
                    ServerProcess.WaitUntilAsync(
                        "what was moved to",
                        TimeSpan.FromSeconds(30),
                        async ct =>
                            (await visitor.GetStringAsync(new Uri(node.Address, "/e/" + Asked), ct)).Contains(
                                "Changed meanwhile",
                                StringComparison.Ordinal
                            ) == isChanged,
                        Ct
                    )
                )
            );
    }

    [Fact]
    public async Task What_visitors_send_to_it_reaches_the_API_and_a_key_has_its_pages_explained()
    {
        await using var postgres = await ExternalPostgres.StartAsync(Ct);
        await using var server = await StartServerAsync(postgres, ("PLATEN_TRUSTED_PROXIES", "127.0.0.1"));
        var blobs = Path.Combine(server.DataFolder, "blobs");
        await using var node = await StartNodeAsync(
            PostgresFixture.NewFolder(),
            blobs,
            postgres.Port,
            ("PLATEN_API", server.Address.GetLeftPart(UriPartial.Authority))
        );
        using var visitor = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        await ServerProcess.WaitUntilAsync(
            "the page with the form",
            TimeSpan.FromSeconds(30),
            async ct => (await visitor.GetAsync(new Uri(node.Address, "/e/" + Sent), ct)).IsSuccessStatusCode,
            Ct
        );

        // The page of this node posts to where it came from, which to the API is its own origin.
        using (var sent = await PostAsync(visitor, node, "Ada", node.Address.GetLeftPart(UriPartial.Authority)))
        {
            sent.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
            sent.Headers.Location!.ToString().ShouldBe($"/e/{Sent}?locale=de&theme=dark#sent_");
            sent.Headers.Via.ToString().ShouldContain("platen-delivery");
        }
        using (var refused = await PostAsync(visitor, node, "Eve", "https://evil.example"))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using (var empty = await PostJsonAsync(visitor, node, "{}"))
            empty.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        using (var large = await PostJsonAsync(visitor, node, new string(' ', 200_000)))
            large.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        using (var client = server.OpenClient())
            (await client.GetStringAsync($"v1/instances/{Sent}/submissions", Ct)).ShouldContain("Ada");

        // A form that is not public is sent with its token, which the node hands on however it came; other credentials stay here.
        var hidden = await HiddenInstance.PublishAsync(server, Ct, "engagement.newsletter");
        var (_, token) = await hidden.TokenAsync(Ct);
        foreach (
            var (how, expected) in ((string, HttpStatusCode)[])
                [
                    ("bearer", HttpStatusCode.Created),
                    ("field", HttpStatusCode.Created),
                    ("query", HttpStatusCode.Created),
                    ("key", HttpStatusCode.Unauthorized),
                    ("nothing", HttpStatusCode.Unauthorized),
                ]
        )
        {
            using var post = new HttpRequestMessage(
                HttpMethod.Post,
                new Uri(node.Address, $"/s/{hidden.Id}" + (how == "query" ? "?token=" + token : ""))
            );
            post.Content = JsonContent.Create(new { email = how + "@example.org", consent = "yes" });
            if (how == "field")
                post.Headers.TryAddWithoutValidation("X-Embed-Token", token);
            if (how is "bearer" or "key")
                post.Headers.TryAddWithoutValidation(
                    "Authorization",
                    "Bearer " + (how == "key" ? server.OwnerKey : token)
                );
            using var answered = await visitor.SendAsync(post, Ct);
            answered.StatusCode.ShouldBe(expected, how);
        }

        var page = new Uri(node.Address, "/e/" + Sent);
        var explained = await server.RunCliAsync(Ct, "explain", page.ToString(), "--json");
        explained.ExitCode.ShouldBe(0, explained.Errors);
        var document = JsonNode.Parse(explained.Output)!;
        ((string)document["explanation"]!["cache"]!["level"]!).ShouldBe("memory");
        ((bool)document["visitor"]!["isSame"]!).ShouldBeTrue();
        using (var unknown = await ExplainAsync(visitor, page, "plk_made_up"))
            unknown.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);

        await server.KillAsync(Ct);
        using (var lost = await PostAsync(visitor, node, "Bob", null))
        {
            lost.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
            lost.Headers.Location!.ToString().ShouldBe($"/e/{Sent}?locale=de&theme=dark#failed_");
        }
        using (var lost = await PostJsonAsync(visitor, node, "{}"))
        {
            lost.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            lost.Headers.RetryAfter.ShouldNotBeNull();
        }
        using (var silent = await ExplainAsync(visitor, page, server.OwnerKey))
            silent.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        // Pages do without it.
        (await ReadinessAsync(visitor, node)).ShouldBe((HttpStatusCode.OK, "degraded"));
        (await visitor.GetAsync(page, Ct)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_node_that_knows_of_no_API_or_of_itself_says_that_nothing_was_sent()
    {
        var itself = ServerProcess.FreePort();
        await using var lone = await StartNodeAsync(PostgresFixture.NewFolder(), PostgresFixture.NewFolder(), 1);
        await using var looped = await StartNodeAsync(
            PostgresFixture.NewFolder(),
            PostgresFixture.NewFolder(),
            1,
            ("PLATEN_URLS", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{itself}")),
            ("PLATEN_API", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{itself}"))
        );
        using var visitor = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        foreach (var node in new[] { lone, looped })
        {
            using var form = await PostAsync(visitor, node, "Ada", null);
            form.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
            form.Headers.Location!.ToString().ShouldEndWith("#failed_");
            using var program = await PostJsonAsync(visitor, node, "{}");
            program.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        }
        // Where nobody can look at keys, the parameter is one that nobody knows.
        using var asked = await ExplainAsync(visitor, new Uri(lone.Address, "/e/" + Sent), "plk_made_up");
        asked.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        asked.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
    }

    private static Task<HttpResponseMessage> PostAsync(
        HttpClient visitor,
        PlatenServer node,
        string name,
        string? origin
    )
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(node.Address, $"/s/{Sent}?theme=dark"))
        {
            Content = new FormUrlEncodedContent(
                new Dictionary<string, string>
                {
                    ["name"] = name,
                    ["email"] = "ada@example.org",
                    ["topic"] = "question",
                    ["message"] = "Hello from " + name,
                    ["page_locale"] = "de",
                }
            ),
        };
        request.Headers.TryAddWithoutValidation("Accept", "text/html");
        if (origin is not null)
            request.Headers.TryAddWithoutValidation("Origin", origin);
        return visitor.SendAsync(request, Ct);
    }

    private static Task<HttpResponseMessage> PostJsonAsync(HttpClient visitor, PlatenServer node, string body) =>
        visitor.PostAsync(
            new Uri(node.Address, "/s/" + Sent),
            new StringContent(body, System.Text.Encoding.UTF8, "application/json"),
            Ct
        );

    private static Task<HttpResponseMessage> ExplainAsync(HttpClient visitor, Uri page, string key)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, page + "?explain");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
        request.Headers.TryAddWithoutValidation("Accept", "text/html");
        return visitor.SendAsync(request, Ct);
    }

    [Fact]
    public async Task Without_a_database_to_go_to_it_says_what_is_missing()
    {
        var (code, output) = await PlatenServer.RunToEndAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_ROLES", "delivery")
        );
        code.ShouldBe(1);
        output.ShouldContain("ConnectionStrings__PlatenEdge");
    }

    [Fact]
    public async Task Cold_and_without_a_database_it_is_not_ready_and_says_so()
    {
        await using var node = await StartNodeAsync(
            PostgresFixture.NewFolder(),
            PostgresFixture.NewFolder(),
            ServerProcess.FreePort()
        );
        using var visitor = new HttpClient();
        await ServerProcess.WaitUntilAsync(
            "the node's word that it is not ready",
            TimeSpan.FromSeconds(20),
            async _ => await ReadinessAsync(visitor, node) == (HttpStatusCode.ServiceUnavailable, "notReady"),
            Ct
        );
        (await DeliveryAsync(visitor, node)).ShouldStartWith(
            "The database does not answer, and there is nothing to serve ("
        );
        using var page = await visitor.GetAsync(new Uri(node.Address, "/e/" + Asked), Ct);
        page.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        page.Headers.RetryAfter.ShouldNotBeNull();
        using var live = await visitor.GetAsync(new Uri(node.Address, "/healthz"), Ct);
        live.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    private static Task<PlatenServer> StartNodeAsync(
        string folder,
        string blobs,
        int databasePort,
        params (string, string)[] more
    ) =>
        PlatenServer.StartAsync(
            folder,
            Ct,
            [
                ("PLATEN_ROLES", "delivery"),
                ("PLATEN_BLOBS", "file:" + blobs),
                (
                    "ConnectionStrings__PlatenEdge",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"Host=127.0.0.1;Port={databasePort};Username={Login};Password=secret;Database=platen;SSL Mode=Disable"
                    )
                ),
                .. more,
            ]
        );

    private static async Task<(HttpStatusCode, string)> ReadinessAsync(HttpClient visitor, PlatenServer node)
    {
        using var answer = await visitor.GetAsync(new Uri(node.Address, "/readyz"), Ct);
        using var report = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Ct));
        return (answer.StatusCode, report.RootElement.GetProperty("status").GetString()!);
    }

    /// <summary>What a node whose delivery is not as it should be says about that.</summary>
    private static async Task<string> DeliveryAsync(HttpClient visitor, PlatenServer node)
    {
        using var answer = await visitor.GetAsync(new Uri(node.Address, "/readyz"), Ct);
        var checks = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!["checks"]!.AsArray();
        var check = checks.Single(c => c!["name"]!.GetValue<string>() == "delivery")!;
        check["ok"]!.GetValue<bool>().ShouldBeFalse();
        check["advice"]!.GetValue<string>().ShouldContain("See that the database answers");
        return check["detail"]!.GetValue<string>();
    }

    private static async Task PublishChangedAsync(PlatenServer server)
    {
        var sample = JsonNode.Parse(
            await File.ReadAllTextAsync(Path.Combine(Build.Repository, "samples", "widgets", Asked + ".json"), Ct)
        )!;
        sample["config"]!["intro"] = "Changed meanwhile.";
        var file = Path.Combine(PostgresFixture.NewFolder(), Asked + ".json");
        await File.WriteAllTextAsync(file, sample.ToJsonString(), Ct);
        var published = await server.RunCliAsync(Ct, "publish", file);
        published.ExitCode.ShouldBe(0, published.Errors);
    }

    private static async Task<string> LiveAsync(HttpClient client) =>
        (await client.GetFromJsonAsync<JsonNode>($"v1/instances/{Asked}/publication", Ct))![
            "release"
        ]!.GetValue<string>();

    /// <summary>A server that is everything, over a database in which nodes have a login that selects.</summary>
    private static async Task<PlatenServer> StartServerAsync(
        ExternalPostgres postgres,
        params (string, string)[] settings
    )
    {
        await RunAsync(postgres.Superuser(), "create database platen template template0 encoding 'UTF8'");
        var server = await PlatenServer.StartWithSamplesAsync(
            PostgresFixture.NewFolder(),
            Ct,
            [("ConnectionStrings__Platen", postgres.Superuser("platen")), .. settings]
        );
        try
        {
            await RunAsync(
                postgres.Superuser(),
                $"create role {Login} login nosuperuser password 'secret'; grant platen_edge to {Login}"
            );
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        return server;
    }

    private static async Task RunAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }
}

using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel;

namespace Platen.Server.Tests;

/// <summary>Instances that are shown to who has a token for them, from the minting to the answer of delivery.</summary>
public sealed class EmbedTokenTests(ServerFixture server)
{
    private const string Site = "https://www.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_not_public_is_shown_to_who_has_a_token_for_it()
    {
        var mine = await Private.PublishAsync(server);
        foreach (var path in new[] { $"/e/{mine.Id}", $"/w/{mine.Id}/manifest.json", await mine.ArtifactAsync() })
        {
            using var nobody = await mine.GetAsync(path);
            ((int)nobody.StatusCode).ShouldBe(401, path);
            nobody.Headers.WwwAuthenticate.ShouldNotBeEmpty();
            nobody.Headers.CacheControl!.NoStore.ShouldBeTrue();
            var token = await mine.TokenAsync(Site);
            foreach (var how in new[] { "bearer", "field", "query" })
            {
                using var shown = await mine.GetAsync(path, token, how);
                ((int)shown.StatusCode).ShouldBe(200, path + how);
                shown.Headers.CacheControl!.ToString().ShouldBe("no-cache, private", path);
                shown.Headers.Vary.ShouldContain("Authorization");
                shown.Headers.Vary.ShouldContain("X-Embed-Token");
                using var again = await mine.GetAsync(path, token, how, ifNoneMatch: shown.Headers.ETag!.ToString());
                ((int)again.StatusCode).ShouldBe(304);
                again.Headers.CacheControl!.Private.ShouldBeTrue();
            }
        }
    }

    [Fact]
    public async Task A_page_may_be_framed_by_the_origins_of_its_token_and_no_other()
    {
        var mine = await Private.PublishAsync(server);
        using (var framed = await mine.GetAsync("/e/" + mine.Id, await mine.TokenAsync(Site), "query"))
            Policy(framed).ShouldStartWith($"frame-ancestors 'self' {Site}; default-src 'none'");
        using (var alone = await mine.GetAsync("/e/" + mine.Id, await mine.TokenAsync(), "query"))
            Policy(alone).ShouldStartWith("frame-ancestors 'none'; ");

        static string Policy(HttpResponseMessage answer) =>
            answer.Headers.GetValues("Content-Security-Policy").Single();
    }

    [Fact]
    public async Task A_page_that_fetches_is_of_an_origin_that_the_token_names()
    {
        var mine = await Private.PublishAsync(server);
        var manifest = $"/w/{mine.Id}/manifest.json";
        var token = await mine.TokenAsync(Site);
        using (var own = await mine.GetAsync(manifest, token, "field", origin: Site))
        {
            ((int)own.StatusCode).ShouldBe(200);
            own.Headers.GetValues("Access-Control-Allow-Origin").Single().ShouldBe(Site);
            own.Headers.Vary.ShouldContain("Origin");
        }
        foreach (
            var foreign in new[]
            {
                "https://evil.example",
                "http://www.example.org",
                "https://www.example.org.evil.example",
            }
        )
        {
            using var refused = await mine.GetAsync(manifest, token, "field", origin: foreign);
            ((int)refused.StatusCode).ShouldBe(403, foreign);
        }
        using (var program = await mine.GetAsync(manifest, await mine.TokenAsync(), "bearer"))
            ((int)program.StatusCode).ShouldBe(200);
        using (var page = await mine.GetAsync(manifest, await mine.TokenAsync(), "bearer", origin: Site))
            ((int)page.StatusCode).ShouldBe(403);

        using var preflight = new HttpRequestMessage(HttpMethod.Options, manifest);
        preflight.Headers.Add("Origin", Site);
        preflight.Headers.Add("Access-Control-Request-Method", "GET");
        using var may = await server.Nobody.SendAsync(preflight, Ct);
        ((int)may.StatusCode).ShouldBe(204);
        may.Headers.GetValues("Access-Control-Allow-Headers").Single().ShouldContain("X-Embed-Token");
    }

    [Fact]
    public async Task A_token_that_was_changed_has_ended_or_is_for_something_else_opens_nothing()
    {
        var mine = await Private.PublishAsync(server);
        var other = await Private.PublishAsync(server);
        var token = await mine.TokenAsync(Site);
        var realtime = (
            await server.Owner.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{mine.Workspace}/realtime-tokens",
                new { stream = "widget/" + mine.Id }
            )
        ).Json["token"]!.GetValue<string>();
        var wrong = new Dictionary<string, string>
        {
            ["another instance's"] = await other.TokenAsync(Site),
            ["another purpose"] = realtime,
            ["a key"] = server.OwnerKeyText,
            ["signed with what verifies"] = await mine.MisuseAsync(),
            ["unsigned"] = token[..(token.LastIndexOf('.') + 1)],
            ["cut"] = token[..^1],
            ["changed"] = token.Replace(token[token.IndexOf('.', StringComparison.Ordinal) + 5], '_'),
            ["ended"] = await mine.ForgeAsync(TimeSpan.FromMinutes(-10)),
            ["nonsense"] = "..",
        };
        foreach (var (what, text) in wrong)
        {
            foreach (var how in new[] { "bearer", "field", "query" })
            {
                using var refused = await mine.GetAsync("/e/" + mine.Id, text, how);
                ((int)refused.StatusCode).ShouldBe(401, what + " as " + how);
            }
        }
        // The forgery is one only for its time.
        using var good = await mine.GetAsync("/e/" + mine.Id, await mine.ForgeAsync(TimeSpan.FromMinutes(10)), "query");
        ((int)good.StatusCode).ShouldBe(200);
        // And it opens nothing of the API.
        using var api = await mine.GetAsync("/v1/instances/" + mine.Id, token, "bearer");
        ((int)api.StatusCode).ShouldBe(401);
    }

    [Fact]
    public async Task Tokens_are_made_by_who_may_for_where_the_instance_may_be_shown()
    {
        var mine = await Private.PublishAsync(server, Site, "https://*.example.com");
        var path = $"/v1/instances/{mine.Id}/embed-tokens";
        foreach (
            var (origin, pointer) in new[]
            {
                ("https://evil.example", "/origins/0"),
                ("https://example.com", "/origins/0"),
                ("https://*.example.com", "/origins/0"),
                ("not an origin", "/origins/0"),
            }
        )
        {
            (
                await mine.Client.SendAsync(HttpMethod.Post, path, new { origins = new[] { origin } })
            ).FaultPointers.ShouldBe([pointer], origin);
        }
        (
            await mine.Client.SendAsync(HttpMethod.Post, path, new { origins = new[] { "https://shop.example.com" } })
        ).Status.ShouldBe(200);
        (
            await mine.Client.SendAsync(
                HttpMethod.Post,
                path,
                new { origins = Array.Empty<string>(), lifeSeconds = 59 }
            )
        ).FaultPointers.ShouldBe(["/lifeSeconds"]);
        var lengthy = Enumerable
            .Range(0, 10)
            .Select(n => $"https://{new string('a', 60)}.{new string('b', 60)}{n}.example.com");
        (await mine.Client.SendAsync(HttpMethod.Post, path, new { origins = lengthy })).FaultPointers.ShouldBe([
            "/origins",
        ]);
        using var reader = Private.NewClient(server, await server.CreateKeyAsync(mine.Owner, "instances:read"));
        (await reader.SendAsync(HttpMethod.Post, path, new { origins = new[] { Site } })).Status.ShouldBe(403);
        var other = await Private.PublishAsync(server);
        (await other.Client.SendAsync(HttpMethod.Post, path, new { origins = new[] { Site } })).Status.ShouldBe(404);
    }

    [Fact]
    public async Task What_is_public_stays_as_it_was_and_access_is_changed_with_a_publish()
    {
        var mine = await Private.PublishAsync(server);
        var path = "/v1/instances/" + mine.Id;
        var read = await mine.Client.SendAsync(HttpMethod.Get, path);
        read.Json["access"]!.GetValue<string>().ShouldBe("token");
        (
            await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "secret" }, read.Tag)
        ).FaultPointers.ShouldBe(["/access"]);
        var open = await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "public" }, read.Tag);
        open.Status.ShouldBe(200, open.Text);
        using (var still = await mine.GetAsync("/e/" + mine.Id))
            ((int)still.StatusCode).ShouldBe(401);
        await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, open.Tag);
        await server.IsServedAsync(mine.Id, isServed: true);
        using var all = await mine.GetAsync("/e/" + mine.Id, "nonsense", "query");
        ((int)all.StatusCode).ShouldBe(200);
        all.Headers.CacheControl!.Public.ShouldBeTrue();
        all.Headers.Vary.ShouldNotContain("Authorization");
        all.Headers.Contains("Content-Security-Policy").ShouldBeTrue();
        all.Headers.GetValues("Content-Security-Policy").Single().ShouldStartWith("default-src 'none'");
    }

    [Fact]
    public async Task A_duplicate_and_another_type_stay_as_private_as_they_were()
    {
        var mine = await Private.PublishAsync(server, Site);
        var instances = $"/v1/workspaces/{mine.Workspace}/instances";
        var copy = await mine.Client.SendAsync(HttpMethod.Post, instances, new { from = mine.Id });
        copy.Status.ShouldBe(201, copy.Text);
        await UserInstanceTests.MakeBaselineAsync(server);
        var switched = await mine.Client.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{mine.Id}/type",
            new { widgetType = "social.proof" },
            (await mine.Client.SendAsync(HttpMethod.Get, "/v1/instances/" + mine.Id)).Tag
        );
        switched.Status.ShouldBe(200, switched.Text);
        foreach (var made in new[] { copy.Json, switched.Json["saved"]! })
        {
            made["access"]!.GetValue<string>().ShouldBe("token");
            made["allowedOrigins"]!.AsArray().Single()!.GetValue<string>().ShouldBe(Site);
        }
        var id = copy.Json["publicId"]!.GetValue<string>();
        var shown = await mine.Client.SendAsync(HttpMethod.Put, $"/v1/instances/{id}/publication", new { }, copy.Tag);
        shown.Status.ShouldBe(200, shown.Text);
        using (var nobody = await mine.GetAsync("/e/" + id))
            ((int)nobody.StatusCode).ShouldBeOneOf(401, 404);

        // Said otherwise, it is otherwise.
        var open = await mine.Client.SendAsync(
            HttpMethod.Post,
            instances,
            new
            {
                from = mine.Id,
                access = "public",
                allowedOrigins = Array.Empty<string>(),
            }
        );
        open.Json["access"]!.GetValue<string>().ShouldBe("public");
        open.Json["allowedOrigins"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task Going_back_does_not_make_public_what_stopped_being_it()
    {
        var mine = await Private.PublishAsync(server);
        var path = "/v1/instances/" + mine.Id;
        var read = await mine.Client.SendAsync(HttpMethod.Get, path);
        var opened = await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "public" }, read.Tag);
        var shown = await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, opened.Tag);
        var release = shown.Json["release"]!.GetValue<string>();
        var tag = (await mine.Client.SendAsync(HttpMethod.Get, path)).Tag;
        var closed = await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "token" }, tag);
        await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, closed.Tag);
        await server.IsServedAsync(mine.Id, isServed: false);

        tag = (await mine.Client.SendAsync(HttpMethod.Get, path)).Tag;
        var back = await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { release }, tag);
        back.Status.ShouldBe(409, back.Text);
        using var nobody = await mine.GetAsync("/e/" + mine.Id);
        ((int)nobody.StatusCode).ShouldBe(401);

        // Nor does a former text, which was written when it was.
        var former = await mine.Client.SendAsync(HttpMethod.Post, path + "/versions/2/restore", ifMatch: tag);
        former.Status.ShouldBe(200, former.Text);
        former.Json["access"]!.GetValue<string>().ShouldBe("token");
        tag = former.Tag;

        // Said first, it is done.
        var reopened = await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "public" }, tag);
        back = await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { release }, reopened.Tag);
        back.Status.ShouldBe(200, back.Text);
        await server.IsServedAsync(mine.Id, isServed: true);
    }

    [Fact]
    public async Task A_form_that_is_not_public_comes_back_to_its_page_with_the_token_that_opened_it()
    {
        var mine = await Private.PublishAsync(server);
        var token = await mine.TokenAsync(Site);
        using (var sent = await mine.PostAsync("ada@example.org", token))
        {
            ((int)sent.StatusCode).ShouldBe(303);
            sent.Headers.Location!.OriginalString.ShouldBe($"/e/{mine.Id}?token={token}#sent_");
        }
        using (var wrong = await mine.PostAsync("nobody", token))
            wrong.Headers.Location!.OriginalString.ShouldBe($"/e/{mine.Id}?token={token}#failed_");
        (await mine.KeptAsync()).ShouldBe(["ada@example.org"]);
    }

    [Fact]
    public async Task A_form_that_is_not_public_takes_nothing_from_who_may_not_see_it()
    {
        var mine = await Private.PublishAsync(server);
        var other = await Private.PublishAsync(server);
        var (id, revoked) = await mine.MakeAsync(Site);
        (await mine.Client.SendAsync(HttpMethod.Delete, $"/v1/instances/{mine.Id}/embed-tokens/{id}")).Status.ShouldBe(
            204
        );
        var wrong = new Dictionary<string, string>
        {
            ["none"] = "",
            ["another instance's"] = await other.TokenAsync(Site),
            ["signed with what verifies"] = await mine.MisuseAsync(),
            ["revoked"] = revoked,
            ["expired more than a day after it was made"] = await mine.ForgeAsync(
                TimeSpan.FromMinutes(-10),
                TimeSpan.FromHours(-24.2)
            ),
            ["a line of its own"] = "\r\nX-A: b",
        };
        foreach (var (what, text) in wrong)
        {
            using (var page = await mine.PostAsync("ada@example.org", text))
            {
                ((int)page.StatusCode).ShouldBe(401, what);
                page.Headers.WwwAuthenticate.ShouldNotBeEmpty(what);
                page.Headers.CacheControl!.NoStore.ShouldBeTrue();
                page.Headers.Contains("Location").ShouldBeFalse();
                page.Headers.Contains("X-Frame-Options").ShouldBeFalse();
                page.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
                (await page.Content.ReadAsStringAsync(Ct)).ShouldContain("Nothing was stored.");
            }
            foreach (var asJson in (bool[])[true, false])
            {
                using var told = await mine.SubmitAsync("ada@example.org", text, asJson);
                ((int)told.StatusCode).ShouldBe(401, what);
                told.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json", what);
            }
        }
        // One that has expired does not outlive the taking back of all.
        var expired = await mine.ForgeAsync(TimeSpan.FromMinutes(-10));
        (await mine.Client.SendAsync(HttpMethod.Delete, $"/v1/instances/{mine.Id}/embed-tokens")).Status.ShouldBe(204);
        using (var late = await mine.SubmitAsync("ada@example.org", expired, asJson: true))
            ((int)late.StatusCode).ShouldBe(401);
        (await mine.KeptAsync()).ShouldBeEmpty();

        using var content = new FormUrlEncodedContent([new("email", "nobody")]);
        using var german = new HttpRequestMessage(HttpMethod.Post, "/s/" + mine.Id) { Content = content };
        german.Headers.TryAddWithoutValidation("Accept-Language", "de-CH, en;q=0.5");
        using var inGerman = await server.Nobody.SendAsync(german, Ct);
        inGerman.Content.Headers.ContentLanguage.ShouldBe(["de"]);
        (await inGerman.Content.ReadAsStringAsync(Ct)).ShouldContain("<h1>Das wurde nicht gesendet</h1>");
    }

    [Fact]
    public async Task A_form_that_is_not_public_is_sent_from_pages_of_the_origins_of_its_token()
    {
        // The instance names none: its tokens do.
        var mine = await Private.PublishAsync(server);
        var token = await mine.TokenAsync(Site);
        foreach (var asJson in (bool[])[true, false])
        {
            using (var own = await mine.SubmitAsync($"own-{asJson}@example.org", token, asJson, Site))
                ((int)own.StatusCode).ShouldBe(201);
            using (var framed = await mine.SubmitAsync($"framed-{asJson}@example.org", token, asJson, "null"))
                ((int)framed.StatusCode).ShouldBe(201);
            foreach (var foreign in (string[])["https://evil.example", "http://www.example.org"])
            {
                using var refused = await mine.SubmitAsync("evil@example.org", token, asJson, foreign);
                ((int)refused.StatusCode).ShouldBe(403, foreign);
            }
            using var expired = await mine.SubmitAsync(
                "evil@example.org",
                await mine.ForgeAsync(TimeSpan.FromMinutes(-10)),
                asJson,
                "https://evil.example"
            );
            ((int)expired.StatusCode).ShouldBe(403);
            using var program = await mine.SubmitAsync("evil@example.org", await mine.TokenAsync(), asJson, Site);
            ((int)program.StatusCode).ShouldBe(403);
        }
        (await mine.KeptAsync()).ShouldNotContain("evil@example.org");
        (await mine.KeptAsync()).Length.ShouldBe(4);
    }

    [Fact]
    public async Task What_a_visitor_took_long_to_write_is_kept_when_their_token_has_expired()
    {
        var mine = await Private.PublishAsync(server);
        var expired = await mine.ForgeAsync(TimeSpan.FromMinutes(-10));
        using (var told = await mine.PostAsync("ada@example.org", expired))
        {
            ((int)told.StatusCode).ShouldBe(200);
            told.Headers.Contains("Location").ShouldBeFalse();
            told.Headers.Contains("X-Frame-Options").ShouldBeFalse();
            // Of the instance it shows nothing.
            (await told.Content.ReadAsStringAsync(Ct)).ShouldNotContain("Thanks");
        }
        using (var wrong = await mine.PostAsync("nobody", expired))
            ((int)wrong.StatusCode).ShouldBe(422);
        using (var json = await mine.SubmitAsync("grace@example.org", expired, asJson: true))
            ((int)json.StatusCode).ShouldBe(201);
        (await mine.KeptAsync()).ShouldBe(["grace@example.org", "ada@example.org"]);
        using var shown = await mine.GetAsync("/e/" + mine.Id, expired, "query");
        ((int)shown.StatusCode).ShouldBe(401);
    }

    [Fact]
    public async Task A_leak_ends_every_token_at_once_however_the_body_is_sent()
    {
        // Of a server of its own: the others' tokens are used meanwhile.
        await using var own = new ServerFixture();
        await own.InitializeAsync();
        foreach (var inPieces in new[] { true, false })
        {
            var mine = await Private.PublishAsync(own);
            var token = await mine.TokenAsync(Site);
            using var rotate = new HttpRequestMessage(HttpMethod.Post, "/v1/signing-keys/rotate")
            {
                Content = JsonContent.Create(new { endFormer = true }),
            };
            if (inPieces)
                rotate.Headers.TransferEncodingChunked = true;
            else
                await rotate.Content.LoadIntoBufferAsync(Ct);
            using var rotated = await own.Owner.SendAsync(rotate, Ct);
            ((int)rotated.StatusCode).ShouldBe(204);
            using var refused = await mine.GetAsync("/e/" + mine.Id, token, "query");
            ((int)refused.StatusCode).ShouldBe(401);
        }
    }

    [Fact]
    public async Task The_pixel_counts_no_view_of_what_is_not_public_without_a_token_for_it()
    {
        var mine = await Private.PublishAsync(server);
        using (var nobody = await mine.GetAsync("/p/" + mine.Id))
        {
            ((int)nobody.StatusCode).ShouldBe(401);
            nobody.Headers.WwwAuthenticate.ShouldNotBeEmpty();
        }
        using (var beacon = await server.Nobody.PostAsync("/p/" + mine.Id, null, Ct))
            ((int)beacon.StatusCode).ShouldBe(401);
        using (
            var other = await mine.GetAsync(
                "/p/" + mine.Id,
                await (await Private.PublishAsync(server)).TokenAsync(Site),
                "query"
            )
        )
            ((int)other.StatusCode).ShouldBe(401);
        using (
            var foreign = await mine.GetAsync(
                "/p/" + mine.Id,
                await mine.TokenAsync(Site),
                "query",
                origin: "https://evil.example"
            )
        )
            ((int)foreign.StatusCode).ShouldBe(403);
        using var counted = await mine.GetAsync("/p/" + mine.Id, await mine.TokenAsync(Site), "query");
        ((int)counted.StatusCode).ShouldBe(200);
        counted.Content.Headers.ContentType!.MediaType.ShouldBe("image/gif");
    }

    [Fact]
    public async Task One_token_is_taken_back_and_the_others_go_on()
    {
        var mine = await Private.PublishAsync(server);
        var (id, token) = await mine.MakeAsync(Site);
        var (_, other) = await mine.MakeAsync(Site);
        await using var node = await server.StartNodeAsync();
        using var visitor = new HttpClient { BaseAddress = node.Address };
        (await StatusAsync(visitor, mine.Id, token)).ShouldBe(200);
        var path = $"/v1/instances/{mine.Id}/embed-tokens/";

        // Only by who may make them, and of one's own.
        using (var reader = Private.NewClient(server, await server.CreateKeyAsync(mine.Owner, "instances:read")))
            (await reader.SendAsync(HttpMethod.Delete, path + id)).Status.ShouldBe(403);
        var stranger = await Private.PublishAsync(server);
        (await stranger.Client.SendAsync(HttpMethod.Delete, path + id)).Status.ShouldBe(404);
        (await mine.Client.SendAsync(HttpMethod.Delete, path + "nonsense")).Status.ShouldBe(404);
        (await StatusAsync(server.Nobody, mine.Id, token)).ShouldBe(200);

        (await mine.Client.SendAsync(HttpMethod.Delete, path + id)).Status.ShouldBe(204);
        // Where it was done, from that answer on; elsewhere, as soon as it is heard of.
        (await StatusAsync(server.Nobody, mine.Id, token)).ShouldBe(401);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the other node to hear of it",
            TimeSpan.FromSeconds(60),
            async _ => await StatusAsync(visitor, mine.Id, token) == 401,
            Ct
        );
        (await StatusAsync(server.Nobody, mine.Id, other)).ShouldBe(200);
        (await StatusAsync(visitor, mine.Id, other)).ShouldBe(200);
        (await mine.Client.SendAsync(HttpMethod.Delete, path + id)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task What_ended_long_ago_is_forgotten_also_of_owners_who_end_nothing_any_more()
    {
        var (mine, theirs) = (await Private.PublishAsync(server), await Private.PublishAsync(server));
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        foreach (var of in (Private[])[mine, theirs])
        {
            await using var ended = new NpgsqlCommand(
                """
                insert into platform.embed_revocation (owner, public_id, token, revoked_at)
                select $1, $2, gen_random_uuid(), clock_timestamp() - make_interval(hours => h) from unnest(array[26, 26, 24]) h
                """,
                admin
            );
            ended.Parameters.AddWithValue(of.Owner.Value);
            ended.Parameters.AddWithValue(of.Id);
            await ended.ExecuteNonQueryAsync(Ct);
        }
        await using (
            var session = await server.Postgres.Pools.OpenAsync(
                OperationContext.ForSystem(OwnerId.Platform, "test"),
                Ct
            )
        )
        {
            await Platform.Jobs.JobQueue.EnqueueAsync(
                session,
                "platform.maintain",
                Guid.CreateVersion7().ToString("N"),
                "{}"u8.ToArray(),
                new Platform.Jobs.JobOptions(),
                Ct
            );
            await session.CommitAsync(Ct);
        }
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "both owners' old rows to be swept",
            TimeSpan.FromSeconds(60),
            async _ => await CountAsync(mine) == 1 && await CountAsync(theirs) == 1,
            Ct
        );

        async Task<long> CountAsync(Private of)
        {
            await using var count = new NpgsqlCommand(
                "select count(*) from platform.embed_revocation where owner = $1 and public_id = $2",
                admin
            );
            count.Parameters.AddWithValue(of.Owner.Value);
            count.Parameters.AddWithValue(of.Id);
            return (long)(await count.ExecuteScalarAsync(Ct))!;
        }
    }

    [Fact]
    public async Task All_tokens_made_so_far_are_taken_back_and_the_next_works()
    {
        var mine = await Private.PublishAsync(server);
        var untouched = await Private.PublishAsync(server);
        var (id, token) = await mine.MakeAsync(Site);
        var theirs = await untouched.TokenAsync(Site);
        var path = $"/v1/instances/{mine.Id}/embed-tokens";
        (await mine.Client.SendAsync(HttpMethod.Delete, $"{path}/{id}")).Status.ShouldBe(204);
        for (var round = 0; round < 3; round++)
        {
            (await mine.Client.SendAsync(HttpMethod.Delete, path)).Status.ShouldBe(204);
            (await StatusAsync(server.Nobody, mine.Id, token)).ShouldBe(401);
            // However soon after.
            token = await mine.TokenAsync(Site);
            (await StatusAsync(server.Nobody, mine.Id, token)).ShouldBe(200);
        }
        (await StatusAsync(server.Nobody, untouched.Id, theirs)).ShouldBe(200);

        await using var late = await server.StartNodeAsync();
        using var visitor = new HttpClient { BaseAddress = late.Address };
        (await StatusAsync(visitor, mine.Id, token)).ShouldBe(200);
        var audit = await server.Owner.SendAsync(
            HttpMethod.Get,
            $"/v1/workspaces/{mine.Workspace}/audit?action=widget.tokens-revoked"
        );
        audit.Json["items"]!.AsArray().Count.ShouldBe(4, audit.Text);
    }

    private static async Task<int> StatusAsync(HttpClient visitor, string id, string token)
    {
        using var answer = await visitor.GetAsync($"/e/{id}?token={token}", Ct);
        return (int)answer.StatusCode;
    }

    [Fact]
    public async Task Whoever_holds_a_key_is_told_how_long_a_page_took_and_no_cache_keeps_it()
    {
        var mine = await Private.PublishAsync(server);
        var stranger = await Private.PublishAsync(server);
        var page = "/e/" + mine.Id;
        var token = await mine.TokenAsync(Site);
        var key = mine.Client.DefaultRequestHeaders.Authorization!.Parameter!;
        // The key says who asks, the token what they may see.
        using (var shown = await AskAsync(HttpMethod.Get, page, key, token))
        {
            ((int)shown.StatusCode).ShouldBe(200);
            Timing(shown).ShouldNotBeNull().ShouldContain("total;dur=");
            shown.Headers.CacheControl!.Private.ShouldBeTrue();
        }
        using (var alone = await AskAsync(HttpMethod.Get, page, key))
            ((int)alone.StatusCode).ShouldBe(401);

        var path = "/v1/instances/" + mine.Id;
        var read = await mine.Client.SendAsync(HttpMethod.Get, path);
        var open = await mine.Client.SendAsync(HttpMethod.Patch, path, new { access = "public" }, read.Tag);
        await mine.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, open.Tag);
        await server.IsServedAsync(mine.Id, isServed: true);
        string tag;
        using (var everybody = await AskAsync(HttpMethod.Get, page, null))
        {
            Timing(everybody).ShouldBeNull();
            everybody.Headers.CacheControl!.Public.ShouldBeTrue();
            tag = everybody.Headers.ETag!.ToString();
        }
        foreach (var who in new[] { key, server.OwnerKeyText })
        {
            using var told = await AskAsync(HttpMethod.Get, page, who);
            ((int)told.StatusCode).ShouldBe(200);
            Timing(told)
                .ShouldNotBeNull()
                .ShouldMatch(@"^key;dur=[\d.]+, find;dur=[\d.]+;desc=""memory"", total;dur=[\d.]+$");
            told.Headers.CacheControl!.ToString().ShouldBe("no-cache, private");
            told.Headers.ETag!.ToString().ShouldBe(tag);
        }
        // A stranger's key, one that is made up, and none are the same.
        foreach (
            var who in new[]
            {
                stranger.Client.DefaultRequestHeaders.Authorization!.Parameter!,
                key[..^1] + (key[^1] == 'a' ? 'b' : 'a'),
                "nonsense",
            }
        )
        {
            using var untold = await AskAsync(HttpMethod.Get, page, who);
            Timing(untold).ShouldBeNull(who);
            untold.Headers.CacheControl!.Public.ShouldBeTrue();
        }
        // What a cache would freshen with what it has for everybody says what it says to everybody.
        using (var head = await AskAsync(HttpMethod.Head, page, key))
        {
            Timing(head).ShouldBeNull();
            head.Headers.CacheControl!.Public.ShouldBeTrue();
        }
        using var same = await AskAsync(HttpMethod.Get, page, key, ifNoneMatch: tag);
        ((int)same.StatusCode).ShouldBe(304);
        Timing(same).ShouldBeNull();
        same.Headers.CacheControl!.Public.ShouldBeTrue();

        static string? Timing(HttpResponseMessage answer) =>
            answer.Headers.TryGetValues("Server-Timing", out var values) ? string.Join(", ", values) : null;

        async Task<HttpResponseMessage> AskAsync(
            HttpMethod method,
            string path,
            string? key,
            string? token = null,
            string? ifNoneMatch = null
        )
        {
            using var request = new HttpRequestMessage(method, path);
            if (key is not null)
                request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
            if (token is not null)
                request.Headers.TryAddWithoutValidation("X-Embed-Token", token);
            if (ifNoneMatch is not null)
                request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);
            return await server.Nobody.SendAsync(request, Ct);
        }
    }

    [Fact]
    public async Task Every_node_verifies_what_another_signed()
    {
        var mine = await Private.PublishAsync(server);
        var token = await mine.TokenAsync(Site);
        await using var node = await server.StartNodeAsync();
        using var client = new HttpClient { BaseAddress = node.Address };
        using var shown = await client.GetAsync($"/e/{mine.Id}?token={token}", Ct);
        ((int)shown.StatusCode).ShouldBe(200);
    }

    private sealed record Private(ServerFixture Server, HttpClient Client, OwnerId Owner, string Workspace, string Id)
    {
        public static HttpClient NewClient(ServerFixture server, string key)
        {
            var client = new HttpClient { BaseAddress = server.Address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
            return client;
        }

        public static async Task<Private> PublishAsync(ServerFixture server, params string[] origins)
        {
            var slug = "embed-" + Guid.CreateVersion7().ToString("N")[20..];
            var made = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Embed", slug });
            var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
            var client = NewClient(
                server,
                await server.CreateKeyAsync(owner, "instances:read", "instances:write", "embed:issue")
            );
            var created = await client.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/instances",
                new JsonObject
                {
                    ["widgetType"] = "engagement.newsletter",
                    ["access"] = "token",
                    ["allowedOrigins"] = new JsonArray([.. origins.Select(origin => JsonValue.Create(origin))]),
                    ["config"] = new JsonObject
                    {
                        ["heading"] = "News",
                        ["emailLabel"] = "E-mail",
                        ["consent"] = new JsonObject { ["text"] = "Send me news." },
                        ["submitLabel"] = "Subscribe",
                        ["sent"] = new JsonObject { ["heading"] = "Thanks" },
                        ["failed"] = new JsonObject { ["heading"] = "Sorry" },
                    },
                }
            );
            created.Status.ShouldBe(201, created.Text);
            var id = created.Json["publicId"]!.GetValue<string>();
            var published = await client.SendAsync(
                HttpMethod.Put,
                $"/v1/instances/{id}/publication",
                new { },
                created.Tag
            );
            published.Status.ShouldBe(200, published.Text);
            return new Private(server, client, owner, slug, id);
        }

        public async Task<string> TokenAsync(params string[] origins) => (await MakeAsync(origins)).Token;

        public async Task<(Guid Id, string Token)> MakeAsync(params string[] origins)
        {
            var made = await Client.SendAsync(HttpMethod.Post, $"/v1/instances/{Id}/embed-tokens", new { origins });
            made.Status.ShouldBe(200, made.Text);
            return (made.Json["id"]!.GetValue<Guid>(), made.Json["token"]!.GetValue<string>());
        }

        public async Task<HttpResponseMessage> PostAsync(string email, string token)
        {
            using var content = new FormUrlEncodedContent([new("email", email), new("consent", "yes")]);
            return await Server.Nobody.PostAsync($"/s/{Id}?token={Uri.EscapeDataString(token)}", content, Ct);
        }

        /// <summary>As a script sends it, as JSON or as a form of which it wants to read the answer.</summary>
        public async Task<HttpResponseMessage> SubmitAsync(
            string email,
            string token,
            bool asJson,
            string? origin = null
        )
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/s/" + Id);
            request.Content = asJson
                ? JsonContent.Create(new { email, consent = "yes" })
                : new FormUrlEncodedContent([new("email", email), new("consent", "yes")]);
            request.Headers.TryAddWithoutValidation("Accept", "application/json");
            if (!token.Contains('\n', StringComparison.Ordinal))
                request.Headers.TryAddWithoutValidation("X-Embed-Token", token);
            if (origin is not null)
                request.Headers.TryAddWithoutValidation("Origin", origin);
            return await Server.Nobody.SendAsync(request, Ct);
        }

        /// <summary>The addresses of what was kept, newest first.</summary>
        public async Task<string[]> KeptAsync()
        {
            using var reader = NewClient(Server, await Server.CreateKeyAsync(Owner, "submissions:read"));
            var list = await reader.SendAsync(HttpMethod.Get, $"/v1/instances/{Id}/submissions");
            list.Status.ShouldBe(200, list.Text);
            return [.. list.Json["items"]!.AsArray().Select(one => one!["fields"]!["email"]!.GetValue<string>())];
        }

        public async Task<string> ArtifactAsync()
        {
            using var manifest = await GetAsync($"/w/{Id}/manifest.json", await TokenAsync(), "bearer");
            var json = JsonNode.Parse(await manifest.Content.ReadAsStringAsync(Ct))!;
            return json["locales"]!["en"]!["artifact"]!.GetValue<string>();
        }

        public async Task<HttpResponseMessage> GetAsync(
            string path,
            string? token = null,
            string how = "",
            string? origin = null,
            string? ifNoneMatch = null
        )
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Get,
                how == "query" ? $"{path}?token={Uri.EscapeDataString(token!)}" : path
            );
            if (how == "bearer")
                request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
            if (how == "field")
                request.Headers.TryAddWithoutValidation("X-Embed-Token", token);
            if (origin is not null)
                request.Headers.Add("Origin", origin);
            if (ifNoneMatch is not null)
                request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);
            return await Server.Nobody.SendAsync(request, Ct);
        }

        /// <summary>What somebody signs who has the public key only: as if it were the secret of the server's other tokens.</summary>
        public async Task<string> MisuseAsync()
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new NpgsqlCommand(
                "select id, public_key from platform.edge_embed_key limit 1",
                admin
            );
            await using var reader = await command.ExecuteReaderAsync(Ct);
            await reader.ReadAsync(Ct);
            var token = await TokenAsync(Site);
            var header = $$"""{"alg":"HS256","kid":"{{reader.GetString(0)}}","typ":"JWT"}""";
            var signed =
                System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))
                + "."
                + token.Split('.')[1];
            var mac = HMACSHA256.HashData(reader.GetFieldValue<byte[]>(1), Encoding.ASCII.GetBytes(signed));
            return signed + "." + System.Buffers.Text.Base64Url.EncodeToString(mac);
        }

        /// <summary>What the server would have signed at another time, with its own key.</summary>
        public async Task<string> ForgeAsync(TimeSpan ends, TimeSpan? made = null)
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new NpgsqlCommand(
                "select id, embed_key from access.signing_key order by signs_from limit 1",
                admin
            );
            await using var reader = await command.ExecuteReaderAsync(Ct);
            await reader.ReadAsync(Ct);
            var now = TimeProvider.System.GetUtcNow();
            var claims = new JsonObject
            {
                ["aud"] = "embed",
                ["own"] = Owner.Value,
                ["sub"] = Id,
                ["iat"] = (now + (made ?? TimeSpan.FromHours(-1))).ToUnixTimeSeconds(),
                ["exp"] = (now + ends).ToUnixTimeSeconds(),
                ["jti"] = Guid.CreateVersion7(),
                ["act"] = Guid.CreateVersion7(),
                ["nam"] = "test",
                ["o"] = Site,
            };
            var signed = string.Create(
                CultureInfo.InvariantCulture,
                $"{Encode($$"""{"alg":"ES256","kid":"{{reader.GetString(0)}}","typ":"JWT"}""")}.{Encode(claims.ToJsonString())}"
            );
            using var key = ECDsa.Create();
            key.ImportPkcs8PrivateKey(reader.GetFieldValue<byte[]>(1), out _);
            return signed
                + "."
                + System.Buffers.Text.Base64Url.EncodeToString(
                    key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256)
                );

            static string Encode(string text) =>
                System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
        }
    }
}

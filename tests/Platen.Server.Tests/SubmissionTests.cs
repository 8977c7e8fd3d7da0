using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Server.Tests;

/// <summary>What visitors send with the forms of published pages, from the post to the erasing.</summary>
public sealed class SubmissionTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_form_is_sent_without_a_script_and_answered_by_an_address()
    {
        using var form = await PublishAsync();
        using var answer = await form.PostAsync(
            "?theme=dark",
            ("name", "Ada"),
            ("email", "ada@example.org"),
            ("topic", "billing"),
            ("message", "One\r\nand + two & three = 100 %"),
            ("copy", "yes"),
            ("website_url", ""),
            ("started_at", ""),
            ("page_locale", "de")
        );
        answer.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        answer.Headers.Location!.OriginalString.ShouldBe($"/e/{form.Id}?locale=de&theme=dark#sent_");

        var kept = (await form.ListAsync()).Single()!;
        kept["locale"]!.GetValue<string>().ShouldBe("de");
        var expected = new JsonObject
        {
            ["copy"] = "yes",
            ["email"] = "ada@example.org",
            ["message"] = "One\nand + two & three = 100 %",
            ["name"] = "Ada",
            ["topic"] = "billing",
        };
        JsonNode.DeepEquals(kept["fields"], expected).ShouldBeTrue(kept.ToJsonString());
        var events = await form.EventsAsync();
        events.ShouldContain("submission.received");
        events.ShouldNotContain("ada@example.org");
    }

    [Fact]
    public async Task What_is_wrong_is_named_by_its_field_and_a_browser_is_led_to_the_failure()
    {
        using var form = await PublishAsync();
        var refused = await form.SendJsonAsync(
            new JsonObject
            {
                ["email"] = "nobody",
                ["topic"] = "gossip",
                ["message"] = new string('x', 41),
                ["copy"] = "on",
                ["shoe_size"] = "42",
            }
        );
        refused.Problem.ShouldBe("invalid");
        refused
            .FaultPointers.Order(StringComparer.Ordinal)
            .ShouldBe(["/copy", "/email", "/message", "/name", "/shoe_size", "/topic"]);

        using var answer = await form.PostAsync("", ("email", "nobody"), ("page_locale", "x\r\ny"));
        answer.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        answer.Headers.Location!.OriginalString.ShouldBe($"/e/{form.Id}#failed_");
        (await form.ListAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("name=%FF%FE&email=a%40b.example")]
    [InlineData("name=A&name=B&email=a%40b.example")]
    [InlineData("name=A%00&email=a%40b.example")]
    [InlineData("name=%20%20&email=a%40b.example")]
    [InlineData("name=A&email=a%40b.example%0D%0ABcc%3A+c%40d.example")]
    [InlineData("")]
    public async Task A_body_that_cannot_be_meant_is_refused_whole(string body)
    {
        using var form = await PublishAsync();
        using var answer = await form.PostRawAsync(body);
        answer.Headers.Location!.OriginalString.ShouldBe($"/e/{form.Id}#failed_");
        (await form.ListAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Too_much_and_the_wrong_kind_are_refused()
    {
        using var form = await PublishAsync();
        using var large = await form.PostRawAsync("message=" + new string('x', 64 * 1024));
        large.Headers.Location!.OriginalString.ShouldEndWith("#failed_");
        (await form.SendJsonAsync(new JsonObject { ["message"] = new string('x', 64 * 1024) })).Status.ShouldBe(413);
        using var content = new MultipartFormDataContent { { new StringContent("Ada"), "name" } };
        using var files = await server.Nobody.PostAsync("/s/" + form.Id, content, Ct);
        files.StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task A_program_is_told_that_all_is_well_and_nothing_is_kept()
    {
        using var form = await PublishAsync();
        using var trapped = await form.PostAsync(
            "",
            ("name", "Bot"),
            ("email", "bot@example.org"),
            ("website_url", "https://spam.example")
        );
        trapped.Headers.Location!.OriginalString.ShouldEndWith("#sent_");
        using var quick = await form.PostAsync(
            "",
            ("name", "Bot"),
            ("email", "bot@example.org"),
            (
                "started_at",
                TimeProvider
                    .System.GetUtcNow()
                    .ToUnixTimeMilliseconds()
                    .ToString(System.Globalization.CultureInfo.InvariantCulture)
            )
        );
        quick.Headers.Location!.OriginalString.ShouldEndWith("#sent_");
        using var quicker = await form.PostAsync(
            "",
            ("name", "Bot"),
            ("email", "bot@example.org"),
            ("started_at", "+40")
        );
        quicker.Headers.Location!.OriginalString.ShouldEndWith("#sent_");
        (await form.ListAsync()).ShouldBeEmpty();
        foreach (var nonsense in new[] { "+", "+-1", "+99999999999999999999", "+1e1", "40", "yesterday" })
        {
            using var person = await form.PostAsync(
                "",
                ("name", "Person"),
                ("email", "person@example.org"),
                ("started_at", nonsense)
            );
            (await form.ListAsync()).Count.ShouldBe(1, nonsense);
        }
        using var calm = await form.PostAsync(
            "",
            ("name", "Calm"),
            ("email", "calm@example.org"),
            ("started_at", "+4000")
        );
        (await form.ListAsync()).Count.ShouldBe(2);
        using var slow = await form.PostAsync(
            "",
            ("name", "Person"),
            ("email", "person@example.org"),
            ("started_at", TimeProvider.System.GetUtcNow().AddMinutes(-1).ToString("O"))
        );
        (await form.ListAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_thousand_equal_posts_at_once_are_one_submission()
    {
        using var form = await PublishAsync();
        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 1000)
                .Select(async _ =>
                {
                    using var answer = await form.PostAsync("", ("name", "Ada"), ("email", "ada@example.org"));
                    return answer.Headers.Location?.OriginalString;
                })
        );
        answers.Distinct().ShouldBe([$"/e/{form.Id}#sent_"]);
        (await form.ListAsync()).Count.ShouldBe(1);

        using var other = await form.PostAsync("", ("name", "Ada"), ("email", "ada@example.com"));
        (await form.ListAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Ten_thousand_posts_at_once_are_one_submission_and_another_form_is_answered_meanwhile()
    {
        using var form = await PublishAsync();
        using var other = await PublishAsync();
        using var crowd = new HttpClient(
            new SocketsHttpHandler { MaxConnectionsPerServer = 1000, AllowAutoRedirect = false }
        )
        {
            BaseAddress = server.Address,
            Timeout = TimeSpan.FromMinutes(2),
        };
        var flood = Enumerable
            .Range(0, 10_000)
            .Select(async _ =>
            {
                using var content = new FormUrlEncodedContent([new("name", "Ada"), new("email", "ada@example.org")]);
                using var answer = await crowd.PostAsync("/s/" + form.Id, content, Ct);
                return answer.Headers.Location?.OriginalString;
            })
            .ToArray();
        var meanwhile = 0;
        do
        {
            (await other.SendJsonAsync(Filled($"n{meanwhile}@example.org"))).Status.ShouldBe(201);
            meanwhile++;
        } while (meanwhile < 20);
        (await Task.WhenAll(flood)).Distinct().ShouldBe([$"/e/{form.Id}#sent_"]);
        (await form.ListAsync()).Count.ShouldBe(1);
        (await other.ListAsync()).Count.ShouldBe(20);
    }

    [Fact]
    public async Task Ten_thousand_posts_at_once_of_which_half_are_repetitions_lose_none_and_double_none()
    {
        using var form = await PublishAsync();
        using var crowd = new HttpClient(
            new SocketsHttpHandler { MaxConnectionsPerServer = 500, AllowAutoRedirect = false }
        )
        {
            BaseAddress = server.Address,
            Timeout = TimeSpan.FromMinutes(3),
        };
        // Of each one the two come at the same time: the same fields twice, or the same key twice.
        var posts = Enumerable
            .Range(0, 10_000)
            .Select(async at =>
            {
                var n = at / 2;
                using var post = new HttpRequestMessage(HttpMethod.Post, "/s/" + form.Id)
                {
                    Content = new FormUrlEncodedContent([
                        new("name", $"Reader {n}"),
                        new("email", $"r{n}@example.org"),
                    ]),
                };
                post.Headers.Accept.ParseAdd("application/json");
                if (n % 2 == 0)
                    post.Headers.Add("Idempotency-Key", $"post-{n}");
                using var answer = await crowd.SendAsync(post, Ct);
                ((int)answer.StatusCode).ShouldBe(201, await answer.Content.ReadAsStringAsync(Ct));
                var told = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!;
                return (n, Id: told["id"]!.GetValue<string>());
            });
        var answers = await Task.WhenAll(posts);
        answers.Distinct().Count().ShouldBe(5_000);

        var export = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export?format=json");
        var kept = JsonNode.Parse(export.Text)!.AsArray();
        kept.Select(one => one!["fields"]!["email"]!.GetValue<string>())
            .Order(StringComparer.Ordinal)
            .ShouldBe(Enumerable.Range(0, 5_000).Select(n => $"r{n}@example.org").Order(StringComparer.Ordinal));
        kept.Select(one => one!["id"]!.GetValue<string>())
            .Order(StringComparer.Ordinal)
            .ShouldBe(answers.Select(one => one.Id).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_bomb_and_a_megabyte_are_refused_and_leave_nothing()
    {
        using var form = await PublishAsync();
        using var packed = new MemoryStream();
        await using (
            var gzip = new System.IO.Compression.GZipStream(
                packed,
                System.IO.Compression.CompressionLevel.SmallestSize,
                leaveOpen: true
            )
        )
        {
            var part = new byte[1024 * 1024];
            Array.Fill(part, (byte)'a');
            for (var i = 0; i < 64; i++)
                await gzip.WriteAsync(part, Ct);
        }
        foreach (var type in new[] { "application/json", "application/x-www-form-urlencoded" })
        {
            foreach (var coding in new[] { "gzip", "br", "deflate" })
            {
                // Nothing unpacks it: it is read as what it is, which is no form.
                using var bomb = new ByteArrayContent(packed.ToArray());
                bomb.Headers.ContentType = new MediaTypeHeaderValue(type);
                bomb.Headers.ContentEncoding.Add(coding);
                using var answer = await server.Nobody.PostAsync("/s/" + form.Id, bomb, Ct);
                ((int)answer.StatusCode).ShouldBeOneOf(303, 400, 413, 415);
                answer.Headers.Location?.OriginalString.ShouldEndWith("#failed_");
            }
            using var large = new ByteArrayContent(new byte[1024 * 1024]);
            large.Headers.ContentType = new MediaTypeHeaderValue(type);
            using var refused = await server.Nobody.PostAsync("/s/" + form.Id, large, Ct);
            ((int)refused.StatusCode).ShouldBeOneOf(303, 413);
        }
        (await form.ListAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Every_naughty_string_in_every_field_is_kept_as_it_is_or_refused_with_its_field()
    {
        using var form = await PublishAsync();
        var kept = 0;
        foreach (var (n, text) in Platen.Testing.Widgets.NaughtyStrings.All.Index())
        {
            foreach (var field in new[] { "name", "email", "topic", "message", "copy" })
            {
                var post = Filled($"n{n}@example.org");
                post[field] = text;
                var answer = await form.SendJsonAsync(post);
                answer.Status.ShouldBeOneOf([201, 400, 413, 422], $"{field}: {text}");
                if (answer.Status == 422)
                    answer.FaultPointers.ShouldBe(["/" + field], text);
                if (answer.Status != 201 || field is not "name")
                    continue;
                kept++;
                var one = await form.Client.SendAsync(
                    HttpMethod.Get,
                    "/v1/submissions/" + answer.Json["id"]!.GetValue<string>()
                );
                one.Json["fields"]!["name"]!.GetValue<string>().ShouldBe(text.Normalize().Trim());
            }
        }
        kept.ShouldBeGreaterThan(50);
        // What others met, in all fields at once, and in the one that takes any text.
        string[] fields = ["name", "email", "topic", "message", "copy"];
        foreach (var (n, text) in (await Platen.Testing.Widgets.NaughtyStrings.BigListAsync(Ct)).Index())
        {
            var all = await form.SendJsonAsync(
                new JsonObject(fields.Select(f => KeyValuePair.Create(f, (JsonNode?)text)))
            );
            all.Status.ShouldBeOneOf([400, 413, 422], text);
            if (all.Status == 422)
                all.FaultPointers.ShouldBeSubsetOf(fields.Select(field => "/" + field), text);
            var post = Filled($"big{n}@example.org");
            post["name"] = text;
            var one = await form.SendJsonAsync(post);
            one.Status.ShouldBeOneOf([201, 422], text);
            if (one.Status == 422)
                one.FaultPointers.ShouldBe(["/name"], text);
            else
                kept++;
        }
        kept.ShouldBeGreaterThan(400);
        var csv = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export");
        csv.Status.ShouldBe(200);
        foreach (var begin in new[] { ",=", ",+", ",@", ",-", ",\"=", ",\"+", ",\"@", ",\"-" })
            csv.Text.ShouldNotContain("\r\n" + begin);
    }

    [Fact]
    public async Task An_idempotency_key_stands_for_one_submission()
    {
        using var form = await PublishAsync();
        var key = Guid.CreateVersion7().ToString();
        var first = await form.SendJsonAsync(Filled("ada@example.org"), key);
        var second = await form.SendJsonAsync(Filled("ada@example.org"), key);
        (first.Status, second.Status).ShouldBe((201, 201));
        second.Json["id"]!.GetValue<string>().ShouldBe(first.Json["id"]!.GetValue<string>());
        (await form.SendJsonAsync(Filled("eve@example.org"), key)).Problem.ShouldBe("idempotency-key-reused");
        (await form.ListAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Only_pages_of_allowed_origins_send_it()
    {
        using var form = await PublishAsync("https://www.example.org", "https://*.example.com");
        foreach (
            var origin in new[]
            {
                null,
                "null",
                server.Address.GetLeftPart(UriPartial.Authority),
                "https://www.example.org",
                "https://shop.example.com",
            }
        )
        {
            (await form.SendJsonAsync(Filled("a@example.org"), origin: origin)).Status.ShouldBe(201, origin);
        }
        foreach (
            var origin in new[]
            {
                "https://evil.example",
                "http://www.example.org",
                "https://example.com",
                "https://evil.example/.example.com",
                "https://www.example.org.evil.example",
            }
        )
        {
            (await form.SendJsonAsync(Filled("b@example.org"), origin: origin)).Problem.ShouldBe(
                "origin-not-allowed",
                origin
            );
        }
        (await form.ListAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_is_not_published_takes_nothing()
    {
        using var form = await PublishAsync();
        await form.Client.SendAsync(HttpMethod.Patch, form.Path, new { status = "unpublished" }, "\"1\"");
        (await form.SendJsonAsync(Filled("a@example.org"))).Problem.ShouldBe("not-found");
        foreach (var id in new[] { "nothing", "wgt_forms.contact_u_none", "wgt_curated_none" })
        {
            (await server.Nobody.SendAsync(HttpMethod.Post, "/s/" + id, Filled("a@example.org"))).Problem.ShouldBe(
                "not-found"
            );
        }
        // What was sent before stays readable.
        (await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_newsletter_asks_for_an_address_and_for_consent()
    {
        using var form = await PublishAsync(
            "engagement.newsletter",
            new JsonObject
            {
                ["heading"] = "News",
                ["emailLabel"] = "E-mail",
                ["consent"] = new JsonObject { ["text"] = "Send me news." },
                ["submitLabel"] = "Subscribe",
                ["sent"] = new JsonObject { ["heading"] = "Thanks" },
                ["failed"] = new JsonObject { ["heading"] = "Sorry" },
            }
        );
        (
            await form.SendJsonAsync(new JsonObject { ["email"] = "a@example.org", ["name"] = "A" })
        ).FaultPointers.ShouldBe(["/consent", "/name"]);
        (await form.SendJsonAsync(new JsonObject { ["email"] = "a@example.org", ["consent"] = true })).Status.ShouldBe(
            201
        );
    }

    [Fact]
    public async Task To_another_workspace_there_are_none()
    {
        using var form = await PublishAsync();
        using var other = await PublishAsync();
        var id = (await form.SendJsonAsync(Filled("a@example.org"))).Json["id"]!.GetValue<string>();

        (await other.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions")).Problem.ShouldBe("not-found");
        (await other.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export")).Problem.ShouldBe("not-found");
        (
            await other.Client.SendAsync(HttpMethod.Get, "/v1/instances/wgt_main_forms.contact/submissions")
        ).Problem.ShouldBe("not-found");
        (await other.Client.SendAsync(HttpMethod.Delete, "/v1/submissions/" + id)).Problem.ShouldBe("not-found");
        (await other.EraseAsync("a@example.org")).ShouldBe(0);
        (await server.Nobody.SendAsync(HttpMethod.Get, form.Path + "/submissions")).Status.ShouldBe(401);
        (await form.ListAsync()).Count.ShouldBe(1);
        // An operator enters every workspace.
        (await server.Owner.SendAsync(HttpMethod.Get, form.Path + "/submissions")).Status.ShouldBe(200);

        using var reader = ServerFixtureClient(await server.CreateKeyAsync(form.Owner, "submissions:read"));
        (await reader.SendAsync(HttpMethod.Get, form.Path + "/submissions")).Status.ShouldBe(200);
        (await reader.SendAsync(HttpMethod.Delete, "/v1/submissions/" + id)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task They_are_listed_in_pages_and_found_by_time_and_text()
    {
        using var form = await PublishAsync();
        for (var n = 0; n < 5; n++)
            (await form.SendJsonAsync(Filled($"n{n}@example.org"))).Status.ShouldBe(201);
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await form.Client.SendAsync(HttpMethod.Get, $"{form.Path}/submissions?limit=2&cursor={cursor}");
            seen.AddRange(page.Json["items"]!.AsArray().Select(one => one!["fields"]!["email"]!.GetValue<string>()));
            cursor = page.Json["nextCursor"]?.GetValue<string>();
        } while (cursor is not null);
        seen.ShouldBe([.. Enumerable.Range(0, 5).Reverse().Select(n => $"n{n}@example.org")]);

        (await form.ListAsync("?q=N3@EXAMPLE")).Count.ShouldBe(1);
        (await form.ListAsync("?to=2020-01-01")).ShouldBeEmpty();
        (await form.ListAsync("?from=2020-01-01T00:00:00Z")).Count.ShouldBe(5);
        foreach (var query in new[] { "?from=yesterday", "?cursor=x", "?q=%00" })
            (await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions" + query)).Status.ShouldBe(
                400,
                query
            );
    }

    [Fact]
    public async Task An_export_runs_nothing_in_a_spreadsheet()
    {
        using var form = await PublishAsync();
        var wicked = Filled("a@example.org");
        wicked["name"] = "=HYPERLINK(\"https://evil.example\",\"x\")";
        (await form.SendJsonAsync(wicked)).Status.ShouldBe(201);

        var csv = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export");
        csv.MediaType.ShouldBe("text/csv");
        var lines = csv.Text.Split("\r\n");
        lines[0].ShouldBe("id,received_at,locale,email,name");
        lines[1].ShouldEndWith(",a@example.org,\"'=HYPERLINK(\"\"https://evil.example\"\",\"\"x\"\")\"");
        var json = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export?format=json");
        json.Json.AsArray().Single()!["fields"]!["name"]!.GetValue<string>().ShouldStartWith("=HYPERLINK");
        (await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions:export?format=xls")).Status.ShouldBe(
            400
        );
    }

    [Fact]
    public async Task Who_asks_to_be_forgotten_is_forgotten()
    {
        using var form = await PublishAsync();
        await form.SendJsonAsync(Filled("Gone@Example.org"));
        var more = Filled("gone@example.org");
        more["message"] = "Once more";
        await form.SendJsonAsync(more);
        var kept = (await form.SendJsonAsync(Filled("stays@example.org"))).Json["id"]!.GetValue<string>();

        (await form.EraseAsync("gone@example.org")).ShouldBe(2);
        (await form.EraseAsync("gone@example.org")).ShouldBe(0);
        (await form.ListAsync()).Single()!["id"]!.GetValue<string>().ShouldBe(kept);
        (await form.Client.SendAsync(HttpMethod.Delete, "/v1/submissions/" + kept)).Status.ShouldBe(204);
        (await form.Client.SendAsync(HttpMethod.Delete, "/v1/submissions/" + kept)).Problem.ShouldBe("not-found");
        (await form.ListAsync()).ShouldBeEmpty();

        var audit = await form.Client.SendAsync(HttpMethod.Get, "/v1/audit?action=submission.erased");
        audit.Json["items"]!.AsArray().Count.ShouldBe(3);
        audit.Text.ShouldNotContain("gone@", Case.Insensitive);
        (
            await form.Client.SendAsync(HttpMethod.Post, "/v1/submissions:erase", new { person = "everybody" })
        ).FaultPointers.ShouldBe(["/person"]);
    }

    [Fact]
    public async Task Forgetting_somebody_among_many_takes_steps_and_goes_on_where_it_was_cut_off()
    {
        using var form = await PublishAsync();
        using var other = await PublishAsync();
        const int All = 3_500;
        await form.FillAsync(
            All,
            "(case when n % 7 = 0 then ' Gone@Example.org ' else 'p' || n || '@example.org' end)"
        );
        await other.FillAsync(1, "'gone@example.org'");
        // The first attempt of the job ends in the middle of its second step, as if it had been killed there.
        await form.AdminAsync(
            $"""
            create function cut_off() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$;
            create trigger cut_off before update on submissions.erasure for each row
                when (new.owner = '{form.Owner}' and new.looked_at > 2500) execute function cut_off();
            """
        );
        var asked = await form.Client.SendAsync(
            HttpMethod.Post,
            "/v1/submissions:erase",
            new { person = "gone@example.org" }
        );
        asked.Status.ShouldBe(202, asked.Text);
        asked.Json["status"]!.GetValue<string>().ShouldBe("running");
        asked.Json["lookedAt"]!.GetValue<int>().ShouldBe(1_000);
        var at = "/v1/submissions/erasures/" + asked.Json["id"];
        await UntilAsync(so => so["lookedAt"]!.GetValue<int>() == 2_000);
        await UntilFailedAsync();
        var so = (await form.Client.SendAsync(HttpMethod.Get, at)).Json;
        so["status"]!.GetValue<string>().ShouldBe("running");
        so["lookedAt"]!.GetValue<int>().ShouldBe(2_000);
        (await other.Client.SendAsync(HttpMethod.Get, at)).Status.ShouldBe(404);

        await form.AdminAsync("drop function cut_off() cascade");
        var done = await UntilAsync(so => so["status"]!.GetValue<string>() == "done");
        // Each was looked at once, and each of theirs is gone; nobody else's is.
        done["lookedAt"]!.GetValue<int>().ShouldBe(All);
        done["count"]!.GetValue<int>().ShouldBe(All / 7);
        (await form.CountAsync("true")).ShouldBe(All - All / 7);
        (await form.CountAsync("fields::text ilike '%gone@%'")).ShouldBe(0);
        (await other.CountAsync("true")).ShouldBe(1);
        (
            await form.AdminAsync(
                $"select count(*) from submissions.erasure where owner = '{form.Owner}' and person is not null"
            )
        ).ShouldBe(0L);
        (
            await form.AdminAsync(
                $"select count(*) from platform.job where owner = '{form.Owner}' and payload::text ilike '%gone@%'"
            )
        ).ShouldBe(0L);
        var audit = await form.Client.SendAsync(HttpMethod.Get, "/v1/audit?action=submission.erased");
        audit.Json["items"]!.AsArray().Sum(e => e!["detail"]!["count"]!.GetValue<int>()).ShouldBe(All / 7);
        audit.Text.ShouldNotContain("gone@", Case.Insensitive);
        (await form.EraseAsync("gone@example.org")).ShouldBe(0);

        async Task<JsonNode> UntilAsync(Func<JsonNode, bool> isSo)
        {
            JsonNode last = new JsonObject();
            await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "the erasure",
                TimeSpan.FromSeconds(60),
                async _ => isSo(last = (await form.Client.SendAsync(HttpMethod.Get, at)).Json),
                Ct
            );
            return last;
        }

        Task UntilFailedAsync() =>
            Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "the attempt to fail",
                TimeSpan.FromSeconds(60),
                async _ =>
                    await form.AdminAsync(
                        $"select count(*) from platform.job where owner = '{form.Owner}' and kind = 'submissions.erase-person' and error is not null"
                    )
                        is 1L,
                Ct
            );
    }

    [Theory]
    [InlineData("retried")]
    [InlineData("asked again")]
    [InlineData("asked again when the job is gone")]
    public async Task Forgetting_that_was_given_up_says_so_and_goes_on_when_it_is_asked_to(string how)
    {
        using var form = await PublishAsync();
        const int All = 2_500;
        await form.FillAsync(All, "(case when n % 5 = 0 then 'gone@example.org' else 'p' || n || '@example.org' end)");
        // Its only attempt fails, as the last of many would.
        await form.AdminAsync(
            $"""
            create function "cut off {form.Owner}"() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$;
            create trigger cut_off before update of looked_to on submissions.erasure for each row
                when (new.owner = '{form.Owner}') execute function "cut off {form.Owner}"();
            create function "one attempt {form.Owner}"() returns trigger language plpgsql
                as $$ begin new.max_attempts := 1; return new; end $$;
            create trigger one_attempt before insert on platform.job for each row
                when (new.owner = '{form.Owner}') execute function "one attempt {form.Owner}"();
            """
        );
        var asked = await form.Client.SendAsync(
            HttpMethod.Post,
            "/v1/submissions:erase",
            new { person = "gone@example.org" }
        );
        asked.Status.ShouldBe(202, asked.Text);
        asked.Json["jobId"].ShouldBeNull();
        var at = "/v1/submissions/erasures/" + asked.Json["id"];
        var failed = await UntilAsync("failed");
        failed["lookedAt"]!.GetValue<int>().ShouldBe(1_000);
        var job = failed["jobId"]!.GetValue<Guid>();
        await form.AdminAsync(
            $"""drop function "cut off {form.Owner}" cascade; drop function "one attempt {form.Owner}" cascade"""
        );

        if (how == "asked again when the job is gone")
        {
            await form.AdminAsync($"delete from platform.job where id = '{job}'");
            var gone = (await form.Client.SendAsync(HttpMethod.Get, at)).Json;
            (gone["status"]!.GetValue<string>(), gone["jobId"]).ShouldBe(("failed", null));
        }
        if (how == "retried")
        {
            using var keeper = ServerFixtureClient(await server.CreateKeyAsync(form.Owner, "jobs:manage"));
            (await keeper.SendAsync(HttpMethod.Post, $"/v1/jobs/{job}/retry")).Status.ShouldBe(204);
        }
        else
        {
            var again = await form.Client.SendAsync(
                HttpMethod.Post,
                "/v1/submissions:erase",
                new { person = "Gone@example.org" }
            );
            again.Status.ShouldBe(202, again.Text);
            again.Json["id"]!.ToString().ShouldBe(asked.Json["id"]!.ToString());
        }
        var done = await UntilAsync("done");
        done["lookedAt"]!.GetValue<int>().ShouldBe(All);
        done["count"]!.GetValue<int>().ShouldBe(All / 5);
        done["jobId"].ShouldBeNull();
        (await form.CountAsync("fields::text ilike '%gone@%'")).ShouldBe(0);
        (
            await form.AdminAsync(
                $"select count(*) from submissions.erasure where owner = '{form.Owner}' and person is null"
            )
        ).ShouldBe(1L);

        async Task<JsonNode> UntilAsync(string status)
        {
            JsonNode last = new JsonObject();
            await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
                "the erasure to be " + status,
                TimeSpan.FromSeconds(60),
                async _ =>
                    (last = (await form.Client.SendAsync(HttpMethod.Get, at)).Json)["status"]!.GetValue<string>()
                    == status,
                Ct
            );
            return last;
        }
    }

    [Fact]
    public async Task What_is_older_than_it_is_kept_goes_and_the_rest_stays()
    {
        using var form = await PublishAsync();
        using var other = await PublishAsync();
        foreach (var n in Enumerable.Range(0, 3))
            await form.SendJsonAsync(Filled($"old{n}@example.org"));
        await other.SendJsonAsync(Filled("theirs@example.org"));
        await form.AgeAsync(40);
        await other.AgeAsync(40);
        var young = (await form.SendJsonAsync(Filled("young@example.org"))).Json["id"]!.GetValue<string>();

        var rule = $"/v1/workspaces/{form.Owner}/submission-retention";
        var none = await form.Client.SendAsync(HttpMethod.Get, rule);
        none.Json["days"].ShouldBeNull();
        (await form.Client.SendAsync(HttpMethod.Put, rule, new { days = 30 })).Problem.ShouldBe(
            "precondition-required"
        );
        // The instance's own rule goes before the workspace's.
        var kept = await form.Client.SendAsync(
            HttpMethod.Put,
            rule,
            new { days = 30, instances = new Dictionary<string, int?> { [form.Id] = null } },
            none.Tag
        );
        kept.Status.ShouldBe(200, kept.Text);
        var all = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions");
        all.Json["keptForDays"].ShouldBeNull();
        var shorter = await form.Client.SendAsync(HttpMethod.Put, rule, new { days = 30 }, kept.Tag);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "what is old is gone",
            TimeSpan.FromSeconds(30),
            async _ => (await form.ListAsync()).Count == 1,
            Ct
        );
        var left = await form.Client.SendAsync(HttpMethod.Get, form.Path + "/submissions");
        left.Json["items"]![0]!["id"]!.GetValue<string>().ShouldBe(young);
        left.Json["keptForDays"]!.GetValue<int>().ShouldBe(30);
        (await other.ListAsync()).Count.ShouldBe(1);
        (await form.EventsAsync()).ShouldContain("submission.expired");
        var audit = await form.Client.SendAsync(HttpMethod.Get, "/v1/audit?action=submission.*");
        audit.Text.ShouldContain("submission.expired");
        audit.Text.ShouldContain("submission.retention-changed");
        audit.Text.ShouldNotContain("@example.org");
        (await form.Client.SendAsync(HttpMethod.Put, rule, new { days = 1 }, kept.Tag)).Status.ShouldBe(412);
        var wrong = await form.Client.SendAsync(
            HttpMethod.Put,
            rule,
            new { days = 0, instances = new Dictionary<string, int?> { ["x"] = 1, [form.Id] = 4000 } },
            shorter.Tag
        );
        wrong.FaultPointers.ShouldBe(["/days", "/instances/" + form.Id, "/instances/x"], ignoreOrder: true);

        // Runs that were lost begin again with the same rule.
        await form.ForgetJobsAsync("submissions.expire");
        await form.AgeAsync(40);
        var same = await form.Client.SendAsync(HttpMethod.Put, rule, new { days = 30 }, shorter.Tag);
        (same.Status, same.Tag).ShouldBe((200, shorter.Tag), same.Text);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "what has become old is gone too",
            TimeSpan.FromSeconds(60),
            async _ => (await form.ListAsync()).Count == 0,
            Ct
        );
    }

    [Fact]
    public async Task A_rule_of_a_thousand_instances_is_taken_and_its_change_is_in_the_audit()
    {
        using var form = await PublishAsync();
        var rule = $"/v1/workspaces/{form.Owner}/submission-retention";
        var none = await form.Client.SendAsync(HttpMethod.Get, rule);
        var longest = new string('k', PublicId.MaxKeyLength - 4);
        var instances = Enumerable
            .Range(0, 1000)
            .ToDictionary(n => $"wgt_forms.contact_u_{longest}{n:D4}", n => (int?)(n + 1), StringComparer.Ordinal);
        var made = await form.Client.SendAsync(HttpMethod.Put, rule, new { days = (int?)null, instances }, none.Tag);
        made.Status.ShouldBe(200, made.Text);
        instances[$"wgt_forms.contact_u_{longest}0007"] = null;
        (await form.Client.SendAsync(HttpMethod.Put, rule, new { days = 7, instances }, made.Tag)).Status.ShouldBe(200);

        var audit = await form.Client.SendAsync(HttpMethod.Get, "/v1/audit?action=submission.retention-changed");
        var (second, first) = (audit.Json["items"]![0]!, audit.Json["items"]![1]!);
        first["detail"]!["changedInstances"]!.GetValue<int>().ShouldBe(1000);
        first["detail"]!["instances"]!.AsArray().Count.ShouldBe(20);
        second["detail"]!["days"]!.ToJsonString().ShouldBe("""{"after":7,"before":null}""");
        second["detail"]!["instances"]!
            .AsArray()
            .Single()!
            .ToJsonString()
            .ShouldBe($$"""{"id":"wgt_forms.contact_u_{{longest}}0007","after":"kept","before":"8"}""");
        second["before"]!.GetValue<string>().ShouldBe(first["after"]!.GetValue<string>());
        second["after"]!.GetValue<string>().ShouldNotBe(first["after"]!.GetValue<string>());
    }

    [Fact]
    public async Task One_is_read_by_the_path_that_a_webhook_is_told()
    {
        await using var receiver = await Platen.Testing.Servers.WebhookReceiver.AnsweringAsync(204);
        using var form = await PublishAsync();
        var hook = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{form.Owner}/webhooks",
            new { url = receiver.Url, types = new[] { "submission.arrived" } }
        );
        hook.Status.ShouldBe(201, hook.Text);
        await form.SendJsonAsync(Filled("ada@example.org"));
        // Sent twice, it arrived once.
        await form.SendJsonAsync(Filled("ada@example.org"));
        await receiver.HasAsync(1, Ct);
        var message = receiver.Messages.Single();
        message.IsSignedWith(hook.Json["secret"]!.GetValue<string>()).ShouldBeTrue();
        System.Text.Encoding.UTF8.GetString(message.Body).ShouldNotContain("ada@");
        var path = message.Json["data"]!["path"]!.GetValue<string>();
        var read = await form.Client.SendAsync(HttpMethod.Get, path);
        read.Json["fields"]!["email"]!.GetValue<string>().ShouldBe("ada@example.org");
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200);
        using var other = await PublishAsync();
        (await other.Client.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(404);
        (await other.Client.SendAsync(HttpMethod.Get, path.Split('?')[0])).Status.ShouldBe(404);
        (await form.EraseAsync("ada@example.org")).ShouldBe(1);
        (await form.Client.SendAsync(HttpMethod.Get, path)).Problem.ShouldBe("not-found");
    }

    private static JsonObject Filled(string email) => new() { ["name"] = "Ada", ["email"] = email };

    private Task<PublishedForm> PublishAsync(params string[] origins) =>
        PublishAsync(
            "forms.contact",
            new JsonObject
            {
                ["heading"] = "Write to us",
                ["fields"] = new JsonArray(
                    Field("text", "name", required: true),
                    Field("email", "email", required: true),
                    new JsonObject
                    {
                        ["type"] = "select",
                        ["key"] = "topic",
                        ["label"] = "Topic",
                        ["options"] = new JsonArray(
                            new JsonObject { ["value"] = "billing", ["label"] = "Bill" },
                            new JsonObject { ["value"] = "other", ["label"] = "Other" }
                        ),
                    },
                    new JsonObject
                    {
                        ["type"] = "textarea",
                        ["key"] = "message",
                        ["label"] = "Message",
                        ["maxLength"] = 40,
                    },
                    Field("checkbox", "copy", required: false)
                ),
                ["submitLabel"] = "Send",
                ["sent"] = new JsonObject { ["heading"] = "Thanks" },
                ["failed"] = new JsonObject { ["heading"] = "Sorry" },
            },
            origins
        );

    private static JsonObject Field(string type, string key, bool required)
    {
        var field = new JsonObject
        {
            ["type"] = type,
            ["key"] = key,
            ["label"] = key,
        };
        if (required)
            field["required"] = true;
        return field;
    }

    private async Task<PublishedForm> PublishAsync(string type, JsonObject config, params string[] origins)
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var owner = new OwnerId(Guid.Parse(made.Json["id"]!.GetValue<string>()));
        var client = ServerFixtureClient(
            await server.CreateKeyAsync(
                owner,
                "instances:read",
                "instances:write",
                "submissions:read",
                "submissions:write",
                "events:read",
                "audit:read"
            )
        );
        var created = await client.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{made.Json["slug"]}/instances",
            new JsonObject
            {
                ["widgetType"] = type,
                ["config"] = config,
                ["allowedOrigins"] = new JsonArray([.. origins.Select(origin => JsonValue.Create(origin))]),
            }
        );
        created.Status.ShouldBe(201, created.Text);
        var id = created.Json["publicId"]!.GetValue<string>();
        var form = new PublishedForm(server, client, owner, id);
        var published = await client.SendAsync(HttpMethod.Put, form.Path + "/publication", new { }, created.Tag);
        published.Status.ShouldBe(200, published.Text);
        return form;
    }

    private HttpClient ServerFixtureClient(string key)
    {
        var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    private sealed record PublishedForm(ServerFixture Server, HttpClient Client, OwnerId Owner, string Id) : IDisposable
    {
        public string Path => "/v1/instances/" + Id;

        public async Task<HttpResponseMessage> PostAsync(string query, params (string Name, string Value)[] fields)
        {
            using var content = new FormUrlEncodedContent(
                fields.Select(field => KeyValuePair.Create(field.Name, field.Value))
            );
            return await Server.Nobody.PostAsync($"/s/{Id}{query}", content, Ct);
        }

        public async Task<HttpResponseMessage> PostRawAsync(string body)
        {
            using var content = new StringContent(body, new MediaTypeHeaderValue("application/x-www-form-urlencoded"));
            return await Server.Nobody.PostAsync("/s/" + Id, content, Ct);
        }

        public async Task<Answer> SendJsonAsync(JsonObject fields, string? key = null, string? origin = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/s/" + Id)
            {
                Content = new StringContent(fields.ToJsonString(), new MediaTypeHeaderValue("application/json")),
            };
            if (key is not null)
                request.Headers.Add("Idempotency-Key", key);
            if (origin is not null)
                request.Headers.Add("Origin", origin);
            using var response = await Server.Nobody.SendAsync(request, Ct);
            return new Answer(
                (int)response.StatusCode,
                null,
                response.Content.Headers.ContentType?.MediaType,
                await response.Content.ReadAsStringAsync(Ct)
            );
        }

        public async Task<JsonArray> ListAsync(string query = "") =>
            (await Client.SendAsync(HttpMethod.Get, $"{Path}/submissions{query}")).Json["items"]!.AsArray();

        public async Task<long> EraseAsync(string person) =>
            (await Client.SendAsync(HttpMethod.Post, "/v1/submissions:erase", new { person })).Json[
                "count"
            ]!.GetValue<long>();

        /// <summary>Puts so many submissions there; what the address is, in SQL, may depend on <c>n</c>.</summary>
        public Task FillAsync(int count, string email) =>
            AdminAsync(
                $"""
                insert into submissions.submission (owner, id, public_id, widget_type, release_digest, fields, content_hash)
                select '{Owner}', gen_random_uuid(), '{Id}', 'forms.contact', 'sha256:' || repeat('0', 64),
                    jsonb_build_object('email', {email}), 'sha256:' || repeat('0', 64)
                from generate_series(1, {count}) n
                """
            );

        public async Task<long> CountAsync(string which) =>
            (long)
                (await AdminAsync($"select count(*) from submissions.submission where owner = '{Owner}' and {which}"))!;

        public async Task<object?> AdminAsync(string sql)
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new Npgsql.NpgsqlCommand(sql, admin);
            return await command.ExecuteScalarAsync(Ct);
        }

        public async Task AgeAsync(int days)
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new Npgsql.NpgsqlCommand(
                "update submissions.submission set received_at = received_at - make_interval(days => $2) where public_id = $1",
                admin
            );
            command.Parameters.AddWithValue(Id);
            command.Parameters.AddWithValue(days);
            await command.ExecuteNonQueryAsync(Ct);
        }

        public async Task ForgetJobsAsync(string kind)
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new Npgsql.NpgsqlCommand(
                "delete from platform.job where owner = $1 and kind = $2",
                admin
            );
            command.Parameters.AddWithValue(Guid.Parse(Owner.ToString()!));
            command.Parameters.AddWithValue(kind);
            (await command.ExecuteNonQueryAsync(Ct)).ShouldBePositive();
        }

        public async Task<string> EventsAsync()
        {
            await using var admin = await Server.Postgres.OpenAdminAsync(Ct);
            await using var command = new Npgsql.NpgsqlCommand(
                "select coalesce(string_agg(type || ' ' || data::text, e'\\n'), '') from platform.event where stream_id = $1",
                admin
            );
            command.Parameters.AddWithValue("submissions/" + Id);
            return (string)(await command.ExecuteScalarAsync(Ct))!;
        }

        public void Dispose() => Client.Dispose();
    }
}

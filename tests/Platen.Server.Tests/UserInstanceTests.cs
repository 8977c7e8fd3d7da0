using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Server.Tests;

public sealed class UserInstanceTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_workspace_makes_saves_publishes_and_serves_its_own_instance()
    {
        using var owner = await NewWorkspaceAsync();
        var made = await owner.CreateAsync(Faq("Hello from a workspace"));
        made.Status.ShouldBe(201);
        var id = made.Json["publicId"]!.GetValue<string>();
        id.ShouldMatch("^wgt_content\\.faq_u_[a-z2-9]{12}$");
        made.Json["kind"]!.GetValue<string>().ShouldBe("user");

        var path = "/v1/instances/" + id;
        (await owner.Client.SendAsync(HttpMethod.Put, path, Faq("Hello again"), made.Tag)).Tag.ShouldBe("\"2\"");
        await owner.Client.SendAsync(
            HttpMethod.Put,
            path + "/locales/de",
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Hallo",
                    },
                },
            },
            create: true
        );
        var published = await owner.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, "\"2\"");
        (published.Status, published.Json["outcome"]!.GetValue<string>()).ShouldBe((200, "published"));
        (await server.Nobody.GetStringAsync($"/e/{id}", Ct)).ShouldContain("Hello again");
        (await server.Nobody.GetStringAsync($"/e/{id}?locale=de", Ct)).ShouldContain("Hallo");
        var listed = await owner.Client.SendAsync(HttpMethod.Get, $"{owner.Path}?q=HELLO AGAIN");
        listed.Json["items"]!.AsArray().Single()!["publicId"]!.GetValue<string>().ShouldBe(id);

        (await owner.Client.SendAsync(HttpMethod.Patch, path, new { status = "unpublished" }, "\"2\"")).Tag.ShouldBe(
            "\"3\""
        );
        await server.IsServedAsync(id, isServed: false);
    }

    [Fact]
    public async Task To_another_workspace_an_instance_is_not_there_and_its_id_is_taken()
    {
        using var one = await NewWorkspaceAsync();
        using var other = await NewWorkspaceAsync();
        var path = "/v1/instances/wgt_content.faq_u_" + Guid.CreateVersion7().ToString("N");
        (await one.Client.SendAsync(HttpMethod.Put, path, Faq("mine"), create: true)).Status.ShouldBe(201);

        (await other.Client.SendAsync(HttpMethod.Get, path)).Problem.ShouldBe("not-found");
        (await other.Client.SendAsync(HttpMethod.Get, path + "/versions/1")).Problem.ShouldBe("not-found");
        (await other.Client.SendAsync(HttpMethod.Put, path, Faq("mine now"), create: true)).Problem.ShouldBe(
            "id-taken"
        );
        (await other.Client.SendAsync(HttpMethod.Delete, path, ifMatch: "*")).Problem.ShouldBe("not-found");
        (await other.Client.SendAsync(HttpMethod.Get, other.Path)).Json["items"]!.AsArray().ShouldBeEmpty();
        // An operator enters every workspace.
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200);
        (await one.Client.SendAsync(HttpMethod.Get, "/v1/instances/wgt_curated_none")).Problem.ShouldBe("not-found");
        (
            await one.Client.SendAsync(HttpMethod.Put, "/v1/instances/wgt_curated_none", Faq("x"), create: true)
        ).Status.ShouldBe(403);
    }

    [Fact]
    public async Task On_what_machine_the_platform_runs_is_explained_to_operators_alone()
    {
        using var one = await NewWorkspaceAsync();
        var path = "/v1/instances/wgt_content.faq_u_" + Guid.CreateVersion7().ToString("N");
        (await one.Client.SendAsync(HttpMethod.Put, path, Faq("mine"), create: true)).Status.ShouldBe(201);
        var told = await one.Client.SendAsync(HttpMethod.Get, path + "/explanation");
        told.Status.ShouldBe(200, told.Text);
        told.Json["node"].ShouldBeNull();
        told.Text.ShouldNotContain(Environment.MachineName);
        var toOperator = await server.Owner.SendAsync(HttpMethod.Get, path + "/explanation");
        toOperator.Json["node"]!["process"]!.GetValue<int>().ShouldBe(Environment.ProcessId);
    }

    [Fact]
    public async Task The_same_creation_sent_twice_makes_one_instance()
    {
        using var owner = await NewWorkspaceAsync();
        var key = Guid.CreateVersion7().ToString();
        var first = await owner.CreateAsync(Faq("once"), key);
        var second = await owner.CreateAsync(Faq("once"), key);
        (first.Status, second.Status).ShouldBe((201, 200));
        second.Json["publicId"]!.GetValue<string>().ShouldBe(first.Json["publicId"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_duplicate_has_the_content_and_the_locales_of_its_model()
    {
        using var owner = await NewWorkspaceAsync();
        var model = "wgt_curated_" + Guid.CreateVersion7().ToString("N");
        await server.Owner.SendAsync(HttpMethod.Put, "/v1/instances/" + model, Faq("showcase"), create: true);
        await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{model}/locales/de",
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Schaustück",
                    },
                },
            },
            create: true
        );
        var copy = await owner.CreateAsync(new JsonObject { ["from"] = model });
        copy.Status.ShouldBe(201);
        copy.Json["config"]!["heading"]!.GetValue<string>().ShouldBe("showcase");
        copy.Json["locales"]!.AsArray().Single()!.GetValue<string>().ShouldBe("de");
    }

    [Fact]
    public async Task Every_save_is_a_version_that_can_be_compared_and_restored()
    {
        using var owner = await NewWorkspaceAsync();
        var made = await owner.CreateAsync(Faq("one"));
        var path = "/v1/instances/" + made.Json["publicId"];
        await owner.Client.SendAsync(HttpMethod.Put, path, Faq("two"), "\"1\"");
        await owner.Client.SendAsync(HttpMethod.Put, path, Faq("three"), "\"2\"");

        var versions = await owner.Client.SendAsync(HttpMethod.Get, path + "/versions?limit=2");
        versions.Json["items"]!.AsArray().Select(v => v!["revision"]!.GetValue<long>()).ShouldBe([3, 2]);
        versions.Json["nextBefore"]!.GetValue<long>().ShouldBe(2);
        var difference = await owner.Client.SendAsync(HttpMethod.Get, path + "/versions/1/difference?to=3");
        var change = difference.Json["changes"]!.AsArray().Single()!;
        change["path"]!.GetValue<string>().ShouldBe("/config/heading");
        change["to"]!.GetValue<string>().ShouldBe("three");
        (await owner.Client.SendAsync(HttpMethod.Get, path + "/versions/9")).Status.ShouldBe(404);

        (await owner.Client.SendAsync(HttpMethod.Post, path + "/versions/1/restore")).Status.ShouldBe(428);
        var restored = await owner.Client.SendAsync(HttpMethod.Post, path + "/versions/1/restore", ifMatch: "\"3\"");
        restored.Tag.ShouldBe("\"4\"");
        restored.Json["config"]!["heading"]!.GetValue<string>().ShouldBe("one");
    }

    [Fact]
    public async Task A_deleted_instance_is_off_the_air_and_comes_back_live_when_the_deletion_is_undone()
    {
        using var owner = await NewWorkspaceAsync();
        var made = await owner.CreateAsync(Faq("keep me"));
        var id = made.Json["publicId"]!.GetValue<string>();
        var path = "/v1/instances/" + id;
        await owner.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, "\"1\"");
        (await owner.Client.SendAsync(HttpMethod.Delete, path)).Status.ShouldBe(428);
        var deleted = await owner.Client.SendAsync(HttpMethod.Delete, path, ifMatch: "\"1\"");
        (deleted.Status, deleted.Tag).ShouldBe((200, "\"2\""));

        (await owner.Client.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(404);
        await server.IsServedAsync(id, isServed: false);
        (await owner.Client.SendAsync(HttpMethod.Get, owner.Path)).Json["items"]!.AsArray().ShouldBeEmpty();
        var bin = await owner.Client.SendAsync(HttpMethod.Get, owner.Path + "?deleted=true");
        bin.Json["items"]!.AsArray().Single()!["publicId"]!.GetValue<string>().ShouldBe(id);
        (await owner.Client.SendAsync(HttpMethod.Put, path, Faq("again"), create: true)).Status.ShouldBe(412);

        var back = await owner.Client.SendAsync(HttpMethod.Post, path + "/restore", ifMatch: "\"2\"");
        (back.Status, back.Tag).ShouldBe((200, "\"3\""));
        await server.IsServedAsync(id, isServed: true);
        (await server.Nobody.GetStringAsync("/e/" + id, Ct)).ShouldContain("keep me");
        (await owner.Client.SendAsync(HttpMethod.Post, path + "/restore", ifMatch: "*")).Status.ShouldBe(409);
        (await server.Owner.SendAsync(HttpMethod.Delete, "/v1/instances/wgt_curated_x", ifMatch: "*")).Problem.ShouldBe(
            "conflict"
        );
    }

    [Fact]
    public async Task Another_type_keeps_what_fits_and_says_what_is_lost()
    {
        using var owner = await NewWorkspaceAsync();
        await MakeBaselineAsync(server);
        var made = await owner.CreateAsync(Faq("Numbers"));
        var id = made.Json["publicId"]!.GetValue<string>();
        var translated = await owner.Client.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{id}/locales/de",
            new
            {
                ops = new object[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Zahlen",
                    },
                    new
                    {
                        op = "set",
                        path = "/items/0/question",
                        value = "Warum?",
                    },
                },
            },
            create: true
        );
        translated.Status.ShouldBe(201, translated.Text);
        var dry = await owner.Client.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{id}/type",
            new { widgetType = "social.proof", dryRun = true },
            "\"1\""
        );
        dry.Json["saved"].ShouldBeNull();
        var switched = await owner.Client.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{id}/type",
            new { widgetType = "social.proof" },
            "\"1\""
        );
        switched.Status.ShouldBe(200);
        switched.Json["config"]!["heading"]!.GetValue<string>().ShouldBe("Numbers");
        var lost = switched.Json["lost"]!.AsArray().Select(l => l!.GetValue<string>()).ToList();
        lost.ShouldBe(["/items", "/locales/de/items/0/question"]);
        dry.Json["lost"]!.AsArray().Select(l => l!.GetValue<string>()).ShouldBe(lost);
        switched.Json["filled"]!.AsArray().ShouldNotBeEmpty();
        switched.Json["publicId"]!.GetValue<string>().ShouldBe(id.Replace("content.faq", "social.proof"));
        switched.Json["saved"]!["locales"]!.AsArray().Single()!.GetValue<string>().ShouldBe("de");
        var german = await owner.Client.SendAsync(
            HttpMethod.Get,
            $"/v1/instances/{switched.Json["publicId"]}/locales/de"
        );
        var op = german.Json["ops"]!.AsArray().Single()!;
        (op["path"]!.GetValue<string>(), op["value"]!.GetValue<string>()).ShouldBe(("/heading", "Zahlen"));
    }

    [Fact]
    public async Task Curated_content_of_another_type_says_which_translations_it_loses()
    {
        var id = "wgt_curated_" + Guid.CreateVersion7().ToString("N");
        await server.Owner.SendAsync(HttpMethod.Put, "/v1/instances/" + id, Faq("Numbers"), create: true);
        foreach (var (locale, path) in new[] { ("de", "/heading"), ("fr", "/items/0/question") })
        {
            var translated = await server.Owner.SendAsync(
                HttpMethod.Put,
                $"/v1/instances/{id}/locales/{locale}",
                new
                {
                    ops = new[]
                    {
                        new
                        {
                            op = "set",
                            path,
                            value = "Anders",
                        },
                    },
                },
                create: true
            );
            translated.Status.ShouldBe(201, translated.Text);
        }
        var switched = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{id}/type",
            new { widgetType = "social.proof", dryRun = true },
            "\"1\""
        );
        switched.Status.ShouldBe(200, switched.Text);
        switched.Json["lost"]!
            .AsArray()
            .Select(l => l!.GetValue<string>())
            .ShouldBe(["/items", "/locales/fr/items/0/question"]);
    }

    [Fact]
    public async Task A_deprecated_instance_shows_its_baseline_and_says_so()
    {
        using var owner = await NewWorkspaceAsync();
        await server.Owner.SendAsync(
            HttpMethod.Put,
            "/v1/instances/wgt_main_content.faq",
            Faq("The baseline"),
            create: true
        );
        await server.Owner.SendAsync(HttpMethod.Put, "/v1/instances/wgt_main_content.faq/publication", new { }, "*");
        var made = await owner.CreateAsync(Faq("Of yesterday"));
        var id = made.Json["publicId"]!.GetValue<string>();
        await owner.Client.SendAsync(HttpMethod.Patch, "/v1/instances/" + id, new { status = "deprecated" }, "\"1\"");
        await owner.Client.SendAsync(HttpMethod.Put, $"/v1/instances/{id}/publication", new { }, "\"2\"");
        using var shown = await server.Nobody.GetAsync("/e/" + id, Ct);
        (await shown.Content.ReadAsStringAsync(Ct)).ShouldNotContain("Of yesterday");
        shown.Headers.GetValues("X-Platen-Fallback").Single().ShouldBe("baseline");
    }

    [Theory]
    [InlineData("wgt_content.faq_u_a_b", "content.faq")]
    [InlineData("wgt_forms.contact_u_a", "content.faq")]
    [InlineData("wgt_main_content.faq", "content.faq")]
    [InlineData("wgt_curated_a", "content.faq")]
    public async Task The_table_itself_refuses_an_id_that_is_no_user_instances(string id, string type)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var insert = new NpgsqlCommand(
            """
            with claimed as (insert into widgets.user_instance_id (owner, public_id) values ($3, $1))
            insert into widgets.widget_instances (
                owner, id, public_id, widget_type, status, config, config_digest, updated_by, updated_by_name, stage_profile
            ) values ($3, $3, $1, $2, 'published', '{}', 'sha256:' || repeat('0', 64), $3, 'x', 'standalone')
            """,
            admin
        );
        insert.Parameters.AddWithValue(id);
        insert.Parameters.AddWithValue(type);
        insert.Parameters.AddWithValue(Guid.CreateVersion7());
        var refused = await Should.ThrowAsync<PostgresException>(() => insert.ExecuteNonQueryAsync(Ct));
        refused.SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
    }

    [Fact]
    public async Task An_overlay_has_the_scope_of_its_owner_and_leads_to_an_instance()
    {
        await using var session = await server.Postgres.OpenAsync(TestOwner.New(), Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.ExecuteAsync(
                """
                insert into widgets.widget_instance_locales (owner, scope, public_id, locale, ops, base_digest, updated_by, updated_by_name)
                values (platform.current_owner(), 'user', 'wgt_content.faq_u_nowhere', 'de', '[]', 'sha256:' || repeat('0', 64), $1, 'x')
                """,
                Ct,
                Sql.Uuid(Guid.CreateVersion7())
            )
        );
        refused.SqlState.ShouldBe(PostgresErrorCodes.ForeignKeyViolation);
    }

    private async Task<WorkspaceUser> NewWorkspaceAsync()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var id = new OwnerId(Guid.Parse(made.Json["id"]!.GetValue<string>()));
        var key = await server.CreateKeyAsync(id, "instances:read", "instances:write");
        var client = new HttpClient { BaseAddress = server.Nobody.BaseAddress };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return new WorkspaceUser(client, $"/v1/workspaces/{made.Json["slug"]}/instances");
    }

    /// <summary>Sees to it that there is a baseline of <c>social.proof</c>, which an instance of another type can become.</summary>
    internal static async Task MakeBaselineAsync(ServerFixture server)
    {
        var baseline = JsonNode.Parse(
            await File.ReadAllTextAsync(
                Path.Combine(AppContext.BaseDirectory, "samples", "widgets", "wgt_main_social.proof.json"),
                Ct
            )
        )!;
        await server.Owner.SendAsync(
            HttpMethod.Put,
            "/v1/instances/wgt_main_social.proof",
            new JsonObject { ["widgetType"] = "social.proof", ["config"] = baseline["config"]!.DeepClone() },
            create: true
        );
    }

    internal static JsonObject Faq(string heading) =>
        new()
        {
            ["widgetType"] = "content.faq",
            ["config"] = new JsonObject
            {
                ["heading"] = heading,
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["id"] = "q",
                        ["question"] = "Why?",
                        ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = "Because." }),
                    }
                ),
            },
        };

    private sealed record WorkspaceUser(HttpClient Client, string Path) : IDisposable
    {
        public async Task<Answer> CreateAsync(JsonObject body, string? idempotencyKey = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Path)
            {
                Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json")),
            };
            if (idempotencyKey is not null)
                request.Headers.Add("Idempotency-Key", idempotencyKey);
            using var response = await Client.SendAsync(request, Ct);
            return new Answer(
                (int)response.StatusCode,
                response.Headers.ETag?.ToString(),
                response.Content.Headers.ContentType?.MediaType,
                await response.Content.ReadAsStringAsync(Ct)
            );
        }

        public void Dispose() => Client.Dispose();
    }
}

using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>A database in the old shape is taken over, however often one has to begin.</summary>
public sealed class LegacyMigrationTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Five_thousand_rows_and_their_mess_arrive_once_whenever_it_is_killed()
    {
        await using var old = await LegacyDatabase.StartAsync(Ct);
        await old.FillAsync(Ct);
        (await old.CountAsync("select count(*) from widget_instances", Ct)).ShouldBe(5000);
        var before = await old.ChecksumAsync(Ct);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );

        var dry = await MigrateAsync(server, old, "--dry-run");
        dry.ExitCode.ShouldBe(0, dry.Errors);
        var planned = Counts(dry, 0);
        planned["user"]!.GetValue<int>().ShouldBe(4290);
        planned["curated"]!.GetValue<int>().ShouldBe(422);
        planned["baseline"]!.GetValue<int>().ShouldBe(2);
        planned["duplicates"]!.GetValue<int>().ShouldBe(100);
        planned["refused: unknown-type"]!.GetValue<int>().ShouldBe(70);
        planned["refused: invalid-config"]!.GetValue<int>().ShouldBe(60);
        planned["refused: no-workspace"]!.GetValue<int>().ShouldBe(50);
        planned["refused: unreadable-id"]!.GetValue<int>().ShouldBe(6);
        var rows = Json(dry)["phases"]![0]!["rows"]!.AsArray();
        rows.Count.ShouldBe(5000);
        rows.Select(r => r!["state"]!.GetValue<string>()).Count(s => s == "planned").ShouldBe(4714);
        (await old.CountAsync("select count(*) from pg_namespace where nspname = 'platen_migration'", Ct)).ShouldBe(0);
        (await CountInstancesAsync(server)).ShouldBe(0);

        // In the middle of each phase.
        await KillWhenAsync(server, old, "select count(*) >= 500 from platen_migration.instance");
        await KillWhenAsync(server, old, "select count(*) >= 5 from platen_migration.workspace");
        await KillWhenAsync(
            server,
            old,
            "select count(*) >= 800 from platen_migration.instance where state = 'written'"
        );
        await KillWhenAsync(server, old, "select count(*) >= 200 from platen_migration.overlay");
        await KillWhenAsync(server, old, "select exists (select from platen_migration.phase where number = 3)");
        await KillWhenAsync(server, old, "select exists (select from platen_migration.phase where number = 4)");

        var run = await MigrateAsync(server, old);
        run.ExitCode.ShouldBe(0, run.Output + run.Errors);
        Json(run)["parity"]!.GetValue<bool>().ShouldBeTrue();
        Counts(run, 4)["equal"]!.GetValue<int>().ShouldBe(4714);
        Counts(run, 4)["left behind"]!.GetValue<int>().ShouldBe(286);
        (await CountInstancesAsync(server)).ShouldBe(4714);

        // Twice is once.
        var again = await MigrateAsync(server, old);
        again.ExitCode.ShouldBe(0, again.Errors);
        Counts(again, 2).Select(c => c.Key).ShouldBe(["there already"]);
        Counts(again, 3).ShouldNotContain(c => c.Key.StartsWith("written", StringComparison.Ordinal));
        (await CountInstancesAsync(server)).ShouldBe(4714);
        using var client = server.OpenClient();
        (await ReadAsync(client, "wgt_main_content.faq"))["revision"]!.GetValue<long>().ShouldBe(1);

        // Nothing is deleted and nothing changed, but no curated row comes in any more.
        (await old.ChecksumAsync(Ct)).ShouldBe(before);
        await Should.ThrowAsync<PostgresException>(() =>
            old.RunAsync(
                "insert into widget_instances (id, public_id) values (gen_random_uuid(), 'wgt_curated_late')",
                Ct
            )
        );
        await old.RunAsync(
            "insert into widget_instances (id, public_id) values (gen_random_uuid(), 'wgt_faq_u_late')",
            Ct
        );
        await CheckOverlaysAsync(server, old);
        (await LeftKeysAsync(server)).ShouldAllBe(k => k["expiresAt"] != null);
    }

    [Fact]
    public async Task What_the_server_has_under_an_id_is_left_alone_until_somebody_decided()
    {
        await using var old = await LegacyDatabase.StartAsync(Ct);
        await old.RunAsync(
            """
            insert into widget_instances (id, widget_id, public_id, status, config) values
                (id_of(1), widget_of('faq'), 'wgt_curated_ours', 'published', '{"heading": "Old", "items": [{"id": "q", "question": "Why?", "answer": [{"type": "paragraph", "text": "Because."}]}]}')
            """,
            Ct
        );
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        using var client = server.OpenClient();
        await PutAsync(client, "wgt_curated_ours", "New", "*");

        var refused = await MigrateAsync(server, old);
        refused.ExitCode.ShouldBe(1);
        Json(refused)["parity"]!.GetValue<bool>().ShouldBeFalse();
        (await ReadAsync(client, "wgt_curated_ours"))["config"]!["heading"]!.GetValue<string>().ShouldBe("New");
        (await MigrateAsync(server, old, "--phase", "5")).ExitCode.ShouldBe(1);
        (await old.CountAsync("select count(*) from pg_constraint where conname like 'platen%'", Ct)).ShouldBe(0);

        // Somebody made them the same.
        await PutAsync(client, "wgt_curated_ours", "Old", null);
        (await MigrateAsync(server, old)).ExitCode.ShouldBe(0);
        // What changes in the old database while both are in use is taken over again, while it is only changed there.
        await old.RunAsync(
            """
            alter table widget_instances drop constraint platen_curated_ids_moved_away;
            update widget_instances set config = jsonb_set(config, '{heading}', '"Newer"');
            insert into widget_instance_locales (public_id, locale, ops)
                values ('wgt_curated_ours', 'de', '[{"op": "set", "path": "/heading", "value": "Neuer"}]');
            """,
            Ct
        );
        // It is known what was written last, also when it was cut off after it noted what is there now.
        (await MigrateAsync(server, old, "--phase", "0")).ExitCode.ShouldBe(0);
        (await MigrateAsync(server, old)).ExitCode.ShouldBe(0);
        (await ReadAsync(client, "wgt_curated_ours"))["config"]!["heading"]!.GetValue<string>().ShouldBe("Newer");
        // Phase by phase, what is written is what the row says by then, and it is known to be ours when the row changes once more.
        foreach (var heading in (string[])["Newest", "Newer"])
        {
            await old.RunAsync(
                $$"""
                alter table widget_instances drop constraint if exists platen_curated_ids_moved_away;
                update widget_instances set config = jsonb_set(config, '{heading}', '"{{heading}}"')
                """,
                Ct
            );
            var backfill = await MigrateAsync(server, old, "--phase", "2");
            Counts(backfill, 2)["written again"]!.GetValue<int>().ShouldBe(1, backfill.Output);
            (await ReadAsync(client, "wgt_curated_ours"))["config"]!["heading"]!.GetValue<string>().ShouldBe(heading);
        }
        const string Heading = "v1/instances/wgt_curated_ours/locales/de";
        await old.RunAsync(
            """
            update widget_instance_locales set ops = jsonb_set(ops, '{0,value}', '"Noch neuer"')
            """,
            Ct
        );
        Counts(await MigrateAsync(server, old), 3)["written again"]!.GetValue<int>().ShouldBe(1);
        (await HeadingAsync()).ShouldBe("Noch neuer");
        // What somebody wrote here since is left alone.
        using (var request = new HttpRequestMessage(HttpMethod.Put, Heading))
        {
            request.Content = JsonContent.Create(
                new
                {
                    ops = new[]
                    {
                        new
                        {
                            op = "set",
                            path = "/heading",
                            value = "Von Hand",
                        },
                    },
                }
            );
            request.Headers.TryAddWithoutValidation("If-Match", "*");
            using var saved = await client.SendAsync(request, Ct);
            saved.IsSuccessStatusCode.ShouldBeTrue(await saved.Content.ReadAsStringAsync(Ct));
        }
        await old.RunAsync("update widget_instance_locales set ops = jsonb_set(ops, '{0,value}', '\"Zu spät\"')", Ct);
        Counts(await MigrateAsync(server, old), 3)["conflicts"]!.GetValue<int>().ShouldBe(1);
        (await HeadingAsync()).ShouldBe("Von Hand");

        async Task<string> HeadingAsync() =>
            (await client.GetFromJsonAsync<JsonNode>(Heading, Ct))!["ops"]![0]!["value"]!.GetValue<string>();
    }

    [Fact]
    public async Task On_two_stages_each_takes_what_is_its_own()
    {
        await using var old = await LegacyDatabase.StartAsync(Ct);
        await old.RunAsync(
            """
            insert into workspaces values (workspace_of(1), 'One');
            insert into widget_instances (id, widget_id, workspace_id, public_id, status, config)
            select id_of(n), widget_of('faq'), case when n = 2 then workspace_of(1) end,
                case n when 1 then 'wgt_curated_ours' when 2 then 'wgt_faq_u_theirs' else 'wgt_main_faq' end, 'published',
                '{"heading": "Old", "items": [{"id": "q", "question": "Why?", "answer": [{"type": "paragraph", "text": "Because."}]}]}'
            from generate_series(1, 3) n;
            insert into widget_instance_locales (public_id, locale, ops)
            select id, 'de', '[{"op": "set", "path": "/heading", "value": "Alt"}, {"op": "set", "path": "gone.0.title", "value": "Weg"}]'
            from unnest(array['wgt_curated_ours', 'wgt_faq_u_theirs']) id;
            """,
            Ct
        );
        await using var cloud = await StartAsync("cloud");
        await using var authoring = await StartAsync("authoring");
        using var curated = authoring.OpenClient();

        // The cloud first, so that nothing is closed to curated rows before they have moved.
        var there = await MigrateAsync(cloud, old);
        there.ExitCode.ShouldBe(0, there.Output + there.Errors);
        (Counts(there, 0)["user"]!.GetValue<int>(), Counts(there, 0)["refused: cloud"]!.GetValue<int>()).ShouldBe(
            (1, 2)
        );
        there.Output.ShouldContain("cloud: curated content arrives by publish");
        Counts(there, 3)["written"]!.GetValue<int>().ShouldBe(1);
        Counts(there, 4)["equal"]!.GetValue<int>().ShouldBe(1);
        (await old.CountAsync("select count(*) from pg_constraint where conname like 'platen%'", Ct)).ShouldBe(0);

        var here = await MigrateAsync(authoring, old);
        here.ExitCode.ShouldBe(0, here.Output + here.Errors);
        Counts(here, 0)["refused: authoring"]!.GetValue<int>().ShouldBe(1);
        Counts(here, 3)["written"]!.GetValue<int>().ShouldBe(1);
        Counts(here, 4)["equal"]!.GetValue<int>().ShouldBe(2);
        (await ReadAsync(curated, "wgt_curated_ours"))["locales"]!.AsArray().Count.ShouldBe(1);
        (await old.CountAsync("select count(*) from pg_constraint where conname like 'platen%'", Ct)).ShouldBe(1);

        // And again, in whatever order, is once; also when it was cut off before it noted what it had written of a locale.
        await old.RunAsync("delete from platen_migration.overlay where old_id = 'wgt_curated_ours'", Ct);
        foreach (var stage in (PlatenServer[])[authoring, cloud, authoring])
        {
            var again = await MigrateAsync(stage, old);
            again.ExitCode.ShouldBe(0, again.Output + again.Errors);
            Counts(again, 2).Select(c => c.Key).ShouldBe(["there already"]);
            Counts(again, 3).ShouldNotContain(c => c.Key.StartsWith("written", StringComparison.Ordinal));
        }
        (
            await old.CountAsync(
                "select count(*) from platen_migration.overlay where old_id = 'wgt_curated_ours' and state = 'written'",
                Ct
            )
        ).ShouldBe(1);
        (await ReadAsync(curated, "wgt_curated_ours"))["revision"]!.GetValue<long>().ShouldBe(1);
        (await CountInstancesAsync(cloud)).ShouldBe(1);
        (await CountInstancesAsync(authoring)).ShouldBe(2);

        static Task<PlatenServer> StartAsync(string profile) =>
            PlatenServer.StartAsync(
                PostgresFixture.NewFolder(),
                Ct,
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_PROFILE", profile)
            );
    }

    [Fact]
    public async Task Rows_with_numbers_for_ids_and_texts_for_json_are_read_and_what_is_no_json_stays_behind()
    {
        await using var old = await LegacyDatabase.StartAsync(Ct);
        await old.RunAsync(
            """
            drop table widget_instances;
            create table widget_instances (
                id bigint primary key, widget_id uuid, workspace_id uuid, public_id text, status text, config text, updated_at timestamptz
            );
            alter table widget_instance_locales alter column ops type text;
            insert into widget_instances
            select n, widget_of('faq'), null::uuid, 'wgt_curated_same', 'published',
                replace('{"heading": "Row #", "items": [{"id": "q", "question": "Why?", "answer": [{"type": "paragraph", "text": "Because."}]}]}', '#', n::text)
            from generate_series(1, 3) n
            union all values (4, widget_of('faq'), null::uuid, 'wgt_curated_broken', 'published', '{"heading": '),
                (5, widget_of('faq'), null, 'wgt_curated_deep', 'published', repeat('[', 5000) || repeat(']', 5000)),
                (6, widget_of('faq'), null, 'wgt_curated_none', 'published', null);
            insert into widget_instance_locales (public_id, locale, ops) values ('wgt_curated_same', 'de', '[{');
            """,
            Ct
        );
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );

        var run = await MigrateAsync(server, old);
        run.ExitCode.ShouldBe(0, run.Output + run.Errors);
        (Counts(run, 4)["equal"]!.GetValue<int>(), Counts(run, 4)["left behind"]!.GetValue<int>()).ShouldBe((3, 3));
        Counts(run, 0)["refused: invalid-config"]!.GetValue<int>().ShouldBe(3);
        Counts(run, 3)["refused"]!.GetValue<int>().ShouldBe(1);
        using var client = server.OpenClient();
        (await ItemsAsync(client, "v1/curated-instances"))
            .Select(i => i["publicId"]!.GetValue<string>())
            .ShouldAllBe(id => id.StartsWith("wgt_curated_same", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_database_of_another_shape_is_named_as_such()
    {
        await using var old = await LegacyDatabase.StartAsync(Ct);
        await old.RunAsync("alter table widget_instances rename column config to settings", Ct);
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        var refused = await MigrateAsync(server, old);
        (refused.ExitCode, JsonNode.Parse(refused.Errors)!["detail"]!.GetValue<string>()).ShouldBe(
            (2, "The database lacks widget_instances.config.")
        );
    }

    private static async Task CheckOverlaysAsync(PlatenServer server, LegacyDatabase old)
    {
        using var client = server.OpenClient();
        // Re-pointed to the new name; what has no place is left out.
        var renamed = await client.GetFromJsonAsync<JsonNode>(
            "v1/instances/wgt_content.faq_u_summer-sale-3901/locales/pt-BR",
            Ct
        );
        renamed!["ops"]!.AsArray().Single()!["path"]!.GetValue<string>().ShouldBe("/heading");
        // Known to be stale, so its readers get the base text.
        var preview = await client.GetFromJsonAsync<JsonNode>(
            "v1/instances/wgt_curated_quotes-4201/publication:preview",
            Ct
        );
        preview!["staleTranslations"]!["fr"]!.AsArray().Single()!.GetValue<string>().ShouldBe("/heading");
        (await old.CountAsync("select count(*) from platen_migration.overlay where state = 'written'", Ct)).ShouldBe(
            700
        );
        (
            await old.CountAsync("select count(*) from platen_migration.overlay where notes[1] like 'orphan%'", Ct)
        ).ShouldBe(40);
    }

    private static Task<CommandResult> MigrateAsync(PlatenServer server, LegacyDatabase old, params string[] more) =>
        server.RunCliAsync(
            Ct,
            [
                "migrate-legacy",
                "--from",
                old.ConnectionString,
                "--plan",
                "bridge",
                "--type",
                "quotes=social.testimonials",
                "--json",
                .. more,
            ]
        );

    private static async Task KillWhenAsync(PlatenServer server, LegacyDatabase old, string condition)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Build.Cli,
                "--server",
                server.Address.ToString(),
                "migrate-legacy",
                "--from",
                old.ConnectionString,
                "--plan",
                "bridge",
                "--type",
                "quotes=social.testimonials",
                "--json",
            ]
        )
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PLATEN_KEY"] = server.OwnerKey;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(Ct);
        var errors = process.StandardError.ReadToEndAsync(Ct);
        await ServerProcess.WaitUntilAsync(
            condition,
            TimeSpan.FromSeconds(240),
            async ct =>
            {
                // The last phase is one statement, which may be done by the time that it is looked at.
                if (process.HasExited)
                    process.ExitCode.ShouldBe(0, $"It ended: {await output}{await errors}");
                return await old.CountAsync("select count(to_regclass('platen_migration.workspace'))", ct) == 1
                    && await old.CountAsync($"select ({condition})::int", ct) == 1;
            },
            Ct
        );
        if (!process.HasExited)
            process.Kill();
        await process.WaitForExitAsync(Ct);
        await Task.WhenAll(output, errors);
    }

    private static JsonNode Json(CommandResult run) => JsonNode.Parse(run.Output)!;

    private static JsonObject Counts(CommandResult run, int phase) =>
        Json(run)["phases"]!.AsArray().Single(p => p!["phase"]!.GetValue<int>() == phase)!["counts"]!.AsObject();

    private static async Task<JsonNode> ReadAsync(HttpClient client, string id) =>
        (await client.GetFromJsonAsync<JsonNode>("v1/instances/" + id, Ct))!;

    private static async Task PutAsync(HttpClient client, string id, string heading, string? creates)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id);
        var answer = new object[] { new { type = "paragraph", text = "Because." } };
        request.Content = JsonContent.Create(
            new
            {
                widgetType = "content.faq",
                status = "published",
                config = new
                {
                    heading,
                    items = new[]
                    {
                        new
                        {
                            id = "q",
                            question = "Why?",
                            answer,
                        },
                    },
                },
            }
        );
        request.Headers.TryAddWithoutValidation(creates is null ? "If-Match" : "If-None-Match", "*");
        using var saved = await client.SendAsync(request, Ct);
        saved.IsSuccessStatusCode.ShouldBeTrue(await saved.Content.ReadAsStringAsync(Ct));
    }

    private static async Task<int> CountInstancesAsync(PlatenServer server)
    {
        using var client = server.OpenClient();
        var count = await CountAsync(client, "v1/curated-instances");
        foreach (var workspace in (await ItemsAsync(client, "v1/workspaces")).Where(IsTenant))
            count += await CountAsync(client, $"v1/workspaces/{workspace["slug"]!.GetValue<string>()}/instances");
        return count;
    }

    private static async Task<List<JsonNode>> LeftKeysAsync(PlatenServer server)
    {
        using var client = server.OpenClient();
        var keys = new List<JsonNode>();
        foreach (var workspace in (await ItemsAsync(client, "v1/workspaces")).Where(IsTenant))
            keys.AddRange(await ItemsAsync(client, $"v1/workspaces/{workspace["slug"]!.GetValue<string>()}/keys"));
        return keys;
    }

    private static bool IsTenant(JsonNode workspace) =>
        workspace["slug"]!.GetValue<string>().StartsWith("legacy-", StringComparison.Ordinal);

    private static async Task<int> CountAsync(HttpClient client, string path) => (await ItemsAsync(client, path)).Count;

    private static async Task<List<JsonNode>> ItemsAsync(HttpClient client, string path)
    {
        var items = new List<JsonNode>();
        string? cursor = null;
        do
        {
            var page = (
                await client.GetFromJsonAsync<JsonNode>(
                    $"{path}?limit=100{(cursor is null ? "" : "&cursor=" + Uri.EscapeDataString(cursor))}",
                    Ct
                )
            )!;
            items.AddRange(page["items"]!.AsArray().Select(i => i!));
            cursor = page["nextCursor"]?.GetValue<string>();
        } while (cursor is not null);
        return items;
    }
}

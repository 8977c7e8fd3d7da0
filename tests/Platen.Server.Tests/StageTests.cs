using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Testing.Widgets;
using Platen.Widgets;
using Platen.Widgets.Stages;

namespace Platen.Server.Tests;

/// <summary>What each profile lets in, and the one way between them.</summary>
public sealed class StageTests(ServerFixture server)
{
    private const string A = "wgt_curated_a";
    private const string B = "wgt_curated_b";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>profile × operation → the status that answers it.</summary>
    [Theory]
    [InlineData("standalone", 201, 200, 200, 201, 200, 200)]
    [InlineData("authoring", 201, 200, 200, 403, 403, 403)]
    [InlineData("cloud", 403, 403, 403, 201, 200, 200)]
    public async Task A_profile_takes_the_writes_that_are_its_own(
        string profile,
        int saveCurated,
        int publishCurated,
        int changeCurated,
        int createUser,
        int publishUser,
        int takeIn
    )
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, profile);
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        var publisher = stage.Publisher;
        var curated = "/v1/instances/" + A;
        var faq = UserInstanceTests.Faq("x");
        (await publisher.SendAsync(HttpMethod.Put, curated, faq, create: true)).Status.ShouldBe(saveCurated);
        (await publisher.SendAsync(HttpMethod.Put, curated + "/publication", new { }, "*")).Status.ShouldBe(
            publishCurated
        );
        (await publisher.SendAsync(HttpMethod.Patch, curated, new { status = "deprecated" }, "*")).Status.ShouldBe(
            changeCurated
        );

        using var workspace = stage.Client(
            await stage.KeyAsync(OwnerId.Of(WorkspaceId.New()), "instances:read", "instances:write")
        );
        const string user = "/v1/instances/wgt_content.faq_u_mine";
        (await workspace.SendAsync(HttpMethod.Put, user, faq, create: true)).Status.ShouldBe(createUser);
        (await workspace.SendAsync(HttpMethod.Put, user + "/publication", new { }, "*")).Status.ShouldBe(publishUser);

        await source.SaveAsync(B, "from the source");
        if (takeIn == 200)
        {
            (await stage.PublishAsync(source, [B])).Status.ShouldBe(200);
            await stage.ShowsAsync(B, "from the source");
        }
        else
        {
            using var refused = await stage.PushManifestAsync("curated/" + B, "live", "{}");
            ((int)refused.StatusCode).ShouldBe(403);
            var order = new
            {
                items = new[] { new { publicId = B, snapshot = "sha256:" + new string('0', 64) } },
                stage = Guid.CreateVersion7(),
            };
            (
                await publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{Guid.CreateVersion7()}", order)
            ).Problem.ShouldBe("not-taken-in-here");
        }
        // The words of the refusals.
        if (saveCurated == 403)
            (await publisher.SendAsync(HttpMethod.Put, curated, faq, "*")).Problem.ShouldBe(
                "curated-arrives-by-publish"
            );
        if (createUser == 403)
            (await workspace.SendAsync(HttpMethod.Put, user, faq, create: true)).Problem.ShouldBe(
                "no-user-instances-here"
            );
    }

    [Fact]
    public async Task An_authoring_database_cannot_hold_a_user_instance_whoever_writes_it()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "authoring");
        foreach (var profile in (string[])["authoring", "standalone"])
        {
            await using var admin = new NpgsqlConnection(stage.ConnectionString + ";Pooling=false");
            await admin.OpenAsync(Ct);
            var refused = await Should.ThrowAsync<PostgresException>(() => InsertUserAsync(admin, profile));
            refused.SqlState.ShouldBeOneOf(PostgresErrorCodes.CheckViolation, PostgresErrorCodes.ForeignKeyViolation);
        }
    }

    [Fact]
    public async Task A_database_with_user_instances_cannot_become_an_authoring_one()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "cloud");
        await Stage.BindDatabaseAsync(stage.Pools, "authoring", Ct);
        await Stage.BindDatabaseAsync(stage.Pools, "cloud", Ct);
        await using (var admin = new NpgsqlConnection(stage.ConnectionString + ";Pooling=false"))
        {
            await admin.OpenAsync(Ct);
            await InsertUserAsync(admin, "cloud");
        }
        var refused = await Should.ThrowAsync<StageException>(() =>
            Stage.BindDatabaseAsync(stage.Pools, "authoring", Ct)
        );
        refused.Message.ShouldContain("bound to 'cloud'");
        await Stage.BindDatabaseAsync(stage.Pools, "standalone", Ct);
    }

    [Fact]
    public async Task In_a_cloud_the_database_itself_refuses_curated_writes_that_are_no_intake()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "cloud");
        await using var session = await stage.Pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "test"), Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.ExecuteAsync(
                """
                insert into widgets.curated_widget_instances (
                    id, public_id, widget_type, kind, status, config, config_digest, updated_by, updated_by_name
                ) values (gen_random_uuid(), 'wgt_curated_x', 'content.faq', 'curated', 'published', '{}',
                    'sha256:' || repeat('0', 64), gen_random_uuid(), 'x')
                """,
                Ct
            )
        );
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Fact]
    public async Task Nothing_on_an_authoring_server_takes_content_in()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "authoring");
        stage
            .Services.GetServices<IReleaseIntake>()
            .Select(i => i.SubjectPrefix)
            .ShouldNotContain(prefix => prefix == "curated/" || prefix == "widget-types/");
    }

    [Fact]
    public async Task Several_instances_go_live_together_and_an_unchanged_publish_changes_nothing()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "first A");
        await source.SaveAsync(B, "first B");
        await source.Publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{A}/locales/de",
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Erstes A",
                    },
                },
            },
            create: true
        );
        var published = await cloud.PublishAsync(source, [A, B]);
        published.Status.ShouldBe(200, published.Text);
        published.Json["items"]!.AsArray().ShouldAllBe(i => i!["outcome"]!.GetValue<string>() == "published");
        await cloud.ShowsAsync(A, "first A");
        await cloud.ShowsAsync(A + "?locale=de", "Erstes A");
        await cloud.ShowsAsync(B, "first B");

        var (here, there) = (await source.StateAsync(A, B), await cloud.StateAsync(A, B));
        foreach (var id in (string[])[A, B])
        {
            there[id]!["snapshot"]!.GetValue<string>().ShouldBe(here[id]!["snapshot"]!.GetValue<string>());
            there[id]!["isAsPublished"]!.GetValue<bool>().ShouldBeTrue();
        }
        var again = await cloud.PublishAsync(source, [A, B]);
        again.Json["items"]!.AsArray().ShouldAllBe(i => i!["outcome"]!.GetValue<string>() == "alreadyLive");
        (await cloud.Publisher.SendAsync(HttpMethod.Get, "/v1/instances/" + A)).Tag.ShouldBe("\"1\"");
    }

    [Fact]
    public async Task One_that_cannot_be_taken_in_keeps_all_of_them_from_going_live()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "good");
        await source.SaveAsync(B, "too large " + new string('x', 100));
        var config = UserInstanceTests.Faq("big")["config"]!;
        var items = config["items"]!.AsArray();
        for (var i = 0; i < 20; i++)
        {
            var item = items[0]!.DeepClone();
            item["id"] = $"q{i}";
            item["answer"]![0]!["text"] = Convert.ToBase64String(
                System.Security.Cryptography.RandomNumberGenerator.GetBytes(1200)
            );
            items.Add(item);
        }
        await source.Publisher.SendAsync(
            HttpMethod.Put,
            "/v1/instances/" + B,
            new JsonObject { ["widgetType"] = "content.faq", ["config"] = config.DeepClone() },
            "\"1\""
        );
        var refused = await cloud.PublishAsync(source, [A, B]);
        (refused.Status, refused.Problem).ShouldBe((422, "gate-closed"));
        refused.Json["publicId"]!.GetValue<string>().ShouldBe(B);
        await cloud.ShowsAsync(A, null);
        (await cloud.StateAsync(A, B)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_snapshot_with_a_text_of_a_megabyte_is_not_taken_in()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "a small heading");
        // No server makes such a snapshot; whoever has a key may push one.
        var artifact = (await source.Publisher.SendAsync(HttpMethod.Get, $"/v1/instances/{A}/snapshot")).Json;
        var manifest = artifact["manifest"]!.GetValue<string>();
        foreach (var file in artifact["files"]!.AsArray())
        {
            var former = file!["text"]!.GetValue<string>();
            var text = former.Replace("a small heading", new string('x', 1_000_000), StringComparison.Ordinal);
            var (before, after) = (Encoding.UTF8.GetBytes(former), Encoding.UTF8.GetBytes(text));
            var digest = Digest.Of(after).ToString();
            manifest = manifest
                .Replace(file["digest"]!.GetValue<string>(), digest, StringComparison.Ordinal)
                .Replace(
                    string.Create(CultureInfo.InvariantCulture, $"\"size\":{before.Length}"),
                    string.Create(CultureInfo.InvariantCulture, $"\"size\":{after.Length}"),
                    StringComparison.Ordinal
                );
            using var content = new ByteArrayContent(after);
            content.Headers.ContentType = new("application/octet-stream");
            using var pushed = await cloud.Publisher.PostAsync(
                $"/v2/curated/{A}/blobs/uploads/?digest={digest}",
                content,
                Ct
            );
            ((int)pushed.StatusCode).ShouldBe(201, await pushed.Content.ReadAsStringAsync(Ct));
        }
        manifest.ShouldNotBe(artifact["manifest"]!.GetValue<string>());
        var snapshot = Digest.Of(Encoding.UTF8.GetBytes(manifest)).ToString();
        using var taken = await cloud.PushManifestAsync(artifact["repository"]!.GetValue<string>(), snapshot, manifest);
        ((int)taken.StatusCode).ShouldBe(422);
        var problem = JsonNode.Parse(await taken.Content.ReadAsStringAsync(Ct))!["errors"]![0]!["detail"]!;
        problem["faults"]!.AsArray().Single()!["pointer"]!.GetValue<string>().ShouldBe("/config");
        var refused = await cloud.Publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/cutovers/{Guid.CreateVersion7()}",
            new { items = new[] { new { publicId = A, snapshot } }, stage = await source.StageIdAsync() }
        );
        (refused.Status, refused.Problem).ShouldBe((422, "no-such-release"));
        await cloud.ShowsAsync(A, null);
    }

    [Fact]
    public async Task Something_newer_is_not_overwritten_unless_that_is_said()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var other = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "of the source");
        await other.SaveAsync(A, "of the other");
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(200);
        var refused = await cloud.PublishAsync(other, [A]);
        (refused.Status, refused.Problem).ShouldBe((409, "newer-on-stage"));
        refused.Json["conflicts"]!.AsArray().Single()!["publicId"]!.GetValue<string>().ShouldBe(A);
        await cloud.ShowsAsync(A, "of the source");

        var noReason = await cloud.PublishAsync(other, [A], new JsonObject { ["overwrite"] = true });
        noReason.FaultPointers.ShouldBe(["/reason"]);
        var meant = new JsonObject { ["overwrite"] = true, ["reason"] = "the other is right" };
        (await cloud.PublishAsync(other, [A], meant)).Status.ShouldBe(200);
        await cloud.ShowsAsync(A, "of the other");
    }

    [Fact]
    public async Task Of_two_publishers_at_once_each_instance_has_one_winner_and_nothing_is_mixed()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "one");
        await source.SaveAsync(B, "one");
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => cloud.PublishAsync(source, [A, B])));
        answers.ShouldAllBe(a => a.Status == 200);
        answers.Count(a => a.Json["items"]![0]!["outcome"]!.GetValue<string>() == "published").ShouldBe(1);
        var moves = await cloud.Publisher.SendAsync(HttpMethod.Get, $"/v1/instances/{A}/publication");
        moves.Json["channelRevision"]!.GetValue<long>().ShouldBe(1);
    }

    [Fact]
    public async Task Of_two_publishers_of_different_contents_the_whole_of_one_is_shown()
    {
        await using var one = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var other = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        for (var round = 0; round < 3; round++)
        {
            string[] ids = [$"{A}-{round}", $"{B}-{round}"];
            foreach (var id in ids)
            {
                await one.SaveAsync(id, "of the one");
                await other.SaveAsync(id, "of the other");
            }
            var orders = new[] { await cloud.OrderAsync(one, ids), await cloud.OrderAsync(other, ids) };
            await OneWinsAsync(ids, orders, ["of the one", "of the other"]);

            // And of one source, of which one publisher has an older state: neither knows of the other.
            string[] more = [$"{A}-more-{round}", $"{B}-more-{round}"];
            foreach (var id in more)
                await one.SaveAsync(id, "former");
            var former = await cloud.OrderAsync(one, more);
            foreach (var id in more)
                await one.SaveAsync(id, "latter", "\"1\"");
            await OneWinsAsync(more, [former, await cloud.OrderAsync(one, more)], ["former", "latter"]);
        }

        async Task OneWinsAsync(string[] ids, JsonObject[] orders, string[] texts)
        {
            var answers = await Task.WhenAll(orders.Select(order => cloud.CutOverAsync(Guid.CreateVersion7(), order)));
            answers.Count(a => a.Status == 200).ShouldBe(1, string.Join('\n', answers.Select(a => a.Text)));
            answers.Single(a => a.Status != 200).Problem.ShouldBeOneOf("newer-on-stage", "stale-version");
            var winner = Array.FindIndex(answers, a => a.Status == 200);
            var states = await cloud.StateAsync(ids);
            foreach (var (id, item) in ids.Zip(orders[winner]["items"]!.AsArray()))
            {
                states[id]!["snapshot"]!.GetValue<string>().ShouldBe(item!["snapshot"]!.GetValue<string>());
                states[id]!["isAsPublished"]!.GetValue<bool>().ShouldBeTrue();
                await cloud.ShowsAsync(id, texts[winner]);
            }
        }
    }

    [Fact]
    public async Task What_is_taken_in_is_told_in_its_transaction()
    {
        var follower = new Follower();
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(
            server.Postgres,
            "cloud",
            parts: services => services.AddSingleton<IPublishFollower>(follower).AddSingleton<IJobHandler>(follower)
        );
        await source.SaveAsync(A, "first A");
        await source.SaveAsync(B, "first B");
        await source.Publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{B}/locales/de",
            new
            {
                ops = new[]
                {
                    new
                    {
                        op = "set",
                        path = "/heading",
                        value = "Erstes B",
                    },
                },
            },
            create: true
        );

        // Of several the last one is refused by who follows: none is live, and what was enqueued for the first is not there either.
        follower.Refuses = B;
        var refused = await cloud.PublishAsync(source, [A, B]);
        (refused.Status, refused.Problem).ShouldBe((409, "conflict"), refused.Text);
        follower.Heard.ShouldBe([A, B + " de"]);
        await cloud.ShowsAsync(A, null);
        (await cloud.StateAsync(A, B)).ShouldBeEmpty();

        follower.Refuses = null;
        follower.Heard.Clear();
        (await cloud.PublishAsync(source, [A, B])).Status.ShouldBe(200);
        follower.Heard.ShouldBe([A, B + " de"]);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the work that followed to be done",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(follower.Done.Count >= 2),
            Ct
        );
        follower.Done.ShouldBe([A, B], ignoreOrder: true, "once each, and never for what was refused");

        // What is live already is not told again.
        await source.SaveAsync(A, "second A", "\"1\"");
        (await cloud.PublishAsync(source, [A, B])).Status.ShouldBe(200);
        follower.Heard.ShouldBe([A, B + " de", A]);
    }

    [Fact]
    public async Task A_publish_of_nothing_but_what_is_not_shown_is_taken_in()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "not shown", status: "unpublished");
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(200);
        (await cloud.Publisher.SendAsync(HttpMethod.Get, "/v1/instances/" + A)).Json["status"]!
            .GetValue<string>()
            .ShouldBe("unpublished");
        await cloud.ShowsAsync(A, null);
    }

    [Fact]
    public async Task What_a_refused_publish_has_made_is_nothing_to_go_back_to()
    {
        var follower = new Follower { Refuses = A };
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(
            server.Postgres,
            "cloud",
            parts: services => services.AddSingleton<IPublishFollower>(follower).AddSingleton<IJobHandler>(follower)
        );
        await source.SaveAsync(A, "refused");
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(409);
        follower.Refuses = null;
        await source.SaveAsync(A, "shown", "\"1\"");
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(200);

        List<(string Release, string Artifact)> made;
        await using (
            var session = await cloud.Pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "test"), Ct)
        )
        {
            made = await session.ListAsync(
                """
                select r.digest, b.path from platform.release r
                join platform.release_blob b on b.subject = r.subject and b.release_digest = r.digest
                where r.subject = $1 and r.artifact_type = 'application/vnd.platen.widget.v1'
                    and b.path ~ '^en\.[0-9a-f]{64}\.json$'
                order by r.created_at
                """,
                row => (row.GetString(0), row.GetString(1)),
                Ct,
                Sql.Text("curated/" + A)
            );
        }
        made.Count.ShouldBe(2);
        foreach (var at in (DateTimeOffset?[])[null, TimeProvider.System.GetUtcNow().AddDays(1)])
        {
            var item = new
            {
                publicId = A,
                release = made[0].Release,
                seen = made[1].Release,
            };
            var back = await cloud.Publisher.SendAsync(
                HttpMethod.Put,
                $"/v1/cutovers/{Guid.CreateVersion7()}",
                new { items = new[] { item }, at }
            );
            (back.Status, back.Problem).ShouldBe((422, "no-such-release"), back.Text);
        }
        await cloud.ShowsAsync(A, "shown");
        using var nobody = new HttpClient { BaseAddress = cloud.Address };
        foreach (var (_, artifact) in made)
        {
            using var answer = await nobody.GetAsync($"/w/{A}/{artifact}", Ct);
            ((int)answer.StatusCode).ShouldBe(artifact == made[1].Artifact ? 200 : 404);
        }
    }

    [Fact]
    public async Task A_snapshot_that_needs_a_newer_version_of_its_type_is_taken_in_as_soon_as_that_is_there()
    {
        var widgets = NewerTypes.Write(Path.Combine(AppContext.BaseDirectory, "widgets"));
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring", widgets);
        // The event that tells of the type is still on its way to this one, and stays there.
        await using var cloud = await StageServer.StartAsync(
            server.Postgres,
            "cloud",
            parts: services => services.Remove(services.Single(s => s.ImplementationType?.Name == "WatchTypes"))
        );
        var faq = UserInstanceTests.Faq("with a note");
        faq["config"]![NewerTypes.Member] = "Checked twice.";
        (await source.Publisher.SendAsync(HttpMethod.Put, "/v1/instances/" + A, faq, create: true)).Status.ShouldBe(
            201
        );
        var snapshot = await source.ArtifactAsync($"/v1/instances/{A}/snapshot");
        using (
            var early = await cloud.PushManifestAsync(
                snapshot["repository"]!.GetValue<string>(),
                snapshot["digest"]!.GetValue<string>(),
                snapshot["manifest"]!.GetValue<string>()
            )
        )
            early.IsSuccessStatusCode.ShouldBeFalse();

        await cloud.PushArtifactAsync(
            await source.ArtifactAsync($"/v1/widget-types/{NewerTypes.Changed}/package"),
            "live"
        );
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(200);
        await cloud.ShowsAsync(A, "with a note");
    }

    [Fact]
    public async Task Equal_cut_overs_that_are_scheduled_at_once_are_one()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "later");
        var order = await cloud.OrderAsync(
            source,
            [A],
            new JsonObject { ["at"] = TimeProvider.System.GetUtcNow().AddDays(1).ToString("O") }
        );
        for (var round = 0; round < 5; round++)
        {
            var id = Guid.CreateVersion7();
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => cloud.CutOverAsync(id, order)));
            answers.Select(a => a.Status).ShouldAllBe(status => status == 200, answers[0].Text);
            answers.Select(a => a.Text).Distinct().Count().ShouldBe(1);
        }
        var due = await cloud.Publisher.SendAsync(HttpMethod.Get, "/v1/cutovers");
        due.Text.Split("\"state\":\"scheduled\"").Length.ShouldBe(6, due.Text);
    }

    [Fact]
    public async Task A_cut_over_is_reverted_as_a_whole_and_asked_again_answers_what_it_did()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "first A");
        await cloud.PublishAsync(source, [A]);
        await source.SaveAsync(A, "second A", "\"1\"");
        await source.SaveAsync(B, "first B");
        var second = await cloud.PublishAsync(source, [A, B]);
        await cloud.ShowsAsync(A, "second A");
        var id = second.Json["id"]!.GetValue<string>();

        var reversal = Guid.CreateVersion7();
        var reverted = await cloud.Publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{id}/reversal/{reversal}");
        reverted.Status.ShouldBe(200, reverted.Text);
        await cloud.ShowsAsync(A, "first A");
        await cloud.ShowsAsync(B, null);
        var again = await cloud.Publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{id}/reversal/{reversal}");
        again.Text.ShouldBe(reverted.Text);
        // What was published is still there to be published again.
        (await cloud.PublishAsync(source, [A, B])).Status.ShouldBe(200);
        await cloud.ShowsAsync(B, "first B");
    }

    [Fact]
    public async Task A_scheduled_cut_over_happens_when_it_is_due_and_a_cancelled_one_never()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "later");
        var at = TimeProvider.System.GetUtcNow().AddSeconds(2);
        var scheduled = await cloud.PublishAsync(source, [A], new JsonObject { ["at"] = at.ToString("O") });
        var state = scheduled.Json["state"]!.GetValue<string>();
        // A slow machine may have come past the time before it answered.
        if (TimeProvider.System.GetUtcNow() < at)
            state.ShouldBe("scheduled");
        await cloud.ShowsAsync(A, "later");
        var done = await cloud.Publisher.SendAsync(HttpMethod.Get, "/v1/cutovers/" + scheduled.Json["id"]);
        done.Json["state"]!.GetValue<string>().ShouldBe("done");

        await source.SaveAsync(B, "never");
        var far = new JsonObject { ["at"] = TimeProvider.System.GetUtcNow().AddDays(1).ToString("O") };
        var called = await cloud.PublishAsync(source, [B], far);
        var cancelled = await cloud.Publisher.SendAsync(HttpMethod.Delete, "/v1/cutovers/" + called.Json["id"]);
        cancelled.Json["state"]!.GetValue<string>().ShouldBe("cancelled");
        (await cloud.Publisher.SendAsync(HttpMethod.Delete, "/v1/cutovers/" + called.Json["id"])).Status.ShouldBe(409);
        await cloud.ShowsAsync(B, null);
    }

    [Fact]
    public async Task A_scheduled_cut_over_is_refused_when_its_author_may_not_publish_any_more()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "later");
        var key = await cloud.Publisher.SendAsync(
            HttpMethod.Post,
            "/v1/keys",
            new { name = "leaving", scopes = (string[])["curated:publish"] }
        );
        var (digest, version) = await cloud.PushAsync(source, A);
        var id = Guid.CreateVersion7();
        using (var leaving = cloud.Client(key.Json["secret"]!.GetValue<string>()))
        {
            var scheduled = await leaving.SendAsync(
                HttpMethod.Put,
                $"/v1/cutovers/{id}",
                new
                {
                    items = new[]
                    {
                        new
                        {
                            publicId = A,
                            snapshot = digest,
                            version,
                        },
                    },
                    stage = await source.StageIdAsync(),
                    at = TimeProvider.System.GetUtcNow().AddSeconds(3),
                }
            );
            scheduled.Json["state"]!.GetValue<string>().ShouldBe("scheduled", scheduled.Text);
        }
        (await cloud.Publisher.SendAsync(HttpMethod.Delete, "/v1/keys/" + key.Json["id"])).Status.ShouldBe(204);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the cut-over is refused",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var now = await cloud.Publisher.SendAsync(HttpMethod.Get, $"/v1/cutovers/{id}");
                return now.Json["state"]!.GetValue<string>() == "refused" && now.Text.Contains("leaving");
            },
            Ct
        );
        await cloud.ShowsAsync(A, null);
    }

    [Fact]
    public async Task Several_instances_go_back_together_on_a_cloud_or_none_does()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        var first = new Dictionary<string, string>();
        foreach (var id in (string[])[A, B])
            await source.SaveAsync(id, "first");
        foreach (var item in (await cloud.PublishAsync(source, [A, B])).Json["items"]!.AsArray())
            first[item!["publicId"]!.GetValue<string>()] = item["to"]!.GetValue<string>();
        foreach (var id in (string[])[A, B])
            await source.SaveAsync(id, "second", "\"1\"");
        var live = (await cloud.PublishAsync(source, [A, B])).Json["items"]!.AsArray();
        var seen = live.ToDictionary(i => i!["publicId"]!.GetValue<string>(), i => i!["to"]!.GetValue<string>());

        JsonObject Back(string seenOfB) =>
            new()
            {
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["publicId"] = A,
                        ["release"] = first[A],
                        ["seen"] = seen[A],
                    },
                    new JsonObject
                    {
                        ["publicId"] = B,
                        ["release"] = first[B],
                        ["seen"] = seenOfB,
                    }
                ),
            };
        var stale = await cloud.Publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/cutovers/{Guid.CreateVersion7()}",
            Back("sha256:" + new string('1', 64))
        );
        stale.Status.ShouldBe(412);
        await cloud.ShowsAsync(A, "second");
        (
            await cloud.Publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{Guid.CreateVersion7()}", Back(seen[B]))
        ).Status.ShouldBe(200);
        await cloud.ShowsAsync(A, "first");
        await cloud.ShowsAsync(B, "first");
    }

    [Fact]
    public async Task A_widget_type_that_is_new_to_the_stage_travels_first_and_an_older_one_is_refused()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        var package = (await source.Publisher.SendAsync(HttpMethod.Get, "/v1/widget-types/content.faq/package")).Json;
        async Task<int> PushAsync(string version)
        {
            var files = package["files"]!
                .AsArray()
                .ToDictionary(f => f!["path"]!.GetValue<string>(), f => f!["text"]!.GetValue<string>());
            var manifest = JsonNode.Parse(package["manifest"]!.GetValue<string>())!;
            var widget = JsonNode.Parse(files["content.faq/widget.json"])!;
            widget["version"] = version;
            files["content.faq/widget.json"] = widget.ToJsonString();
            foreach (var (path, text) in files)
            {
                var bytes = System.Text.Encoding.UTF8.GetBytes(text);
                var digest = "sha256:" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
                using var content = new ByteArrayContent(bytes);
                content.Headers.ContentType = new("application/octet-stream");
                using var pushed = await cloud.Publisher.PostAsync(
                    $"/v2/widget-types/content.faq/blobs/uploads/?digest={digest}",
                    content,
                    Ct
                );
                pushed.EnsureSuccessStatusCode();
                var layer = manifest["layers"]!
                    .AsArray()
                    .FirstOrDefault(l =>
                        l!["annotations"]!["org.opencontainers.image.title"]!.GetValue<string>() == path
                    );
                if (layer is not null)
                    (layer["digest"], layer["size"]) = (digest, bytes.Length);
            }
            using var answer = await cloud.PushManifestAsync(
                "widget-types/content.faq",
                "live",
                manifest.ToJsonString()
            );
            return (int)answer.StatusCode;
        }

        (await PushAsync("99.0.0")).ShouldBe(201);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the new version",
            TimeSpan.FromSeconds(30),
            async ct => (await cloud.Publisher.GetStringAsync("/widgets/manifest.json", ct)).Contains("99.0.0"),
            Ct
        );
        (await PushAsync("98.0.0")).ShouldBe(409);
    }

    [Fact]
    public async Task The_gallery_shows_what_is_live_of_the_platform_and_nothing_else()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "standalone");
        await stage.SaveAsync(A, "On show");
        await stage.SaveAsync(B, "A draft");
        await stage.Publisher.SendAsync(HttpMethod.Put, $"/v1/instances/{A}/publication", new { }, "*");
        using var visitor = new HttpClient { BaseAddress = stage.Address };
        var shown = (await visitor.SendAsync(HttpMethod.Get, "/widgets/gallery.json")).Json["items"]!
            .AsArray()
            .Single()!;
        shown["publicId"]!.GetValue<string>().ShouldBe(A);
        shown["title"]!.GetValue<string>().ShouldBe("On show");
        (await stage.Publisher.SendAsync(HttpMethod.Get, "/v1/stage")).Json["curated"]!
            .GetValue<string>()
            .ShouldBe("written");
    }

    [Fact]
    public async Task A_preview_link_shows_what_is_not_live_and_only_to_whoever_has_it()
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, "standalone");
        await stage.SaveAsync(A, "not yet");
        var link = await stage.Publisher.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{A}/preview-links",
            new { minutes = 5 }
        );
        link.Status.ShouldBe(200, link.Text);
        using var visitor = new HttpClient { BaseAddress = stage.Address };
        using var page = await visitor.GetAsync(link.Json["url"]!.GetValue<string>(), Ct);
        (await page.Content.ReadAsStringAsync(Ct)).ShouldContain("not yet");
        page.Headers.CacheControl!.ToString().ShouldContain("no-store");
        page.Headers.GetValues("Content-Security-Policy").Single().ShouldContain("sha256-");
        (await visitor.SendAsync(HttpMethod.Get, "/e/" + A)).Status.ShouldBe(404);
        (await visitor.SendAsync(HttpMethod.Get, "/preview/" + new string('a', 32))).Status.ShouldBe(404);
        var long_ = await stage.Publisher.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{A}/preview-links",
            new { minutes = 9000 }
        );
        long_.Status.ShouldBe(422);
    }

    [Fact]
    public async Task A_scheduled_cut_over_is_looked_at_whole_by_one_link_and_nothing_is_shown_by_it()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "A now");
        await source.SaveAsync(B, "B now");
        (await cloud.PublishAsync(source, [A, B])).Status.ShouldBe(200);
        await cloud.ShowsAsync(B, "B now");
        await source.SaveAsync(A, "A then", "\"1\"");
        var scheduled = await cloud.PublishAsync(
            source,
            [A, B],
            new JsonObject { ["at"] = TimeProvider.System.GetUtcNow().AddDays(1).ToString("O") }
        );
        scheduled.Json["state"]!.GetValue<string>().ShouldBe("scheduled", scheduled.Text);
        var path = $"/v1/cutovers/{scheduled.Json["id"]}";

        var link = await cloud.Publisher.SendAsync(HttpMethod.Post, path + "/preview-links", new { minutes = 5 });
        link.Status.ShouldBe(200, link.Text);
        link.Json["items"]!.AsArray().Select(i => i!["publicId"]!.GetValue<string>()).ShouldBe([A, B]);
        var url = link.Json["url"]!.GetValue<string>();
        using var visitor = new HttpClient { BaseAddress = cloud.Address };
        using (var choice = await visitor.GetAsync(url, Ct))
        {
            var html = await choice.Content.ReadAsStringAsync(Ct);
            html.ShouldContain($"href=\"?id={A}\"");
            html.ShouldContain($"href=\"?id={B}\"");
            choice.Headers.CacheControl!.ToString().ShouldContain("no-store");
            choice.Headers.GetValues("X-Robots-Tag").Single().ShouldContain("noindex");
        }
        (await visitor.GetStringAsync($"{url}?id={A}", Ct)).ShouldContain("A then");
        (await visitor.GetStringAsync($"{url}?id={B}&theme=dark", Ct)).ShouldContain("B now");
        (await visitor.SendAsync(HttpMethod.Get, $"{url}?id=wgt_curated_other")).Status.ShouldBe(404);
        (await visitor.GetStringAsync("/e/" + A, Ct)).ShouldContain("A now");
        // What it rendered cannot be gone back to: it was never live.
        var looked = link.Json["items"]![0]!["release"]!.GetValue<string>();
        (
            await cloud.Publisher.SendAsync(
                HttpMethod.Put,
                $"/v1/instances/{A}/publication",
                new { release = looked },
                "*"
            )
        ).Problem.ShouldBe("no-such-release");

        var long_ = await cloud.Publisher.SendAsync(HttpMethod.Post, path + "/preview-links", new { minutes = 9000 });
        long_.FaultPointers.ShouldBe(["/minutes"]);
        (await cloud.Publisher.SendAsync(HttpMethod.Delete, path)).Status.ShouldBe(200);
        (await cloud.Publisher.SendAsync(HttpMethod.Post, path + "/preview-links")).Status.ShouldBe(409);
        (
            await cloud.Publisher.SendAsync(HttpMethod.Post, $"/v1/cutovers/{Guid.CreateVersion7()}/preview-links")
        ).Status.ShouldBe(404);
    }

    [Fact]
    public async Task What_is_of_a_protocol_that_the_server_does_not_speak_is_refused_before_anything_is_done()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "A");
        var (digest, version) = await cloud.PushAsync(source, A);
        var order = new JsonObject
        {
            ["items"] = new JsonArray(
                new JsonObject
                {
                    ["publicId"] = A,
                    ["snapshot"] = digest,
                    ["version"] = version,
                }
            ),
            ["stage"] = await source.StageIdAsync(),
        };
        var place = $"/v1/cutovers/{Guid.CreateVersion7()}";
        (HttpMethod, string, JsonNode?)[] requests =
        [
            (HttpMethod.Get, "/v1/snapshots", null),
            (HttpMethod.Get, $"/v1/instances/{A}/snapshot", null),
            (HttpMethod.Get, "/v1/widget-types", null),
            (HttpMethod.Get, "/v1/widget-types/content.faq/package", null),
            (HttpMethod.Get, "/v1/cutovers", null),
            (HttpMethod.Put, place, order),
        ];
        foreach (var (method, path, body) in requests)
        {
            var newer = await StatingAsync("2", method, path, body);
            (newer.Status, newer.Problem).ShouldBe((409, "stage-protocol-not-spoken"), path);
            (newer.Json["oldest"]!.GetValue<int>(), newer.Json["newest"]!.GetValue<int>()).ShouldBe((1, 1));
            foreach (var wrong in (string[])["0", "-1", "one", "1.0", "99999999999"])
                (await StatingAsync(wrong, method, path, body)).Problem.ShouldBe("malformed", wrong);
        }
        (await cloud.StateAsync(A)).ShouldBeEmpty("nothing was taken in");

        // One that states the version it was built for is served, and so is one from before there was a field to state it.
        var told = await StatingAsync("1", HttpMethod.Get, "/v1/snapshots", null);
        told.Json["protocol"]!.ToJsonString().ShouldBe("""{"oldest":1,"newest":1}""");
        (await StatingAsync("1", HttpMethod.Put, place, order)).Status.ShouldBe(200);
        await cloud.ShowsAsync(A, "A");
        await source.SaveAsync(A, "A again", "\"1\"");
        (await cloud.PublishAsync(source, [A])).Status.ShouldBe(200);

        // What a later version would carry is none of the artifacts that this one knows.
        var artifact = (await source.Publisher.SendAsync(HttpMethod.Get, $"/v1/instances/{A}/snapshot")).Json;
        using var later = await cloud.PushManifestAsync(
            artifact["repository"]!.GetValue<string>(),
            "sha256:" + new string('0', 64),
            artifact["manifest"]!
                .GetValue<string>()
                .Replace("widget-snapshot.v1", "widget-snapshot.v2", StringComparison.Ordinal)
        );
        ((int)later.StatusCode).ShouldBeInRange(400, 422);

        Task<Answer> StatingAsync(string stated, HttpMethod method, string path, JsonNode? body) =>
            cloud.Publisher.SendAsync(method, path, body, header: (StageProtocol.Field, stated));
    }

    [Fact]
    public async Task A_link_to_more_instances_than_a_page_holds_has_them_on_several()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        var ids = Enumerable.Range(0, 103).Select(i => $"wgt_curated_many-{i:D3}").ToArray();
        foreach (var some in ids.Chunk(20))
            await Task.WhenAll(some.Select(id => source.SaveAsync(id, id)));
        var order = await cloud.OrderAsync(source, ids);
        var later = order.DeepClone().AsObject();
        later["at"] = TimeProvider.System.GetUtcNow().AddDays(1).ToString("O");
        var scheduled = await cloud.CutOverAsync(Guid.CreateVersion7(), later);
        scheduled.Json["state"]!.GetValue<string>().ShouldBe("scheduled", scheduled.Text);
        var link = await cloud.Publisher.SendAsync(
            HttpMethod.Post,
            $"/v1/cutovers/{scheduled.Json["id"]}/preview-links",
            new { minutes = 5 }
        );
        link.Json["items"]!.AsArray().Count.ShouldBe(ids.Length, link.Text);
        using var visitor = new HttpClient { BaseAddress = cloud.Address };
        var url = link.Json["url"]!.GetValue<string>();
        var seen = new List<string>();
        var told = new List<string>();
        for (string? query = ""; query is not null; )
        {
            var html = await visitor.GetStringAsync(url + query, Ct);
            seen.AddRange(Matches(html, "href=\"\\?id=([^\"]+)\""));
            told.AddRange(Matches(html, "<p>([^<]+), in the order of their ids"));
            query = Matches(html, "rel=\"next\" href=\"([^\"]+)\"").SingleOrDefault();
        }
        seen.ShouldBe(ids);
        told.ShouldBe(["1 to 100 of 103", "101 to 103 of 103"]);
        var last = await visitor.GetStringAsync(url + "?after=" + ids[99], Ct);
        Matches(last, "rel=\"prev\" href=\"([^\"]+)\"").ShouldBe(["?after="]);
        (await visitor.GetStringAsync($"{url}?id={ids[102]}", Ct)).ShouldContain(ids[102]);

        // And all of them go live at once, which is more than goes to the database in one round trip.
        var published = await cloud.CutOverAsync(Guid.CreateVersion7(), order);
        published.Status.ShouldBe(200, published.Text);
        published.Json["items"]!
            .AsArray()
            .Select(item => item!["outcome"]!.GetValue<string>())
            .ShouldBe(Enumerable.Repeat("published", ids.Length));
        foreach (var (id, state) in await cloud.StateAsync(ids))
            state!["isAsPublished"]!.GetValue<bool>().ShouldBeTrue(id);
        await cloud.ShowsAsync(ids[102], ids[102]);

        static IEnumerable<string> Matches(string html, string pattern) =>
            System
                .Text.RegularExpressions.Regex.Matches(
                    html,
                    pattern,
                    System.Text.RegularExpressions.RegexOptions.None,
                    TimeSpan.FromSeconds(5)
                )
                .Select(match => match.Groups[1].Value);
    }

    /// <summary>Follows a publish as what translates would: enqueues its work, or refuses.</summary>
    private sealed class Follower : IPublishFollower, IJobHandler
    {
        /// <summary>The id at which it refuses; null for none.</summary>
        public string? Refuses { get; set; }

        /// <summary>What it was told of, with the locales that came along.</summary>
        public ConcurrentQueue<string> Heard { get; } = [];

        /// <summary>What it has done since.</summary>
        public ConcurrentQueue<string> Done { get; } = [];

        public string Kind => "test.follow";

        public async Task TakenInAsync(
            Session session,
            PublicId id,
            Digest config,
            IReadOnlyList<string> locales,
            CancellationToken ct
        )
        {
            Heard.Enqueue(string.Join(' ', [id.ToString(), .. locales]));
            if (id.ToString() == Refuses)
                throw KernelProblems.Conflict.Because("It cannot be followed.").AsException();
            await JobQueue.EnqueueAsync(
                session,
                Kind,
                id.ToString(),
                JsonSerializer.SerializeToUtf8Bytes(id.ToString()),
                options: null,
                ct
            );
        }

        public Task RunAsync(JobContext job, CancellationToken ct)
        {
            Done.Enqueue(JsonSerializer.Deserialize<string>(job.Job.Payload.Span)!);
            return Task.CompletedTask;
        }
    }

    private static async Task InsertUserAsync(NpgsqlConnection admin, string profile)
    {
        await using var insert = new NpgsqlCommand(
            """
            select set_config('platen.owner', $1::uuid::text, false);
            """,
            admin
        );
        var owner = Guid.CreateVersion7();
        insert.Parameters.AddWithValue(owner);
        await insert.ExecuteNonQueryAsync(Ct);
        await using var row = new NpgsqlCommand(
            """
            with claimed as (insert into widgets.user_instance_id (owner, public_id) values ($1, 'wgt_content.faq_u_' || $3))
            insert into widgets.widget_instances (
                owner, id, public_id, widget_type, status, config, config_digest, updated_by, updated_by_name, stage_profile
            ) values ($1, $1, 'wgt_content.faq_u_' || $3, 'content.faq', 'published', '{}', 'sha256:' || repeat('0', 64), $1, 'x', $2)
            """,
            admin
        );
        row.Parameters.AddWithValue(owner);
        row.Parameters.AddWithValue(profile);
        row.Parameters.AddWithValue(owner.ToString("N"));
        await row.ExecuteNonQueryAsync(Ct);
    }
}

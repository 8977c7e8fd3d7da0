using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Access;
using Platen.Kernel;

namespace Platen.Server.Tests;

/// <summary>A page that a gate has something against is not shown, here or on another stage, unless somebody who may says so.</summary>
public sealed class PublishGateTests(ServerFixture server)
{
    private const string A = "wgt_curated_gate-a";
    private const string B = "wgt_curated_gate-b";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_refusal_names_the_rule_and_the_place()
    {
        var path = await CreateAsync(Twice("same"));
        var refused = await PublishAsync(path, new { });
        (refused.Status, refused.Problem).ShouldBe((422, "gate-closed"));
        var finding = refused.Json["findings"]!.AsArray().Single()!;
        finding["gate"]!.GetValue<string>().ShouldBe("html");
        finding["rule"]!.GetValue<string>().ShouldBe("duplicate-id");
        finding["locale"]!.GetValue<string>().ShouldBe("en");
        finding["selector"]!.GetValue<string>().ShouldContain("details:nth-of-type(2)");
        finding["line"]!.GetValue<int>().ShouldBeGreaterThan(1);
        refused.FaultPointers.ShouldBe(["/config/items/0/id"]);
        (await server.Owner.SendAsync(HttpMethod.Get, path)).Json["publication"].ShouldBeNull();

        var preview = await server.Owner.SendAsync(HttpMethod.Get, path + "/publication:preview");
        preview.Json["findings"]!.AsArray().Single()!["rule"]!.GetValue<string>().ShouldBe("duplicate-id");
    }

    [Fact]
    public async Task Every_gate_refuses_what_an_author_can_get_wrong()
    {
        (await RuleAsync(Linking("/e/wgt_curated_nobody-has-this"))).ShouldBe("links/instance");
        (await RuleAsync(Linking("https://example.org/100%"))).ShouldBe("links/address");
        (await RuleAsync(Linking("https://example.org/"))).ShouldBeNull();
        var alike = InstanceTests.Faq("Heading");
        var items = alike["config"]!["items"]!;
        alike["config"]!["groups"] = new JsonArray([
            .. Enumerable
                .Range(1, 2)
                .Select(n => new JsonObject
                {
                    ["id"] = $"group-{n}",
                    ["title"] = "Opening hours",
                    ["items"] = new JsonArray(
                        new JsonObject
                        {
                            ["id"] = $"item-{n}",
                            ["question"] = "When?",
                            ["answer"] = items[0]!["answer"]!.DeepClone(),
                        }
                    ),
                }),
        ]);
        (await RuleAsync(alike)).ShouldBe("accessibility/landmark-unique");
    }

    [Fact]
    public async Task A_link_to_an_instance_that_is_there_is_no_fault()
    {
        var there = await CreateAsync(InstanceTests.Faq("There"));
        (await RuleAsync(Linking("/e/" + there.Split('/')[^1] + "?locale=en"))).ShouldBeNull();
    }

    [Fact]
    public async Task Forcing_takes_a_reason_and_a_scope_and_is_kept_with_what_was_passed_over()
    {
        var path = await CreateAsync(Twice("forced"));
        (await PublishAsync(path, new { force = true })).FaultPointers.ShouldBe(["/reason"]);

        using var publisher = await ClientAsync(Scopes.CuratedPublish);
        var refused = await publisher.SendAsync(
            HttpMethod.Put,
            path + "/publication",
            new { force = true, reason = "no time" },
            "\"1\""
        );
        (refused.Status, refused.Problem).ShouldBe((403, "forbidden"));

        using var forcing = await ClientAsync(Scopes.CuratedPublish, Scopes.GatesForce);
        var forced = await forcing.SendAsync(
            HttpMethod.Put,
            path + "/publication",
            new { force = true, reason = "the fair opens at nine" },
            "\"1\""
        );
        forced.Status.ShouldBe(200, forced.Text);
        forced.Json["passedOver"]!.AsArray().Single()!["rule"]!.GetValue<string>().ShouldBe("duplicate-id");

        var entry = (await ForcedAsync(path)).Single();
        entry["detail"]!["gates"]![0]!["rule"]!.GetValue<string>().ShouldBe("html/duplicate-id");
        entry["detail"]!["reason"]!.GetValue<string>().ShouldBe("the fair opens at nine");

        // It is shown, so to publish it again refuses nothing and changes nothing.
        var again = await publisher.SendAsync(HttpMethod.Put, path + "/publication", new { }, "\"1\"");
        again.Json["outcome"]!.GetValue<string>().ShouldBe("alreadyLive");
        // Neither does it when it is another version of the same content, and then nothing was passed over, forced or not.
        await server.Owner.SendAsync(HttpMethod.Put, path, Twice("other"), "\"1\"");
        await server.Owner.SendAsync(HttpMethod.Put, path, Twice("forced"), "\"2\"");
        foreach (
            var body in (object[])[new { reason = "plain" }, new { force = true, reason = "forced without a need" }]
        )
        {
            again = await forcing.SendAsync(HttpMethod.Put, path + "/publication", body, "\"3\"");
            again.Json["outcome"]!.GetValue<string>().ShouldBe("alreadyLive");
            (again.Json["passedOver"]?.AsArray().Count ?? 0).ShouldBe(0);
        }
        (await ForcedAsync(path)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Forcing_what_no_gate_is_against_is_not_kept_as_forced()
    {
        var path = await CreateAsync(InstanceTests.Faq("sound"));
        (await PublishAsync(path, new { force = true, reason = "to be sure" })).Status.ShouldBe(200);
        (await ForcedAsync(path)).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_scheduled_past_a_gate_needs_the_scope_when_it_is_due()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        (
            await source.Publisher.SendAsync(HttpMethod.Put, "/v1/instances/" + B, Twice("b"), create: true)
        ).Status.ShouldBe(201);
        using var publisher = cloud.Client(
            await cloud.KeyAsync(OwnerId.Platform, Scopes.CuratedPublish, Scopes.GatesForce)
        );
        var (digest, version) = await cloud.PushAsync(source, B);
        var id = Guid.CreateVersion7();
        var scheduled = await publisher.SendAsync(
            HttpMethod.Put,
            $"/v1/cutovers/{id}",
            new
            {
                items = new[]
                {
                    new
                    {
                        publicId = B,
                        snapshot = digest,
                        version,
                    },
                },
                stage = await source.StageIdAsync(),
                at = TimeProvider.System.GetUtcNow().AddSeconds(3),
                force = true,
                reason = "known",
            }
        );
        scheduled.Json["state"]!.GetValue<string>().ShouldBe("scheduled", scheduled.Text);
        await using (var database = NpgsqlDataSource.Create(cloud.ConnectionString))
        {
            await using var take = database.CreateCommand(
                "update access.machine_key set scopes = array['curated:publish'] where 'gates:force' = any (scopes) and cardinality(scopes) = 2"
            );
            (await take.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
        }
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the cut-over is refused",
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var now = await cloud.Publisher.SendAsync(HttpMethod.Get, $"/v1/cutovers/{id}");
                return now.Json["state"]!.GetValue<string>() == "refused" && now.Text.Contains("past a gate");
            },
            Ct
        );
        await cloud.ShowsAsync(B, null);
    }

    [Fact]
    public async Task A_stage_asks_its_own_gates_and_shows_nothing_of_a_publish_that_one_of_them_refuses()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        await source.SaveAsync(A, "sound");
        (
            await source.Publisher.SendAsync(HttpMethod.Put, "/v1/instances/" + B, Twice("b"), create: true)
        ).Status.ShouldBe(201);
        var refused = await cloud.PublishAsync(source, [A, B]);
        (refused.Status, refused.Problem).ShouldBe((422, "gate-closed"));
        refused.Json["publicId"]!.GetValue<string>().ShouldBe(B);
        (await cloud.StateAsync(A, B)).ShouldBeEmpty();

        var forced = await cloud.PublishAsync(
            source,
            [A, B],
            new JsonObject { ["force"] = true, ["reason"] = "known" }
        );
        forced.Status.ShouldBe(200, forced.Text);
        await cloud.ShowsAsync(B, "b");
        var audit = await cloud.Publisher.SendAsync(HttpMethod.Get, "/v1/audit?action=widget.gates-forced");
        audit.Json["items"]!.AsArray().Single()!["subject"]!.GetValue<string>().ShouldBe("widget/" + B);
    }

    [Fact]
    public async Task Instances_that_link_to_each_other_are_published_to_a_stage_together_or_not_at_all()
    {
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        await using var cloud = await StageServer.StartAsync(server.Postgres, "cloud");
        foreach (var (id, other) in ((string, string)[])[(A, B), (B, A)])
            (
                await source.Publisher.SendAsync(
                    HttpMethod.Put,
                    "/v1/instances/" + id,
                    Linking("/e/" + other),
                    create: true
                )
            ).Status.ShouldBe(201);
        var alone = await cloud.PublishAsync(source, [A]);
        (alone.Status, alone.Problem).ShouldBe((422, "gate-closed"));
        alone.Json["findings"]![0]!["rule"]!.GetValue<string>().ShouldBe("instance");
        (await cloud.PublishAsync(source, [A, B])).Status.ShouldBe(200);
    }

    /// <summary>What the audit says of gates that were passed over for this instance.</summary>
    private async Task<List<JsonNode>> ForcedAsync(string path)
    {
        var audit = await server.Owner.SendAsync(HttpMethod.Get, "/v1/audit?action=widget.gates-forced&limit=50");
        return
        [
            .. audit.Json["items"]!
                .AsArray()
                .Select(i => i!)
                .Where(i => i["subject"]!.GetValue<string>().EndsWith(path.Split('/')[^1], StringComparison.Ordinal)),
        ];
    }

    private async Task<string?> RuleAsync(JsonObject body)
    {
        var answer = await PublishAsync(await CreateAsync(body), new { });
        if (answer.Status == 200)
            return null;
        answer.Problem.ShouldBe("gate-closed", answer.Text);
        var finding = answer.Json["findings"]![0]!;
        return $"{finding["gate"]}/{finding["rule"]}";
    }

    private static JsonObject Twice(string heading)
    {
        var body = InstanceTests.Faq(heading);
        var items = body["config"]!["items"]!.AsArray();
        items.Add(items[0]!.DeepClone());
        return body;
    }

    private static JsonObject Linking(string href)
    {
        var body = InstanceTests.Faq("Links");
        var link = new JsonObject
        {
            ["type"] = "link",
            ["text"] = "There",
            ["href"] = href,
        };
        body["config"]!["items"]![0]!["answer"]!.AsArray().Add(link);
        return body;
    }

    private async Task<string> CreateAsync(JsonObject body)
    {
        var path = InstanceTests.NewPath();
        var made = await server.Owner.SendAsync(HttpMethod.Put, path, body, create: true);
        made.Status.ShouldBe(201, made.Text);
        return path;
    }

    private Task<Answer> PublishAsync(string path, object body) =>
        server.Owner.SendAsync(HttpMethod.Put, path + "/publication", body, "\"1\"");

    private async Task<HttpClient> ClientAsync(params string[] scopes)
    {
        var key = await server.CreateKeyAsync(OwnerId.Platform, scopes);
        var client = new HttpClient { BaseAddress = server.Owner.BaseAddress };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }
}

using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;

namespace Platen.Templates.Tests;

/// <summary>Which version a caller gets: ranges, channels, pins, trials, and who may say so.</summary>
public sealed class SelectionTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Exact_versions_ranges_and_channels_lead_where_they_say()
    {
        var name = await PushAsync("1.0.0", "1.1.0", "2.0.0-rc.1");
        await SetDefaultAsync(name, "1.0.0");
        foreach (
            var (asked, version, rule) in ((string, string, string)[])
                [
                    ("", "1.0.0", "default"),
                    ("?version=1.1.0", "1.1.0", "exact"),
                    ("?version=1.x", "1.1.0", "range"),
                    ("?version=%5E1.0.0", "1.1.0", "range"),
                    ("?version=latest", "2.0.0-rc.1", "alias"),
                    ("?version=stable", "1.1.0", "alias"),
                    ("?version=default", "1.0.0", "alias"),
                ]
        )
        {
            var resolved = await server.Owner.ResolveAsync(name, asked);
            (resolved.Member("version"), resolved.Member("rule")).ShouldBe((version, rule), asked);
        }
        (await server.Owner.ResolveAsync(name, "?version=3.x")).Problem.ShouldBe("no-such-version");
        (await server.Owner.ResolveAsync(name, "?version=nowhere")).Problem.ShouldBe("no-such-version");
    }

    [Fact]
    public async Task An_answer_that_still_holds_is_a_304_and_a_move_ends_it()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        var path = $"/v1/templates/{name}/resolve?kind=master_prompt";
        var first = await server.Owner.GetAsync(path);
        var again = await server.Owner.GetAsync(path, first.Tag);
        (again.Status, again.Bytes.Length).ShouldBe((304, 0));
        await SetDefaultAsync(name, "1.0.0");
        var moved = await server.Owner.GetAsync(path, first.Tag);
        (moved.Status, moved.Member("version")).ShouldBe((200, "1.0.0"));
    }

    [Fact]
    public async Task A_channel_moves_by_compare_and_swap_with_its_reason_kept()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        var path = $"/v1/templates/{name}/channels/beta";
        (await server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" })).Problem.ShouldBe(
            "precondition-required"
        );
        var first = await server.Owner.SendAsync(
            HttpMethod.Put,
            path,
            new { version = "1.0.0", reason = "try" },
            create: true
        );
        first.Status.ShouldBe(201, first.Text);
        var second = await server.Owner.SendAsync(
            HttpMethod.Put,
            path,
            new { version = "1.1.0", reason = "on" },
            first.Tag
        );
        second.Status.ShouldBe(200, second.Text);
        (await server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, first.Tag)).Problem.ShouldBe(
            "stale-version"
        );
        var read = await server.Owner.GetAsync(path);
        read.Json["moves"]!.AsArray().Select(m => m!["reason"]!.GetValue<string>()).ShouldBe(["on", "try"]);
        var latest = $"/v1/templates/{name}/channels/latest";
        var reserved = await server.Owner.SendAsync(HttpMethod.Put, latest, new { version = "1.0.0" }, "*");
        reserved.Problem.ShouldBe("reserved-channel");
        (await server.Owner.GetAsync($"/v1/templates/{name}/channels/1.x")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Of_ten_movers_at_once_one_wins()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        var path = $"/v1/templates/{name}/channels/beta";
        var made = await server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true);
        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 10)
                .Select(i =>
                    server.Owner.SendAsync(HttpMethod.Put, path, new { version = "1.1.0", reason = "r" + i }, made.Tag)
                )
        );
        answers.Count(a => a.Status == 200).ShouldBe(1);
        answers.Count(a => a.Problem == "stale-version").ShouldBe(9);
    }

    [Fact]
    public async Task A_pin_holds_in_its_environment_above_channels_and_within_ranges()
    {
        var name = await PushAsync("1.0.0", "1.1.0", "2.0.0");
        var pins = $"/v1/templates/{name}/pins/";
        var pinned = await server.Owner.SendAsync(
            HttpMethod.Put,
            pins + "production",
            new { version = "1.0.0", reason = "incident 7" },
            create: true
        );
        pinned.Status.ShouldBe(201, pinned.Text);
        var production = await server.Owner.ResolveAsync(name, "?environment=production");
        (production.Member("version"), production.Member("rule")).ShouldBe(("1.0.0", "pin"));
        production.Member("explanation").ShouldContain("incident 7");
        (await server.Owner.ResolveAsync(name, "?environment=staging")).Member("version").ShouldBe("2.0.0");
        (await server.Owner.ResolveAsync(name, "?environment=production&version=1.x")).Member("rule").ShouldBe("pin");
        var outside = await server.Owner.ResolveAsync(name, "?environment=production&version=2.x");
        (outside.Member("version"), outside.Member("rule")).ShouldBe(("2.0.0", "range"));
        outside.Member("explanation").ShouldContain("passed over");
        (await server.Owner.ResolveAsync(name, "?environment=production&version=2.0.0"))
            .Member("rule")
            .ShouldBe("exact");
        (
            await server.Owner.SendAsync(HttpMethod.Put, pins + "production", new { version = "1.1.0" }, create: true)
        ).Problem.ShouldBe("stale-version");
        (await server.Owner.SendAsync(HttpMethod.Delete, pins + "production", ifMatch: pinned.Tag)).Status.ShouldBe(
            204
        );
        (await server.Owner.ResolveAsync(name, "?environment=production")).Member("version").ShouldBe("2.0.0");
    }

    [Fact]
    public async Task A_workspace_pins_the_platforms_template_for_itself_alone()
    {
        var name = await PushAsync("1.0.0", "2.0.0");
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync();
        var path = $"/v1/templates/{name}/pins/*";
        (
            await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0", reason = "ours" }, create: true)
        ).Status.ShouldBe(201);
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.0.0");
        (await two.ResolveAsync(name)).Member("version").ShouldBe("2.0.0");
        (await server.Owner.ResolveAsync(name)).Member("version").ShouldBe("2.0.0");
    }

    [Fact]
    public async Task A_growing_percentage_only_adds_keys()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        var tag = (string?)null;
        var before = new HashSet<string>();
        foreach (var percentage in (int[])[0, 20, 60, 100])
        {
            tag = await TryAsync(name, "1.0.0", "1.1.0", percentage, tag);
            var now = new HashSet<string>();
            for (var i = 0; i < 40; i++)
            {
                var resolved = await server.Owner.ResolveAsync(name, "?key=k" + i);
                var expected = TrialSide.IsCandidate(
                    resolved.Json["trial"]!["salt"]!.GetValue<string>(),
                    "k" + i,
                    percentage
                );
                (resolved.Member("rule") == "candidate").ShouldBe(expected);
                if (expected)
                    now.Add("k" + i);
            }
            before.IsSubsetOf(now).ShouldBeTrue();
            before = now;
        }
        before.Count.ShouldBe(40);
        var trials = await server.Owner.GetAsync($"/v1/templates/{name}/channels/default/trials");
        trials.Json["items"]!.AsArray().Count.ShouldBe(1, "a growing percentage is the same trial");
    }

    [Fact]
    public async Task A_candidate_that_is_clearly_worse_is_taken_away_by_its_guard()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        await TryAsync(name, "1.0.0", "1.1.0", 50, null, new { metric = "failure", minimumOutcomes = 20 });
        (await ReportAsync(name, "a", 20, live: 1, candidate: 2)).Json["recorded"]!.GetValue<int>().ShouldBe(40);
        var repeated = await ReportAsync(name, "a", 20, live: 1, candidate: 2);
        (repeated.Json["recorded"]!.GetValue<int>(), repeated.Json["repeated"]!.GetValue<int>()).ShouldBe((0, 40));
        (await server.Owner.ResolveAsync(name, "?key=x")).Json["trial"].ShouldNotBeNull();

        await ReportAsync(name, "b", 60, live: 1, candidate: 40);
        JsonNode? trial = null;
        await ServerFixture.UntilAsync(async () =>
        {
            var trials = await server.Owner.GetAsync($"/v1/templates/{name}/channels/default/trials");
            trials.Status.ShouldBe(200, trials.Text);
            trial = trials.Json["items"]![0]!;
            return trial["state"]!.GetValue<string>() == "rolled-back";
        });
        trial!["decision"]!.GetValue<string>().ShouldContain("standard errors");
        var resolved = await server.Owner.ResolveAsync(name, "?key=x");
        (resolved.Member("version"), resolved.Json["trial"]).ShouldBe(("1.0.0", null));
        var channel = await server.Owner.GetAsync($"/v1/templates/{name}/channels/default");
        channel.Json["moves"]![0]!["reason"]!
            .GetValue<string>()
            .ShouldStartWith("rolled back by its guard: failure: candidate 0.5");
        (await ReportAsync(name, "c", 1, 0, 0)).Problem.ShouldBe("conflict");
    }

    [Fact]
    public async Task Another_guard_alone_is_a_change_that_is_told_and_kept()
    {
        using var person = await server.NewPersonAsync();
        var name = ServerFixture.NewName();
        foreach (var version in (string[])["1.0.0", "1.1.0"])
            await person.PushPromptAsync(name, version, version);
        var path = $"/v1/templates/{name}/channels/default";
        var guarded = Order(new { metric = "failure", minimumOutcomes = 20 });
        var first = await person.SendAsync(HttpMethod.Put, path, guarded, create: true);
        first.Status.ShouldBe(201, first.Text);
        var same = await person.SendAsync(HttpMethod.Put, path, guarded, first.Tag);
        (same.Status, same.Tag).ShouldBe((200, first.Tag));

        var without = await person.SendAsync(HttpMethod.Put, path, Order(null), first.Tag);
        without.Status.ShouldBe(200, without.Text);
        without.Json["candidate"]!["guard"].ShouldBeNull();
        without.Json["candidate"]!["trial"]!
            .GetValue<Guid>()
            .ShouldBe(first.Json["candidate"]!["trial"]!.GetValue<Guid>());
        without.Tag.ShouldNotBe(first.Tag);
        (await person.SendAsync(HttpMethod.Put, path, guarded, first.Tag)).Status.ShouldBe(412);
        var audited = (await person.GetAsync("/v1/audit?limit=200")).Json["items"]!
            .AsArray()
            .Where(entry => entry!["action"]!.GetValue<string>() == TemplateEvents.ChannelMoved)
            .Select(entry => entry!["detail"]!)
            .Where(details => details["channel"]?.GetValue<string>() == "default")
            .Select(details => details["guard"]?["metric"]?.GetValue<string>())
            .ToList();
        audited.ShouldBe([null, "failure"], "the latest first");

        static object Order(object? guard) =>
            new
            {
                version = "1.0.0",
                candidate = new
                {
                    version = "1.1.0",
                    percentage = 20,
                    guard,
                },
            };
    }

    [Fact]
    public async Task A_guard_sees_its_metric_however_many_others_there_are()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        await TryAsync(name, "1.0.0", "1.1.0", 50, null, new { metric = "failure", minimumOutcomes = 20 });
        var others = new JsonArray();
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            for (var i = 0; i < TemplatesLimits.Metrics; i++)
                others.Add(NewOutcome($"{version}-{i}", $"a{i}", 1, version));
        }
        (await RecordAsync(name, others)).Json["recorded"]!.GetValue<int>().ShouldBe(2 * TemplatesLimits.Metrics);
        var more = await RecordAsync(name, [NewOutcome("more", "more", 1, "1.0.0")]);
        (more.Status, more.FaultPointers.ShouldHaveSingleItem()).ShouldBe((422, "/outcomes/0/metric"));
        (await RecordAsync(name, [NewOutcome("known", "a0", 1, "1.0.0")])).Status.ShouldBe(200);

        (await ReportAsync(name, "b", 60, live: 1, candidate: 40)).Status.ShouldBe(200);
        await ServerFixture.UntilAsync(async () =>
            (await server.Owner.GetAsync($"/v1/templates/{name}/channels/default/trials")).Json["items"]![0]![
                "state"
            ]!.GetValue<string>() == "rolled-back"
        );
    }

    [Fact]
    public async Task Single_outcomes_go_after_their_time_and_their_sums_stay()
    {
        var name = await PushAsync("1.0.0", "1.1.0");
        await TryAsync(name, "1.0.0", "1.1.0", 50, null);
        await ReportAsync(name, "old", 20, live: 1, candidate: 1);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        (
            await ExecuteAsync(
                admin,
                "update templates.outcome set at = at - interval '8 days' where template = $1",
                name.Value
            )
        ).ShouldBe(40);
        await ReportAsync(name, "new", 10, live: 1, candidate: 1);
        (
            await ExecuteAsync(
                admin,
                "update platform.job set run_at = clock_timestamp() where kind = 'templates.forget-outcomes' and payload ->> 'Template' = $1",
                name.Value
            )
        ).ShouldBe(1);
        await ServerFixture.UntilAsync(async () =>
        {
            await using var count = new NpgsqlCommand(
                "select count(*)::int from templates.outcome where template = $1",
                admin
            );
            count.Parameters.Add(Sql.Text(name.Value));
            return (int)(await count.ExecuteScalarAsync(Ct))! == 20;
        });
        var trial = (await server.Owner.GetAsync($"/v1/templates/{name}/channels/default/trials")).Json["items"]![0]!;
        trial["metrics"]!.AsArray().Select(sum => sum!["outcomes"]!.GetValue<int>()).ShouldBe([30, 30]);
        // A running trial is looked at again.
        await ServerFixture.UntilAsync(async () =>
            await ExecuteAsync(
                admin,
                "update platform.job set run_at = run_at where kind = 'templates.forget-outcomes' and state = 'queued' and payload ->> 'Template' = $1",
                name.Value
            ) == 1
        );
    }

    [Theory]
    [InlineData(0.02, 0.30, true)]
    [InlineData(0.02, 0.02, false)]
    [InlineData(0.30, 0.02, false)]
    [InlineData(0.10, 0.13, false)]
    public void A_guard_decides_by_how_much_worse_and_how_sure(double live, double candidate, bool rollsBack)
    {
        const int outcomes = 200;
        var sums = new List<OutcomeSum>
        {
            new("failure", "live", outcomes, live * outcomes, live * outcomes),
            new("failure", "candidate", outcomes, candidate * outcomes, candidate * outcomes),
        };
        GuardDecision.Of(new GuardRule("failure"), sums).RollBack.ShouldBe(rollsBack);
        GuardDecision
            .Of(new GuardRule("failure", LowerIsBetter: false), sums)
            .RollBack.ShouldBe(live > candidate && !rollsBack && live > 0.2);
        GuardDecision.Of(new GuardRule("failure", Tolerance: 0.5), sums).RollBack.ShouldBeFalse();
        GuardDecision.Of(new GuardRule("failure", MinimumOutcomes: 201), sums).RollBack.ShouldBeFalse();
    }

    [Fact]
    public async Task A_protected_channel_moves_only_when_a_second_person_agrees()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var name = ServerFixture.NewName();
        await one.PushPromptAsync(name, "1.0.0", "one");
        await one.PushPromptAsync(name, "1.1.0", "two");
        var path = $"/v1/templates/{name}/channels/default";
        var made = await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true);
        (await one.SendAsync(HttpMethod.Put, path + "/protection", create: true)).Status.ShouldBe(204);

        var asked = await one.SendAsync(
            HttpMethod.Put,
            path,
            new { version = "1.1.0", reason = "new words" },
            made.Tag
        );
        asked.Status.ShouldBe(202, asked.Text);
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.0.0");
        var request = $"/v1/templates/{name}/move-requests/{asked.Member("id")}";
        var self = await one.SendAsync(HttpMethod.Put, request + "/decision", new { approve = true }, "\"open\"");
        self.Problem.ShouldBe("needs-second-person");
        var approved = await two.SendAsync(HttpMethod.Put, request + "/decision", new { approve = true }, "\"open\"");
        (approved.Status, approved.Member("state")).ShouldBe((200, "approved"));
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.1.0");
        (
            await two.SendAsync(HttpMethod.Put, request + "/decision", new { approve = false }, "\"open\"")
        ).Problem.ShouldBe("stale-version");

        var end = await one.SendAsync(HttpMethod.Delete, path + "/protection", ifMatch: "*");
        (end.Status, end.Member("asks")).ShouldBe((202, "end-protection"));
        (await one.GetAsync(path)).Json["protected"]!.GetValue<bool>().ShouldBeTrue();
        await two.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/move-requests/{end.Member("id")}/decision",
            new { approve = true },
            "\"open\""
        );
        (await one.GetAsync(path)).Json["protected"]!.GetValue<bool>().ShouldBeFalse();
    }

    [Fact]
    public async Task A_trial_on_a_protected_channel_can_be_stopped_by_one_person()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var name = ServerFixture.NewName();
        await one.PushPromptAsync(name, "1.0.0", "one");
        await one.PushPromptAsync(name, "1.1.0", "two");
        var path = $"/v1/templates/{name}/channels/default";
        var order = new { version = "1.0.0", candidate = new { version = "1.1.0", percentage = 50 } };
        var made = await one.SendAsync(HttpMethod.Put, path, order, create: true);
        made.Status.ShouldBe(201, made.Text);
        await one.SendAsync(HttpMethod.Put, path + "/protection", create: true);
        (await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, made.Tag)).Status.ShouldBe(200);
        (await one.GetAsync(path)).Json["candidate"].ShouldBeNull();
    }

    [Fact]
    public async Task Which_file_is_said_by_kind_role_path_and_locale()
    {
        var name = ServerFixture.NewName();
        var pushed = await server.Owner.PushAsync(
            name,
            "1.0.0",
            [
                (Person.Prompt("master_prompt", "fr.md", "fr"), "fr"),
                (Person.Prompt("master_prompt", "en.md", "en"), "en"),
                (Person.Prompt("json_config", "config.json", role: null), "{}"),
                (Person.Prompt("turn", "user.md", role: "user"), "user"),
                (Person.Prompt("turn", "manager.md", role: "manager"), "manager"),
            ]
        );
        pushed.Status.ShouldBe(201, pushed.Text);
        foreach (
            var (query, path) in ((string, string)[])
                [
                    ("kind=master_prompt&locale=fr-CA", "fr.md"),
                    ("kind=master_prompt&locale=en", "en.md"),
                    ("kind=master_prompt&locale=de", "fr.md"),
                    ("kind=master_prompt", "fr.md"),
                    ("kind=json_config&locale=fr", "config.json"),
                    ("role=manager", "manager.md"),
                    ("path=user.md", "user.md"),
                ]
        )
        {
            var resolved = await server.Owner.ResolveAsync(name, "?" + query);
            resolved.Json["artifact"]!["path"]!.GetValue<string>().ShouldBe(path, query);
        }
        var several = await server.Owner.ResolveAsync(name, "?kind=turn");
        (several.Problem, several.Json["paths"]!.AsArray().Count).ShouldBe(("ambiguous-artifact", 2));
        (await server.Owner.ResolveAsync(name, "?kind=nothing")).Problem.ShouldBe("no-such-artifact");
    }

    private async Task<TemplateName> PushAsync(params string[] versions)
    {
        var name = ServerFixture.NewName();
        foreach (var version in versions)
            (await server.Owner.PushPromptAsync(name, version, "text of " + version)).Status.ShouldBe(201);
        return name;
    }

    private async Task SetDefaultAsync(TemplateName name, string version) =>
        (
            await server.Owner.SendAsync(
                HttpMethod.Put,
                $"/v1/templates/{name}/channels/default",
                new { version },
                create: true
            )
        ).Status.ShouldBe(201);

    private async Task<string> TryAsync(
        TemplateName name,
        string live,
        string candidate,
        int percentage,
        string? tag,
        object? guard = null
    )
    {
        var moved = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/default",
            new
            {
                version = live,
                candidate = new
                {
                    version = candidate,
                    percentage,
                    guard,
                },
            },
            tag,
            create: tag is null
        );
        moved.Status.ShouldBeInRange(200, 201, moved.Text);
        return moved.Tag!;
    }

    private Task<Answer> ReportAsync(TemplateName name, string batch, int each, int live, int candidate)
    {
        var outcomes = new JsonArray();
        for (var i = 0; i < each; i++)
        {
            Add("1.0.0", i < live);
            Add("1.1.0", i < candidate);

            void Add(string version, bool failed) =>
                outcomes.Add(NewOutcome($"{batch}-{version}-{i}", "failure", failed ? 1 : 0, version));
        }
        return RecordAsync(name, outcomes);
    }

    private static JsonObject NewOutcome(string id, string metric, double value, string version) =>
        new()
        {
            ["id"] = id,
            ["metric"] = metric,
            ["value"] = value,
            ["version"] = version,
        };

    private Task<Answer> RecordAsync(TemplateName name, JsonArray outcomes) =>
        server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/templates/{name}/channels/default/outcomes",
            new JsonObject { ["outcomes"] = outcomes }
        );

    private static async Task<int> ExecuteAsync(NpgsqlConnection admin, string sql, string parameter)
    {
        await using var command = new NpgsqlCommand(sql, admin);
        command.Parameters.Add(Sql.Text(parameter));
        return await command.ExecuteNonQueryAsync(Ct);
    }
}

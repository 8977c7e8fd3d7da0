using Npgsql;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;

namespace Platen.Templates.Tests;

public sealed class ExpiryTests(ServerFixture server)
{
    private readonly TemplateName name = ServerFixture.NewName();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_past_its_time_goes_and_what_something_names_stays()
    {
        await server.Owner.PushPromptAsync(name, "0.1.0", "a draft", "draft");
        await server.Owner.PushPromptAsync(name, "0.2.0", "a young draft", "draft");
        foreach (var version in (string[])["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"])
            await server.Owner.PushPromptAsync(name, version, "text of " + version);
        await MoveAsync("default", new { version = "1.1.0", candidate = new { version = "1.2.0", percentage = 5 } });
        // A workspace pins the platform's version for itself.
        using var person = await server.NewPersonAsync();
        (
            await person.SendAsync(
                HttpMethod.Put,
                $"/v1/templates/{name}/pins/production",
                new { version = "1.3.0", reason = "tested" },
                create: true
            )
        ).Status.ShouldBe(201);
        await AgeAsync("semver <> '0.2.0'");

        var told = await ExpireAsync(
            server.Owner,
            new
            {
                draftsOlderThanDays = 30,
                unusedOlderThanDays = 30,
                dryRun = true,
            }
        );
        Lines(told, "removed").ShouldBe(["0.1.0", "1.0.0", "1.4.0"]);
        told.Json["kept"]!
            .AsArray()
            .Select(line => $"{line!["version"]}: {line["because"]}")
            .ShouldBe([
                "1.1.0: the channel default",
                "1.2.0: the channel default",
                "1.3.0: a pin",
                "1.5.0: the channel latest",
            ]);
        (await server.Owner.ResolveAsync(name, "?version=1.0.0")).Status.ShouldBe(200, "a dry run changes nothing");

        var done = await ExpireAsync(server.Owner, new { draftsOlderThanDays = 30, unusedOlderThanDays = 30 });
        Lines(done, "removed").ShouldBe(["0.1.0", "1.0.0", "1.4.0"]);
        (await server.Owner.ResolveAsync(name, "?version=1.0.0")).Problem.ShouldBe("no-such-version");
        (await server.Owner.ResolveAsync(name, "?version=0.2.0")).Status.ShouldBe(200);
        (await person.ResolveAsync(name, "?environment=production")).Member("version").ShouldBe("1.3.0");
        var audit = await server.Owner.GetAsync("/v1/audit?limit=200");
        audit.Text.ShouldContain("template.version-removed");
        (await server.Owner.GetAsync($"/v1/templates?q={name}")).Json["items"]![0]!["versions"]!
            .GetValue<int>()
            .ShouldBe(5, "eight were pushed, and three have gone");
        Lines(await ExpireAsync(server.Owner, new { draftsOlderThanDays = 30, unusedOlderThanDays = 30 }), "removed")
            .ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_given_out_comes_back_as_what_it_was_and_as_nothing_else()
    {
        await server.Owner.PushPromptAsync(name, "0.1.0", "a draft", "draft");
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await AgeAsync("true");
        var done = await ExpireAsync(server.Owner, new { draftsOlderThanDays = 30, unusedOlderThanDays = 30 });
        Lines(done, "removed").ShouldBe(["0.1.0", "1.0.0"]);
        foreach (var status in (string[])["stable", "draft"])
        {
            var refused = await server.Owner.PushPromptAsync(name, "1.0.0", "other text", status);
            (refused.Status, refused.Problem).ShouldBe((409, "version-is-immutable"), refused.Text);
            refused.Member("detail").ShouldContain("until it was removed");
        }
        // As a draft it is back, and still cannot become something else.
        var back = await server.Owner.PushPromptAsync(name, "1.0.0", "one", "draft");
        back.Status.ShouldBe(201, back.Text);
        (await server.Owner.PushPromptAsync(name, "1.0.0", "other text", "draft", back.Tag)).Status.ShouldBe(409);
        (await server.Owner.ResolveAsync(name, "?version=1.0.0&kind=master_prompt")).Json["artifact"]!["digest"]!
            .GetValue<string>()
            .ShouldBe(Digest.Of("one"u8).ToString());
        // Nobody was to rely on a draft.
        (await server.Owner.PushPromptAsync(name, "0.1.0", "another draft", "draft")).Status.ShouldBe(201);
    }

    [Fact]
    public async Task More_than_one_request_removes_goes_with_the_next()
    {
        for (var i = 0; i <= TemplatesLimits.Expired; i++)
            await server.Owner.PushPromptAsync(name, $"0.0.{i}", "a draft", "draft");
        var order = new { draftsOlderThanDays = 0 };
        var first = await ExpireAsync(server.Owner, order);
        (Lines(first, "removed").Length, first.Json["hasMore"]!.GetValue<bool>()).ShouldBe(
            (TemplatesLimits.Expired, true)
        );
        var second = await ExpireAsync(server.Owner, order);
        (Lines(second, "removed").Length, second.Json["hasMore"]!.GetValue<bool>()).ShouldBe((1, false));
    }

    [Fact]
    public async Task A_deprecated_version_goes_after_its_sunset_and_not_before()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        var second = await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        var third = await server.Owner.PushPromptAsync(name, "1.2.0", "three");
        await DeprecateAsync("1.1.0", second.Tag!, "2020-01-01T00:00:00Z");
        await DeprecateAsync("1.2.0", third.Tag!, "2999-01-01T00:00:00Z");
        var done = await ExpireAsync(server.Owner, new { });
        Lines(done, "removed").ShouldBe(["1.1.0"]);
        done.Json["removed"]![0]!["because"]!
            .GetValue<string>()
            .ShouldBe("deprecated, and its sunset was on 2020-01-01");
        (await server.Owner.ResolveAsync(name, "?version=1.2.0")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_rule_removes_at_once_and_every_day_and_ends_when_it_is_changed()
    {
        using var person = await server.NewPersonAsync();
        var first = await PushOldDraftAsync(person, "0.1.0");
        await person.PushPromptAsync(name, "1.0.0", "stable " + name);
        var deprecated = await person.PushPromptAsync(name, "1.1.0", "deprecated " + name);
        (
            await person.SendAsync(
                HttpMethod.Patch,
                $"/v1/templates/{name}/versions/1.1.0",
                new
                {
                    status = "deprecated",
                    reason = "old",
                    sunsetAt = "2020-01-01T00:00:00Z",
                },
                deprecated.Tag
            )
        ).Status.ShouldBe(200);

        var none = await person.GetAsync(Rule);
        (none.Status, none.Json["draftsOlderThanDays"], none.Json["afterSunset"]!.GetValue<bool>()).ShouldBe(
            (200, null, false),
            none.Text
        );
        (await person.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 30 })).Problem.ShouldBe(
            "precondition-required"
        );
        var wrong = await person.SendAsync(
            HttpMethod.Put,
            Rule,
            new { draftsOlderThanDays = 0, unusedOlderThanDays = 4_000 },
            none.Tag
        );
        wrong.FaultPointers.ShouldBe(["/draftsOlderThanDays", "/unusedOlderThanDays"]);

        var set = await person.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 30 }, none.Tag);
        set.Status.ShouldBe(200, set.Text);
        await GoneAsync(person, first);
        (await person.ResolveAsync(name, "?version=1.1.0")).Status.ShouldBe(200, "its sunset is no end by this rule");

        // The next run waits for its day; on that day what has become old goes too.
        var second = await PushOldDraftAsync(person, "0.2.0");
        await MakeDueAsync(person);
        await GoneAsync(person, second);
        var audit = await person.GetAsync("/v1/audit?limit=200");
        audit.Text.ShouldContain("template.retention-changed");
        audit.Text.ShouldContain("a draft that nobody changed for 30 days");

        // Another rule has runs of its own; those of the former one end.
        (await person.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 1 }, none.Tag)).Status.ShouldBe(412);
        var third = await PushOldDraftAsync(person, "0.3.0");
        var changed = await person.SendAsync(HttpMethod.Put, Rule, new { afterSunset = true }, set.Tag);
        changed.Status.ShouldBe(200, changed.Text);
        await GoneAsync(person, "1.1.0");
        await MakeDueAsync(person);
        await ServerFixture.UntilAsync(async () => await WaitingAsync(person) == 1);
        (await person.ResolveAsync(name, "?version=" + third)).Status.ShouldBe(200);
        (await person.ResolveAsync(name, "?version=1.0.0")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_run_that_is_retried_makes_no_second_chain_and_one_that_was_lost_begins_again()
    {
        using var person = await server.NewPersonAsync();
        var none = await person.GetAsync(Rule);
        var set = await person.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 30 }, none.Tag);
        await ServerFixture.UntilAsync(async () => await WaitingAsync(person) == 1);

        // It died after it had seen to the next one.
        await ExecuteAsync(
            person,
            "update platform.job set state = 'dead', error = 'lost' where owner = $1 and kind = 'templates.expire' and state = 'succeeded'"
        );
        var dead = (await person.GetAsync("/v1/jobs?state=dead")).Json["items"]!.AsArray().ShouldHaveSingleItem()!;
        var id = dead["id"]!.GetValue<Guid>();
        (await person.SendAsync(HttpMethod.Post, $"/v1/jobs/{id}/retry")).Status.ShouldBe(204);
        await ServerFixture.UntilAsync(async () =>
            (await person.GetAsync($"/v1/jobs/{id}")).Member("state") == "succeeded"
        );
        (await WaitingAsync(person)).ShouldBe(1);

        await ExecuteAsync(person, "delete from platform.job where owner = $1 and kind = 'templates.expire'");
        var draft = await PushOldDraftAsync(person, "0.1.0");
        var same = await person.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 30 }, set.Tag);
        (same.Status, same.Tag).ShouldBe((200, set.Tag), same.Text);
        await GoneAsync(person, draft);
        await ServerFixture.UntilAsync(async () => await WaitingAsync(person) == 1);
    }

    [Fact]
    public async Task A_rule_is_of_its_owner_and_of_nobody_else()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync();
        using var reader = await server.NewPersonAsync(one.OwnerId, "templates:read");
        var draft = await PushOldDraftAsync(two, "0.1.0");
        var none = await one.GetAsync(Rule);
        (await one.SendAsync(HttpMethod.Put, Rule, new { draftsOlderThanDays = 1 }, none.Tag)).Status.ShouldBe(200);
        (await reader.GetAsync(Rule)).Json["draftsOlderThanDays"]!.GetValue<int>().ShouldBe(1);
        (await reader.SendAsync(HttpMethod.Put, Rule, new { }, (await reader.GetAsync(Rule)).Tag)).Status.ShouldBe(403);
        (await two.GetAsync(Rule)).Json["draftsOlderThanDays"].ShouldBeNull();
        await ServerFixture.UntilAsync(async () => await WaitingAsync(one) == 1);
        (await two.ResolveAsync(name, "?version=" + draft)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_bytes_of_what_went_are_not_referred_to_any_more_and_shared_ones_are()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "only here " + name);
        await server.Owner.PushAsync(
            name,
            "1.1.0",
            [(Person.Prompt("a", "a.md"), "shared " + name), (Person.Prompt("b", "b.md"), "other " + name)]
        );
        await server.Owner.PushAsync(name, "1.2.0", [(Person.Prompt("a", "a.md"), "shared " + name)]);
        await AgeAsync("true");
        Lines(await ExpireAsync(server.Owner, new { unusedOlderThanDays = 1 }), "removed").ShouldBe(["1.0.0", "1.1.0"]);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var pointed = new NpgsqlCommand(
            "select count(*) from platform.channel where subject = $1 and release_digest is not null and name in ('1.0.0', '1.1.0')",
            admin
        );
        pointed.Parameters.Add(Sql.Text(name.Subject));
        (await pointed.ExecuteScalarAsync(Ct)).ShouldBe(0L, "no channel keeps the releases from being collected");
        (await CollectableAsync()).ShouldBe((2, 1));
        var blob = $"/v1/templates/{name}/blobs/";
        (await server.Owner.GetAsync(blob + Digest.Of(Text("shared")))).Status.ShouldBe(200);
        (await server.Owner.GetAsync(blob + Digest.Of(Text("only here")))).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_draft_that_is_pushed_again_leaves_what_it_was_to_the_collection()
    {
        string? tag = null;
        foreach (var text in (string[])["one", "two", "three", "one"])
        {
            var pushed = await server.Owner.PushPromptAsync(name, "1.0.0", text, "draft", tag);
            pushed.Status.ShouldBeInRange(200, 201, pushed.Text);
            tag = pushed.Tag;
        }
        // What it was at first, it is again.
        (await CollectableAsync()).ShouldBe((2, 1));
    }

    [Fact]
    public async Task What_was_in_use_or_was_made_stable_lately_stays()
    {
        foreach (var version in (string[])["1.0.0", "1.1.0", "1.2.0"])
            await server.Owner.PushPromptAsync(name, version, version);
        await server.Owner.PushPromptAsync(name, "0.9.0", "a late stable one", "draft");
        await MoveAsync("production", "1.0.0", create: true);
        await AgeAsync("true");
        await MoveAsync("production", "1.2.0");
        var stable = await server.Owner.SendAsync(
            HttpMethod.Patch,
            $"/v1/templates/{name}/versions/0.9.0",
            new { status = "stable" },
            "*"
        );
        stable.Status.ShouldBe(200, stable.Text);
        var done = await ExpireAsync(server.Owner, new { unusedOlderThanDays = 30 });
        Lines(done, "removed").ShouldBe(["1.1.0"]);
        done.Json["kept"]!.AsArray().Single(line => line!["version"]!.GetValue<string>() == "1.0.0")!["because"]!
            .GetValue<string>()
            .ShouldStartWith("the channel production left it on ");
        await MoveAsync("production", "1.0.0");
    }

    [Fact]
    public async Task What_was_live_or_pinned_yesterday_stays_also_when_it_is_deprecated_unless_a_sunset_is_an_end()
    {
        var tags = new Dictionary<string, string>();
        foreach (var version in (string[])["1.0.0", "1.1.0", "1.2.0", "1.3.0"])
            tags[version] = (await server.Owner.PushPromptAsync(name, version, version)).Tag!;
        await MoveAsync("production", "1.0.0", create: true);
        var pin = $"/v1/templates/{name}/pins/";
        foreach (var (place, version) in ((string, string)[])[("staging", "1.1.0"), ("review", "1.2.0")])
        {
            var pinned = await server.Owner.SendAsync(HttpMethod.Put, pin + place, new { version }, create: true);
            pinned.Status.ShouldBe(201, pinned.Text);
        }
        await DeprecateAsync("1.0.0", tags["1.0.0"], "2020-01-01T00:00:00Z");
        await AgeAsync("true");
        await MoveAsync("production", "1.3.0");
        (await server.Owner.SendAsync(HttpMethod.Delete, pin + "staging", ifMatch: "*")).Status.ShouldBe(204);
        (await server.Owner.SendAsync(HttpMethod.Put, pin + "review", new { version = "1.3.0" }, "*")).Status.ShouldBe(
            200
        );

        var done = await ExpireAsync(server.Owner, new { unusedOlderThanDays = 30, afterSunset = false });
        Lines(done, "removed").ShouldBeEmpty();
        var kept = done.Json["kept"]!
            .AsArray()
            .ToDictionary(line => line!["version"]!.GetValue<string>(), line => line!["because"]!.GetValue<string>());
        kept["1.0.0"].ShouldStartWith("the channel production left it on ");
        kept["1.1.0"].ShouldStartWith("a pin ended on ");
        kept["1.2.0"].ShouldStartWith("a pin ended on ");
        // Whoever deprecated it said before when it ends.
        Lines(await ExpireAsync(server.Owner, new { unusedOlderThanDays = 30 }), "removed").ShouldBe(["1.0.0"]);
    }

    private async Task MoveAsync(string channel, string version, bool create = false)
    {
        var moved = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/{channel}",
            new { version },
            create ? null : "*",
            create
        );
        moved.Status.ShouldBeInRange(200, 201, moved.Text);
    }

    /// <summary>How many releases of the template a collection takes when no grace is given, and how many stay.</summary>
    private async Task<(long Taken, long Kept)> CollectableAsync()
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var count = new NpgsqlCommand(
            """
            select count(*) filter (where c), count(*) filter (where not c)
            from (select platform.is_collectable(owner, subject, digest, '0', 0, '0') as c from platform.release where subject = $1) r
            """,
            admin
        );
        count.Parameters.Add(Sql.Text(name.Subject));
        await using var row = await count.ExecuteReaderAsync(Ct);
        await row.ReadAsync(Ct);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    [Fact]
    public async Task Whoever_may_not_push_may_not_remove_and_other_workspaces_see_nothing()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync();
        await one.PushPromptAsync(name, "1.0.0", "one", "draft");
        using var reader = await server.NewPersonAsync(one.OwnerId, Access.Scopes.TemplatesRead);
        (await ExpireAsync(reader, new { draftsOlderThanDays = 0 })).Status.ShouldBe(403);
        (await ExpireAsync(two, new { draftsOlderThanDays = 0 })).Status.ShouldBe(404);
        (await ExpireAsync(one, new { draftsOlderThanDays = -1 })).Problem.ShouldBe("invalid");
        (await ExpireAsync(one, new { draftsOlderThanDays = 1 })).Json["removed"]!.AsArray().ShouldBeEmpty();
        Lines(await ExpireAsync(one, new { draftsOlderThanDays = 0 }), "removed").ShouldBe(["1.0.0"]);
    }

    private byte[] Text(string text) => System.Text.Encoding.UTF8.GetBytes($"{text} {name}");

    private Task<Answer> ExpireAsync(Person person, object order) =>
        person.SendAsync(HttpMethod.Post, $"/v1/templates/{name}/versions:expire", order);

    private static string[] Lines(Answer answer, string list)
    {
        answer.Status.ShouldBe(200, answer.Text);
        return [.. answer.Json[list]!.AsArray().Select(line => line!["version"]!.GetValue<string>())];
    }

    private async Task MoveAsync(string channel, object order)
    {
        var moved = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/{channel}",
            order,
            create: true
        );
        moved.Status.ShouldBe(201, moved.Text);
    }

    private async Task DeprecateAsync(string version, string tag, string sunset)
    {
        var order = new
        {
            status = "deprecated",
            reason = "old",
            sunsetAt = sunset,
        };
        var path = $"/v1/templates/{name}/versions/{version}";
        var answer = await server.Owner.SendAsync(HttpMethod.Patch, path, order, tag);
        answer.Status.ShouldBe(200, answer.Text);
    }

    /// <summary>Lets a hundred days pass for the versions.</summary>
    private async Task AgeAsync(string which)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await ServerFixture.AgeAsync(admin, name, which, Ct);
    }

    private const string Rule = "/v1/template-retention";

    private async Task<string> PushOldDraftAsync(Person person, string version)
    {
        (await person.PushPromptAsync(name, version, "a draft", "draft")).Status.ShouldBe(201);
        await AgeAsync($"semver = '{version}'");
        return version;
    }

    private Task GoneAsync(Person person, string version) =>
        ServerFixture.UntilAsync(async () => (await person.ResolveAsync(name, "?version=" + version)).Status == 404);

    /// <summary>Lets a day go by for the runs that wait.</summary>
    private async Task MakeDueAsync(Person person)
    {
        await ExecuteAsync(
            person,
            "update platform.job set run_at = clock_timestamp() where owner = $1 and kind = 'templates.expire' and state = 'queued'"
        );
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var wake = new NpgsqlCommand("select pg_notify('platen_job', 'templates.expire')", admin);
        await wake.ExecuteNonQueryAsync(Ct);
    }

    private async Task ExecuteAsync(Person person, string statement)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var command = new NpgsqlCommand(statement, admin);
        command.Parameters.Add(Sql.Owner(person.OwnerId));
        (await command.ExecuteNonQueryAsync(Ct)).ShouldBePositive();
    }

    /// <summary>Runs that wait for their day; none when one is under way.</summary>
    private async Task<long> WaitingAsync(Person person)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var count = new NpgsqlCommand(
            """
            select case when bool_or(state = 'running' or run_at <= clock_timestamp()) then 0 else count(*) end
            from platform.job where owner = $1 and kind = 'templates.expire' and state in ('queued', 'running')
            """,
            admin
        );
        count.Parameters.Add(Sql.Owner(person.OwnerId));
        return (long)(await count.ExecuteScalarAsync(Ct))!;
    }
}

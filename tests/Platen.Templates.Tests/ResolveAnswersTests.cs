using Npgsql;
using Platen.Access;
using Platen.Kernel.Templates;

namespace Platen.Templates.Tests;

/// <summary>Answers from memory: the same as from the database, as new, and for nobody else.</summary>
public sealed class ResolveAnswersTests(ResolveAnswersTests.OwnServer own)
    : IClassFixture<ResolveAnswersTests.OwnServer>
{
    private readonly ServerFixture server = own.Server;
    private readonly TemplateName name = ServerFixture.NewName();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_repeated_question_needs_no_database()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        Answer first;
        Answer again;
        Answer[] unchanged;
        Answer changed;
        while (true)
        {
            first = await AskAsync(server.Owner);
            await RunAsync("begin; lock templates.template in access exclusive mode");
            again = await AskAsync(server.Owner);
            unchanged =
            [
                await AskAsync(server.Owner, ifNoneMatch: first.Tag),
                await AskAsync(server.Owner, ifNoneMatch: $"\"other\", W/{first.Tag}"),
            ];
            changed = await AskAsync(server.Owner, ifNoneMatch: "\"other\"");
            // The word of the push may arrive only now, and ends what was kept before it.
            if (!unchanged.Append(again).Append(changed).Any(answer => answer.Status == 503))
                break;
            await RunAsync("rollback");
        }
        (again.Status, again.Text, again.Tag).ShouldBe((200, first.Text, first.Tag));
        again
            .Headers.Where(h => h.Key is not ("Date" or "traceparent" or "RateLimit" or "Server-Timing"))
            .ShouldBe(
                first.Headers.Where(h => h.Key is not ("Date" or "traceparent" or "RateLimit" or "Server-Timing")),
                ignoreOrder: true
            );
        again.Headers.ShouldContainKey("RateLimit");
        again.Headers["traceparent"].ShouldMatch("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$");
        again.Headers["traceparent"].ShouldNotBe(first.Headers["traceparent"]);
        unchanged.ShouldAllBe(answer => answer.Status == 304);
        changed.Status.ShouldBe(200);

        async Task RunAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, admin);
            await command.ExecuteNonQueryAsync(Ct);
        }
    }

    [Fact]
    public void Of_changes_that_are_told_at_once_the_latest_counts()
    {
        const int changes = 2_000;
        for (var round = 0; round < 50; round++)
        {
            var mark = new ResolveAnswers.Mark();
            Parallel.For(1, changes + 1, change => mark.ChangedBy(change));
            mark.ChangedAt.ShouldBe(changes);
        }
        var late = new ResolveAnswers.Mark();
        late.ChangedBy(2);
        late.ChangedBy(1);
        late.ChangedAt.ShouldBe(2);
    }

    [Fact]
    public async Task Nobody_is_told_what_another_may_read()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync();
        await one.PushPromptAsync(name, "1.0.0", "of one");
        await WarmAsync(one, "1.0.0");
        (await AskAsync(two)).Status.ShouldBe(404);
        using var nobody = new Person(server.Address, MachineKey.Generate().Reveal());
        (await AskAsync(nobody)).Status.ShouldBe(401);
        using var other = await server.NewPersonAsync(one.OwnerId, Scopes.EventsRead);
        await other.GetAsync("/v1/whoami");
        (await AskAsync(other)).Status.ShouldBe(403);
        await two.PushPromptAsync(name, "3.0.0", "of two");
        await WarmAsync(two, "3.0.0");
        await WarmAsync(one, "1.0.0");
    }

    [Fact]
    public async Task A_revoked_key_is_refused_although_its_answer_is_known()
    {
        using var one = await server.NewPersonAsync();
        await one.PushPromptAsync(name, "1.0.0", "one");
        var made = await one.SendAsync(
            HttpMethod.Post,
            "/v1/keys",
            new { name = "reader", scopes = new[] { Scopes.TemplatesRead } }
        );
        made.Status.ShouldBe(201, made.Text);
        using var reader = new Person(server.Address, made.Member("secret"));
        await WarmAsync(reader, "1.0.0");
        var gone = await one.SendAsync(HttpMethod.Delete, $"/v1/keys/{made.Member("id")}", ifMatch: "*");
        gone.Status.ShouldBeInRange(200, 204, gone.Text);
        (await AskAsync(reader)).Status.ShouldBe(401);
    }

    [Fact]
    public async Task Every_change_is_in_the_next_answer_of_the_node_that_made_it()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await WarmAsync(server.Owner, "1.0.0");
        var second = await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await WarmAsync(server.Owner, "1.1.0");
        var channel = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/default",
            new { version = "1.0.0", reason = "back" },
            create: true
        );
        channel.Status.ShouldBe(201, channel.Text);
        await WarmAsync(server.Owner, "1.0.0");
        var pin = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/pins/*",
            new { version = "1.1.0", reason = "for now" },
            create: true
        );
        pin.Status.ShouldBe(201, pin.Text);
        await WarmAsync(server.Owner, "1.1.0");
        await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/templates/{name}/pins/*", ifMatch: pin.Tag);
        await WarmAsync(server.Owner, "1.0.0");
        await WarmAsync(server.Owner, "1.1.0", "?version=1.1.0");
        await server.Owner.SendAsync(
            HttpMethod.Patch,
            $"/v1/templates/{name}/versions/1.1.0",
            new
            {
                status = "deprecated",
                reason = "leaks",
                successor = "1.0.0",
            },
            second.Tag
        );
        for (var i = 0; i < 3; i++)
        {
            var deprecated = await AskAsync(server.Owner, "?version=1.1.0");
            deprecated.Headers["Deprecation"].ShouldStartWith("@");
            deprecated.Headers["Link"].ShouldBe($"</v1/templates/{name}/versions/1.0.0>; rel=\"successor-version\"");
        }
        var read = await server.Owner.GetAsync($"/v1/templates/{name}");
        await server.Owner.SendAsync(HttpMethod.Put, $"/v1/templates/{name}", new { enabled = false }, read.Tag);
        (await AskAsync(server.Owner)).Problem.ShouldBe("template-disabled");
    }

    [Fact]
    public async Task A_workspace_gets_its_own_as_soon_as_it_has_one_and_its_own_pins()
    {
        using var person = await server.NewPersonAsync();
        await server.Owner.PushPromptAsync(name, "1.0.0", "the platform's");
        await server.Owner.PushPromptAsync(name, "1.1.0", "the platform's");
        await WarmAsync(person, "1.1.0");
        await person.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/pins/*",
            new { version = "1.0.0", reason = "tested" },
            create: true
        );
        await WarmAsync(person, "1.0.0");
        await WarmAsync(server.Owner, "1.1.0");
        await server.Owner.PushPromptAsync(name, "1.2.0", "the platform's");
        await WarmAsync(person, "1.2.0", "?version=~1.2.0");
        await person.PushPromptAsync(name, "7.0.0", "its own");
        await WarmAsync(person, "7.0.0");
    }

    [Fact]
    public async Task Another_node_hears_of_a_move_and_of_moves_while_it_was_deaf()
    {
        await using var second = await server.StartNodeAsync();
        using var there = new Person(new Uri(second.Urls.Single()), server.OwnerKeyText);
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        await WarmAsync(there, "1.1.0");
        var move = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/default",
            new { version = "1.0.0" },
            create: true
        );
        await UntilVersionAsync(there, "1.0.0");
        await WarmAsync(there, "1.0.0");
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var cut = new NpgsqlCommand(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platen listen'",
                admin
            );
            await cut.ExecuteNonQueryAsync(Ct);
        }
        await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/default",
            new { version = "1.1.0" },
            move.Tag
        );
        await UntilVersionAsync(there, "1.1.0");
        await WarmAsync(there, "1.1.0");
        await second.StopAsync(Ct);
    }

    [Fact]
    public async Task A_key_gets_its_side_however_the_question_is_written()
    {
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        var trial = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/channels/default",
            new { version = "1.0.0", candidate = new { version = "1.1.0", percentage = 40 } },
            create: true
        );
        trial.Status.ShouldBe(201, trial.Text);
        var salt = (await AskAsync(server.Owner)).Json["trial"]!["salt"]!.GetValue<string>();
        var candidates = 0;
        for (var i = 0; i < 40; i++)
        {
            var key = $"user {i}@example.org";
            var isCandidate = TrialSide.IsCandidate(salt, key, 40);
            candidates += isCandidate ? 1 : 0;
            var text = Uri.EscapeDataString(key);
            foreach (
                var query in (string[])
                    [
                        $"?kind=master_prompt&key={text}",
                        $"?key={text.Replace("%20", "+", StringComparison.Ordinal)}&kind=master_prompt",
                        $"?KEY={text}&kind=master_prompt",
                        $"?k%65y={text}&kind=master_prompt",
                    ]
            )
            {
                var answer = await AskAsync(server.Owner, query);
                answer.Member("version").ShouldBe(isCandidate ? "1.1.0" : "1.0.0", query);
                answer.Json["trial"]!["side"]!.GetValue<string>().ShouldBe(isCandidate ? "candidate" : "live");
            }
        }
        candidates.ShouldBeInRange(5, 35);
        var without = await AskAsync(server.Owner, "?kind=master_prompt");
        (without.Member("version"), without.Json["trial"]!["side"]).ShouldBe(("1.0.0", null));
        (await AskAsync(server.Owner, "?key=" + new string('x', 600))).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Answers_from_memory_are_counted_like_all_others()
    {
        await using var node = await server.StartNodeAsync("key=6/3600");
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        using var person = await server.NewPersonAsync();
        using var there = new Person(new Uri(node.Urls.Single()), person.Key);
        for (var left = 5; left >= 0; left--)
            (await AskAsync(there)).Headers["RateLimit"].ShouldContain($"\"key\";r={left};");
        var refused = await AskAsync(there);
        (refused.Status, refused.Problem).ShouldBe((429, "rate-limited"));
        refused.Headers.ShouldContainKey("Retry-After");
        await node.StopAsync(Ct);
    }

    [Fact]
    public async Task Questions_without_end_do_not_fill_the_memory()
    {
        using var person = await server.NewPersonAsync();
        await person.PushPromptAsync(name, "1.0.0", "one");
        var answers = server.Service<ResolveAnswers>();
        for (var i = 0; i < TemplatesLimits.AnswersOfOwner + 100; i++)
            (await AskAsync(person, $"?environment=e{i}")).Status.ShouldBe(200);
        answers.Bytes.ShouldBeLessThan(TemplatesLimits.AnswerBytesOfOwner);
        await WarmAsync(person, "1.0.0");
    }

    private Task<Answer> AskAsync(Person person, string query = "", string? ifNoneMatch = null) =>
        person.GetAsync($"/v1/templates/{name}/resolve{query}", ifNoneMatch);

    /// <summary>The answer as it is read, kept, and given again.</summary>
    private async Task WarmAsync(Person person, string version, string query = "")
    {
        for (var i = 0; i < 3; i++)
        {
            var answer = await AskAsync(person, query);
            answer.Status.ShouldBe(200, answer.Text);
            answer.Member("version").ShouldBe(version);
        }
    }

    private Task UntilVersionAsync(Person person, string version) =>
        ServerFixture.UntilAsync(async () => (await AskAsync(person)).Member("version") == version);

    /// <summary>A server whose tables nobody else waits for.</summary>
    public sealed class OwnServer : IAsyncLifetime
    {
        internal ServerFixture Server { get; } = new();

        public ValueTask InitializeAsync() => Server.InitializeAsync();

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}

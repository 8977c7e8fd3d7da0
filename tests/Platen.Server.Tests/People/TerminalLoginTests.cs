using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Platen.Server.Tests.People;

/// <summary>A terminal gets a key of its own by way of the person's browser.</summary>
public sealed partial class TerminalLoginTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_lends_a_terminal_what_they_say_for_as_long_as_they_say()
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("editor");
        using var _ = browser;
        var terminal = new TerminalSecret();
        var page = await browser.OpenAsync(terminal.Path("platen on ada@lovelace", port: 40_123));
        page.Answer.Status.ShouldBe(200);
        page.Answer.Text.ShouldContain("platen on ada@lovelace");
        page.Answer.Text.ShouldContain(owner.ToString());

        var approved = await ApproveAsync(
            browser,
            terminal.Path("platen on ada@lovelace", port: 40_123),
            owner,
            "read",
            30
        );
        var code = Code().Match(approved.Text).Groups["value"].Value;
        approved.Text.ShouldContain($"http://127.0.0.1:40123/?state=s&amp;code={code}");
        var made = await ExchangeAsync(code, terminal.Verifier);
        made.Status.ShouldBe(200, made.Text);
        made.Json["name"]!.GetValue<string>().ShouldBe("platen on ada@lovelace");
        (made.Json["expiresAt"]!.GetValue<DateTimeOffset>() - TimeProvider.System.GetUtcNow()).TotalDays.ShouldBe(
            30,
            0.1
        );
        var scopes = made.Json["scopes"]!.AsArray().Select(s => s!.GetValue<string>()).ToList();
        scopes.ShouldContain("instances:read");
        scopes.ShouldNotContain("instances:write");

        using var key = ServerFixtureClient(made.Json["secret"]!.GetValue<string>());
        var me = (await key.SendAsync(HttpMethod.Get, "/v1/whoami")).Json;
        me["name"]!.GetValue<string>().ShouldBe("platen on ada@lovelace");
        (await key.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/instances")).Status.ShouldBe(200);
        // It is hers: whoever looks after the keys there sees by whom it was made.
        var listed = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/keys");
        listed.Json["items"]![0]!["createdBy"]!.GetValue<string>().ShouldBe("Ada Lovelace");
        ada.Email.ShouldNotBeEmpty();

        (await key.SendAsync(HttpMethod.Post, "/v1/whoami/end-key", new { id = Guid.Empty })).Status.ShouldBe(422);
        (await key.SendAsync(HttpMethod.Post, "/v1/whoami/end-key", new { id = made.Json["id"] })).Status.ShouldBe(204);
        (await key.SendAsync(HttpMethod.Get, "/v1/whoami")).Status.ShouldBe(401);
    }

    [Fact]
    public async Task What_was_lent_is_never_more_than_the_lender_has()
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("editor");
        using var _ = browser;
        using var key = await LendAsync(browser, owner);
        var instances = $"/v1/workspaces/{slug}/instances";
        var member = $"/v1/workspaces/{slug}/members/{ada.Id}";
        (await key.SendAsync(HttpMethod.Post, instances, UserInstanceTests.Faq("x"))).Status.ShouldBe(201);

        (await server.Owner.SendAsync(HttpMethod.Patch, member, new { role = "viewer" }, "*")).Status.ShouldBe(200);
        (await key.SendAsync(HttpMethod.Post, instances, UserInstanceTests.Faq("x"))).Status.ShouldBe(403);
        (await key.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(200);
        // Nor does it do later what it put off while it could.
        var id = (await key.SendAsync(HttpMethod.Get, "/v1/whoami")).Json["id"]!.GetValue<Guid>();
        var later = Kernel.OperationContext.ForSystem(new Kernel.OwnerId(owner), "test");
        await using (var session = await server.Postgres.Pools.OpenAsync(later, Ct))
        {
            (await Access.ActorRights.HasAsync(session, new(id), "instances:read", Ct)).ShouldBeTrue();
            (await Access.ActorRights.HasAsync(session, new(id), "instances:write", Ct)).ShouldBeFalse();
        }
        using var stream = await key.GetAsync(
            $"/v1/workspaces/{slug}/events/widget/x",
            HttpCompletionOption.ResponseHeadersRead,
            Ct
        );
        ((int)stream.StatusCode).ShouldBe(200);

        (await server.Owner.SendAsync(HttpMethod.Delete, member, ifMatch: "*")).Status.ShouldBeInRange(200, 204);
        (await key.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(401);
        await Streams.EndsAsync(stream);
    }

    [Theory]
    [InlineData("removed")]
    [InlineData("demoted")]
    [InlineData("disabled")]
    [InlineData("deleted")]
    [InlineData("key revoked")]
    [InlineData("terminal ended")]
    public async Task Nobody_comes_back_by_an_invitation_that_they_sent_with_what_they_had_lent(string end)
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("owner");
        using var _ = browser;
        var (_, heirs, _, _) = await NewMemberAsync("owner", owner);
        heirs.Dispose();
        using var key = await LendAsync(browser, owner);
        var keyId = (await key.SendAsync(HttpMethod.Get, "/v1/whoami")).Json["id"]!.GetValue<Guid>();
        var invitations = $"/v1/workspaces/{slug}/invitations";
        var tokens = new List<string>();
        // What she sent as herself ends with her alone.
        HttpClient[] senders = end is "key revoked" or "terminal ended" ? [key] : [key, key];
        foreach (var sender in senders)
            tokens.Add(await InviteAsync(sender, invitations));
        if (senders.Length > 1)
        {
            var own = await browser.SendAsync(HttpMethod.Post, invitations, Somebody());
            tokens.Add(own.Json["token"]!.GetValue<string>());
        }
        var member = $"/v1/workspaces/{slug}/members/{ada.Id}";
        var ended = end switch
        {
            "removed" => await server.Owner.SendAsync(HttpMethod.Delete, member, ifMatch: "*"),
            "demoted" => await server.Owner.SendAsync(HttpMethod.Patch, member, new { role = "editor" }, "*"),
            "disabled" => await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/disable"),
            "deleted" => await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}"),
            "key revoked" => await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/workspaces/{slug}/keys/{keyId}"),
            _ => await browser.SendAsync(HttpMethod.Delete, $"/v1/terminals/{keyId}"),
        };
        ended.Status.ShouldBeInRange(200, 204, ended.Text);

        var again = await TestPerson.AddAsync(server);
        using var back = await again.SignInAsync(server);
        foreach (var token in tokens)
        {
            (await back.SendAsync(HttpMethod.Post, "/v1/invitations/accept", new { token })).Status.ShouldBe(410);
            (await back.OpenAsync("/invitation/" + token)).Answer.Status.ShouldBe(410);
        }
        var listed = await server.Owner.SendAsync(HttpMethod.Get, invitations + "?past=true");
        listed.Text.ShouldNotContain("\"pending\"");
        var audit = await server.Owner.SendAsync(
            HttpMethod.Get,
            $"/v1/workspaces/{slug}/audit?action=invitation.revoked"
        );
        var entries = audit.Json["items"]!.AsArray();
        entries.Count.ShouldBe(tokens.Count);
        entries.ShouldAllBe(entry => entry!["before"] != null && entry["after"] != null);

        // Also when it was only taken back from them, and the row still says that it is good.
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var pending = new Npgsql.NpgsqlCommand(
                "update access.invitation set revoked_at = null where owner = $1",
                admin
            );
            pending.Parameters.AddWithValue(owner);
            await pending.ExecuteNonQueryAsync(Ct);
        }
        foreach (var token in tokens)
            (await back.SendAsync(HttpMethod.Post, "/v1/invitations/accept", new { token })).Status.ShouldBe(410);
    }

    [Fact]
    public async Task What_was_sent_with_a_key_that_has_run_out_or_was_replaced_in_time_is_good()
    {
        var (_, browser, slug, owner) = await NewMemberAsync("owner");
        using var _ = browser;
        using var lent = await LendAsync(browser, owner);
        var made = await browser.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/keys",
            new { name = "inviter", scopes = Access.Roles.ScopesOf(Access.Role.Owner) }
        );
        using var machine = ServerFixtureClient(made.Json["secret"]!.GetValue<string>());
        var invitations = $"/v1/workspaces/{slug}/invitations";
        string[] tokens = [await InviteAsync(lent, invitations), await InviteAsync(machine, invitations)];
        (
            await browser.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/keys/{made.Json["id"]}/rotate",
                new { overlapSeconds = 60 }
            )
        ).Status.ShouldBe(201);
        var replaced = await browser.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/audit?action=key.revoked");
        var entry = replaced.Json["items"]!.AsArray().ShouldHaveSingleItem()!;
        entry["after"].ShouldNotBeNull("it goes on until then");
        entry["after"]!.GetValue<string>().ShouldNotBe(entry["before"]!.GetValue<string>());
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var late = new Npgsql.NpgsqlCommand(
                "update access.machine_key set expires_at = clock_timestamp() - interval '1 minute' where owner = $1 and expires_at is not null",
                admin
            );
            late.Parameters.AddWithValue(owner);
            await late.ExecuteNonQueryAsync(Ct);
        }
        foreach (var token in tokens)
        {
            using var guest = await (await TestPerson.AddAsync(server)).SignInAsync(server);
            (await guest.SendAsync(HttpMethod.Post, "/v1/invitations/accept", new { token })).Status.ShouldBe(200);
        }
    }

    private static object Somebody() => new { email = $"{Guid.CreateVersion7():N}@example.org", role = "owner" };

    private static async Task<string> InviteAsync(HttpClient sender, string invitations)
    {
        var sent = await sender.SendAsync(HttpMethod.Post, invitations, Somebody());
        sent.Status.ShouldBe(201, sent.Text);
        return sent.Json["token"]!.GetValue<string>();
    }

    [Fact]
    public async Task What_a_disabled_person_lent_opens_nothing_from_then_on()
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("editor");
        using var _ = browser;
        using var key = await LendAsync(browser, owner);
        var instances = $"/v1/workspaces/{slug}/instances";
        (await key.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(200);
        using var stream = await key.GetAsync(
            $"/v1/workspaces/{slug}/events/widget/x",
            HttpCompletionOption.ResponseHeadersRead,
            Ct
        );
        ((int)stream.StatusCode).ShouldBe(200);

        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/disable")).Status.ShouldBe(200);
        await Streams.EndsAsync(stream);
        await OpensAsync(401);
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/enable")).Status.ShouldBe(200);
        await OpensAsync(200);

        // Every node hears of it, each in its own time.
        Task OpensAsync(int status) =>
            Testing.Servers.ServerProcess.WaitUntilAsync(
                "the key is known anew",
                TimeSpan.FromSeconds(30),
                async _ => (await key.SendAsync(HttpMethod.Get, instances)).Status == status,
                Ct
            );
    }

    [Fact]
    public async Task A_person_sees_their_terminals_and_ends_one_at_once_on_every_node()
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("editor");
        using var _ = browser;
        (await browser.OpenAsync("/account")).Answer.Text.ShouldContain("<code>platen login</code>");
        using var kept = await LendAsync(browser, owner);
        var before = (await browser.SendAsync(HttpMethod.Get, "/v1/terminals")).Json["items"]!.AsArray();
        var keptId = before.ShouldHaveSingleItem()!["id"]!.GetValue<Guid>();
        before[0]!["lastUsedAt"].ShouldBeNull();
        using var lost = await LendAsync(browser, owner);
        var instances = $"/v1/workspaces/{slug}/instances";
        (await lost.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(200);
        await using var node = await server.StartAsync(
            new Platform.Http.HttpGuards { CountingPatience = TimeSpan.FromMinutes(1) }
        );
        using var elsewhere = ServerFixture.ClientOf(node);
        elsewhere.DefaultRequestHeaders.Authorization = lost.DefaultRequestHeaders.Authorization;
        using var stream = await elsewhere.GetAsync(
            $"/v1/workspaces/{slug}/events/widget/x",
            HttpCompletionOption.ResponseHeadersRead,
            Ct
        );
        ((int)stream.StatusCode).ShouldBe(200);

        var listed = (await browser.SendAsync(HttpMethod.Get, "/v1/terminals")).Json["items"]!.AsArray();
        listed.Count.ShouldBe(2);
        var lostId = listed[0]!["id"]!.GetValue<Guid>();
        listed[1]!["id"]!.GetValue<Guid>().ShouldBe(keptId);
        listed[0]!["owner"]!.GetValue<Guid>().ShouldBe(owner);
        var page = (await browser.OpenAsync("/account")).Answer.Text;
        page.ShouldContain($"/account/terminals/{lostId}/end");
        page.ShouldContain("May read and write in w");
        page.ShouldContain("not used yet");
        var reader = new TerminalSecret();
        var lent = await ApproveAsync(browser, reader.Path("reader"), owner, "read", 1);
        var read = await ExchangeAsync(Code().Match(lent.Text).Groups["value"].Value, reader.Verifier);
        (await browser.OpenAsync("/account")).Answer.Text.ShouldContain("May read in w");
        (await browser.SendAsync(HttpMethod.Delete, $"/v1/terminals/{read.Json["id"]}")).Status.ShouldBe(204);

        // Written down every half minute, by the server.
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var use = new Npgsql.NpgsqlCommand(
                "update access.machine_key set last_used_at = '2026-02-03T04:05:06Z' where id = $1",
                admin
            );
            use.Parameters.AddWithValue(keptId);
            await use.ExecuteNonQueryAsync(Ct);
        }
        (await browser.OpenAsync("/account")).Answer.Text.ShouldContain("last used 3 February 2026, 04:05 UTC");

        // Nobody else's: not a stranger's, not the key's own, not without the page's token.
        var (eve, stranger, _, _) = await NewMemberAsync("owner");
        using var other = stranger;
        eve.Id.ShouldNotBe(ada.Id);
        (await stranger.SendAsync(HttpMethod.Get, "/v1/terminals")).Json["items"]!.AsArray().ShouldBeEmpty();
        (await stranger.SendAsync(HttpMethod.Delete, $"/v1/terminals/{lostId}")).Status.ShouldBe(404);
        (await lost.SendAsync(HttpMethod.Get, "/v1/terminals")).Status.ShouldBe(403);
        (await browser.PostFormAsync($"/account/terminals/{lostId}/end", ("csrf", "x"))).Answer.Status.ShouldBe(403);
        (await lost.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(200);

        var csrf = Csrf().Match(page).Groups["value"].Value;
        var (ended, to) = await browser.PostFormAsync($"/account/terminals/{lostId}/end", ("csrf", csrf));
        (ended.Status, to).ShouldBe((303, "/account?done=ended"));
        (await lost.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(401);
        await Streams.EndsAsync(stream);
        (await elsewhere.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(401);
        (await kept.SendAsync(HttpMethod.Get, instances)).Status.ShouldBe(200);
        (await browser.OpenAsync("/account")).Answer.Text.ShouldNotContain(lostId.ToString());
        var audit = await server.Owner.SendAsync(
            HttpMethod.Get,
            $"/v1/workspaces/{slug}/audit?action=key.revoked&actor={ada.Id}"
        );
        audit.Json["items"]!.AsArray().Select(e => e!["subject"]!.GetValue<string>()).ShouldContain("key/" + lostId);

        // Whoever has left the workspace sees no name of it any more, and can still end what they lent.
        (
            await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/workspaces/{slug}/members/{ada.Id}", ifMatch: "*")
        ).Status.ShouldBeInRange(200, 204);
        var left = (await browser.SendAsync(HttpMethod.Get, "/v1/terminals")).Json["items"]!.AsArray();
        left.ShouldHaveSingleItem()!["workspace"].ShouldBeNull();
        (await browser.SendAsync(HttpMethod.Delete, $"/v1/terminals/{keptId}")).Status.ShouldBe(204);
        (await browser.SendAsync(HttpMethod.Delete, $"/v1/terminals/{keptId}")).Status.ShouldBe(204);
        (await browser.SendAsync(HttpMethod.Get, "/v1/terminals")).Json["items"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task Everything_is_lent_by_a_fresh_sign_in_only_and_less_by_any()
    {
        var (ada, browser, _, owner) = await NewMemberAsync("owner");
        using var own = browser;
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var stale = new Npgsql.NpgsqlCommand(
                "update access.person_session set started_at = now() - interval '1 hour' where person_id = $1",
                admin
            );
            stale.Parameters.AddWithValue(ada.Id);
            await stale.ExecuteNonQueryAsync(Ct);
        }
        var path = new TerminalSecret().Path("t");
        var refused = await ApproveAsync(browser, path, owner, "all", 90);
        refused.Text.ShouldContain("too old to lend everything");
        refused.Text.ShouldContain("/sign-in?returnTo=" + Uri.EscapeDataString("/terminal-login"));
        Code().IsMatch(refused.Text).ShouldBeFalse();
        Code().IsMatch((await ApproveAsync(browser, path, owner, "write", 90)).Text).ShouldBeTrue();

        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        Code().IsMatch((await ApproveAsync(browser, path, owner, "all", 90)).Text).ShouldBeTrue();
    }

    [Fact]
    public async Task A_code_works_once_with_its_secret_and_for_members_alone()
    {
        var (ada, browser, slug, owner) = await NewMemberAsync("viewer");
        using var _ = browser;
        var terminal = new TerminalSecret();
        var code = await CodeAsync(browser, terminal, owner);
        (await ExchangeAsync(code, new TerminalSecret().Verifier)).Status.ShouldBe(401);
        (await ExchangeAsync(code[..^2] + "AA", terminal.Verifier)).Status.ShouldBe(401);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ExchangeAsync(code, terminal.Verifier)));
        answers.Count(a => a.Status == 200).ShouldBe(1);
        answers.Count(a => a.Status == 401).ShouldBe(7);
        // A viewer's everything is a viewer's.
        answers.Single(a => a.Status == 200).Text.ShouldNotContain("instances:write");

        var late = await CodeAsync(browser, terminal, owner);
        (
            await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/workspaces/{slug}/members/{ada.Id}", ifMatch: "*")
        ).Status.ShouldBeInRange(200, 204);
        (await ExchangeAsync(late, terminal.Verifier)).Status.ShouldBe(401);
    }

    [Fact]
    public async Task Only_a_signed_in_person_says_yes_and_only_from_the_page_itself()
    {
        var (_, browser, _, owner) = await NewMemberAsync("owner");
        using var own = browser;
        var terminal = new TerminalSecret();
        using var stranger = new Browser(server.Address);
        var sent = await stranger.OpenAsync(terminal.Path("t"));
        (sent.Answer.Status, sent.Location).ShouldBe(
            (303, "/sign-in?returnTo=" + Uri.EscapeDataString(terminal.Path("t")))
        );
        var (forged, _) = await browser.PostFormAsync(
            terminal.Path("t"),
            ("csrf", "x"),
            ("where", owner.ToString()),
            ("rights", "all"),
            ("days", "90")
        );
        forged.Status.ShouldBe(403);
        (await ApproveAsync(browser, terminal.Path("t"), Guid.CreateVersion7(), "all", 1)).Text.ShouldContain(
            "not a member there"
        );
        (await ApproveAsync(browser, terminal.Path("t"), owner, "all", 365)).Status.ShouldBe(400);
        foreach (
            var path in (string[])
                [
                    "/terminal-login",
                    terminal.Path("t").Replace("challenge=", "challenge=x", StringComparison.Ordinal),
                    terminal.Path("t", port: 0),
                    terminal.Path("t", port: 70_000),
                    terminal.Path(new string('n', 101)),
                    terminal.Path("evil\u202e"),
                ]
        )
            (await browser.OpenAsync(path)).Answer.Status.ShouldBe(400, path);
        // What is asked for is shown as text.
        (await browser.OpenAsync(terminal.Path("<script>x</script>"))).Answer.Text.ShouldNotContain("<script>x");
    }

    private async Task<(TestPerson Person, Browser Browser, string Slug, Guid Owner)> NewMemberAsync(
        string role,
        Guid? of = null
    )
    {
        var ada = await TestPerson.AddAsync(server);
        var place = of is null
            ? await server.Owner.SendAsync(
                HttpMethod.Post,
                "/v1/workspaces",
                new { name = "w" + Guid.CreateVersion7().ToString("N") }
            )
            : await server.Owner.SendAsync(HttpMethod.Get, "/v1/workspaces/" + of);
        var owner = place.Json["id"]!.GetValue<Guid>();
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var join = new Npgsql.NpgsqlCommand(
            "insert into access.member (owner, person_id, role, added_by, added_by_name) values ($1, $2, $3, $2, 'test')",
            admin
        );
        join.Parameters.AddWithValue(owner);
        join.Parameters.AddWithValue(ada.Id);
        join.Parameters.AddWithValue(role);
        await join.ExecuteNonQueryAsync(Ct);
        return (ada, await ada.SignInAsync(server), place.Json["slug"]!.GetValue<string>(), owner);
    }

    private static async Task<Answer> ApproveAsync(Browser browser, string path, Guid owner, string rights, int days)
    {
        var page = await browser.OpenAsync(path);
        var csrf = Csrf().Match(page.Answer.Text).Groups["value"].Value;
        var (answer, _) = await browser.PostFormAsync(
            path,
            ("csrf", csrf),
            ("where", owner.ToString()),
            ("rights", rights),
            ("days", days.ToString(System.Globalization.CultureInfo.InvariantCulture))
        );
        return answer;
    }

    /// <summary>The code that a terminal gets for all rights during a day.</summary>
    private static async Task<string> CodeAsync(Browser browser, TerminalSecret terminal, Guid owner) =>
        Code().Match((await ApproveAsync(browser, terminal.Path("t"), owner, "all", 1)).Text).Groups["value"].Value;

    private async Task<HttpClient> LendAsync(Browser browser, Guid owner)
    {
        var terminal = new TerminalSecret();
        var made = await ExchangeAsync(await CodeAsync(browser, terminal, owner), terminal.Verifier);
        return ServerFixtureClient(made.Json["secret"]!.GetValue<string>());
    }

    private Task<Answer> ExchangeAsync(string code, string verifier) =>
        server.Nobody.SendAsync(HttpMethod.Post, "/v1/terminal-logins", new { code, verifier });

    private HttpClient ServerFixtureClient(string key)
    {
        var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    [GeneratedRegex("name=\"csrf\" value=\"(?<value>[^\"]+)\"", RegexOptions.NonBacktracking)]
    private static partial Regex Csrf();

    [GeneratedRegex("<pre>(?<value>[^<]+)</pre>", RegexOptions.NonBacktracking)]
    private static partial Regex Code();

    private sealed class TerminalSecret
    {
        public string Verifier { get; } = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

        public string Path(string name, int? port = null) =>
            $"/terminal-login?challenge={Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)))}&state=s"
            + $"&name={Uri.EscapeDataString(name)}{(port is null ? "" : $"&port={port}")}";
    }
}

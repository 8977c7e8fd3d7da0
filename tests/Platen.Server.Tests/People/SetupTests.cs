using Platen.Access.People;

namespace Platen.Server.Tests.People;

public sealed class SetupTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    // One test, because there is one setup of a server: in order.
    [Fact]
    public async Task The_setup_link_makes_one_owner_once()
    {
        var former = await PeopleModule.RenewSetupLinkAsync(server.Postgres.Pools, Ct);
        var link = await PeopleModule.RenewSetupLinkAsync(server.Postgres.Pools, Ct);
        using var browser = new Browser(server.Address);
        (await browser.OpenAsync(former!)).Answer.Status.ShouldBe(410);
        var (page, _) = await browser.OpenAsync(link!);
        page.Status.ShouldBe(200);
        page.Text.ShouldContain("Become the owner");

        var weak = await browser.PostFormAsync(link!, ("displayName", ""), ("email", "x"), ("password", "password123"));
        weak.Answer.Status.ShouldBe(422);
        weak.Answer.Text.ShouldContain("id=\"displayName-wrong\"");
        weak.Answer.Text.ShouldContain("id=\"email-wrong\"");
        weak.Answer.Text.ShouldContain("id=\"password-wrong\"");

        var rivals = Enumerable.Range(0, 6).Select(_ => new Browser(server.Address)).ToList();
        var answers = await Task.WhenAll(
            rivals.Select(
                (rival, i) =>
                    rival.PostFormAsync(
                        link!,
                        ("displayName", $"Owner {i} <b>"),
                        ("email", $"owner{i}@example.org"),
                        ("password", "correct horse battery")
                    )
            )
        );
        answers.Count(a => a.Answer.Status == 303).ShouldBe(1);
        answers.Count(a => a.Answer.Status == 410).ShouldBe(5);
        var winner = Array.FindIndex(answers, a => a.Answer.Status == 303);
        answers[winner].Location.ShouldBe("/account?done=setup");
        var owner = rivals[winner];
        var (account, _) = await owner.OpenAsync("/account?done=setup");
        account.Text.ShouldContain($"Owner {winner} &lt;b&gt;");
        account.Text.ShouldContain("Firefox");

        // An operator: people, and curated content, but not by the cookie alone.
        (await owner.SendAsync(HttpMethod.Get, "/v1/people")).Status.ShouldBe(200);
        (await owner.SendAsync(HttpMethod.Get, "/v1/curated-instances")).Status.ShouldBe(200);
        (
            await owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = "x", email = "x@example.org" })
        ).Problem.ShouldBe("cross-site");
        await owner.ReadTokenAsync();
        var me = (await owner.SendAsync(HttpMethod.Get, "/v1/session")).Json["person"]!["id"]!.GetValue<string>();
        (await owner.SendAsync(HttpMethod.Post, $"/v1/people/{me}/disable")).Problem.ShouldBe("conflict");
        // Whoever opened the link did it, and not the server.
        (
            await owner.SendAsync(HttpMethod.Get, $"/v1/audit?actor={me}")
        ).Json["items"]!.AsArray().Select(entry => entry!["action"]!.GetValue<string>()).ShouldBe(["session.started", "platform.set-up", "member.added", "person.added"], ignoreOrder: true);
        var people = (await owner.SendAsync(HttpMethod.Get, "/v1/people?limit=200")).Text;
        Enumerable
            .Range(0, 6)
            .Count(i => people.Contains($"owner{i}@example.org", StringComparison.Ordinal))
            .ShouldBe(1);

        (await PeopleModule.RenewSetupLinkAsync(server.Postgres.Pools, Ct)).ShouldBeNull();
        (await browser.OpenAsync(link!)).Answer.Status.ShouldBe(410);
        (await browser.OpenAsync("/setup/x")).Answer.Status.ShouldBe(410);
        foreach (var rival in rivals)
            rival.Dispose();
    }

    [Fact]
    public async Task The_pages_work_without_scripts_from_a_forgotten_password_to_signing_out()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address);
        (await browser.OpenAsync("/account")).Location.ShouldBe("/sign-in");
        var asked = await browser.PostFormAsync("/reset", ("email", ada.Email));
        asked.Answer.Text.ShouldContain("Look into your mail");
        asked.Answer.Text.ShouldBe(
            (await browser.PostFormAsync("/reset", ("email", "nobody@example.org"))).Answer.Text
        );
        var token = await TestPerson.LinkAsync(server, ada.Email, "reset", skip: 1);
        // Looking does not use it up: mail scanners look.
        await browser.OpenAsync("/reset/" + token);
        (await browser.OpenAsync("/reset/" + token)).Answer.Text.ShouldContain(ada.Email);
        var weak = await browser.PostFormAsync("/reset/" + token, ("password", "short"));
        weak.Answer.Status.ShouldBe(422);
        weak.Answer.Text.ShouldContain("id=\"password-wrong\"");
        (await browser.PostFormAsync("/reset/" + token, ("password", "a sentence by hand"))).Location.ShouldBe(
            "/sign-in?done=password"
        );
        (await browser.PostFormAsync("/reset/" + token, ("password", "a sentence by hand"))).Answer.Status.ShouldBe(
            410
        );

        var wrong = await browser.PostFormAsync("/sign-in", ("email", ada.Email), ("password", "<wrong>"));
        wrong.Answer.Status.ShouldBe(401);
        wrong.Answer.Text.ShouldContain("role=\"alert\"");
        wrong.Answer.Text.ShouldContain($"value=\"{ada.Email}\"");
        wrong.Answer.Text.ShouldNotContain("<wrong>");
        (
            await browser.PostFormAsync(
                "/sign-in?returnTo=//evil.example",
                ("email", ada.Email),
                ("password", "a sentence by hand")
            )
        ).Location.ShouldBe("/account");
        await browser.ReadTokenAsync();
        var changed = await browser.PostFormAsync(
            "/account/password",
            ("csrf", browser.Csrf!),
            ("currentPassword", "a sentence by hand"),
            ("newPassword", "another by the other hand")
        );
        changed.Location.ShouldBe("/account?done=password");
        (await browser.PostFormAsync("/account/password", ("csrf", "x"))).Answer.Problem.ShouldBe("cross-site");
        (await browser.PostFormAsync("/sign-out", ("csrf", "x"))).Location.ShouldBe("/sign-in?done=out");
        browser.Session.ShouldNotBeNull();
        (await browser.PostFormAsync("/sign-out", ("csrf", browser.Csrf!))).Location.ShouldBe("/sign-in?done=out");
        browser.Session.ShouldBeNull();
    }

    [Fact]
    public async Task The_key_ring_is_in_the_database_and_what_one_node_protects_another_reads()
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var count = new Npgsql.NpgsqlCommand("select count(*) from access.protection_key", admin);
        ((long)(await count.ExecuteScalarAsync(Ct))!).ShouldBeGreaterThan(0);
        await using var provider = await OutsideProvider.StartAsync();
        var settings = PeopleSettings.In(server.Postgres.Folder) with { Providers = [provider.Settings] };
        await using var one = await server.StartNodeAsync(settings);
        await using var two = await server.StartNodeAsync(settings);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(Guid.CreateVersion7().ToString("N"), ada.Email, EmailVerified: true);
        using var browser = new Browser(one.Address);
        var (_, authorize) = await browser.OpenAsync("/sign-in/acme");
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var response = await client.GetAsync(new Uri(authorize!), Ct);
        var callback = response.Headers.Location!.PathAndQuery;
        // Cookies belong to a host, whatever the port: the same browser comes back to the other node. It asks the provider with
        // its own address, so the provider refuses the code; that it asked at all shows that it read the state.
        using var back = new Browser(two.Address);
        back.Cookies.Add(browser.Cookies.GetAllCookies());
        (await back.OpenAsync(callback)).Location.ShouldBe("/sign-in?problem=provider");
        provider.Refused.ShouldBe(["token: code"]);
    }
}

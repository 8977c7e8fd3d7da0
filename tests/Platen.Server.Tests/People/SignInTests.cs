using Npgsql;

namespace Platen.Server.Tests.People;

public sealed class SignInTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_signs_in_sees_who_they_are_and_signs_out()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        var session = (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Json;
        session["person"]!["displayName"]!.GetValue<string>().ShouldBe("Ada Lovelace");
        session["method"]!.GetValue<string>().ShouldBe("password");
        session["isFresh"]!.GetValue<bool>().ShouldBeTrue();
        var me = (await browser.SendAsync(HttpMethod.Get, "/v1/people/me")).Json;
        me["email"]!.GetValue<string>().ShouldBe(ada.Email);
        me["emailConfirmed"]!.GetValue<bool>().ShouldBeTrue();
        me["hasPassword"]!.GetValue<bool>().ShouldBeTrue();

        var renamed = await browser.SendAsync(HttpMethod.Patch, "/v1/people/me", new { displayName = "Countess" });
        renamed.Json["displayName"]!.GetValue<string>().ShouldBe("Countess");

        (await browser.SendAsync(HttpMethod.Delete, "/v1/session")).Status.ShouldBe(204);
        browser.Session.ShouldBeNull();
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Problem.ShouldBe("unauthenticated");
    }

    [Fact]
    public async Task An_address_is_the_same_in_any_case_and_with_spaces_around_it()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address);
        (await browser.SignInAsync($"  {ada.Email.ToUpperInvariant()} ", ada.Password)).Status.ShouldBe(204);
        var twin = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/people",
            new { displayName = "Twin", email = ada.Email.ToUpperInvariant() }
        );
        twin.Problem.ShouldBe("email-taken");
    }

    [Fact]
    public async Task Every_refusal_is_the_same()
    {
        var ada = await TestPerson.AddAsync(server);
        var gone = await TestPerson.AddAsync(server);
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{gone.Id}/disable")).Status.ShouldBe(200);
        using var browser = new Browser(server.Address, "127.0.7.1");
        var answers = new List<string>();
        foreach (
            var (email, password) in ((string, string)[])
                [
                    (ada.Email, "wrong horse battery"),
                    ("nobody@example.org", "wrong horse battery"),
                    (gone.Email, gone.Password),
                    ("not an address", "x"),
                    (new string('a', 5000) + "@example.org", new string('b', 5000)),
                    (ada.Email, ""),
                ]
        )
        {
            var answer = await browser.SignInAsync(email, password);
            answer.Status.ShouldBe(401);
            var problem = answer.Json.AsObject();
            problem.Remove("traceId");
            answers.Add(problem.ToJsonString());
        }
        answers.Distinct(StringComparer.Ordinal).Count().ShouldBe(1, string.Join('\n', answers));
        browser.Session.ShouldBeNull();
        (await browser.SendAsync(HttpMethod.Post, "/v1/session", "{\"email\":\"a@b.c\"}")).Problem.ShouldBe("invalid");
        (await browser.SendAsync(HttpMethod.Post, "/v1/session", "{")).Problem.ShouldBe("malformed");
    }

    [Fact]
    public async Task Refusing_takes_as_long_for_nobody_as_for_somebody()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address, "127.0.7.2");
        await browser.SignInAsync("warm@example.org", "wrong horse battery");
        var somebody = new List<double>();
        var nobody = new List<double>();
        // Hashing is nine tenths of it: without it for nobody, theirs would be ten times shorter. A busy machine makes some of them longer
        // and none shorter, so more of them, below the lock-out, come nearer to what it takes.
        for (var i = 0; i < 4 || (i < 9 && !AreAlike()); i++)
        {
            somebody.Add(await TimeAsync(ada.Email));
            nobody.Add(await TimeAsync($"nobody{i}@example.org"));
        }
        nobody.Min().ShouldBeGreaterThan(somebody.Min() / 3);
        somebody.Min().ShouldBeGreaterThan(nobody.Min() / 3);

        bool AreAlike() => nobody.Min() > somebody.Min() / 3 && somebody.Min() > nobody.Min() / 3;

        async Task<double> TimeAsync(string email)
        {
            var started = System.Diagnostics.Stopwatch.GetTimestamp();
            (await browser.SignInAsync(email, "wrong horse battery")).Status.ShouldBe(401);
            return System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }
    }

    [Fact]
    public async Task Guessing_is_locked_out_at_once_and_in_parallel_also_for_somebody_who_is_not_there()
    {
        var ada = await TestPerson.AddAsync(server);
        foreach (var email in (string[])[ada.Email, $"nobody{Guid.CreateVersion7():N}@example.org"])
        {
            using var browser = new Browser(server.Address, email == ada.Email ? "127.0.8.1" : "127.0.8.2");
            var guesses = await Task.WhenAll(
                Enumerable.Range(0, 30).Select(i => browser.SignInAsync(email, $"guess number {i}"))
            );
            guesses.Count(guess => guess.Problem == "sign-in-refused").ShouldBe(10);
            guesses.Count(guess => guess.Problem == "sign-in-locked").ShouldBe(20);
            var locked = guesses.First(guess => guess.Status == 429);
            locked.RetryAfter!.Value.ShouldBeInRange(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
            locked.Json["retryAfterSeconds"]!.GetValue<int>().ShouldBe((int)locked.RetryAfter.Value.TotalSeconds);
        }
        // The right password is locked out, too, from anywhere; whoever has the mailbox gets in.
        using var own = new Browser(server.Address, "127.0.8.3");
        (await own.SignInAsync(ada.Email, ada.Password)).Problem.ShouldBe("sign-in-locked");
        (await own.SendAsync(HttpMethod.Post, "/v1/password-reset", new { email = ada.Email })).Status.ShouldBe(202);
        var token = await TestPerson.LinkAsync(server, ada.Email, "reset", skip: 1);
        const string password = "another horse altogether";
        (await own.SendAsync(HttpMethod.Post, "/v1/password-reset/complete", new { token, password })).Status.ShouldBe(
            204
        );
        (await own.SignInAsync(ada.Email, password)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task A_lock_ends_and_the_next_wrong_guess_doubles_it()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address, "127.0.8.4");
        for (var i = 0; i < 10; i++)
            (await browser.SignInAsync(ada.Email, $"guess number {i}")).Status.ShouldBe(401);
        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(429);
        await PassAsync();
        (await browser.SignInAsync(ada.Email, "guess number 11")).Status.ShouldBe(401);
        var locked = await browser.SignInAsync(ada.Email, ada.Password);
        locked.RetryAfter!.Value.ShouldBeInRange(TimeSpan.FromSeconds(61), TimeSpan.FromSeconds(120));
        await PassAsync();
        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        (await browser.SignInAsync(ada.Email, "guess number 12")).Status.ShouldBe(401);

        // Moves this account's lock into the past.
        async Task PassAsync()
        {
            await using var admin = await server.Postgres.OpenAdminAsync(Ct);
            await using var update = new NpgsqlCommand(
                "update access.sign_in_failure set locked_until = now() where kind = 'account' and key = sha256(convert_to($1, 'UTF8'))",
                admin
            );
            update.Parameters.AddWithValue(ada.Email);
            (await update.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
        }
    }

    [Fact]
    public async Task One_address_that_tries_many_accounts_is_locked_out_and_others_are_not()
    {
        using var spray = new Browser(server.Address, "127.0.9.1");
        var answers = new List<Answer>();
        for (var round = 0; round < 6; round++)
        {
            answers.AddRange(
                await Task.WhenAll(
                    Enumerable
                        .Range(0, 20)
                        .Select(i => spray.SignInAsync($"s{round}-{i}@example.org", "Summer 2026 rain"))
                )
            );
        }
        answers.Count(a => a.Status == 401).ShouldBe(100);
        answers.Count(a => a.Status == 429).ShouldBe(20);
        using var other = new Browser(server.Address, "127.0.9.2");
        (await other.SignInAsync("s0-0@example.org", "Summer 2026 rain")).Status.ShouldBe(401);
    }

    [Fact]
    public async Task The_cookie_alone_changes_nothing()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        var token = browser.Csrf;
        foreach (
            var (csrf, site) in ((string?, string)[])
                [
                    (null, "same-origin"),
                    ("x", "same-origin"),
                    (token + "x", "same-origin"),
                    (token, "cross-site"),
                    (token, "same-site"),
                ]
        )
        {
            (browser.Csrf, browser.Site) = (csrf, site);
            var answer = await browser.SendAsync(HttpMethod.Delete, "/v1/sessions");
            (answer.Status, answer.Problem).ShouldBe((403, "cross-site"));
        }
        (browser.Csrf, browser.Site) = (token, "same-origin");
        (await browser.SendAsync(HttpMethod.Delete, "/v1/sessions")).Status.ShouldBe(200);

        using var other = await ada.SignInAsync(server);
        browser.Csrf = other.Csrf;
        (await browser.SendAsync(HttpMethod.Delete, "/v1/sessions")).Problem.ShouldBe("cross-site");
    }

    [Fact]
    public async Task Another_sites_page_signs_nobody_in_and_asks_for_nothing()
    {
        var ada = await TestPerson.AddAsync(server);
        using var foreign = new Browser(server.Address) { Site = "cross-site" };
        (await foreign.SignInAsync(ada.Email, ada.Password)).Problem.ShouldBe("cross-site");
        foreach (var path in (string[])["/v1/session/passkey-options", "/v1/password-reset", "/v1/email-confirmation"])
            (await foreign.SendAsync(HttpMethod.Post, path, new { email = "x", token = "x" })).Problem.ShouldBe(
                "cross-site"
            );
        foreach (var path in (string[])["/sign-in", "/sign-out", "/reset", "/reset/x", "/setup/x", "/account/password"])
            (
                await foreign.PostFormAsync(path, ("email", ada.Email), ("password", ada.Password))
            ).Answer.Problem.ShouldBe("cross-site");
        // Without https a browser sends Origin only; a program sends neither and has no page to post a form from.
        using var plain = new Browser(server.Address) { Site = "" };
        (await plain.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        (
            await plain.PostFormAsync("/sign-in", ("email", ada.Email), ("password", ada.Password))
        ).Answer.Problem.ShouldBe("cross-site");
        foreign.Session.ShouldBeNull();
    }

    [Fact]
    public async Task A_session_is_planted_by_nobody()
    {
        var ada = await TestPerson.AddAsync(server);
        using var mallory = await (await TestPerson.AddAsync(server, "Mallory")).SignInAsync(server);
        using var victim = new Browser(server.Address);
        victim.Cookies.Add(new Uri(victim.Origin), new System.Net.Cookie("platen_session", mallory.Session));
        (await victim.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        victim.Session.ShouldNotBe(mallory.Session);
        // And what was there before the sign-in has ended.
        (await mallory.SendAsync(HttpMethod.Get, "/v1/session")).Problem.ShouldBe("unauthenticated");
    }

    [Fact]
    public async Task Sessions_are_listed_and_ended_and_an_ended_one_is_refused_at_once_by_every_node()
    {
        var ada = await TestPerson.AddAsync(server);
        await using var second = await server.StartNodeAsync();
        using var here = await ada.SignInAsync(server);
        using var elsewhere = new Browser(second.Address, "127.0.7.3");
        await elsewhere.SignInAsync(ada.Email, ada.Password);
        var list = (await here.SendAsync(HttpMethod.Get, "/v1/sessions")).Json["items"]!.AsArray();
        list.Count.ShouldBe(2);
        list.Count(s => s!["current"]!.GetValue<bool>()).ShouldBe(1);
        var other = list.Single(s => !s!["current"]!.GetValue<bool>())!;
        other["address"]!.GetValue<string>().ShouldBe("127.0.7.3");
        other["userAgent"]!.GetValue<string>().ShouldBe("Firefox/150.0");

        (await elsewhere.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(200);
        (await here.SendAsync(HttpMethod.Delete, $"/v1/sessions/{other["id"]}")).Status.ShouldBe(204);
        (await elsewhere.SendAsync(HttpMethod.Get, "/v1/session")).Problem.ShouldBe("unauthenticated");
        (await elsewhere.SendAsync(HttpMethod.Get, "/v1/curated-instances")).Problem.ShouldBe("unauthenticated");
        (await here.SendAsync(HttpMethod.Delete, $"/v1/sessions/{other["id"]}")).Status.ShouldBe(404);

        await elsewhere.SignInAsync(ada.Email, ada.Password);
        (await here.SendAsync(HttpMethod.Delete, "/v1/sessions")).Json["ended"]!.GetValue<int>().ShouldBe(1);
        (await elsewhere.SendAsync(HttpMethod.Get, "/v1/session")).Problem.ShouldBe("unauthenticated");
        (await here.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Nobody_ends_or_sees_the_sessions_of_another()
    {
        using var ada = await (await TestPerson.AddAsync(server)).SignInAsync(server);
        using var bob = await (await TestPerson.AddAsync(server, "Bob")).SignInAsync(server);
        var id = (await ada.SendAsync(HttpMethod.Get, "/v1/session")).Json["id"]!.GetValue<string>();
        (await bob.SendAsync(HttpMethod.Delete, "/v1/sessions/" + id)).Status.ShouldBe(404);
        (await bob.SendAsync(HttpMethod.Get, "/v1/sessions")).Text.ShouldNotContain(id);
        (await ada.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("expires_at = now()")]
    [InlineData("last_seen_at = now() - interval '15 days'")]
    [InlineData("ended_at = now()")]
    public async Task A_session_that_is_over_is_refused(string over)
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        await AlterSessionsAsync(ada, over);
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Problem.ShouldBe("unauthenticated");
        browser.Session.ShouldBeNull();
    }

    [Fact]
    public async Task A_disabled_person_is_out_at_once_and_can_be_let_in_again()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/disable"))
            .Json["disabledAt"]
            .ShouldNotBeNull();
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(401);
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/enable"))
            .Json["disabledAt"]
            .ShouldBeNull();
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(401);
        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task People_are_managed_by_operators_only()
    {
        using var ada = await (await TestPerson.AddAsync(server)).SignInAsync(server);
        foreach (
            var (method, path) in ((HttpMethod, string)[])
                [
                    (HttpMethod.Get, "/v1/people"),
                    (HttpMethod.Post, "/v1/people"),
                    (HttpMethod.Post, $"/v1/people/{Guid.CreateVersion7()}/disable"),
                ]
        )
        {
            (await ada.SendAsync(method, path)).Status.ShouldBe(403);
            (await server.Nobody.SendAsync(method, path)).Status.ShouldBe(401);
        }
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(403);
        var one = await server.Owner.SendAsync(HttpMethod.Get, "/v1/people?limit=1");
        var next = one.Json["nextCursor"]!.GetValue<string>();
        var two = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/people?limit=1&cursor={next}");
        two.Json["items"]![0]!["id"]!.GetValue<string>().ShouldNotBe(next);
        one.Text.ShouldNotContain("assword");
        var wrong = await server.Owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = " ", email = "x" });
        wrong.FaultPointers.ShouldBe(["/displayName", "/email"]);
    }

    [Fact]
    public async Task A_persons_session_sees_no_other_persons_secrets_whatever_its_sql_says()
    {
        var ada = await TestPerson.AddAsync(server);
        var bob = await TestPerson.AddAsync(server, "Bob");
        using var browser = await bob.SignInAsync(server);
        var context = new Platen.Kernel.OperationContext(
            new Platen.Kernel.Actor(new Platen.Kernel.ActorId(ada.Id), "Ada"),
            Platen.Kernel.OwnerId.Platform,
            "test"
        );
        await using var session = await server.Postgres.Pools.OpenAsync(context, Ct);
        foreach (var table in (string[])["person_secret", "person_session", "passkey", "outside_identity"])
        {
            var others = await session.FirstAsync(
                $"select count(*) from access.{table} where person_id <> $1",
                row => row.GetInt64(0),
                Ct,
                Platen.Platform.Postgres.Sql.Uuid(ada.Id)
            );
            others.ShouldBe(0, table);
        }
        foreach (
            var table in (string[])
                ["mailed_link", "setup_link", "sign_in_failure", "passkey_ceremony", "protection_key"]
        )
        {
            var seen = await session.FirstAsync($"select count(*) from access.{table}", row => row.GetInt64(0), Ct);
            seen.ShouldBe(0, table);
        }
        var changed = await session.ExecuteAsync("update access.person_secret set password_hash = 'x'", Ct);
        changed.ShouldBe(1);
    }

    private async Task AlterSessionsAsync(TestPerson person, string change)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var update = new NpgsqlCommand(
            $"update access.person_session set {change} where person_id = $1",
            admin
        );
        update.Parameters.AddWithValue(person.Id);
        (await update.ExecuteNonQueryAsync(Ct)).ShouldBeGreaterThan(0);
    }
}

using Npgsql;

namespace Platen.Server.Tests.People;

public sealed class PasswordTests(ServerFixture server)
{
    private const string Better = "a much better sentence";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Changing_a_password_takes_the_old_one_and_ends_every_other_session()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        using var other = await ada.SignInAsync(server);
        var wrong = await browser.SendAsync(
            HttpMethod.Post,
            "/v1/people/me/password",
            new { currentPassword = "not it at all", newPassword = Better }
        );
        wrong.FaultPointers.ShouldBe(["/currentPassword"]);
        var weak = await browser.SendAsync(
            HttpMethod.Post,
            "/v1/people/me/password",
            new { currentPassword = ada.Password, newPassword = "password123" }
        );
        weak.FaultPointers.ShouldBe(["/newPassword"]);
        (await other.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(200);

        var changed = await browser.SendAsync(
            HttpMethod.Post,
            "/v1/people/me/password",
            new { currentPassword = ada.Password, newPassword = Better }
        );
        changed.Status.ShouldBe(204, changed.Text);
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(200);
        (await other.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(401);
        (await other.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(401);
        (await other.SignInAsync(ada.Email, Better)).Status.ShouldBe(204);
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "the notice",
            TimeSpan.FromSeconds(30),
            async ct =>
                (await TestPerson.MailsAsync(server, ada.Email, ct)).Any(m =>
                    m.Contains("was changed", StringComparison.Ordinal)
                ),
            Ct
        );
    }

    // The change holds the row, uncommitted, while the sign-in has verified the old password and waits for it.
    [Fact]
    public async Task A_sign_in_that_meets_a_change_of_the_password_is_refused()
    {
        var ada = await TestPerson.AddAsync(server);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var watch = await server.Postgres.OpenAdminAsync(Ct);
        await using var change = await admin.BeginTransactionAsync(Ct);
        await using (
            var update = new NpgsqlCommand(
                "update access.person_secret set password_hash = 'another' where person_id = $1",
                admin
            )
        )
        {
            update.Parameters.AddWithValue(ada.Id);
            (await update.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
        }
        using var browser = new Browser(server.Address, "127.0.7.9");
        var signingIn = browser.SendAsync(
            HttpMethod.Post,
            "/v1/session",
            new { email = ada.Email, password = ada.Password }
        );
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "the sign-in waits",
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                await using var waiting = new NpgsqlCommand(
                    "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%person_secret%')",
                    watch
                );
                return await waiting.ExecuteScalarAsync(ct) is true;
            },
            Ct
        );
        await change.CommitAsync(Ct);
        (await signingIn).Problem.ShouldBe("sign-in-refused");
    }

    [Fact]
    public async Task Asking_for_a_link_answers_the_same_for_nobody_and_mails_them_nothing()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address);
        var nobody = $"nobody{Guid.CreateVersion7():N}@example.org";
        var known = await browser.SendAsync(HttpMethod.Post, "/v1/password-reset", new { email = ada.Email });
        var unknown = await browser.SendAsync(HttpMethod.Post, "/v1/password-reset", new { email = nobody });
        (known.Status, known.Text, known.MediaType).ShouldBe((unknown.Status, unknown.Text, unknown.MediaType));
        known.Status.ShouldBe(202);
        await TestPerson.LinkAsync(server, ada.Email, "reset", skip: 1);
        // Theirs was queued after and before hers was taken: the same job that sends hers looked for them.
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "the jobs",
            TimeSpan.FromSeconds(30),
            async _ =>
                !(await server.Owner.SendAsync(HttpMethod.Get, "/v1/jobs?state=queued")).Text.Contains(
                    nobody,
                    StringComparison.Ordinal
                )
                && !(await server.Owner.SendAsync(HttpMethod.Get, "/v1/jobs?state=running")).Text.Contains(
                    nobody,
                    StringComparison.Ordinal
                ),
            Ct
        );
        (await TestPerson.MailsAsync(server, nobody, Ct)).ShouldBeEmpty();
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/jobs?limit=200")).Text.ShouldNotContain("/reset/");
    }

    [Fact]
    public async Task A_link_works_once_even_for_two_at_once_and_signs_everybody_out()
    {
        var ada = await TestPerson.AddAsync(server);
        using var signedIn = await ada.SignInAsync(server);
        using var browser = new Browser(server.Address);
        await browser.SendAsync(HttpMethod.Post, "/v1/password-reset", new { email = ada.Email });
        var token = await TestPerson.LinkAsync(server, ada.Email, "reset", skip: 1);
        var weak = await browser.SendAsync(
            HttpMethod.Post,
            "/v1/password-reset/complete",
            new { token, password = "qwertyuiop1" }
        );
        weak.FaultPointers.ShouldBe(["/password"]);
        var both = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(i =>
                    browser.SendAsync(
                        HttpMethod.Post,
                        "/v1/password-reset/complete",
                        new { token, password = $"{Better} {i}" }
                    )
                )
        );
        both.Count(a => a.Status == 204).ShouldBe(1);
        both.Count(a => a.Problem == "link-spent").ShouldBe(7);
        (await signedIn.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(401);
        var won = Array.FindIndex(both, a => a.Status == 204);
        (await browser.SignInAsync(ada.Email, $"{Better} {won}")).Status.ShouldBe(204);
    }

    [Theory]
    [InlineData("expires_at = now()")]
    [InlineData("used_at = now()")]
    public async Task A_link_that_is_over_sets_nothing(string over)
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = new Browser(server.Address);
        await browser.SendAsync(HttpMethod.Post, "/v1/password-reset", new { email = ada.Email });
        var token = await TestPerson.LinkAsync(server, ada.Email, "reset", skip: 1);
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var update = new NpgsqlCommand(
                $"update access.mailed_link set {over} where person_id = $1",
                admin
            );
            update.Parameters.AddWithValue(ada.Id);
            await update.ExecuteNonQueryAsync(Ct);
        }
        foreach (var text in (string[])[token, token[..^1], token + "A", "", new string('A', 43)])
        {
            var answer = await browser.SendAsync(
                HttpMethod.Post,
                "/v1/password-reset/complete",
                new { token = text, password = Better }
            );
            answer.Problem.ShouldBe("link-spent");
        }
        (await browser.OpenAsync("/reset/" + token)).Answer.Status.ShouldBe(410);
        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task Links_are_stored_as_hashes_only()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var dump = new NpgsqlCommand(
            "select string_agg(l::text, ' ') || (select string_agg(s::text, ' ') from access.person_session s) from access.mailed_link l",
            admin
        );
        var text = (string)(await dump.ExecuteScalarAsync(Ct))!;
        text.ShouldNotContain(browser.Session!);
        text.ShouldNotContain(await TestPerson.LinkAsync(server, ada.Email, "reset"));
    }

    [Fact]
    public async Task A_new_address_counts_when_the_mail_to_it_was_read()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        var address = $"new{Guid.CreateVersion7():N}@example.org";
        (
            await browser.SendAsync(HttpMethod.Post, "/v1/people/me/email", new { email = "no address" })
        ).FaultPointers.ShouldBe(["/email"]);
        (await browser.SendAsync(HttpMethod.Post, "/v1/people/me/email", new { email = address })).Status.ShouldBe(202);
        (await browser.SendAsync(HttpMethod.Get, "/v1/people/me")).Json["email"]!
            .GetValue<string>()
            .ShouldBe(ada.Email);
        var token = await TestPerson.LinkAsync(server, address, "confirm-email");
        (await browser.OpenAsync("/confirm-email/" + token)).Answer.Text.ShouldContain(address);
        (await browser.SendAsync(HttpMethod.Post, "/v1/email-confirmation", new { token })).Status.ShouldBe(204);
        (await browser.SendAsync(HttpMethod.Post, "/v1/email-confirmation", new { token })).Problem.ShouldBe(
            "link-spent"
        );
        (await browser.SendAsync(HttpMethod.Get, "/v1/people/me")).Json["email"]!.GetValue<string>().ShouldBe(address);
        // A link for one thing does nothing else.
        (
            await browser.SendAsync(HttpMethod.Post, "/v1/password-reset/complete", new { token, password = Better })
        ).Problem.ShouldBe("link-spent");
        (await browser.SignInAsync(address, ada.Password)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task Somebody_elses_address_is_not_taken_and_not_told()
    {
        var ada = await TestPerson.AddAsync(server);
        var bob = await TestPerson.AddAsync(server, "Bob");
        using var browser = await bob.SignInAsync(server);
        (await browser.SendAsync(HttpMethod.Post, "/v1/people/me/email", new { email = ada.Email })).Status.ShouldBe(
            202
        );
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            "the warning",
            TimeSpan.FromSeconds(30),
            async ct =>
                (await TestPerson.MailsAsync(server, ada.Email, ct)).Any(m =>
                    m.Contains("Nothing was changed", StringComparison.Ordinal)
                ),
            Ct
        );
        (await TestPerson.MailsAsync(server, ada.Email, Ct)).ShouldAllBe(m =>
            !m.Contains("/confirm-email/", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task What_proves_a_person_is_changed_by_a_fresh_sign_in_only()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var update = new NpgsqlCommand(
                "update access.person_session set started_at = now() - interval '16 minutes' where person_id = $1",
                admin
            );
            update.Parameters.AddWithValue(ada.Id);
            await update.ExecuteNonQueryAsync(Ct);
        }
        (
            await browser.SendAsync(HttpMethod.Post, "/v1/people/me/email", new { email = "x@example.org" })
        ).Problem.ShouldBe("fresh-sign-in-needed");
        (await browser.SendAsync(HttpMethod.Post, "/v1/passkeys/options")).Problem.ShouldBe("fresh-sign-in-needed");
        (await browser.SendAsync(HttpMethod.Get, "/v1/people/me")).Status.ShouldBe(200);
    }
}

using System.Text.RegularExpressions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Server.Tests.People;

/// <summary>Somebody's account goes; what they did stays.</summary>
public sealed partial class DeletePersonTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_of_a_deleted_person_is_left_but_history()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        var (owner, slug) = await JoinNewAsync(ada, "owner");
        var bob = await TestPerson.AddAsync(server, "Bob");
        await JoinAsync(bob, owner, "owner");
        using var follower = await bob.SignInAsync(server);
        var key = await browser.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/keys",
            new { name = "for a machine", scopes = (string[])["instances:read"] }
        );
        key.Status.ShouldBe(201, key.Text);
        var invited = await browser.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/invitations",
            new { email = $"{Guid.CreateVersion7():N}@example.org", role = "viewer" }
        );
        invited.Status.ShouldBe(201, invited.Text);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/workspaces/{slug}/events/widget/x");
        request.Headers.TryAddWithoutValidation("Cookie", "platen_session=" + browser.Session);
        using var stream = await server.Nobody.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        ((int)stream.StatusCode).ShouldBe(200);

        (await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}")).Status.ShouldBe(204);
        await Streams.EndsAsync(stream);
        (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Status.ShouldBe(401);
        (await browser.SignInAsync(ada.Email, ada.Password)).Problem.ShouldBe("sign-in-refused");
        var rows = await RowsAsync(ada);
        rows.Select(row => row.Table).ShouldBe(["person"]);
        rows[0].Text.ShouldNotContain("Lovelace");
        rows[0].Text.ShouldNotContain(ada.Email);
        (await server.Owner.SendAsync(HttpMethod.Get, "/v1/people?email=" + ada.Email)).Json["items"]!
            .AsArray()
            .ShouldBeEmpty();
        foreach (var verb in (string[])["enable", "disable"])
            (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/{verb}")).Status.ShouldBe(404);
        (await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}")).Status.ShouldBe(404);

        var members = await follower.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/members");
        members.Json["items"]!.AsArray().Count.ShouldBe(1);
        var invitations = await follower.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/invitations");
        invitations.Text.ShouldNotContain("\"pending\"");
        // What she made for the workspace is the workspace's, and says who made it.
        using var machine = new HttpClient { BaseAddress = server.Address };
        machine.DefaultRequestHeaders.Authorization = new("Bearer", key.Json["secret"]!.GetValue<string>());
        (await machine.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/instances")).Status.ShouldBe(200);
        var audit = await follower.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/audit");
        audit.Text.ShouldContain("Ada Lovelace");
        var removed = audit.Json["items"]!.AsArray().Single(e => e!["action"]!.GetValue<string>() == "member.removed");
        removed!["actorName"]!.GetValue<string>().ShouldBe("owner key");
        var told = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/audit?subject=person/{ada.Id}");
        told.Text.ShouldContain("person.deleted");
        // The mailbox may come back as somebody new.
        (
            await server.Owner.SendAsync(
                HttpMethod.Post,
                "/v1/people",
                new { displayName = "Ada again", email = ada.Email }
            )
        ).Status.ShouldBe(201);
    }

    [Fact]
    public async Task Who_alone_owns_workspaces_is_told_which_and_stays_whole_until_somebody_else_does()
    {
        var ada = await TestPerson.AddAsync(server);
        var (first, firstSlug) = await JoinNewAsync(ada, "owner");
        var (_, secondSlug) = await JoinNewAsync(ada, "owner");
        var (_, other) = await JoinNewAsync(ada, "editor");
        var refused = await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}");
        (refused.Status, refused.Problem).ShouldBe((409, "last-owner"));
        refused.Json["workspaces"]!
            .AsArray()
            .Select(slug => slug!.GetValue<string>())
            .ShouldBe([firstSlug, secondSlug], ignoreOrder: true);
        using var browser = await ada.SignInAsync(server);
        (await browser.SendAsync(HttpMethod.Get, $"/v1/workspaces/{other}")).Status.ShouldBe(200);

        await JoinAsync(await TestPerson.AddAsync(server, "Bob"), first, "owner");
        (await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/workspaces/{secondSlug}", ifMatch: "*")).Status.ShouldBe(
            200
        );
        (await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}")).Status.ShouldBe(204);
        (await RowsAsync(ada)).Select(row => row.Table).ShouldBe(["person"]);
    }

    [Fact]
    public async Task Of_two_owners_who_are_deleted_at_once_one_stays()
    {
        for (var round = 0; round < 5; round++)
        {
            var (ada, bob) = (await TestPerson.AddAsync(server), await TestPerson.AddAsync(server, "Bob"));
            var (owner, slug) = await JoinNewAsync(ada, "owner");
            await JoinAsync(bob, owner, "owner");
            var answers = await Task.WhenAll(
                server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}"),
                server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{bob.Id}")
            );
            answers.Select(answer => answer.Status).Order().ShouldBe([204, 409]);
            var members = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/{slug}/members");
            members.Json["items"]!.AsArray().Count.ShouldBe(1);
        }
    }

    [Fact]
    public async Task Whoever_becomes_a_member_while_they_are_deleted_is_none_afterwards()
    {
        for (var round = 0; round < 10; round++)
        {
            var ada = await TestPerson.AddAsync(server);
            var (owner, _) = await NewWorkspaceAsync();
            var joining = Task.Run(
                async () =>
                {
                    try
                    {
                        await JoinAsync(ada, owner, "viewer");
                    }
                    catch (PostgresException late) when (late.SqlState == PostgresErrorCodes.SerializationFailure)
                    {
                        // The deletion came first.
                    }
                },
                Ct
            );
            var deleted = await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/people/{ada.Id}");
            await joining;
            deleted.Status.ShouldBe(204);
            (await RowsAsync(ada)).Select(row => row.Table).ShouldBe(["person"]);
        }
    }

    [Fact]
    public async Task One_deletes_ones_own_account_with_a_fresh_sign_in_and_ones_own_address()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        (
            await browser.SendAsync(HttpMethod.Post, "/v1/people/me/delete", new { email = "x@example.org" })
        ).FaultPointers.ShouldBe(["/email"]);
        await MakeStaleAsync(ada);
        (await browser.SendAsync(HttpMethod.Post, "/v1/people/me/delete", new { email = ada.Email })).Problem.ShouldBe(
            "fresh-sign-in-needed"
        );
        (await browser.OpenAsync("/account")).Answer.Text.ShouldNotContain("/account/delete");

        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        var page = (await browser.OpenAsync("/account")).Answer.Text;
        var csrf = Csrf().Match(page).Groups["value"].Value;
        var (wrong, _) = await browser.PostFormAsync("/account/delete", ("csrf", csrf), ("email", "x@example.org"));
        (wrong.Status, wrong.Text.Contains("Must be your own address.", StringComparison.Ordinal)).ShouldBe(
            (422, true)
        );
        (await browser.PostFormAsync("/account/delete", ("csrf", "x"), ("email", ada.Email))).Answer.Status.ShouldBe(
            403
        );
        var (_, to) = await browser.PostFormAsync("/account/delete", ("csrf", csrf), ("email", ada.Email));
        to.ShouldBe("/sign-in?done=deleted");
        browser.Session.ShouldBeNull();
        (await browser.OpenAsync(to!)).Answer.Text.ShouldContain("Your account is deleted.");
        (await RowsAsync(ada)).Select(row => row.Table).ShouldBe(["person"]);
    }

    [Fact]
    public async Task Only_the_server_itself_leaves_the_scope_it_came_with()
    {
        await using var session = await server.Postgres.OpenAsync(TestOwner.New(), Ct);
        await Should.ThrowAsync<InvalidOperationException>(() => session.EnterAsync(OwnerId.Platform, Ct));
        var ada = await TestPerson.AddAsync(server);
        await JoinNewAsync(ada, "viewer");
        var told = await session.ListAsync(
            "select slug from access.memberships_of($1)",
            row => row.GetString(0),
            Ct,
            Sql.Uuid(ada.Id)
        );
        told.ShouldBeEmpty();
    }

    [GeneratedRegex("name=\"csrf\" value=\"(?<value>[^\"]+)\"", RegexOptions.NonBacktracking)]
    private static partial Regex Csrf();

    private async Task<(OwnerId Owner, string Slug)> NewWorkspaceAsync()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        return (new OwnerId(made.Json["id"]!.GetValue<Guid>()), made.Json["slug"]!.GetValue<string>());
    }

    private async Task<(OwnerId Owner, string Slug)> JoinNewAsync(TestPerson person, string role)
    {
        var made = await NewWorkspaceAsync();
        await JoinAsync(person, made.Owner, role);
        return made;
    }

    private async Task JoinAsync(TestPerson person, OwnerId owner, string role)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await new TestPersonSession(person.Id, "").JoinAsync(admin, owner, role, Ct);
    }

    private async Task MakeStaleAsync(TestPerson person)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var stale = new NpgsqlCommand(
            "update access.person_session set started_at = now() - interval '1 hour' where person_id = $1",
            admin
        );
        stale.Parameters.AddWithValue(person.Id);
        await stale.ExecuteNonQueryAsync(Ct);
    }

    // Their own row, and every row of every table that refers to it.
    private async Task<List<(string Table, string Text)>> RowsAsync(TestPerson person)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var queries = new List<string> { "select 'person', to_jsonb(t)::text from access.person t where id = $1" };
        await using (
            var list = new NpgsqlCommand(
                """
                select format('select %L, to_jsonb(t)::text from %s t where %I = $1', c.relname, c.oid::regclass, a.attname)
                from pg_constraint f join pg_class c on c.oid = f.conrelid
                join pg_attribute a on a.attrelid = c.oid and a.attnum = f.conkey[1]
                where f.contype = 'f' and f.confrelid = 'access.person'::regclass
                """,
                admin
            )
        )
        {
            await using var reader = await list.ExecuteReaderAsync(Ct);
            while (await reader.ReadAsync(Ct))
                queries.Add(reader.GetString(0));
        }
        queries.Count.ShouldBeGreaterThan(8);
        await using var all = new NpgsqlCommand(string.Join(" union all ", queries), admin);
        all.Parameters.AddWithValue(person.Id);
        var rows = new List<(string, string)>();
        await using var found = await all.ExecuteReaderAsync(Ct);
        while (await found.ReadAsync(Ct))
            rows.Add((found.GetString(0), found.GetString(1)));
        return rows;
    }
}

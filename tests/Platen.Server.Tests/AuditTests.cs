using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Testing;

namespace Platen.Server.Tests;

public sealed class AuditTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_write_of_an_instance_leaves_one_entry_with_who_what_and_from_where()
    {
        var id = "wgt_curated_audit-" + Guid.CreateVersion7().ToString("N");
        var path = "/v1/instances/" + id;
        var locale = path + "/locales/de";
        var publication = path + "/publication";
        var ops = new
        {
            ops = new[]
            {
                new
                {
                    op = "set",
                    path = "/heading",
                    value = "Fragen",
                },
            },
        };

        (await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("one"), create: true)).Status.ShouldBe(
            201
        );
        (await server.Owner.SendAsync(HttpMethod.Put, locale, ops, create: true)).Status.ShouldBe(201);
        var first = await server.Owner.SendAsync(HttpMethod.Put, publication, new { reason = "=1+1" }, "\"1\"");
        first.Status.ShouldBe(200);
        (await server.Owner.SendAsync(HttpMethod.Delete, locale, ifMatch: "\"1\"")).Status.ShouldBe(204);
        (await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("two"), "\"1\"")).Status.ShouldBe(200);
        (await server.Owner.SendAsync(HttpMethod.Put, publication, new { }, "\"2\"")).Status.ShouldBe(200);
        var release = first.Json["release"]!.GetValue<string>();
        (await server.Owner.SendAsync(HttpMethod.Put, publication, new { release }, "\"2\"")).Status.ShouldBe(200);
        (await server.Owner.SendAsync(HttpMethod.Delete, publication, ifMatch: "\"2\"")).Status.ShouldBe(204);

        var entries = await ReadAsync($"widget/{id}*");
        entries
            .Select(e => e["action"]!.GetValue<string>())
            .ShouldBe([
                "widget.saved",
                "widget.overlay-changed",
                "widget.published",
                "widget.overlay-changed",
                "widget.saved",
                "widget.published",
                "widget.went-back",
                "widget.saved",
                "widget.unpublished",
            ]);
        entries.ShouldAllBe(e => e["origin"]!.GetValue<string>() == "127.0.0.1");
        entries.ShouldAllBe(e => e["actorName"]!.GetValue<string>() == "owner key");
        entries.ShouldAllBe(e => e["traceId"]!.GetValue<string>().Length == 32);
        // The content before a change is the content after the one before it.
        Digest(entries[0], "before").ShouldBeNull();
        Digest(entries[4], "before").ShouldBe(Digest(entries[0], "after"));
        Digest(entries[3], "before").ShouldBe(Digest(entries[1], "after"));
        Digest(entries[3], "after").ShouldBeNull();
        Digest(entries[2], "after").ShouldBe(release);
        Digest(entries[6], "before").ShouldBe(Digest(entries[5], "after"));
        Digest(entries[6], "after").ShouldBe(release);
        Digest(entries[8], "before").ShouldBe(release);
        entries[2]["detail"]!["reason"]!.GetValue<string>().ShouldBe("=1+1");
    }

    [Fact]
    public async Task A_write_that_is_refused_or_changes_nothing_leaves_none()
    {
        var id = "wgt_curated_audit-" + Guid.CreateVersion7().ToString("N");
        var path = "/v1/instances/" + id;
        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("one"), create: true);
        await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("one"), "\"1\"");
        (await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("two"), "\"9\"")).Status.ShouldBe(412);
        (await server.Owner.SendAsync(HttpMethod.Put, path, new { }, "\"1\"")).Status.ShouldBe(422);
        (await ReadAsync($"widget/{id}*")).Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_changes_who_may_do_what_has_the_digests_of_before_and_after()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var id = made.Json["id"]!.GetValue<Guid>();
        var place = "/v1/workspaces/" + id;
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var person = await TestPersonSession.AddAsync(admin, $"{Guid.CreateVersion7():N}@example.org", Ct);
        await person.JoinAsync(admin, new OwnerId(id), "viewer", Ct);
        var member = $"{place}/members/{person.Id}";
        var key = await server.Owner.SendAsync(
            HttpMethod.Post,
            place + "/keys",
            new { name = "k", scopes = (string[])["files:read"] }
        );
        foreach (
            var (method, path, body) in ((HttpMethod, string, object?)[])
                [
                    (HttpMethod.Patch, place, new { name = "Another" }),
                    (HttpMethod.Patch, place, new { plan = "bridge" }),
                    (HttpMethod.Put, place + "/entitlements/members", new { allowed = 7 }),
                    (HttpMethod.Put, place + "/entitlements/members", new { allowed = 8 }),
                    (HttpMethod.Patch, member, new { role = "editor" }),
                    (HttpMethod.Delete, member, null),
                    (HttpMethod.Delete, $"{place}/keys/{key.Json["id"]}", null),
                    (HttpMethod.Delete, place, null),
                    (HttpMethod.Post, place + "/restore", null),
                ]
        )
            (await server.Owner.SendAsync(method, path, body, "*")).Status.ShouldBeInRange(200, 204, path);

        var entries = (await server.Owner.SendAsync(HttpMethod.Get, place + "/audit")).Json["items"]!
            .AsArray()
            .Reverse()
            .Select(entry => entry!)
            .ToList();
        foreach (
            var (subject, count) in ((string, int)[])
                [("workspace/" + id, 5), ("member/" + person.Id, 2), ("key/" + key.Json["id"], 2)]
        )
        {
            var chain = entries
                .Where(e => e["subject"]!.GetValue<string>() == subject)
                .Where(e => e["action"]!.GetValue<string>() != "workspace.entitlement-changed")
                .ToList();
            chain.Count.ShouldBe(count, subject);
            for (var i = 1; i < chain.Count; i++)
                Digest(chain[i], "before").ShouldBe(Digest(chain[i - 1], "after"), subject);
            Digest(chain[^1], "before").ShouldNotBeNull();
            Digest(chain[^1], "after").ShouldNotBe(Digest(chain[^1], "before"));
        }
        var allowed = entries.Where(e => e["action"]!.GetValue<string>() == "workspace.entitlement-changed").ToList();
        allowed.Select(e => Digest(e, "before") is null).ShouldBe([true, false]);
        Digest(allowed[1], "before").ShouldBe(Digest(allowed[0], "after"));
    }

    [Fact]
    public async Task What_the_server_changes_of_people_for_somebody_is_theirs()
    {
        var me = (await server.Owner.SendAsync(HttpMethod.Get, "/v1/whoami")).Json["id"]!.GetValue<Guid>();
        var email = $"{Guid.CreateVersion7():N}@example.org";
        var added = await server.Owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = "Ada", email });
        var person = "/v1/people/" + added.Json["id"];
        (await server.Owner.SendAsync(HttpMethod.Post, person + "/disable")).Status.ShouldBe(200);
        (await server.Owner.SendAsync(HttpMethod.Delete, person)).Status.ShouldBe(204);

        var entries = await server.Owner.SendAsync(
            HttpMethod.Get,
            $"/v1/audit?actor={me}&subject=person/{added.Json["id"]}"
        );
        entries.Json["items"]!
            .AsArray()
            .Select(e => $"{e!["actorName"]} {e["action"]}")
            .ShouldBe(["owner key person.deleted", "owner key person.disabled", "owner key person.added"]);
    }

    [Fact]
    public async Task Who_rotates_the_signing_keys_did_it_and_not_the_server()
    {
        var me = (await server.Owner.SendAsync(HttpMethod.Get, "/v1/whoami")).Json["id"]!.GetValue<Guid>();
        (await server.Owner.SendAsync(HttpMethod.Post, "/v1/signing-keys/rotate")).Status.ShouldBe(204);
        var made = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/audit?action=signing-key.made&actor={me}");
        var entry = made.Json["items"]!.AsArray()[0]!;
        entry["actorName"]!.GetValue<string>().ShouldBe("owner key");
        entry["before"].ShouldNotBeNull();
        entry["after"].ShouldNotBeNull();
    }

    [Fact]
    public async Task What_changes_nothing_of_a_person_leaves_no_entry()
    {
        var email = $"{Guid.CreateVersion7():N}@example.org";
        var added = await server.Owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = "Ada", email });
        var person = "/v1/people/" + added.Json["id"];
        foreach (var verb in (string[])["enable", "disable", "disable", "enable", "enable"])
            (await server.Owner.SendAsync(HttpMethod.Post, $"{person}/{verb}")).Status.ShouldBe(200);
        var entries = await ReadAsync($"person/{added.Json["id"]}");
        entries
            .Select(e => e!["action"]!.GetValue<string>())
            .ShouldBe(["person.added", "person.disabled", "person.enabled"]);
        // What it was after one is what it was before the next, and it is again what it was.
        Digest(entries[0], "before").ShouldBeNull();
        Digest(entries[1], "before").ShouldBe(Digest(entries[0], "after"));
        Digest(entries[2], "before").ShouldBe(Digest(entries[1], "after"));
        Digest(entries[2], "after").ShouldBe(Digest(entries[0], "after"));
    }

    [Fact]
    public async Task Who_registers_by_an_invitation_is_in_the_log_of_the_platform_and_who_joins_in_the_workspaces()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var place = "/v1/workspaces/" + made.Json["slug"];
        var sent = await server.Owner.SendAsync(
            HttpMethod.Post,
            place + "/invitations",
            new { email = $"{Guid.CreateVersion7():N}@example.org", role = "viewer" }
        );
        using var browser = new People.Browser(server.Address);
        var (answer, to) = await browser.PostFormAsync(
            "/invitation/" + sent.Json["token"],
            ("displayName", "Grace Hopper"),
            ("password", "a sentence that nobody guesses")
        );
        (answer.Status, to).ShouldBe((303, "/account"));
        var me = (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Json["person"]!["id"]!.GetValue<string>();

        var of = await ReadAsync("person/" + me);
        of.Select(e => e["action"]!.GetValue<string>()).ShouldBe(["person.added", "session.started"]);
        of.ShouldAllBe(e => e["actorName"]!.GetValue<string>() == "Grace Hopper");
        var there = await server.Owner.SendAsync(HttpMethod.Get, $"{place}/audit?actor={me}");
        there.Json["items"]!
            .AsArray()
            .Select(e => e!["action"]!.GetValue<string>())
            .ShouldBe(["invitation.accepted", "member.added"], ignoreOrder: true);
    }

    [Fact]
    public async Task A_session_that_another_takes_the_place_of_is_in_the_log()
    {
        var ada = await People.TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        (await browser.SignInAsync(ada.Email, ada.Password)).Status.ShouldBe(204);
        var entries = (await ReadAsync("person/" + ada.Id)).Select(e => e["action"]!.GetValue<string>()).ToList();
        entries[^2..].ShouldBe(["session.ended", "session.started"]);
    }

    [Fact]
    public async Task A_retried_job_leaves_an_entry()
    {
        JobId job;
        var context = OperationContext.ForSystem(OwnerId.Platform, "test");
        await using (var session = await server.Postgres.Pools.OpenAsync(context, Ct))
        {
            var kind = "audit." + Guid.CreateVersion7().ToString("N");
            job = (await JobQueue.EnqueueAsync(session, kind, null, "{}"u8.ToArray(), null, Ct)).Id;
            await session.CommitAsync(Ct);
        }
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var die = new NpgsqlCommand(
                "update platform.job set state = 'dead', finished_at = now(), error = 'x' where id = $1",
                admin
            );
            die.Parameters.AddWithValue(job.Value);
            await die.ExecuteNonQueryAsync(Ct);
        }
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/jobs/{job}/retry")).Status.ShouldBe(204);
        (await ReadAsync($"job/{job}")).Single()["action"]!.GetValue<string>().ShouldBe("job.retried");
    }

    [Fact]
    public async Task The_log_is_paged_newest_first_and_filtered()
    {
        var owner = TestOwner.New();
        for (var i = 0; i < 7; i++)
            await RecordAsync(owner, i % 2 == 0 ? "thing.made" : "thing.broken", $"thing/{i}_%");
        using var client = await ClientAsync(owner, "audit:read");

        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await client.SendAsync(HttpMethod.Get, $"/v1/audit?limit=3&cursor={cursor}");
            seen.AddRange(Subjects(page));
            cursor = page.Json["nextCursor"]?.GetValue<string>();
        } while (cursor is not null);
        seen.ShouldBe([.. Enumerable.Range(0, 7).Reverse().Select(i => $"thing/{i}_%")]);

        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?action=thing.broken")).Count.ShouldBe(3);
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?action=thing.*")).Count.ShouldBe(7);
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?subject=thing/4_%25")).ShouldBe(["thing/4_%"]);
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?subject=thing/_*")).ShouldBeEmpty();
        Subjects(await client.SendAsync(HttpMethod.Get, $"/v1/audit?actor={owner.Actor.Id}")).Count.ShouldBe(7);
        Subjects(await client.SendAsync(HttpMethod.Get, $"/v1/audit?actor={Guid.Empty}")).ShouldBeEmpty();
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?to=2020-01-01")).ShouldBeEmpty();
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit?from=2020-01-01T00:00:00Z")).Count.ShouldBe(7);
        foreach (var wrong in (string[])["cursor=x", "from=yesterday", "actor=me", "action=" + new string('a', 200)])
            (await client.SendAsync(HttpMethod.Get, "/v1/audit?" + wrong)).Problem.ShouldBe("malformed");
    }

    [Fact]
    public async Task Another_owner_and_a_key_without_the_scope_see_nothing()
    {
        var owner = TestOwner.New();
        await RecordAsync(owner, "thing.made", "thing/secret");
        using var other = await ClientAsync(TestOwner.New(), "audit:read");
        Subjects(await other.SendAsync(HttpMethod.Get, "/v1/audit")).ShouldBeEmpty();
        using var without = await ClientAsync(owner, "instances:read");
        (await without.SendAsync(HttpMethod.Get, "/v1/audit")).Problem.ShouldBe("forbidden");
        (await without.SendAsync(HttpMethod.Get, "/v1/audit:export")).Problem.ShouldBe("forbidden");
    }

    [Fact]
    public async Task The_export_streams_every_entry_once_and_no_field_is_a_formula()
    {
        var owner = TestOwner.New() with
        {
            Actor = new Actor(new ActorId(Guid.CreateVersion7()), "=HYPERLINK(\"x\"),\n"),
        };
        await RecordAsync(owner, "thing.made", "+first");
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            // More than two pages of the export, all at one instant: the order falls to the id.
            await using var many = new NpgsqlCommand(
                """
                insert into access.audit_entry (owner, id, at, actor, actor_name, action, subject)
                select $1, gen_random_uuid(), '2026-01-01', $2, 'many', 'thing.made', 'many/' || n from generate_series(1, 2500) n
                """,
                admin
            );
            many.Parameters.AddWithValue(owner.Id.Value);
            many.Parameters.AddWithValue(owner.Actor.Id.Value);
            await many.ExecuteNonQueryAsync(Ct);
        }
        using var client = await ClientAsync(owner, "audit:read");

        using var csv = await client.GetAsync("/v1/audit:export", Ct);
        csv.Content.Headers.ContentType!.MediaType.ShouldBe("text/csv");
        csv.Content.Headers.ContentDisposition!.FileName!.ShouldEndWith(".csv");
        var rows = ReadCsv(await csv.Content.ReadAsStringAsync(Ct));
        rows.Count.ShouldBe(2502);
        rows.ShouldAllBe(row => row.Length == 12);
        rows.Skip(1).Select(row => row[0]).ShouldBeUnique();
        rows.SelectMany(row => row).ShouldAllBe(field => field.Length == 0 || !"=+-@\t\r\n".Contains(field[0]));
        rows[^1][3].ShouldBe("'=HYPERLINK(\"x\"),\n");
        rows[^1][5].ShouldBe("'+first");

        var lines = (await client.SendAsync(HttpMethod.Get, "/v1/audit:export?format=jsonl")).Text.Split(
            '\n',
            StringSplitOptions.RemoveEmptyEntries
        );
        lines.Length.ShouldBe(2501);
        JsonNode.Parse(lines[^1])!["actorName"]!.GetValue<string>().ShouldBe(owner.Actor.Name);
        (await client.SendAsync(HttpMethod.Get, "/v1/audit:export?format=xml")).Problem.ShouldBe("malformed");
    }

    [Theory]
    [InlineData("platen_app")]
    [InlineData("platen_worker")]
    [InlineData("platen_edge")]
    [InlineData("platen_view")]
    public async Task No_role_changes_or_removes_an_entry(string role)
    {
        var owner = TestOwner.New();
        await RecordAsync(owner, "thing.made", "thing/1");
        foreach (
            var statement in (string[])
                [
                    "update access.audit_entry set subject = 'other'",
                    "delete from access.audit_entry",
                    "truncate access.audit_entry",
                    "insert into access.audit_entry (owner, id, at, actor, actor_name, action, subject) values "
                        + $"('{owner.Id}', gen_random_uuid(), '2000-01-01', '{owner.Actor.Id}', 'x', 'thing.made', 'x')",
                    "insert into access.audit_entry (owner, id, actor, actor_name, action, subject) values "
                        + $"('{owner.Id}', gen_random_uuid(), gen_random_uuid(), 'x', 'thing.made', 'in another''s name')",
                ]
        )
        {
            await using var admin = await server.Postgres.OpenAdminAsync(Ct);
            await using var command = new NpgsqlCommand(
                $"""
                begin; set local role {role}; set local platen.owner = '{owner.Id}'; set local platen.actor = '{owner.Actor.Id}';
                {statement}; commit
                """,
                admin
            );
            var refused = await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Ct), statement);
            refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege, statement);
        }
        using var client = await ClientAsync(owner, "audit:read");
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit")).ShouldBe(["thing/1"]);
    }

    [Fact]
    public async Task An_entry_without_its_fact_is_not_kept()
    {
        var owner = TestOwner.New();
        await using (var session = await server.Postgres.OpenAsync(owner, Ct))
            await AuditLog.RecordAsync(session, "thing.made", "thing/1", null, null, null, Ct);
        using var client = await ClientAsync(owner, "audit:read");
        Subjects(await client.SendAsync(HttpMethod.Get, "/v1/audit")).ShouldBeEmpty();
        await using var open = await server.Postgres.OpenAsync(owner, Ct);
        await Should.ThrowAsync<ArgumentException>(() => AuditLog.RecordAsync(open, "a.b", "", null, null, null, Ct));
        var huge = new { text = new string('x', 9_000) };
        await Should.ThrowAsync<ArgumentException>(() => AuditLog.RecordAsync(open, "a.b", "c", null, null, huge, Ct));
    }

    private async Task RecordAsync(TestOwner owner, string action, string subject)
    {
        await using var session = await server.Postgres.OpenAsync(owner, Ct);
        await AuditLog.RecordAsync(session, action, subject, null, null, null, Ct);
        await session.CommitAsync(Ct);
    }

    private async Task<HttpClient> ClientAsync(TestOwner owner, params string[] scopes)
    {
        var client = new HttpClient { BaseAddress = server.Nobody.BaseAddress };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            await server.CreateKeyAsync(owner.Id, scopes)
        );
        return client;
    }

    /// <summary>Oldest first.</summary>
    private async Task<List<JsonNode>> ReadAsync(string subject)
    {
        var answer = await server.Owner.SendAsync(HttpMethod.Get, $"/v1/audit?limit=200&subject={subject}");
        answer.Status.ShouldBe(200, answer.Text);
        return [.. answer.Json["items"]!.AsArray().Reverse().Select(e => e!)];
    }

    private static List<string> Subjects(Answer page) =>
        [.. page.Json["items"]!.AsArray().Select(e => e!["subject"]!.GetValue<string>())];

    private static string? Digest(JsonNode entry, string name) => entry[name]?.GetValue<string>();

    private static List<string[]> ReadCsv(string text)
    {
        var rows = new List<string[]>();
        var row = new List<string>();
        var field = new System.Text.StringBuilder();
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"' when quoted && i + 1 < text.Length && text[i + 1] == '"':
                    field.Append('"');
                    i++;
                    break;
                case '"':
                    quoted = !quoted;
                    break;
                case ',' when !quoted:
                    row.Add(field.ToString());
                    field.Clear();
                    break;
                case '\r' when !quoted:
                    break;
                case '\n' when !quoted:
                    row.Add(field.ToString());
                    field.Clear();
                    rows.Add([.. row]);
                    row.Clear();
                    break;
                default:
                    field.Append(text[i]);
                    break;
            }
        }
        return rows;
    }
}

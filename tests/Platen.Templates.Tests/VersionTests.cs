using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;

namespace Platen.Templates.Tests;

public sealed class VersionTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pushed_version_is_resolved_with_its_file()
    {
        var name = ServerFixture.NewName();
        var pushed = await server.Owner.PushPromptAsync(name, "1.0.0", "You are {{who}}.");
        pushed.Status.ShouldBe(201, pushed.Text);
        pushed.Json["version"]!["status"]!.GetValue<string>().ShouldBe("stable");
        var resolved = await server.Owner.ResolveAsync(name, "?kind=master_prompt");
        resolved.Status.ShouldBe(200, resolved.Text);
        (resolved.Member("version"), resolved.Member("rule")).ShouldBe(("1.0.0", "default"));
        var artifact = resolved.Json["artifact"]!;
        artifact["variables"]![0]!["name"]!.GetValue<string>().ShouldBe("who");
        var bytes = await server.Owner.GetAsync(artifact["url"]!.GetValue<string>());
        bytes.Text.ShouldBe("You are {{who}}.");
        bytes.Headers["ETag"].ShouldBe($"\"{artifact["digest"]!.GetValue<string>()[7..]}\"");
    }

    [Fact]
    public async Task The_same_bytes_again_change_nothing_and_other_bytes_are_refused_with_what_differs()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        var before = await server.Owner.GetAsync($"/v1/templates/{name}");
        var again = await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        (again.Status, again.Member("outcome")).ShouldBe((200, "unchanged"));
        (await server.Owner.GetAsync($"/v1/templates/{name}")).Tag.ShouldBe(before.Tag);
        var other = await server.Owner.PushPromptAsync(name, "1.0.0", "two");
        (other.Status, other.Problem).ShouldBe((409, "version-is-immutable"));
        other.Json["changes"]![0]!["path"]!.GetValue<string>().ShouldBe("system.md");
        (await server.Owner.PushPromptAsync(name, "1.0.0", "two", ifMatch: again.Tag)).Problem.ShouldBe(
            "version-is-immutable"
        );
    }

    [Fact]
    public async Task The_database_itself_refuses_other_content_of_a_stable_version()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await server.Owner.PushPromptAsync(name, "1.0.1", "two");
        foreach (
            var statement in (string[])
                [
                    "update templates.template_version set release_digest = (select release_digest from templates.template_version where template = $1 and semver = '1.0.1') where template = $1 and semver = '1.0.0'",
                    "update templates.template_version set status = 'draft' where template = $1 and semver = '1.0.0'",
                    "delete from templates.artifact where template = $1 and semver = '1.0.0'",
                    "insert into templates.artifact (owner, template, semver, path, position, kind, content_type, sha256, size_bytes) select owner, template, '1.0.0', 'more.md', 2, kind, content_type, sha256, size_bytes from templates.artifact where template = $1 and semver = '1.0.1'",
                ]
        )
        {
            await using var session = await server.Postgres.Pools.OpenAsync(
                Kernel.OperationContext.ForSystem(Kernel.OwnerId.Platform, "test"),
                Ct
            );
            var refused = await Should.ThrowAsync<PostgresException>(() =>
                session.ExecuteAsync(statement, Ct, Sql.Text(name.Value))
            );
            refused.SqlState.ShouldStartWith("PLT1");
        }
    }

    [Fact]
    public async Task A_draft_may_be_replaced_by_whoever_saw_it_until_it_is_stable()
    {
        var name = ServerFixture.NewName();
        var first = await server.Owner.PushPromptAsync(name, "1.0.0", "one", "draft");
        (await server.Owner.ResolveAsync(name)).Problem.ShouldBe("no-such-version");
        (await server.Owner.ResolveAsync(name, "?version=1.0.0")).Member("status").ShouldBe("draft");
        (await server.Owner.PushPromptAsync(name, "1.0.0", "two", "draft")).Problem.ShouldBe("stale-version");
        var second = await server.Owner.PushPromptAsync(name, "1.0.0", "two", "draft", first.Tag);
        second.Status.ShouldBe(200, second.Text);
        var stable = await server.Owner.SendAsync(
            HttpMethod.Patch,
            $"/v1/templates/{name}/versions/1.0.0",
            new { status = "stable" },
            second.Tag
        );
        stable.Status.ShouldBe(200, stable.Text);
        (await server.Owner.ResolveAsync(name)).Member("version").ShouldBe("1.0.0");
        var back = await server.Owner.SendAsync(
            HttpMethod.Patch,
            $"/v1/templates/{name}/versions/1.0.0",
            new { status = "draft" },
            stable.Tag
        );
        back.Problem.ShouldBe("status-goes-forward");
    }

    [Fact]
    public async Task A_deprecated_version_warns_in_body_and_headers_and_the_channels_leave_it()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        var second = await server.Owner.PushPromptAsync(name, "1.1.0", "two");
        var order = new
        {
            status = "deprecated",
            reason = "forgets the question",
            successor = "1.0.0",
            sunsetAt = "2031-01-02T03:04:05Z",
        };
        var path = $"/v1/templates/{name}/versions/1.1.0";
        (await server.Owner.SendAsync(HttpMethod.Patch, path, order)).Problem.ShouldBe("precondition-required");
        var answer = await server.Owner.SendAsync(HttpMethod.Patch, path, order, second.Tag);
        answer.Status.ShouldBe(200, answer.Text);
        (await server.Owner.ResolveAsync(name, "?version=latest")).Member("version").ShouldBe("1.0.0");
        (await server.Owner.ResolveAsync(name, "?version=1.x")).Member("version").ShouldBe("1.0.0");
        var resolved = await server.Owner.ResolveAsync(name, "?version=~1.1.0");
        resolved.Member("version").ShouldBe("1.1.0");
        resolved.Headers["Deprecation"].ShouldStartWith("@");
        resolved.Headers["Sunset"].ShouldBe("Thu, 02 Jan 2031 03:04:05 GMT");
        resolved.Headers["Link"].ShouldBe($"</v1/templates/{name}/versions/1.0.0>; rel=\"successor-version\"");
        resolved.Json["deprecation"]!["reason"]!.GetValue<string>().ShouldBe("forgets the question");
    }

    [Fact]
    public async Task Bytes_that_are_missing_or_wrong_are_named()
    {
        var name = ServerFixture.NewName();
        var absent = "sha256:" + new string('1', 64);
        (
            await server.Owner.SendAsync(HttpMethod.Put, $"/v1/templates/{name}/blobs/{absent}", "x"u8.ToArray())
        ).Problem.ShouldBe("wrong-digest");
        var manifest = new JsonObject
        {
            ["manifest"] = new JsonObject
            {
                ["artifacts"] = new JsonArray(
                    new JsonObject
                    {
                        ["kind"] = "json_config",
                        ["path"] = "a.json",
                        ["digest"] = absent,
                        ["sizeBytes"] = 1,
                    }
                ),
            },
        };
        var refused = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/versions/1.0.0",
            manifest,
            create: true
        );
        (refused.Problem, refused.Json["missing"]![0]!.GetValue<string>()).ShouldBe(("missing-blobs", absent));
        var missing = await server.Owner.SendAsync(
            HttpMethod.Post,
            $"/v1/templates/{name}/blobs:missing",
            new { digests = new[] { absent } }
        );
        missing.Json["missing"]!.AsArray().Count.ShouldBe(1);
        var bytes = Guid.CreateVersion7().ToByteArray();
        var path = $"/v1/templates/{name}/blobs/{Kernel.Digest.Of(bytes)}";
        (await server.Owner.SendAsync(HttpMethod.Head, path)).Status.ShouldBe(404);
        (await server.Owner.SendAsync(HttpMethod.Put, path, bytes)).Status.ShouldBe(201);
        var there = await server.Owner.SendAsync(HttpMethod.Head, path);
        (there.Status, there.Headers["Content-Length"]).ShouldBe((200, "16"));
        (await server.Owner.GetAsync(path)).Status.ShouldBe(404, "no version refers to it yet");
    }

    [Fact]
    public async Task Everything_wrong_with_a_manifest_is_reported_at_once()
    {
        var name = ServerFixture.NewName();
        var body = JsonNode.Parse(
            """
            { "manifest": { "version": "2.0.0", "wrong": 1, "artifacts": [
              { "kind": "Master", "path": "../x", "role": "robot", "locale": "not a tag" },
              { "kind": "a", "path": "b.md", "locle": "fr" } ] }, "status": "deprecated" }
            """
        )!;
        var refused = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/versions/1.0.0",
            body,
            create: true
        );
        refused.Problem.ShouldBe("invalid");
        refused.FaultPointers.ShouldBe(
            [
                "/status",
                "/manifest/wrong",
                "/manifest/artifacts/0/kind",
                "/manifest/artifacts/0/path",
                "/manifest/artifacts/0/role",
                "/manifest/artifacts/0/locale",
                "/manifest/artifacts/1/locle",
            ],
            ignoreOrder: true
        );
    }

    [Fact]
    public async Task A_declared_variable_that_the_text_lacks_and_the_reverse_are_faults()
    {
        var name = ServerFixture.NewName();
        var artifact = Person.Prompt("p", "p.md");
        artifact["variables"] = new JsonArray("unused");
        var refused = await server.Owner.PushAsync(name, "1.0.0", [(artifact, "Hello {{name}}, see {{> tone}}.")]);
        refused.FaultPointers.ShouldBe([
            "/manifest/artifacts/0",
            "/manifest/artifacts/0/variables",
            "/manifest/artifacts/0/variables/0",
        ]);
    }

    [Fact]
    public async Task An_include_that_would_have_no_place_of_its_own_is_refused_with_its_reason()
    {
        var (name, tone) = (ServerFixture.NewName(), ServerFixture.NewName());
        var path = string.Join('/', Enumerable.Repeat(new string('d', 50), 4)) + "/tone.md";
        (
            await server.Owner.PushAsync(
                tone,
                "1.0.0",
                [
                    (Person.Prompt("long", path, role: null), "Be kind."),
                    (Person.Prompt("short", "Tone.md", role: null), "Be kind."),
                ]
            )
        ).Status.ShouldBe(201);
        var longest = new string('n', TemplateLimits.PathLength - "includes//".Length - path.Length);
        var far = await IncludeAsync(longest + "n", "long", Person.Prompt("master_prompt", "p.md"));
        (far.Status, far.Problem).ShouldBe((422, "invalid"), far.Text);
        far.FaultPointers.ShouldBe(["/manifest/includes/0/name"]);
        far.Text.ShouldContain("a path has at most 256");

        var twice = await IncludeAsync("tone", "short", Person.Prompt("master_prompt", "includes/tone/tone.md"));
        (twice.Status, twice.Problem).ShouldBe((422, "invalid"), twice.Text);
        twice.Text.ShouldContain("Another file has the path");

        // As long as a path may be, it is taken in.
        (await IncludeAsync(longest, "long", Person.Prompt("master_prompt", "p.md"))).Status.ShouldBe(201);

        Task<Answer> IncludeAsync(string called, string kind, JsonObject own) =>
            server.Owner.PushAsync(
                name,
                "1.0.0",
                [(own, $"{{{{> {called}}}}}")],
                includes:
                [
                    new JsonObject
                    {
                        ["name"] = called,
                        ["template"] = tone.Value,
                        ["version"] = "1.0.0",
                        ["kind"] = kind,
                    },
                ]
            );
    }

    [Fact]
    public async Task An_included_bundle_is_pinned_by_its_digest()
    {
        var (tone, name) = (ServerFixture.NewName(), ServerFixture.NewName());
        await server.Owner.PushAsync(tone, "1.0.0", [(Person.Prompt("snippet", "tone.md"), "Be kind.")]);
        var includes = new JsonArray(
            new JsonObject
            {
                ["name"] = "tone",
                ["template"] = tone.Value,
                ["version"] = "1.0.0",
                ["kind"] = "snippet",
            }
        );
        (JsonObject, string)[] files = [(Person.Prompt("master_prompt", "p.md"), "{{> tone}} Answer.")];
        var pushed = await server.Owner.PushAsync(name, "1.0.0", files, includes: includes.DeepClone().AsArray());
        pushed.Status.ShouldBe(201, pushed.Text);
        var included = pushed.Json["version"]!["artifacts"]![1]!;
        (included["path"]!.GetValue<string>(), included["includedFrom"]!.GetValue<string>()).ShouldBe(
            ("includes/tone/tone.md", $"{tone}@1.0.0")
        );
        await server.Owner.PushAsync(tone, "1.1.0", [(Person.Prompt("snippet", "tone.md"), "Be blunt.")]);
        var again = await server.Owner.PushAsync(name, "1.0.0", files, includes: includes.DeepClone().AsArray());
        again.Member("outcome").ShouldBe("unchanged");
    }

    [Fact]
    public async Task Another_workspace_sees_nothing_of_it_and_everybody_sees_the_platforms()
    {
        var name = ServerFixture.NewName();
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync();
        await one.PushPromptAsync(name, "1.0.0", "secret");
        (await two.ResolveAsync(name)).Status.ShouldBe(404);
        (await two.GetAsync($"/v1/templates/{name}/versions/1.0.0")).Status.ShouldBe(404);
        (await two.GetAsync($"/v1/templates/{name}/blobs/{Kernel.Digest.Of("secret"u8)}")).Status.ShouldBe(404);

        var shared = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(shared, "1.0.0", "for all");
        var resolved = await two.ResolveAsync(shared, "?kind=master_prompt");
        resolved.Member("owner").ShouldBe("platform");
        (await two.GetAsync(resolved.Json["artifact"]!["url"]!.GetValue<string>())).Text.ShouldBe("for all");
        using var reader = await server.NewPersonAsync(one.OwnerId, Access.Scopes.TemplatesRead);
        var blob = $"/v1/templates/{name}/blobs/{Kernel.Digest.Of("x"u8)}";
        (await reader.SendAsync(HttpMethod.Put, blob, "x"u8.ToArray())).Status.ShouldBe(403);
    }

    [Fact]
    public async Task Differences_lists_and_searches_find_what_there_is()
    {
        using var person = await server.NewPersonAsync();
        var name = ServerFixture.NewName();
        await person.PushAsync(
            name,
            "1.0.0",
            [
                (Person.Prompt("a", "a.md"), "same"),
                (Person.Prompt("b", "b.md"), "old"),
                (Person.Prompt("c", "c.md"), "gone"),
            ]
        );
        await person.PushAsync(
            name,
            "1.1.0",
            [
                (Person.Prompt("a", "a.md"), "same"),
                (Person.Prompt("b", "b.md"), "new"),
                (Person.Prompt("d", "d.md"), "added"),
            ]
        );
        var diff = await person.GetAsync($"/v1/templates/{name}/diff?from=1.0.0&to=1.1.0");
        diff.Json["changes"]!.AsArray().Select(c => c!["path"]!.GetValue<string>()).ShouldBe(["b.md", "c.md", "d.md"]);
        var list = await person.GetAsync($"/v1/templates?q={name.Value[..12].ToUpperInvariant()}");
        var line = list.Json["items"]!.AsArray().ShouldHaveSingleItem()!;
        (line["versions"]!.GetValue<long>(), line["latestVersion"]!.GetValue<string>()).ShouldBe((2, "1.1.0"));
        (await person.GetAsync("/v1/templates?kind=d")).Json["items"]!.AsArray().Count.ShouldBe(1);
        (await person.GetAsync("/v1/templates?kind=zzz")).Json["items"]!.AsArray().ShouldBeEmpty();
        var versions = await person.GetAsync($"/v1/templates/{name}/versions?limit=1");
        versions.Json["nextCursor"]!.GetValue<string>().ShouldBe("1.1.0");
    }

    [Fact]
    public async Task Of_two_who_make_a_template_at_once_one_is_told_that_it_is_there()
    {
        var name = ServerFixture.NewName();
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var first = await admin.BeginTransactionAsync(Ct);
        await using var make = new NpgsqlCommand(
            """
            insert into templates.template (owner, name, id, description, created_by, created_by_name, updated_by_name)
            values ($1, $2, gen_random_uuid(), 'the first', gen_random_uuid(), 'first', 'first')
            """,
            admin,
            first
        );
        make.Parameters.Add(Sql.Owner(Kernel.OwnerId.Platform));
        make.Parameters.Add(Sql.Text(name.Value));
        await make.ExecuteNonQueryAsync(Ct);
        var second = server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}",
            new { description = "the second" },
            create: true
        );
        await using var watch = await server.Postgres.OpenAdminAsync(Ct);
        await using var waits = new NpgsqlCommand(
            "select exists (select from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))",
            watch
        );
        waits.Parameters.Add(Sql.Int(admin.ProcessID));
        await ServerFixture.UntilAsync(async () => (bool)(await waits.ExecuteScalarAsync(Ct))!);
        await first.CommitAsync(Ct);

        var refused = await second;
        (refused.Status, refused.Problem).ShouldBe((412, "stale-version"));
        (await server.Owner.GetAsync($"/v1/templates/{name}")).Member("description").ShouldBe("the first");
    }

    [Fact]
    public async Task A_version_past_the_most_that_a_template_has_is_refused()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        // Without triggers and foreign keys, which look at each row on its own.
        await using (var quick = new NpgsqlCommand("set session_replication_role = replica", admin))
            await quick.ExecuteNonQueryAsync(Ct);
        await using var fill = new NpgsqlCommand(
            """
            with made as (
                insert into platform.release (owner, subject, digest, artifact_type, manifest, created_by, created_by_name)
                select r.owner, r.subject, 'sha256:' || encode(sha256(convert_to('{"n":' || n || '}', 'UTF8')), 'hex'),
                    r.artifact_type, convert_to('{"n":' || n || '}', 'UTF8'), r.created_by, r.created_by_name
                from platform.release r, generate_series(2, 9999) n
                where r.subject = $1
                returning owner, digest, created_by, created_by_name, manifest
            )
            insert into templates.template_version (owner, template, semver, release_digest, status, created_by, created_by_name)
            select owner, $2, '0.0.' || (convert_from(manifest, 'UTF8')::json ->> 'n'), digest, 'draft', created_by, created_by_name
            from made
            """,
            admin
        );
        fill.Parameters.Add(Sql.Text(name.Subject));
        fill.Parameters.Add(Sql.Text(name.Value));
        (await fill.ExecuteNonQueryAsync(Ct)).ShouldBe(9_998);
        (await server.Owner.PushPromptAsync(name, "1.0.1", "the last")).Status.ShouldBe(201);
        var refused = await server.Owner.PushPromptAsync(name, "1.0.2", "one too many");
        (refused.Status, refused.Problem).ShouldBe((409, "conflict"));
        refused.Member("detail").ShouldContain("10000");
        (await server.Owner.PushPromptAsync(name, "1.0.1", "the last")).Status.ShouldBe(200, "it is there already");
    }

    [Fact]
    public async Task A_template_that_is_switched_off_resolves_to_nothing()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "one");
        var read = await server.Owner.GetAsync($"/v1/templates/{name}");
        var off = await server.Owner.SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}",
            new { enabled = false, reason = "leaks" },
            read.Tag
        );
        off.Status.ShouldBe(200, off.Text);
        (await server.Owner.ResolveAsync(name)).Problem.ShouldBe("template-disabled");
        await server.Owner.SendAsync(HttpMethod.Put, $"/v1/templates/{name}", new { enabled = true }, off.Tag);
        (await server.Owner.ResolveAsync(name)).Status.ShouldBe(200);
    }
}

using Platen.Kernel.Templates;

namespace Platen.Templates.Tests;

/// <summary>A protected channel takes two people, however many keys one of them has, and whichever way around it they look for.</summary>
public sealed class FourEyesTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Another_key_of_the_same_person_does_not_approve()
    {
        var maker = Guid.CreateVersion7();
        using var one = await server.NewPersonAsync();
        using var asking = await server.NewKeyAsync(one.OwnerId, maker);
        using var twin = await server.NewKeyAsync(one.OwnerId, maker);
        using var unknown = await server.NewKeyAsync(one.OwnerId, madeBy: null);
        var (name, path) = await ProtectAsync(one);
        var request = await AskAsync(asking, name, path);
        foreach (var key in (Person[])[asking, twin, unknown])
        {
            var refused = await DecideAsync(key, request, approve: true);
            (refused.Status, refused.Problem).ShouldBe((403, "needs-second-person"), refused.Text);
        }
        (await DecideAsync(one, request, approve: true)).Status.ShouldBe(200);
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.1.0");
    }

    [Fact]
    public async Task A_key_that_was_made_by_a_key_is_the_person_who_made_the_first()
    {
        using var one = await server.NewPersonAsync();
        var me = (await one.GetAsync("/v1/whoami")).Json["id"]!.GetValue<Guid>();
        using var child = await server.NewKeyAsync(one.OwnerId, me);
        var (name, path) = await ProtectAsync(one);
        var refused = await DecideAsync(child, await AskAsync(one, name, path), approve: true);
        refused.Problem.ShouldBe("needs-second-person");
        refused.Member("detail").ShouldContain("the same person");
    }

    [Fact]
    public async Task What_a_key_of_nobody_known_asked_for_is_only_rejected()
    {
        using var one = await server.NewPersonAsync();
        using var unknown = await server.NewKeyAsync(one.OwnerId, madeBy: null);
        var (name, path) = await ProtectAsync(one);
        var request = await AskAsync(unknown, name, path);
        var refused = await DecideAsync(one, request, approve: true);
        refused.Problem.ShouldBe("needs-second-person");
        refused.Member("detail").ShouldContain("nobody knows who made it");
        (await DecideAsync(one, request, approve: false)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_pin_does_not_lead_around_a_protected_channel()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var (name, path) = await ProtectAsync(one);
        var pin = $"/v1/templates/{name}/pins/*";
        var around = await one.SendAsync(HttpMethod.Put, pin, new { version = "1.1.0" }, create: true);
        (around.Status, around.Problem).ShouldBe((403, "needs-second-person"), around.Text);
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.0.0");

        // What two have let through may be held on to.
        (await one.SendAsync(HttpMethod.Put, pin, new { version = "1.0.0" }, create: true)).Status.ShouldBe(201);
        (await DecideAsync(two, await AskAsync(one, name, path), approve: true)).Status.ShouldBe(200);
        (await one.SendAsync(HttpMethod.Put, pin, new { version = "1.1.0" }, "*")).Status.ShouldBe(200);
        (await one.SendAsync(HttpMethod.Put, pin, new { version = "1.0.0" }, "*")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_channel_that_the_server_moves_cannot_be_protected()
    {
        using var one = await server.NewPersonAsync();
        var name = ServerFixture.NewName();
        await one.PushPromptAsync(name, "1.0.0", "one");
        foreach (var channel in (string[])["latest", "stable"])
        {
            var refused = await one.SendAsync(
                HttpMethod.Put,
                $"/v1/templates/{name}/channels/{channel}/protection",
                create: true
            );
            (refused.Status, refused.Problem).ShouldBe((409, "reserved-channel"), refused.Text);
            refused.Member("detail").ShouldContain("Protect 'default'");
        }
    }

    [Fact]
    public async Task A_default_that_points_at_nothing_holds_nothing_back_and_cannot_be_protected()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var name = ServerFixture.NewName();
        await one.PushPromptAsync(name, "1.0.0", "one");
        var (path, beta) = ($"/v1/templates/{name}/channels/default", $"/v1/templates/{name}/channels/beta");
        var refused = await one.SendAsync(HttpMethod.Put, path + "/protection", create: true);
        (refused.Status, refused.Problem).ShouldBe((409, "conflict"), refused.Text);
        refused.Member("detail").ShouldContain("Point it at a version first");
        // Nobody is led past another channel.
        (await one.SendAsync(HttpMethod.Put, beta + "/protection", create: true)).Status.ShouldBe(204);
        (await one.ResolveAsync(name, "?version=beta")).Problem.ShouldBe("no-such-version");

        (await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true)).Status.ShouldBe(201);
        (await one.SendAsync(HttpMethod.Put, path + "/protection", create: true)).Status.ShouldBe(204);
        var emptied = await one.SendAsync(HttpMethod.Put, path, new { version = (string?)null }, "*");
        (emptied.Status, emptied.Problem).ShouldBe((422, "invalid"), emptied.Text);
        emptied.FaultPointers.ShouldBe(["/version"]);
        await one.PushPromptAsync(name, "1.1.0", "two");
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.0.0", "a push moves nothing that is protected");
        (await DecideAsync(two, await AskAsync(one, name, path), approve: true)).Status.ShouldBe(200);
        (await one.ResolveAsync(name)).Member("version").ShouldBe("1.1.0");
    }

    [Fact]
    public async Task An_approval_of_what_was_asked_before_another_move_is_refused()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var (name, path) = await ProtectAsync(one);
        var (first, second) = (await AskAsync(one, name, path), await AskAsync(one, name, path));
        (await DecideAsync(two, first, approve: true)).Status.ShouldBe(200);
        var stale = await DecideAsync(two, second, approve: true);
        (stale.Status, stale.Problem).ShouldBe((412, "stale-version"), stale.Text);
        (await DecideAsync(two, second, approve: false)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_pin_from_before_is_removed_before_its_channel_is_protected()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var name = ServerFixture.NewName();
        foreach (var version in (string[])["1.0.0", "1.1.0"])
            await one.PushPromptAsync(name, version, version);
        var (pins, path) = ($"/v1/templates/{name}/pins/", $"/v1/templates/{name}/channels/default");
        (await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true)).Status.ShouldBe(201);
        foreach (var (place, version) in new[] { ("production", "1.1.0"), ("staging", "1.0.0") })
            (await one.SendAsync(HttpMethod.Put, pins + place, new { version }, create: true)).Status.ShouldBe(201);
        var refused = await one.SendAsync(HttpMethod.Put, path + "/protection", create: true);
        (refused.Status, refused.Problem).ShouldBe((409, "conflict"), refused.Text);
        refused.Json["pins"]!.AsArray().Select(pin => pin!.GetValue<string>()).ShouldBe(["production"]);
        (await one.SendAsync(HttpMethod.Delete, pins + "production", null, "*")).Status.ShouldBe(204);
        (await one.SendAsync(HttpMethod.Put, path + "/protection", create: true)).Status.ShouldBe(204);
        (await one.ResolveAsync(name, "?environment=staging")).Member("version").ShouldBe("1.0.0");
        (await DecideAsync(two, await AskAsync(one, name, path), approve: true)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Of_writers_who_saw_the_same_pin_one_succeeds()
    {
        using var one = await server.NewPersonAsync();
        var name = ServerFixture.NewName();
        foreach (var version in (string[])["1.0.0", "1.1.0"])
            await one.PushPromptAsync(name, version, version);
        var pin = $"/v1/templates/{name}/pins/production";
        var created = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(_ => one.SendAsync(HttpMethod.Put, pin, new { version = "1.0.0" }, create: true))
        );
        created.Count(a => a.Status == 201).ShouldBe(1);
        created.Count(a => a.Status == 412).ShouldBe(7);
        var tag = created.Single(a => a.Status == 201).Tag;
        for (var round = 0; round < 5; round++)
        {
            var changed = await Task.WhenAll(
                Enumerable.Range(0, 8).Select(_ => one.SendAsync(HttpMethod.Put, pin, new { version = "1.1.0" }, tag))
            );
            changed.Count(a => a.Status == 412).ShouldBe(7);
            tag = changed.Single(a => a.Status == 200).Tag;
        }
    }

    [Fact]
    public async Task What_is_done_to_a_template_has_the_digests_of_before_and_after()
    {
        using var one = await server.NewPersonAsync();
        using var two = await server.NewPersonAsync(one.OwnerId);
        var (name, path) = await ProtectAsync(one);
        var place = $"/v1/templates/{name}";
        // Nothing changes, so nothing is left.
        (await one.SendAsync(HttpMethod.Put, path + "/protection", ifMatch: "\"protected\"")).Status.ShouldBe(204);
        (await DecideAsync(two, await AskAsync(one, name, path), approve: true)).Status.ShouldBe(200);
        var pin = place + "/pins/production";
        (await one.SendAsync(HttpMethod.Put, pin, new { version = "1.1.0" }, create: true)).Status.ShouldBe(201);
        (await one.SendAsync(HttpMethod.Delete, pin, null, "*")).Status.ShouldBe(204);
        var old = new { status = "deprecated", reason = "old" };
        (await one.SendAsync(HttpMethod.Patch, place + "/versions/1.0.0", old, "*")).Status.ShouldBe(200);
        (await one.SendAsync(HttpMethod.Put, place, new { enabled = false }, "*")).Status.ShouldBe(200);

        var entries = new List<(string Action, string? Before, string? After)>();
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var look = new Npgsql.NpgsqlCommand(
                "select action, before_digest, after_digest from access.audit_entry where owner = $1 order by at, id",
                admin
            );
            look.Parameters.AddWithValue(one.OwnerId.Value);
            await using var reader = await look.ExecuteReaderAsync(Ct);
            while (await reader.ReadAsync(Ct))
            {
                entries.Add(
                    (
                        reader.GetString(0),
                        reader.IsDBNull(1) ? null : reader.GetString(1),
                        reader.IsDBNull(2) ? null : reader.GetString(2)
                    )
                );
            }
        }
        entries.ShouldAllBe(entry => entry.Before != null || entry.After != null);
        Of("template.channel-protected").ShouldHaveSingleItem().Before.ShouldBeNull();
        Of("template.version-changed").ShouldAllBe(entry => entry.Before != null && entry.Before != entry.After);
        foreach (var action in (string[])["changed", "channel-moved", "move-requested", "pinned"])
        {
            var both = Of("template." + action);
            both.Count.ShouldBe(2, action);
            both[0].Before.ShouldBeNull(action);
            both[1].Before.ShouldBe(both[0].After, action);
            both[1].After.ShouldNotBe(both[1].Before, action);
        }

        List<(string Action, string? Before, string? After)> Of(string action) =>
            entries.FindAll(entry => entry.Action == action);
    }

    private static async Task<(TemplateName Name, string Path)> ProtectAsync(Person one)
    {
        var name = ServerFixture.NewName();
        foreach (var version in (string[])["1.0.0", "1.1.0"])
            (await one.PushPromptAsync(name, version, version)).Status.ShouldBe(201);
        var path = $"/v1/templates/{name}/channels/default";
        (await one.SendAsync(HttpMethod.Put, path, new { version = "1.0.0" }, create: true)).Status.ShouldBe(201);
        (await one.SendAsync(HttpMethod.Put, path + "/protection", create: true)).Status.ShouldBe(204);
        return (name, path);
    }

    private static async Task<string> AskAsync(Person who, TemplateName name, string path)
    {
        var asked = await who.SendAsync(HttpMethod.Put, path, new { version = "1.1.0" }, "*");
        asked.Status.ShouldBe(202, asked.Text);
        return $"/v1/templates/{name}/move-requests/{asked.Member("id")}";
    }

    private static Task<Answer> DecideAsync(Person who, string request, bool approve) =>
        who.SendAsync(HttpMethod.Put, request + "/decision", new { approve }, "\"open\"");
}

using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Owners;
using Platen.Server.Tests.People;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>A workspace that was deleted: what it showed to the public ends at once, comes back with it, and goes for good after the grace.</summary>
public sealed partial class ClosedWorkspaceTests(ServerFixture server)
{
    private static readonly string[] KeptAfterPurge =
    [
        "access.audit_entry",
        "platform.closed_owner",
        "platform.event",
        "platform.job",
        "platform.stream",
        "widgets.user_instance_id",
    ];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_deleted_workspace_published_is_gone_like_what_never_was_and_back_when_it_is_restored()
    {
        using var tenant = await Tenant.MakeAsync(server);
        var id = await tenant.PublishFormAsync();
        var manifest = await server.Nobody.SendAsync(HttpMethod.Get, $"/w/{id}/manifest.json");
        manifest.Status.ShouldBe(200);
        var artifact = manifest.Json["locales"]![manifest.Json["baseLocale"]!.GetValue<string>()]![
            "artifact"
        ]!.GetValue<string>();
        string[] paths = ["/e/" + id, $"/w/{id}/manifest.json", artifact];
        foreach (var path in paths)
            (await server.Nobody.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200, path);
        (await PostAsync(id)).ShouldBe(HttpStatusCode.Created);

        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        await server.IsServedAsync(id, isServed: false);
        foreach (var path in paths)
            (await ShownAsync(path, id)).ShouldBe(
                await ShownAsync(path.Replace(id, Unknown, StringComparison.Ordinal), Unknown),
                path
            );
        (await PostAsync(id)).ShouldBe(HttpStatusCode.NotFound);

        (await server.Owner.SendAsync(HttpMethod.Post, tenant.Path + "/restore", ifMatch: "*")).Status.ShouldBe(200);
        await server.IsServedAsync(id, isServed: true);
        foreach (var path in paths)
            (await server.Nobody.SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200, path);
        (await PostAsync(id)).ShouldBe(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Tokens_and_streams_of_a_deleted_workspace_end_with_it()
    {
        using var tenant = await Tenant.MakeAsync(server);
        var token = (
            await tenant.Client.SendAsync(HttpMethod.Post, "/v1/realtime-tokens", new { stream = "widget/x" })
        ).Json["token"]!.GetValue<string>();
        var registry = await RegistryTokenAsync(tenant);
        (await StatusAsync("/v2/", registry)).ShouldBe(HttpStatusCode.OK);
        using var stream = await server.Nobody.GetAsync(
            "/v1/events/widget/x?access_token=" + token,
            HttpCompletionOption.ResponseHeadersRead,
            Ct
        );
        stream.StatusCode.ShouldBe(HttpStatusCode.OK);

        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        await Streams.EndsAsync(stream);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the node has heard of it",
            TimeSpan.FromSeconds(30),
            async _ => await StatusAsync("/v2/", registry) == HttpStatusCode.Unauthorized,
            Ct
        );
        using var again = await server.Nobody.GetAsync("/v1/events/widget/x?access_token=" + token, Ct);
        again.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task After_the_grace_every_row_of_a_workspace_goes_but_for_the_record_of_it()
    {
        using var tenant = await Tenant.MakeAsync(server);
        var id = await tenant.PublishFormAsync();
        (await PostAsync(id)).ShouldBe(HttpStatusCode.Created);
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var before = await OwnersRows.DigestAsync(admin, tenant.Owner, Ct);
        before.Keys.ShouldContain("platform.release");
        before.Keys.ShouldContain("widgets.widget_instances");
        before.Keys.ShouldContain("submissions.submission");
        using var bystander = await Tenant.MakeAsync(server);
        var other = await bystander.PublishFormAsync();
        var untouched = await OwnersRows.DigestAsync(admin, bystander.Owner, Ct);

        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        await using var due = new NpgsqlCommand(
            "update platform.job set run_at = now() where owner = $1 and kind = 'access.purge-workspace'",
            admin
        );
        due.Parameters.AddWithValue(tenant.Owner.Value);
        (await due.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the workspace is purged",
            TimeSpan.FromSeconds(60),
            async _ => (await server.Owner.SendAsync(HttpMethod.Get, tenant.Path)).Status == 404,
            Ct
        );
        (await OwnersRows.DigestAsync(admin, tenant.Owner, Ct)).Keys.Except(KeptAfterPurge).ShouldBeEmpty();
        (await server.Owner.SendAsync(HttpMethod.Post, tenant.Path + "/restore", ifMatch: "*")).Status.ShouldBe(404);
        (await OwnersRows.DigestAsync(admin, bystander.Owner, Ct)).ShouldBe(untouched);
        (await server.Nobody.SendAsync(HttpMethod.Get, "/e/" + other)).Status.ShouldBe(200);
        // The address that somebody's pages may still embed is nobody else's.
        var taken = await bystander.Client.SendAsync(
            HttpMethod.Put,
            "/v1/instances/" + id,
            new JsonObject { ["widgetType"] = "engagement.newsletter", ["config"] = Newsletter("News") },
            create: true
        );
        (taken.Status, taken.Problem).ShouldBe((409, "id-taken"));
    }

    [Fact]
    public async Task A_preview_link_of_a_deleted_workspace_shows_nothing_until_it_is_restored()
    {
        using var tenant = await Tenant.MakeAsync(server);
        var id = await tenant.PublishFormAsync();
        var link = await tenant.Client.SendAsync(
            HttpMethod.Post,
            $"/v1/instances/{id}/preview-links",
            new { minutes = 60 }
        );
        link.Status.ShouldBe(200, link.Text);
        var url = link.Json["url"]!.GetValue<string>();
        (await server.Nobody.SendAsync(HttpMethod.Get, url)).Status.ShouldBe(200);

        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        (await server.Nobody.SendAsync(HttpMethod.Get, url)).Status.ShouldBe(404);
        (await server.Owner.SendAsync(HttpMethod.Post, tenant.Path + "/restore", ifMatch: "*")).Status.ShouldBe(200);
        (await server.Nobody.SendAsync(HttpMethod.Get, url)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_purge_that_has_begun_is_not_undone()
    {
        using var tenant = await Tenant.MakeAsync(server);
        (await server.Owner.SendAsync(HttpMethod.Delete, tenant.Path, ifMatch: "*")).Status.ShouldBe(200);
        await using (var session = await server.Postgres.OpenAsync(TestOwner.New() with { Id = tenant.Owner }, Ct))
        {
            await ClosedOwners.BeginPurgeAsync(session, Ct);
            await session.CommitAsync(Ct);
        }
        var refused = await server.Owner.SendAsync(HttpMethod.Post, tenant.Path + "/restore", ifMatch: "*");
        (refused.Status, refused.Problem).ShouldBe((409, "conflict"));
    }

    [Fact]
    public async Task No_row_is_purged_of_an_owner_whose_purge_was_not_begun()
    {
        await using var session = await server.Postgres.Pools.OpenWorkerAsync("test", Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            ClosedOwners.PurgeAsync(session, TestOwner.New().Id, 1, Guid.Empty, Ct)
        );
        refused.SqlState.ShouldBe("PLT13");
    }

    // A row in every table that has an owner, some at a time, as if each transaction were the last before the power went.
    [Fact]
    public async Task Every_table_with_an_owner_is_purged_or_says_why_not()
    {
        var (owner, other) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using var database = await server.Postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync(server.Postgres.Modules, Ct);
        await using var admin = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await admin.OpenAsync(Ct);
        var tables = await TenancyAttack.FillAsync(admin, owner, Ct);
        await TenancyAttack.FillAsync(admin, other, Ct);
        await RunAsync(admin, $"update platform.closed_owner set purging_since = now() where owner = '{owner}'");

        var transactions = 0;
        for (var removed = 1; removed > 0; transactions++)
        {
            await using var session = await runtime.Pools.OpenWorkerAsync("test", Ct);
            removed = await ClosedOwners.PurgeAsync(session, new OwnerId(owner), 2, Guid.Empty, Ct);
            await session.CommitAsync(Ct);
        }
        transactions.ShouldBeGreaterThan(tables.Count / 3);
        foreach (var table in tables)
        {
            var comment = await TextAsync(admin, $"select obj_description({table[1]}::oid, 'pg_class')");
            var isKept =
                comment.StartsWith("kept after purge: ", StringComparison.Ordinal)
                || comment.StartsWith("no owner: ", StringComparison.Ordinal);
            var rows = await TextAsync(admin, $"select count(*)::text from {table[0]} where owner = '{owner}'");
            rows.ShouldBe(isKept ? "1" : "0", table[0]);
            (await TextAsync(admin, $"select count(*)::text from {table[0]} where owner = '{other}'")).ShouldBe(
                "1",
                table[0]
            );
        }
    }

    internal static JsonObject Newsletter(string heading) =>
        new()
        {
            ["heading"] = heading,
            ["emailLabel"] = "E-mail",
            ["consent"] = new JsonObject { ["text"] = "Send me news." },
            ["submitLabel"] = "Subscribe",
            ["sent"] = new JsonObject { ["heading"] = "Thanks" },
            ["failed"] = new JsonObject { ["heading"] = "Sorry" },
        };

    [GeneratedRegex("\"traceId\":\"[0-9a-f]+\"", RegexOptions.NonBacktracking)]
    private static partial Regex TraceId();

    private const string Unknown = "wgt_engagement.newsletter_u_nothing-is-here";

    private async Task<string> ShownAsync(string path, string id)
    {
        using var response = await server.Nobody.GetAsync(path, Ct);
        var body = (await response.Content.ReadAsStringAsync(Ct)).Replace(id, "ID", StringComparison.Ordinal);
        var headers = response
            .Headers.Concat(response.Content.Headers)
            .Where(h => h.Key is not ("Date" or "Content-Length" or "traceparent" or "RateLimit" or "RateLimit-Policy"))
            .Select(h => $"{h.Key}: {string.Join(',', h.Value)}");
        body = TraceId().Replace(body, "\"traceId\":\"\"");
        return $"{(int)response.StatusCode}\n{string.Join('\n', headers)}\n{body}";
    }

    private async Task<HttpStatusCode> PostAsync(string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/s/" + id);
        request.Content = new StringContent(
            new JsonObject { ["email"] = $"{Guid.CreateVersion7():N}@example.org", ["consent"] = true }.ToJsonString(),
            Encoding.UTF8,
            "application/json"
        );
        using var response = await server.Nobody.SendAsync(request, Ct);
        return response.StatusCode;
    }

    private static async Task<string> RegistryTokenAsync(Tenant tenant)
    {
        using var response = await tenant.Client.GetAsync("/v2/token?scope=repository:mine:pull,push", Ct);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(Ct))!["token"]!.GetValue<string>();
    }

    private async Task<HttpStatusCode> StatusAsync(string path, string bearer)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await server.Nobody.SendAsync(request, Ct);
        return response.StatusCode;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    private static async Task<string> TextAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Ct) as string ?? "";
    }

    private sealed record Tenant(OwnerId Owner, string Path, HttpClient Client) : IDisposable
    {
        public static async Task<Tenant> MakeAsync(ServerFixture server)
        {
            var made = await server.Owner.SendAsync(
                HttpMethod.Post,
                "/v1/workspaces",
                new { name = "w" + Guid.CreateVersion7().ToString("N") }
            );
            var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
            var key = await server.CreateKeyAsync(
                owner,
                [.. Access.Scopes.Known.Where(scope => !Access.Scopes.IsForPlatform(scope))]
            );
            var client = new HttpClient { BaseAddress = server.Address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
            return new Tenant(owner, "/v1/workspaces/" + made.Json["slug"], client);
        }

        public async Task<string> PublishFormAsync()
        {
            var created = await Client.SendAsync(
                HttpMethod.Post,
                Path + "/instances",
                new JsonObject { ["widgetType"] = "engagement.newsletter", ["config"] = Newsletter("News") }
            );
            created.Status.ShouldBe(201, created.Text);
            var id = created.Json["publicId"]!.GetValue<string>();
            var published = await Client.SendAsync(
                HttpMethod.Put,
                $"/v1/instances/{id}/publication",
                new { },
                created.Tag
            );
            published.Status.ShouldBe(200, published.Text);
            return id;
        }

        public void Dispose() => Client.Dispose();
    }
}

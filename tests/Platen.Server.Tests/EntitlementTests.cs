using System.Net.Http.Headers;
using System.Security.Cryptography;
using Platen.Kernel;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>What a plan limits is counted where it comes about, and refused with which limit, how much is used and how much is allowed.</summary>
public sealed class EntitlementTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stored_bytes_are_counted_once_whichever_part_stores_them()
    {
        using var tenant = await MakeAsync();
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(0);
        var bytes = RandomNumberGenerator.GetBytes(5_000);
        (await tenant.PushAsync("mine", bytes)).Status.ShouldBe(201);
        (await tenant.PushAsync("mine/too", bytes)).Status.ShouldBe(201);
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(5_000);

        var created = await tenant.Client.SendAsync(
            HttpMethod.Post,
            tenant.Path + "/instances",
            UserInstanceTests.Faq("counted")
        );
        var published = await tenant.Client.SendAsync(
            HttpMethod.Put,
            $"/v1/instances/{created.Json["publicId"]}/publication",
            new { },
            created.Tag
        );
        published.Status.ShouldBe(200, published.Text);
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(await tenant.RecordedAsync());
    }

    [Fact]
    public async Task What_is_one_byte_too_much_is_refused_and_nothing_of_it_is_kept()
    {
        using var tenant = await MakeAsync();
        await tenant.AllowAsync("storage-bytes", 10_000);
        (await tenant.PushAsync("mine", RandomNumberGenerator.GetBytes(6_000))).Status.ShouldBe(201);
        var refused = await tenant.PushAsync("mine", RandomNumberGenerator.GetBytes(4_001));
        refused.Status.ShouldBe(409, refused.Text);
        var detail = refused.Json["errors"]![0]!["detail"]!;
        detail["type"]!.GetValue<string>().ShouldBe("/problems/limit-reached");
        (
            detail["limit"]!.GetValue<string>(),
            detail["used"]!.GetValue<long>(),
            detail["allowed"]!.GetValue<long>()
        ).ShouldBe(("storage-bytes", 6_000, 10_000));
        (await tenant.PushAsync("mine", RandomNumberGenerator.GetBytes(4_000))).Status.ShouldBe(201);
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(10_000);

        // A publish over the limit is refused whole, as a problem of the API.
        var created = await tenant.Client.SendAsync(
            HttpMethod.Post,
            tenant.Path + "/instances",
            UserInstanceTests.Faq("too much")
        );
        var path = $"/v1/instances/{created.Json["publicId"]}";
        var published = await tenant.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, created.Tag);
        (published.Status, published.Problem).ShouldBe((409, "limit-reached"), published.Text);
        (await server.Nobody.SendAsync(HttpMethod.Get, "/e/" + created.Json["publicId"])).Status.ShouldBe(404);
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(10_000);

        // Going back under a limit that was lowered is always possible.
        await tenant.AllowAsync("storage-bytes", 100);
        (await tenant.PushAsync("other", RandomNumberGenerator.GetBytes(1))).Status.ShouldBe(409);
        await tenant.AllowAsync("storage-bytes", 1_000_000);
        (await tenant.Client.SendAsync(HttpMethod.Put, path + "/publication", new { }, created.Tag)).Status.ShouldBe(
            200
        );
    }

    [Fact]
    public async Task Many_pushes_at_once_do_not_go_over_the_limit()
    {
        using var tenant = await MakeAsync();
        await tenant.AllowAsync("storage-bytes", 10_000);
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(i => tenant.PushAsync($"r{i}", RandomNumberGenerator.GetBytes(1_000)))
        );
        answers.Count(a => a.Status == 201).ShouldBe(10);
        answers.Count(a => a.Status == 409).ShouldBe(10);
        (await tenant.UsedAsync("storage-bytes")).ShouldBe(10_000);
        (await tenant.RecordedAsync()).ShouldBe(10_000);
    }

    [Fact]
    public async Task Templates_are_counted_as_they_are_made_and_not_as_they_are_changed()
    {
        using var tenant = await MakeAsync();
        await tenant.AllowAsync("templates", 5);
        var names = Enumerable.Range(0, 12).Select(i => $"t{i}{Guid.CreateVersion7():N}").ToList();
        var answers = await Task.WhenAll(
            names.Select(name =>
                tenant.Client.SendAsync(
                    HttpMethod.Put,
                    "/v1/templates/" + name,
                    new { description = "x" },
                    create: true
                )
            )
        );
        answers.Count(a => a.Status == 201).ShouldBe(5, answers[0].Text);
        var refused = answers.First(a => a.Status != 201);
        (refused.Status, refused.Problem).ShouldBe((409, "limit-reached"));
        (refused.Json["limit"]!.GetValue<string>(), refused.Json["used"]!.GetValue<long>()).ShouldBe(("templates", 5));
        var kept = names[answers.ToList().FindIndex(a => a.Status == 201)];
        (
            await tenant.Client.SendAsync(HttpMethod.Put, "/v1/templates/" + kept, new { description = "y" }, "*")
        ).Status.ShouldBe(200);
        (await tenant.UsedAsync("templates")).ShouldBe(5);
    }

    private async Task<Tenant> MakeAsync()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
        var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            await server.CreateKeyAsync(owner, [.. Access.Scopes.Known.Where(s => !Access.Scopes.IsForPlatform(s))])
        );
        return new Tenant(server, owner, "/v1/workspaces/" + made.Json["slug"], client);
    }

    private sealed record Tenant(ServerFixture Server, OwnerId Owner, string Path, HttpClient Client) : IDisposable
    {
        public async Task<Answer> PushAsync(string repository, byte[] bytes)
        {
            using var content = new ByteArrayContent(bytes);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            using var response = await Client.PostAsync(
                $"/v2/{repository}/blobs/uploads/?digest={Digest.Of(bytes)}",
                content,
                Ct
            );
            return new Answer(
                (int)response.StatusCode,
                null,
                response.Content.Headers.ContentType?.MediaType,
                await response.Content.ReadAsStringAsync(Ct)
            );
        }

        public async Task AllowAsync(string name, long allowed) =>
            (
                await Server.Owner.SendAsync(HttpMethod.Put, $"{Path}/entitlements/{name}", new { allowed }, "*")
            ).Status.ShouldBe(200);

        public async Task<long> UsedAsync(string name) =>
            (await Server.Owner.SendAsync(HttpMethod.Get, Path)).Json["entitlements"]!
                .AsArray()
                .Single(e => e!["name"]!.GetValue<string>() == name)!["used"]!.GetValue<long>();

        public async Task<long> RecordedAsync()
        {
            await using var session = await Server.Postgres.OpenAsync(TestOwner.New() with { Id = Owner }, Ct);
            return await session.FirstAsync(
                "select coalesce(sum(size_bytes), 0)::bigint from platform.blob where owner = platform.current_owner()",
                row => row.GetInt64(0),
                Ct
            );
        }

        public void Dispose() => Client.Dispose();
    }
}

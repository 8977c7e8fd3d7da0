using System.Net.Http.Headers;
using System.Security.Cryptography;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Registry.Tests;

/// <summary>An owner's limit holds for bytes on their way, not only for those that were recorded.</summary>
public sealed class StorageTests(RegistryFixture registry)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_there_is_no_room_for_is_refused_before_it_is_read_and_not_stored()
    {
        var client = await OwnerAsync(10_000);
        await client.PushBlobAsync("mine", RandomNumberGenerator.GetBytes(6_000));
        var bytes = RandomNumberGenerator.GetBytes(4_001);
        var at = await client.BeginAsync("mine");
        foreach (var path in (string[])["/v2/mine/blobs/uploads/?digest=", $"{at}?digest="])
        {
            using var content = new WatchedContent(bytes);
            var refused = await SendAsync(
                client,
                path.Contains("/?", StringComparison.Ordinal) ? "POST" : "PUT",
                path + Digest.Of(bytes),
                content,
                awaitsContinue: true
            );
            Refused(refused, 6_000);
            content.WasRead.ShouldBeFalse();
        }
        using var chunk = new WatchedContent(bytes);
        Refused(await SendAsync(client, "PATCH", at, chunk, awaitsContinue: true), 6_000);
        chunk.WasRead.ShouldBeFalse();
        (await StoredAsync(client)).ShouldBe(6_000);

        // What it has already takes no room, and what fits is taken.
        await client.PushBlobAsync("other", bytes[..4_000]);
        await client.PushBlobAsync("third", bytes[..4_000]);
        (await StoredAsync(client)).ShouldBe(10_000);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    public async Task A_body_of_unknown_length_is_cut_off_where_the_room_ends_and_nothing_of_it_stays(string method)
    {
        const int Allowed = 20_000_000;
        var client = await OwnerAsync(Allowed);
        var bytes = RandomNumberGenerator.GetBytes(Allowed + 1);
        var at = await client.BeginAsync("mine");
        var path = method == "POST" ? "/v2/mine/blobs/uploads/" : at;
        using var content = new WatchedContent(bytes, isLengthKnown: false);
        Refused(await SendAsync(client, method, $"{path}?digest={Digest.Of(bytes)}", content), used: null);
        (await StoredAsync(client)).ShouldBe(0);
        if (method == "PATCH")
            (await client.GetAsync(at)).Status.ShouldBe(404);

        using var fits = new WatchedContent(bytes[..Allowed], isLengthKnown: false);
        var digest = Digest.Of(bytes.AsSpan(0, Allowed));
        (await SendAsync(client, "POST", $"/v2/mine/blobs/uploads/?digest={digest}", fits)).Status.ShouldBe(201);
        (await StoredAsync(client)).ShouldBe(Allowed);
    }

    [Fact]
    public async Task Open_uploads_count_until_they_end()
    {
        var client = await OwnerAsync(10_000);
        var at = await client.BeginAsync("mine");
        (await client.SendAsync("PATCH", at, RandomNumberGenerator.GetBytes(6_000))).Status.ShouldBe(202);
        var bytes = RandomNumberGenerator.GetBytes(5_000);
        Refused(await client.SendAsync("POST", $"/v2/mine/blobs/uploads/?digest={Digest.Of(bytes)}", bytes), 6_000);
        (await client.SendAsync("DELETE", at)).Status.ShouldBe(204);
        await client.PushBlobAsync("mine", bytes);

        // One that was found wrong is over too.
        var wrong = await client.BeginAsync("mine");
        (await client.SendAsync("PATCH", wrong, new byte[5_000])).Status.ShouldBe(202);
        (await client.SendAsync("PUT", $"{wrong}?digest={Digest.Of("else"u8)}")).Refusal.ShouldBe(
            (400, "DIGEST_INVALID")
        );
        (
            await client.SendAsync(
                "PUT",
                $"{await client.BeginAsync("mine")}?digest={Digest.Of("else"u8)}",
                new byte[5_000]
            )
        ).Refusal.ShouldBe((400, "DIGEST_INVALID"));
        await client.PushBlobAsync("mine", RandomNumberGenerator.GetBytes(5_000));
        (await StoredAsync(client)).ShouldBe(10_000);
    }

    [Fact]
    public async Task Bytes_whose_recording_is_refused_are_removed()
    {
        var client = await OwnerAsync(10_000);
        var bytes = RandomNumberGenerator.GetBytes(6_000);
        var at = await client.BeginAsync("mine");
        (await client.SendAsync("PATCH", at, bytes)).Status.ShouldBe(202);
        // Something else took the room meanwhile.
        await AllowAsync(client, 5_000);
        Refused(await client.SendAsync("PUT", $"{at}?digest={Digest.Of(bytes)}"), used: null);
        (await StoredAsync(client)).ShouldBe(0);
        (await client.GetAsync(at)).Status.ShouldBe(404);
        await client.PushBlobAsync("mine", bytes[..5_000]);
    }

    [Fact]
    public async Task Files_of_templates_count_before_a_version_refers_to_them()
    {
        var client = await OwnerAsync(10_000, Scopes.TemplatesPush, Scopes.TemplatesRead);
        (await PutFileAsync(6_000)).Status.ShouldBe(201);
        var refused = await PutFileAsync(4_001);
        (refused.Status, refused.Json["type"]!.GetValue<string>()).ShouldBe((409, "/problems/limit-reached"));
        (await StoredAsync(client)).ShouldBe(6_000);
        (await PutFileAsync(4_000)).Status.ShouldBe(201);

        async Task<Answer> PutFileAsync(int sizeBytes)
        {
            var bytes = RandomNumberGenerator.GetBytes(sizeBytes);
            return await client.SendAsync("PUT", $"/v1/templates/full/blobs/{Digest.Of(bytes)}", bytes);
        }
    }

    private async Task<RegistryClient> OwnerAsync(long allowed, params string[] scopes)
    {
        var client = await registry.NewOwnerAsync(scopes);
        await AllowAsync(client, allowed);
        return client;
    }

    private async Task AllowAsync(RegistryClient client, long allowed)
    {
        await using var session = await registry.Postgres.Pools.OpenAsync(
            OperationContext.ForSystem(client.Owner, "test"),
            Ct
        );
        await session.ExecuteAsync(
            """
            with made as (
                insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
                values ($1, 'w' || replace($1::text, '-', ''), 'a workspace', 'pool', $1, 'test', 'sha256:' || repeat('0', 64))
                on conflict (owner) do nothing
            )
            insert into access.entitlement (owner, name, allowed) values ($1, 'storage-bytes', $2)
            on conflict (owner, name) do update set allowed = excluded.allowed
            """,
            Ct,
            Sql.Owner(client.Owner),
            Sql.Long(allowed)
        );
        await session.CommitAsync(Ct);
    }

    /// <summary>All that the store holds of an owner.</summary>
    private async Task<long> StoredAsync(RegistryClient client)
    {
        var stored = 0L;
        await foreach (var blob in registry.Blobs.ListAsync(client.Owner, Ct))
            stored += blob.SizeBytes;
        return stored;
    }

    private static void Refused(Answer answer, long? used)
    {
        answer.Status.ShouldBe(409, answer.Text);
        var detail = answer.Json["errors"]![0]!["detail"]!;
        detail["type"]!.GetValue<string>().ShouldBe("/problems/limit-reached");
        if (used is not null)
            detail["used"]!.GetValue<long>().ShouldBe(used.Value);
    }

    private static async Task<Answer> SendAsync(
        RegistryClient client,
        string method,
        string path,
        HttpContent content,
        bool awaitsContinue = false
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(client.Address, path));
        request.Content = content;
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", client.Key);
        request.Headers.ExpectContinue = awaitsContinue;
        return await RegistryClient.SendAsync(request);
    }

    /// <summary>Tells whether anybody wanted it.</summary>
    private sealed class WatchedContent(byte[] bytes, bool isLengthKnown = true) : HttpContent
    {
        public bool WasRead { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            WasRead = true;
            await stream.WriteAsync(bytes, Ct);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return isLengthKnown;
        }
    }
}

using System.Security.Cryptography;
using Platen.Kernel;

namespace Platen.Registry.Tests;

/// <summary>The specification's "Pulling blobs" and "Pushing blobs".</summary>
public sealed class BlobTests(RegistryFixture registry)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_blob_pushed_in_two_requests_is_pulled_as_it_was()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(300_000);
        var begun = await client.SendAsync("POST", "/v2/app/api/blobs/uploads/");
        begun.Status.ShouldBe(202);
        begun["Location"]!.ShouldStartWith("/v2/app/api/blobs/uploads/");
        begun["Range"].ShouldBe("0-0");
        var digest = Digest.Of(bytes);
        var put = await client.SendAsync("PUT", $"{begun["Location"]}?digest={digest}", bytes);
        put.Status.ShouldBe(201);
        put["Location"].ShouldBe($"/v2/app/api/blobs/{digest}");
        put["Docker-Content-Digest"].ShouldBe(digest.ToString());

        var got = await client.GetAsync(put["Location"]!);
        got.Status.ShouldBe(200);
        got.Bytes.ShouldBe(bytes);
        got["Docker-Content-Digest"].ShouldBe(digest.ToString());
        var head = await client.SendAsync("HEAD", put["Location"]!);
        (head.Status, head["Content-Length"], head.Bytes.Length).ShouldBe((200, "300000", 0));
        head["Docker-Content-Digest"].ShouldBe(digest.ToString());
        head["Accept-Ranges"].ShouldBe("bytes");
        got["Docker-Distribution-API-Version"].ShouldBe("registry/2.0");
    }

    [Fact]
    public async Task A_blob_can_be_pushed_in_one_request()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(1_000);
        var digest = Digest.Of(bytes);
        var posted = await client.SendAsync("POST", $"/v2/one/blobs/uploads/?digest={digest}", bytes);
        (posted.Status, posted["Location"]).ShouldBe((201, $"/v2/one/blobs/{digest}"));
        (await client.GetAsync($"/v2/one/blobs/{digest}")).Bytes.ShouldBe(bytes);
        var wrong = await client.SendAsync("POST", $"/v2/one/blobs/uploads/?digest={Digest.Of("x"u8)}", bytes);
        wrong.Refusal.ShouldBe((400, "DIGEST_INVALID"));
    }

    [Fact]
    public async Task A_blob_pushed_in_chunks_is_the_sum_of_them()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(10_000);
        var at = await client.BeginAsync("chunks");
        var first = await client.SendAsync("PATCH", at, bytes[..4_000], ("Content-Range", "0-3999"));
        (first.Status, first["Range"]).ShouldBe((202, "0-3999"));
        var status = await client.GetAsync(first["Location"]!);
        (status.Status, status["Range"], status["Location"]).ShouldBe((204, "0-3999", first["Location"]));
        var second = await client.SendAsync("PATCH", first["Location"]!, bytes[4_000..9_000]);
        (second.Status, second["Range"]).ShouldBe((202, "0-8999"));
        var digest = Digest.Of(bytes);
        var last = await client.SendAsync(
            "PUT",
            $"{second["Location"]}?digest={digest}",
            bytes[9_000..],
            ("Content-Range", "9000-9999")
        );
        last.Status.ShouldBe(201, last.Text);
        (await client.GetAsync($"/v2/chunks/blobs/{digest}")).Bytes.ShouldBe(bytes);
        (await client.GetAsync(first["Location"]!)).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
    }

    [Theory]
    [InlineData("500-1499")]
    [InlineData("0-999")]
    [InlineData("2000-2999")]
    [InlineData("1000-999")]
    [InlineData("-1-5")]
    [InlineData("garbage")]
    [InlineData("99999999999999999999-99999999999999999999")]
    public async Task A_chunk_that_does_not_begin_where_the_upload_stands_is_416_and_says_where_that_is(string range)
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("order");
        (await client.SendAsync("PATCH", at, new byte[1_000], ("Content-Range", "0-999"))).Status.ShouldBe(202);
        var refused = await client.SendAsync("PATCH", at, new byte[1_000], ("Content-Range", range));
        refused.Refusal.ShouldBe((416, "BLOB_UPLOAD_INVALID"));
        (refused["Range"], refused["Location"]).ShouldBe(("0-999", at));
        (await client.GetAsync(at))["Range"].ShouldBe("0-999");
    }

    [Fact]
    public async Task A_chunk_of_another_length_than_announced_is_refused()
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("length");
        var refused = await client.SendAsync("PATCH", at, new byte[1_000], ("Content-Range", "0-1999"));
        refused.Refusal.ShouldBe((400, "SIZE_INVALID"));
        (await client.GetAsync(at))["Range"].ShouldBe("0-0");
    }

    [Fact]
    public async Task Content_that_is_not_what_its_digest_says_is_refused_and_the_upload_is_over()
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("wrong");
        await client.SendAsync("PATCH", at, "hello"u8.ToArray());
        var wrong = Digest.Of("other"u8);
        (await client.SendAsync("PUT", $"{at}?digest={wrong}")).Refusal.ShouldBe((400, "DIGEST_INVALID"));
        (await client.GetAsync(at)).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await client.SendAsync("HEAD", $"/v2/wrong/blobs/{wrong}")).Status.ShouldBe(404);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?digest=")]
    [InlineData("?digest=sha256:abc")]
    [InlineData("?digest=md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("?digest=sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    public async Task Closing_an_upload_takes_a_digest(string query)
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("close");
        (await client.SendAsync("PUT", at + query, "x"u8.ToArray())).Refusal.ShouldBe((400, "DIGEST_INVALID"));
    }

    [Fact]
    public async Task An_empty_blob_is_a_blob()
    {
        var client = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("empty", []);
        var got = await client.GetAsync($"/v2/empty/blobs/{digest}");
        (got.Status, got["Content-Length"]).ShouldBe((200, "0"));
        (await client.GetAsync($"/v2/empty/blobs/{digest}", ("Range", "bytes=0-"))).Status.ShouldBe(416);
    }

    [Fact]
    public async Task A_cancelled_upload_is_gone()
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("cancel");
        await client.SendAsync("PATCH", at, new byte[100]);
        (await client.SendAsync("DELETE", at)).Status.ShouldBe(204);
        (await client.SendAsync("PATCH", at, new byte[100])).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await client.SendAsync("DELETE", at)).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
    }

    [Fact]
    public async Task An_upload_belongs_to_the_repository_and_the_owner_that_began_it()
    {
        var client = await registry.NewOwnerAsync();
        var stranger = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("mine");
        var id = at.Split('/')[^1];
        (await client.GetAsync($"/v2/other/blobs/uploads/{id}")).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await stranger.GetAsync(at)).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await stranger.SendAsync("PATCH", at, new byte[5])).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await client.GetAsync("/v2/mine/blobs/uploads/not-an-id")).Refusal.ShouldBe((404, "BLOB_UPLOAD_UNKNOWN"));
        (await client.GetAsync(at)).Status.ShouldBe(204);
    }

    [Theory]
    [InlineData("bytes=0-9", 0, 10)]
    [InlineData("bytes=990-", 990, 10)]
    [InlineData("bytes=-5", 995, 5)]
    [InlineData("bytes=-5000", 0, 1000)]
    [InlineData("bytes=500-99999999", 500, 500)]
    [InlineData("bytes=999-999", 999, 1)]
    public async Task A_range_is_that_part(string range, int from, int length)
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(1_000);
        var digest = await client.PushBlobAsync("ranges", bytes);
        var part = await client.GetAsync($"/v2/ranges/blobs/{digest}", ("Range", range));
        part.Status.ShouldBe(206);
        part.Bytes.ShouldBe(bytes[from..(from + length)]);
        part["Content-Range"].ShouldBe($"bytes {from}-{from + length - 1}/1000");
    }

    [Theory]
    [InlineData("bytes=1000-")]
    [InlineData("bytes=5000-6000")]
    [InlineData("bytes=-0")]
    [InlineData("bytes=9223372036854775807-")]
    public async Task A_range_beyond_the_blob_is_416_with_its_size(string range)
    {
        var client = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("beyond", new byte[1_000]);
        var refused = await client.GetAsync($"/v2/beyond/blobs/{digest}", ("Range", range));
        (refused.Status, refused["Content-Range"]).ShouldBe((416, "bytes */1000"));
    }

    [Theory]
    [InlineData("bytes=a-b")]
    [InlineData("bytes=")]
    [InlineData("bytes=5-2")]
    [InlineData("bytes=0-1,3-4")]
    [InlineData("bytes=--1")]
    [InlineData("lines=0-1")]
    [InlineData("bytes=99999999999999999999-")]
    public async Task A_range_that_is_none_is_answered_with_the_whole(string range)
    {
        var client = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("whole", new byte[1_000]);
        var whole = await client.GetAsync($"/v2/whole/blobs/{digest}", ("Range", range));
        (whole.Status, whole.Bytes.Length).ShouldBe((200, 1_000));
    }

    [Fact]
    public async Task A_blob_is_not_sent_to_who_has_it_and_a_range_only_of_the_one_meant()
    {
        var client = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("fresh", new byte[1_000]);
        var path = $"/v2/fresh/blobs/{digest}";
        (await client.GetAsync(path, ("If-None-Match", $"\"{digest}\""))).Status.ShouldBe(304);
        (await client.GetAsync(path, ("Range", "bytes=0-1"), ("If-Range", "\"other\""))).Status.ShouldBe(200);
        (await client.GetAsync(path, ("Range", "bytes=0-1"), ("If-Range", $"\"{digest}\""))).Status.ShouldBe(206);
    }

    [Fact]
    public async Task A_blob_is_readable_where_it_was_pushed_and_nowhere_else_until_it_is_mounted()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("other", "v1", "something else");
        var digest = await client.PushBlobAsync("here", RandomNumberGenerator.GetBytes(500));
        (await client.GetAsync($"/v2/other/blobs/{digest}")).Refusal.ShouldBe((404, "BLOB_UNKNOWN"));
        var mounted = await client.SendAsync("POST", $"/v2/other/blobs/uploads/?mount={digest}&from=here");
        (mounted.Status, mounted["Location"]).ShouldBe((201, $"/v2/other/blobs/{digest}"));
        (await client.GetAsync($"/v2/other/blobs/{digest}")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_mount_without_from_looks_in_every_repository_of_the_owner_and_in_no_other_owners()
    {
        var client = await registry.NewOwnerAsync();
        var stranger = await registry.NewOwnerAsync();
        var digest = await client.PushBlobAsync("somewhere", RandomNumberGenerator.GetBytes(500));
        (await client.SendAsync("POST", $"/v2/x/blobs/uploads/?mount={digest}")).Status.ShouldBe(201);
        var foreign = await stranger.SendAsync("POST", $"/v2/x/blobs/uploads/?mount={digest}");
        (foreign.Status, foreign["Docker-Content-Digest"]).ShouldBe((202, null));
        var named = await stranger.SendAsync(
            "POST",
            $"/v2/x/blobs/uploads/?mount={digest}&from=w/{client.Owner}/somewhere"
        );
        (named.Status, named["Docker-Content-Digest"]).ShouldBe((202, null));
    }

    [Fact]
    public async Task A_mount_of_what_is_not_there_becomes_an_upload_that_works()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(500);
        var digest = Digest.Of(bytes);
        var begun = await client.SendAsync("POST", $"/v2/x/blobs/uploads/?mount={digest}&from=nowhere");
        begun.Status.ShouldBe(202);
        (await client.SendAsync("PUT", $"{begun["Location"]}?digest={digest}", bytes)).Status.ShouldBe(201);
        (await client.SendAsync("POST", "/v2/x/blobs/uploads/?mount=nonsense&from=x")).Refusal.ShouldBe(
            (400, "DIGEST_INVALID")
        );
    }

    [Fact]
    public async Task A_blob_beyond_the_limit_is_refused_in_every_way_of_pushing_it()
    {
        var client = await registry.NewOwnerAsync();
        var large = new byte[(64 * 1024 * 1024) + 1];
        var digest = Digest.Of(large);
        (await client.SendAsync("POST", $"/v2/big/blobs/uploads/?digest={digest}", large)).Status.ShouldBe(413);
        var at = await client.BeginAsync("big");
        (await client.SendAsync("PATCH", at, large)).Refusal.ShouldBe((413, "SIZE_INVALID"));
        (await client.SendAsync("PATCH", at, large[..^2])).Status.ShouldBe(202);
        (await client.SendAsync("PATCH", at, large[..5], ("Content-Range", "67108863-67108867"))).Status.ShouldBe(413);
        (
            await client.SendAsync("PUT", $"{at}?digest={Digest.Of(large.AsSpan(0, large.Length - 1))}", [0])
        ).Status.ShouldBe(201);
    }

    [Fact]
    public async Task Only_so_many_uploads_are_open_at_once()
    {
        var client = await registry.NewOwnerAsync();
        string? last = null;
        for (var i = 0; i < 100; i++)
            last = await client.BeginAsync("many");
        (await client.SendAsync("POST", "/v2/many/blobs/uploads/")).Refusal.ShouldBe((429, "TOOMANYREQUESTS"));
        await client.SendAsync("DELETE", last!);
        await client.BeginAsync("many");
    }

    [Fact]
    public async Task Many_pushes_of_one_blob_at_once_all_end_well()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(2_000_000);
        var digests = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(i => client.PushBlobAsync($"race/r{i % 3}", bytes))
        );
        digests.ShouldAllBe(d => d == Digest.Of(bytes));
        (await client.GetAsync($"/v2/race/r1/blobs/{digests[0]}")).Bytes.ShouldBe(bytes);
    }

    [Fact]
    public async Task Two_requests_writing_one_upload_do_not_mix()
    {
        var client = await registry.NewOwnerAsync();
        var at = await client.BeginAsync("mix");
        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(_ => client.SendAsync("PATCH", at, new byte[1_000_000], ("Content-Range", "0-999999")))
        );
        answers.Count(a => a.Status == 202).ShouldBe(1);
        answers.ShouldAllBe(a => a.Status == 202 || a.Status == 409 || a.Status == 416);
        (await client.GetAsync(at))["Range"].ShouldBe("0-999999");
    }

    [Fact]
    public async Task Bytes_that_rotted_are_not_handed_out_and_a_new_push_heals_them()
    {
        var client = await registry.NewOwnerAsync();
        var bytes = RandomNumberGenerator.GetBytes(5_000);
        var digest = await client.PushBlobAsync("rot", bytes);
        var file = Path.Combine(
            registry.Postgres.Folder,
            "blobs",
            client.Owner.ToString(),
            "blobs",
            "sha256",
            digest.Hex[..2],
            digest.Hex
        );
        var rotten = await File.ReadAllBytesAsync(file, Ct);
        rotten[4_000] ^= 1;
        await File.WriteAllBytesAsync(file, rotten, Ct);
        (await client.GetAsync($"/v2/rot/blobs/{digest}")).Refusal.ShouldBe((404, "BLOB_UNKNOWN"));
        (await client.SendAsync("HEAD", $"/v2/rot/blobs/{digest}")).Status.ShouldBe(404);
        await client.PushBlobAsync("rot", bytes);
        (await client.GetAsync($"/v2/rot/blobs/{digest}")).Bytes.ShouldBe(bytes);
    }

    [Fact]
    public async Task A_deleted_blob_is_gone_from_its_repository_unless_a_manifest_needs_it()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("del", "v1", "needed");
        var needed = Digest.Of("needed"u8);
        (await client.SendAsync("DELETE", $"/v2/del/blobs/{needed}")).Refusal.ShouldBe((405, "UNSUPPORTED"));
        var loose = await client.PushBlobAsync("del", "loose"u8.ToArray());
        (await client.SendAsync("DELETE", $"/v2/del/blobs/{loose}")).Status.ShouldBe(202);
        (await client.GetAsync($"/v2/del/blobs/{loose}")).Refusal.ShouldBe((404, "BLOB_UNKNOWN"));
        (await client.SendAsync("DELETE", $"/v2/del/blobs/{loose}")).Refusal.ShouldBe((404, "BLOB_UNKNOWN"));
    }
}

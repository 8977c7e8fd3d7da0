using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Registry.Tests;

/// <summary>The specification's "Content discovery": tags, referrers; and the list of repositories.</summary>
public sealed class DiscoveryTests(RegistryFixture registry)
{
    [Fact]
    public async Task Tags_are_listed_in_byte_order_and_page_by_page()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("tags", "b", "x");
        foreach (var tag in (string[])["a", "B", "_z", "10", "9"])
            (await client.PutManifestAsync("tags", tag, manifest)).Status.ShouldBe(201);
        string[] sorted = ["10", "9", "B", "_z", "a", "b"];
        var all = await client.GetAsync("/v2/tags/tags/list");
        (all["Content-Type"], all["Link"]).ShouldBe(("application/json", null));
        all.Json["name"]!.GetValue<string>().ShouldBe("tags");
        Texts(all.Json["tags"]).ShouldBe(sorted);

        var seen = new List<string>();
        var path = "/v2/tags/tags/list?n=4";
        while (path is not null)
        {
            var page = await client.GetAsync(path);
            seen.AddRange(Texts(page.Json["tags"]));
            path = page["Link"] is { } link ? link[1..link.IndexOf('>', StringComparison.Ordinal)] : null;
        }
        seen.ShouldBe(sorted);
        Texts((await client.GetAsync("/v2/tags/tags/list?last=9")).Json["tags"]).ShouldBe(sorted[2..]);
        var none = await client.GetAsync("/v2/tags/tags/list?n=0");
        (none["Link"], Texts(none.Json["tags"]).Length).ShouldBe((null, 0));
        (await client.GetAsync("/v2/tags/tags/list?n=-1")).Status.ShouldBe(400);
        (await client.GetAsync("/v2/tags/tags/list?n=x")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Referrers_of_a_manifest_are_an_index_that_can_be_filtered()
    {
        var client = await registry.NewOwnerAsync();
        var image = await client.PushImageAsync("ref", "v1", "x");
        var digest = Digest.Of(image);
        var signature = Manifests.About(image, "application/vnd.example.signature", "signed");
        var bill = Manifests.About(image, "application/vnd.example.sbom", "listed");
        foreach (var artifact in (byte[][])[signature, bill])
        {
            var put = await client.PutManifestAsync("ref", Digest.Of(artifact).ToString(), artifact);
            (put.Status, put["OCI-Subject"]).ShouldBe((201, digest.ToString()));
        }
        var all = await client.GetAsync($"/v2/ref/referrers/{digest}");
        (all.Status, all["Content-Type"], all["OCI-Filters-Applied"]).ShouldBe((200, RegistryClient.Index, null));
        all.Json["schemaVersion"]!.GetValue<int>().ShouldBe(2);
        all.Json["mediaType"]!.GetValue<string>().ShouldBe(RegistryClient.Index);
        all.Json["manifests"]!.AsArray().Count.ShouldBe(2);

        var some = await client.GetAsync($"/v2/ref/referrers/{digest}?artifactType=application%2Fvnd.example.sbom");
        some["OCI-Filters-Applied"].ShouldBe("artifactType");
        var only = some.Json["manifests"]!.AsArray().Single()!;
        only["digest"]!.GetValue<string>().ShouldBe(Digest.Of(bill).ToString());
        only["size"]!.GetValue<int>().ShouldBe(bill.Length);
        only["mediaType"]!.GetValue<string>().ShouldBe(RegistryClient.Image);
        only["artifactType"]!.GetValue<string>().ShouldBe("application/vnd.example.sbom");
        only["annotations"]!["note"]!.GetValue<string>().ShouldBe("listed");

        await client.SendAsync("DELETE", $"/v2/ref/manifests/{Digest.Of(bill)}");
        (await client.GetAsync($"/v2/ref/referrers/{digest}")).Json["manifests"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_referrer_may_be_pushed_before_what_it_is_about_and_without_an_artifact_type()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("early", "{}"u8.ToArray());
        var later = Manifests.Image("{}"u8.ToArray());
        var about = JsonNode.Parse(Manifests.Image("{}"u8.ToArray(), "{}"u8.ToArray()))!.AsObject();
        about["subject"] = Manifests.Descriptor(later, RegistryClient.Image);
        var bytes = Manifests.Bytes(about);
        (await client.PutManifestAsync("early", Digest.Of(bytes).ToString(), bytes)).Status.ShouldBe(201);
        var listed = await client.GetAsync($"/v2/early/referrers/{Digest.Of(later)}");
        listed.Json["manifests"]!.AsArray().Single()!["artifactType"]!
            .GetValue<string>()
            .ShouldBe("application/vnd.oci.image.config.v1+json");
    }

    [Fact]
    public async Task Nobody_refers_to_what_nobody_refers_to_and_that_is_never_404()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("quiet", "v1", "x");
        var stranger = await registry.NewOwnerAsync();
        var none = Digest.Of("none"u8);
        string[] paths =
        [
            $"/v2/quiet/referrers/{none}",
            $"/v2/missing/referrers/{none}",
            $"/v2/w/{stranger.Owner}/x/referrers/{none}",
        ];
        foreach (var path in paths)
        {
            var listed = await client.GetAsync(path);
            listed.Status.ShouldBe(200);
            listed.Json["manifests"]!.AsArray().ShouldBeEmpty();
        }
        (await client.GetAsync("/v2/quiet/referrers/sha256:x")).Refusal.ShouldBe((400, "DIGEST_INVALID"));
    }

    [Fact]
    public async Task Many_referrers_come_on_pages_and_each_is_there_once()
    {
        var client = await registry.NewOwnerAsync();
        var image = await client.PushImageAsync("crowd", "v1", "x");
        var expected = new List<string>();
        for (var i = 0; i < 230; i++)
        {
            var one = Manifests.About(image, "application/vnd.example.note", $"note {i}");
            expected.Add(Digest.Of(one).ToString());
            (await client.PutManifestAsync("crowd", expected[^1], one)).Status.ShouldBe(201);
        }
        var seen = new List<string>();
        var path = $"/v2/crowd/referrers/{Digest.Of(image)}?artifactType=application/vnd.example.note";
        var pages = 0;
        while (path is not null)
        {
            var page = await client.GetAsync(path);
            page["OCI-Filters-Applied"].ShouldBe("artifactType");
            seen.AddRange(page.Json["manifests"]!.AsArray().Select(m => m!["digest"]!.GetValue<string>()));
            path = page["Link"] is { } link ? link[1..link.IndexOf('>', StringComparison.Ordinal)] : null;
            pages++;
        }
        pages.ShouldBe(3);
        seen.ShouldBe(expected.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_page_of_large_referrers_is_short_and_the_next_ones_have_the_rest()
    {
        var client = await registry.NewOwnerAsync();
        var image = await client.PushImageAsync("heavy", "v1", "x");
        var note = new string('n', 2_000_000);
        var expected = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            var one = Manifests.About(image, "application/vnd.example.note", $"{i}{note}");
            expected.Add(Digest.Of(one).ToString());
            (await client.PutManifestAsync("heavy", expected[^1], one)).Status.ShouldBe(201);
        }
        var pages = new List<string[]>();
        var path = $"/v2/heavy/referrers/{Digest.Of(image)}";
        while (path is not null)
        {
            var page = await client.GetAsync(path);
            page.Status.ShouldBe(200, page.Text);
            pages.Add([.. page.Json["manifests"]!.AsArray().Select(m => m!["digest"]!.GetValue<string>())]);
            path = page["Link"] is { } link ? link[1..link.IndexOf('>', StringComparison.Ordinal)] : null;
        }
        // Of 4 MiB none is begun: three at a time.
        pages.Select(p => p.Length).ShouldBe([3, 3]);
        pages.SelectMany(p => p).ShouldBe(expected.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_catalog_lists_the_owners_repositories_and_nobody_elses()
    {
        var client = await registry.NewOwnerAsync();
        var stranger = await registry.NewOwnerAsync();
        await stranger.PushImageAsync("theirs", "v1", "x");
        foreach (var name in (string[])["b/two", "a", "c", "b"])
            await client.PushImageAsync(name, "v1", "x");
        await client.PushBlobAsync("only-bytes", "x"u8.ToArray());
        var all = await client.GetAsync("/v2/_catalog");
        Texts(all.Json["repositories"]).ShouldBe(["a", "b", "b/two", "c"]);
        var page = await client.GetAsync("/v2/_catalog?n=2");
        Texts(page.Json["repositories"]).ShouldBe(["a", "b"]);
        page["Link"].ShouldBe("</v2/_catalog?n=2&last=b>; rel=\"next\"");
        Texts((await client.GetAsync("/v2/_catalog?n=2&last=b")).Json["repositories"]).ShouldBe(["b/two", "c"]);
    }

    private static string[] Texts(JsonNode? list) => [.. list!.AsArray().Select(t => t!.GetValue<string>())];
}

using System.Text;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Registry.Tests;

/// <summary>The specification's "Pulling manifests", "Pushing manifests" and "Deleting".</summary>
public sealed class ManifestTests(RegistryFixture registry)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_manifest_comes_back_by_tag_and_by_digest_byte_for_byte()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("exact", "{}"u8.ToArray());
        // Not canonical, and with a member nobody knows: it is not ours to tidy.
        var manifest = Encoding.UTF8.GetBytes(
            $$"""
            {  "schemaVersion": 2, "mediaType": "{{RegistryClient.Image}}", "surprise": 1e2,
               "config": {{Manifests.Descriptor("{}"u8.ToArray())}}, "layers": [ ] }
            """
        );
        var digest = Digest.Of(manifest);
        var put = await client.PutManifestAsync("exact", "v1", manifest);
        put.Status.ShouldBe(201, put.Text);
        (put["Location"], put["Docker-Content-Digest"]).ShouldBe(($"/v2/exact/manifests/{digest}", digest.ToString()));
        foreach (var reference in (string[])["v1", digest.ToString()])
        {
            var got = await client.GetAsync($"/v2/exact/manifests/{reference}");
            got.Status.ShouldBe(200);
            got.Bytes.ShouldBe(manifest);
            (got["Content-Type"], got["Docker-Content-Digest"]).ShouldBe((RegistryClient.Image, digest.ToString()));
            var head = await client.SendAsync("HEAD", $"/v2/exact/manifests/{reference}");
            (head.Status, head["Content-Length"], head["Content-Type"], head["Docker-Content-Digest"]).ShouldBe(
                (200, $"{manifest.Length}", RegistryClient.Image, digest.ToString())
            );
        }
    }

    [Fact]
    public async Task What_is_not_there_is_404_with_its_own_code()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("known", "v1", "x");
        var none = Digest.Of("none"u8);
        (await client.GetAsync("/v2/known/manifests/v2")).Refusal.ShouldBe((404, "MANIFEST_UNKNOWN"));
        (await client.GetAsync($"/v2/known/manifests/{none}")).Refusal.ShouldBe((404, "MANIFEST_UNKNOWN"));
        (await client.GetAsync($"/v2/known/blobs/{none}")).Refusal.ShouldBe((404, "BLOB_UNKNOWN"));
        (await client.GetAsync("/v2/unknown/manifests/v1")).Refusal.ShouldBe((404, "NAME_UNKNOWN"));
        (await client.GetAsync("/v2/unknown/tags/list")).Refusal.ShouldBe((404, "NAME_UNKNOWN"));
        (await client.SendAsync("HEAD", "/v2/known/manifests/v2")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_manifest_pushed_by_digest_must_have_it()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("digest", "v1", "x");
        (await client.PutManifestAsync("digest", Digest.Of(manifest).ToString(), manifest)).Status.ShouldBe(201);
        (await client.PutManifestAsync("digest", Digest.Of("y"u8).ToString(), manifest)).Refusal.ShouldBe(
            (400, "DIGEST_INVALID")
        );
        (await client.PutManifestAsync("digest", "sha256:short", manifest)).Refusal.ShouldBe((400, "DIGEST_INVALID"));
    }

    [Fact]
    public async Task What_a_manifest_refers_to_must_be_in_the_repository()
    {
        var client = await registry.NewOwnerAsync();
        var config = "{}"u8.ToArray();
        await client.PushBlobAsync("refs", config);
        // The owner has it, but in another repository.
        await client.PushBlobAsync("elsewhere", "layer"u8.ToArray());
        var manifest = Manifests.Image(config, "layer"u8.ToArray());
        var refused = await client.PutManifestAsync("refs", "v1", manifest);
        refused.Refusal.ShouldBe((404, "MANIFEST_BLOB_UNKNOWN"));
        refused.Json["errors"]![0]!["detail"]!["digests"]![0]!
            .GetValue<string>()
            .ShouldBe(Digest.Of("layer"u8).ToString());
        (await client.GetAsync("/v2/refs/manifests/v1")).Refusal.ShouldBe((404, "MANIFEST_UNKNOWN"));
        var index = Manifests.Index(manifest);
        (await client.PutManifestAsync("refs", "all", index, RegistryClient.Index)).Refusal.ShouldBe(
            (404, "MANIFEST_BLOB_UNKNOWN")
        );
    }

    [Fact]
    public async Task An_index_of_manifests_that_are_there_is_taken_and_keeps_them()
    {
        var client = await registry.NewOwnerAsync();
        var one = await client.PushImageAsync("multi", "amd64", "one");
        var two = await client.PushImageAsync("multi", "arm64", "two");
        var index = Manifests.Index(one, two);
        (await client.PutManifestAsync("multi", "all", index, RegistryClient.Index)).Status.ShouldBe(201);
        var got = await client.GetAsync("/v2/multi/manifests/all");
        (got["Content-Type"], got.Text).ShouldBe((RegistryClient.Index, Encoding.UTF8.GetString(index)));
        var child = Digest.Of(one);
        (await client.SendAsync("DELETE", $"/v2/multi/manifests/{child}")).Refusal.ShouldBe((405, "UNSUPPORTED"));
        (await client.SendAsync("DELETE", $"/v2/multi/manifests/{Digest.Of(index)}")).Status.ShouldBe(202);
        (await client.SendAsync("DELETE", $"/v2/multi/manifests/{child}")).Status.ShouldBe(202);
        (await client.GetAsync("/v2/multi/manifests/amd64")).Status.ShouldBe(404);
        (await client.GetAsync("/v2/multi/manifests/arm64")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("/plain")]
    [InlineData("text/")]
    public async Task A_layer_needs_a_media_type(string mediaType)
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("types", "{}"u8.ToArray());
        var manifest = Edit(
            Manifests.Image("{}"u8.ToArray()),
            m => m["layers"] = new JsonArray(Manifests.Descriptor("{}"u8.ToArray(), mediaType))
        );
        var refused = await client.PutManifestAsync("types", "v1", manifest);
        refused.Refusal.ShouldBe((400, "MANIFEST_INVALID"), refused.Text);
        refused.Text.ShouldContain("/layers/0/mediaType");
    }

    [Fact]
    public async Task A_template_whose_annotations_are_no_texts_is_refused_and_is_no_fault_of_the_server()
    {
        var client = await registry.ClientAsync(
            OwnerId.Platform,
            Platen.Access.Scopes.RegistryPull,
            Platen.Access.Scopes.RegistryPush,
            Platen.Access.Scopes.TemplatesPush
        );
        var name = $"templates/t{Guid.CreateVersion7():N}";
        await client.PushBlobAsync(name, "{}"u8.ToArray());
        var image = Encoding.UTF8.GetString(Manifests.Image("{}"u8.ToArray()));
        foreach (var annotations in (string[])["null", """{"a":"\ud800"}"""])
        {
            var manifest = Encoding.UTF8.GetBytes(image.Insert(1, $"\"annotations\":{annotations},"));
            var refused = await client.PutManifestAsync(name, "v1", manifest);
            refused.Status.ShouldBeInRange(400, 422, refused.Text);
        }
    }

    [Fact]
    public async Task A_layer_that_may_not_be_distributed_need_not_be_there()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("foreign", "{}"u8.ToArray());
        var layer = Manifests.Descriptor(
            "far away"u8.ToArray(),
            "application/vnd.oci.image.layer.nondistributable.v1.tar"
        );
        layer["urls"] = new JsonArray("https://example.com/layer");
        var manifest = Edit(Manifests.Image("{}"u8.ToArray()), m => m["layers"] = new JsonArray(layer));
        (await client.PutManifestAsync("foreign", "v1", manifest)).Status.ShouldBe(201);
    }

    /// <summary>Every shape that the specification's own suite pushes, and image-spec allows.</summary>
    [Theory]
    [InlineData("no layers")]
    [InlineData("a layer of no bytes")]
    [InlineData("a layer with its data in the descriptor")]
    [InlineData("the same layer twice")]
    [InlineData("members that nobody knows, everywhere")]
    [InlineData("an index of nothing")]
    [InlineData("an index of an index")]
    [InlineData("an index about something")]
    [InlineData("an index of artifacts with platforms and annotations")]
    public async Task A_manifest_of_every_shape_comes_back_by_tag_and_by_digest_and_as_a_referrer(string shape)
    {
        var client = await registry.NewOwnerAsync();
        const string Name = "shapes/all";
        byte[] config = [.. "{}"u8];
        byte[] layer = [.. "layer"u8];
        foreach (var blob in (byte[][])[config, layer, []])
            await client.PushBlobAsync(Name, blob);
        var image = await client.PushImageAsync(Name, "image", "content");
        var (manifest, mediaType) = shape switch
        {
            "no layers" => (Manifests.Image(config), RegistryClient.Image),
            "a layer of no bytes" => (Manifests.Image(config, []), RegistryClient.Image),
            "a layer with its data in the descriptor" => (
                Edit(Manifests.Image(config, layer), m => m["layers"]![0]!["data"] = Convert.ToBase64String(layer)),
                RegistryClient.Image
            ),
            "the same layer twice" => (Manifests.Image(config, layer, layer), RegistryClient.Image),
            "members that nobody knows, everywhere" => (
                Edit(
                    Manifests.Image(config, layer),
                    m =>
                    {
                        m["org.example.extra"] = new JsonObject { ["deep"] = new JsonArray(1, "two", null) };
                        m["config"]!["org.example.extra"] = true;
                        m["layers"]![0]!["org.example.extra"] = 1;
                    }
                ),
                RegistryClient.Image
            ),
            "an index of nothing" => (Manifests.Index(), RegistryClient.Index),
            "an index of an index" => (
                await IndexOfIndexAsync(client, Name, Manifests.Index(image)),
                RegistryClient.Index
            ),
            "an index about something" => (
                Edit(
                    Manifests.Index(image),
                    m =>
                    {
                        m["subject"] = Manifests.Descriptor(image, RegistryClient.Image);
                        m["artifactType"] = "application/vnd.example.list";
                    }
                ),
                RegistryClient.Index
            ),
            _ => (
                Edit(
                    Manifests.Index(image),
                    m =>
                    {
                        m["manifests"]![0]!["platform"] = new JsonObject
                        {
                            ["os"] = "linux",
                            ["architecture"] = "s390x",
                        };
                        m["manifests"]![0]!["artifactType"] = "application/vnd.example";
                        m["annotations"] = new JsonObject { ["org.example.note"] = "kept" };
                    }
                ),
                RegistryClient.Index
            ),
        };
        var digest = Digest.Of(manifest);
        foreach (var reference in (string[])["v1", digest.ToString(), "v1"])
        {
            var put = await client.PutManifestAsync(Name, reference, manifest, mediaType);
            put.Status.ShouldBe(201, put.Text);
            put["Docker-Content-Digest"].ShouldBe(digest.ToString());
            var got = await client.GetAsync($"/v2/{Name}/manifests/{reference}");
            got.Bytes.ShouldBe(manifest);
            got["Content-Type"].ShouldBe(mediaType);
        }
        if (shape == "an index about something")
        {
            var listed = await client.GetAsync($"/v2/{Name}/referrers/{Digest.Of(image)}");
            var one = listed.Json["manifests"]!.AsArray().Single()!;
            (one["digest"]!.GetValue<string>(), one["artifactType"]!.GetValue<string>()).ShouldBe(
                (digest.ToString(), "application/vnd.example.list")
            );
        }
        (await client.SendAsync("DELETE", $"/v2/{Name}/manifests/v1")).Status.ShouldBe(202);
        (await client.GetAsync($"/v2/{Name}/manifests/{digest}")).Bytes.ShouldBe(manifest);
        (await client.SendAsync("DELETE", $"/v2/{Name}/manifests/{digest}")).Status.ShouldBe(202);
        (await client.GetAsync($"/v2/{Name}/manifests/{digest}")).Status.ShouldBe(404);
    }

    private static async Task<byte[]> IndexOfIndexAsync(RegistryClient client, string name, byte[] inner)
    {
        (await client.PutManifestAsync(name, Digest.Of(inner).ToString(), inner, RegistryClient.Index)).Status.ShouldBe(
            201
        );
        return Edit(Manifests.Index(inner), m => m["manifests"]![0]!["mediaType"] = RegistryClient.Index);
    }

    [Fact]
    public async Task Docker_manifests_are_taken_as_they_are()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("docker", "{}"u8.ToArray());
        const string type = "application/vnd.docker.distribution.manifest.v2+json";
        var manifest = Edit(Manifests.Image("{}"u8.ToArray()), m => m["mediaType"] = type);
        (await client.PutManifestAsync("docker", "v1", manifest, type)).Status.ShouldBe(201);
        (await client.GetAsync("/v2/docker/manifests/v1"))["Content-Type"].ShouldBe(type);
    }

    public static TheoryData<string, string> Broken =>
        new()
        {
            { "not JSON", "{" },
            { "empty", "" },
            { "a list", "[]" },
            { "nothing in it", "{}" },
            { "another schema version", """{"schemaVersion":1,"config":CONFIG,"layers":[]}""" },
            { "no config", """{"schemaVersion":2,"layers":[]}""" },
            { "no layers", """{"schemaVersion":2,"config":CONFIG}""" },
            { "a layer that is a text", """{"schemaVersion":2,"config":CONFIG,"layers":["x"]}""" },
            {
                "a digest of no algorithm we have",
                """{"schemaVersion":2,"config":CONFIG,"layers":[{"mediaType":"a/b","digest":"md5:1","size":1}]}"""
            },
            {
                "a negative size",
                """{"schemaVersion":2,"config":CONFIG,"layers":[{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":-1}]}"""
            },
            {
                "a size that is no integer",
                """{"schemaVersion":2,"config":CONFIG,"layers":[{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":1e99}]}"""
            },
            {
                "a wrong size",
                """{"schemaVersion":2,"config":CONFIG,"layers":[{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":3}]}"""
            },
            { "both kinds at once", """{"schemaVersion":2,"config":CONFIG,"layers":[],"manifests":[]}""" },
            { "a member twice", """{"schemaVersion":2,"config":CONFIG,"layers":[],"layers":[]}""" },
            {
                "another type than sent",
                """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"""
            },
            {
                "annotations that are numbers",
                """{"schemaVersion":2,"config":CONFIG,"layers":[],"annotations":{"a":1}}"""
            },
            {
                "half a surrogate pair as type",
                """{"schemaVersion":2,"config":CONFIG,"layers":[],"artifactType":"\ud800"}"""
            },
            { "NUL in its type", """{"schemaVersion":2,"config":CONFIG,"layers":[],"artifactType":"a\u0000b"}""" },
            { "a subject that is none", """{"schemaVersion":2,"config":CONFIG,"layers":[],"subject":7}""" },
        };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task A_manifest_with_a_fault_is_refused_and_not_stored(string fault, string text)
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("broken", "{}"u8.ToArray());
        var manifest = Encoding.UTF8.GetBytes(
            text.Replace("CONFIG", Manifests.Descriptor("{}"u8.ToArray()).ToJsonString(), StringComparison.Ordinal)
        );
        var refused = await client.PutManifestAsync("broken", "v1", manifest);
        refused.Status.ShouldBe(400, fault);
        refused.Refusal.Item2.ShouldBeOneOf("MANIFEST_INVALID", "SIZE_INVALID");
        (await client.GetAsync($"/v2/broken/manifests/{Digest.Of(manifest)}")).Status.ShouldBe(404, fault);
    }

    [Fact]
    public async Task A_manifest_ten_thousand_levels_deep_is_refused()
    {
        var client = await registry.NewOwnerAsync();
        var deep = Encoding.UTF8.GetBytes(
            """{"schemaVersion":2,"layers":[],"x":""" + new string('[', 10_000) + new string(']', 10_000) + "}"
        );
        (await client.PutManifestAsync("deep", "v1", deep)).Refusal.ShouldBe((400, "MANIFEST_INVALID"));
    }

    [Fact]
    public async Task A_manifest_of_4_MiB_is_taken_and_a_larger_one_refused()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushBlobAsync("size", "{}"u8.ToArray());
        var bare = Edit(Manifests.Image("{}"u8.ToArray()), m => m["annotations"] = new JsonObject { ["a"] = "" });
        var fill = (4 * 1024 * 1024) - bare.Length;
        byte[] Filled(int bytes) => Edit(bare, m => m["annotations"]!["a"] = new string('x', bytes));
        (await client.PutManifestAsync("size", "full", Filled(fill))).Status.ShouldBe(201);
        (await client.PutManifestAsync("size", "over", Filled(fill + 1))).Refusal.ShouldBe((413, "SIZE_INVALID"));
        (await client.GetAsync("/v2/size/manifests/full")).Bytes.Length.ShouldBe(4 * 1024 * 1024);
    }

    [Fact]
    public async Task A_client_gets_only_what_it_accepts()
    {
        var client = await registry.NewOwnerAsync();
        await client.PushImageAsync("accept", "v1", "x");
        async Task<int> Ask(string accept) =>
            (await client.GetAsync("/v2/accept/manifests/v1", ("Accept", accept))).Status;
        (await Ask(RegistryClient.Image)).ShouldBe(200);
        (await Ask("*/*")).ShouldBe(200);
        (await Ask("application/*")).ShouldBe(200);
        (await Ask($"text/html, {RegistryClient.Image};q=0.5")).ShouldBe(200);
        (await Ask("application/vnd.docker.distribution.manifest.v2+json")).ShouldBe(404);
        (await Ask($"{RegistryClient.Image};q=0")).ShouldBe(404);
        (await Ask(RegistryClient.Index)).ShouldBe(404);
    }

    [Fact]
    public async Task A_pushed_tag_is_a_recorded_move_of_a_channel()
    {
        var client = await registry.NewOwnerAsync();
        var first = await client.PushImageAsync("moves", "stable", "one");
        var second = await client.PushImageAsync("moves", "stable", "two");
        await client.PushImageAsync("moves", "stable", "two");
        await using var session = await registry.Postgres.Pools.OpenAsync(
            OperationContext.ForSystem(client.Owner, "test"),
            Ct
        );
        var moves = await ChannelStore.MovesAsync(session, new ChannelKey("moves", "stable"), null, 10, Ct);
        moves
            .Select(m => (m.Revision, m.To, m.Actor.Name))
            .ShouldBe([(2, Digest.Of(second), "a pusher"), (1, Digest.Of(first), "a pusher")]);
    }

    [Fact]
    public async Task What_changed_something_is_in_the_audit_log_and_a_repetition_is_not()
    {
        var client = await registry.NewOwnerAsync();
        var first = await client.PushImageAsync("audited", "v1", "one");
        await client.PutManifestAsync("audited", "v1", first);
        var second = await client.PushImageAsync("audited", "v1", "two");
        await client.SendAsync("DELETE", $"/v2/audited/manifests/{Digest.Of(second)}");
        await using var session = await OpenAsync(client);
        var entries = await EntriesAsync(session);
        var (one, two) = (Digest.Of(first).ToString(), Digest.Of(second).ToString());
        entries.ShouldBe([
            ("manifest.pushed", "repository/audited:v1", null, one),
            ("manifest.pushed", "repository/audited:v1", one, two),
            ("tag.ended", "repository/audited:v1", two, null),
            ("manifest.withdrawn", "repository/audited@" + two, two, null),
        ]);
    }

    [Fact]
    public async Task Of_racing_pushes_of_one_manifest_the_first_is_new_and_so_is_one_after_it_was_deleted()
    {
        var client = await registry.NewOwnerAsync();
        for (var round = 0; round < 5; round++)
        {
            var content = Encoding.UTF8.GetBytes($"content {round}");
            await client.PushBlobAsync("newness", "{}"u8.ToArray());
            await client.PushBlobAsync("newness", content);
            var manifest = Manifests.Image("{}"u8.ToArray(), content);
            var reference = Digest.Of(manifest).ToString();
            await PushAtOnceAsync();
            (await client.SendAsync("DELETE", $"/v2/newness/manifests/{reference}")).Status.ShouldBe(202);
            await PushAtOnceAsync();

            async Task PushAtOnceAsync()
            {
                var answers = await Task.WhenAll(
                    Enumerable.Range(0, 8).Select(_ => client.PutManifestAsync("newness", reference, manifest))
                );
                answers.ShouldAllBe(a => a.Status == 201);
            }
        }
        await using var session = await OpenAsync(client);
        var entries = await EntriesAsync(session);
        entries.Count(e => e.Action == "manifest.pushed").ShouldBe(10);
        entries.Count(e => e.Action == "manifest.withdrawn").ShouldBe(5);
    }

    [Fact]
    public async Task Of_racing_pushes_to_a_tag_each_is_a_move_and_the_last_one_stands()
    {
        var client = await registry.NewOwnerAsync();
        var manifests = new List<byte[]>();
        for (var i = 0; i < 8; i++)
            manifests.Add(await client.PushImageAsync("tagrace", $"v{i}", $"content {i}"));
        var answers = await Task.WhenAll(
            manifests.SelectMany(m => new[] { m, m }).Select(m => client.PutManifestAsync("tagrace", "latest", m))
        );
        answers.ShouldAllBe(a => a.Status == 201);
        await using var session = await registry.Postgres.Pools.OpenAsync(
            OperationContext.ForSystem(client.Owner, "test"),
            Ct
        );
        var key = new ChannelKey("tagrace", "latest");
        var moves = await ChannelStore.MovesAsync(session, key, null, 100, Ct);
        moves.Select(m => m.Revision).ShouldBe(Enumerable.Range(1, moves.Count).Select(r => (long)r).Reverse());
        moves.Count.ShouldBeGreaterThanOrEqualTo(8);
        moves.Zip(moves.Skip(1)).ShouldAllBe(pair => pair.First.From == pair.Second.To);
        (await client.GetAsync("/v2/tagrace/manifests/latest"))["Docker-Content-Digest"]
            .ShouldBe(moves[0].To.ToString());
    }

    [Fact]
    public async Task A_push_can_say_where_it_expects_the_tag_and_of_many_exactly_one_wins()
    {
        var client = await registry.NewOwnerAsync();
        var first = await client.PushImageAsync("cas", "v", "one");
        var others = new List<byte[]>();
        for (var i = 0; i < 6; i++)
            others.Add(await client.PushImageAsync("cas", $"o{i}", $"other {i}"));
        var answers = await Task.WhenAll(
            others.Select(m =>
                client.PutManifestAsync("cas", "v", m, RegistryClient.Image, ("If-Match", $"\"{Digest.Of(first)}\""))
            )
        );
        answers.Count(a => a.Status == 201).ShouldBe(1);
        answers.Count(a => a.Status == 412).ShouldBe(5);
        var create = await client.PutManifestAsync("cas", "v", first, RegistryClient.Image, ("If-None-Match", "*"));
        create.Refusal.ShouldBe((412, "DENIED"));
        create.Json["errors"]![0]!["detail"]!["currentVersion"].ShouldNotBeNull();
    }

    [Fact]
    public async Task A_deleted_tag_is_a_move_to_nothing_and_can_be_pushed_again()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("gone", "v1", "x");
        (await client.SendAsync("DELETE", "/v2/gone/manifests/v1")).Status.ShouldBe(202);
        (await client.GetAsync("/v2/gone/manifests/v1")).Refusal.ShouldBe((404, "MANIFEST_UNKNOWN"));
        (await client.GetAsync($"/v2/gone/manifests/{Digest.Of(manifest)}")).Status.ShouldBe(200);
        (await client.GetAsync("/v2/gone/tags/list")).Json["tags"]!.AsArray().ShouldBeEmpty();
        (await client.SendAsync("DELETE", "/v2/gone/manifests/v1")).Refusal.ShouldBe((404, "MANIFEST_UNKNOWN"));
        (await client.PutManifestAsync("gone", "v1", manifest)).Status.ShouldBe(201);
        (await client.GetAsync("/v2/gone/manifests/v1")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_deleted_manifest_takes_its_tags_along_and_a_new_push_brings_it_back()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("back", "v1", "x");
        await client.PutManifestAsync("back", "v2", manifest);
        var digest = Digest.Of(manifest);
        (await client.SendAsync("DELETE", $"/v2/back/manifests/{digest}")).Status.ShouldBe(202);
        foreach (var reference in (string[])["v1", "v2", digest.ToString()])
            (await client.GetAsync($"/v2/back/manifests/{reference}")).Status.ShouldBe(404);
        (await client.SendAsync("DELETE", $"/v2/back/manifests/{digest}")).Status.ShouldBe(404);
        (await client.PutManifestAsync("back", "v1", manifest)).Status.ShouldBe(201);
        (await client.GetAsync("/v2/back/manifests/v1")).Bytes.ShouldBe(manifest);
    }

    [Fact]
    public async Task A_protected_tag_cannot_be_deleted_neither_by_name_nor_through_its_manifest()
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("prod", "live", "x");
        (await client.SendAsync("DELETE", "/v2/prod/manifests/live")).Refusal.ShouldBe((405, "UNSUPPORTED"));
        (await client.SendAsync("DELETE", $"/v2/prod/manifests/{Digest.Of(manifest)}")).Refusal.ShouldBe(
            (405, "UNSUPPORTED")
        );
        (await client.GetAsync("/v2/prod/manifests/live")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("Upper")]
    [InlineData("a//b")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("a..b")]
    [InlineData("a___b")]
    [InlineData("a b")]
    [InlineData("%00")]
    public async Task A_malformed_name_is_refused(string name)
    {
        var client = await registry.NewOwnerAsync();
        (await client.GetAsync($"/v2/{name}/manifests/v1")).Status.ShouldBeOneOf(400, 404);
        (await client.PutManifestAsync(name, "v1", Manifests.Image("{}"u8.ToArray()))).Status.ShouldBeOneOf(400, 404);
    }

    [Theory]
    [InlineData("-v1")]
    [InlineData(".v1")]
    [InlineData("v 1")]
    [InlineData(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    )]
    public async Task A_malformed_tag_is_refused(string tag)
    {
        var client = await registry.NewOwnerAsync();
        var manifest = await client.PushImageAsync("tags", "v1", "x");
        (await client.PutManifestAsync("tags", Uri.EscapeDataString(tag), manifest)).Refusal.ShouldBe(
            (400, "NAME_INVALID")
        );
        (await client.GetAsync($"/v2/tags/manifests/{Uri.EscapeDataString(tag)}")).Status.ShouldBe(404);
    }

    private static byte[] Edit(byte[] manifest, Action<JsonObject> edit)
    {
        var node = JsonNode.Parse(manifest)!.AsObject();
        edit(node);
        return Manifests.Bytes(node);
    }

    private ValueTask<Session> OpenAsync(RegistryClient client) =>
        registry.Postgres.Pools.OpenAsync(OperationContext.ForSystem(client.Owner, "test"), Ct);

    private static Task<List<(string Action, string Subject, string? Before, string? After)>> EntriesAsync(
        Session session
    ) =>
        session.ListAsync(
            "select action, subject, before_digest, after_digest from access.audit_entry order by id",
            row =>
                (
                    row.GetString(0),
                    row.GetString(1),
                    row.IsDBNull(2) ? null : row.GetString(2),
                    row.IsDBNull(3) ? null : row.GetString(3)
                ),
            Ct
        );
}

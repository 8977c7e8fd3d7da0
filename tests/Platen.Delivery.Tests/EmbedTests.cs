using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Delivery.Tests;

/// <summary>The loader and its manifest over HTTP.</summary>
public sealed class EmbedTests(PostgresFixture postgres)
{
    private const string Loader = "embed/v1/loader.js";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("br", "br")]
    [InlineData("gzip", "gzip")]
    [InlineData("gzip, br;q=0.1", "gzip")]
    [InlineData("", null)]
    [InlineData("identity", null)]
    public async Task The_loader_is_sent_in_the_coding_that_is_asked_for(string accepted, string? coding)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        using var response = await host.GetAsync(Loader, ("Accept-Encoding", accepted));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Content.Headers.ContentType!.ToString().ShouldBe("text/javascript; charset=utf-8");
        response.Content.Headers.ContentEncoding.SingleOrDefault().ShouldBe(coding);
        response.Headers.Vary.ShouldBe(["Accept-Encoding"]);
        response.Headers.GetValues("Access-Control-Allow-Origin").ShouldBe(["*"]);
        response.Headers.GetValues("Cross-Origin-Resource-Policy").ShouldBe(["cross-origin"]);
        response.Headers.CacheControl!.MaxAge.ShouldBe(TimeSpan.FromMinutes(5));
        response.Headers.Contains("Set-Cookie").ShouldBeFalse();
    }

    [Fact]
    public async Task The_loader_is_revalidated_and_the_pinned_one_never()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var loader = (await ManifestAsync(host)).GetProperty("loader");
        var pinned = loader.GetProperty("pinned").GetString()!;
        using var first = await host.GetAsync(pinned);
        var bytes = await first.Content.ReadAsByteArrayAsync(Ct);

        first.Headers.CacheControl!.ToString().ShouldContain("immutable");
        pinned.ShouldBe($"/embed/{Convert.ToHexStringLower(SHA256.HashData(bytes))}/loader.js");
        loader
            .GetProperty("integrity")
            .GetString()
            .ShouldBe("sha384-" + Convert.ToBase64String(SHA384.HashData(bytes)));
        loader.GetProperty("sizeBytes").GetInt32().ShouldBe(bytes.Length);
        (await (await host.GetAsync(Loader)).Content.ReadAsByteArrayAsync(Ct)).ShouldBe(bytes);

        using var second = await host.GetAsync(Loader, ("If-None-Match", first.Headers.ETag!.ToString()));
        second.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        using var other = await host.GetAsync(Loader, ("If-None-Match", "\"other\""));
        other.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var wanted = await host.GetAsync(Loader, ("If-Match", "\"other\""));
        wanted.StatusCode.ShouldBe(HttpStatusCode.PreconditionFailed);
    }

    [Fact]
    public async Task Loaders_of_former_versions_are_where_pages_have_pinned_them()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var current = (await ManifestAsync(host)).GetProperty("loader").GetProperty("pinned").GetString();
        var kept = Directory.GetFiles(Path.Combine(Build.Repository, "web", "loader", "kept"), "*.js");
        kept.ShouldNotBeEmpty();
        foreach (var file in kept)
        {
            var bytes = await File.ReadAllBytesAsync(file, Ct);
            var path = $"/embed/{Convert.ToHexStringLower(SHA256.HashData(bytes))}/loader.js";
            foreach (var coding in (string[])["identity", "gzip", "br"])
            {
                using var former = await host.GetAsync(path, ("Accept-Encoding", coding));
                former.StatusCode.ShouldBe(HttpStatusCode.OK, file);
                former.Headers.CacheControl!.ToString().ShouldContain("immutable");
                former.Headers.GetValues("Access-Control-Allow-Origin").ShouldBe(["*"]);
                former.Content.Headers.ContentEncoding.ShouldBe(coding == "identity" ? [] : [coding]);
                await using var sent = await former.Content.ReadAsStreamAsync(Ct);
                await using var plain = coding switch
                {
                    "br" => new BrotliStream(sent, CompressionMode.Decompress),
                    "gzip" => new GZipStream(sent, CompressionMode.Decompress),
                    _ => sent,
                };
                using var whole = new MemoryStream();
                await plain.CopyToAsync(whole, Ct);
                // What a page's integrity value is of.
                whole.ToArray().ShouldBe(bytes, file);
            }
        }
        // At least one is not the current one.
        kept.Select(file => $"/embed/{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))}/loader.js")
            .ShouldContain(path => path != current);
    }

    [Fact]
    public async Task The_sizes_in_the_manifest_are_those_on_the_wire()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var loader = (await ManifestAsync(host)).GetProperty("loader");

        foreach (var (coding, name) in ((string, string)[])[("br", "brotliBytes"), ("gzip", "gzipBytes")])
        {
            using var response = await host.GetAsync(Loader, ("Accept-Encoding", coding));
            (await response.Content.ReadAsByteArrayAsync(Ct)).Length.ShouldBe(loader.GetProperty(name).GetInt32());
        }
    }

    [Theory]
    [InlineData("embed/v1/other.js")]
    [InlineData("embed/v2/loader.js")]
    [InlineData("embed/")]
    [InlineData("embed/v1/loader.js/")]
    [InlineData("embed/0000000000000000000000000000000000000000000000000000000000000000/loader.js")]
    [InlineData("embed/v1/..%2f..%2fappsettings.json")]
    public async Task What_is_not_there_is_a_problem_that_nobody_keeps(string path)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        using var response = await host.GetAsync(path);

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        response.Headers.CacheControl!.NoStore.ShouldBeTrue();
    }

    [Fact]
    public async Task Only_reading_is_allowed_and_the_head_is_that_of_the_whole()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        using var posted = await host.SendAsync(HttpMethod.Post, Loader);
        using var head = await host.SendAsync(HttpMethod.Head, Loader);
        using var refused = await host.GetAsync(Loader, ("Accept-Encoding", "identity;q=0, *;q=0"));

        posted.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        posted.Content.Headers.Allow.ShouldBe(["GET", "HEAD"], ignoreOrder: true);
        head.StatusCode.ShouldBe(HttpStatusCode.OK);
        head.Content.Headers.ContentLength.ShouldNotBe(0);
        refused.StatusCode.ShouldBe(HttpStatusCode.NotAcceptable);
    }

    private static async Task<JsonElement> ManifestAsync(DeliveryHost host)
    {
        using var response = await host.GetAsync("embed/v1/manifest.json");
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        return await response.Content.ReadFromJsonAsync<JsonElement>(Ct);
    }
}

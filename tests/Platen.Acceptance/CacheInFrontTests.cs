using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;
using Platen.Testing.Widgets;

namespace Platen.Acceptance;

/// <summary>
/// A shared cache of somebody else's between visitors and the server: what it may keep it keeps, what it may not it does not, and nobody
/// gets what is another's. The caches run as their manuals begin, with no rule about Platen.
/// </summary>
public sealed class CacheInFrontTests
{
    private const string Page = "/e/wgt_main_forms.contact";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("nginx")]
    [InlineData("varnish")]
    public async Task It_keeps_what_it_may_and_gives_nobody_what_is_another_s(string kind)
    {
        await using var server = await PlatenServer.StartWithSamplesAsync(PostgresFixture.NewFolder(), Ct);
        await using var cache = await StartCacheAsync(kind, server.Address);
        // What a cache does that was told to honour stale-if-error, as our manual tells it.
        await using var honouring =
            kind == "varnish" ? await StartCacheAsync(kind, server.Address, await RulesAsync()) : null;
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });

        async Task<HttpResponseMessage> AskAsync(Uri root, string path, params (string Name, string Value)[] fields)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(root, path));
            foreach (var (name, value) in fields)
                request.Headers.TryAddWithoutValidation(name, value);
            return await http.SendAsync(request, Ct);
        }

        async Task SameAsync(string path, params (string Name, string Value)[] fields)
        {
            using var direct = await AskAsync(server.Address, path, fields);
            // Twice: the second may come out of the cache.
            for (var time = 0; time < 2; time++)
            {
                using var through = await AskAsync(cache.Address, path, fields);
                through.StatusCode.ShouldBe(direct.StatusCode, path);
                direct.StatusCode.ShouldBe(HttpStatusCode.OK, path);
                (await through.Content.ReadAsByteArrayAsync(Ct)).ShouldBe(
                    await direct.Content.ReadAsByteArrayAsync(Ct),
                    $"{kind} {path} {string.Join("; ", fields)}"
                );
                through.Content.Headers.ContentEncoding.ShouldBe(direct.Content.Headers.ContentEncoding);
                through.Content.Headers.ContentLanguage.ShouldBe(direct.Content.Headers.ContentLanguage);
                through.Headers.ETag!.Tag.ShouldBe(direct.Headers.ETag!.Tag);
            }
        }

        // The same address in other languages and codings, one after the other, so that each finds the others' in the cache.
        foreach (var language in new[] { "en", "de", "ar", "fr-CA, de;q=0.5", "zu" })
        foreach (var coding in new[] { "br", "gzip", "identity" })
            await SameAsync(Page, ("Accept-Language", language), ("Accept-Encoding", coding));
        foreach (var query in new[] { "?theme=dark", "?theme=light&locale=de", "?locale=ar" })
            await SameAsync(Page + query, ("Accept-Encoding", "br"));
        await SameAsync("/embed/v1/loader.js", ("Accept-Encoding", "br"));

        var artifact = await ArtifactAsync(http, server.Address);
        await SameAsync(artifact, ("Accept-Encoding", "identity"));
        using (var kept = await AskAsync(cache.Address, artifact, ("Accept-Encoding", "identity")))
            kept.Headers.GetValues("X-Cache").Single().ShouldBe("HIT", "what is immutable is kept");
        // Whoever asks first with a field that no cache keeps apart gets what the next one gets.
        foreach (var (n, field) in UnkeyedFields.Names.Index())
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{Page}?theme=dark&poisoned={n}");
            foreach (var asked in (string[])[path, $"{artifact}?poisoned={n}"])
            {
                using var first = await AskAsync(
                    cache.Address,
                    asked,
                    ("Accept-Encoding", "br, identity"),
                    (field, "evil.example")
                );
                // Some are refused, by the cache or by the server: it is the next one who counts.
                using var next = await AskAsync(cache.Address, asked, ("Accept-Encoding", "br, identity"));
                next.StatusCode.ShouldBe(HttpStatusCode.OK, $"{kind} {field}");
                using var direct = await AskAsync(server.Address, asked, ("Accept-Encoding", "br, identity"));
                next.Headers.ETag.ShouldBe(direct.Headers.ETag, $"{kind} {field}");
                (await next.Content.ReadAsByteArrayAsync(Ct)).ShouldBe(
                    await direct.Content.ReadAsByteArrayAsync(Ct),
                    $"{kind} {field}"
                );
                next.ToString().ShouldNotContain("evil", Case.Insensitive, $"{kind} {field}");
            }
        }

        // What is told to the holder of a key is told to nobody else, also by who asked first.
        var key = ("Authorization", "Bearer " + server.OwnerKey);
        var other = await ArtifactAsync(http, server.Address, "wgt_main_social.proof");
        foreach (var path in new[] { Page + "?theme=dark", "/e/wgt_main_social.proof", other })
        {
            using (var told = await AskAsync(cache.Address, path, key, ("Accept-Encoding", "br, identity")))
                told.StatusCode.ShouldBe(HttpStatusCode.OK, path);
            using var through = await AskAsync(cache.Address, path, ("Accept-Encoding", "br, identity"));
            through.Headers.Contains("Server-Timing").ShouldBeFalse($"{kind} {path}");
            through.Headers.CacheControl!.Public.ShouldBeTrue($"{kind} {path}");
        }
        // Nor what a token opens, however it is presented.
        var hidden = await HiddenInstance.PublishAsync(server, Ct);
        var (_, token) = await hidden.TokenAsync(Ct);
        foreach (var field in new[] { ("Authorization", "Bearer " + token), ("X-Embed-Token", token) })
        {
            using (var opened = await AskAsync(cache.Address, "/e/" + hidden.Id, field))
                opened.StatusCode.ShouldBe(HttpStatusCode.OK, kind);
            using var closed = await AskAsync(cache.Address, "/e/" + hidden.Id);
            closed.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, kind);
        }

        // Not there, and then there: a refusal is kept by nobody.
        const string late = "wgt_curated_late";
        (await AskAsync(cache.Address, "/e/" + late)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        await PublishAsync(server, late, "first words");
        await ServerProcess.WaitUntilAsync(
            "the publish, through the cache",
            TimeSpan.FromSeconds(10),
            async _ =>
                (await (await AskAsync(cache.Address, "/e/" + late)).Content.ReadAsStringAsync(Ct)).Contains(
                    "first words"
                ),
            Ct
        );
        // A move is seen by the next visitor, without anybody telling the cache.
        await PublishAsync(server, late, "other words");
        await ServerProcess.WaitUntilAsync(
            "the move, through the cache",
            TimeSpan.FromSeconds(10),
            async _ =>
                (await (await AskAsync(cache.Address, "/e/" + late)).Content.ReadAsStringAsync(Ct)).Contains(
                    "other words"
                ),
            Ct
        );

        byte[] page = [];
        if (honouring is not null)
        {
            foreach (var path in (string[])[Page, "/e/" + late])
            {
                using var kept = await AskAsync(honouring.Address, path, ("Accept-Encoding", "identity"));
                kept.StatusCode.ShouldBe(HttpStatusCode.OK);
                page = await kept.Content.ReadAsByteArrayAsync(Ct);
            }
            // With somebody to ask it asks: the next visitor sees the next move.
            await PublishAsync(server, late, "last words");
            await ServerProcess.WaitUntilAsync(
                "the move, at the server",
                TimeSpan.FromSeconds(30),
                async _ =>
                    (await (await AskAsync(server.Address, "/e/" + late)).Content.ReadAsStringAsync(Ct)).Contains(
                        "last words"
                    ),
                Ct
            );
            using (var next = await AskAsync(honouring.Address, "/e/" + late, ("Accept-Encoding", "identity")))
            {
                page = await next.Content.ReadAsByteArrayAsync(Ct);
                System.Text.Encoding.UTF8.GetString(page).ShouldContain("last words");
            }
            using var opened = await AskAsync(honouring.Address, "/e/" + hidden.Id, ("X-Embed-Token", token));
            opened.StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        // The server is gone: what is immutable is served on.
        await server.KillAsync(Ct);
        if (honouring is not null)
        {
            // And every page that the cache has, because nobody says that it must not.
            foreach (var path in (string[])[Page, "/e/" + late])
            {
                using var stale = await AskAsync(honouring.Address, path, ("Accept-Encoding", "identity"));
                stale.StatusCode.ShouldBe(HttpStatusCode.OK, path);
                if (path != Page)
                    (await stale.Content.ReadAsByteArrayAsync(Ct)).ShouldBe(page);
            }
            foreach (var field in new[] { ("X-Embed-Token", token), ("X-Nothing", "") })
            {
                using var hiddenStill = await AskAsync(honouring.Address, "/e/" + hidden.Id, field);
                hiddenStill.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, "nobody keeps what is not public");
            }
        }
        using var alone = await AskAsync(cache.Address, artifact, ("Accept-Encoding", "identity"));
        alone.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    private static async Task<string> ArtifactAsync(HttpClient http, Uri server, string id = "wgt_main_forms.contact")
    {
        var manifest = await http.GetStringAsync(new Uri(server, $"/w/{id}/manifest.json"), Ct);
        return (string)JsonNode.Parse(manifest)!["locales"]!["en"]!["artifact"]!;
    }

    private static async Task PublishAsync(PlatenServer server, string id, string text)
    {
        var sample = JsonNode.Parse(
            await File.ReadAllTextAsync(
                Path.Combine(Build.Repository, "samples", "widgets", "wgt_main_content.faq.json"),
                Ct
            )
        )!;
        sample["publicId"] = id;
        sample["config"]!["intro"] = text;
        sample.AsObject().Remove("locales");
        var file = Path.Combine(PostgresFixture.NewFolder(), id + ".json");
        await File.WriteAllTextAsync(file, sample.ToJsonString(), Ct);
        var published = await server.RunCliAsync(Ct, "publish", file);
        published.ExitCode.ShouldBe(0, published.Errors);
    }

    private static async Task<string> RulesAsync()
    {
        var manual = await File.ReadAllTextAsync(
            Path.Combine(Build.Repository, "docs", "operating", "delivery.md"),
            Ct
        );
        return manual.Split("```vcl\n")[1].Split("```")[0];
    }

    private static async Task<Cache> StartCacheAsync(string kind, Uri server, string rules = "")
    {
        var folder = PostgresFixture.NewFolder();
        // Both give up root.
        await ServerProcess.RunAsync("chmod", ["755", folder], Ct);
        var port = ServerProcess.FreePort();
        var process =
            kind == "nginx" ? await NginxAsync(folder, port, server) : await VarnishAsync(folder, port, server, rules);
        var cache = new Cache(
            process,
            new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/"))
        );
        using var http = new HttpClient();
        await ServerProcess.WaitUntilAsync(
            kind,
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                try
                {
                    return (await http.GetAsync(new Uri(cache.Address, "/healthz"), ct)).IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            Ct
        );
        return cache;
    }

    private static async Task<ServerProcess> NginxAsync(string folder, int port, Uri server)
    {
        await AptPackages.EnsureAsync("nginx", Ct, "nginx");
        await File.WriteAllTextAsync(
            folder + "/nginx.conf",
            $$"""
            pid {{folder}}/pid; error_log {{folder}}/error.log; daemon off; events {}
            http {
              access_log off;
              proxy_cache_path {{folder}}/cache keys_zone=pages:1m;
              server {
                listen 127.0.0.1:{{port}};
                location / {
                  proxy_pass http://{{server.Authority}};
                  proxy_set_header Host $host;
                  proxy_cache pages;
                  proxy_cache_revalidate on;
                  add_header X-Cache $upstream_cache_status always;
                }
              }
            }
            """,
            Ct
        );
        return ServerProcess.Start("nginx", ["-p", folder, "-c", folder + "/nginx.conf"], folder + "/log");
    }

    private static async Task<ServerProcess> VarnishAsync(string folder, int port, Uri server, string rules)
    {
        await AptPackages.EnsureAsync("varnishd", Ct, "varnish");
        await File.WriteAllTextAsync(
            folder + "/default.vcl",
            $$"""
            vcl 4.1;
            {{rules}}
            backend default { .host = "127.0.0.1"; .port = "{{server.Port}}"; }
            sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; } else { set resp.http.X-Cache = "MISS"; } }
            """,
            Ct
        );
        return ServerProcess.Start(
            "varnishd",
            [
                "-F",
                "-n",
                folder + "/work",
                "-a",
                string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"),
                "-f",
                folder + "/default.vcl",
                "-s",
                "malloc,64m",
                // Codings are the server's: it has them stored.
                "-p",
                "http_gzip_support=off",
                "-j",
                "none",
            ],
            folder + "/log"
        );
    }

    private sealed record Cache(ServerProcess Process, Uri Address) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }
}

using System.Net;
using System.Net.Sockets;
using System.Text;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Testing;

namespace Platen.Delivery.Tests;

public sealed class SemanticsTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_page_says_all_that_a_cache_and_a_browser_need()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        using var response = await host.GetAsync($"/e/{id}");

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var bytes = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Encoding.UTF8.GetString(bytes).ShouldBe(Publisher.PageText(id, "1", "en", "auto"));
        response.Headers.ETag!.Tag.ShouldBe($"\"{Digest.Of(bytes).Hex}\"");
        response.Headers.ETag.IsWeak.ShouldBeFalse();
        Field(response, "Cache-Control").ShouldBe("public, max-age=0, stale-if-error=86400");
        Field(response, "Vary").ShouldBe("Accept-Encoding, Accept-Language");
        Field(response, "Content-Security-Policy").ShouldBe(Publisher.Policy);
        Field(response, "X-Content-Type-Options").ShouldBe("nosniff");
        Field(response, "Cross-Origin-Resource-Policy").ShouldBe("cross-origin");
        Field(response, "Referrer-Policy").ShouldNotBeNull();
        Field(response, "Permissions-Policy").ShouldNotBeNull();
        response.Content.Headers.ContentLanguage.ShouldBe(["en"]);
        response.Content.Headers.ContentLength.ShouldBe(bytes.Length);
        response.Content.Headers.ContentType!.ToString().ShouldBe("text/html; charset=utf-8");
    }

    [Theory]
    [InlineData("br", "br")]
    [InlineData("gzip, deflate, br, zstd", "br")]
    [InlineData("gzip;q=1.0, br;q=0.5", "gzip")]
    [InlineData("br;q=0, gzip", "gzip")]
    [InlineData("*;q=0, gzip;q=0.1", "gzip")]
    [InlineData("*", "br")]
    [InlineData("identity", null)]
    [InlineData("deflate", null)]
    [InlineData("BR;Q=1", "br")]
    [InlineData("br;q=7, ,;;,gzip;q=x", null)]
    [InlineData("identity;q=0", "406")]
    [InlineData("*;q=0", "406")]
    public async Task The_coding_follows_the_weights(string accept, string? coding)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        using var response = await host.GetAsync($"/e/{id}", ("Accept-Encoding", accept));
        if (coding == "406")
        {
            response.StatusCode.ShouldBe(HttpStatusCode.NotAcceptable);
            Field(response, "Cache-Control").ShouldBe("no-store");
            return;
        }
        response.Content.Headers.ContentEncoding.ShouldBe(coding is null ? [] : [coding]);
        var bytes = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        response.Headers.ETag!.Tag.ShouldBe($"\"{Digest.Of(bytes).Hex}\"");
    }

    [Fact]
    public async Task Conditions_are_judged_in_their_order()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        var tag = "";
        DateTimeOffset? modified = null;
        await DeliveryHost.UntilAsync(
            async () =>
            {
                using var response = await host.GetAsync($"/e/{id}");
                tag = response.Headers.ETag!.Tag;
                modified = response.Content.Headers.LastModified;
                return modified is not null;
            },
            "the second of the move never ended"
        );
        var date = modified!.Value.ToString("r");
        var earlier = modified.Value.AddSeconds(-1).ToString("r");

        async Task Expect(int status, params (string, string)[] headers)
        {
            using var response = await host.GetAsync($"/e/{id}", headers);
            ((int)response.StatusCode).ShouldBe(status, string.Join("; ", headers));
            if (status == 304)
            {
                response.Headers.ETag!.Tag.ShouldBe(tag);
                Field(response, "Vary").ShouldNotBeNull();
                Field(response, "Cache-Control").ShouldNotBeNull();
                (await response.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
            }
        }
        await Expect(304, ("If-None-Match", tag));
        await Expect(304, ("If-None-Match", "W/" + tag));
        await Expect(304, ("If-None-Match", $"\"other\", {tag}"));
        await Expect(304, ("If-None-Match", "*"));
        await Expect(200, ("If-None-Match", "\"other\""));
        await Expect(200, ("If-None-Match", tag.Trim('"')));
        await Expect(304, ("If-Modified-Since", date));
        await Expect(200, ("If-Modified-Since", earlier));
        await Expect(200, ("If-Modified-Since", "yesterday"));
        await Expect(200, ("If-Modified-Since", date), ("If-None-Match", "\"other\""));
        await Expect(304, ("If-Modified-Since", earlier), ("If-None-Match", tag));
        await Expect(412, ("If-Match", "\"other\""));
        await Expect(412, ("If-Match", "W/" + tag));
        await Expect(200, ("If-Match", tag));
        await Expect(412, ("If-Unmodified-Since", earlier));
        await Expect(200, ("If-None-Match", tag), ("Accept-Encoding", "br"));
    }

    [Fact]
    public async Task Head_has_the_fields_of_get_and_other_methods_are_refused()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        using var get = await host.GetAsync($"/e/{id}");
        using var head = await host.SendAsync(HttpMethod.Head, $"/e/{id}");
        head.StatusCode.ShouldBe(HttpStatusCode.OK);
        head.Headers.ETag.ShouldBe(get.Headers.ETag);
        head.Content.Headers.ContentLength.ShouldBe(get.Content.Headers.ContentLength);
        (await head.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).ShouldBeEmpty();
        foreach (var method in new[] { HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options })
        {
            using var refused = await host.SendAsync(method, $"/e/{id}");
            refused.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
            refused.Content.Headers.Allow.ShouldBe(["GET", "HEAD"]);
        }
    }

    [Theory]
    [InlineData("", null, "en", true)]
    [InlineData("", "de", "de", true)]
    [InlineData("", "fr-CA, de;q=0.9", "fr", true)]
    [InlineData("", "de;q=0.5, fr;q=0.7", "fr", true)]
    [InlineData("", "zz, *;q=0.5", "en", true)]
    [InlineData("", "de;q=0", "en", true)]
    [InlineData("?locale=fr-CA", "de", "fr", false)]
    [InlineData("?locale=DE-at", null, "de", false)]
    [InlineData("?locale=zz", "de", "de", true)]
    [InlineData("?locale=%64e", null, "de", false)]
    [InlineData("?locale=../../etc", null, "en", true)]
    [InlineData("?locale=&utm_source=x", null, "en", true)]
    public async Task The_locale_is_the_query_s_then_the_visitor_s_then_the_base(
        string query,
        string? accept,
        string locale,
        bool varies
    )
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1", locales: ["en", "de", "fr"]);
        using var response = await host.GetAsync(
            $"/e/{id}{query}",
            accept is null ? [] : [("Accept-Language", accept)]
        );
        response.Content.Headers.ContentLanguage.ShouldBe([locale]);
        response.Headers.Vary.Contains("Accept-Language").ShouldBe(varies);
    }

    [Theory]
    [InlineData("?theme=dark", "dark")]
    [InlineData("?device=mobile&theme=light&theme=dark", "light")]
    [InlineData("?theme=DROP+TABLE", "auto")]
    [InlineData("?x=%00%ff&theme", "auto")]
    public async Task Unknown_input_shows_what_no_input_shows(string query, string theme)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        (await host.TextAsync($"/e/{id}{query}")).ShouldBe(Publisher.PageText(id, "1", "en", theme));
    }

    [Theory]
    [InlineData("desktop")]
    [InlineData("tablet")]
    [InlineData("mobile")]
    [InlineData("x")]
    [InlineData("")]
    public async Task Whatever_device_says_the_page_is_the_same(string device)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1", locales: ["en", "de"]);
        foreach (var query in (string[])["", "theme=dark", "locale=de&theme=light"])
        {
            using var plain = await host.GetAsync($"/e/{id}?{query}");
            using var asked = await host.GetAsync($"/e/{id}?device={device}&{query}");
            asked.StatusCode.ShouldBe(HttpStatusCode.OK);
            asked.Headers.ETag.ShouldBe(plain.Headers.ETag);
            asked.Headers.Vary.ShouldBe(plain.Headers.Vary);
        }
    }

    [Fact]
    public async Task Fields_that_are_not_in_vary_change_nothing()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        using var plain = await host.GetAsync($"/e/{id}");
        foreach (
            var name in new[]
            {
                "Origin",
                "X-Forwarded-Host",
                "X-Forwarded-Proto",
                "Cookie",
                "Authorization",
                "User-Agent",
                "X-Original-URL",
                "X-Rewrite-URL",
                "X-HTTP-Method-Override",
                "Accept",
            }
        )
        {
            using var response = await host.GetAsync($"/e/{id}", (name, "/evil.example"));
            response.Headers.ETag.ShouldBe(plain.Headers.ETag, name);
            response.Headers.ToString().ShouldNotContain("evil");
        }
    }

    [Fact]
    public async Task Artifacts_are_immutable_and_have_ranges()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1");
        var path = $"/w/{id}/{Publisher.ArtifactName("1", "en")}";
        var text = Publisher.ConfigText("1", "en");
        using var whole = await host.GetAsync(path);
        Field(whole, "Cache-Control").ShouldBe("public, max-age=31536000, immutable");
        Field(whole, "Access-Control-Allow-Origin").ShouldBe("*");
        Field(whole, "Accept-Ranges").ShouldBe("bytes");
        (await whole.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldBe(text);
        var tag = whole.Headers.ETag!.Tag;

        async Task Expect(int status, string body, params (string, string)[] headers)
        {
            using var response = await host.GetAsync(path, headers);
            ((int)response.StatusCode).ShouldBe(status, string.Join("; ", headers));
            (await response.Content.ReadAsStringAsync()).ShouldBe(body);
            if (status == 416)
                response.Content.Headers.ContentRange!.ToString().ShouldBe($"bytes */{text.Length}");
            if (status == 206)
                response.Content.Headers.ContentRange!.Length.ShouldBe(text.Length);
        }
        await Expect(206, text[..5], ("Range", "bytes=0-4"));
        await Expect(206, text[5..], ("Range", "bytes=5-"));
        await Expect(206, text[^3..], ("Range", "bytes=-3"));
        await Expect(206, text, ("Range", "bytes=-99999999999999999999999"));
        await Expect(416, "", ("Range", "bytes=99999-"));
        await Expect(416, "", ("Range", "bytes=-0"));
        await Expect(200, text, ("Range", "bytes=0-1,3-4"));
        await Expect(200, text, ("Range", "bytes=4-1"));
        await Expect(200, text, ("Range", "lines=0-1"));
        await Expect(206, text[..2], ("Range", "bytes=0-1"), ("If-Range", tag));
        await Expect(200, text, ("Range", "bytes=0-1"), ("If-Range", "W/" + tag));
        await Expect(200, text, ("Range", "bytes=0-1"), ("If-Range", "\"other\""));
        await Expect(304, "", ("Range", "bytes=0-1"), ("If-None-Match", tag));
    }

    [Fact]
    public async Task An_unknown_id_gets_a_page_that_helps_and_json_when_asked_for()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        using var page = await host.GetAsync($"/e/{id}", ("Accept", "text/html,*/*;q=0.8"));
        page.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        page.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
        Field(page, "Cache-Control").ShouldBe("no-store");
        Field(page, "Content-Security-Policy")!.ShouldContain("default-src 'none'");
        (await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain(id);

        using var json = await host.GetAsync($"/e/{id}", ("Accept", "application/json"));
        json.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        json.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");

        await host.Publisher.PublishAsync(id, "1");
        await DeliveryHost.UntilAsync(
            async () => (await host.TextAsync($"/e/{id}")).Contains("1 en auto"),
            "a publish did not end the absence"
        );
    }

    [Theory]
    [InlineData("", "", "en", "ltr", "There is no published widget here")]
    [InlineData("", "de-AT,en;q=0.5", "de", "ltr", "Hier ist kein Widget veröffentlicht")]
    [InlineData("", "xx,fr;q=0.4,es;q=0.6", "es", "ltr", "Aquí no hay ningún widget publicado")]
    [InlineData("?locale=fr-CA", "de", "fr", "ltr", "Aucun widget n’est publié ici")]
    [InlineData("?locale=tlh", "ar-EG", "ar", "rtl", "لا توجد أداة منشورة هنا")]
    [InlineData("?locale=ar&theme=dark", "en", "ar", "rtl", "لا توجد أداة منشورة هنا")]
    [InlineData("?locale=%22%3E%3Cscript%3E", "de;q=0,*;q=0.1", "en", "ltr", "There is no published widget here")]
    public async Task An_unknown_id_gets_a_page_in_the_visitors_language(
        string query,
        string accepted,
        string language,
        string direction,
        string title
    )
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        using var page = await host.GetAsync($"/e/{id}{query}", ("Accept-Language", accepted));
        page.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        Field(page, "Content-Language").ShouldBe(language);
        Field(page, "Vary").ShouldBe("Accept, Accept-Language");
        var bytes = await page.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        var html = Encoding.UTF8.GetString(bytes);
        html.ShouldContain($"<html lang=\"{language}\" dir=\"{direction}\"");
        html.ShouldContain($"<title>{title}</title>");
        // What the owner of the site copies reads from left to right in every language.
        html.ShouldContain($"<code dir=\"ltr\">platen publish {id}</code>");
        html.ShouldNotContain('{' + "0}");
        bytes.Length.ShouldBeLessThan(6_144);
    }

    [Fact]
    public void There_are_words_for_every_status_in_every_language()
    {
        foreach (var language in StandInPage.Languages)
        {
            var texts = new[] { 401, 404, 406, 500, 503 }
                .Select(status => Encoding.UTF8.GetString(NotPublishedPage.For(status, null, language).Html.Span))
                .ToList();
            texts.Distinct().Count().ShouldBe(texts.Count, language);
            foreach (var text in texts)
            {
                text.ShouldContain($"lang=\"{language}\"");
                text.ShouldNotMatch(@"\{\d\}|`");
            }
        }
    }

    [Theory]
    [InlineData("/e/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/e/..%2f..%2fetc%2fpasswd")]
    [InlineData("/e/%00")]
    [InlineData("/e/wgt_main_x%00")]
    [InlineData("/e/%c0%ae%c0%ae/")]
    [InlineData("/e/wgt_main_%ff%fe")]
    [InlineData("/e/")]
    [InlineData("/e/wgt_main_content.faq/")]
    [InlineData("/e//wgt_main_content.faq")]
    [InlineData("/e/<script>alert(1)</script>")]
    [InlineData("/w/x")]
    [InlineData("/w//manifest.json")]
    [InlineData("/w/wgt_main_content.faq/manifest.json/")]
    [InlineData("/w/wgt_main_content.faq/en.%2e%2e.json")]
    [InlineData("/w/wgt_main_content.faq/config.json")]
    public async Task Path_tricks_find_nothing(string target)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        using var socket = new TcpClient();
        await socket.ConnectAsync(
            host.Client.BaseAddress!.Host,
            host.Client.BaseAddress.Port,
            TestContext.Current.CancellationToken
        );
        await using var stream = socket.GetStream();
        await stream.WriteAsync(
            Encoding.Latin1.GetBytes($"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            TestContext.Current.CancellationToken
        );
        using var reader = new StreamReader(stream, Encoding.Latin1);
        var answer = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        var status = answer.Split(' ')[1];
        // 418 is the rest of the pipeline: Kestrel has resolved the dots, and the path is not delivery's any more.
        status.ShouldBeOneOf("400", "404", "418");
        answer.ShouldNotContain("<script>alert");
    }

    [Fact]
    public async Task Other_paths_are_handed_on()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        foreach (var path in new[] { "/", "/e", "/widgets/manifest.json", "/ex/y", "/v1/instances" })
            ((int)(await host.GetAsync(path)).StatusCode).ShouldBe(418, path);
    }

    [Fact]
    public async Task A_deprecated_instance_shows_its_baseline_and_says_so()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "old", status: "deprecated", type: "test.deprecated");
        using (var alone = await host.GetAsync($"/e/{id}"))
        {
            Field(alone, "X-Platen-Fallback").ShouldBe("none");
            (await alone.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("old en");
        }
        await host.Publisher.PublishAsync("wgt_main_test.deprecated", "base", type: "test.deprecated");
        await DeliveryHost.UntilAsync(
            async () => (await host.TextAsync($"/e/{id}")).Contains("base en"),
            "no fallback"
        );
        using var response = await host.GetAsync($"/e/{id}");
        Field(response, "X-Platen-Fallback").ShouldBe("baseline");
        Field(response, "Link").ShouldBe("</e/wgt_main_test.deprecated>; rel=\"successor-version\"");
        var artifact = Publisher.ArtifactName("old", "en");
        (await host.TextAsync($"/w/{id}/{artifact}")).ShouldBe(Publisher.ConfigText("old", "en"));
        (await host.TextAsync($"/w/{id}/{Publisher.ArtifactName("base", "en")}")).ShouldBe(
            Publisher.ConfigText("base", "en")
        );
        (await host.TextAsync("/e/wgt_test.deprecated")).ShouldContain("base en");
    }

    private static string? Field(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(", ", values)
        : response.Content.Headers.TryGetValues(name, out values) ? string.Join(", ", values)
        : null;
}

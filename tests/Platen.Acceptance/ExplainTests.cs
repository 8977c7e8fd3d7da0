using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary><c>platen explain</c> and <c>?explain</c> against the built server.</summary>
public sealed class ExplainTests(VerifiedServer fixture) : IClassFixture<VerifiedServer>
{
    private const string Page = "/e/wgt_main_forms.contact?locale=fr-CA&theme=dark";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private PlatenServer Server => fixture.Server;

    [Fact]
    public async Task It_names_what_produced_the_very_bytes_that_a_visitor_gets()
    {
        var run = await Server.RunCliAsync(Ct, "explain", new Uri(Server.Address, Page).ToString(), "--json");
        run.ExitCode.ShouldBe(0, run.Errors);
        var document = JsonNode.Parse(run.Output)!;
        var explained = document["explanation"]!;

        using var visitor = new HttpClient();
        visitor.DefaultRequestHeaders.TryAddWithoutValidation("Accept-Encoding", "gzip, deflate, br");
        var bytes = await visitor.GetByteArrayAsync(new Uri(Server.Address, Page), Ct);
        ((string)explained["content"]!["digest"]!).ShouldBe(
            "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes))
        );
        ((long)explained["content"]!["sizeBytes"]!).ShouldBe(bytes.Length);
        ((string)explained["content"]!["coding"]!).ShouldBe("br");
        ((string)explained["address"]!).ShouldBe(Page);
        ((string)explained["locale"]!["chosen"]!).ShouldBe("fr");
        explained["locale"]!["tried"]!.AsArray().Select(tag => (string)tag!).ShouldBe(["fr-CA", "fr"]);
        ((string)explained["theme"]!["chosen"]!).ShouldBe("dark");
        ((string)explained["channel"]!["name"]!).ShouldBe("live");
        ((bool)document["visitor"]!["isSame"]!).ShouldBeTrue();
        ((string)document["serverTiming"]!).ShouldContain("total;dur=");
        ((string)document["traceId"]!).Length.ShouldBe(32);

        using var client = Server.OpenClient();
        var instance = JsonNode.Parse(await client.GetStringAsync("v1/instances/wgt_main_forms.contact", Ct))!;
        ((string)explained["channel"]!["release"]!).ShouldBe((string)instance["publication"]!["release"]!);

        // Once more: now it is in memory.
        var again = await Server.RunCliAsync(Ct, "explain", Page);
        again.Output.ShouldContain("cache     memory");
        again.Output.ShouldContain("fr-CA → fr");
        again.Output.ShouldContain("visitors  get the same (200)");
    }

    [Theory]
    [InlineData(null, "en", "nothing else is asked for")]
    [InlineData("de-AT, en;q=0.5", "de", "Accept-Language asks for 'de-AT, en;q=0.5'")]
    [InlineData("zu", "en", "there is nothing")]
    public async Task The_visitor_s_languages_are_explained(string? languages, string chosen, string because)
    {
        var run = await Server.RunCliAsync(
            Ct,
            [
                "explain",
                "wgt_main_content.faq",
                "--json",
                .. languages is null ? [] : new[] { "--accept-language", languages },
            ]
        );
        var locale = JsonNode.Parse(run.Output)!["explanation"]!["locale"]!;
        ((string)locale["chosen"]!).ShouldBe(chosen);
        ((string)locale["because"]!).ShouldContain(because);
    }

    [Fact]
    public async Task Files_are_explained_as_well()
    {
        var manifest = await Server.RunCliAsync(Ct, "explain", "/w/wgt_main_content.faq/manifest.json", "--json");
        ((string)JsonNode.Parse(manifest.Output)!["explanation"]!["target"]!).ShouldBe("manifest");
        using var visitor = new HttpClient { BaseAddress = Server.Address };
        var locales = JsonNode.Parse(await visitor.GetStringAsync("w/wgt_main_content.faq/manifest.json", Ct))![
            "locales"
        ]!;
        var artifact = (string)locales["en"]!["artifact"]!;
        var explained = await Server.RunCliAsync(Ct, "explain", artifact);
        explained.ExitCode.ShouldBe(0, explained.Errors);
        explained.Output.ShouldContain("its name is its digest");
    }

    [Fact]
    public async Task What_is_not_published_is_explained_with_exit_code_1()
    {
        var run = await Server.RunCliAsync(Ct, "explain", "wgt_curated_nobody-has-this");
        run.ExitCode.ShouldBe(1);
        run.Output.ShouldContain("nothing is published");
        (await Server.RunCliAsync(Ct, "explain", "https://")).ExitCode.ShouldBe(2);
        (await Server.RunCliAsync(Ct, "explain", "/v1/keys")).ExitCode.ShouldBe(2);
    }

    [Fact]
    public async Task To_strangers_the_parameter_is_one_that_nobody_knows()
    {
        using var visitor = new HttpClient { BaseAddress = Server.Address };
        using var plain = await visitor.GetAsync("e/wgt_main_content.faq", Ct);
        using var asked = await visitor.GetAsync("e/wgt_main_content.faq?explain", Ct);
        asked.Headers.ETag.ShouldBe(plain.Headers.ETag);
        asked.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
        foreach (var answer in new[] { plain, asked })
            answer.Headers.Contains("Server-Timing").ShouldBeFalse();

        using var request = new HttpRequestMessage(HttpMethod.Get, "e/wgt_main_content.faq?explain=1");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "plk_made_up");
        using var refused = await visitor.SendAsync(request, Ct);
        refused.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        refused.Headers.Contains("Server-Timing").ShouldBeFalse();
        refused.Headers.CacheControl!.NoStore.ShouldBeTrue();

        using var client = Server.OpenClient();
        using var explained = await client.GetAsync("e/wgt_main_content.faq?explain", Ct);
        explained.Headers.CacheControl!.NoStore.ShouldBeTrue();
        string.Join(',', explained.Headers.GetValues("Server-Timing")).ShouldContain("find;dur=");
        using var read = await client.GetAsync("v1/instances/wgt_main_content.faq", Ct);
        read.Headers.GetValues("Server-Timing").Single().ShouldStartWith("total;dur=");
        JsonDocument
            .Parse(await explained.Content.ReadAsStringAsync(Ct))
            .RootElement.GetProperty("node")
            .ValueKind.ShouldBe(JsonValueKind.Object);
    }
}

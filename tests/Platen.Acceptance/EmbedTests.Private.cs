using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Widgets that are shown to who has a token: the token ends, and another takes its place.</summary>
public sealed partial class EmbedTests
{
    [Fact]
    public async Task A_token_is_renewed_without_losing_what_a_visitor_wrote()
    {
        await using var site = await PrivateSite.StartAsync(browser.Host.Address);
        var first = await site.TokenAsync();
        await using var visit = await VisitAsync(
            $"<platen-widget id=\"w\" public-id=\"{site.Id}\" token=\"{first}\"></platen-widget>{site.Loader}",
            prepare: page => page.AddInitScriptAsync(OpenFor(10_000))
        );
        await visit.HeardAsync("ready");
        visit.Frame().Url.ShouldContain(first);

        // The page around renews it before it ends: nothing is loaded again.
        var email = visit.Frame().Locator("input[type=email]");
        await email.FillAsync("ada@example.org");
        await SetTokenAsync(visit, "w", await site.TokenAsync());
        await visit.SettleAsync();
        (await email.InputValueAsync()).ShouldBe("ada@example.org");
        Asked(visit).ShouldBe(1);

        // What is sent with a token that holds comes back to the page.
        await visit.Frame().Locator("input[type=checkbox]").CheckAsync();
        await visit.Frame().Locator("button").First.ClickAsync();
        await Assertions.Expect(visit.Frame().GetByText("Thanks")).ToBeVisibleAsync();
        visit.Frame().Url.ShouldContain(first);
        await visit.HeardAsync("submit");

        // Now every token has ended, in the middle of a form.
        await visit.Page.ReloadAsync();
        await visit.HeardAsync("ready");
        await visit.Frame().Locator("input[type=email]").FillAsync("grace@example.org");
        await visit.Frame().Locator("input[type=checkbox]").CheckAsync();
        await site.EndTokensAsync();
        await visit.Frame().Locator("button").First.ClickAsync();
        // Whoever ends them all has a reason: what was begun with one is not kept either, and the page around is told.
        (await visit.HeardAsync("error"))
            .GetProperty("reason")
            .GetString()
            .ShouldBe("refused");
        (await site.SubmissionsAsync()).ShouldBe(["ada@example.org"]);

        // Whoever comes now is refused, quietly, and shown it with the next token.
        await visit.Page.ReloadAsync();
        (await visit.HeardAsync("error")).GetProperty("reason").GetString().ShouldBe("refused");
        await Assertions.Expect(visit.Page.Locator("#w [part=fallback]")).ToBeVisibleAsync();
        await SetTokenAsync(visit, "w", await site.TokenAsync());
        await visit.HeardAsync("ready");
        await Assertions.Expect(visit.Page.Locator("#w iframe")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_form_that_nobody_can_have_filled_in_so_fast_is_not_kept()
    {
        await using var site = await PrivateSite.StartAsync(browser.Host.Address);
        await using var visit = await VisitAsync(
            $"<platen-widget id=\"w\" public-id=\"{site.Id}\" theme=\"dark\" token=\"{await site.TokenAsync()}\"></platen-widget>{site.Loader}",
            prepare: page => page.AddInitScriptAsync(OpenFor(300))
        );
        await visit.HeardAsync("ready");
        await visit.Frame().Locator("input[type=email]").FillAsync("bot@example.org");
        await visit.Frame().Locator("input[type=checkbox]").CheckAsync();
        await visit.Frame().Locator("button").First.ClickAsync();
        // It is told what everybody is told, on the page it came from.
        await Assertions.Expect(visit.Frame().GetByText("Thanks")).ToBeVisibleAsync();
        (await visit.Frame().Locator("html").GetAttributeAsync("data-theme")).ShouldBe("dark");
        (await site.SubmissionsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_overlay_whose_token_has_ended_stays_open_while_the_page_renews_it()
    {
        await using var site = await PrivateSite.StartAsync(browser.Host.Address);
        var ended = await site.TokenAsync();
        await site.EndTokensAsync();
        var next = await site.TokenAsync();
        await using var visit = await VisitAsync(
            $$"""
            <platen-widget id="w" public-id="{{site.Id}}" mode="overlay" token="{{ended}}"><button id="trigger">News</button></platen-widget>{{site.Loader}}
            <script>
              addEventListener('platen:error', async (e) => {
                if (e.detail.reason === 'refused') e.target.setAttribute('token', await window.freshToken());
              });
            </script>
            """,
            prepare: page => page.ExposeFunctionAsync("freshToken", () => next)
        );
        await UntilAsync(visit.Page, "() => document.querySelector('#trigger').hasAttribute('aria-haspopup')");
        await visit.Page.ClickAsync("#trigger");
        await visit.HeardAsync("error");
        await visit.HeardAsync("ready");
        (await visit.Page.GetAttributeAsync("#w", "open")).ShouldNotBeNull();
        (await visit.Page.Locator("#w dialog[open]").CountAsync()).ShouldBe(1);
        await visit.Page.Keyboard.PressAsync("Escape");
        (await FocusAsync(visit.Page)).ShouldBe("trigger");
    }

    [Fact]
    public async Task A_token_of_another_site_shows_nothing_here()
    {
        await using var site = await PrivateSite.StartAsync(browser.Host.Address);
        await using var visit = await VisitAsync(
            $"""
            <platen-widget id="none" public-id="{site.Id}"></platen-widget>
            <platen-widget id="other" public-id="{site.Id}" token="{await site.TokenAsync(
                "https://elsewhere.example"
            )}"></platen-widget>{site.Loader}
            """
        );
        await visit.HeardAsync("error", 2);
        var said = await visit.Page.EvaluateAsync<JsonElement>(
            "said.map((e) => e.type + ' ' + e.tag + ' ' + e.reason).sort()"
        );
        said.EnumerateArray()
            .Select(one => one.GetString())
            .ShouldBe(["error none refused", "error other unreachable"]);
    }

    /// <summary>Pages believe that they have been open for so long: nobody here waits, and nobody's hand is as fast as a test's.</summary>
    private static string OpenFor(int milliseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"if (parent !== self) performance.now = () => {milliseconds};");

    [Fact]
    public async Task The_command_line_makes_tokens_says_who_sees_an_instance_and_explains_it()
    {
        await using var site = await PrivateSite.StartAsync(browser.Host.Address);
        var made = await site.RunAsync("embed", "token", site.Id, "--origin", "https://www.example.org", "--json");
        var token = JsonNode.Parse(made)!;
        token["origins"]!.AsArray().Single()!.GetValue<string>().ShouldBe("https://www.example.org");
        using var nobody = new HttpClient { BaseAddress = site.Address };
        using (var shown = await nobody.GetAsync(token["url"]!.GetValue<string>(), Ct))
            ((int)shown.StatusCode).ShouldBe(200);
        using (var refused = await nobody.GetAsync("/e/" + site.Id, Ct))
            ((int)refused.StatusCode).ShouldBe(401);
        // Whoever has a key is told why, and sees nothing of it by that.
        var why = await site.RunAsync("explain", "/e/" + site.Id, "--json");
        why.ShouldNotContain("Send me news.");

        await site.RunAsync("embed", "access", site.Id, "public");
        await site.RunAsync("publish", site.Id);
        await ServerProcess.WaitUntilAsync(
            "everybody sees it",
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                using var shown = await nobody.GetAsync("/e/" + site.Id, ct);
                return shown.IsSuccessStatusCode;
            },
            Ct
        );
    }

    private static int Asked(Visit visit) => visit.Requests.Count(url => url.Contains("/e/", StringComparison.Ordinal));

    private static Task SetTokenAsync(Visit visit, string id, string token) =>
        visit.Page.EvaluateAsync(
            "([id, token]) => document.getElementById(id).setAttribute('token', token)",
            new[] { id, token }
        );

    /// <summary>A server of its own, whose tokens can be ended, with a form that is not public.</summary>
    private sealed class PrivateSite(PlatenServer server, HttpClient owner, string id, string origin) : IAsyncDisposable
    {
        public string Id => id;

        public Uri Address => server.Address;

        public string Loader =>
            $"<script async src=\"{server.Address.GetLeftPart(UriPartial.Authority)}/embed/v1/loader.js\"></script>";

        public static async Task<PrivateSite> StartAsync(Uri host)
        {
            var server = await PlatenServer.StartAsync(PostgresFixture.NewFolder(), Ct, ("PLATEN_SAMPLES", "off"));
            var owner = server.OpenClient();
            await PostAsync(owner, "v1/workspaces", new { name = "Members", slug = "members-area" });
            var made = await PostAsync(
                owner,
                "v1/workspaces/members-area/instances",
                new
                {
                    widgetType = "engagement.newsletter",
                    access = "token",
                    config = new
                    {
                        heading = "News",
                        emailLabel = "E-mail",
                        consent = new { text = "Send me news." },
                        submitLabel = "Subscribe",
                        sent = new { heading = "Thanks" },
                        failed = new { heading = "Sorry" },
                    },
                }
            );
            var id = made["publicId"]!.GetValue<string>();
            using var publish = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{id}/publication");
            publish.Headers.TryAddWithoutValidation("If-Match", "*");
            using var published = await owner.SendAsync(publish, Ct);
            published.EnsureSuccessStatusCode();
            return new PrivateSite(server, owner, id, host.GetLeftPart(UriPartial.Authority));
        }

        public async Task<string> RunAsync(params string[] arguments)
        {
            var result = await server.RunCliAsync(Ct, arguments);
            result.ExitCode.ShouldBe(0, string.Join(' ', arguments) + ": " + result.Output + result.Errors);
            return result.Output;
        }

        public Task<string> TokenAsync() => TokenAsync(origin);

        public async Task<string> TokenAsync(string forOrigin) =>
            (await PostAsync(owner, $"v1/instances/{id}/embed-tokens", new { origins = new[] { forOrigin } }))[
                "token"
            ]!.GetValue<string>();

        public Task EndTokensAsync() => PostAsync(owner, "v1/signing-keys/rotate", new { endFormer = true });

        public async Task<string[]> SubmissionsAsync()
        {
            var list = await owner.GetFromJsonAsync<JsonNode>($"v1/instances/{id}/submissions", Ct);
            return [.. list!["items"]!.AsArray().Select(one => one!["fields"]!["email"]!.GetValue<string>())];
        }

        public async ValueTask DisposeAsync()
        {
            owner.Dispose();
            await server.DisposeAsync();
        }

        private static async Task<JsonNode> PostAsync(HttpClient client, string path, object body)
        {
            using var answer = await client.PostAsJsonAsync(path, body, Ct);
            var text = await answer.Content.ReadAsStringAsync(Ct);
            answer.IsSuccessStatusCode.ShouldBeTrue(path + ": " + text);
            return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
        }
    }
}

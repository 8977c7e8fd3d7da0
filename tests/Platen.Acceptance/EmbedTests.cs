using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Published widgets in other people's pages, in a real browser.</summary>
public sealed partial class EmbedTests(BrowserFixture browser)
{
    private const string Faq = "wgt_main_content.faq";

    /// <summary>Runs before anything else in every page: what the widgets say, and how far the page moves.</summary>
    private const string Witness = """
        window.said = [];
        for (const type of ['ready', 'open', 'close', 'submit', 'error'])
          document.addEventListener('platen:' + type, (e) =>
            said.push({ type, tag: e.target.id, mode: e.target.getAttribute('mode') ?? 'inline', ...e.detail }));
        window.moved = 0;
        window.movers = '';
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            moved += entry.value;
            for (const { node, previousRect, currentRect } of entry.sources)
              movers += `${node?.outerHTML?.slice(0, 120) ?? node?.nodeName} ${previousRect.y} -> ${currentRect.y}\n`;
          }
        }).observe({ type: 'layout-shift', buffered: true });
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Origin => browser.Address.GetLeftPart(UriPartial.Authority);

    private string Loader => $"<script async src=\"{Origin}/embed/v1/loader.js\"></script>";

    [Fact]
    public async Task Inline_it_has_its_height_asks_once_and_moves_nothing()
    {
        await using var visit = await VisitAsync(
            $"<main><h1>News</h1><platen-widget id=\"w\" public-id=\"{Faq}\"></platen-widget><p>After</p></main>{Loader}"
        );
        var ready = await visit.HeardAsync("ready");
        var height = ready.GetProperty("height").GetInt32();
        height.ShouldBeGreaterThan(500);
        (await HeightAsync(visit.Page)).ShouldBe(height);
        var frame = visit.Frame();
        (await frame.EvaluateAsync<int>("document.documentElement.offsetHeight")).ShouldBe(height);
        visit
            .Requests.Count(url => url.StartsWith(Origin, StringComparison.Ordinal))
            .ShouldBe(2, string.Join('\n', visit.Requests));

        // With the height that was measured, written where a page has its styles, nothing moves.
        await using var settled = await VisitAsync(
            $"<main><h1>News</h1><platen-widget id=\"w\" public-id=\"{Faq}\" height=\"{height}\"></platen-widget><p>After</p></main>{Loader}",
            style: string.Create(CultureInfo.InvariantCulture, $"platen-widget{{display:block;min-height:{height}px}}")
        );
        await settled.HeardAsync("ready");
        (await settled.MovedAsync()).ShouldBe(0);
        (await HeightAsync(settled.Page)).ShouldBe(height);
    }

    [Fact]
    public async Task A_loader_of_a_former_version_that_a_page_has_pinned_goes_on_working()
    {
        var former = await File.ReadAllBytesAsync(
            Path.Combine(Build.Repository, "web", "loader", "kept", "0.1.0-1.js"),
            Ct
        );
        var address = $"{Origin}/embed/{Convert.ToHexStringLower(SHA256.HashData(former))}/loader.js";
        var integrity = "sha384-" + Convert.ToBase64String(SHA384.HashData(former));
        await using var visit = await VisitAsync(
            $"""
            <platen-widget id="w" public-id="{Faq}"></platen-widget>
            <platen-widget id="o" public-id="{Faq}" mode="overlay"><button id="trigger">Questions</button></platen-widget>
            <script async src="{address}" integrity="{integrity}" crossorigin></script>
            """
        );
        var height = (await visit.HeardAsync("ready")).GetProperty("height").GetInt32();
        height.ShouldBeGreaterThan(500);
        (await HeightAsync(visit.Page)).ShouldBe(height);
        await visit.ClickBelowAsync(visit.Page.Locator("#trigger"));
        await visit.HeardAsync("open");
        await visit.HeardAsync("ready", 2);
        await visit.Page.Keyboard.PressAsync("Escape");
        await visit.HeardAsync("close");
        visit.Requests.ShouldContain(address);
        visit.Requests.ShouldNotContain(url => url.Contains("/embed/v1/", StringComparison.Ordinal));
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_opens_in_it_makes_it_higher()
    {
        await using var visit = await VisitAsync(
            $"<platen-widget id=\"w\" public-id=\"{Faq}\"></platen-widget>{Loader}"
        );
        var before = (await visit.HeardAsync("ready")).GetProperty("height").GetInt32();
        await visit.Frame().Locator("details:not([open]) summary").First.ClickAsync();
        await UntilAsync(
            visit.Page,
            "before => document.querySelector('#w').getBoundingClientRect().height > before",
            before
        );
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_far_away_is_asked_for_when_it_comes_near_and_moves_nothing_then()
    {
        await using var visit = await VisitAsync(
            $"<p>Top</p><div class=\"far\"></div><platen-widget id=\"w\" public-id=\"{Faq}\"></platen-widget><p id=\"end\">End</p>{Loader}",
            style: ".far{height:6000px}"
        );
        await UntilAsync(visit.Page, "() => !!customElements.get('platen-widget')");
        await visit.SettleAsync();
        visit.Requests.ShouldNotContain(url => url.Contains("/e/", StringComparison.Ordinal));
        // The connection is made meanwhile, once.
        (
            await visit.Page.EvaluateAsync<string[]>(
                "[...document.querySelectorAll('link[rel=preconnect]')].map((link) => new URL(link.href).origin)"
            )
        ).ShouldBe([Origin]);
        await visit.Page.EvaluateAsync("scrollTo(0, 4700)");
        await visit.HeardAsync("ready");
        await visit.Page.EvaluateAsync("scrollTo(0, 5600)");
        await visit.SettleAsync();
        (await visit.MovedAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task An_overlay_is_opened_used_and_left_with_the_keyboard_alone()
    {
        await using var visit = await VisitAsync(
            $"""
            <a href="#x" id="before">Before</a>
            <platen-widget id="w" public-id="{Faq}" mode="overlay"><button id="trigger">Questions</button></platen-widget>
            <a href="#y" id="after">After</a>{Loader}
            """
        );
        var page = visit.Page;
        await UntilAsync(page, "() => document.querySelector('#trigger').getAttribute('aria-expanded') === 'false'");
        visit.Requests.ShouldNotContain(url => url.Contains("/e/", StringComparison.Ordinal));
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Tab");
        (await FocusAsync(page)).ShouldBe("trigger");
        await page.Keyboard.PressAsync("Enter");
        await visit.HeardAsync("open");
        await visit.HeardAsync("ready");
        (await FocusAsync(page)).ShouldBe("w/close");
        (await page.GetAttributeAsync("#trigger", "aria-expanded")).ShouldBe("true");
        (await page.Locator("dialog").GetAttributeAsync("aria-label")).ShouldBe("Questions about Platen");

        // Round and round: into the page and out of it, never to what lies behind.
        var met = new HashSet<string>(StringComparer.Ordinal);
        for (var n = 0; n < 200 && !(met.Contains("w/frame") && met.Contains("w/close")); n++)
        {
            await page.Keyboard.PressAsync("Tab");
            met.Add(await FocusAsync(page));
        }
        met.ShouldContain("w/frame");
        met.ShouldContain("w/close");
        met.ShouldNotContain("before");
        met.ShouldNotContain("after");
        met.ShouldNotContain("trigger");
        await page.EvaluateAsync("document.querySelector('#after').focus()");
        (await FocusAsync(page)).ShouldNotBe("after");

        await page.Keyboard.PressAsync("Escape");
        (await visit.HeardAsync("close")).GetProperty("reason").GetString().ShouldBe("escape");
        (await FocusAsync(page)).ShouldBe("trigger");
        (await page.GetAttributeAsync("#trigger", "aria-expanded")).ShouldBe("false");
        visit.Complaints.ShouldBeEmpty();
        (await visit.MovedAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task Escape_inside_the_page_and_a_click_outside_close_an_overlay()
    {
        await using var visit = await VisitAsync(
            $"""<platen-widget id="w" public-id="{Faq}" mode="overlay"><button id="trigger">Questions</button></platen-widget>{Loader}"""
        );
        var page = visit.Page;
        await UntilAsync(page, "() => document.querySelector('#trigger').hasAttribute('aria-haspopup')");
        await page.ClickAsync("#trigger");
        await visit.HeardAsync("ready");
        await visit.Frame().Locator("summary").First.FocusAsync();
        await page.Keyboard.PressAsync("Escape");
        (await visit.HeardAsync("close")).GetProperty("reason").GetString().ShouldBe("escape");
        (await FocusAsync(page)).ShouldBe("trigger");

        await page.ClickAsync("#trigger");
        await page.Mouse.ClickAsync(5, 500);
        (await visit.HeardAsync("close", 2)).GetProperty("reason").GetString().ShouldBe("outside");
        (await FocusAsync(page)).ShouldBe("trigger");
        await page.ClickAsync("#trigger");
        await page.ClickAsync("#w [part=close]");
        (await visit.HeardAsync("close", 3)).GetProperty("reason").GetString().ShouldBe("button");
        // What was loaded once is not asked for again.
        visit.Requests.Count(url => url.Contains("/e/", StringComparison.Ordinal)).ShouldBe(1);
        (await page.EvaluateAsync<string>("said.map((e) => e.type).join()")).ShouldBe(
            "open,ready,close,open,close,open,close"
        );
    }

    [Fact]
    public async Task Anything_in_the_page_can_be_a_trigger_and_a_script_can_open_and_close()
    {
        await using var visit = await VisitAsync(
            $"""
            <nav><a class="help" href="/help">Help</a></nav>
            <platen-widget id="w" public-id="{Faq}" mode="overlay" trigger=".help" label="Help"></platen-widget>{Loader}
            """
        );
        var page = visit.Page;
        await UntilAsync(page, "() => document.querySelector('.help').hasAttribute('aria-haspopup')");
        await page.ClickAsync(".help");
        await visit.HeardAsync("ready");
        page.Url.ShouldNotContain("help");
        (await page.Locator("dialog").GetAttributeAsync("aria-label")).ShouldBe("Help");
        await page.EvaluateAsync("document.querySelector('#w').close()");
        (await visit.HeardAsync("close")).GetProperty("reason").GetString().ShouldBe("api");
        await page.EvaluateAsync("document.querySelector('#w').toggleAttribute('open', true)");
        await visit.HeardAsync("open", 2);
        await page.EvaluateAsync("document.querySelector('#w').removeAttribute('open')");
        await visit.HeardAsync("close", 2);
        await page.EvaluateAsync("document.querySelector('#w').open()");
        await visit.HeardAsync("open", 3);
    }

    [Theory]
    [InlineData("ltr", 390)]
    [InlineData("rtl", 1280)]
    [InlineData("ltr", 1280)]
    public async Task A_popover_stands_at_its_trigger_within_the_window(string direction, int width)
    {
        await using var visit = await VisitAsync(
            $"""
            <button id="elsewhere">Elsewhere</button>
            <p>Some text <platen-widget id="w" public-id="{Faq}" mode="popover"><button id="trigger">?</button></platen-widget></p>{Loader}
            """,
            options: new BrowserNewContextOptions
            {
                ViewportSize = new ViewportSize { Width = width, Height = 800 },
            },
            root: $" dir=\"{direction}\""
        );
        var page = visit.Page;
        await UntilAsync(page, "() => document.querySelector('#trigger').hasAttribute('aria-haspopup')");
        await page.ClickAsync("#trigger");
        await visit.HeardAsync("ready");
        var panel = (await page.Locator("#w [part=panel]").BoundingBoxAsync())!;
        var trigger = (await page.Locator("#trigger").BoundingBoxAsync())!;
        panel.X.ShouldBeGreaterThanOrEqualTo(0);
        (panel.X + panel.Width).ShouldBeLessThanOrEqualTo(width);
        (panel.Y + panel.Height).ShouldBeLessThanOrEqualTo(800);
        panel.Y.ShouldBeGreaterThan(trigger.Y + trigger.Height);
        if (width > 1000 && direction == "rtl")
            (panel.X + panel.Width).ShouldBe(trigger.X + trigger.Width, 1);
        else if (width > 1000)
            panel.X.ShouldBe(trigger.X, 1);
        await page.ScreenshotAsync(
            new PageScreenshotOptions
            {
                Animations = ScreenshotAnimations.Disabled,
                Path = Path.Combine(
                    BrowserFixture.Screenshots,
                    string.Create(CultureInfo.InvariantCulture, $"embed-popover-{direction}-{width}.png")
                ),
            }
        );

        // Not modal: what is around it goes on working, and using it closes this.
        await page.ClickAsync("#elsewhere");
        (await visit.HeardAsync("close")).GetProperty("reason").GetString().ShouldBe("outside");
        (await FocusAsync(page)).ShouldBe("elsewhere");
        await page.ClickAsync("#trigger");
        await visit.HeardAsync("open", 2);
        await page.ClickAsync("#trigger");
        (await visit.HeardAsync("close", 2)).GetProperty("reason").GetString().ShouldBe("button");
        await page.ClickAsync("#trigger");
        await page.Keyboard.PressAsync("Escape");
        (await visit.HeardAsync("close", 3)).GetProperty("reason").GetString().ShouldBe("escape");
        (await FocusAsync(page)).ShouldBe("trigger");
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task It_works_in_a_page_that_allows_nearly_nothing_and_isolates_itself()
    {
        using var client = browser.OpenClient();
        var manifest = await client.GetFromJsonAsync<JsonElement>("embed/v1/manifest.json", Ct);
        var loader = manifest.GetProperty("loader");
        var source = Origin + loader.GetProperty("pinned").GetString();
        var script =
            $"<script async crossorigin=\"anonymous\" integrity=\"{loader.GetProperty("integrity").GetString()}\" src=\"{source}\"></script>";
        await using var visit = await VisitAsync(
            $"""
            <platen-widget id="w" public-id="{Faq}"></platen-widget>
            <platen-widget id="o" public-id="{Faq}" mode="overlay"><button id="trigger">Questions</button></platen-widget>{script}
            """,
            headers:
            [
                (
                    "Content-Security-Policy",
                    $"default-src 'none'; script-src {source}; frame-src {Origin}; base-uri 'none'; form-action 'none'; "
                        + "require-trusted-types-for 'script'; trusted-types 'none'"
                ),
                ("Cross-Origin-Embedder-Policy", "require-corp"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
            ]
        );
        await visit.HeardAsync("ready");
        await visit.ClickBelowAsync(visit.Page.Locator("#trigger"));
        await visit.HeardAsync("ready", 2);
        (await visit.Page.EvaluateAsync<bool>("crossOriginIsolated")).ShouldBeTrue();
        (
            await visit.Page.EvaluateAsync<string>(
                "getComputedStyle(document.querySelector('#o').shadowRoot.querySelector('dialog')).position"
            )
        ).ShouldBe("fixed");
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Several_on_a_page_share_one_loader_one_name_and_no_storage()
    {
        var many = string.Concat(
            Enumerable
                .Range(0, 5)
                .Select(n =>
                    $"<platen-widget id=\"w{n}\" public-id=\"{Faq}\" loading=\"eager\" locale=\"{(n % 2 == 0 ? "en" : "de")}\"></platen-widget>"
                )
        );
        await using var visit = await VisitAsync(
            $"<script>before = Object.getOwnPropertyNames(window)</script>{many}{Loader}{Loader}"
                + $"<script async src=\"{Origin}/embed/v1/loader.js\" data-widget=\"{Faq}\" data-mode=\"popover\" data-label=\"More\" data-close-label=\"Schließen\"></script>"
        );
        var page = visit.Page;
        await visit.HeardAsync("ready", 5);
        (await page.EvaluateAsync<string>("said.map((e) => e.tag).sort().join()")).ShouldBe("w0,w1,w2,w3,w4");
        (
            await page.EvaluateAsync<bool>(
                "[0, 1].every((n) => document.querySelector('#w' + n).clientHeight === document.querySelector('#w' + (n + 2)).clientHeight)"
            )
        ).ShouldBeTrue();
        await UntilAsync(page, "() => document.querySelector('platen-widget[mode=popover]')");
        (
            await page.EvaluateAsync<string>(
                "Object.getOwnPropertyNames(window).filter((name) => !before.includes(name) && name !== 'before' && !/^w\\d$/.test(name)).join()"
            )
        ).ShouldBe("Platen");
        (await page.EvaluateAsync<string>("JSON.stringify(Platen)")).ShouldBe(
            $"{{\"protocol\":1,\"origin\":\"{Origin}\"}}"
        );
        await visit.ClickBelowAsync(page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "More" }));
        await visit.HeardAsync("ready", 6);
        (await page.GetAttributeAsync("platen-widget[mode=popover] [part=close]", "aria-label")).ShouldBe("Schließen");

        (await page.Context.CookiesAsync()).ShouldBeEmpty();
        (await page.EvaluateAsync<int>("localStorage.length + sessionStorage.length")).ShouldBe(0);
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Taken_out_put_in_again_moved_and_changed_it_leaves_nothing_behind()
    {
        await using var visit = await VisitAsync(
            $"""
            <button id="trigger">Open</button><div id="a"><platen-widget id="w" public-id="{Faq}" mode="overlay" trigger="#trigger"></platen-widget></div>
            <div id="b"></div>{Loader}
            """
        );
        var page = visit.Page;
        await UntilAsync(page, "() => document.querySelector('#trigger').hasAttribute('aria-haspopup')");
        await page.ClickAsync("#trigger");
        await visit.HeardAsync("ready");

        // A router replaces the view while the overlay is open.
        await page.EvaluateAsync("window.kept = document.querySelector('#w'); kept.remove()");
        (await page.EvaluateAsync<string>("said.at(-1).type")).ShouldBe(
            "ready",
            "nobody hears an element that is gone"
        );
        (await FocusAsync(page)).ShouldBe("trigger");
        (
            await page.EvaluateAsync<bool>("document.querySelector('#trigger').hasAttribute('aria-haspopup')")
        ).ShouldBeFalse();
        await page.ClickAsync("#trigger");
        await visit.SettleAsync();
        (await page.Locator("dialog").CountAsync()).ShouldBe(0);

        await page.EvaluateAsync("document.querySelector('#b').append(kept)");
        await page.ClickAsync("#trigger");
        await visit.HeardAsync("ready", 2);
        await page.Keyboard.PressAsync("Escape");
        await visit.HeardAsync("close");

        await page.EvaluateAsync("kept.setAttribute('mode', 'inline'); kept.removeAttribute('trigger')");
        await visit.HeardAsync("ready", 3);
        (await page.Locator("dialog").CountAsync()).ShouldBe(0);
        await page.EvaluateAsync("kept.setAttribute('locale', 'de'); kept.setAttribute('theme', 'dark')");
        await visit.HeardAsync("ready", 4);
        (await visit.Frame().Locator("html").GetAttributeAsync("lang")).ShouldBe("de");
        // Two attributes were one change.
        visit.Requests.Count(url => url.Contains("/e/", StringComparison.Ordinal)).ShouldBe(4);

        await page.EvaluateAsync(
            "for (let n = 0; n < 50; n++) { kept.remove(); document.querySelector('#a').append(kept); }"
        );
        await visit.HeardAsync("ready", 5);
        (await page.EvaluateAsync<int>("kept.shadowRoot.querySelectorAll('iframe').length")).ShouldBe(1);
        visit.Complaints.RemoveAll(c => c.Contains("ERR_ABORTED", StringComparison.Ordinal));
        visit.Complaints.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(ReducedMotion.Reduce, 0)]
    [InlineData(ReducedMotion.NoPreference, 1)]
    public async Task Nothing_moves_for_who_asked_for_that(ReducedMotion motion, int animations)
    {
        await using var visit = await VisitAsync(
            $"""<platen-widget id="w" public-id="{Faq}" mode="overlay"><button id="trigger">Open</button></platen-widget>{Loader}""",
            options: new BrowserNewContextOptions { ReducedMotion = motion }
        );
        await UntilAsync(visit.Page, "() => document.querySelector('#trigger').hasAttribute('aria-haspopup')");
        (
            await visit.Page.EvaluateAsync<int>(
                """
                () => { const w = document.querySelector('#w'); w.open();
                        return w.shadowRoot.querySelector('dialog').getAnimations().length; }
                """
            )
        ).ShouldBe(animations);
    }

    [Fact]
    public async Task Without_the_loader_there_is_what_the_author_wrote()
    {
        var complaints = new List<string>();
        var page = await browser.NewPageAsync(new BrowserNewContextOptions(), complaints);
        await page.RouteAsync("**/embed/**", route => route.AbortAsync());
        await page.GotoAsync(
            Page(
                $"<platen-widget public-id=\"{Faq}\"><a href=\"{Origin}/e/{Faq}\">Questions</a></platen-widget>{Loader}"
            )
        );
        await Assertions.Expect(page.GetByText("Questions")).ToBeVisibleAsync();
        await page.Context.CloseAsync();
    }

    [Theory]
    [InlineData("wgt_main_nothing", null, "refused")]
    [InlineData("nonsense", null, "invalid")]
    [InlineData(Faq, "http://127.0.0.1:1", "unreachable")]
    public async Task What_cannot_be_shown_is_said_and_leaves_a_quiet_link(string id, string? origin, string reason)
    {
        var from = origin is null ? "" : $" origin=\"{origin}\"";
        await using var visit = await VisitAsync(
            $"""
            <platen-widget id="w" public-id="{id}"{from} height="200"></platen-widget>
            <platen-widget id="own" public-id="{id}"{from}><a href="/contact">Write to us</a></platen-widget>{Loader}
            """
        );
        await visit.HeardAsync("error", 2);
        (await visit.Page.EvaluateAsync<string>("said.map((e) => e.reason).join()")).ShouldBe($"{reason},{reason}");
        (await visit.Page.EvaluateAsync<bool>("said.every((e) => e.type === 'error')")).ShouldBeTrue();
        await Assertions.Expect(visit.Page.GetByText("Write to us")).ToBeVisibleAsync();
        if (reason != "invalid")
        {
            await Assertions.Expect(visit.Page.Locator("#w [part=fallback]")).ToBeVisibleAsync();
            (await visit.Page.Locator("#w [part=fallback]").GetAttributeAsync("href")).ShouldEndWith("/e/" + id);
            (await visit.Page.Locator("#w iframe").IsVisibleAsync()).ShouldBeFalse();
        }
    }

    [Fact]
    public async Task Only_the_sites_that_an_instance_names_can_show_it()
    {
        using var client = browser.OpenClient();
        await PublishAsync(client, "wgt_curated_only-here", browser.Host.Address.GetLeftPart(UriPartial.Authority));
        await PublishAsync(client, "wgt_curated_only-there", "https://elsewhere.example");
        await using var visit = await VisitAsync(
            $"""
            <platen-widget id="here" public-id="wgt_curated_only-here"></platen-widget>
            <platen-widget id="there" public-id="wgt_curated_only-there"></platen-widget>{Loader}
            """
        );
        (await visit.HeardAsync("ready")).GetProperty("tag").GetString().ShouldBe("here");
        (await visit.HeardAsync("error")).GetProperty("tag").GetString().ShouldBe("there");
    }

    [Fact]
    public async Task A_form_that_was_sent_is_said_once_and_a_widget_that_closed_itself_takes_no_room()
    {
        var script = await File.ReadAllTextAsync(
            Path.Combine(Build.Repository, "src", "Platen.Platform", "Http", "frame.js"),
            Ct
        );
        // A server of another make that speaks the protocol.
        var origin = browser.Host.Address.GetLeftPart(UriPartial.Authority);
        browser.Host.Put(
            "/e/wgt_main_sender",
            $"<!doctype html><title>Send</title><form action=\"/e/wgt_main_thanks\"><button>Send</button></form><script>{script}</script>"
        );
        browser.Host.Put(
            "/e/wgt_main_thanks",
            "<!doctype html><html data-platen=\"submit\"><title>Thanks</title><style>body{margin:0}dialog{position:static}</style>"
                + $"<dialog open><form method=\"dialog\"><button>Done</button></form></dialog><script>{script}</script>"
        );
        await using var visit = await VisitAsync(
            $"<platen-widget id=\"w\" public-id=\"wgt_main_sender\" origin=\"{origin}\"></platen-widget>{Loader}"
        );
        await visit.HeardAsync("ready");
        await visit.Frame().GetByText("Send").ClickAsync();
        await visit.HeardAsync("submit");
        await visit.Frame().GetByText("Done").ClickAsync();
        await UntilAsync(visit.Page, "() => document.querySelector('#w').getBoundingClientRect().height === 0");
        (await visit.Page.EvaluateAsync<string>("said.map((e) => e.type).join()")).ShouldBe("ready,submit");
        visit.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_form_of_this_server_that_was_sent_is_said_once()
    {
        await using var visit = await VisitAsync(
            $"<platen-widget id=\"w\" public-id=\"wgt_main_forms.contact\"></platen-widget>{Loader}",
            prepare: page => page.AddInitScriptAsync(OpenFor(10_000))
        );
        await visit.HeardAsync("ready");
        // Sent without what it asks for, it comes back and says nothing.
        var frame = visit.Frame();
        await frame.EvaluateAsync("document.forms[0].noValidate = true");
        await frame.Locator("button[type=submit], button:not([type])").First.ClickAsync();
        await Assertions
            .Expect(visit.Page.FrameLocator("iframe").GetByText("Your message could not be sent"))
            .ToBeVisibleAsync();
        await visit.SettleAsync();
        (await visit.Page.EvaluateAsync<string>("said.map((e) => e.type).join()")).ShouldBe("ready");

        frame = visit.Frame();
        await frame.Locator("input[type=email]").FillAsync($"ada-{Guid.CreateVersion7():N}@example.org");
        await frame.Locator("select").SelectOptionAsync("question");
        await frame.Locator("textarea").FillAsync("Where is the loader?");
        await frame.Locator("button[type=submit], button:not([type])").First.ClickAsync();
        await visit.HeardAsync("submit");
        await Assertions
            .Expect(visit.Page.FrameLocator("iframe").GetByText("Thank you, your message has arrived"))
            .ToBeVisibleAsync();
        await visit.SettleAsync();
        (await visit.Page.EvaluateAsync<string>("said.map((e) => e.type).join()")).ShouldBe("ready,submit");
    }

    [Fact]
    public async Task A_page_that_speaks_for_another_is_not_believed()
    {
        var stranger = Page(
            "<script>for (const to of [parent, ...Array.from(parent.frames)]) to.postMessage({ platen: 1, type: 'size', height: 9999, title: 'x' }, '*')</script>"
        );
        await using var visit = await VisitAsync(
            $$"""
            <platen-widget id="w" public-id="{{Faq}}"></platen-widget>{{Loader}}
            <script>
              addEventListener('platen:ready', () => {
                for (const data of [{ platen: 1, type: 'size', height: 9999 }, { platen: 1, type: 'error' }]) postMessage(data, '*');
                const frame = document.createElement('iframe');
                frame.src = '{{stranger}}';
                frame.onload = () => { window.done = true; };
                document.body.append(frame);
              });
            </script>
            """
        );
        var height = (await visit.HeardAsync("ready")).GetProperty("height").GetInt32();
        await UntilAsync(visit.Page, "() => window.done");
        await visit.SettleAsync();
        (await HeightAsync(visit.Page)).ShouldBe(height);
        (await visit.Page.EvaluateAsync<int>("said.length")).ShouldBe(1);
    }

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("light", 390)]
    [InlineData("dark", 1280)]
    [InlineData("dark", 390)]
    public async Task The_demo_page_shows_everything_published_in_every_mode(string scheme, int width)
    {
        var complaints = new List<string>();
        var page = await browser.NewPageAsync(
            new BrowserNewContextOptions
            {
                ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                ViewportSize = new ViewportSize { Width = width, Height = 900 },
            },
            complaints
        );
        await page.AddInitScriptAsync(Witness);
        await page.GotoAsync(new Uri(browser.Address, "demo").ToString());
        page.Url.ShouldBe(browser.Demo.ToString());
        // Several tests publish here, and some instances may be shown elsewhere only.
        var shown = page.Locator($"section[data-id='{Faq}']");
        await ShownFromItsTopAsync(shown);
        await UntilAsync(page, "() => said.some((e) => e.type === 'ready')");
        await Shoot("page");
        foreach (var mode in (string[])["overlay", "popover"])
        {
            await shown.Locator($"platen-widget[mode={mode}] button").First.ClickAsync();
            await UntilAsync(
                page,
                "mode => document.querySelector(`section[data-id='wgt_main_content.faq'] platen-widget[mode=${mode}]`).shadowRoot.querySelector('iframe')?.title",
                mode
            );
            await Shoot(mode);
            await page.Keyboard.PressAsync("Escape");
            await UntilAsync(
                page,
                "mode => said.filter((e) => e.type === 'close').length >= (mode === 'overlay' ? 1 : 2)",
                mode
            );
        }
        (await page.Locator("section").CountAsync()).ShouldBeGreaterThanOrEqualTo(1);
        (await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth")).ShouldBeTrue();
        await MovesNothingAsync(page);
        complaints.RemoveAll(c =>
            c.Contains("frame-ancestors", StringComparison.Ordinal)
            || c.Contains("ERR_BLOCKED_BY_RESPONSE", StringComparison.Ordinal)
        );
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();

        Task Shoot(string what) =>
            page.ScreenshotAsync(
                new PageScreenshotOptions
                {
                    Animations = ScreenshotAnimations.Disabled,
                    Path = Path.Combine(
                        BrowserFixture.Screenshots,
                        string.Create(CultureInfo.InvariantCulture, $"demo-{what}-{scheme}-{width}.png")
                    ),
                }
            );
    }

    [Fact]
    public async Task The_demo_page_shows_every_type_in_every_mode_on_a_foreign_origin()
    {
        var complaints = new List<string>();
        var page = await browser.NewPageAsync(
            new BrowserNewContextOptions
            {
                ReducedMotion = ReducedMotion.Reduce,
                ViewportSize = new ViewportSize { Width = 1280, Height = 900 },
            },
            complaints
        );
        await page.AddInitScriptAsync(Witness);
        await page.GotoAsync(browser.Demo.ToString());
        new Uri(page.Url).Authority.ShouldNotBe(browser.Address.Authority);
        var types = await page.Locator("section h2").AllTextContentsAsync();
        var known = Directory.EnumerateDirectories(Path.Combine(Build.Repository, "widgets")).Select(Path.GetFileName);
        types.Distinct().ShouldBe(known, ignoreOrder: true);
        foreach (var type in types.Distinct())
        {
            var section = page.Locator($"section[data-id='wgt_main_{type}']");
            var id = "wgt_main_" + type;
            await ShownFromItsTopAsync(section);
            await SaidAsync("ready", id, "inline");
            foreach (var mode in (string[])["overlay", "popover"])
            {
                var button = section.Locator($"platen-widget[mode={mode}] button").First;
                await button.ClickAsync();
                await SaidAsync("ready", id, mode);
                var panel = section.Locator($"platen-widget[mode={mode}] [part=panel]");
                var box = (await panel.BoundingBoxAsync())!;
                box.Width.ShouldBeGreaterThan(300, id + mode);
                box.Height.ShouldBeInRange(60, 900, id + mode);
                await ShootAsync(page, $"demo-{type}-{mode}");
                await page.Keyboard.PressAsync("Escape");
                await SaidAsync("close", id, mode);
                (await button.EvaluateAsync<bool>("button => button === document.activeElement")).ShouldBeTrue(
                    id + mode
                );
            }
        }
        await MovesNothingAsync(page);
        complaints.RemoveAll(c =>
            c.Contains("frame-ancestors", StringComparison.Ordinal)
            || c.Contains("ERR_BLOCKED_BY_RESPONSE", StringComparison.Ordinal)
        );
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();

        Task SaidAsync(string what, string id, string mode) =>
            UntilAsync(
                page,
                "([type, id, mode]) => said.some((e) => e.type === type && e.publicId === id && e.mode === mode)",
                new[] { what, id, mode }
            );
    }

    [Theory]
    [InlineData(1280)]
    [InlineData(390)]
    public async Task Whoever_reads_the_demo_page_to_its_end_sees_every_widget_and_nothing_move(int width)
    {
        var page = await browser.NewPageAsync(
            new BrowserNewContextOptions
            {
                ReducedMotion = ReducedMotion.Reduce,
                ViewportSize = new ViewportSize { Width = width, Height = 900 },
            },
            []
        );
        await page.AddInitScriptAsync(Witness);
        await page.GotoAsync(browser.Demo.ToString());
        // Other tests publish here too; of what they publish nobody has written a height down.
        foreach (var id in PlatenServer.Samples)
        {
            await ShownFromItsTopAsync(page.Locator($"section[data-id='{id}']"));
            await UntilAsync(
                page,
                "id => said.some((e) => e.type === 'ready' && e.publicId === id && e.mode === 'inline')",
                id
            );
            await MovesNothingAsync(page);
        }
        await page.Context.CloseAsync();
    }

    /// <summary>As a link to it would show it.</summary>
    private static Task ShownFromItsTopAsync(ILocator section) =>
        section.EvaluateAsync("section => section.scrollIntoView({ block: 'start', behavior: 'instant' })");

    /// <summary>Cumulative layout shift, with what follows input counted as well; the browser has told all of it after two frames.</summary>
    private static async Task MovesNothingAsync(IPage page)
    {
        await page.EvaluateAsync(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        );
        (await page.EvaluateAsync<double>("moved")).ShouldBe(0, await page.EvaluateAsync<string>("movers"));
    }

    private static Task ShootAsync(IPage page, string name) =>
        page.ScreenshotAsync(
            new PageScreenshotOptions
            {
                Animations = ScreenshotAnimations.Disabled,
                Path = Path.Combine(BrowserFixture.Screenshots, name + ".png"),
            }
        );

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task A_page_with_an_open_overlay_is_accessible(string scheme)
    {
        await using var visit = await VisitAsync(
            $"""
            <main><h1>A page</h1><platen-widget id="w" public-id="{Faq}" label="Questions"></platen-widget>
            <platen-widget id="o" public-id="{Faq}" mode="overlay"><button id="trigger">Open</button></platen-widget></main>{Loader}
            """,
            options: new BrowserNewContextOptions
            {
                ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                ReducedMotion = ReducedMotion.Reduce,
            }
        );
        await visit.HeardAsync("ready");
        (await ViolationsAsync(visit.Page)).ShouldBeEmpty();
        await visit.ClickBelowAsync(visit.Page.Locator("#trigger"));
        await visit.HeardAsync("ready", 2);
        (await ViolationsAsync(visit.Page)).ShouldBeEmpty();
        await visit.Page.ScreenshotAsync(
            new PageScreenshotOptions
            {
                Animations = ScreenshotAnimations.Disabled,
                Path = Path.Combine(BrowserFixture.Screenshots, $"embed-overlay-{scheme}.png"),
            }
        );
    }

    [Theory]
    [InlineData("e/wgt_main_content.faq")]
    [InlineData("e/wgt_main_engagement.announcement")]
    [InlineData("e/wgt_main_engagement.newsletter")]
    [InlineData("e/wgt_main_forms.contact")]
    [InlineData("e/wgt_main_social.proof")]
    [InlineData("e/wgt_main_social.testimonials")]
    [InlineData("e/wgt_main_nothing")]
    [InlineData("e/wgt_main_nothing?locale=ar")]
    [InlineData("e/nonsense")]
    [InlineData("")]
    [InlineData("demo")]
    [InlineData("gallery")]
    [InlineData("problems")]
    [InlineData("problems/not-found")]
    [InlineData("sign-in")]
    [InlineData("reset")]
    public async Task The_policy_of_every_page_has_no_finding_of_weight(string path)
    {
        using var client = new HttpClient { BaseAddress = browser.Address };
        using var response = await client.GetAsync(path, Ct);
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        var findings = await EvaluateAsync(policy);
        // Information about what old browsers do with a hash is 60; everything graver is a fault.
        findings
            .Where(finding => finding.Severity < 60 && !finding.Text.Contains(OnLoopback, StringComparison.Ordinal))
            .ShouldBeEmpty($"{path}: {policy}");
    }

    /// <summary>True of an address of this machine, which has no certificate: the demo page frames the server of a test.</summary>
    private const string OnLoopback = "frame-src http://127.0.0.1";

    [Fact]
    public async Task A_weak_policy_is_found()
    {
        var findings = await EvaluateAsync("script-src 'unsafe-inline' *");
        findings.ShouldContain(finding => finding.Severity == 10);
    }

    private static async Task<List<(string Text, int Severity)>> EvaluateAsync(string policy)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, policy, Ct);
            var script = Path.Combine(Build.Repository, "web", "csp", "evaluate.mjs");
            var result = await CommandResult.RunAsync(["node", script, file], Ct);
            result.ExitCode.ShouldBe(0, result.Errors);
            return
            [
                .. JsonNode
                    .Parse(result.Output)!
                    .AsArray()
                    .Select(f =>
                        ($"{f!["directive"]} {f["value"]}: {f["description"]}", f["severity"]!.GetValue<int>())
                    ),
            ];
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<List<string>> ViolationsAsync(IPage page)
    {
        await page.EvaluateAsync(browser.Axe);
        var result = await page.EvaluateAsync<JsonElement>("axe.run(document, { iframes: false })");
        return
        [
            .. result
                .GetProperty("violations")
                .EnumerateArray()
                .Select(v =>
                    $"{v.GetProperty("id").GetString()}: {v.GetProperty("nodes")[0].GetProperty("html").GetString()}"
                ),
        ];
    }

    /// <summary>Which element has the focus: its id, and its part when it is within a widget.</summary>
    private static Task<string> FocusAsync(IPage page) =>
        page.EvaluateAsync<string>(
            """
            () => { const e = document.activeElement; const inner = e?.shadowRoot?.activeElement;
                    return (e?.id ?? '') + (inner ? '/' + inner.part : ''); }
            """
        );

    /// <summary>
    /// Waits until a function of the page is true. Playwright's own way evaluates a text again and again, which a strict page forbids.
    /// </summary>
    private static Task UntilAsync(IPage page, string function, object? argument = null) =>
        page.EvaluateAsync(
            $$"""
            (argument) => new Promise((done, fail) => {
              const holds = {{function}};
              const began = performance.now();
              const look = () => {
                if (holds(argument)) done();
                else if (performance.now() - began > 30000) fail(new Error('It did not come to that; said: ' + JSON.stringify(window.said)));
                else setTimeout(look, 20);
              };
              look();
            })
            """,
            argument
        );

    private static Task<int> HeightAsync(IPage page) =>
        page.EvaluateAsync<int>("document.querySelector('#w').getBoundingClientRect().height");

    private static async Task PublishAsync(HttpClient client, string id, string origin)
    {
        var body = new JsonObject
        {
            ["widgetType"] = "content.faq",
            ["allowedOrigins"] = new JsonArray(origin),
            ["config"] = new JsonObject
            {
                ["heading"] = "For some",
                ["items"] = new JsonArray(
                    new JsonObject
                    {
                        ["id"] = "first",
                        ["question"] = "For whom?",
                        ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = "For some." }),
                    }
                ),
            },
        };
        using var put = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id)
        {
            Content = JsonContent.Create(body),
        };
        put.Headers.TryAddWithoutValidation("If-None-Match", "*");
        using var saved = await client.SendAsync(put, Ct);
        saved.EnsureSuccessStatusCode();
        using var publish = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{id}/publication");
        publish.Headers.TryAddWithoutValidation("If-Match", "*");
        using var published = await client.SendAsync(publish, Ct);
        published.EnsureSuccessStatusCode();
    }

    private string Page(string body, string style = "", string root = "", params (string, string)[] headers) =>
        browser.Host.Add(
            $"""
            <!doctype html><html lang="en"{root}><head><meta charset="utf-8"><title>Somebody's page</title>
            <meta name="viewport" content="width=device-width,initial-scale=1">{(
                style.Length == 0 ? "" : $"<style>{style}</style>"
            )}</head>
            <body>{body}</body></html>
            """,
            headers
        );

    private async Task<Visit> VisitAsync(
        string body,
        string style = "",
        BrowserNewContextOptions? options = null,
        string root = "",
        Func<IPage, Task>? prepare = null,
        params (string, string)[] headers
    )
    {
        options ??= new BrowserNewContextOptions();
        options.ViewportSize ??= new ViewportSize { Width = 1000, Height = 800 };
        var complaints = new List<string>();
        var page = await browser.NewPageAsync(options, complaints);
        var visit = new Visit(page, complaints);
        page.Request += (_, request) => visit.Requests.Add(request.Url);
        await page.AddInitScriptAsync(Witness);
        if (prepare is not null)
            await prepare(page);
        await page.GotoAsync(Page(body, style, root, headers));
        return visit;
    }

    private sealed class Visit(IPage page, List<string> complaints) : IAsyncDisposable
    {
        public IPage Page { get; } = page;

        public List<string> Complaints { get; } = complaints;

        public List<string> Requests { get; } = [];

        /// <summary>The page of the last widget.</summary>
        public IFrame Frame() =>
            Page.Frames.Last(frame => frame.Url.Contains("/e/", StringComparison.Ordinal) && !frame.IsDetached);

        /// <summary>Waits until the widgets have said something so often, and returns the last time.</summary>
        public async Task<JsonElement> HeardAsync(string type, int times = 1)
        {
            await UntilAsync(
                Page,
                "([type, times]) => said.filter((e) => e.type === type).length >= times",
                new object[] { type, times }
            );
            return await Page.EvaluateAsync<JsonElement>(
                "([type, times]) => said.filter((e) => e.type === type)[times - 1]",
                new object[] { type, times }
            );
        }

        public Task<double> MovedAsync() => Page.EvaluateAsync<double>("moved");

        /// <summary>
        /// Clicks on what lies below a widget. Until the scrolling is drawn, a browser would give the click to the frame that was there.
        /// </summary>
        public async Task ClickBelowAsync(ILocator target)
        {
            await target.ScrollIntoViewIfNeededAsync();
            await SettleAsync();
            await target.ClickAsync();
        }

        /// <summary>Lets the browser draw what it has, so that what was going to happen has.</summary>
        public Task SettleAsync() =>
            Page.EvaluateAsync(
                "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
            );

        public async ValueTask DisposeAsync() => await Page.Context.CloseAsync();
    }
}

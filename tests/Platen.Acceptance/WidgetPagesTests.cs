using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Platen.Testing.Servers;
using Platen.Testing.Widgets;

namespace Platen.Acceptance;

/// <summary>The pages of all widget types as a visitor meets them, in a real browser.</summary>
public sealed class WidgetPagesTests(BrowserFixture browser)
{
    private const string Contact = "e/wgt_main_forms.contact";
    private const string Newsletter = "e/wgt_main_engagement.newsletter";

    /// <summary>What moves, or would: elements with a duration, and animations on their way when everything is opened.</summary>
    private const string Moving = """
        () => {
            for (const folded of document.querySelectorAll('details')) { folded.open = false; folded.open = true; }
            const durations = style => [style.transitionDuration, style.animationDuration].join(',').split(',');
            const moving = [...document.querySelectorAll('*')].filter(element =>
                [null, '::before', '::after'].some(part =>
                    durations(getComputedStyle(element, part)).some(time => parseFloat(time) > 0)));
            return [...moving.map(element => element.tagName + '.' + element.className),
                ...document.getAnimations().filter(one => one.playState === 'running').map(one => String(one.animationName))];
        }
        """;

    /// <summary>How many answers nobody sees when their questions are folded up.</summary>
    private const string Answers = """
        () => {
            for (const folded of document.querySelectorAll('details')) folded.open = false;
            return [...document.querySelectorAll('.answer')].filter(answer =>
                !answer.checkVisibility({ contentVisibilityAuto: true }) || answer.getBoundingClientRect().height === 0).length;
        }
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string> Samples => [.. PlatenServer.Samples];

    public static TheoryData<string> Types =>
        [
            "content.faq",
            "engagement.announcement",
            "engagement.newsletter",
            "forms.contact",
            "social.proof",
            "social.testimonials",
        ];

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task It_is_accessible_and_fits_in_every_language_theme_and_width(string id)
    {
        await using var examined = await browser.ExamineAsync("e/" + id, "light", 1280);
        foreach (var locale in await LocalesAsync(id))
        {
            foreach (var theme in (string[])["light", "dark"])
            {
                await examined.Page.GotoAsync(
                    new Uri(browser.Address, $"e/{id}?locale={locale}&theme={theme}").ToString()
                );
                foreach (var width in (int[])[320, 360, 1280])
                {
                    var name = string.Create(CultureInfo.InvariantCulture, $"{id}-{locale}-{theme}-{width}");
                    await examined.Page.SetViewportSizeAsync(width, 900);
                    (await examined.OverflowsAsync()).ShouldBeFalse(name);
                    if (width == 320)
                        continue;
                    (await examined.ViolationsAsync()).ShouldBeEmpty(name);
                    if (locale is "en" or "ar")
                        await ShootAsync(examined.Page, name);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task It_breaks_no_policy_and_asks_nobody_else(string id)
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync("e/" + id, new BrowserNewContextOptions(), complaints);
        await page.WaitForLoadStateAsync(LoadState.NetworkIdle);
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();
    }

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Long_texts_in_every_field_stay_within_the_page(string type)
    {
        using var client = browser.OpenClient();
        var schema = await client.GetFromJsonAsync<JsonElement>($"widgets/{type}/schema.json", Ct);
        await using var examined = await browser.ExamineAsync("e/wgt_main_" + type, "light", 320);
        foreach (var (at, text) in NaughtyStrings.Long.Index())
        {
            // Each text meets one shape of the page, and so each shape one text or more.
            var shapes = FilledConfig.All(schema, text).ToList();
            var id = $"wgt_curated_long-{type.Replace('.', '-')}-{Number(at)}";
            await PublishAsync(client, id, type, shapes[at % shapes.Count]);
            await examined.Page.GotoAsync(new Uri(browser.Address, "e/" + id).ToString());
            (await examined.OverflowsAsync()).ShouldBeFalse($"{id}: {text[..20]}");
            using var gone = new HttpRequestMessage(HttpMethod.Delete, $"v1/instances/{id}/publication");
            gone.Headers.IfMatch.Add(EntityTagHeaderValue.Any);
            (await client.SendAsync(gone, Ct)).EnsureSuccessStatusCode();
        }
    }

    [Fact]
    public async Task A_form_is_checked_and_sent_without_scripts_and_shows_what_became_of_it()
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync(
            Contact,
            new BrowserNewContextOptions { JavaScriptEnabled = false },
            complaints
        );
        await page.GetByRole(AriaRole.Button).ClickAsync();
        await page.Locator("#e_message:visible").WaitForAsync();
        await ShootAsync(page, "forms-contact-refused");

        await page.Locator("#f_email").FillAsync("reader@example.org");
        await page.Locator("#f_topic").SelectOptionAsync("question");
        await page.Locator("#f_message").FillAsync("Grüße & <b>Fragen</b>");
        (await page.Locator("#e_message").IsVisibleAsync()).ShouldBeFalse();
        var post = await page.RunAndWaitForRequestAsync(
            () => page.GetByRole(AriaRole.Button).ClickAsync(),
            request => request.Method == "POST"
        );
        new Uri(post.Url).AbsolutePath.ShouldBe("/s/wgt_main_forms.contact");
        post.Headers["content-type"].ShouldBe("application/x-www-form-urlencoded");
        post.PostData.ShouldBe(
            "page_locale=en&started_at=&website_url=&name=&email=reader%40example.org&topic=question"
                + "&message=Gr%C3%BC%C3%9Fe+%26+%3Cb%3EFragen%3C%2Fb%3E"
        );

        foreach (var form in (string[])[Contact, Newsletter])
        {
            await page.GotoAsync(new Uri(browser.Address, form + "#sent_").ToString());
            (await page.Locator("#sent_").IsVisibleAsync()).ShouldBeTrue(form);
            (await page.Locator("form").IsVisibleAsync()).ShouldBeFalse(form);
            await page.GotoAsync(new Uri(browser.Address, form + "?again#failed_").ToString());
            (await page.Locator("#failed_").IsVisibleAsync()).ShouldBeTrue(form);
            (await page.Locator("form").IsVisibleAsync()).ShouldBeTrue(form);
        }
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_trap_of_a_form_is_out_of_reach_of_people()
    {
        await using var examined = await browser.ExamineAsync(Newsletter, "light", 1280);
        var names = new List<string>();
        for (var step = 0; step < 12; step++)
        {
            await examined.Page.Keyboard.PressAsync("Tab");
            names.Add(await examined.Page.EvaluateAsync<string>("document.activeElement.name ?? ''"));
        }
        names.ShouldContain("email");
        names.ShouldContain("consent");
        names.ShouldNotContain("website_url");
    }

    [Theory]
    [InlineData("wgt_main_engagement.announcement")]
    [InlineData("wgt_curated_world-book-day")]
    public async Task An_announcement_is_put_away_and_brought_back_without_scripts(string id)
    {
        var page = await browser.OpenAsync("e/" + id, new BrowserNewContextOptions { JavaScriptEnabled = false }, []);
        var message = page.Locator("h1");
        await page.Locator("summary").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await message.WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Hidden });
        (await page.Locator(".show").IsVisibleAsync()).ShouldBeTrue();
        await page.Keyboard.PressAsync("Enter");
        await message.WaitForAsync();
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_dialog_is_put_away_without_scripts()
    {
        var page = await browser.OpenAsync(
            "e/wgt_curated_public-domain-day",
            new BrowserNewContextOptions { JavaScriptEnabled = false },
            []
        );
        await page.GetByRole(AriaRole.Button).ClickAsync();
        await page.Locator("dialog").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Hidden });
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_row_of_quotations_scrolls_with_the_keyboard()
    {
        await using var examined = await browser.ExamineAsync("e/wgt_curated_makers-of-letters", "light", 800);
        await examined.Page.Locator(".track").FocusAsync();
        await examined.Page.Keyboard.PressAsync("ArrowRight");
        await examined.Page.WaitForFunctionAsync("document.querySelector('.track').scrollLeft > 40");
    }

    [Theory]
    [MemberData(nameof(Types))]
    public async Task It_prints_and_survives_forced_colours(string type)
    {
        var page = await browser.OpenAsync(
            "e/wgt_main_" + type,
            new BrowserNewContextOptions
            {
                ForcedColors = ForcedColors.Active,
                ReducedMotion = ReducedMotion.Reduce,
                ViewportSize = new ViewportSize { Width = 800, Height = 900 },
            },
            []
        );
        await ShootAsync(page, $"wgt_main_{type}-forced-colours");
        (await page.EvaluateAsync<string[]>(Moving)).ShouldBeEmpty("whoever asks for less motion gets none");
        if (type == "content.faq")
        {
            (await page.EvaluateAsync<int>(Answers)).ShouldBeGreaterThan(0, "some are folded up on a screen");
            await page.EmulateMediaAsync(new PageEmulateMediaOptions { ReducedMotion = ReducedMotion.NoPreference });
            (await page.EvaluateAsync<string[]>(Moving)).ShouldNotBeEmpty("there is motion to do without");
        }
        await page.EmulateMediaAsync(
            new PageEmulateMediaOptions
            {
                Media = Media.Print,
                ForcedColors = ForcedColors.None,
                ColorScheme = ColorScheme.Dark,
            }
        );
        (await page.Locator("h1").IsVisibleAsync()).ShouldBeTrue();
        // Paper has nothing to click on.
        foreach (var button in await page.Locator("form button, nav, summary:not(:has(h2, h3))").AllAsync())
            (await button.IsVisibleAsync()).ShouldBeFalse(type);
        if (type == "content.faq")
            (await page.EvaluateAsync<int>(Answers)).ShouldBe(0, "every answer is printed");
        if (type == "engagement.newsletter")
            (await page.Locator("form").IsVisibleAsync()).ShouldBeFalse();
        if (type == "forms.contact")
            (await page.Locator("textarea").IsVisibleAsync()).ShouldBeTrue("a form can be filled in by hand");
        await ShootAsync(page, $"wgt_main_{type}-print");
        await page.Context.CloseAsync();
    }

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 1280)]
    [InlineData("light", 360)]
    public async Task The_gallery_shows_every_showcase_in_a_frame(string scheme, int width)
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync(
            "gallery",
            new BrowserNewContextOptions
            {
                ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                ViewportSize = new ViewportSize { Width = width, Height = 900 },
            },
            complaints
        );
        foreach (var id in PlatenServer.Samples.Where(s => s.StartsWith("wgt_curated_", StringComparison.Ordinal)))
        {
            var frame = page.Locator($"iframe[src='/e/{id}']");
            await frame.ScrollIntoViewIfNeededAsync();
            await frame.ContentFrame.Locator("h1").WaitForAsync();
            (await frame.GetAttributeAsync("loading")).ShouldBe("lazy");
            (await frame.GetAttributeAsync("sandbox"))!.ShouldNotContain("allow-same-origin");
        }
        complaints.ShouldBeEmpty();
        // A browser paints the frames that are in sight, so all of them are.
        await page.SetViewportSizeAsync(width, 14_000);
        await ShootAsync(page, string.Create(CultureInfo.InvariantCulture, $"gallery-{scheme}-{width}"));
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "ar", Exact = true }).ClickAsync();
        var arabic = page.FrameLocator("iframe[src='/e/wgt_curated_world-book-day?locale=ar']")
            .Locator("html[dir=rtl]");
        await arabic.WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Attached });
        await page.Context.CloseAsync();
    }

    private async Task<IEnumerable<string>> LocalesAsync(string id)
    {
        using var client = new HttpClient { BaseAddress = browser.Address };
        var manifest = await client.GetFromJsonAsync<JsonElement>($"w/{id}/manifest.json", Ct);
        return [.. manifest.GetProperty("locales").EnumerateObject().Select(l => l.Name)];
    }

    private static async Task PublishAsync(HttpClient client, string id, string type, JsonObject config)
    {
        using var save = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id)
        {
            Content = JsonContent.Create(new { widgetType = type, config }),
        };
        save.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        using var saved = await client.SendAsync(save, Ct);
        saved.IsSuccessStatusCode.ShouldBeTrue(await saved.Content.ReadAsStringAsync(Ct));
        using var publish = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{id}/publication");
        // Some texts leave an element without a name or two with the same, which the gates have something against.
        publish.Content = JsonContent.Create(new { force = true, reason = "long texts" });
        publish.Headers.IfMatch.Add(EntityTagHeaderValue.Any);
        using var published = await client.SendAsync(publish, Ct);
        published.IsSuccessStatusCode.ShouldBeTrue(await published.Content.ReadAsStringAsync(Ct));
    }

    private static Task ShootAsync(IPage page, string name) =>
        page.ScreenshotAsync(
            new PageScreenshotOptions
            {
                Path = Path.Combine(BrowserFixture.Screenshots, name + ".png"),
                FullPage = true,
            }
        );

    private static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);
}

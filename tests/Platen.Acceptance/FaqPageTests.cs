using Microsoft.Playwright;

namespace Platen.Acceptance;

/// <summary>The FAQ as a visitor meets it, in a real browser.</summary>
public sealed class FaqPageTests(BrowserFixture browser)
{
    private const string Faq = "e/wgt_main_content.faq";

    [Theory]
    [InlineData("light", 1280, "")]
    [InlineData("light", 360, "")]
    [InlineData("dark", 1280, "")]
    [InlineData("dark", 360, "?locale=de")]
    [InlineData("light", 800, "?theme=dark")]
    public async Task It_is_accessible_fits_and_breaks_no_policy(string scheme, int width, string query)
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync(
            Faq + query,
            new BrowserNewContextOptions
            {
                ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                ViewportSize = new ViewportSize { Width = width, Height = 900 },
            },
            complaints
        );
        var name = $"faq-{scheme}-{width}{query.Replace("?", "-", StringComparison.Ordinal).Replace('=', '-')}.png";
        await page.ScreenshotAsync(
            new PageScreenshotOptions { Path = Path.Combine(BrowserFixture.Screenshots, name), FullPage = true }
        );
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();

        await using var examined = await browser.ExamineAsync(Faq + query, scheme, width);
        (await examined.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth")).ShouldBeTrue();
        (await examined.ViolationsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task It_works_with_the_keyboard_and_without_scripts()
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync(Faq, new BrowserNewContextOptions { JavaScriptEnabled = false }, complaints);
        var closed = page.Locator("details:not([open])").First;
        var question = closed.Locator("summary");
        var text = await question.InnerTextAsync();
        await question.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("details[open]", new PageLocatorOptions { HasText = text }).WaitForAsync();
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_language_of_the_visitor_is_served()
    {
        var complaints = new List<string>();
        var page = await browser.OpenAsync(Faq, new BrowserNewContextOptions { Locale = "de-AT" }, complaints);
        (await page.Locator("html").GetAttributeAsync("lang")).ShouldBe("de");
        await page.Context.CloseAsync();
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task The_servers_own_pages_are_accessible(string scheme)
    {
        foreach (var path in (string[])["", "gallery", "problems", "problems/stale-version", "e/wgt_main_nothing"])
        {
            var complaints = new List<string>();
            var page = await browser.OpenAsync(
                path,
                new BrowserNewContextOptions
                {
                    ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                    ViewportSize = new ViewportSize { Width = 700, Height = 900 },
                },
                complaints
            );
            var name = $"server-{path.Replace('/', '-')}-{scheme}.png";
            await page.ScreenshotAsync(
                new PageScreenshotOptions { Path = Path.Combine(BrowserFixture.Screenshots, name) }
            );
            complaints.RemoveAll(c => path.StartsWith("e/", StringComparison.Ordinal) && c.Contains("404"));
            complaints.ShouldBeEmpty(path);
            await page.Context.CloseAsync();
            await using var examined = await browser.ExamineAsync(path, scheme, 700);
            (await examined.ViolationsAsync()).ShouldBeEmpty(path);
        }
    }
}

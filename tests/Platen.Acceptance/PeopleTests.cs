using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>A person in a real browser, from the link that a new server prints to signing in with a passkey.</summary>
public sealed partial class PeopleTests(BrowserFixture browser)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_owner_sets_the_server_up_adds_a_passkey_and_signs_in_with_it()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        var link = SetupLink().Match(await BannerAsync(server)).Value;
        link.ShouldNotBeEmpty(server.Output);
        var origin = new Uri(link).GetLeftPart(UriPartial.Authority);
        var complaints = new List<string>();
        var page = await OpenAsync(link, complaints);

        // What is wrong is said beside its field.
        await FillAsync(page, "Your name", "Ada Lovelace");
        await FillAsync(page, "E-mail address", "ada@example.org");
        await FillAsync(page, "Password", "password123");
        await page.GetByRole(AriaRole.Button, new() { Name = "Become the owner" }).ClickAsync();
        (await page.GetByText("Many people use this password").IsVisibleAsync()).ShouldBeTrue();
        complaints.RemoveAll(c => c.Contains("422", StringComparison.Ordinal));
        await LookAsync(page, "people-setup-wrong");
        await FillAsync(page, "Password", "correct horse battery");
        await page.GetByRole(AriaRole.Button, new() { Name = "Become the owner" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/account?done=setup");

        // A passkey, from an authenticator that Chromium emulates.
        var tools = await page.Context.NewCDPSessionAsync(page);
        await tools.SendAsync("WebAuthn.enable");
        await tools.SendAsync(
            "WebAuthn.addVirtualAuthenticator",
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["options"] = new Dictionary<string, object>(StringComparer.Ordinal)
                {
                    ["protocol"] = "ctap2",
                    ["transport"] = "internal",
                    ["hasResidentKey"] = true,
                    ["hasUserVerification"] = true,
                    ["isUserVerified"] = true,
                    ["automaticPresenceSimulation"] = true,
                },
            }
        );
        await FillAsync(page, "Name of a new passkey", "Ada's laptop");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add a passkey" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/account?done=passkey");
        (await page.GetByText("Ada's laptop").IsVisibleAsync()).ShouldBeTrue();
        await LookAsync(page, "people-account");

        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        await page.WaitForURLAsync(origin + "/sign-in?done=out");
        await LookAsync(page, "people-sign-in");
        await page.GetByRole(AriaRole.Button, new() { Name = "Use a passkey" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/account");
        (await page.GetByText("by passkey").First.IsVisibleAsync()).ShouldBeTrue();

        // Cookies a script could read are none of ours.
        (await page.EvaluateAsync<string>("document.cookie")).ShouldBeEmpty();
        var cookie = (await page.Context.CookiesAsync()).Single();
        (cookie.Name, cookie.HttpOnly, cookie.SameSite).ShouldBe(("platen_session", true, SameSiteAttribute.Lax));

        // The link is used up, and the next start prints none.
        await page.GotoAsync(link);
        (await page.GetByText("This link is used up").IsVisibleAsync()).ShouldBeTrue();
        complaints.RemoveAll(c => c.Contains("410", StringComparison.Ordinal));
        await LookAsync(page, "people-link-spent");
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();

        (await server.InterruptAsync(Ct)).ShouldBe(0);
        await using var again = await PlatenServer.StartAsync(server.DataFolder, Ct, ("PLATEN_SAMPLES", "off"));
        SetupLink().IsMatch(await BannerAsync(again)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_forgotten_password_is_set_anew_without_scripts()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        var link = SetupLink().Match(await BannerAsync(server)).Value;
        var origin = new Uri(link).GetLeftPart(UriPartial.Authority);
        var complaints = new List<string>();
        var page = await OpenAsync(link, complaints, scripts: false);
        await FillAsync(page, "Your name", "Grace Hopper");
        await FillAsync(page, "E-mail address", "grace@example.org");
        await FillAsync(page, "Password", "correct horse battery");
        await page.GetByRole(AriaRole.Button, new() { Name = "Become the owner" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Forgot your password?" }).ClickAsync();
        await FillAsync(page, "E-mail address", "grace@example.org");
        await page.GetByRole(AriaRole.Button, new() { Name = "Send the link" }).ClickAsync();
        (await page.GetByText("Look into your mail").IsVisibleAsync()).ShouldBeTrue();
        var mailed = await MailedAsync(server, "/reset/");
        mailed.ShouldStartWith(origin);
        await page.GotoAsync(mailed);
        await FillAsync(page, "New password", "a sentence by hand");
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the password" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/sign-in?done=password");
        await FillAsync(page, "E-mail address", "grace@example.org");
        await FillAsync(page, "Password", "a sentence by hand");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync(origin + "/account");
        (await page.GetByRole(AriaRole.Heading, new() { Name = "Grace Hopper" }).IsVisibleAsync()).ShouldBeTrue();
        complaints.ShouldBeEmpty();
        await page.Context.CloseAsync();
    }

    private async Task<IPage> OpenAsync(string url, List<string> complaints, bool scripts = true)
    {
        var page = await browser.NewPageAsync(
            new BrowserNewContextOptions { JavaScriptEnabled = scripts },
            complaints,
            new Uri(url).Authority
        );
        page.SetDefaultTimeout(60_000);
        await page.GotoAsync(url);
        return page;
    }

    /// <summary>What the server printed, to the banner's last line.</summary>
    private static async Task<string> BannerAsync(PlatenServer server)
    {
        await ServerProcess.WaitUntilAsync(
            "the banner",
            TimeSpan.FromSeconds(30),
            _ => Task.FromResult(server.Output.Contains("Stop with Ctrl-C.", StringComparison.Ordinal)),
            Ct
        );
        return server.Output;
    }

    private static Task FillAsync(IPage page, string label, string text) =>
        page.GetByLabel(label, new() { Exact = true }).FillAsync(text);

    /// <summary>Light and dark, narrow and wide, without scrolling sideways and with nothing that axe complains about.</summary>
    private async Task LookAsync(IPage page, string name)
    {
        foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            foreach (var width in (int[])[320, 1280])
            {
                await page.EmulateMediaAsync(new() { ColorScheme = scheme });
                await page.SetViewportSizeAsync(width, 800);
                var size = width == 320 ? "narrow" : "wide";
                await page.ScreenshotAsync(
                    new()
                    {
                        Path = Path.Combine(
                            BrowserFixture.Screenshots,
                            $"{name}-{size}-{scheme.ToString().ToLowerInvariant()}.png"
                        ),
                        FullPage = true,
                    }
                );
                (await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth")).ShouldBeTrue(
                    $"{name} at {width} scrolls sideways"
                );
                await page.EvaluateAsync(browser.Axe);
                var violations = await page.EvaluateAsync<string[]>(
                    "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ')))"
                );
                violations.ShouldBeEmpty($"{name} {size} {scheme}");
            }
        }
    }

    private static async Task<string> MailedAsync(PlatenServer server, string path)
    {
        var folder = Path.Combine(server.DataFolder, "mail");
        var found = "";
        await ServerProcess.WaitUntilAsync(
            "the mail",
            TimeSpan.FromSeconds(60),
            async ct =>
            {
                if (!Directory.Exists(folder))
                    return false;
                foreach (var file in Directory.EnumerateFiles(folder, "*.eml"))
                {
                    var text = (await File.ReadAllTextAsync(file, ct)).Replace("=\r\n", "", StringComparison.Ordinal);
                    found =
                        text.Split("\r\n").FirstOrDefault(line => line.Contains(path, StringComparison.Ordinal)) ?? "";
                    if (found.Length > 0)
                        return true;
                }
                return false;
            },
            Ct
        );
        return found;
    }

    [GeneratedRegex("http://[^ ]*/setup/[A-Za-z0-9_-]{43}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SetupLink();
}

using System.Text.Json;
using Microsoft.Playwright;
using Platen.Testing;
using Platen.Testing.Servers;

[assembly: AssemblyFixture(typeof(Platen.Acceptance.BrowserFixture))]

namespace Platen.Acceptance;

/// <summary>A real browser, the accessibility rules of axe-core, and a server with its sample content published.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private IPlaywright? playwright;
    private IBrowser? browser;
    private PlatenServer? server;

    /// <summary>The server's address.</summary>
    public Uri Address => server!.Address;

    /// <summary>A page on another origin that embeds everything published.</summary>
    public Uri Demo { get; private set; } = null!;

    /// <summary>Other people's sites.</summary>
    public HostSite Host { get; private set; } = null!;

    /// <summary>A client that holds the owner's key.</summary>
    public HttpClient OpenClient() => server!.OpenClient();

    /// <summary>The text of axe-core, for evaluating in a page.</summary>
    public string Axe { get; private set; } = "";

    /// <summary>Where screenshots go, for looking at.</summary>
    public static string Screenshots { get; } =
        Directory.CreateDirectory(Path.Combine(Build.Repository, "artifacts", "screenshots")).FullName;

    public async ValueTask InitializeAsync()
    {
        var ct = CancellationToken.None;
        await AptPackages.EnsureAsync("chromium", ct, "chromium");
        Axe = await FetchAxeAsync(ct);
        Demo = new Uri($"http://localhost:{ServerProcess.FreePort()}/demo");
        Host = await HostSite.StartAsync(ct);
        server = await PlatenServer.StartWithSamplesAsync(
            PostgresFixture.NewFolder(),
            ct,
            ("PLATEN_DEMO_URL", new Uri(Demo, "/").ToString())
        );
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions
            {
                ExecutablePath = "/usr/bin/chromium",
                Args =
                [
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--no-first-run",
                ],
            }
        );
    }

    /// <summary>A page of its own; what the browser complains about, a blocked script included, goes to <paramref name="complaints"/>.</summary>
    public async Task<IPage> OpenAsync(string path, BrowserNewContextOptions options, List<string> complaints)
    {
        var page = await NewPageAsync(options, complaints);
        await page.GotoAsync(new Uri(Address, path).ToString());
        return page;
    }

    /// <summary>As <see cref="OpenAsync"/>, nowhere yet. Only the server's own sites may be asked for anything, and those given.</summary>
    public async Task<IPage> NewPageAsync(
        BrowserNewContextOptions options,
        List<string> complaints,
        params string[] alsoKnown
    )
    {
        var context = await browser!.NewContextAsync(options);
        var page = await context.NewPageAsync();
        string[] known = [Address.Authority, Demo.Authority, Host.Address.Authority, .. alsoKnown];
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                complaints.Add(message.Text);
        };
        page.PageError += (_, error) => complaints.Add(error);
        page.RequestFailed += (_, request) => complaints.Add($"{request.Url}: {request.Failure}");
        page.Request += (_, request) =>
        {
            if (!known.Contains(new Uri(request.Url).Authority, StringComparer.Ordinal))
                complaints.Add($"asked a third party: {request.Url}");
        };
        return page;
    }

    /// <summary>
    /// The page without its policy, which runs no script but the page's own, not even that of somebody who examines it.
    /// </summary>
    public async Task<ExaminedPage> ExamineAsync(string path, string scheme, int width) =>
        new(
            await OpenAsync(
                path,
                new BrowserNewContextOptions
                {
                    BypassCSP = true,
                    ColorScheme = scheme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
                    // Colours are judged when they have arrived, not on the way.
                    ReducedMotion = ReducedMotion.Reduce,
                    ViewportSize = new ViewportSize { Width = width, Height = 900 },
                },
                []
            ),
            Axe
        );

    public async ValueTask DisposeAsync()
    {
        if (browser is not null)
            await browser.DisposeAsync();
        playwright?.Dispose();
        if (Host is not null)
            await Host.DisposeAsync();
        if (server is not null)
            await server.DisposeAsync();
    }

    private static async Task<string> FetchAxeAsync(CancellationToken ct)
    {
        var folder = await NodePackages.InstallAsync(
            "axe-core",
            Path.Combine(Build.Repository, "tests", "Platen.Acceptance", "browser"),
            ct
        );
        var script = Path.Combine(folder, "node_modules", "axe-core", "axe.min.js");
        return await File.ReadAllTextAsync(script, ct);
    }
}

/// <summary>A page that scripts of the tests may look at.</summary>
public sealed class ExaminedPage(IPage page, string axe) : IAsyncDisposable
{
    public IPage Page { get; } = page;

    /// <summary>Whether something reaches past the side of the page.</summary>
    public Task<bool> OverflowsAsync() => Page.EvaluateAsync<bool>("document.documentElement.scrollWidth > innerWidth");

    /// <summary>What axe-core finds against its rules.</summary>
    public async Task<List<string>> ViolationsAsync()
    {
        await Page.EvaluateAsync(axe);
        var result = await Page.EvaluateAsync<JsonElement>("axe.run(document)");
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

    public async ValueTask DisposeAsync() => await Page.Context.CloseAsync();
}

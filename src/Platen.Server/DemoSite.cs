using System.Collections.Frozen;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Server;

/// <summary>Where the demo page is, once it is there.</summary>
internal sealed class DemoAddress
{
    public Uri? Url { get; set; }
}

/// <summary>
/// A page that is not Platen's, with every published widget in it in every mode: another address, another origin, and a policy as strict
/// as a careful site's. It knows of Platen what any page knows: the address of the loader, and public ids.
/// </summary>
internal sealed class DemoSite : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly DemoAddress address;

    private DemoSite(WebApplication app, DemoAddress address)
    {
        this.app = app;
        this.address = address;
    }

    /// <summary>The page.</summary>
    public Uri Url => address.Url!;

    /// <summary>
    /// Listens at <paramref name="at"/>. An address that something else uses is a warning: a demonstration stops no server.
    /// </summary>
    /// <param name="server">The server whose widgets are shown.</param>
    /// <param name="at">Where; null for nowhere.</param>
    /// <param name="listening">Where the server listens.</param>
    /// <param name="ct">Ends the start.</param>
    public static async Task<DemoSite?> StartAsync(
        WebApplication server,
        Uri? at,
        string listening,
        CancellationToken ct
    )
    {
        if (at is null)
            return null;
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory }
        );
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(at.ToString());
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
        });
        // Signals end the server, and the server ends this.
        builder.Services.AddSingleton<IHostLifetime, EndedByItsOwner>();
        var site = builder.Build();
        var page = new DemoPage(Banner.LocalAddress(listening), server.Services.GetRequiredService<PostgresPools>());
        site.MapGet("/demo", page.GetAsync);
        site.MapGet("/demo.js", () => TypedResults.Bytes(DemoPage.Script, "text/javascript; charset=utf-8"));
        site.MapGet("/", () => TypedResults.Redirect("/demo"));
        try
        {
            await site.StartAsync(ct);
        }
        catch (IOException e) when (e.InnerException is AddressInUseException or SocketException)
        {
            Log.NoDemo(server.Logger, at, e.Message);
            await site.DisposeAsync();
            return null;
        }
        var known = server.Services.GetRequiredService<DemoAddress>();
        known.Url = new Uri(at, "demo");
        return new DemoSite(site, known);
    }

    public async ValueTask DisposeAsync()
    {
        address.Url = null;
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    /// <summary>On the server's own address: the way there.</summary>
    public static IResult Redirect(DemoAddress address) =>
        address.Url is { } url
            ? TypedResults.Redirect(url.ToString())
            : throw KernelProblems
                .NotFound.Because("This server shows no demo page: PLATEN_DEMO_URL is off, or its port was taken.")
                .AsException();

    private sealed class EndedByItsOwner : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

/// <summary>The demo page's text.</summary>
internal sealed class DemoPage(string platen, PostgresPools pools)
{
    /// <summary>More would be a page that nobody scrolls.</summary>
    private const int Shown = 30;

    /// <summary>Instances that it is chosen from.</summary>
    private const int Known = 300;

    private static readonly string Style = Encoding.UTF8.GetString(Resource("demo/demo.css"));

    /// <summary>
    /// How high the sample widgets were when somebody looked, by the width of their place, as the attribute <c>height</c> has it: what a
    /// careful author writes down once. Others have what the style sheet keeps free.
    /// </summary>
    private static readonly FrozenDictionary<string, string> Heights = JsonSerializer
        .Deserialize<Dictionary<string, string>>(Resource("demo/heights.json"))!
        .ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>What runs in it beside the loader: it listens, and changes attributes.</summary>
    public static byte[] Script { get; } = Resource("demo/demo.js");

    public async Task<IResult> GetAsync(HttpContext context, CancellationToken ct)
    {
        var widgets = await PublishedAsync(ct);
        // Nobody may keep this page, so a nonce is one.
        var nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));
        var headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentSecurityPolicy =
            $"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-src {platen}; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
        return TypedResults.Content(Write(widgets, nonce), "text/html; charset=utf-8");
    }

    private string Write(IReadOnlyList<Widget> widgets, string nonce)
    {
        var loader = $"{platen}/embed/v1/loader.js";
        var locales = string.Concat(
            widgets
                .SelectMany(widget => widget.Locales)
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal)
                .Select(locale => $"<option>{HtmlPage.Text(locale)}</option>")
        );
        var sections = widgets.Count == 0 ? "<p>Nothing is published yet.</p>" : string.Concat(widgets.Select(Section));
        var alone =
            widgets.Count == 0
                ? ""
                : $"""<script async nonce="{nonce}" src="{loader}" data-widget="{HtmlPage.Text(widgets[0].Id)}" data-mode="popover" data-label="Help"></script>""";
        return $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>Somebody else's site</title><style nonce="{nonce}">{Style}</style>
            <script async nonce="{nonce}" src="{loader}"></script><script defer nonce="{nonce}" src="/demo.js"></script></head><body>
            <header><h1>Somebody else’s site</h1>
            <p>Another origin than {HtmlPage.Text(
                platen
            )}, with a policy of its own: no inline script, no inline style, Trusted Types, no
            connections. Each widget below is what one line of HTML makes.</p>
            <form id="controls"><label>Colours <select name="theme"><option>auto</option><option>light</option><option>dark</option></select></label>
            <label>Language <select name="locale"><option value="">visitor’s</option>{locales}</select></label>
            <label>Direction <select name="dir"><option>ltr</option><option>rtl</option></select></label>
            <button type="button" id="again">Take all out and put them in again</button></form></header>
            <main>{sections}</main>
            <footer><p>Put here by a script element alone, as a popover: {alone}</p></footer>
            <aside aria-label="Events"><h2>Events</h2><p>Layout shift of this page: <output id="shift">0</output></p><ol id="events"></ol></aside>
            </body></html>

            """;
    }

    private string Section(Widget widget)
    {
        var id = HtmlPage.Text(widget.Id);
        var height = Heights.TryGetValue(widget.Id, out var known) ? $" height=\"{known}\"" : "";
        var link = $"""<a href="{platen}/e/{id}">{id}</a>""";
        return $"""
            <section data-id="{id}"><div class="about"><h2>{HtmlPage.Text(widget.Type)}</h2><p><code>{id}</code></p>
            <p><platen-widget public-id="{id}" mode="overlay"><button type="button">As an overlay</button></platen-widget>
            <platen-widget public-id="{id}" mode="popover"><button type="button">As a popover</button></platen-widget></p>
            <pre><code class="line"></code></pre></div>
            <platen-widget public-id="{id}"{height}>{link}</platen-widget></section>
            """;
    }

    private async Task<IReadOnlyList<Widget>> PublishedAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        var manifests = await session.ListAsync(
            """
            select substr(subject, 9), manifest from platform.edge_channel
            where owner = $1 and subject like 'curated/%' and name = 'live' and release_digest is not null
            order by subject limit $2
            """,
            row => (Id: row.GetString(0), Manifest: row.GetFieldValue<byte[]>(1)),
            ct,
            Sql.Owner(OwnerId.Platform),
            Sql.Int(Known)
        );
        // Every type has a first one before any has a second.
        return
        [
            .. manifests
                .Select(row => (row.Id, Manifest: ReleaseManifest.Parse(row.Manifest)))
                .Where(row => row.Manifest.Annotations.GetValueOrDefault("dev.platen.status") != "unpublished")
                .Select(row => new Widget(
                    row.Id,
                    row.Manifest.Annotations.GetValueOrDefault("dev.platen.widget-type") ?? row.Id,
                    [
                        .. row
                            .Manifest.Files.Select(file => file.Annotation("dev.platen.locale"))
                            .OfType<string>()
                            .Distinct(),
                    ]
                ))
                .GroupBy(widget => widget.Type, StringComparer.Ordinal)
                .SelectMany(ofType => ofType.Index())
                .OrderBy(one => one.Index)
                .Take(Shown)
                .Select(one => one.Item)
                .OrderBy(widget => widget.Id, StringComparer.Ordinal),
        ];
    }

    private static byte[] Resource(string name)
    {
        using var stream = typeof(DemoPage).Assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private sealed record Widget(string Id, string Type, IReadOnlyList<string> Locales);
}

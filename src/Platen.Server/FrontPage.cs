using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>A small HTML page of the server itself, with its one style allowed by hash.</summary>
internal static class Page
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1b1d23;--soft:#5b6070;--line:#d9dce3;--paper:#fbfbfc;--accent:#2f49c8}
        @media (prefers-color-scheme:dark){:root{--ink:#eceef4;--soft:#a3a9b8;--line:#343946;--paper:#14161b;--accent:#9fb0ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
        main{max-width:44rem;margin:0 auto;padding:clamp(2rem,8vw,5rem) 1.25rem}
        h1{font-size:clamp(1.75rem,5vw,2.5rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .5rem;text-wrap:balance}
        h2{font-size:1.05rem;margin:2.25rem 0 .5rem}
        p{margin:.5rem 0;max-width:60ch}.soft{color:var(--soft)}
        a{color:var(--accent);text-underline-offset:.2em}a:focus-visible{outline:2px solid;outline-offset:3px;border-radius:2px}
        dl{margin:0;border-top:1px solid var(--line)}
        dl>div{display:grid;grid-template-columns:minmax(9rem,14rem) 1fr;gap:.25rem 1rem;padding:.6rem 0;border-bottom:1px solid var(--line)}
        dt{font-weight:600;overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
        code,pre{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
        pre{padding:.8rem 1rem;border:1px solid var(--line);border-radius:.5rem;overflow-x:auto}
        nav p{display:flex;flex-wrap:wrap;gap:0 1rem;max-width:none}nav a{padding:.375rem 0}
        [aria-current]{color:var(--ink);font-weight:600;text-decoration-thickness:2px}
        main:has(.frames){max-width:90rem}main:has(.frames) h2{font-size:1.5rem;letter-spacing:-.01em;margin-bottom:0}
        .frames{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,32rem),1fr));gap:1.5rem;margin:1rem 0 3rem}
        figure{display:flex;flex-direction:column;margin:0;border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
        iframe{width:100%;height:34rem;border:0}
        [data-type="engagement.announcement"] iframe{height:27rem}
        figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.25rem 1rem;padding:.75rem 1rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
        figcaption code{color:var(--soft)}
        @media (max-width:32rem){dl>div{grid-template-columns:1fr}}
        """;

    private static readonly string Policy =
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
        + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))
        + "'";

    /// <param name="context">Of the request.</param>
    /// <param name="title">Of the document.</param>
    /// <param name="body">Markup; every value in it went through <see cref="Text"/>.</param>
    /// <param name="framesOwnPages">Whether it holds frames with pages of this server.</param>
    public static IResult Of(HttpContext context, string title, string body, bool framesOwnPages = false)
    {
        context.Response.Headers.ContentSecurityPolicy = framesOwnPages ? Policy + "; frame-src 'self'" : Policy;
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        return TypedResults.Content(
            $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>{Text(title)}</title><style>{Style}</style></head><body><main>
            {body}
            </main></body></html>

            """,
            "text/html; charset=utf-8"
        );
    }

    /// <summary>The one way a value gets into these pages.</summary>
    public static string Text(string value) => WebUtility.HtmlEncode(value);
}

/// <summary>What a person sees who opens the server's address: what is published here, and where to go on.</summary>
internal static class FrontPage
{
    public static async Task<IResult> Get(
        HttpContext context,
        PostgresPools pools,
        WidgetRegistry registry,
        DemoAddress demo,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        var live = await session.ListAsync(
            """
            select substr(subject, 9) from platform.edge_channel
            where owner = $1 and subject like 'curated/%' and release_digest is not null
            order by subject limit 50
            """,
            row => row.GetString(0),
            ct,
            Sql.Owner(OwnerId.Platform)
        );
        var published =
            live.Count == 0
                ? """
                    <p>Nothing yet. In another terminal:</p>
                    <pre>dotnet run --project src/Platen.Cli -- publish samples/widgets/wgt_main_content.faq.json</pre>
                    """
                : "<dl>"
                    + string.Concat(
                        live.Select(id =>
                            $"<div><dt><a href=\"/e/{HtmlPage.Text(id)}\">{HtmlPage.Text(id)}</a></dt><dd><a href=\"/w/{HtmlPage.Text(id)}/manifest.json\">manifest</a></dd></div>"
                        )
                    )
                    + "</dl>";
        var elsewhere = demo.Url is null
            ? ""
            : "<p><a href=\"/demo\">All of them in a page on another origin</a>, inline, as overlays and as popovers.</p>";
        var types = string.Concat(
            registry.Packages.Select(p =>
                $"<div><dt><a href=\"/widgets/{HtmlPage.Text(p.Type.Value)}/schema.json\">{HtmlPage.Text(p.Type.Value)}</a></dt><dd>{HtmlPage.Text(p.Description)}</dd></div>"
            )
        );
        return HtmlPage.Of(
            context,
            "Platen",
            $"""
            <h1>Platen is running</h1>
            <p class="soft">Version {HtmlPage.Text(
                ServerProcess.Version
            )}. Edit a versioned document, freeze it into an immutable release, move a named channel, serve bytes by digest.</p>
            <h2>Published</h2>
            <p><a href="/gallery">The gallery</a> shows what the widget types can look like.</p>{published}{elsewhere}
            <h2>Widget types</h2><dl>{types}</dl>
            <h2>For programs</h2>
            <dl><div><dt><a href="/openapi/v1.json">openapi/v1.json</a></dt><dd>The API, as OpenAPI 3.1</dd></div>
            <div><dt><a href="/account">account</a></dt><dd>Sign in, and see what you are signed in with</dd></div>
            <div><dt><a href="/readyz">readyz</a></dt><dd>Each part the server depends on</dd></div>
            <div><dt><a href="/metrics">metrics</a></dt><dd>Prometheus text</dd></div>
            <div><dt><a href="/problems">problems</a></dt><dd>Every problem the API answers with, and what to do</dd></div></dl>
            """
        );
    }
}

/// <summary>A page for each problem type, at the address that its <c>type</c> names.</summary>
internal static class ProblemPages
{
    public static IResult List(HttpContext context) =>
        HtmlPage.Of(
            context,
            "Problems",
            "<h1>Problems</h1><p class=\"soft\">What the API can answer with instead of what was asked for.</p><dl>"
                + string.Concat(
                    ProblemCatalogue.All.Select(p =>
                        $"<div><dt><a href=\"/problems/{p.Slug}\">{p.Slug}</a></dt><dd>{p.Status} · {HtmlPage.Text(p.Title)}</dd></div>"
                    )
                )
                + "</dl>"
        );

    public static IResult Get(string slug, HttpContext context)
    {
        var problem =
            ProblemCatalogue.All.FirstOrDefault(p => p.Slug == slug)
            ?? throw KernelProblems.NotFound.Because("There is no such problem type.").AsException();
        return HtmlPage.Of(
            context,
            problem.Title,
            $"""
            <h1>{HtmlPage.Text(problem.Title)}</h1>
            <p class="soft">HTTP status {problem.Status} · <code>/problems/{problem.Slug}</code></p>
            <h2>What to do</h2><p>{HtmlPage.Text(problem.Advice)}</p>
            <p><a href="/problems">All problems</a></p>
            """
        );
    }
}

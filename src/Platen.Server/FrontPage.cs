using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Server;

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

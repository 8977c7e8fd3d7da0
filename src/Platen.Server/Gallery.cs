using System.Collections.Immutable;
using System.Text;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>
/// What a visitor may see of the platform's showcases: every published curated instance, grouped by type, each in a frame that shows
/// the very page that is delivered. Which ones there are is asked of the channels, so publishing is all that brings one here.
/// </summary>
internal static class Gallery
{
    /// <summary>Frames of one page: each is a document of its own, and a browser holds dozens, not hundreds, with ease.</summary>
    private const int MostFrames = 48;

    /// <summary>As a published page may, and not more: it is another document, and its own policy counts too.</summary>
    private const string Sandbox =
        "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

    private static readonly (string Value, string Name)[] Themes =
    [
        ("auto", "As your system"),
        ("light", "Light"),
        ("dark", "Dark"),
    ];

    private sealed record Showcase(string Id, string Type, string Status, string Title, ImmutableArray<string> Locales);

    public static async Task<IResult> Get(
        HttpContext context,
        PostgresPools pools,
        WidgetRegistry registry,
        CancellationToken ct
    )
    {
        var query = context.Request.Query;
        var theme = Themes.Any(t => t.Value == query["theme"]) ? query["theme"].ToString() : "auto";
        var locale = LanguageTag.TryParse(query["locale"], out var tag) ? tag.ToString() : null;
        var after = PublicId.TryParse(query["after"], out var id) ? id.ToString() : "";

        var found = await ListAsync(pools, after, ct);
        var shown = found.Take(MostFrames).ToList();
        var body = new StringBuilder("<h1>Gallery</h1>");
        if (shown.Count == 0)
        {
            body.Append(
                "<p class=\"soft\">No showcase is published here yet. A curated instance appears as soon as it is.</p>"
            );
        }
        else
        {
            body.Append(
                "<p class=\"soft\">Showcases of each widget type. Every frame holds the page as it is delivered.</p>"
            );
            WriteChoices(body, theme, locale, shown);
        }
        // A deprecated one is delivered as its baseline, which is no showcase.
        foreach (
            var type in shown
                .Where(s => s.Status == "published")
                .GroupBy(s => s.Type)
                .OrderBy(g => g.Key, StringComparer.Ordinal)
        )
            WriteType(body, type.Key, [.. type], registry, theme, locale);
        if (found.Count > MostFrames)
            body.Append("<p>")
                .Append(Link(theme, locale, shown[^1].Id, "Further showcases", current: false))
                .Append("</p>");
        body.Append("<p><a href=\"/\">What else runs here</a></p>");
        return HtmlPage.Of(context, "Gallery", body.ToString(), framesOwnPages: true);
    }

    private static async Task<List<Showcase>> ListAsync(PostgresPools pools, string after, CancellationToken ct)
    {
        await using var session = await pools.OpenEdgeAsync(ct);
        return
        [
            .. await session.ListAsync(
                $"""
                select substr(subject, 9), manifest from platform.edge_channel
                where owner = $1 and subject like 'curated/wgt\_curated\_%' and subject > 'curated/' || $2
                  and name = 'live' and release_digest is not null
                order by subject limit {MostFrames + 1}
                """,
                row => Read(row.GetString(0), row.GetFieldValue<byte[]>(1)),
                ct,
                Sql.Owner(OwnerId.Platform),
                Sql.Text(after)
            ),
        ];
    }

    private static Showcase Read(string id, byte[] manifest)
    {
        var release = ReleaseManifest.Parse(manifest);
        return new Showcase(
            id,
            release.Annotations["dev.platen.widget-type"],
            release.Annotations["dev.platen.status"],
            release.Annotations.GetValueOrDefault("dev.platen.title", id),
            [
                .. release
                    .Files.Where(f => f.Annotation("dev.platen.kind") == "artifact")
                    .Select(f => f.Annotation("dev.platen.locale")!),
            ]
        );
    }

    private static void WriteChoices(StringBuilder body, string theme, string? locale, List<Showcase> shown)
    {
        body.Append("<nav aria-label=\"How to show them\"><p>");
        foreach (var (value, name) in Themes)
            body.Append(Link(value, locale, null, name, value == theme)).Append(' ');
        body.Append("</p><p>").Append(Link(theme, null, null, "Your language", locale is null));
        foreach (
            var one in shown.SelectMany(s => s.Locales).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)
        )
            body.Append(' ').Append(Link(theme, one, null, one, one == locale));
        body.Append("</p></nav>");
    }

    private static void WriteType(
        StringBuilder body,
        string type,
        List<Showcase> showcases,
        WidgetRegistry registry,
        string theme,
        string? locale
    )
    {
        var (title, description) = registry.TryFind(type, out var package)
            ? (package.Title, package.Description)
            : (type, "");
        body.Append("<h2>")
            .Append(HtmlPage.Text(title))
            .Append("</h2><p class=\"soft\">")
            .Append(HtmlPage.Text(description));
        body.Append("</p><div class=\"frames\" data-type=\"").Append(HtmlPage.Text(type)).Append("\">");
        foreach (var one in showcases)
        {
            var page = HtmlPage.Text($"/e/{one.Id}{Query(theme, locale, null)}");
            body.Append("<figure><iframe loading=\"lazy\" src=\"").Append(page).Append("\" title=\"");
            body.Append(HtmlPage.Text(one.Title))
                .Append("\" sandbox=\"")
                .Append(Sandbox)
                .Append("\"></iframe><figcaption><a href=\"");
            body.Append(page)
                .Append("\">")
                .Append(HtmlPage.Text(one.Title))
                .Append("</a><code>")
                .Append(HtmlPage.Text(one.Id));
            body.Append("</code></figcaption></figure>");
        }
        body.Append("</div>");
    }

    private static string Link(string theme, string? locale, string? after, string name, bool current) =>
        $"<a href=\"/gallery{HtmlPage.Text(Query(theme, locale, after))}\"{(current ? " aria-current=\"true\"" : "")}>{HtmlPage.Text(name)}</a>";

    private static string Query(string theme, string? locale, string? after)
    {
        var query = QueryString.Empty;
        if (theme != "auto")
            query = query.Add("theme", theme);
        if (locale is not null)
            query = query.Add("locale", locale);
        if (after is not null)
            query = query.Add("after", after);
        return query.ToString();
    }
}

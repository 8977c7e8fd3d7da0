using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// A small HTML page of the server itself: one style and at most one script, both allowed by hash (CSP Level 3 section 2.3.1),
/// light and dark, narrow and wide.
/// </summary>
public static class HtmlPage
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1b1d23;--soft:#5b6070;--line:#d9dce3;--paper:#fbfbfc;--accent:#2f49c8;--on-accent:#fff;--wrong:#a4161a;--field:#fff}
        @media (prefers-color-scheme:dark){:root{--ink:#eceef4;--soft:#a3a9b8;--line:#343946;--paper:#14161b;--accent:#9fb0ff;--on-accent:#10121a;--wrong:#ff9a9e;--field:#1b1e26}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
        main{max-width:44rem;margin:0 auto;padding:clamp(2rem,8vw,5rem) 1.25rem}
        main.narrow{max-width:27rem}
        h1{font-size:clamp(1.75rem,5vw,2.5rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .5rem;text-wrap:balance}
        h2{font-size:1.05rem;margin:2.25rem 0 .5rem}
        p{margin:.5rem 0;max-width:60ch}.soft{color:var(--soft)}
        a{color:var(--accent);text-underline-offset:.2em}a:focus-visible{outline:2px solid;outline-offset:3px;border-radius:2px}
        dl{margin:0;border-top:1px solid var(--line)}
        dl>div{display:grid;grid-template-columns:minmax(9rem,14rem) 1fr;gap:.25rem 1rem;padding:.6rem 0;border-bottom:1px solid var(--line)}
        dt{font-weight:600;overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
        code,pre{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
        pre{padding:.8rem 1rem;border:1px solid var(--line);border-radius:.5rem;overflow-x:auto}
        form{margin:1.5rem 0 0;max-width:27rem}form.inline{margin:0}
        label{display:block;font-weight:600;margin:1rem 0 .3rem}.hint{font-weight:400;color:var(--soft);font-size:.9rem;margin:.3rem 0 0}
        input,select{width:100%;font:inherit;color:inherit;background:var(--field);border:1px solid var(--soft);border-radius:.5rem;padding:.6rem .75rem;min-height:2.75rem}
        input:focus-visible,select:focus-visible,button:focus-visible,.button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
        input[aria-invalid=true]{border-color:var(--wrong)}
        button,.button{display:inline-block;width:100%;font:inherit;font-weight:600;text-align:center;text-decoration:none;border:1px solid transparent;border-radius:.5rem;padding:.6rem 1rem;min-height:2.75rem;margin:1.25rem 0 0;cursor:pointer;background:var(--accent);color:var(--on-accent)}
        button.quiet,.button.quiet{background:transparent;color:var(--ink);border-color:var(--soft);margin-top:.6rem}
        form.inline button,.inline-button{width:auto;margin:.25rem 0 0;padding:.25rem .75rem;min-height:2.25rem}
        .wrong{color:var(--wrong);margin:.3rem 0 0}.note{margin:1rem 0;border:1px solid var(--line);border-left:4px solid var(--accent);border-radius:.5rem;padding:.6rem .9rem}
        .note.bad{border-left-color:var(--wrong)}
        .or{display:flex;align-items:center;gap:.75rem;color:var(--soft);margin:1.5rem 0 .4rem}.or::before,.or::after{content:"";flex:1;border-top:1px solid var(--line)}
        nav p{display:flex;flex-wrap:wrap;gap:0 1rem;max-width:none}nav a{padding:.375rem 0}
        [aria-current]{color:var(--ink);font-weight:600;text-decoration-thickness:2px}
        main:has(.frames){max-width:90rem}main:has(.frames) h2{font-size:1.5rem;letter-spacing:-.01em;margin-bottom:0}
        .frames{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,32rem),1fr));gap:1.5rem;margin:1rem 0 3rem}
        figure{display:flex;flex-direction:column;margin:0;border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
        iframe{width:100%;height:34rem;border:0}
        [data-type="engagement.announcement"] iframe{height:27rem}
        figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.25rem 1rem;padding:.75rem 1rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
        figcaption code{color:var(--soft)}
        [hidden]{display:none!important}
        @media (max-width:32rem){dl>div{grid-template-columns:1fr}}
        """;

    private static readonly string StyleHash = Hash(Style);

    /// <summary>A page that is only read: no forms, no scripts.</summary>
    /// <param name="context">The request.</param>
    /// <param name="title">Plain text.</param>
    /// <param name="body">HTML; every value in it went through <see cref="Text"/>.</param>
    /// <param name="framesOwnPages">Whether it holds frames with pages of this server.</param>
    public static IResult Of(HttpContext context, string title, string body, bool framesOwnPages = false)
    {
        context.Response.Headers.ContentSecurityPolicy = Policy(
            framesOwnPages ? "form-action 'none'; frame-src 'self'" : "form-action 'none'"
        );
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        return Html(title, "<main>", body, script: null, StatusCodes.Status200OK);
    }

    /// <summary>A page with forms that post to this site. It is never stored, and shows nowhere but here.</summary>
    /// <param name="context">The request.</param>
    /// <param name="title">Plain text.</param>
    /// <param name="body">HTML; every value in it went through <see cref="Text"/>.</param>
    /// <param name="script">A constant script, allowed by its hash; null for none.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="narrow">As wide as a form reads best, or as a list.</param>
    public static IResult WithForms(
        HttpContext context,
        string title,
        string body,
        string? script = null,
        int status = StatusCodes.Status200OK,
        bool narrow = true
    )
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = Policy(
            "form-action 'self'" + (script is null ? "" : $"; connect-src 'self'; script-src '{Hash(script)}'")
        );
        headers.CacheControl = "no-store";
        // Without a referrer a form's Origin would be "null", which is what proves that the form is ours.
        headers["Referrer-Policy"] = "same-origin";
        return Html(title, narrow ? "<main class=\"narrow\">" : "<main>", body, script, status);
    }

    /// <summary>The one way a value gets into these pages, in text and in quoted attributes.</summary>
    public static string Text(string value) => WebUtility.HtmlEncode(value);

    private static IResult Html(string title, string main, string body, string? script, int status) =>
        TypedResults.Content(
            $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>{Text(title)}</title><style>{Style}</style></head><body>{main}
            {body}
            </main>{(script is null ? "" : $"<script>{script}</script>")}</body></html>

            """,
            "text/html; charset=utf-8",
            statusCode: status
        );

    private static string Policy(string more) =>
        $"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '{StyleHash}'; {more}";

    private static string Hash(string text) =>
        "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}

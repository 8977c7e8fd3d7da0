using System.Security.Cryptography;
using System.Text;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>
/// What a visitor's browser shows instead of a widget. It speaks to the owner of the site, who is the one that can do
/// something. The only text from the request it can hold is a public id, which has no character that HTML minds.
/// </summary>
internal static class NotPublishedPage
{
    private const string Style =
        ":root{color-scheme:light dark;--ink:#1c1b22;--soft:#5b5966;--edge:#dcdae6;--bg:#fff}"
        + "@media(prefers-color-scheme:dark){:root{--ink:#f3f2f8;--soft:#b3b0c0;--edge:#3b3946;--bg:#17161c}}"
        + "body{margin:0;padding:1.5rem;background:var(--bg);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}"
        + "main{max-width:34rem;margin:auto;padding:1.5rem;border:1px solid var(--edge);border-radius:.75rem}"
        + "h1{margin:0 0 .5rem;font-size:1.25rem;line-height:1.3}p{margin:.5rem 0 0;color:var(--soft)}"
        + "code{color:var(--ink);font-family:ui-monospace,monospace;overflow-wrap:anywhere}";

    /// <summary>The policy of every page made here.</summary>
    public static readonly string ContentSecurityPolicy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; "
        + $"{FrameScript.Plain.Policy}; base-uri 'none'; form-action 'none'; sandbox allow-scripts";

    private static readonly byte[] malformed = Page(
        "This address names no widget",
        "<p>If this is your site: a widget's address ends with its public id, such as "
            + "<code>wgt_main_content.faq</code>. Copy the embed code again, or ask for it with "
            + "<code>platen status</code>.</p>"
    );

    private static readonly byte[] notPublic = Page(
        "This widget is not public",
        "<p>It is shown to who has a token for it. If this is your site: the token in the embed code may have ended, or be for "
            + "another site or widget. <code>POST /v1/instances/…/embed-tokens</code> makes a new one.</p>"
    );

    private static readonly byte[] unavailable = Page(
        "This widget will be back in a moment",
        "<p>The server cannot read it right now. If this is your site: nothing is lost, and <code>/readyz</code> "
            + "names the part that does not answer.</p>"
    );

    private static readonly byte[] failed = Page(
        "This widget could not be shown",
        "<p>The server failed. If this is your site: the server's log has the reason.</p>"
    );

    private static readonly byte[] notAcceptable = Page(
        "There is no version that your program accepts",
        "<p>The request refuses every content coding this is stored in. Allow <code>identity</code>, <code>gzip</code> or "
            + "<code>br</code> in Accept-Encoding.</p>"
    );

    /// <summary>The page for a status; <paramref name="id"/> is null when the address has none.</summary>
    public static byte[] For(int status, PublicId? id) =>
        status switch
        {
            404 when id is not null => Page(
                "There is no published widget here",
                $"<p>If this is your site: nothing is published under <code>{id}</code>. Compare the id in the embed code with "
                    + $"<code>platen status {id}</code>, and publish it with <code>platen publish {id}</code>.</p>"
            ),
            404 => malformed,
            401 or 403 => notPublic,
            406 => notAcceptable,
            503 => unavailable,
            _ => failed,
        };

    private static byte[] Page(string title, string body) =>
        Encoding.UTF8.GetBytes(
            "<!doctype html><html lang=\"en\" data-platen=\"error\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                + "content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
                + $"<title>{title}</title><style>{Style}</style></head><body><main><h1>{title}</h1>{body}</main>{FrameScript.Plain.Element}</body></html>"
        );
}

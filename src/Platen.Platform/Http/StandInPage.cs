using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Platen.Kernel.Languages;

namespace Platen.Platform.Http;

/// <summary>
/// A page that stands where a widget would, in the frame of another site, and says why: in the language that the visitor asked for, of those
/// that this server has words in. Immutable.
/// </summary>
public sealed class StandInPage
{
    /// <summary>What such a page depends on, besides what was found.</summary>
    public const string Vary = "Accept, Accept-Language";

    private const string Style =
        ":root{color-scheme:light dark;--ink:#1c1b22;--soft:#5b5966;--edge:#dcdae6;--bg:#fff}"
        + "@media(prefers-color-scheme:dark){:root{--ink:#f3f2f8;--soft:#b3b0c0;--edge:#3b3946;--bg:#17161c}}"
        + "body{margin:0;padding:1.5rem;background:var(--bg);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}"
        + "main{max-width:34rem;margin:auto;padding:1.5rem;border:1px solid var(--edge);border-radius:.75rem}"
        + "h1{margin:0 0 .5rem;font-size:1.25rem;line-height:1.3}p{margin:.5rem 0 0;color:var(--soft)}"
        + "code{color:var(--ink);font-family:ui-monospace,monospace;overflow-wrap:anywhere}";

    private static readonly string[] tags = ["en", "de", "fr", "es", "ar"];
    private static readonly LanguageLookup lookup = new(tags.Select(LanguageTag.Parse));

    private readonly byte[] html;

    /// <summary>A page.</summary>
    /// <param name="language">One of <see cref="Languages"/>.</param>
    /// <param name="kind">What it is to the loader: <c>error</c> or <c>submit</c>.</param>
    /// <param name="title">Text.</param>
    /// <param name="body">Words, with <c>`</c> around what is code and goes from left to right in every language; the only markup there
    /// is.</param>
    public StandInPage(string language, string kind, string title, string body)
    {
        Language = language;
        var direction = LanguageTag.Parse(language).Direction == TextDirection.RightToLeft ? "rtl" : "ltr";
        html = Encoding.UTF8.GetBytes(
            $"<!doctype html><html lang=\"{language}\" dir=\"{direction}\" data-platen=\"{kind}\"><head><meta charset=\"utf-8\">"
                + "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
                + $"<title>{Escaped(title)}</title><style>{Style}</style></head><body><main><h1>{Escaped(title)}</h1>"
                + $"<p>{WithCode(body)}</p></main>{FrameScript.Plain.Element}</body></html>"
        );
    }

    /// <summary>The languages there have to be words in; the first is for who asks for none of them.</summary>
    public static IReadOnlyList<string> Languages => tags;

    /// <summary>The policy of every such page.</summary>
    public static string Policy { get; } =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; "
        + $"{FrameScript.Plain.Policy}; base-uri 'none'; form-action 'none'; sandbox allow-scripts";

    /// <summary>Its language.</summary>
    public string Language { get; }

    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Html => html;

    /// <summary>
    /// The language for a request, as a published page chooses: the tag that its address asks for, then <c>Accept-Language</c>, each by lookup
    /// up its fallback chain (RFC 4647 section 3.4), then English.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="asked">The tag of its address; empty for none.</param>
    public static string LanguageOf(HttpRequest request, ReadOnlySpan<char> asked) =>
        ((asked.IsEmpty ? null : lookup.Best(asked)) ?? lookup.Best(request.Headers.AcceptLanguage.ToString()))?.Value
        ?? tags[0];

    /// <summary>Answers with it, in a frame of any site. The status is the caller's.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        var headers = response.Headers;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = html.Length;
        headers.ContentLanguage = Language;
        headers.Vary = Vary;
        headers.ContentSecurityPolicy = Policy;
        headers.Remove("X-Frame-Options");
        headers["Cross-Origin-Resource-Policy"] = "cross-origin";
        headers["Cross-Origin-Embedder-Policy"] = "require-corp";
        if (!HttpMethods.IsHead(context.Request.Method))
            await response.Body.WriteAsync(html, context.RequestAborted);
    }

    private static string WithCode(string words)
    {
        var parts = Escaped(words).Split('`');
        var text = new StringBuilder(parts[0]);
        for (var i = 1; i < parts.Length; i++)
            text.Append(i % 2 == 1 ? "<code dir=\"ltr\">" : "</code>").Append(parts[i]);
        return text.ToString();
    }

    // What a text minds in HTML, and nothing else: its letters stay as they are.
    private static string Escaped(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal)
            .Replace(">", "&gt;", StringComparison.Ordinal);
}

using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Platen.Platform.Http;

namespace Platen.Submissions;

/// <summary>
/// What a visitor is told of a form that was sent when its page cannot be shown again: the token that opened the page has ended since.
/// </summary>
internal sealed class OutcomePage(bool wasKept) : IResult
{
    private const string Style =
        ":root{color-scheme:light dark}body{margin:0;padding:1.5rem;font:1rem/1.5 system-ui,sans-serif}"
        + "main{max-width:34rem;margin:auto}h1{margin:0 0 .5rem;font-size:1.25rem;line-height:1.3}p{margin:0}";

    private static readonly string Policy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; "
        + $"{FrameScript.Plain.Policy}; base-uri 'none'; form-action 'none'; sandbox allow-scripts";

    private static readonly byte[] Kept = Page("submit", "Thank you", "What you wrote has arrived.");

    private static readonly byte[] Failed = Page(
        "error",
        "That was not sent",
        "Something was not filled in as the form asks, and the page that you sent it from has ended. Reload the page, and send it again."
    );

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        var page = wasKept ? Kept : Failed;
        response.StatusCode = wasKept ? StatusCodes.Status200OK : StatusCodes.Status422UnprocessableEntity;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = page.Length;
        response.Headers.ContentLanguage = "en";
        response.Headers.ContentSecurityPolicy = Policy;
        // It stands in the frame where the form stood, on a site of another origin.
        response.Headers.Remove(HeaderNames.XFrameOptions);
        response.Headers["Cross-Origin-Resource-Policy"] = "cross-origin";
        response.Headers["Cross-Origin-Embedder-Policy"] = "require-corp";
        await response.Body.WriteAsync(page, httpContext.RequestAborted);
    }

    private static byte[] Page(string kind, string title, string text) =>
        Encoding.UTF8.GetBytes(
            $"<!doctype html><html lang=\"en\" data-platen=\"{kind}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                + "content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
                + $"<title>{title}</title><style>{Style}</style></head><body><main><h1>{title}</h1><p>{text}</p></main>{FrameScript.Plain.Element}</body></html>"
        );
}

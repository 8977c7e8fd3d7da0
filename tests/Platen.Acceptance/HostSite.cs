using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Somebody's own site, on an origin that is not the server's: pages that a test writes, with the headers it wants.</summary>
public sealed class HostSite : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, (string Html, (string Name, string Value)[] Headers)> pages = new(
        StringComparer.Ordinal
    );
    private readonly WebApplication app;
    private int count;

    private HostSite(WebApplication app, Uri address)
    {
        this.app = app;
        Address = address;
    }

    /// <summary>Another site than <c>127.0.0.1</c> to a browser, not only another port of it.</summary>
    public Uri Address { get; }

    public static async Task<HostSite> StartAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var address = new Uri(
            string.Create(CultureInfo.InvariantCulture, $"http://localhost:{ServerProcess.FreePort()}")
        );
        builder.WebHost.UseUrls(address.ToString());
        var built = builder.Build();
        var site = new HostSite(built, address);
        built.Run(site.AnswerAsync);
        await built.StartAsync(ct);
        return site;
    }

    /// <summary>Puts a page on the site and returns its address.</summary>
    public string Add(string html, params (string Name, string Value)[] headers) =>
        Put(string.Create(CultureInfo.InvariantCulture, $"/{Interlocked.Increment(ref count)}"), html, headers);

    /// <summary>Puts a page at a path, in place of what is there, and returns its address.</summary>
    public string Put(string path, string html, params (string Name, string Value)[] headers)
    {
        pages[path] = (html, headers);
        return new Uri(Address, path).ToString();
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (!pages.TryGetValue(context.Request.Path.Value!, out var page))
        {
            // A browser asks for an icon by itself; everything else is a mistake of the test.
            context.Response.StatusCode = context.Request.Path == "/favicon.ico" ? 204 : 404;
            return;
        }
        context.Response.ContentType = "text/html; charset=utf-8";
        foreach (var (name, value) in page.Headers)
            context.Response.Headers[name] = value;
        await context.Response.WriteAsync(page.Html, context.RequestAborted);
    }
}

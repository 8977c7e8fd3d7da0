using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Kernel;

namespace Platen.Access.SignIn;

/// <summary>
/// Refuses what another site makes a browser send. Browsers say where a request comes from in <c>Sec-Fetch-Site</c> (W3C Fetch
/// Metadata), on plain HTTP only in <c>Origin</c> (RFC 6454), and no page can forge either. A program that is no browser sends
/// neither and has no cookies that somebody else could use.
/// </summary>
internal static class CrossSite
{
    public const string Header = "X-Platen-CSRF";

    /// <summary>Whether a browser says that another site sent this.</summary>
    public static bool IsForeign(HttpRequest request) =>
        request.Headers["Sec-Fetch-Site"].ToString() switch
        {
            "same-origin" or "none" => false,
            "" => request.Headers.Origin.ToString() is { Length: > 0 } origin && !IsSameHost(origin, request.Host),
            _ => true,
        };

    /// <summary>Only this site's own pages, and programs that are no browsers.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.CrossSite"/>.</exception>
    public static void Refuse(HttpRequest request)
    {
        if (IsForeign(request))
            throw PeopleProblems.CrossSite.Because("Another site's page sent this request.").AsException();
    }

    // The scheme is not compared: behind a proxy that ends TLS the server does not see it.
    private static bool IsSameHost(string origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri)
        && string.Equals(uri.Authority, host.Value, StringComparison.OrdinalIgnoreCase);
}

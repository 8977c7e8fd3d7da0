using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Primitives;

namespace Platen.Platform.Http;

/// <summary>The response fields that keep a browser from doing with an answer what it is not for.</summary>
public static class SafetyHeaders
{
    private static readonly StringValues transport = "max-age=31536000";
    private static readonly StringValues nosniff = "nosniff";
    private static readonly StringValues noReferrer = "no-referrer";
    private static readonly StringValues nothing = "default-src 'none'; frame-ancestors 'none'";
    private static readonly StringValues deny = "DENY";
    private static readonly StringValues sameOrigin = "same-origin";
    private static readonly StringValues noFeatures =
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), "
        + "payment=(), usb=()";

    /// <summary>
    /// On every answer over https: a year of https only (RFC 6797). Without subdomains, which may be somebody else's. Stands after
    /// <see cref="TrustedProxies"/>, which says whether it was https.
    /// </summary>
    public static IApplicationBuilder UseTransportSecurity(this IApplicationBuilder app) =>
        app.Use(next =>
            context =>
            {
                if (context.Request.IsHttps)
                    context.Response.Headers.StrictTransportSecurity = transport;
                return next(context);
            }
        );

    /// <summary>
    /// On every answer of the API, problems included: it is data, so it is not sniffed, framed, embedded elsewhere, nor does it
    /// load anything. A page sets its own Content-Security-Policy over it.
    /// </summary>
    public static IApplicationBuilder UseSafetyHeaders(this IApplicationBuilder app) =>
        app.Use(next =>
            context =>
            {
                var headers = context.Response.Headers;
                headers.XContentTypeOptions = nosniff;
                headers["Referrer-Policy"] = noReferrer;
                headers.ContentSecurityPolicy = nothing;
                headers.XFrameOptions = deny;
                headers["Cross-Origin-Resource-Policy"] = sameOrigin;
                headers["Cross-Origin-Opener-Policy"] = sameOrigin;
                headers["Permissions-Policy"] = noFeatures;
                return next(context);
            }
        );
}

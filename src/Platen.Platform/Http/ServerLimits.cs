using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// What one connection and one request may take of the server: sizes, counts and time, each with its reason.
/// See docs/operating/limits.md.
/// </summary>
public static class ServerLimits
{
    /// <summary>
    /// Bytes of a body unless the endpoint says otherwise: above what any JSON endpoint accepts (<see cref="Limits.JsonBodyBytes"/>), so
    /// that a body that is too large is read to its end and answered, where cutting the connection would leave the client without the reason.
    /// </summary>
    public const int BodyBytes = 16 * Limits.JsonBodyBytes;

    /// <summary>Bytes of all request fields: a long cookie and a long token fit.</summary>
    public const int HeaderBytes = 16 * 1024;

    /// <summary>Request fields; browsers send about 20, a chain of proxies some more.</summary>
    public const int HeaderCount = 64;

    /// <summary>Bytes of method, address and version: the longest address we have is below 1,000.</summary>
    public const int RequestLineBytes = 4 * 1024;

    /// <summary>Connections at once: each costs memory before it has said anything.</summary>
    public const int Connections = 20_000;

    /// <summary>Streams of one HTTP/2 connection: what browsers open for one page.</summary>
    public const int Http2Streams = 100;

    /// <summary>How long a connection may stand without a request.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(130);

    /// <summary>Bytes a second that a body must arrive with, and an answer be taken with, measured after <see cref="HttpGuards.Grace"/>.</summary>
    public const int BytesASecond = 240;

    /// <summary>Sets the limits of connections and requests.</summary>
    public static void UsePlatenLimits(this KestrelServerOptions kestrel, HttpGuards guards)
    {
        // A line ends with CR LF and nothing else: who stands between may not take a bare LF for an end (RFC 9112 section 2.2).
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxConcurrentConnections = Connections;
        limits.MaxConcurrentUpgradedConnections = Connections / 4;
        limits.MaxRequestBodySize = BodyBytes;
        limits.MaxRequestHeadersTotalSize = HeaderBytes;
        limits.MaxRequestHeaderCount = HeaderCount;
        limits.MaxRequestLineSize = RequestLineBytes;
        limits.RequestHeadersTimeout = guards.HeaderTime;
        limits.KeepAliveTimeout = IdleTime;
        limits.MinRequestBodyDataRate = new MinDataRate(BytesASecond, guards.Grace);
        limits.MinResponseDataRate = new MinDataRate(BytesASecond, guards.Grace);
        limits.Http2.MaxStreamsPerConnection = Http2Streams;
        limits.Http2.MaxRequestHeaderFieldSize = HeaderBytes;
        limits.Http2.HeaderTableSize = 4 * 1024;
        limits.Http2.MaxFrameSize = 16 * 1024;
        limits.Http2.InitialConnectionWindowSize = 1024 * 1024;
        limits.Http2.InitialStreamWindowSize = 256 * 1024;
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(60);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
    }

    /// <summary>
    /// Ends a request that takes longer than <paramref name="most"/> with <see cref="HttpProblems.TimedOut"/>. An endpoint says
    /// <c>WithRequestTimeout</c> or <c>DisableRequestTimeout</c> where that is wrong for it.
    /// </summary>
    public static IServiceCollection AddPlatenTimeouts(this IServiceCollection services, TimeSpan most) =>
        services.AddRequestTimeouts(timeouts =>
            timeouts.DefaultPolicy = new RequestTimeoutPolicy
            {
                Timeout = most,
                TimeoutStatusCode = HttpProblems.TimedOut.Status,
                WriteTimeoutResponse = context =>
                    ProblemResponses.WriteAsync(
                        context,
                        HttpProblems.TimedOut.Because(
                            "The server gave up on this request. Part of its work may have been done."
                        )
                    ),
            }
        );

    /// <summary>
    /// Puts the time-outs in force, after routing. Below <paramref name="transfers"/> bytes go in and out for as long as they flow
    /// (see <see cref="BytesASecond"/>).
    /// </summary>
    public static IApplicationBuilder UsePlatenTimeouts(this IApplicationBuilder app, params PathString[] transfers)
    {
        app.UseRequestTimeouts();
        return app.Use(
            (context, next) =>
            {
                foreach (var path in transfers)
                {
                    if (context.Request.Path.StartsWithSegments(path, StringComparison.Ordinal))
                        context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
                }
                return next(context);
            }
        );
    }

    /// <summary>Bytes that a body of this endpoint may have instead of <see cref="BodyBytes"/>; null for any number.</summary>
    public static TBuilder WithBodyLimit<TBuilder>(this TBuilder endpoint, long? bytes)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new BodyLimit(bytes));

    /// <summary>
    /// Refuses a request that frames its body in two ways at once (RFC 9112 section 6.1): whoever stands between client and server may
    /// have read it otherwise than we do. The connection ends with it.
    /// </summary>
    public static IApplicationBuilder UseStrictFraming(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                var headers = context.Request.Headers;
                // The server has moved Content-Length here when there was Transfer-Encoding as well.
                if (
                    headers.TransferEncoding.Count == 0
                    || !(headers.ContainsKey("X-Content-Length") || headers.ContentLength is not null)
                )
                    return next(context);
                context.Response.Headers.Connection = "close";
                return ProblemResponses.WriteAsync(
                    context,
                    KernelProblems.Malformed.Because("Send Content-Length or Transfer-Encoding, not both.")
                );
            }
        );

    private sealed record BodyLimit(long? MaxRequestBodySize) : IRequestSizeLimitMetadata;
}

using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>
/// Where the request that is being answered came from. It flows with the request's asynchronous work, so that what is recorded deep
/// below can say it without every signature carrying it. Background work has none.
/// </summary>
/// <param name="Address">The client's, as <see cref="ClientAddresses.ClientAddress"/> found it; null for a connection without one (a Unix socket).</param>
/// <param name="UserAgent">What the client calls itself, cut to <see cref="UserAgentLength"/> characters; null when it does not say.</param>
public sealed record RequestOrigin(IPAddress? Address, string? UserAgent)
{
    /// <summary>Characters of a user agent that are kept: real ones stay below 300.</summary>
    public const int UserAgentLength = 300;

    private static readonly AsyncLocal<RequestOrigin?> ambient = new();

    /// <summary>The origin of the request this code runs for; null outside a request.</summary>
    public static RequestOrigin? Current => ambient.Value;

    /// <summary>Lets what runs from here on, in this flow, act for <paramref name="origin"/>.</summary>
    public static void Set(RequestOrigin? origin) => ambient.Value = origin;

    internal static RequestOrigin Of(HttpContext context)
    {
        var agent = context.Request.Headers.UserAgent.ToString();
        return new RequestOrigin(context.ClientAddress(), agent.Length == 0 ? null : Cut(agent));
    }

    // Half a surrogate pair is no text.
    private static string Cut(string agent) =>
        agent.Length <= UserAgentLength ? agent
        : char.IsHighSurrogate(agent[UserAgentLength - 1]) ? agent[..(UserAgentLength - 1)]
        : agent[..UserAgentLength];
}

public static class RequestOriginExtensions
{
    /// <summary>Makes <see cref="RequestOrigin.Current"/> known to the rest of the pipeline.</summary>
    public static IApplicationBuilder UseRequestOrigin(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                RequestOrigin.Set(RequestOrigin.Of(context));
                return next(context);
            }
        );
}

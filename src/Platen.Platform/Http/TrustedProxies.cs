using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Platen.Platform.Http;

/// <summary>
/// Believes <c>X-Forwarded-For</c>, <c>-Proto</c> and <c>-Host</c> when the connection comes from a trusted proxy, and takes them
/// away otherwise, so that nothing behind this can believe them by mistake.
/// </summary>
/// <remarks>
/// Each proxy appends the address it was asked from, so the list is read from its end: as long as the address is a trusted proxy's, the
/// entry before it was written by that proxy. The first that is not is the client; what stands before it, the client made up.
/// </remarks>
public static partial class TrustedProxies
{
    private const string For = "X-Forwarded-For";
    private const string Proto = "X-Forwarded-Proto";
    private const string Host = "X-Forwarded-Host";

    /// <summary>Entries looked at: no chain of proxies is longer, and a header is not a place to work in.</summary>
    private const int MostHops = 20;

    private static readonly SearchValues<char> DigitsAndDots = SearchValues.Create("0123456789.");

    /// <summary>Sets the request's address, scheme and host to the client's. Stands first in the pipeline.</summary>
    public static IApplicationBuilder UseTrustedProxies(
        this IApplicationBuilder app,
        IReadOnlyList<IPNetwork> trusted,
        ILogger logger
    )
    {
        var warned = 0;
        return app.Use(next =>
            context =>
            {
                var headers = context.Request.Headers;
                if (headers.ContainsKey(For) || headers.ContainsKey(Proto) || headers.ContainsKey(Host))
                {
                    if (context.ClientAddress() is { } peer && IsTrusted(peer, trusted))
                        Believe(context, peer, trusted);
                    // Once: a proxy that nobody has declared makes all of its clients look like one.
                    else if (Interlocked.Exchange(ref warned, 1) == 0)
                        LogUndeclared(logger, context.ClientAddress());
                    headers.Remove(For);
                    headers.Remove(Proto);
                    headers.Remove(Host);
                }
                return next(context);
            }
        );
    }

    private static void Believe(HttpContext context, IPAddress peer, IReadOnlyList<IPNetwork> trusted)
    {
        var headers = context.Request.Headers;
        context.Connection.RemoteIpAddress = Client(peer, headers[For].ToString(), trusted);
        // Of several values the last was written by the proxy that asked us.
        if (Last(headers[Proto].ToString()).ToLowerInvariant() is var scheme && scheme is ("http" or "https"))
            context.Request.Scheme = scheme;
        if (Last(headers[Host].ToString()) is { Length: > 0 and <= 255 } host && IsHost(host))
            context.Request.Host = new HostString(host);
    }

    /// <summary>The last address of the list that is not a trusted proxy's; the first of it when all are.</summary>
    internal static IPAddress Client(IPAddress peer, string forwardedFor, IReadOnlyList<IPNetwork> trusted)
    {
        var client = peer;
        var left = forwardedFor.AsSpan();
        for (var hop = 0; hop < MostHops && !left.IsEmpty && IsTrusted(client, trusted); hop++)
        {
            var comma = left.LastIndexOf(',');
            var entry = left[(comma + 1)..].Trim();
            left = comma < 0 ? [] : left[..comma];
            // A proxy that writes what is no address hides its client: it answers for it itself.
            if (!TryReadAddress(entry, out var before))
                break;
            client = before;
        }
        return client;
    }

    /// <summary>An address as proxies write it: <c>192.0.2.1</c>, <c>192.0.2.1:443</c>, <c>2001:db8::1</c>, <c>[2001:db8::1]:443</c>.</summary>
    private static bool TryReadAddress(ReadOnlySpan<char> entry, out IPAddress address)
    {
        address = IPAddress.None;
        if (entry.IsEmpty || entry.Length > 64 || entry.Contains('%'))
            return false;
        if (entry[0] == '[')
        {
            var end = entry.IndexOf(']');
            if (end < 0 || (end + 1 < entry.Length && entry[end + 1] != ':'))
                return false;
            entry = entry[1..end];
        }
        else if (entry.Count(':') == 1)
        {
            entry = entry[..entry.IndexOf(':')];
        }
        // The framework also reads "1" and "0x7f.1" as addresses; nobody writes those but to confuse.
        if (!entry.Contains(':') && (entry.Count('.') != 3 || entry.ContainsAnyExcept(DigitsAndDots)))
            return false;
        if (!IPAddress.TryParse(entry, out var parsed))
            return false;
        address = parsed.IsIPv4MappedToIPv6 ? parsed.MapToIPv4() : parsed;
        return true;
    }

    private static bool IsTrusted(IPAddress address, IReadOnlyList<IPNetwork> trusted)
    {
        foreach (var network in trusted)
        {
            if (network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address))
                return true;
        }
        return false;
    }

    private static string Last(string field) => field[(field.LastIndexOf(',') + 1)..].Trim();

    private static bool IsHost(string text) =>
        Uri.CheckHostName(new HostString(text).Host.Trim('[', ']')) != UriHostNameType.Unknown
        && Uri.TryCreate("http://" + text + "/", UriKind.Absolute, out var uri)
        && uri.UserInfo.Length == 0
        && uri.PathAndQuery == "/"
        && uri.Fragment.Length == 0;

    [LoggerMessage(
        1110,
        LogLevel.Warning,
        "{Address} sends X-Forwarded fields and is not in PLATEN_TRUSTED_PROXIES: they are ignored. If it is your proxy, all of its clients count as one"
    )]
    private static partial void LogUndeclared(ILogger logger, IPAddress? address);
}

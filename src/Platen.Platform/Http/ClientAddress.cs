using System.Net;
using Microsoft.AspNetCore.Http;

namespace Platen.Platform.Http;

/// <summary>The one place that says which address a request came from.</summary>
public static class ClientAddresses
{
    /// <summary>
    /// The client's address, IPv4 in its own form also on a dual-stack socket; null for a connection without one (a Unix socket).
    /// Behind a trusted proxy it is what the proxy says; what anybody else says about it is not listened to.
    /// </summary>
    public static IPAddress? ClientAddress(this HttpContext context) =>
        context.Connection.RemoteIpAddress is { IsIPv4MappedToIPv6: true } mapped
            ? mapped.MapToIPv4()
            : context.Connection.RemoteIpAddress;
}

using System.Net;
using System.Net.Sockets;

namespace Platen.Platform.Webhooks;

/// <summary>
/// Which addresses are on the public internet: those that the special-purpose registries of IANA (RFC 6890) do not set apart. Whoever
/// names an address for the server to connect to must not reach the machine itself, its neighbours or a cloud's metadata that way.
/// </summary>
internal static class OutboundAddress
{
    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] SetApart =
    [
        .. new[]
        {
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
            // Special purposes, Teredo among them, which has an IPv4 address inside; documentation; 6to4, which has one as well.
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

    /// <summary>Whether anybody on the internet means the same host by it.</summary>
    public static bool IsPublic(IPAddress address)
    {
        var plain = Plain(address);
        return (plain.AddressFamily == AddressFamily.InterNetwork || GlobalUnicast.Contains(plain))
            && !SetApart.Any(network =>
                network.BaseAddress.AddressFamily == plain.AddressFamily && network.Contains(plain)
            );
    }

    /// <summary>An IPv4 address that is written as an IPv6 one, as itself.</summary>
    public static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}

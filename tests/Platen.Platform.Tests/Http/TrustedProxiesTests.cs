using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Platen.Platform.Http;

namespace Platen.Platform.Tests.Http;

public sealed class TrustedProxiesTests
{
    private static readonly IPNetwork[] Trusted = [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("fd00::/8")];

    [Theory]
    [InlineData("10.0.0.1", "", "10.0.0.1")]
    [InlineData("10.0.0.1", "203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9")]
    [InlineData("10.0.0.1", "10.3.3.3, 10.2.2.2", "10.3.3.3")]
    [InlineData("10.0.0.1", "203.0.113.9:51000", "203.0.113.9")]
    [InlineData("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7")]
    [InlineData("10.0.0.1", "2001:db8::7", "2001:db8::7")]
    [InlineData("fd00::1", "::ffff:203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.1", "203.0.113.9,", "10.0.0.1")]
    [InlineData("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1")]
    [InlineData("10.0.0.1", "6.6.6.6, 1", "10.0.0.1")]
    [InlineData("10.0.0.1", "6.6.6.6, 0x7f.0.0.1", "10.0.0.1")]
    [InlineData("10.0.0.1", "fe80::1%eth0", "10.0.0.1")]
    [InlineData("203.0.113.5", "6.6.6.6", "203.0.113.5")]
    public void The_client_is_the_last_address_that_no_trusted_proxy_has(string peer, string field, string client) =>
        TrustedProxies.Client(IPAddress.Parse(peer), field, Trusted).ShouldBe(IPAddress.Parse(client));

    [Fact]
    public void A_long_list_is_read_up_to_a_limit_and_what_the_client_wrote_is_never_believed()
    {
        var hops = string.Join(", ", Enumerable.Repeat("10.9.9.9", 10_000));
        TrustedProxies
            .Client(IPAddress.Parse("10.0.0.1"), "6.6.6.6, " + hops, Trusted)
            .ShouldBe(IPAddress.Parse("10.9.9.9"));
        var check = (uint forged, uint real) =>
        {
            var client = new IPAddress(real | 0x80);
            var field = $"{new IPAddress(forged)}, {client}";
            return TrustedProxies
                .Client(IPAddress.Parse("10.0.0.1"), field, [IPNetwork.Parse("10.0.0.1/32")])
                .Equals(client);
        };
        Prop.ForAll<uint, uint>(check).QuickCheckThrowOnFailure();
    }
}

using Platen.Platform.Http;

namespace Platen.Platform.Tests.Http;

public sealed class HttpGuardsTests
{
    [Theory]
    [InlineData("https://app.example.com", "https://app.example.com", true)]
    [InlineData("https://app.example.com", "HTTPS://APP.example.com", true)]
    [InlineData("https://app.example.com:443", "https://app.example.com", true)]
    [InlineData("https://app.example.com", "http://app.example.com", false)]
    [InlineData("https://app.example.com", "https://app.example.com:8443", false)]
    [InlineData("https://app.example.com", "https://app.example.com.evil.test", false)]
    [InlineData("https://app.example.com", "https://evil.test/https://app.example.com", false)]
    [InlineData("https://*.example.com", "https://a.example.com", true)]
    [InlineData("https://*.example.com", "https://a.b.example.com", true)]
    [InlineData("https://*.example.com", "https://example.com", false)]
    [InlineData("https://*.example.com", "https://.example.com", false)]
    [InlineData("https://*.example.com", "https://evilexample.com", false)]
    [InlineData("https://*.example.com", "https://evil.test/.example.com", false)]
    [InlineData("https://*.example.com", "https://user@a.example.com", false)]
    [InlineData("https://*.example.com:8443", "https://a.example.com:8443", true)]
    [InlineData("https://*.example.com:8443", "https://a.example.com", false)]
    [InlineData("*", "https://anybody.test", true)]
    [InlineData("*", "null", false)]
    [InlineData("https://a.test https://b.test,https://c.test", "https://c.test", true)]
    [InlineData("", "https://a.test", false)]
    public void An_origin_is_allowed_whole_or_below_a_name(string list, string origin, bool allowed) =>
        AllowedOrigins.Parse(list).Allows(origin).ShouldBe(allowed);

    [Theory]
    [InlineData("PLATEN_CORS_ORIGINS", "example.com")]
    [InlineData("PLATEN_CORS_ORIGINS", "https://example.com/")]
    [InlineData("PLATEN_CORS_ORIGINS", "https://example.com/app")]
    [InlineData("PLATEN_CORS_ORIGINS", "https://user@example.com")]
    [InlineData("PLATEN_CORS_ORIGINS", "ftp://example.com")]
    [InlineData("PLATEN_CORS_ORIGINS", "null")]
    [InlineData("PLATEN_TRUSTED_PROXIES", "10.0.0.0/33")]
    [InlineData("PLATEN_LIMITS", "key=fast")]
    [InlineData("PLATEN_REDIS", "localhost")]
    [InlineData("PLATEN_TRUSTED_PROXIES", "proxy.example.com")]
    [InlineData("PLATEN_REQUEST_TIMEOUT", "0")]
    [InlineData("PLATEN_REQUEST_TIMEOUT", "1.5")]
    public void A_setting_that_means_nothing_is_refused_by_name(string name, string value)
    {
        var refused = Should.Throw<FormatException>(() => HttpGuards.Read(asked => asked == name ? value : null));
        refused.Message.ShouldStartWith(name);
    }

    [Fact]
    public void What_is_not_set_trusts_nobody()
    {
        var guards = HttpGuards.Read(_ => null);
        guards.TrustedProxies.ShouldBeEmpty();
        guards.CorsOrigins.Allows("https://a.test").ShouldBeFalse();
        var set = HttpGuards.Read(name => name == "PLATEN_TRUSTED_PROXIES" ? "10.0.0.0/8, ::1" : null);
        set.TrustedProxies.Select(network => network.PrefixLength).ShouldBe([8, 128]);
    }
}

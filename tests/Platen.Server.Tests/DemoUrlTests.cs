using Microsoft.Extensions.Configuration;

namespace Platen.Server.Tests;

/// <summary>Where the demo page is.</summary>
public sealed class DemoUrlTests
{
    [Theory]
    [InlineData(null, null, "http://localhost:5081/")]
    [InlineData("http://localhost:7000", null, "http://127.0.0.1:7001/")]
    [InlineData("http://*:80", null, "http://127.0.0.1:81/")]
    [InlineData("http://127.0.0.1:0", null, null)]
    [InlineData("http://127.0.0.1:65535", null, null)]
    [InlineData(null, "off", null)]
    [InlineData(null, "http://localhost:9000", "http://localhost:9000/")]
    public void It_is_the_next_port_unless_something_else_is_said(string? urls, string? demo, string? expected) =>
        Read(("PLATEN_URLS", urls), ("PLATEN_DEMO_URL", demo)).DemoUrl?.ToString().ShouldBe(expected);

    [Fact]
    public void Only_a_server_to_try_things_out_has_one_by_itself()
    {
        Read(("PLATEN_PROFILE", "cloud")).DemoUrl.ShouldBeNull();
        Read(("PLATEN_PROFILE", "cloud"), ("PLATEN_DEMO_URL", "http://localhost:9000")).DemoUrl.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("on")]
    [InlineData("http://example.org:80")]
    [InlineData("http://localhost:9000/path")]
    [InlineData("https://localhost:9000")]
    public void Another_value_stops_the_start(string demo) =>
        Should.Throw<SettingException>(() => Read(("PLATEN_DEMO_URL", demo))).Message.ShouldContain("PLATEN_DEMO_URL");

    private static ServerSettings Read(params (string Name, string? Value)[] settings) =>
        ServerSettings.Read(
            new ConfigurationBuilder()
                .AddInMemoryCollection(settings.ToDictionary(s => s.Name, s => s.Value, StringComparer.Ordinal))
                .Build()
        );
}

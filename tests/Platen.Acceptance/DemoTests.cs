using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>The demo page is a courtesy: it never stands in the way.</summary>
public sealed class DemoTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_visit_of_it_leaves_metrics_that_can_be_read()
    {
        var demo = new Uri($"http://localhost:{ServerProcess.FreePort()}/demo");
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_DEMO_URL", new Uri(demo, "/").ToString())
        );
        using var client = new HttpClient { BaseAddress = server.Address };
        (await client.GetAsync(demo, Ct)).StatusCode.ShouldBe(HttpStatusCode.OK);

        var metrics = await client.GetStringAsync("metrics", Ct);

        // The demo is a host of its own in the server's process.
        metrics.ShouldContain("http_route=\"/demo\"");
        metrics
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] != '#')
            .Select(line => line[..line.LastIndexOf(' ')])
            .ShouldBeUnique();
    }

    [Fact]
    public async Task A_taken_port_is_a_warning_and_the_server_goes_on_without()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_DEMO_URL", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"))
        );
        using var client = new HttpClient { BaseAddress = server.Address };

        (await client.GetAsync("readyz", Ct)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await client.GetAsync("demo", Ct)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        server.Output.ShouldContain("No demo page");
        server.Output.ShouldContain("PLATEN_DEMO_URL");
    }
}

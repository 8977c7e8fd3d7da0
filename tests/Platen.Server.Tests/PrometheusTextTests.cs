using System.Diagnostics.Metrics;

namespace Platen.Server.Tests;

public sealed class PrometheusTextTests
{
    [Fact]
    public void What_hosts_of_one_process_measure_under_one_name_is_one_series()
    {
        const string name = "Platen.Tests.Twins";
        using var metrics = new PrometheusText([name]);
        // As a site beside the server is: another host, whose meters have the same names.
        using var server = new Meter(name);
        using var site = new Meter(name);
        var label = KeyValuePair.Create<string, object?>("route", "/demo");
        foreach (var (meter, times) in new[] { (server, 1), (site, 2) })
        {
            meter.CreateCounter<long>("twins.asked").Add(times, label);
            meter.CreateUpDownCounter<long>("twins.open").Add(times);
            meter.CreateGauge<long>("twins.level").Record(times);
            meter.CreateObservableGauge("twins.looked.at", () => times);
            var duration = meter.CreateHistogram<double>("twins.duration", "s");
            for (var i = 0; i < times; i++)
                duration.Record(0.25, label);
        }
        site.CreateCounter<long>("twins.asked").Add(4, KeyValuePair.Create<string, object?>("route", "/"));

        var lines = metrics.Write().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        lines.ShouldBeUnique();
        lines
            .Where(line => line[0] != '#')
            .Select(line => line[..line.LastIndexOf(' ')])
            .ShouldBeUnique("A series that stands there twice makes the whole answer invalid.");
        lines.ShouldContain("twins_asked_total{route=\"/demo\"} 3");
        lines.ShouldContain("twins_asked_total{route=\"/\"} 4");
        lines.ShouldContain("twins_open 3");
        lines.ShouldContain("twins_level 2");
        lines.ShouldContain("twins_looked_at 2");
        lines.ShouldContain("twins_duration_seconds_bucket{route=\"/demo\",le=\"0.1\"} 0");
        lines.ShouldContain("twins_duration_seconds_bucket{route=\"/demo\",le=\"0.25\"} 3");
        lines.ShouldContain("twins_duration_seconds_sum{route=\"/demo\"} 0.75");
        lines.ShouldContain("twins_duration_seconds_count{route=\"/demo\"} 3");
    }
}

using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Platen.Server;

/// <summary>
/// Sends traces and metrics over OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set; endpoint, protocol and headers are read from the
/// standard variables by the exporter itself. Without it nothing is collected for it.
/// </summary>
internal sealed class TelemetryExport(IReadOnlyList<string> meters) : IHostedService, IDisposable
{
    private TracerProvider? traces;
    private MeterProvider? metrics;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var resource = ResourceBuilder.CreateDefault().AddService("platen", serviceVersion: ServerProcess.Version);
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource("Platen.*", "Microsoft.AspNetCore", "Npgsql")
            .AddOtlpExporter()
            .Build();
        metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter([.. meters.Select(m => m.EndsWith('.') ? m + "*" : m)])
            .AddOtlpExporter()
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        traces?.ForceFlush(2_000);
        metrics?.ForceFlush(2_000);
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        traces?.Dispose();
        metrics?.Dispose();
    }
}

internal static class TelemetryRegistration
{
    public static IServiceCollection AddTelemetryExport(this IServiceCollection services, IReadOnlyList<string> meters)
    {
        if (Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 })
            services.AddHostedService(_ => new TelemetryExport(meters));
        return services;
    }
}

using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Platen.Server;

/// <summary>
/// Sends traces, metrics and logs over OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set; endpoint, protocol and headers are read from the
/// standard variables by the exporter itself. Without it nothing is collected for it.
/// </summary>
internal sealed class TelemetryExport(IReadOnlyList<string> meters) : IHostedService, IDisposable
{
    private TracerProvider? traces;
    private MeterProvider? metrics;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(TelemetryRegistration.Resource())
            .AddSource("Platen.*", "Microsoft.AspNetCore", "Npgsql")
            .AddOtlpExporter()
            .Build();
        metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(TelemetryRegistration.Resource())
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
    private static bool IsWanted =>
        Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 };

    public static ResourceBuilder Resource() =>
        ResourceBuilder.CreateDefault().AddService("platen", serviceVersion: ServerProcess.Version);

    /// <summary>Logs go to the collector as well, with the ids of their traces; the console keeps what it had.</summary>
    public static void AddTelemetryExport(this ILoggingBuilder logging)
    {
        if (!IsWanted)
            return;
        logging.AddOpenTelemetry(options =>
        {
            options.SetResourceBuilder(Resource());
            options.IncludeFormattedMessage = true;
            options.AddOtlpExporter();
        });
    }

    public static IServiceCollection AddTelemetryExport(this IServiceCollection services, IReadOnlyList<string> meters)
    {
        if (IsWanted)
            services.AddHostedService(_ => new TelemetryExport(meters));
        return services;
    }
}
